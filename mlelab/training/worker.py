"""One training script for one process or many: `python worker.py --strategy multiworker --steps 40`.

It trains a small Keras model on the delay task, or on made-up data of the same shape. Which process it is, it learns
from TF_CONFIG, as Vertex AI sets it; so the same file runs alone, under `mlelab.training.cluster`, and as a CustomJob.

    one               this process, one device
    mirrored          this process, all its GPUs, or two logical devices on the CPU
    multiworker       all processes together: one gradient step over all, every process holds the same parameters
    parameter_server  the chief hands out steps, workers compute them at their own pace, a server holds the parameters

A global batch is cut among the replicas, so every strategy but the last computes what one process computes, up to
rounding. `Model.fit` does not run under `multiworker` with Keras 3; this loop of its own does.
"""

import argparse
import contextlib
import json
import os
import signal
import socket
import sys
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np

STRATEGIES = ("one", "mirrored", "multiworker", "parameter_server")
KEPT = 2  # checkpoints: if the newest cannot be read, there is another


def arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strategy", choices=STRATEGIES, default="one")
    parser.add_argument("--data", type=Path, help=".npz with x (rows, columns) and y (rows) of 0 and 1")
    parser.add_argument("--steps", type=int, default=40, help="gradient steps in all, those of a checkpoint included")
    parser.add_argument("--batch", type=int, default=64, help="rows of the global batch")
    parser.add_argument("--width", type=int, default=32, help="hidden units")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--checkpoint", type=Path, help="folder; resume from its newest, and write there")
    parser.add_argument("--every", type=int, default=10, help="steps between checkpoints")
    parser.add_argument("--stop-at", type=int, help="write a checkpoint after this step, and leave")
    parser.add_argument("--die-at", type=int, help="end this process without a word after this step")
    parser.add_argument("--result", help="JSON file to write; {task} in its name becomes chief-0, worker-1 ...")
    return parser.parse_args(argv)


def load_data(path, seed):
    if path:
        with np.load(path) as table:
            return table["x"].astype("float32"), table["y"].astype("float32")
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(4_000, 20)).astype("float32")
    return x, (x[:, 0] + x[:, 1] * x[:, 2] + rng.normal(size=len(x)) > 1).astype("float32")


class Batches:
    """Batches without end: each epoch in a new order, each row with a little noise. Every process draws the same."""

    def __init__(self, x, y, size, seed):
        self.x, self.y, self.size = x, y, size
        self.rng = np.random.default_rng(seed)
        self.order = self.rng.permutation(len(x))
        self.position = 0

    def draw(self):
        if self.position == len(self.x):
            self.order, self.position = self.rng.permutation(len(self.x)), 0
        rows = self.order[self.position:self.position + self.size]
        self.position += len(rows)
        noise = self.rng.normal(scale=0.1, size=(len(rows), self.x.shape[1]))
        return (self.x[rows] + noise).astype("float32"), self.y[rows]

    def state(self):
        return {"order": self.order, "position": self.position, "rng": json.dumps(self.rng.bit_generator.state)}

    def restore(self, state):
        self.order, self.position = state["order"], int(state["position"])
        self.rng.bit_generator.state = json.loads(str(state["rng"]))


def save(folder, step, arrays):
    """Write a checkpoint that is whole or not there: under another name first, then renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / "unfinished"
    with open(unfinished, "wb") as file:
        np.savez(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, folder / f"step-{step:06d}.npz")
    for old in sorted(folder.glob("step-*.npz"))[:-KEPT]:
        old.unlink()


def load(folder):
    """The newest checkpoint that can be read, or None."""
    for path in sorted(folder.glob("step-*.npz"), reverse=True):
        try:
            with np.load(path) as arrays:
                return dict(arrays)
        except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error):
            print(f"{path.name} cannot be read; trying the one before", flush=True)
    return None


class Training:
    """Model, optimiser and one gradient step under a strategy of tf.distribute."""

    def __init__(self, strategy, columns, width, seed):
        import keras
        import tensorflow as tf

        self.tf, self.strategy = tf, strategy
        keras.utils.set_random_seed(seed)
        with strategy.scope():
            self.model = keras.Sequential([keras.Input((columns,)), keras.layers.Dense(width, "relu"),
                                           keras.layers.Dense(1)])
            self.optimizer = keras.optimizers.Adam(1e-2)
            self.optimizer.build(self.model.trainable_variables)
        self.step = tf.function(self._step, reduce_retracing=True)

    def _replica_step(self, x, y, rows):
        """Sum of the losses of this replica's rows, divided by the rows of all: gradients then add up to the mean."""
        tf = self.tf
        with tf.GradientTape() as tape:
            losses = tf.nn.sigmoid_cross_entropy_with_logits(y, self.model(x, training=True)[:, 0])
            loss = tf.reduce_sum(losses) / rows
        gradients = tape.gradient(loss, [variable.value for variable in self.model.trainable_variables])
        self.optimizer.apply(gradients)  # adds the gradients of all replicas first
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, loss)

    def _step(self, x, y, rows):
        return self.strategy.experimental_local_results(self.strategy.run(self._replica_step, (x, y, rows)))[0]

    def cut(self, values):
        """Each replica's share of a global batch: every k-th row, beginning with its own number."""
        def share(replica):
            return self.tf.constant(values[replica.replica_id_in_sync_group::replica.num_replicas_in_sync])
        return self.strategy.experimental_distribute_values_from_function(share)

    def train(self, x, y):
        return float(self.step(self.cut(x), self.cut(y), self.tf.constant(len(x), "float32")))

    def settle(self, losses):
        """The losses as numbers, once all steps so far are done."""
        return losses

    def state(self):
        values = {f"parameter-{i}": variable.numpy() for i, variable in enumerate(self.model.variables)}
        return values | {f"optimizer-{i}": variable.numpy() for i, variable in enumerate(self.optimizer.variables)}

    def restore(self, state):
        for i, variable in enumerate(self.model.variables):
            variable.assign(state[f"parameter-{i}"])
        for i, variable in enumerate(self.optimizer.variables):
            variable.assign(state[f"optimizer-{i}"])


class AsynchronousTraining(Training):
    """Steps are handed out; a worker takes the next one whether or not the others are done."""

    def __init__(self, strategy, *rest):
        super().__init__(strategy, *rest)
        self.coordinator = self.tf.distribute.coordinator.ClusterCoordinator(strategy)

    def train(self, x, y):
        constant = self.tf.constant
        return self.coordinator.schedule(self.step, args=(constant(x), constant(y), constant(len(x), "float32")))

    def settle(self, losses):
        self.coordinator.join()
        return [float(loss if isinstance(loss, float) else loss.fetch()) for loss in losses]


def make_strategy(name):
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if name == "one":
        return tf.distribute.OneDeviceStrategy("GPU:0" if gpus else "CPU:0")
    if name == "multiworker":
        return tf.distribute.MultiWorkerMirroredStrategy()
    if name == "parameter_server":
        return tf.distribute.ParameterServerStrategy(tf.distribute.cluster_resolver.TFConfigClusterResolver())
    if gpus:
        return tf.distribute.MirroredStrategy()
    cpu, = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def serve(cluster, kind, index):
    """A worker or parameter server: does what the chief asks, and ends when the chief ends, however that happens."""
    import tensorflow as tf

    server = tf.distribute.Server(tf.train.ClusterSpec(cluster), job_name=kind, task_index=index, protocol="grpc")
    while not listens(cluster["chief"][0]):
        time.sleep(0.1)
    while listens(cluster["chief"][0]):
        time.sleep(0.5)
    return server


def listens(address):
    host, port = address.rsplit(":", 1)
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=5):
        return True
    return False


def main(argv=None):
    args = arguments(argv)
    config = json.loads(os.environ.get("TF_CONFIG", "{}"))
    if args.strategy in ("multiworker", "parameter_server") and not config:
        raise SystemExit(f"--strategy {args.strategy} needs TF_CONFIG, which says who the other processes are.")
    cluster = config.get("cluster", {})
    kind, index = config["task"].values() if config else ("chief", 0)
    if args.strategy == "parameter_server" and kind != "chief":
        return serve(cluster, kind, index)

    batches = Batches(*load_data(args.data, args.seed), args.batch, args.seed)
    make = AsynchronousTraining if args.strategy == "parameter_server" else Training
    training = make(make_strategy(args.strategy), batches.x.shape[1], args.width, args.seed)
    losses = []
    if args.checkpoint and (found := load(args.checkpoint)):
        training.restore(found)
        batches.restore(found)
        losses = found["losses"].tolist()
        print(f"resumed after step {len(losses)}", flush=True)

    resumed = len(losses)
    last = min(args.steps, args.stop_at or args.steps)
    writes = index == 0 and (kind == "chief" or "chief" not in cluster)
    for step in range(resumed + 1, last + 1):
        losses.append(training.train(*batches.draw()))
        if step == resumed + 1:
            losses = training.settle(losses)
            started = time.perf_counter()  # the first step traces and compiles: it is not what a step costs
        print(f"step {step}", flush=True)
        if step == args.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if args.checkpoint and writes and (step % args.every == 0 or step == last):
            losses = training.settle(losses)
            save(args.checkpoint, step, training.state() | batches.state() | {"losses": np.array(losses)})
    losses = training.settle(losses)
    steps = last - resumed - 1
    state = training.state() | batches.state()
    result = {
        "task": f"{kind}-{index}", "replicas": training.strategy.num_replicas_in_sync, "resumed_after": resumed,
        "loss": losses, "steps_per_second": steps / (time.perf_counter() - started) if steps > 0 else None,
        "parameters": flat(state, "parameter"), "optimizer": flat(state, "optimizer"),
        "order": state["order"].tolist(), "position": state["position"], "rng": state["rng"],
    }
    if args.result:
        Path(args.result.replace("{task}", result["task"])).write_text(json.dumps(result))
    return result


def flat(state, name):
    return [float(number) for key, value in state.items() if key.startswith(name) for number in np.ravel(value)]


if __name__ == "__main__":
    for optional in ("matplotlib", "pandas", "sklearn"):  # Keras imports what it finds: 140 MiB that no replica uses
        sys.modules[optional] = None
    main()
