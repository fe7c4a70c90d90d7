"""5.3 dp_step: one step on several replicas. one step is made where TensorFlow's own objects are."""

import numpy as np
import pandas as pd

from mlelab.check.lab import Trial

from . import lab


@lab.exercise("5.3", section="data-parallelism", hints=(
    "In each replica: the gradient of its own rows as a sum, then one all-reduce for the sums and one for the counts. "
    "Every replica then subtracts the same thing from its own copy.",
    "Inside the function that you give to `strategy.run`: `context = tf.distribute.get_replica_context()`, "
    "`total, count = context.all_reduce(\"sum\", [rows * gradient(parameters, x, y), rows])`, then "
    "`parameters.assign_sub(rate * total / count)`."))
def dp_step(trial: Trial, answer) -> str:
    start, rate = trial.rng.normal(size=3).astype("float32"), float(trial.rng.choice([0.05, 0.1, 0.2]))
    rows = [int(count) for four in ([24, 9, 4, 1], [2, 15, 6, 3]) for count in trial.rng.permutation(four)]
    parts = [(trial.rng.normal(number, 1, (count, 3)).astype("float32"), trial.rng.normal(size=count).astype("float32"))
             for number, count in enumerate(rows)]
    seen = trial.there(one_step, answer, start=start, rate=rate, parts=parts)
    replicas, copies = int(seen["replicas"]), np.asarray(seen["copies"], float)
    rows, parts = rows[:replicas], parts[:replicas]
    trial.require(replicas > 1, "This kernel has one logical device, so nothing can be reduced. Restart it, and run "
                  "the cell that makes four devices before TensorFlow does anything else.")
    call = f"dp_step(strategy, parameters, shards, gradient, rate={rate}) with shards of {rows} rows"
    trial.require(seen["result"] is None, "The step changes the parameters, and returns nothing.", call=call,
                  got=seen["result"])
    trial.require(copies.shape == (replicas, len(start)), "Each replica keeps the parameters in their shape.",
                  call=call, got=copies.shape)
    local = np.array([x.T @ (x @ start - y) / len(y) for x, y in parts])
    full = start - rate * np.average(local, axis=0, weights=rows)
    shown = pd.DataFrame(copies.round(4), columns=["first", "second", "third"])
    shown.insert(0, "rows", rows)
    trial.require(np.ptp(copies, axis=0).max() < 1e-4, "After the step all replicas hold the same parameters.",
                  mistake="M56", call=call, example=shown.head(3), expected=full.round(4))
    results = {None: full, "M07": [start - rate * local.mean(axis=0)],
               "M36": [start - rate * local.sum(axis=0), start - rate * np.array(rows) @ local,
                       start - rate * np.array(rows) @ local / rows[0] / replicas],
               "M09": [start - rate * local[0],
                       start - rate * np.average(local[:-1], axis=0, weights=rows[:-1])]}
    trial.require(np.allclose(copies, full, atol=1e-4), "The parameters are those of one device that takes one step on "
                  "all rows.", mistake=_matching(results, copies[0], atol=1e-4), call=call, example=shown.head(1),
                  expected=full.round(4), got=copies[0].round(4))
    return (f"{replicas} replicas with {', '.join(map(str, sorted(rows)))} rows end where one device would, to within "
            "a ten-thousandth.")


@dp_step.run
def one_step(answer, start, rate, parts) -> dict:
    """One step where TensorFlow is: how many replicas, what the step returned, the parameters of each replica."""
    import tensorflow as tf

    strategy = _strategy(tf)
    replicas = strategy.num_replicas_in_sync
    with strategy.scope():
        parameters = tf.Variable(start)
    shards = [(tf.constant(x), tf.constant(y)) for x, y in parts[:replicas]]

    def gradient(parameters, x, y):
        error = tf.linalg.matvec(x, tf.convert_to_tensor(parameters)) - y
        return tf.linalg.matvec(x, error, transpose_a=True) / tf.cast(tf.shape(x)[0], tf.float32)

    result = answer.shared(strategy, parameters, shards, gradient, rate) if replicas > 1 else None
    copies = [copy.numpy() for copy in strategy.experimental_local_results(parameters)]
    return {"replicas": replicas, "result": None if result is None else str(result)[:80], "copies": copies}


def _strategy(tf):
    """Mirrored over all logical CPU devices; four are made if TensorFlow has not started yet."""
    try:
        cpu, = tf.config.list_physical_devices("CPU")
        if not tf.config.get_logical_device_configuration(cpu):
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 4)
    except RuntimeError:  # it has started: take what there is
        pass
    devices = [device.name for device in tf.config.list_logical_devices("CPU")][:8]
    # A collective all-reduce would stay broken in this kernel after one error in a replica.
    return tf.distribute.MirroredStrategy(devices, cross_device_ops=tf.distribute.ReductionToOneDevice())


def _matching(results: dict[str | None, list], got, atol: float = 1e-8) -> str | None:
    """The mistake one of whose results is what the learner got; None if it is none of them."""
    for mistake, values in results.items():
        if mistake and any(np.allclose(value, got, atol=atol) for value in values):
            return mistake
    return None


# Answers: wrong ones with their misconceptions, and right ones written differently.


def run(strategy, shards, replica):
    def shard(part):
        return strategy.experimental_distribute_values_from_function(
            lambda context: shards[context.replica_id_in_sync_group][part])

    strategy.run(replica, args=(shard(0), shard(1)))


def context():
    import tensorflow as tf

    return tf.distribute.get_replica_context()


@dp_step.mistake("M56")
def nothing_reduced(strategy, parameters, shards, gradient, rate):
    def replica(x, y):
        parameters.assign_sub(rate * gradient(parameters, x, y))

    run(strategy, shards, replica)


@dp_step.mistake("M56")
def only_the_first_replica_updates(strategy, parameters, shards, gradient, rate):
    def replica(x, y):
        rows = 0 * y[0] + len(y)
        total, count = context().all_reduce("sum", [rows * gradient(parameters, x, y), rows])
        if context().replica_id_in_sync_group == 0:
            parameters.assign_sub(rate * total / count)

    run(strategy, shards, replica)


@dp_step.mistake("M56")
def reduced_after_the_update(strategy, parameters, shards, gradient, rate):
    def replica(x, y):
        slope = gradient(parameters, x, y)
        parameters.assign_sub(rate * slope)
        context().all_reduce("mean", slope)

    run(strategy, shards, replica)


@dp_step.mistake("M36")
def sum_so_the_rate_grows_with_the_replicas(strategy, parameters, shards, gradient, rate):
    def replica(x, y):
        parameters.assign_sub(rate * context().all_reduce("sum", gradient(parameters, x, y)))

    run(strategy, shards, replica)


@dp_step.mistake("M07")
def mean_of_unequal_shards(strategy, parameters, shards, gradient, rate):
    def replica(x, y):
        parameters.assign_sub(rate * context().all_reduce("mean", gradient(parameters, x, y)))

    run(strategy, shards, replica)


@dp_step.mistake("M07")
def parameters_averaged_at_the_end(strategy, parameters, shards, gradient, rate):
    def replica(x, y):
        parameters.assign_sub(rate * gradient(parameters, x, y))
        parameters.assign(context().all_reduce("mean", parameters.read_value()))

    run(strategy, shards, replica)


@dp_step.right
def reduced_outside_the_replicas(strategy, parameters, shards, gradient, rate):
    total = sum(len(y) * gradient(parameters, x, y).numpy() for x, y in shards)
    parameters.assign_sub(rate * total / sum(len(y) for _, y in shards))


@dp_step.mistake("M36")
def as_if_all_shards_were_as_long_as_the_first(strategy, parameters, shards, gradient, rate):
    rows = float(len(shards[0][1]) * len(shards))

    def replica(x, y):
        parameters.assign_sub(rate / rows * context().all_reduce("sum", float(len(y)) * gradient(parameters, x, y)))

    run(strategy, shards, replica)


@dp_step.mistake("M09")
def every_replica_takes_the_first_shard(strategy, parameters, shards, gradient, rate):
    x, y = shards[0]
    parameters.assign_sub(rate * gradient(parameters, x, y).numpy())


@dp_step.mistake("M09")
def last_shard_forgotten(strategy, parameters, shards, gradient, rate):
    total = sum(len(y) * gradient(parameters, x, y).numpy() for x, y in shards[:-1])
    parameters.assign_sub(rate * total / sum(len(y) for _, y in shards[:-1]))


@dp_step.right
def reduced_by_the_strategy(strategy, parameters, shards, gradient, rate):
    import tensorflow as tf

    x, y = (strategy.experimental_distribute_values_from_function(
        lambda context, part=part: shards[context.replica_id_in_sync_group][part]) for part in (0, 1))

    def replica(x, y):
        rows = tf.cast(tf.shape(y)[0], tf.float32)
        return rows * gradient(parameters, x, y), rows

    slopes, rows = strategy.run(replica, args=(x, y))
    step = strategy.reduce("sum", slopes, axis=None) / strategy.reduce("sum", rows, axis=None)
    parameters.assign(parameters.read_value() - rate * step)
