"""How near an input comes to the rate of the model's own step: `python -m mlelab.pipelines.inputs` prints JSON.

Five inputs of tf.data read the same files of flights. The limit is the same step on batches that are in memory. All
are measured in turn, several times, and the fastest round of each counts, so that other work on the machine disturbs
all alike.
"""

import itertools
import json
import tempfile
import time
from pathlib import Path

import tensorflow as tf

from mlelab import data

COLUMNS = ["distance", "hour", "month", "day", "dep_delay", "arr_delay"]
ROWS, BATCH, SHARDS, ROUNDS = 8_192, 512, 4, 3
SPEC = {"row": tf.io.FixedLenFeature([len(COLUMNS)], tf.float32)}


def naive(names):
    records = names.flat_map(tf.data.TFRecordDataset)
    return records.map(lambda record: tf.io.parse_single_example(record, SPEC)).batch(BATCH)


def interleaved(names):
    records = names.interleave(tf.data.TFRecordDataset, cycle_length=SHARDS, num_parallel_calls=2)
    return records.map(lambda record: tf.io.parse_single_example(record, SPEC)).batch(BATCH)


def vectorised(names):
    records = names.interleave(tf.data.TFRecordDataset, cycle_length=SHARDS, num_parallel_calls=2)
    return records.batch(BATCH).map(lambda batch: tf.io.parse_example(batch, SPEC))


def cached(names):
    return vectorised(names).cache()


def prefetched(names):
    return cached(names).prefetch(tf.data.AUTOTUNE)


def write(folder: Path) -> None:
    rows = data.load("flights", COLUMNS).dropna().head(ROWS).astype("float32").to_numpy()
    for shard in range(SHARDS):
        with tf.io.TFRecordWriter(str(folder / f"{shard}.tfrecord")) as writer:
            for row in rows[shard::SHARDS]:
                feature = {"row": tf.train.Feature(float_list=tf.train.FloatList(value=row))}
                writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())


def make_step():
    """A step of a small network: predict the last column from the others."""
    shapes = (len(COLUMNS) - 1, 512), (512, 512), (512, 1)
    weights = [tf.Variable(tf.random.stateless_normal(shape, [0, 0]) * 0.02) for shape in shapes]

    @tf.function
    def step(rows):
        with tf.GradientTape() as tape:
            hidden = rows[:, :-1] / 1000
            for weight in weights[:-1]:
                hidden = tf.nn.relu(hidden @ weight)
            loss = tf.reduce_mean((hidden @ weights[-1] - rows[:, -1:] / 1000) ** 2)
        for weight, gradient in zip(weights, tape.gradient(loss, weights)):
            weight.assign_sub(1e-4 * gradient)

    return step


def measure() -> dict[str, float]:
    """For each input, its rate as a share of the limit."""
    tf.config.threading.set_intra_op_parallelism_threads(1)  # the step has one core, the input the other
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        names = tf.data.Dataset.from_tensor_slices([str(path) for path in sorted(Path(folder).glob("*"))])
        ways = {"naive": naive, "parallel interleave": interleaved, "vectorised map": vectorised, "cache": cached,
                "prefetch": prefetched}
        inputs = {"limit": list(vectorised(names))} | {name: way(names) for name, way in ways.items()}
        step, seconds = make_step(), dict.fromkeys(inputs, float("inf"))
        for _, (name, batches) in itertools.product(range(ROUNDS), inputs.items()):
            begun = time.perf_counter()
            for batch in batches:
                step(batch["row"])
            seconds[name] = min(seconds[name], time.perf_counter() - begun)
    return {name: seconds["limit"] / seconds[name] for name in ways}


if __name__ == "__main__":
    print(json.dumps(measure()))
