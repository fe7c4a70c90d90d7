"""What this machine's GPU does, measured: `KERAS_BACKEND=jax python gpu.py --machine "one L4" --out l4.csv`.

One script for TensorFlow, JAX and PyTorch, through Keras 3. Without a GPU it measures the CPU, and says so; `--small`
takes seconds. Each line of the table is one experiment with one setting:

    matmul    TFLOP/s of a matrix product, by type; with `copy`, the two limits of a roofline
    copy      GB/s of an addition that reads and writes a long vector
    roofline  operations for each byte from which on arithmetic is the limit, and no longer memory
    step      examples per second of a training step, by batch size, type and compilation
    memory    planned and measured peak of a training step
    input     examples per second: input alone, compute alone, one after the other, overlapped
    timing    milliseconds of one product, measured rightly and in three wrong ways
"""

import argparse
import csv
import datetime
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import ops  # noqa: E402

COLUMNS = ("date", "machine", "device", "backend", "version", "experiment", "setting", "value", "unit")
BYTES_PER_PARAMETER = 16  # fp32: weight, gradient and Adam's two moments, 4 bytes each


class TensorFlow:
    def __init__(self):
        import tensorflow as tf

        self.tf, self.version = tf, tf.__version__
        self.gpus = tf.config.list_physical_devices("GPU")
        self.device = tf.config.experimental.get_device_details(self.gpus[0])["device_name"] if self.gpus else "CPU"

    def compile(self, function):
        return self.tf.function(function, jit_compile=True)

    def wait(self, _):
        self.tf.test.experimental.sync_devices()

    def tf32(self, on):
        self.tf.config.experimental.enable_tensor_float_32_execution(on)

    def reset_peak(self):
        self.tf.config.experimental.reset_memory_stats("GPU:0")

    def peak(self):
        return self.tf.config.experimental.get_memory_info("GPU:0")["peak"]


class Jax:
    def __init__(self):
        import jax

        self.jax, self.version = jax, jax.__version__
        self.gpus = [device for device in jax.devices() if device.platform == "gpu"]
        self.device = self.gpus[0].device_kind if self.gpus else "CPU"
        self.compile, self.wait = jax.jit, jax.block_until_ready

    def tf32(self, on):
        self.jax.config.update("jax_default_matmul_precision", "tensorfloat32" if on else "highest")

    def reset_peak(self):
        """JAX keeps one peak for the life of the process: measure memory before anything larger."""

    def peak(self):
        return self.gpus[0].memory_stats()["peak_bytes_in_use"]


class Torch:
    def __init__(self):
        import torch

        self.torch, self.version = torch, torch.__version__
        self.gpus = range(torch.cuda.device_count())
        self.device = torch.cuda.get_device_name() if self.gpus else "CPU"

    def compile(self, function):
        return self.torch.no_grad()(function)  # eager: its products are library calls as they are

    def wait(self, _):
        if self.gpus:
            self.torch.cuda.synchronize()

    def tf32(self, on):
        self.torch.backends.cuda.matmul.allow_tf32 = on

    def reset_peak(self):
        self.torch.cuda.reset_peak_memory_stats()

    def peak(self):
        return self.torch.cuda.max_memory_allocated()


def seconds(backend, function, repeats, calls=1):
    """Median over repeats of the time for one call: after a warm-up, and waiting for the device each time."""
    backend.wait(function())
    taken = []
    for _ in range(repeats):
        begun = time.perf_counter()
        for _ in range(calls):
            result = function()
        backend.wait(result)
        taken.append((time.perf_counter() - begun) / calls)
    return statistics.median(taken)


def limits(backend, size, repeats):
    """matmul, copy and roofline."""
    product, add = backend.compile(ops.matmul), backend.compile(lambda a: a + 1)
    fastest = 0
    for name in ("float32", "bfloat16") if not backend.gpus else ("float32", "tf32", "bfloat16"):
        backend.tf32(name == "tf32")
        a = ops.cast(keras.random.normal((size, size), seed=1), "float32" if name == "tf32" else name)
        rate = 2 * size**3 / seconds(backend, lambda a=a: product(a, a), repeats) / 1e12
        fastest = max(fastest, rate)
        yield "matmul", name, rate, "TFLOP/s"
    vector = ops.ones((size * size * 16,), "float32")
    bandwidth = 2 * 4 * size * size * 16 / seconds(backend, lambda: add(vector), repeats) / 1e9
    yield "copy", "float32", bandwidth, "GB/s"
    yield "roofline", "ridge", fastest * 1e3 / bandwidth, "FLOP/byte"


def make_model(width, policy, jit):
    model = keras.Sequential([keras.Input((width,)), *(keras.layers.Dense(width, "relu", dtype=policy)
                                                       for _ in range(3)), keras.layers.Dense(1, dtype="float32")])
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True), jit_compile=jit)
    return model


def rows(width, batch, seed=0):
    x = np.random.default_rng(seed).normal(size=(batch, width)).astype("float32")
    return x, (x[:, :1] > 0).astype("float32")


def memory(backend, width, batch):
    """Plan: parameters, gradients, moments, and one activation for each unit of each layer."""
    model = make_model(width, "float32", jit=False)
    plan = BYTES_PER_PARAMETER * model.count_params() + 4 * batch * (4 * width + 1)
    yield "memory", "planned", plan / 2**20, "MiB"
    if backend.gpus:
        backend.reset_peak()
        model.train_on_batch(*rows(width, batch))
        yield "memory", "measured", backend.peak() / 2**20, "MiB"


def steps(backend, width, batches, repeats):
    """Rows that lie on the device already: what the step costs, and not their way there. The loss comes back."""
    settings = [("float32", False), ("mixed_bfloat16", False), ("float32", True), ("mixed_bfloat16", True)]
    for policy, jit in settings[:2] if keras.backend.backend() == "torch" else settings:
        model = make_model(width, policy, jit)
        for batch in batches:
            x, y = map(ops.convert_to_tensor, rows(width, batch))
            taken = seconds(backend, lambda m=model, x=x, y=y: m.train_on_batch(x, y), repeats)
            setting = f"batch {batch}, {policy}, {'compiled' if jit else 'not compiled'}"
            yield "step", setting, batch / taken, "examples/s"


def inputs(backend, width, batch, count):
    """The same batches four times: prepared only, used only, in turn, and the next one prepared meanwhile."""
    model = make_model(width, "float32", jit=False)

    def prepare(seed):
        x, y = rows(width, batch, seed)
        return np.sort(x, axis=1), y  # some work for the host, as decoding would be

    def use(pair):
        return model.train_on_batch(*pair)

    def overlapped():
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(prepare, 0)
            for seed in range(1, count + 1):
                pair = coming.result()
                coming = pool.submit(prepare, seed)
                use(pair)

    ready = prepare(0)
    use(ready)
    ways = {"input alone": lambda: [prepare(seed) for seed in range(count)],
            "compute alone": lambda: [use(ready) for _ in range(count)],
            "one after the other": lambda: [use(prepare(seed)) for seed in range(count)],
            "overlapped": overlapped}
    for name, way in ways.items():
        begun = time.perf_counter()
        way()
        backend.wait(None)
        yield "input", name, count * batch / (time.perf_counter() - begun), "examples/s"


def timings(backend, size, repeats):
    """One product, four answers."""
    product = backend.compile(ops.matmul)
    host = np.random.default_rng(1).normal(size=(size, size)).astype("float32")
    a = ops.convert_to_tensor(host)

    def once(function, wait):
        begun = time.perf_counter()
        result = function()
        if wait:
            backend.wait(result)
        return (time.perf_counter() - begun) * 1000

    yield "timing", "no warm-up", once(lambda: product(a, a), wait=True), "ms"
    dispatched = []
    for _ in range(repeats):
        dispatched.append(once(lambda: product(a, a), wait=False))
        backend.wait(product(a, a))
    yield "timing", "not waiting for the device", statistics.median(dispatched), "ms"
    moved = [once(lambda: ops.convert_to_numpy(product(ops.convert_to_tensor(host), a)), wait=True)
             for _ in range(repeats)]
    yield "timing", "transfers included", statistics.median(moved), "ms"
    yield "timing", "right", seconds(backend, lambda: product(a, a), repeats) * 1000, "ms"


def measure(small):
    """The backend, and rows of experiment, setting, value and unit as they are measured."""
    backend = {"tensorflow": TensorFlow, "jax": Jax, "torch": Torch}[keras.backend.backend()]()
    size, width, batches, repeats = (256, 64, (16, 64), 3) if small else (8192, 2048, (32, 256, 2048, 16384), 20)
    found = chain(memory(backend, width, batches[-1]), timings(backend, size, repeats), limits(backend, size, repeats),
                  inputs(backend, width, batches[-1], 3 if small else 20), steps(backend, width, batches, repeats))
    return backend, found


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machine", required=True, help="a name that says what was measured: card, host, cloud type")
    parser.add_argument("--out", required=True, help="CSV file to write")
    parser.add_argument("--small", action="store_true", help="sizes that take seconds on a CPU; no use as a result")
    args = parser.parse_args(argv)
    backend, found = measure(args.small)
    fixed = (datetime.date.today().isoformat(), args.machine, backend.device, keras.backend.backend(), backend.version)
    with open(args.out, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for experiment, setting, value, unit in found:
            table.writerow((*fixed, experiment, setting, f"{value:.4g}", unit))
            file.flush()  # who stops it half-way keeps what there is
            print(f"{experiment}, {setting}: {value:.4g} {unit}", flush=True)


if __name__ == "__main__":
    main()
