"""Data parallelism with `keras.distribution`, on JAX: `python on_jax.py` trains on 8 simulated devices and on one.

The program does not name the gradients' sum. It says how the data lies on the devices, and the compiler puts the
all-reduce where it is needed; here it is read out of the compiled program. Needs `pip install mlelab[jax]`.
"""

import argparse
import json
import os

DEVICES = 8
os.environ["KERAS_BACKEND"] = "jax"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={DEVICES}".strip()
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax  # noqa: E402  the variables above are read when these are imported
import keras  # noqa: E402
import numpy as np  # noqa: E402


def train(devices, steps, seed=5):
    """Losses, final parameters, on how many devices a parameter lies, and the compiled step as text."""
    layout = keras.distribution.DataParallel(devices=keras.distribution.list_devices("cpu")[:devices])
    keras.distribution.set_distribution(layout)
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((20,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(1)])
    optimizer = keras.optimizers.Adam(1e-2)
    optimizer.build(model.trainable_variables)

    def loss(parameters, x, y):
        scores, _ = model.stateless_call(parameters, [], x)
        return keras.ops.mean(keras.losses.binary_crossentropy(y[:, None], scores, from_logits=True))

    def step(parameters, state, x, y):
        value, gradients = jax.value_and_grad(loss)(parameters, x, y)
        parameters, state = optimizer.stateless_apply(state, gradients, parameters)
        return value, parameters, state

    def batch(array):  # each device gets its share of the rows
        return keras.distribution.distribute_tensor(array, layout.get_data_layout(array.shape))

    rng = np.random.default_rng(seed)
    parameters = [variable.value for variable in model.trainable_variables]
    state = [variable.value for variable in optimizer.variables]
    losses, compiled = [], None
    for _ in range(steps):
        x = rng.normal(size=(64, 20)).astype("float32")
        rows = batch(x), batch((x[:, 0] + x[:, 1] * x[:, 2] > 1).astype("float32"))
        compiled = compiled or jax.jit(step).lower(parameters, state, *rows).compile()
        value, parameters, state = compiled(parameters, state, *rows)
        losses.append(float(value))
    copies = [np.array(copy.data) for copy in parameters[0].addressable_shards]
    return {"loss": losses, "parameters": [np.array(p) for p in parameters], "copies": copies,
            "program": compiled.as_text()}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=40)
    args = parser.parse_args(argv)
    one, many = (train(devices, args.steps) for devices in (1, DEVICES))
    reductions = {name: [line.strip() for line in run["program"].splitlines() if " all-reduce" in line and "=" in line]
                  for name, run in (("one", one), ("many", many))}
    print(json.dumps({
        "devices": len(many["copies"]),
        "copies_identical": all(np.array_equal(copy, many["copies"][0]) for copy in many["copies"]),
        "largest_difference": max(float(np.abs(a - b).max()) for a, b in zip(one["parameters"], many["parameters"])),
        "loss": many["loss"][-1],
        "all_reduces": {name: len(lines) for name, lines in reductions.items()},
        "first_all_reduce": next(iter(reductions["many"]), "")[:160],
    }, indent=1))


if __name__ == "__main__":
    main()
