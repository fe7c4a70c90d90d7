# %% [markdown]
# # Lab 5: distributed and GPU training
#
# The delay model trains in a few seconds on one core. Somebody has seen a cluster on a slide and asks why you have
# none. You find out whether you need one, build the parts of distributed training by hand, and run each part again
# with the tool that people use for it.
#
# You need no GPU and no cloud account: workers are processes on this machine. Running everything takes a few minutes,
# because each worker is a Python of its own that must import TensorFlow.

# %%
import json
import os
import pickle
import tempfile
from math import ceil
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import learning_curve as cross_validated_curve
from sklearn.pipeline import make_pipeline

from mlelab import case, data, figure

# %% [markdown]
# ## 1. Do we need it?
#
# More machines let you learn from more rows in the same time. That helps only if more rows help. First the case's own
# split: train up to August, and September and October to judge.

# %%
flights = data.load("features").dropna(subset="arr_delay")
flights["late"] = (flights["arr_delay"] >= case.LATE_MINUTES).astype(int)
train_flights, validation, _ = case.split(flights)
print(f"{len(train_flights):,} flights to learn from, {len(validation):,} to judge")

# %% [markdown]
# A worked example with one sample. **Predict:** how much will this model gain if it learns from all flights?

# %%
def fit(rows: pd.DataFrame):
    return case.linear_model().fit(rows, rows["late"])


def score(model, rows: pd.DataFrame) -> float:
    return roc_auc_score(rows["late"], model.predict_proba(rows)[:, 1])


thousand = train_flights.sample(1_000, random_state=0)
print(f"AUC from 1,000 flights: {score(fit(thousand), validation):.3f}")

# %% [markdown]
# ### Exercise 5.1: is more data worth it? (1 point)
#
# Write `learning_curve`. One shuffle of the rows for each seed. Samples are nested: what two of them differ by is the
# rows that were added. Judge every model on the same rows. The verdict looks at the *last* step.

# %% exercise="5.1"
def learning_curve(
    fit, score, train: pd.DataFrame, held_out: pd.DataFrame, sizes: list[int],
    seeds: list[int], min_gain: float,
) -> tuple[pd.DataFrame, bool]:
    """Scores by number of training rows, and whether the last step of the curve is
    worth its rows.

    fit(rows) -> model; score(model, rows) -> number, higher is better.
    sizes: ascending numbers of rows, at most len(train); seeds: one shuffle of train
    for each.
    min_gain: the smallest gain that pays for more machines.
    Returns (curve, worth): a frame with index `sizes` and a column for each seed; and
    True if the step from the last size but one to the last gains at least `min_gain`,
    averaged over the seeds.
    """
    ### BEGIN SOLUTION
    curve = pd.DataFrame(index=sizes, columns=seeds, dtype=float)
    for seed in seeds:
        order = train.sample(frac=1, random_state=seed)
        for size in sizes:
            curve.loc[size, seed] = score(fit(order[:size]), held_out)
    gain = (curve.iloc[-1] - curve.iloc[-2]).mean()
    return curve, bool(gain >= min_gain)
    ### END SOLUTION

# %% check="5.1" points=1
check.learning_curve(learning_curve)

# %% [markdown]
# **What you should have seen.** Two models, three shuffles each, and at the end all rows, once. The second model is
# boosted trees on the same numbers.

# %%
def fit_trees(rows: pd.DataFrame):
    numbers = make_column_transformer(("passthrough", case.SCHEDULE + case.WEATHER + case.CONGESTION))
    trees = HistGradientBoostingClassifier(max_iter=80, learning_rate=0.12, early_stopping=False, random_state=0)
    return make_pipeline(numbers, trees).fit(rows, rows["late"])


sizes, models = [1_000, 3_000, 10_000, 30_000, 90_000], {"linear": fit, "trees": fit_trees}
learned = {name: learning_curve(fit_it, score, train_flights, validation, sizes, [0, 1, 2], min_gain=0.005)
           for name, fit_it in models.items()}
curves = {name: curve for name, (curve, _) in learned.items()}
whole = {name: score(fit_it(train_flights), validation) for name, fit_it in models.items()}

# %%
fig, ax = plt.subplots()
for place, (name, curve) in enumerate(curves.items()):
    ax.plot(curve.index, curve, "o-", color=f"C{place}", alpha=0.6, label=[name] + ["_"] * 2)
    ax.plot(len(train_flights), whole[name], "s", color=f"C{place}")
ax.legend()
ax.set(xscale="log", xlabel="training flights", ylabel="AUC, September and October")
figure.show(fig, alt="AUC against training flights for three shuffles. " + " ".join(
    f"{name}: {curve.loc[1_000].mean():.3f} with 1,000 flights, {curve.loc[30_000].mean():.3f} with 30,000, "
    f"{whole[name]:.3f} with all." for name, curve in curves.items()))
print("worth scaling from 30,000 to 90,000 flights:", {name: worth for name, (_, worth) in learned.items()})

# %%
for name, curve in curves.items():
    print(f"{name:6} {10_000 / len(train_flights):.0%} of the flights reach {curve.loc[10_000].mean():.3f}, "
          f"all of them {whole[name]:.3f}")
print(f"1,000 flights reach {', '.join(f'{auc:.3f}' for auc in curves['linear'].loc[1_000])} with the linear model, "
      "depending on which thousand")

# %% [markdown]
# A draft of this course drew one thousand flights for the linear model, had luck with them, and wrote that a thousand
# flights are enough. Three shuffles tell another story. For the **linear model** thirty thousand flights are enough:
# all the others add less than `min_gain`. The **trees** go on learning to the end of the curve, because they have more
# to learn. How much data is enough depends on the model, so draw the curve of the one that you want to run.
#
# **This task needs no cluster** all the same: on all flights both models train in seconds on one core. With the tool
# that people use, on a tenth of the rows:

# %%
# claim: For the **linear model** thirty thousand flights are enough
# claim: The **trees** go on learning to the end of the curve
gains = {name: whole[name] - curve.loc[30_000].mean() for name, curve in curves.items()}
assert abs(gains["linear"]) < 0.005 < gains["trees"]
assert curves["trees"].mean(axis=1).is_monotonic_increasing and whole["trees"] > curves["trees"].loc[90_000].mean()

# %%
tenth = train_flights.sample(20_000, random_state=0)
sizes, _, scores = cross_validated_curve(case.linear_model(), tenth.drop(columns="late"), tenth["late"], cv=3,
                                         train_sizes=[1_000, 3_000, 10_000], scoring="roc_auc", shuffle=True,
                                         random_state=0)
pd.DataFrame({"cross-validated AUC": scores.mean(axis=1).round(3)}, index=pd.Index(sizes, name="rows"))

# %% [markdown]
# scikit-learn cuts its own folds at random, from all training months. So flights of one afternoon are on both sides.
# The *shape* is the same. The level is that of other months, and of afternoons that the model knows: for it, believe
# your curve.
#
# So why go on? Because other tasks do need it: a model that does not fit into one device, a batch that does not, or a
# computation of weeks. The parts are the same for a small model, and on a small one you can check every number.

# %%
def numbers(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Flights as a matrix, and 1 for late."""
    x = encoder.transform(rows)
    return np.asarray(x.todense() if hasattr(x, "todense") else x), rows["late"].to_numpy(float)


some = train_flights.sample(20_000, random_state=5)
encoder = case.linear_model()[0].fit(some)
(x_all, y_all), (x_val, y_val) = numbers(some), numbers(validation.sample(8_000, random_state=5))
scratch = tempfile.TemporaryDirectory(prefix="lab5-")  # for what this lab writes; it goes when the kernel does
folder = Path(scratch.name)
np.savez(folder / "delay.npz", x=x_all.astype("float32"), y=y_all.astype("float32"), x_val=x_val, y_val=y_val)
del flights, train_flights, validation  # memory for the processes that come: these 20,000 flights are enough
print("numbers for each flight:", x_all.shape[1])

# %% [markdown]
# ## 2. One step, many workers
#
# Training takes steps: the gradient of the mean loss over a batch, times a rate, subtracted from the parameters. If
# four workers hold a part of the batch each, every worker computes the gradient of *its* mean loss. How do the four
# become one? A worked example with the gradient of logistic regression, and two workers of three flights and one:

# %%
def gradient(parameters: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Gradient of the mean log loss over the rows of x; y is 1 for late."""
    return x.T @ (1 / (1 + np.exp(-x @ parameters)) - y) / len(y)


zero = np.zeros(x_all.shape[1])
three, one = gradient(zero, x_all[:3], y_all[:3]), gradient(zero, x_all[3:4], y_all[3:4])
print("first number of each:", three[0].round(3), one[0].round(3))
print("of all four flights: ", gradient(zero, x_all[:4], y_all[:4])[0].round(3))
print("mean of the two:     ", ((three + one) / 2)[0].round(3))

# %% [markdown]
# ### Exercise 5.2: weighted gradient mean (1 point)
#
# Write `allreduce_mean`, for any number of workers. A worker may have no rows at all in this step. The mean of nothing
# is not a number, so its gradient is a row of `nan`.

# %% exercise="5.2"
def allreduce_mean(gradients: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The gradient of the mean loss over the rows of all workers.

    gradients: shape (workers, parameters), each row the gradient of the mean loss over
    that worker's rows; all nan for a worker without rows. counts: shape (workers,),
    rows of each worker, at least one of them positive.
    Returns shape (parameters,).
    """
    ### BEGIN SOLUTION
    some = counts > 0
    return np.average(gradients[some], axis=0, weights=counts[some])
    ### END SOLUTION

# %% check="5.2" points=1
check.allreduce_mean(allreduce_mean)

# %% [markdown]
# **What you should have seen.** A thousand flights, sorted by hour and cut at 700, 900 and 970, as a careless loader
# might do it. **Predict:** how wrong is the plain mean of the four gradients?

# %%
# fact: sorted by hour and cut at 700, 900 and 970 | what the cell below does

# %%
by_hour = np.argsort(some["hour"].to_numpy()[:1_000], kind="stable")
cut = np.split(by_hour, [700, 900, 970])
counts = np.array([len(rows) for rows in cut])
gradients = np.array([gradient(zero, x_all[rows], y_all[rows]) for rows in cut])
full = gradient(zero, x_all[:1_000], y_all[:1_000])
for name, mean in {"plain mean": gradients.mean(axis=0), "weighted mean": allreduce_mean(gradients, counts)}.items():
    print(f"{name:14} off by {np.linalg.norm(mean - full) / np.linalg.norm(full):.2%}")

# %% [markdown]
# Nothing crashes with the plain mean. The model trains, on a loss that nobody chose: one in which the thirty evening
# flights count as much as the seven hundred of the morning.
#
# ## 3. Data parallelism with `tf.distribute`
#
# TensorFlow sends such messages for you. `MirroredStrategy` keeps a copy of each variable on each device. Here, the
# one CPU is split into four *logical* devices, and that must happen before TensorFlow does anything else. To add up on
# one device is a plain way to reduce; you will see others below.

# %%
from mlelab.training.quiet import quiet

with quiet():  # it would say at length that there is no GPU
    import tensorflow

    cpu = tensorflow.config.list_physical_devices("CPU")[0]

import keras
import tensorflow as tf

tf.get_logger().setLevel("ERROR")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 4)
devices = [f"CPU:{number}" for number in range(4)]
strategy = tf.distribute.MirroredStrategy(devices, cross_device_ops=tf.distribute.ReductionToOneDevice())
print(strategy.num_replicas_in_sync, "replicas")

# %% [markdown]
# A worked example. The function given to `strategy.run` runs once in each replica. There, `all_reduce` adds up what all
# replicas hand in, and every one of them gets the sum.

# %%
rows = [700.0, 200.0, 70.0, 30.0]
mine = strategy.experimental_distribute_values_from_function(lambda c: tf.constant(rows[c.replica_id_in_sync_group]))


def share_of_rows(count):
    total = tf.distribute.get_replica_context().all_reduce("sum", count)
    return count / total


shares = strategy.experimental_local_results(strategy.run(share_of_rows, args=(mine,)))
print([round(float(share), 2) for share in shares])

# %% [markdown]
# ### Exercise 5.3: a data-parallel step (2 points)
#
# Write `dp_step`. Inside a replica, `parameters.assign_sub(value)` changes **only the copy of that replica**. Nothing
# keeps the copies equal but you.

# %% exercise="5.3"
def dp_step(
    strategy: tf.distribute.Strategy, parameters: tf.Variable,
    shards: list[tuple[tf.Tensor, tf.Tensor]], gradient, rate: float,
) -> None:
    """One step of gradient descent on all rows, with a shard of them in each replica.

    parameters: shape (columns,), made in the strategy's scope, equal in all replicas;
    changed by this function.
    shards: (x, y) for each replica, x of shape (rows, columns) and y of shape (rows,);
    rows may differ.
    gradient(parameters, x, y): gradient of the mean loss over the rows of x.
    rate: afterwards, in each replica, parameters = before - rate * gradient of the mean
    loss over all rows.
    """
    ### BEGIN SOLUTION
    def replica(x, y):
        rows = tf.cast(tf.shape(x)[0], tf.float32)
        context = tf.distribute.get_replica_context()
        total, count = context.all_reduce("sum", [rows * gradient(parameters, x, y), rows])
        parameters.assign_sub(rate * total / count)

    def shard(part):
        return strategy.experimental_distribute_values_from_function(
            lambda context: shards[context.replica_id_in_sync_group][part])

    strategy.run(replica, args=(shard(0), shard(1)))
    ### END SOLUTION

# %% check="5.3" points=2
check.dp_step(dp_step)

# %% [markdown]
# **What you should have seen.** Ten steps on the four unequal shards of a thousand flights, against ten steps in numpy
# on all of them.

# %%
def tf_gradient(parameters, x, y):
    error = tf.sigmoid(tf.linalg.matvec(x, tf.convert_to_tensor(parameters))) - y
    return tf.linalg.matvec(x, error, transpose_a=True) / tf.cast(tf.shape(x)[0], tf.float32)


shards = [(tf.constant(x_all[rows], tf.float32), tf.constant(y_all[rows], tf.float32)) for rows in cut]
with strategy.scope():
    parameters = tf.Variable(tf.zeros(x_all.shape[1]))
alone = zero.copy()
for _ in range(10):
    dp_step(strategy, parameters, shards, tf_gradient, 0.5)
    alone -= 0.5 * gradient(alone, x_all[:1_000], y_all[:1_000])
copies = np.array([copy.numpy() for copy in strategy.experimental_local_results(parameters)])
print("replicas differ by", np.ptp(copies, axis=0).max())
print("single device within 1e-5:", np.allclose(copies[0], alone, rtol=0, atol=1e-5))

# %% [markdown]
# With the tool: Keras does all of this when a model is made in the strategy's scope. The same model, seed and data
# order, with and without.

# %%
def trained(scope) -> np.ndarray:
    keras.utils.set_random_seed(5)
    with scope:
        model = keras.Sequential([keras.Input((x_all.shape[1],)), keras.layers.Dense(16, "relu"),
                                  keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.1), keras.losses.BinaryCrossentropy(from_logits=True))
    batches = tf.data.Dataset.from_tensor_slices((x_all[:4_000], y_all[:4_000, None])).batch(400)
    model.fit(batches, epochs=2, shuffle=False, verbose=0)
    return np.concatenate([np.ravel(weight) for weight in model.get_weights()])


one_device, four_replicas = trained(tf.device("CPU:0")), trained(strategy.scope())
print(f"{len(one_device):,} parameters, within 1e-5: {np.allclose(one_device, four_replicas, rtol=0, atol=1e-5)}")

# %% [markdown]
# Not equal, but within rounding: adding in another order gives other last digits.
#
# Without `cross_device_ops`, the strategy chooses the all-reduce itself. Which one it took can be read in the compiled
# function: a *collective* operation on each device, which talks to the others without a centre.

# %%
collective = tf.distribute.MirroredStrategy(devices)
mine = collective.experimental_distribute_values_from_function(lambda c: tf.constant(1.0))
compiled = tf.function(lambda: collective.run(share_of_rows, args=(mine,))).get_concrete_function()
operations = pd.Series([operation.type for operation in compiled.graph.get_operations()])
print(operations[operations.str.contains("Collective")].value_counts().to_dict())

# %% [markdown]
# ## 4. Who sees which rows?
#
# In every epoch the rows are shuffled and dealt out. No worker can look at the hand of another, so each one works out
# its rows alone. A worked example with ten rows and four workers:

# %%
order = np.random.default_rng(0).permutation(10)
for rank in range(4):
    print(f"worker {rank}: rows {order[rank::4].tolist()}")

# %% [markdown]
# Workers 2 and 3 have a row less. With one row to a step they would take a step less, and workers 0 and 1 would wait
# for them in the third all-reduce, for ever. **Predict:** what happens if each worker shuffles with a seed of its own?
#
# ### Exercise 5.4: a sharded sampler (1 point)
#
# Write `shard_indices`. All shards have the same length, together they hold every row, and each epoch has another
# order. Where it does not come out even, some rows are used twice, as few as possible.

# %% exercise="5.4"
def shard_indices(n: int, world: int, rank: int, epoch: int, seed: int) -> np.ndarray:
    """The rows of one worker in one epoch.

    n: rows, 0 to n - 1, at least as many as workers; world: number of workers; rank:
    this worker, 0 to world - 1.
    epoch, seed: the shuffle depends on both, and on nothing else.
    Returns shape (ceil(n / world),), row numbers.
    """
    ### BEGIN SOLUTION
    order = np.random.default_rng([seed, epoch]).permutation(n)
    padded = np.resize(order, world * ceil(n / world))  # starts again at the beginning of the order
    return padded[rank::world]
    ### END SOLUTION

# %% check="5.4" points=1
check.shard_indices(shard_indices)

# %% [markdown]
# **What you should have seen**, with the tool beside it. `tf.data` has `shard`, and it shards whatever order it gets.
# First as everybody writes it once, with the shuffle before and no seed; then with the same seed for all.

# %%
def tf_shards(seed: int | None) -> list[list[int]]:
    def rows(rank):
        table = tf.data.Dataset.range(1_001)
        return [int(row) for row in table.shuffle(1_001, seed=seed).shard(4, rank).as_numpy_iterator()]

    return [rows(rank) for rank in range(4)]


ours = [shard_indices(1_001, 4, rank, epoch=0, seed=0).tolist() for rank in range(4)]
for name, parts in {"ours": ours, "tf.data, one seed": tf_shards(0), "tf.data, no seed": tf_shards(None)}.items():
    lengths, seen = sorted({len(part) for part in parts}), len(set().union(*parts))
    print(f"{name:18} shard lengths {lengths}, rows seen {'all' if seen == 1_001 else 'about two thirds'}")

# %% [markdown]
# Without a seed each worker deals from a deck of its own, and a third of the rows is never seen. `shard` also leaves
# lengths that differ by one: end an epoch after a fixed number of steps, or repeat. Under `MultiWorkerMirroredStrategy`
# the dataset is sharded for you, as its *auto-shard policy* says:
#
# | Policy | What each worker gets |
# | --- | --- |
# | `FILE` | some of the files; it needs at least as many files as workers |
# | `DATA` | all files are read, and all rows but its own are thrown away |
# | `OFF` | everything, on each worker: the choice if you shard yourself |
# | `AUTO` | `FILE` where it can, else `DATA` |
#
# ## 5. What the network carries
#
# An all-reduce is not magic. Somebody sends bytes. A worked example: one worker collects, adds and hands out. The
# network counts what each worker sends.

# %%
class Network:
    """Delivers values from one worker to another, and counts the bytes that each one sends."""

    def __init__(self, workers: int):
        self.sent = np.zeros(workers, dtype=int)

    def send(self, source: int, target: int, values: np.ndarray) -> np.ndarray:
        self.sent[source] += values.nbytes
        return values.copy()


vectors = np.arange(12, dtype="float32").reshape(4, 3)
network = Network(4)
total = vectors[0] + sum(network.send(worker, 0, vectors[worker]) for worker in (1, 2, 3))
results = [total] + [network.send(0, worker, total) for worker in (1, 2, 3)]
print("sum:", total, "bytes sent by each:", network.sent)

# %%
# claim: Worker 0 sends as much as all the others together
# unless: network.sent = network.sent + 1
assert network.sent[0] == network.sent[1:].sum()
# fact: The most that any worker sends for a model of a million parameters, 4 MB | four bytes for each parameter

# %% [markdown]
# Worker 0 sends as much as all the others together, and with a hundred workers it sends 99 times. In a **ring** every
# worker sends the same, and it hardly depends on how many there are. Cut each vector into as many chunks as workers.
# In each step, every worker sends *one chunk* to its right neighbour:
#
# * **N − 1 steps to add.** The neighbour adds the chunk to its own. Afterwards each worker has one chunk of the sum.
# * **N − 1 steps to gather.** Finished chunks travel on, and the neighbour keeps them.
#
# ### Exercise 5.5: ring all-reduce (1 point)
#
# Write `ring_allreduce`. The length of the vectors need not divide by the number of workers.

# %% exercise="5.5"
def ring_allreduce(vectors: np.ndarray, send) -> list[np.ndarray]:
    """The sum of all workers' vectors, at each worker, by messages round a ring.

    vectors: shape (workers, length), a row for each worker.
    send(source, target, values) -> values as they arrive at worker `target`; the only
    way from worker to worker.
    Returns a vector for each worker, shape (length,). Each worker sends 2 (workers - 1)
    messages of one chunk, which is empty where a vector is shorter than the ring.
    """
    ### BEGIN SOLUTION
    world = len(vectors)
    chunks = [np.array_split(vector, world) for vector in vectors]
    for step in range(2 * (world - 1)):
        for rank in range(world):
            right, piece = (rank + 1) % world, (rank - step) % world
            arrived = send(rank, right, chunks[rank][piece])
            chunks[right][piece] = chunks[right][piece] + arrived if step < world - 1 else arrived
    return [np.concatenate(pieces) for pieces in chunks]
    ### END SOLUTION

# %% check="5.5" points=1
check.ring_allreduce(ring_allreduce)

# %% [markdown]
# **What you should have seen.** The most that any worker sends for a model of a million parameters, 4 MB:

# %%
workers = [2, 3, 4, 6, 8, 12, 16]
busiest = []
for world in workers:
    network = Network(world)
    ring_allreduce(np.ones((world, 1_000_000), "float32"), network.send)
    busiest.append(network.sent.max() / 1e6)
fig, ax = plt.subplots()
ax.plot(workers, [4 * (world - 1) for world in workers], "o--", label="one worker collects and hands out")
ax.plot(workers, busiest, "s-", label="ring, counted")
ax.set(xlabel="workers", ylabel="MB sent by the busiest worker")
ax.legend()
figure.show(fig, alt=f"Megabytes sent by the busiest worker. In the ring they rise from {busiest[0]:.0f} to "
            f"{busiest[-1]:.1f} and stay below 8; with one collecting worker they rise to 60 with 16 workers.")

# %% [markdown]
# Two times the payload, however many workers. But the number of *messages in a row* grows with N, so a ring of very
# small messages is slow for another reason: latency.
#
# What does a worker more bring? Three answers. **Linear** is the brochure. **Amdahl** says that what cannot be split
# (reading the batch, starting the step) stays. **With communication** adds the bytes of the ring, and a delay for each
# of its messages.

# %%
def speedup(workers, compute, fixed, payload, bandwidth, delay):
    """How often the time of one worker fits into a step; times in seconds, payload in bytes, bandwidth in bytes/s."""
    workers = np.asarray(workers, dtype=float)
    ring_time = 2 * (workers - 1) * (payload / workers / bandwidth + delay)
    return (fixed + compute) / (fixed + compute / workers + ring_time)


n = np.arange(1, 33)
step = {"compute": 0.1, "fixed": 0.005}  # a step of a tenth of a second, of which 5 % cannot be split
fig, ax = plt.subplots()
ax.plot(n, n, ":", label="linear")
ax.plot(n, speedup(n, **step, payload=0, bandwidth=1, delay=0), "--", label="Amdahl")
for payload, style in ((4e6, "-"), (400e6, "-.")):
    ax.plot(n, speedup(n, **step, payload=payload, bandwidth=10e9, delay=50e-6), style,
            label=f"with communication, {payload / 1e6:.0f} MB")
ax.set(xlabel="workers", ylabel="speed-up", ylim=(0, 16))
ax.legend()
figure.show(fig, alt="Speed-up against workers. Amdahl's curve bends below the linear one; with 4 MB of gradients it "
            "flattens below 9, with 400 MB it never gets beyond one and a half.")

# %% [markdown]
# Models are cheap. Let us measure, with two **real processes**. `worker.py` is a training script that knows nothing of
# this notebook: it learns from the variable `TF_CONFIG` who its peers are. `cluster.run` starts it as many times as you
# say, and gives back what each replica reports.

# %%
from mlelab.training import cluster

common = ["--data", str(folder / "delay.npz"), "--steps", "40", "--batch", "64"]
alone = cluster.run(["--strategy", "one", *common], workers=1, deadline=200)
pair = cluster.run(["--strategy", "multiworker", *common], workers=2, deadline=200)
print([replica.task for replica in pair], "replicas in sync:", pair[0].result["replicas"])

# %% [markdown]
# Same seed, same order of the data. **Predict:** are the parameters of the two workers equal to each other? To those of
# the one process?

# %%
first, second, single = (np.array(r.result["parameters"]) for r in (*pair, *alone))
print("workers equal:", np.array_equal(first, second))
print("one process within 1e-4:", np.allclose(first, single, rtol=0, atol=1e-4))

# %% [markdown]
# Correct, then. Is it also faster? The small step above, and one with a wide layer and a large batch, by one process
# and by two. (This plot is measured, so it differs from run to run.)

# %%
wide = ["--data", str(folder / "delay.npz"), "--steps", "8", "--batch", "4096", "--width", "2048"]
alone_wide = cluster.run(["--strategy", "one", *wide], workers=1, deadline=200)
pair_wide = cluster.run(["--strategy", "multiworker", *wide], workers=2, deadline=200)

# %% tags=["nbval-ignore-output"]
measured = {"64 rows,\n32 units": (alone, pair), "4,096 rows,\n2,048 units": (alone_wide, pair_wide)}
gains = [two[0].result["steps_per_second"] / one[0].result["steps_per_second"] for one, two in measured.values()]
fig, ax = plt.subplots(figsize=(6, 2.2))
ax.barh(list(measured), gains, color=["C1", "C0"])
ax.axvline(1, color="C5", linestyle="--")
ax.axvline(2, color="C5", linestyle=":")
ax.set(xlabel="steps per second of two processes, divided by those of one", xlim=(0, 2.1))
figure.show(fig, alt=f"Measured speed-up of two processes: {gains[0]:.2f} for the small step, {gains[1]:.2f} for the "
            "large one. The dashed line is no gain, the dotted line twice as fast.")

# %% [markdown]
# With the small step, two processes are *slower* than one. A step of well under a millisecond of arithmetic waits for
# two messages through the operating system. With the large step there is something to share. Two times is not reached,
# because the all-reduce takes its time, each process still reads and noises the whole batch, and two cores are also
# busy with everything else on this machine.

# %%
# claim: With the small step, two processes are *slower* than one
# unless: gains = [2, 2]
assert gains[0] < 1
# fact: a thousand flights as 300, 300, 300 and 100 | what the cell below does

# %% [markdown]
# ## 6. When the batch does not fit
#
# One device, and a batch that is too large for its memory. Cut it into micro-batches, add up their gradients, and take
# one step. It is data parallelism in time instead of space, and the same trap waits. A worked example, a thousand
# flights as 300, 300, 300 and 100:

# %%
parts = [slice(0, 300), slice(300, 600), slice(600, 900), slice(900, 1_000)]
micro_gradients = [gradient(zero, x_all[part], y_all[part]) for part in parts]
off = np.linalg.norm(np.mean(micro_gradients, axis=0) - full) / np.linalg.norm(full)
print(f"the mean of the four means is off by {off:.1%}")

# %% [markdown]
# ### Exercise 5.6: gradient accumulation (1 point)
#
# Write `accumulate`: several updates in a row. Each group of `every` micro-batches is one big batch and gives one
# update. Micro-batches may differ in size, and the last group may have fewer of them. Give `gradient` one micro-batch
# at a time: there is no memory for more.

# %% exercise="5.6"
def accumulate(
    parameters: np.ndarray, micro_batches: list[tuple[np.ndarray, np.ndarray]],
    gradient, rate: float, every: int,
) -> np.ndarray:
    """Parameters after one update for each group of `every` micro-batches.

    micro_batches: (x, y) each, at least one row; the last group may have fewer than
    `every` of them.
    gradient(parameters, x, y): gradient of the mean loss over the rows of x.
    rate: an update is parameters - rate * gradient of the mean loss over all rows of
    the group.
    Returns shape of `parameters`.
    """
    ### BEGIN SOLUTION
    total, rows = 0.0, 0
    for number, (x, y) in enumerate(micro_batches, start=1):
        total = total + len(y) * gradient(parameters, x, y)
        rows += len(y)
        if number % every == 0 or number == len(micro_batches):
            parameters = parameters - rate * total / rows
            total, rows = 0.0, 0
    return parameters
    ### END SOLUTION

# %% check="5.6" points=1
check.accumulate(accumulate)

# %% [markdown]
# **What you should have seen**, with the tool beside it. Keras accumulates when you ask its optimiser to. One step on a
# thousand flights, at once and in four micro-batches. **Predict:** which of these lines agree?

# %%
def keras_step(size: int, parts: int | None) -> np.ndarray:
    model = keras.Sequential([keras.Input((x_all.shape[1],)), keras.layers.Dense(1, use_bias=False)])
    model.layers[-1].set_weights([np.zeros((x_all.shape[1], 1))])
    model.compile(keras.optimizers.SGD(0.5, gradient_accumulation_steps=parts),
                  keras.losses.BinaryCrossentropy(from_logits=True))
    model.fit(x_all[:1_000], y_all[:1_000, None], batch_size=size, shuffle=False, verbose=0)
    return model.get_weights()[0][:, 0]


at_once = -0.5 * full
ours = accumulate(zero, [(x_all[part], y_all[part]) for part in parts], gradient, 0.5, every=4)
steps = {"ours, 300 300 300 100": ours, "Keras, 1000": keras_step(1_000, None),
         "Keras, 4 x 250": keras_step(250, 4), "Keras, 300 300 300 100": keras_step(300, 4)}
for name, step in steps.items():
    print(f"{name:23} off by {np.linalg.norm(step - at_once) / np.linalg.norm(at_once):.1%}")

# %% [markdown]
# Keras averages the micro-batches, whatever their size. With equal ones that is right. With a ragged last one it is
# the plain mean of exercise 5.2 again. Drop the remainder, or choose a size that divides.
#
# ## 7. When the model does not fit
#
# Data parallelism puts the *whole* model on each device. What does a model take while it trains? A worked example:
# count the bytes that Keras really holds, before any data comes.

# %%
wide_model = keras.Sequential([keras.Input((x_all.shape[1],)), keras.layers.Dense(2_048, "relu"),
                               keras.layers.Dense(2_048, "relu"), keras.layers.Dense(1)])
adam = keras.optimizers.Adam()
adam.build(wide_model.trainable_variables)


def mebibytes(variables) -> float:
    return sum(np.asarray(variable).nbytes for variable in variables) / 2**20


print(f"parameters {wide_model.count_params():,}")
print(f"weights {mebibytes(wide_model.variables):.1f} MiB, Adam's state {mebibytes(adam.variables):.1f} MiB")

# %% [markdown]
# Adam keeps two running means for each parameter, so its state is twice the weights. A gradient, as large as the
# weights, comes on top. With *mixed precision*, as Megatron-LM and DeepSpeed lay it out, weights and gradients are
# short (2 bytes). So that small updates are not lost to rounding, there is a *master copy* in float32. (Keras keeps
# weights and gradients in 4 bytes, makes no copy, and computes in 2 bytes.) Bytes for each parameter:
#
# | | weights | gradients | master copy | SGD | momentum | Adam |
# | --- | --- | --- | --- | --- | --- | --- |
# | `"float32"` | 4 | 4 | none | 0 | 4 | 8 |
# | `"mixed"` | 2 | 2 | 4 | 0 | 4 | 8 |
#
# **Predict:** how much of this does mixed precision save with Adam?
#
# ### Exercise 5.7: a memory plan (1 point)
#
# Write `memory_plan`. If the whole does not fit, weights, gradients, master copy and optimiser state are split evenly
# among several devices (*fully sharded*). Each of them still needs its own activations.

# %% exercise="5.7"
def memory_plan(
    parameters: int, precision: str, optimizer: str, activation_gib: float,
    device_gib: float, replicas: int,
) -> dict[str, float]:
    """What training needs on one device that holds the whole model, and how many
    devices must share it.

    precision: "float32" or "mixed"; optimizer: "sgd", "momentum" or "adam".
    activation_gib: activations of one device's part of the batch; device_gib: memory of
    one device; a GiB is 2**30.
    replicas: how many copies of the model train side by side (data parallelism).
    Returns GiB for "weights", "gradients", "master", "optimizer", "activations"; and
    "devices", int, the smallest number of devices on which one copy fits when all but
    the activations is split among them.
    Raises ValueError if the activations leave no room.
    """
    ### BEGIN SOLUTION
    if activation_gib >= device_gib:
        raise ValueError("the activations alone fill a device: make the batch smaller")
    short = {"float32": 4, "mixed": 2}[precision]
    each = {"weights": short, "gradients": short, "master": 4 if precision == "mixed" else 0,
            "optimizer": {"sgd": 0, "momentum": 4, "adam": 8}[optimizer]}
    plan = {part: parameters * size / 2**30 for part, size in each.items()}
    devices = ceil(sum(plan.values()) / (device_gib - activation_gib))
    return plan | {"activations": activation_gib, "devices": devices}
    ### END SOLUTION

# %% check="5.7" points=1
check.memory_plan(memory_plan)

# %% [markdown]
# **What you should have seen.** First the plan against what Keras holds, then a model of 7 billion parameters.

# %%
plan = memory_plan(wide_model.count_params(), "float32", "adam", 1.0, 80.0, replicas=1)
print(f"planned: weights {plan['weights'] * 1024:.1f} MiB, Adam's state {plan['optimizer'] * 1024:.1f} MiB")
plans = {f"{precision}, {optimizer}": memory_plan(7_000_000_000, precision, optimizer, 8.0, 80.0, replicas=64)
         for precision in ("float32", "mixed") for optimizer in ("sgd", "adam")}
table = pd.DataFrame(plans).T
fig, ax = plt.subplots(figsize=(6, 2.6))
left = np.zeros(len(table))
for part in ["weights", "gradients", "master", "optimizer", "activations"]:
    ax.barh(table.index, table[part], left=left, label=part)
    left += table[part].to_numpy()
ax.axvline(80, color="black", linestyle="--")
ax.set(xlabel="GiB; the dashed line is a device of 80")
ax.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
figure.show(fig, alt="Memory of 7 billion parameters by part. With Adam float32 and mixed precision both need "
            f"{left.max():.0f} GiB with 8 GiB of activations, more than the 80 of one device.")

# %%
table["devices"].astype(int).to_frame("devices for one copy")

# %% [markdown]
# Mixed precision saves nothing here: the state is 16 bytes for each parameter either way. What it can save is time, and
# memory for activations. And 64 replicas instead of one change nothing on any device.
#
# *This* task needs more than one device. The other way to split is **inside a layer** (tensor parallelism): each
# device holds some of the columns of a weight matrix and computes some of the outputs. A worked example, a layer of
# 2,048 units over two logical devices:

# %%
# claim: the state is 16 bytes for each parameter either way
# unless: plans = {name: plan | {"master": 0} for name, plan in plans.items()}
state = {name: sum(plans[name][part] for part in ("weights", "gradients", "master", "optimizer")) for name in plans}
assert state["float32, adam"] == state["mixed, adam"] and np.isclose(state["mixed, adam"] * 2**30 / 7e9, 16)

# claim: And 64 replicas instead of one change nothing on any device
# unless: plans = {name: plan | {"weights": 0} for name, plan in plans.items()}
assert plans["mixed, adam"] == memory_plan(7_000_000_000, "mixed", "adam", 8.0, 80.0, replicas=1)

# claim: *This* task needs more than one device
# unless: plans = {name: plan | {"devices": 1} for name, plan in plans.items()}
assert plans["mixed, adam"]["devices"] > 1
# fact: a layer of 2,048 units over two logical devices | what the cell below does

# %%
x = tf.constant(x_all[:64], tf.float32)
kernel = wide_model.layers[0].kernel.numpy()
halves = []
for device, columns in zip(("CPU:0", "CPU:1"), np.split(kernel, 2, axis=1)):
    with tf.device(device):
        halves.append(tf.linalg.matmul(x, tf.constant(columns)))
together = tf.concat(halves, axis=1)
print("each device holds", columns.nbytes // 1024, "of", kernel.nbytes // 1024, "KiB")
print("same outputs:", np.allclose(together, x @ kernel, atol=1e-5))

# %% [markdown]
# Each step now sends *activations* between devices, in every layer, forward and backward. So tensor parallelism stays
# within one machine with fast links. **Pipeline parallelism** puts whole layers on different devices and sends
# activations once at each border; devices at the end wait until the first micro-batch arrives.
#
# ## 8. When a machine dies
#
# The longer a job and the more machines, the surer one of them dies. A run that resumes must end as if nothing had
# happened, to the last bit: then you can test it. A worked example of all that a run depends on, and of one step:

# %%
rng = np.random.default_rng(8)
start = {"step": 0, "parameters": np.zeros(x_all.shape[1]), "velocity": np.zeros(x_all.shape[1]),
         "order": rng.permutation(2_000), "position": 0, "rng": rng}


def advance(state: dict) -> dict:
    """One step of SGD with momentum on 64 flights with a little noise; a new order when the epoch is over."""
    state = pickle.loads(pickle.dumps(state))  # a copy, so that the old state stays as it was
    if state["position"] + 64 > len(state["order"]):
        state["order"], state["position"] = state["rng"].permutation(len(state["order"])), 0
    rows = state["order"][state["position"]:state["position"] + 64]
    x = x_all[rows] + state["rng"].normal(0, 0.1, (64, x_all.shape[1]))
    state["velocity"] = 0.9 * state["velocity"] - 0.1 * gradient(state["parameters"], x, y_all[rows])
    state["parameters"] = state["parameters"] + state["velocity"]
    return state | {"position": state["position"] + 64, "step": state["step"] + 1}


print({name: getattr(value, "shape", value) for name, value in advance(start).items() if name != "rng"})

# %% [markdown]
# What is lost if a machine dies in the middle of a write? Half a pickle says so when it is read:

# %%
whole = pickle.dumps(start)
try:
    pickle.loads(whole[:len(whole) // 2])
except (EOFError, pickle.UnpicklingError) as error:
    print(type(error).__name__, "-", error)

# %% [markdown]
# ### Exercise 5.8: train, die, resume (2 points)
#
# Write `train`. It may be called on an empty folder, or on one in which an earlier run of it was killed, at any moment.
# (A pickle can run code when it is read. Read only those that you wrote.)

# %% exercise="5.8"
def train(state: dict, advance, steps: int, folder: Path, every: int) -> dict:
    """The state after `steps` steps in all, those of earlier runs in the same folder
    included.

    state: where a new run starts, with "step", "parameters", "velocity", "order",
    "position" and "rng".
    advance(state) -> state one step later.
    folder: exists; holds the checkpoints step-N.pkl of earlier runs, N being the steps
    done, without leading zeros.
    every: after each `every` steps the state is written. A file with such a name is
    complete at any time.
    Goes on from the newest checkpoint that can be read; one that is damaged is passed
    over.
    """
    ### BEGIN SOLUTION
    reached = state
    newest_first = sorted(folder.glob("step-*.pkl"), key=lambda path: int(path.stem[5:]), reverse=True)
    for path in newest_first:
        try:
            reached = pickle.loads(path.read_bytes())
            break
        except Exception:  # damage shows in many ways: EOFError, UnpicklingError, ValueError …
            continue
    while reached["step"] < steps:
        reached = advance(reached)
        if reached["step"] % every == 0:
            unfinished = folder / "unfinished"
            unfinished.write_bytes(pickle.dumps(reached))
            unfinished.replace(folder / f"step-{reached['step']}.pkl")
    return reached
    ### END SOLUTION

# %% check="5.8" points=2
check.train(train)

# %% [markdown]
# **What you should have seen.** The power fails before step 78, and the newest checkpoint is damaged on top of it.

# %%
# fact: The power fails before step 78 | what the cell below does

# %%
class PowerFailure(Exception):
    pass


def advance_until_it_fails(state: dict) -> dict:
    if state["step"] == 77:
        raise PowerFailure
    return advance(state)


for name in ("smooth", "rough"):
    (folder / name).mkdir(exist_ok=True)
smooth = train(start, advance, 120, folder / "smooth", every=20)
try:
    train(start, advance_until_it_fails, 120, folder / "rough", every=20)
except PowerFailure:
    (folder / "rough" / "step-60.pkl").write_bytes(b"half a checkp")
rough = train(start, advance, 120, folder / "rough", every=20)
{name: bool(np.array_equal(smooth[name], rough[name])) for name in ("step", "parameters", "velocity", "position")}

# %% [markdown]
# With the tool: `tf.train.CheckpointManager` numbers checkpoints, keeps the last few, and writes them under another
# name first. *What* is in one is up to you: here a model, its optimiser, and an iterator over shuffled rows.

# %%
def prepared() -> dict:
    """A model, its optimiser and its batches, the same each time."""
    keras.utils.set_random_seed(8)
    model = keras.Sequential([keras.Input((x_all.shape[1],)), keras.layers.Dense(1)])
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    optimizer.build(model.trainable_variables)
    table = tf.data.Dataset.from_tensor_slices((x_all[:2_000].astype("float32"), y_all[:2_000, None]))
    return {"model": model, "optimizer": optimizer, "batches": iter(table.shuffle(2_000, seed=8).repeat().batch(64))}


def take_steps(parts: dict, steps: int) -> np.ndarray:
    model = parts["model"]
    for _ in range(steps):
        x, y = next(parts["batches"])
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(keras.losses.binary_crossentropy(y, model(x), from_logits=True))
        parts["optimizer"].apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    return model.get_weights()[0]

# %%
for kept in (["model"], ["model", "optimizer"], ["model", "optimizer", "batches"]):
    smooth, resumed = prepared(), prepared()
    checkpoint = tf.train.Checkpoint(**{name: smooth[name] for name in kept})
    manager = tf.train.CheckpointManager(checkpoint, folder / "-".join(kept), max_to_keep=2)
    take_steps(smooth, 40)
    manager.save()
    tf.train.Checkpoint(**{name: resumed[name] for name in kept}).restore(manager.latest_checkpoint)
    same = np.array_equal(take_steps(smooth, 40), take_steps(resumed, 40))
    print(f"{', '.join(kept):27} bit for bit the same: {same}")

# %% [markdown]
# Only the last line has everything. Two traps of the tool: `restore(None)`, which is what `latest_checkpoint` gives
# for an empty folder, does nothing and says nothing; and a damaged file is not passed over for you.
# `manager.checkpoints` lists what there is, and to go back to the one before is your code.
#
# Now the real thing: two processes, and **one of them is killed** in the middle of the run. What does the other one do?

# %%
saved = ["--checkpoint", str(folder / "pair"), "--every", "10"]
try:
    cluster.run(["--strategy", "multiworker", *common, *saved], workers=2, deadline=200, kill=(1, 25))
except cluster.Failed as failed:
    print(failed)
print(sorted(path.name for path in (folder / "pair").glob("step-*")))

# %% [markdown]
# Synchronous training stops when one worker stops: nobody can finish the next all-reduce. That is why checkpoints
# belong to it. Start both again, and compare with the pair of section 5, which nobody disturbed:

# %%
again = cluster.run(["--strategy", "multiworker", *common, *saved], workers=2, deadline=200)
print("resumed after step", again[0].result["resumed_after"])
for part in ("parameters", "optimizer", "order", "position", "rng"):
    print(f"{part:10} bit for bit the same: {again[0].result[part] == pair[0].result[part]}")

# %% [markdown]
# ## 9. The same script in the cloud, and tuning
#
# In the cloud a *custom job* starts your script on as many machines as you ask for, and sets `TF_CONFIG` on each. The
# calls below are those of Google's library; without an account a local stand-in answers them. `worker.py` is the file
# that you have just run, with no line changed.

# %%
from mlelab import vertex

vertex.connect(ephemeral=True)

# %%
from google.cloud import aiplatform, storage

from mlelab.training import worker

BUCKET = f"{os.environ['GOOGLE_CLOUD_PROJECT']}-lab5"
bucket = storage.Client().create_bucket(BUCKET, location="us-central1")
aiplatform.init(location="us-central1", staging_bucket=f"gs://{BUCKET}")
bucket.blob("delay.npz").upload_from_filename(folder / "delay.npz")

# %% tags=["nbval-ignore-output"]
job = aiplatform.CustomJob.from_local_script(
    display_name="delay with two replicas", script_path=worker.__file__, replica_count=2,
    container_uri="us-docker.pkg.dev/vertex-ai/training/tf-cpu.2-17.py310:latest",
    args=["--strategy", "multiworker", "--data", f"/gcs/{BUCKET}/delay.npz", "--steps", "40", "--batch", "64",
          "--result", f"/gcs/{BUCKET}/{{task}}.json"])
job.run()

# %%
chief, other = (json.loads(bucket.blob(f"{task}.json").download_as_text()) for task in ("chief-0", "worker-0"))
print(job.state.name, "with", chief["replicas"], "replicas")
print("replicas equal:", chief["parameters"] == other["parameters"])
print("equal to the two processes of section 5:", chief["parameters"] == pair[0].result["parameters"])

# %% [markdown]
# ### Tuning under a budget
#
# Machines are often added for something else: to try many settings. Many of them are bad, and you can tell early.
# **Successive halving** gives every candidate a little, keeps the best third, and gives those three times as much. The
# judge is the validation set; the test set stays shut.

# %%
def auc_after(steps: int, rate: float, momentum: float) -> float:
    """AUC on validation flights after some steps of SGD with momentum from zero."""
    rng = np.random.default_rng(0)
    parameters, velocity = zero, zero
    for _ in range(steps):
        rows = rng.integers(0, len(x_all), 64)
        velocity = momentum * velocity - rate * gradient(parameters, x_all[rows], y_all[rows])
        parameters = parameters + velocity
    return roc_auc_score(y_val, x_val @ parameters)

# %%
def successive_halving(candidates: list[dict], steps: int, keep: int = 3) -> pd.DataFrame:
    """The log of all trials: round after round, the best 1/keep of the candidates with `keep` times the steps."""
    log = []
    while candidates:
        trials = [candidate | {"steps": steps, "auc": auc_after(steps, **candidate)} for candidate in candidates]
        log += trials
        best = sorted(trials, key=lambda trial: -trial["auc"])[:len(candidates) // keep]
        candidates, steps = [{name: trial[name] for name in ("rate", "momentum")} for trial in best], steps * keep
    return pd.DataFrame(log)


rng = np.random.default_rng(9)
candidates = [{"rate": rate, "momentum": momentum} for rate, momentum in
              zip(10 ** rng.uniform(-4, 1, 27), rng.choice([0.0, 0.5, 0.9], 27))]
log = successive_halving(candidates, steps=30)
log.groupby("steps")["auc"].agg(["count", "min", "max"]).round(3)

# %%
everything = pd.Series([auc_after(810, **candidate) for candidate in candidates])
spent = log["steps"].sum()
print(f"halving took {spent:,} steps and found {log['auc'].iloc[-1]:.3f}")
print(f"everything to the end takes {27 * 810:,} steps; best {everything.max():.3f}, median {everything.median():.3f}")

# %%
# claim: Many of them are bad, and you can tell early
# fact: gives every candidate a little, keeps the best third | the definition of successive halving
assert everything.max() > 0.65 and (everything < everything.max() - 0.02).mean() > 0.4
assert everything.corr(log["auc"][:27], method="spearman") > 0.6 and log["auc"].iloc[-1] > everything.max() - 0.01

# %% [markdown]
# scikit-learn has the same as `HalvingRandomSearchCV`. Here the rows are the budget: few flights for everybody first,
# then three times as many for a third of the candidates. It judges by cross-validation, so again believe the shape and
# not the level.

# %%
from scipy.stats import loguniform
from sklearn.experimental import enable_halving_search_cv  # noqa: F401, the class is marked as experimental
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import HalvingRandomSearchCV

halving = HalvingRandomSearchCV(
    SGDClassifier(loss="log_loss", learning_rate="constant", random_state=0), factor=3, n_candidates=27, cv=3,
    param_distributions={"eta0": loguniform(1e-4, 10), "alpha": loguniform(1e-6, 1e-1)}, min_resources=600,
    scoring="roc_auc", random_state=0).fit(x_all, y_all)
print("candidates:", halving.n_candidates_, "with flights:", halving.n_resources_)
print(f"the best of them on validation flights: {roc_auc_score(y_val, halving.decision_function(x_val)):.3f}")

# %% [markdown]
# Optuna's pruners do this for any program that reports a number on the way. In the cloud a *hyperparameter tuning job*
# runs a script once for each trial, with the values as arguments, and looks at the metric that the script reports. Its
# optimiser chooses the next values from what it has seen. The script:

# %%
script = folder / "trial.py"
script.write_text('''
import json, os, sys
import numpy as np
from sklearn.metrics import roc_auc_score
args = dict(argument[2:].split("=") for argument in sys.argv[1:])
rate, momentum, table = float(args["rate"]), float(args["momentum"]), np.load(args["data"])
x, y, rng = table["x"], table["y"], np.random.default_rng(0)
w = v = np.zeros(x.shape[1])
for _ in range(270):
    rows = rng.integers(0, len(x), 64)
    v = momentum * v - rate * x[rows].T @ (1 / (1 + np.exp(-x[rows] @ w)) - y[rows]) / 64
    w = w + v
record = {"auc": str(roc_auc_score(table["y_val"], table["x_val"] @ w)), "global_step": "270"}
with open(os.environ["CLOUD_ML_HP_METRIC_FILE"], "a") as file:  # what the package cloudml-hypertune does
    file.write(json.dumps(record | {"trial": os.environ["CLOUD_ML_TRIAL_ID"]}) + chr(10))
''')
print(script.name, "is written")

# %% tags=["nbval-ignore-output"]
from google.cloud.aiplatform import hyperparameter_tuning as tuning

trial = aiplatform.CustomJob.from_local_script(
    display_name="delay trial", script_path=str(script), args=[f"--data=/gcs/{BUCKET}/delay.npz"],
    container_uri="us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-5:latest")
search = aiplatform.HyperparameterTuningJob(
    display_name="delay", custom_job=trial, metric_spec={"auc": "maximize"}, max_trial_count=6, parallel_trial_count=2,
    parameter_spec={"rate": tuning.DoubleParameterSpec(min=1e-4, max=10, scale="log"),
                    "momentum": tuning.DiscreteParameterSpec(values=[0.0, 0.5, 0.9], scale=None)})
search.run()

# %%
scores = [finished.final_measurement.metrics[0].value for finished in search.trials]
print(len(scores), "trials; best AUC above 0.65:", max(scores) > 0.65)

# %% [markdown]
# ## 10. Review: code that you did not write
#
# A wrong mean of gradients stops nothing: training goes on, to another model. Do not ask whether code looks right. Ask
# for **one valid input** for which it breaks its docstring.
#
# ### Exercise 5.9: review three versions of allreduce_mean (3 points)
#
# A colleague hands in three versions of `allreduce_mean`. Their docstring is that of exercise 5.2.

# %%
def allreduce_mean_a(gradients: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.average(gradients, axis=0, weights=counts)

# %%
def allreduce_mean_b(gradients: np.ndarray, counts: np.ndarray) -> np.ndarray:
    rows = np.maximum(counts, 1)  # no division by zero
    total = (np.nan_to_num(gradients) * rows[:, None]).sum(axis=0)
    return total / rows.sum()

# %%
def allreduce_mean_c(gradients: np.ndarray, counts: np.ndarray) -> np.ndarray:
    mean, seen = np.zeros(gradients.shape[1]), 0
    for gradient, count in zip(gradients, counts):
        if count:
            seen += count
            mean += (gradient - mean) * count / seen
    return mean

# %% [markdown]
# Write `review_mean`: for each function one input on which it does not do what the docstring says, or `None` if it is
# right. The input must be valid by that docstring. A small input is easier to read, and earns no more.

# %% exercise="5.9"
def review_mean() -> dict[str, dict | None]:
    """For each version of `allreduce_mean` an input that exposes it, or None.

    Returns a dict with the keys "allreduce_mean_a", "allreduce_mean_b" and
    "allreduce_mean_c". Each value is None, if the function is right, or a dict with the
    arguments of `allreduce_mean`: the arrays `gradients` and `counts`.
    """
    ### BEGIN SOLUTION
    one_is_empty = {"gradients": np.array([[1.0], [np.nan]]), "counts": np.array([1, 0])}
    return {"allreduce_mean_a": one_is_empty, "allreduce_mean_b": one_is_empty,
            "allreduce_mean_c": None}
    ### END SOLUTION

# %% check="5.9" part="allreduce_mean_a" points=1
check.review_mean(review_mean, "allreduce_mean_a")

# %% check="5.9" part="allreduce_mean_b" points=1
check.review_mean(review_mean, "allreduce_mean_b")

# %% check="5.9" part="allreduce_mean_c" points=1
check.review_mean(review_mean, "allreduce_mean_c")

# %% [markdown]
# **What you should have seen.** A worker without rows is rare. It comes with the last batch of an epoch, when the rows
# run out before every worker has one. One of the versions then makes every parameter nan, and somebody sees it. Another
# one divides by a row that nobody had, and nobody sees that.

# %% [markdown]
# ## Where you stand

# %%
check.progress()

# %% [markdown]
# You know that the delay model needs no cluster, and you can say why with a curve. And for the task that does, you have
# the parts in your hands: a gradient mean that is right, shards that cover everything, a ring whose bytes you counted,
# a memory plan, and a run that dies and comes back to the last bit. How all of this behaves on a GPU stands on the page
# about GPUs. Chapter 6 makes the model itself interesting.
