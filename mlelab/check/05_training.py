"""Checks of lab 5: learning curve, gradient mean, data-parallel step, sampler, ring, accumulation, memory, resume."""

import copy
import functools
import re
import shutil
import sys
import tempfile
from contextlib import contextmanager
from math import ceil
from numbers import Integral, Real
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from mlelab import case, data
from mlelab.check.lab import Lab, Trial

lab = Lab("05_training")


@lab.exercise("5.1", section="do-we-need-it", hints=(
    "One shuffle of `train` for each seed; each size takes the first rows of that shuffle, so that samples are nested. "
    "`held_out` is never cut.",
    "Per seed: `order = train.sample(frac=1, random_state=seed)`, then `score(fit(order[:size]), held_out)` for each "
    "size. The gain is the last row of the curve minus the row before it, averaged over the seeds."))
def learning_curve(trial: Trial, answer) -> str:
    train, held_out, sizes, seeds = _numbered_rows(trial.rng)
    call = f"learning_curve(fit, score, train, held_out, sizes={sizes}, seeds={seeds}, min_gain)"
    runs, judged, fit, score = _recorded_fits()
    curve, _ = _curve(trial, answer, call, fit, score, train, held_out, sizes, seeds, 0.01)
    trial.require(not any(learned & rows for learned, rows in judged), "A model is judged on rows that it did not "
                  "learn from.", mistake="M02", call=call, expected="score(model, held_out)",
                  got="score on rows of train")
    trial.require(all(rows == set(held_out["row"]) for _, rows in judged), "Each model is judged on the same rows, all "
                  "of held_out.", mistake="M16", call=call, expected=f"{len(held_out)} rows",
                  got=f"{min((len(rows) for _, rows in judged), default=0)} rows")
    seen = [(size, tuple(sorted(run))) for run in runs if (size := len(run)) in sizes]
    trial.require(sorted(size for size, _ in seen) == sorted(sizes * len(seeds)) and len(runs) == len(seen),
                  "For each seed, each size is fitted once, on as many rows as it says.", call=call,
                  expected=sorted(sizes * len(seeds)), got=sorted(len(run) for run in runs))
    head = set(train["row"][:sizes[0]])
    trial.require(set(seen[0][1]) != head, "A sample is drawn from all of train: the first rows of a file are its "
                  "first months.", mistake="M34", call=call, expected="rows of a shuffle",
                  got=f"the first {sizes[0]} rows")
    for size in sizes:
        of_size = {rows for other, rows in seen if other == size}
        trial.require(len(of_size) == len(seeds), "Each seed has a shuffle of its own: one sample is one draw of luck.",
                      mistake="M16", call=call, expected=f"{len(seeds)} samples of {size} rows", got=len(of_size))
    for small, large in zip(sizes, sizes[1:]):
        nested = all(any(set(rows) <= set(more) for other, more in seen if other == large)
                     for size, rows in seen if size == small)
        trial.require(nested, "Samples of one seed are nested: the larger one holds all rows of the smaller one, so "
                      "that their difference is the rows added and not another draw.", mistake="M16", call=call,
                      expected=f"{small} rows within {large}", got="other rows")
    _require_last_gain(trial, answer, curve, fit, score, train, held_out, sizes, seeds)

    train, validation, _ = _flights()
    curve, _ = answer(lambda rows: case.linear_model().fit(rows, rows["late"]),
                      lambda model, rows: roc_auc_score(rows["late"], model.predict_proba(rows)[:, 1]),
                      train, validation, [1_000, 10_000], [0], 0.01)
    return (f"On flights of September and October, 1,000 training flights reach AUC {curve.iloc[0, 0]:.3f} and 10,000 "
            f"reach {curve.iloc[1, 0]:.3f}. You will see what the other 200,000 add.")


def _numbered_rows(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame, list[int], list[int]]:
    """Rows that know their number, in train and held out, and what to draw from them."""
    numbers = rng.permutation(900)
    frame = pd.DataFrame({"row": numbers, "value": rng.normal(size=900)}, index=rng.permutation(900))
    seeds = [int(seed) for seed in rng.choice(1_000, 3, replace=False)]
    return frame[:600], frame[600:], [20, 60, 200], seeds


def _recorded_fits():
    """`fit` and `score` that write down which rows came to them; a score is luck plus a little for each further row."""
    runs, judged = [], []

    def fit(rows):
        runs.append(rows["row"].tolist())
        return tuple(runs[-1])

    def score(model, rows):
        judged.append((set(model), set(rows["row"])))
        luck = np.random.default_rng(sorted(model)).normal(0, 0.02)
        return 0.6 + 0.03 * np.log10(len(model)) + luck

    return runs, judged, fit, score


def _curve(trial: Trial, answer, call: str, *args) -> tuple[pd.DataFrame, bool]:
    result = trial.call(answer, *args)
    fine = isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], pd.DataFrame)
    trial.require(fine, "The answer is a pair: the curve as a DataFrame, and True or False.", call=call,
                  got=type(result).__name__)
    curve, worth = result
    sizes, seeds = args[4], args[5]
    trial.require(list(curve.index) == sizes and list(curve.columns) == seeds and np.isfinite(curve.to_numpy()).all(),
                  "The curve has a row for each size, a column for each seed, and a score in each cell.", call=call,
                  expected=f"index {sizes}, columns {seeds}", got=f"index {list(curve.index)}, columns "
                  f"{list(curve.columns)}")
    return curve.astype(float), worth


def _require_last_gain(trial: Trial, answer, curve, *args) -> None:
    """Ask again with smallest gains that tell the right gain from those that mistakes would use, farthest first."""
    steps = curve.diff().iloc[-1]
    right = steps.mean()
    others = {"M32": (curve.iloc[-1] - curve.iloc[0]).mean(), "M16": steps.iloc[0]}
    for mistake, other in sorted(others.items(), key=lambda item: -abs(item[1] - right)):
        nearer = [value for value in (right, *others.values()) if abs(value - right) < abs(other - right)
                  and (value - right) * (other - right) >= 0]
        min_gain = float((min(nearer, key=lambda value: abs(value - other)) + other) / 2)
        call = f"learning_curve(fit, score, train, held_out, sizes, seeds, min_gain={min_gain:.4f})"
        _, worth = _curve(trial, answer, call, *args, min_gain)
        trial.require(worth in (True, False) and bool(worth) == (right >= min_gain), "Scaling is worth it if the last "
                      "step of the curve, averaged over the seeds, gains at least min_gain.", mistake=mistake
                      if bool(worth) == (other >= min_gain) else None, call=call,
                      example=curve.round(4), expected=f"{right >= min_gain}, as the last step gains {right:.4f}",
                      got=worth)


@lab.exercise("5.2", section="one-step-many-workers", hints=(
    "Go back to sums: a mean times its count is a sum, sums may be added, and the total is divided once.",
    "Take only workers with `counts > 0`, because nothing times not-a-number is not a number. Then "
    "`np.average(..., axis=0, weights=...)` does the rest."))
def allreduce_mean(trial: Trial, answer) -> str:
    means, counts, full = _ragged_gradients(trial.rng)
    call = f"allreduce_mean(gradients, counts={counts.tolist()})"
    got = np.asarray(trial.call(answer, means, counts), dtype=float)
    filled, some = np.nan_to_num(means), counts > 0
    rank = np.arange(len(counts)) + 1
    trial.require(got.shape == full.shape, "The answer is one gradient, with a value for each parameter.", call=call,
                  expected=f"shape {full.shape}", got=f"shape {got.shape}")
    trial.require(np.isfinite(got).all(), "A worker without rows has no gradient, only not-a-number. It must not "
                  "count, and it must not spread.", mistake="M08", call=call, expected=full.round(4), got=got)
    results = {None: full, "M07": [filled.mean(axis=0), means[some].mean(axis=0)],
               "M36": [counts @ filled, counts @ filled / len(counts), counts @ filled / some.sum()],
               "M34": [np.average(filled, axis=0, weights=weights) for weights in (rank, rank[::-1], rank - 1)]}
    trial.require(np.allclose(got, full), "The answer is the gradient of the mean loss over all rows, as if one worker "
                  "had them all.", mistake=_matching(results, got), call=call, expected=full.round(4),
                  got=got.round(4), example=pd.DataFrame({"rows": counts, "first value": means[:, 0].round(4)}))

    plain, weighted = _ragged_errors(answer)
    return (f"Four workers with 700, 200, 70 and 30 flights: the plain mean of their gradients is {plain:.0%} away "
            f"from the gradient of all 1,000, yours {weighted:.3%}.")


def _ragged_gradients(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean gradients of five workers of very different sizes, one of them empty, and the gradient of all rows."""
    counts = rng.permutation([40, 12, 5, 1, 0])
    rows = rng.normal(size=(counts.sum(), 4)) + np.repeat(rng.normal(0, 3, (5, 1)), counts, axis=0)
    parts = np.split(rows, np.cumsum(counts)[:-1])
    means = np.array([part.mean(axis=0) if len(part) else np.full(4, np.nan) for part in parts])
    return means, counts, rows.mean(axis=0)


def _ragged_errors(answer) -> tuple[float, float]:
    """F32 on real flights: relative error of the plain mean, and of the answer."""
    X, y = _thousand()
    first = np.argsort(X[:, 1], kind="stable")  # by hour of departure, as a careless split would have it
    shards = np.split(first, [700, 900, 970])
    means = np.array([_slope(np.zeros(X.shape[1]), X[shard], y[shard]) for shard in shards])
    full = _slope(np.zeros(X.shape[1]), X[first], y[first])
    counts = np.array([len(shard) for shard in shards])
    errors = [np.linalg.norm(g - full) / np.linalg.norm(full) for g in (means.mean(axis=0), answer(means, counts))]
    return errors[0], errors[1]


@lab.exercise("5.3", section="data-parallelism", hints=(
    "In each replica: the gradient of its own rows as a sum, then one all-reduce for the sums and one for the counts. "
    "Every replica then subtracts the same thing from its own copy.",
    "Inside the function that you give to `strategy.run`: `context = tf.distribute.get_replica_context()`, "
    "`total, count = context.all_reduce(\"sum\", [rows * gradient(parameters, x, y), rows])`, then "
    "`parameters.assign_sub(rate * total / count)`."))
def dp_step(trial: Trial, answer) -> str:
    import tensorflow as tf

    strategy = _strategy(tf)
    replicas = strategy.num_replicas_in_sync
    trial.require(replicas > 1, "This kernel has one logical device, so nothing can be reduced. Restart it, and run "
                  "the cell that makes four devices before TensorFlow does anything else.")
    start, rate = trial.rng.normal(size=3).astype("float32"), float(trial.rng.choice([0.05, 0.1, 0.2]))
    rows = [int(count) for count in trial.rng.permutation([24, 9, 4, 1, 2, 15, 6, 3][:replicas])]
    parts = [(trial.rng.normal(number, 1, (count, 3)).astype("float32"), trial.rng.normal(size=count).astype("float32"))
             for number, count in enumerate(rows)]
    with strategy.scope():
        parameters = tf.Variable(start)
    shards = [(tf.constant(x), tf.constant(y)) for x, y in parts]
    call = f"dp_step(strategy, parameters, shards, gradient, rate={rate}) with shards of {rows} rows"

    def gradient(parameters, x, y):
        error = tf.linalg.matvec(x, tf.convert_to_tensor(parameters)) - y
        return tf.linalg.matvec(x, error, transpose_a=True) / tf.cast(tf.shape(x)[0], tf.float32)

    _as_given(trial, answer, strategy, parameters, shards, gradient, rate)
    copies = np.array([copy.numpy() for copy in strategy.experimental_local_results(parameters)])
    local = np.array([x.T @ (x @ start - y) / len(y) for x, y in parts])
    full = start - rate * np.average(local, axis=0, weights=rows)
    shown = pd.DataFrame(copies.round(4), columns=["first", "second", "third"])
    shown.insert(0, "rows", rows)
    trial.require(np.ptp(copies, axis=0).max() < 1e-4, "After the step all replicas hold the same parameters.",
                  mistake="M56", call=call, example=shown.head(3), expected=full.round(4))
    results = {None: full, "M07": [start - rate * local.mean(axis=0)],
               "M36": [start - rate * local.sum(axis=0), start - rate * np.array(rows) @ local]}
    trial.require(np.allclose(copies, full, atol=1e-4), "The parameters are those of one device that takes one step on "
                  "all rows.", mistake=_matching(results, copies[0], atol=1e-4), call=call, example=shown.head(1),
                  expected=full.round(4), got=copies[0].round(4))
    return (f"{replicas} replicas with {', '.join(map(str, sorted(rows)))} rows end where one device would, to within "
            "a ten-thousandth.")


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


@lab.exercise("5.4", section="who-sees-which-rows", hints=(
    "All workers shuffle alike, from `seed` and `epoch` alone. Then worker `rank` takes each `world`-th row. If that "
    "does not come out even, some rows are taken twice.",
    "`order = np.random.default_rng([seed, epoch]).permutation(n)`; make it longer with `np.resize(order, "
    "world * -(-n // world))`, which starts again at its beginning; return `[rank::world]` of it."))
def shard_indices(trial: Trial, answer) -> str:
    world = int(trial.rng.integers(3, 6))
    n, seed = world * int(trial.rng.integers(8, 12)) + int(trial.rng.integers(1, world)), int(trial.rng.integers(100))
    call = f"shard_indices({n=}, {world=}, rank, epoch=0, {seed=}) for each rank"

    def shards(epoch: int, seed: int = seed) -> list[np.ndarray]:
        return [np.asarray(trial.call(answer, n, world, rank, epoch, seed)) for rank in range(world)]

    first = shards(0)
    trial.require(all(s.ndim == 1 and s.dtype.kind in "iu" and ((s >= 0) & (s < n)).all() for s in first),
                  f"A shard is a 1-D array of row numbers from 0 to {n - 1}.", call=call, got=first[0])
    lengths, together = [len(shard) for shard in first], np.concatenate(first)
    count = np.bincount(together, minlength=n)
    shown = pd.DataFrame({"rank": range(world), "rows": lengths, "first three": [str(s[:3].tolist()) for s in first]})
    trial.require(len(set(lengths)) == 1, "Each worker gets the same number of rows. One that has a step less leaves "
                  "the others waiting in their all-reduce.", mistake="M56", call=call, example=shown, got=lengths)
    alike = all(np.array_equal(shard, first[0]) for shard in first)
    trial.require(not alike, "Workers get different rows.", mistake="M09", call=call, example=shown)
    missing = np.flatnonzero(count == 0)
    trial.require(len(missing) < world or len(together) < n, "All workers cut the same shuffle: made from another one, "
                  "the shards overlap and leave rows out.", mistake="M56", call=call, example=shown,
                  expected="each row", got=f"{len(missing)} of {n} rows are in no shard")
    trial.require(len(missing) == 0, "Each row is in a shard.", mistake="M09", call=call, example=shown,
                  expected="each row", got=f"rows {missing[:5].tolist()} are in no shard")
    trial.require(len(together) == world * ceil(n / world), "No row is there more often than needed to come out even.",
                  mistake="M09", call=call, expected=f"{ceil(n / world)} rows for each worker", got=lengths[0])
    rows = np.sort(together[:n])
    in_order = any(np.array_equal(np.sort(shard), shard) for shard in first)
    trial.require(not in_order, "Rows are shuffled: in the order of the file each worker sees one season after the "
                  "other.", mistake="M34", call=call, example=shown)
    for changed, other in (("epoch", shards(1)), ("seed", shards(0, seed + 1))):
        trial.require(not all(np.array_equal(a, b) for a, b in zip(first, other)), f"Another {changed} gives another "
                      "shuffle.", mistake="M27", call=call.replace(f"{changed}=", f"{changed}=other "),
                      expected="other rows", got="the same rows in the same order")
    trial.require(all(np.array_equal(a, b) for a, b in zip(first, shards(0))), "The same arguments give the same rows: "
                  "no worker can ask another one.", mistake="M56", call=call, got=rows[:3])

    total = _flights()[2]
    sizes = {len(answer(total, 8, rank, 0, 0)) for rank in range(8)}
    return f"Eight workers share {total:,} flights: {max(sizes):,} rows each, {8 * max(sizes) - total} of them twice."


@lab.exercise("5.5", section="what-the-network-carries", hints=(
    "Cut each vector into as many chunks as there are workers. In each of 2 (N - 1) steps every worker sends one chunk "
    "to its right neighbour: in the first half the neighbour adds it, in the second half it keeps it.",
    "In step `s`, worker `r` sends chunk `(r - s) % world` to `(r + 1) % world`. While `s < world - 1` the receiver "
    "adds, afterwards it replaces. `np.array_split` cuts what does not divide."))
def ring_allreduce(trial: Trial, answer) -> str:
    world = int(trial.rng.integers(3, 6))
    length = world * int(trial.rng.integers(4, 9)) + int(trial.rng.integers(1, world))
    vectors = trial.rng.normal(size=(world, length)).astype("float32")
    call = f"ring_allreduce(vectors of shape {vectors.shape}, send)"
    messages, send = _network(world)
    results = trial.call(answer, vectors, send)
    trial.require(results is not None and len(results) == world and all(np.ndim(r) == 1 for r in results),
                  "The answer holds one vector for each worker.", call=call, got=type(results).__name__)
    results, total = [np.asarray(result) for result in results], vectors.sum(axis=0)
    sent = pd.DataFrame(messages, columns=["source", "target", "bytes"])
    trial.require(len(sent) > 0, "What a worker knows of another one came through send.", mistake="M58", call=call,
                  expected=f"{2 * (world - 1)} messages from each worker", got="none")
    trial.require({len(result) for result in results} == {length}, "No value is lost when the length does not divide "
                  "by the number of workers.", mistake="M09", call=call, expected=f"{length} values",
                  got=f"{len(results[0])} values")
    trial.require(not np.allclose(results[0], total / world, atol=1e-4), "The ring adds; whoever wants a mean divides "
                  "once afterwards.", mistake="M36", call=call, expected=total[:3], got=results[0][:3])
    same = all(np.allclose(result, results[0], atol=1e-4) for result in results)
    steps = sent.groupby("source").size()
    half = not same and (steps == world - 1).all()
    trial.require(same, "In the end all workers hold the same sum. After the first half of the steps each one has only "
                  "its chunk of it." if half else "In the end all workers hold the same sum.",
                  mistake="M33" if half else "M56", call=call, expected=total[:3].round(4),
                  got=[result[:3].round(4).tolist() for result in results[:2]])
    trial.require(np.allclose(results[0], total, atol=1e-4), "The result is the sum of all vectors.", mistake="M09",
                  call=call, expected=total[:3].round(4), got=results[0][:3].round(4))
    by_worker = sent.groupby("source")["bytes"].sum().reindex(range(world), fill_value=0)
    limit = 2 * (world - 1) * ceil(length / world) * 4
    trial.require((by_worker <= limit).all(), f"No worker sends more than 2 (N - 1) / N of the {vectors[0].nbytes} "
                  "bytes of its vector, rounded up to whole chunks.", mistake="M58", call=call,
                  expected=f"{limit} bytes", got=by_worker.tolist())
    trial.require(((sent["target"] - sent["source"]) % world).nunique() == 1, "In a ring each worker sends to one "
                  "neighbour only.", mistake="M58", call=call, example=sent.head(3))

    messages, send = _network(8)
    answer(np.ones((8, 1_000_000), "float32"), send)
    most = pd.DataFrame(messages).groupby(0)[2].sum().max()
    return (f"Eight workers, a million parameters: each one sends {most / 1e6:.1f} MB, and would send "
            f"{7 * 4.0:.0f} MB if everybody sent everything to everybody.")


def _network(world: int):
    """Messages as (source, target, bytes), and the `send` that writes them down and delivers."""
    messages = []

    def send(source, target, values):
        if source == target or not {source, target} <= set(range(world)):
            raise ValueError(f"send from {source} to {target}: there are workers 0 to {world - 1}, and a message goes "
                             "from one to another")
        values = np.array(values)
        messages.append((int(source), int(target), values.nbytes))
        return values

    return messages, send


@lab.exercise("5.6", section="when-the-batch-does-not-fit", hints=(
    "Keep two running sums, of gradients times rows and of rows. Every `every` micro-batches, and at the very end, "
    "step once and set both to zero.",
    "`total += len(y) * gradient(parameters, x, y)` and `rows += len(y)`; when the group is complete, "
    "`parameters = parameters - rate * total / rows`."))
def accumulate(trial: Trial, answer) -> str:
    every, rate = int(trial.rng.integers(3, 5)), 0.5
    sizes = [6] * (2 * every) + [6, 2]
    batches = [(trial.rng.normal(number % 3, 1, (size, 3)), trial.rng.integers(0, 2, size).astype(float))
               for number, size in enumerate(sizes)]
    start = trial.rng.normal(size=3)
    call = f"accumulate(parameters, micro_batches of {sizes} rows, gradient, rate={rate}, every={every})"
    calls = []

    def gradient(parameters, x, y):
        calls.append((tuple(parameters), len(y)))
        return _slope(parameters, x, y)

    got = np.asarray(_as_given(trial, answer, start.copy(), batches, gradient, rate, every), dtype=float)
    expected = _accumulated(start, batches, rate, every)
    trial.require(got.shape == (3,), "The answer is the parameters after the last update.", call=call, got=got)
    largest = max(rows for _, rows in calls) if calls else 0
    trial.require(largest <= 6, "gradient gets one micro-batch at a time: putting them together needs the memory that "
                  "was not there.", mistake="M59", call=call, expected="at most 6 rows", got=f"{largest} rows")
    used = [len({parameters for parameters, _ in calls[first:first + every]})
            for first in range(0, len(calls), every)]
    trial.require(set(used) <= {1}, f"The {every} micro-batches of a group see the same parameters: one update, "
                  "after the group.", mistake="M60", call=call, expected="the same parameters",
                  got=f"{max(used, default=0)} different ones in a group")
    results = {None: expected,
               "M07": [_accumulated(start, batches, rate, every, kind) for kind in ("mean of means", "by every")],
               "M36": [_accumulated(start, batches, rate, every, kind) for kind in ("sum", "every")],
               "M60": [_accumulated(start, batches, rate, every, kind) for kind in ("keep", "keep both")],
               "M09": [_accumulated(start, batches[:len(batches) // every * every], rate, every)]}
    trial.require(np.allclose(got, expected), "The parameters are those of big batches: each group of micro-batches "
                  "counts as one, each row in it the same, and the last group may be smaller.",
                  mistake=_matching(results, got), call=call, expected=expected.round(4), got=got.round(4))

    X, y = _thousand()
    parts = [slice(0, 300), slice(300, 600), slice(600, 900), slice(900, 1_000)]
    big = answer(np.zeros(X.shape[1]), [(X, y)], _slope, 0.5, 1)
    small = answer(np.zeros(X.shape[1]), [(X[part], y[part]) for part in parts], _slope, 0.5, 4)
    same = np.allclose(big, small, rtol=0, atol=1e-12)
    return ("1,000 flights at once, or as 300, 300, 300 and 100: "
            f"the parameters are {'the same' if same else 'different'} to twelve decimals.")


def _accumulated(parameters, batches, rate, every, mistake=None) -> np.ndarray:
    """The parameters after all updates, right or with one mistake."""
    total, rows, means = 0.0, 0, 0
    for number, (x, y) in enumerate(batches, start=1):
        weight = 1 if mistake in ("mean of means", "by every") else len(y)
        total = total + weight * _slope(parameters, x, y)
        rows, means = rows + len(y), means + 1
        if number % every == 0 or number == len(batches):
            below = {"mean of means": means, "by every": every, "sum": 1, "every": every * len(batches[0][1])}
            parameters = parameters - rate * total / below.get(mistake, rows)
            if mistake != "keep both":
                rows, total = 0, total if mistake == "keep" else 0.0
            means = 0
    return parameters


@lab.exercise("5.7", section="when-the-model-does-not-fit", hints=(
    "Count bytes for one parameter, line by line: the weight, its gradient, a float32 master copy if the weight itself "
    "is shorter, and float32 optimiser state. GiB are 2**30 bytes.",
    "Bytes per parameter: weights and gradients 4 or 2, master 0 or 4, optimiser 0, 4 or 8. Fully sharded, n devices "
    "hold a part each: `ceil(state / (device_gib - activation_gib))`. `replicas` does not enter at all."))
def memory_plan(trial: Trial, answer) -> str:
    device, replicas = float(trial.rng.choice([16, 24, 40])), int(trial.rng.choice([4, 8]))
    for precision in ("float32", "mixed"):
        for optimizer in _STATE:
            parameters = int(trial.rng.integers(14_000_000_000, 40_000_000_000))
            _require_plan(trial, answer, parameters, precision, optimizer, 0.4 * device, device, replicas)
    got = trial.call(_or_error(answer), 1_000_000, "mixed", "adam", device, device, 1)
    trial.require(isinstance(got, ValueError), "If the activations alone fill a device, no split of the parameters "
                  "helps: raise ValueError.", mistake="M38", expected="ValueError", got=repr(got),
                  call=f"memory_plan(1_000_000, 'mixed', 'adam', {device}, {device}, 1)")

    plan = answer(7_000_000_000, "mixed", "adam", 8.0, 80.0, 1)
    state = sum(plan[part] for part in _PARTS)
    return (f"7 billion parameters with Adam in mixed precision need {state:.1f} GiB ({state * 2**30 / 1e9:.0f} GB) "
            f"before any activation, so {plan['devices']} devices of 80 GiB must share them.")


_PARTS = ("weights", "gradients", "master", "optimizer")
_STATE = {"sgd": 0, "momentum": 4, "adam": 8}  # bytes per parameter


def _require_plan(trial: Trial, answer, parameters, precision, optimizer, activations, device, replicas) -> None:
    call = f"memory_plan({parameters:_}, {precision!r}, {optimizer!r}, {activations}, {device}, {replicas=})"
    plan = trial.call(answer, parameters, precision, optimizer, activations, device, replicas)
    names = {*_PARTS, "activations", "devices"}
    trial.require(isinstance(plan, dict) and set(plan) == names and all(isinstance(v, Real) for v in plan.values()),
                  "The plan is a dict of numbers.", call=call, expected=sorted(names), got=plan)
    short = 2 if precision == "mixed" else 4
    bytes_each = {"weights": short, "gradients": short, "master": 0 if short == 4 else 4,
                  "optimizer": _STATE[optimizer]}
    right = {part: parameters * size / 2**30 for part, size in bytes_each.items()} | {"activations": activations}
    got = {name: float(plan[name]) for name in right}
    wrong = [name for name in right if not np.isclose(got[name], right[name])]
    ratio = {name: got[name] / right[name] for name in wrong if right[name]}
    mistake = "M59"
    if wrong and len(ratio) == len(wrong):
        mistake = ("M10" if np.allclose(list(ratio.values()), 2**30 / 1e9) else
                   "M28" if np.allclose(list(ratio.values()), 1 / replicas) else "M59")
    trial.require(not wrong, "Each part is counted in GiB, for one device that holds the whole model. Replicas of data "
                  "parallelism hold a whole model each.", mistake=mistake, call=call,
                  example=pd.DataFrame({"expected": right, "got": got}).loc[wrong].round(2).head(3))
    state = sum(right[part] for part in _PARTS)
    devices = ceil(state / (device - activations))
    lean = {"M28": [1, ceil(devices / replicas), ceil(state / replicas / (device - activations))],
            "M31": [int(state // (device - activations))],
            "M59": [ceil(state / device)]}
    mistake = next((code for code, values in lean.items() if plan["devices"] in values), None)
    trial.require(plan["devices"] == devices and isinstance(plan["devices"], Integral), "`devices` is the smallest "
                  "number of devices among which the state can be split, when each of them also holds its activations.",
                  mistake=mistake, call=call, expected=f"{devices}: {state:.1f} GiB of state, "
                  f"{device - activations:g} GiB of room on each", got=plan["devices"])


@lab.exercise("5.8", section="when-a-machine-dies", hints=(
    "The whole `state` goes into the file, and the whole `state` comes out of it. Try the newest checkpoint first, "
    "where newest means the largest step as a *number*; if it cannot be read, the one before.",
    "Write `pickle.dumps(state)` to `folder / \"new.tmp\"`, then `.replace(folder / f\"step-{step}.pkl\")`. Read in "
    "the order of `int(path.stem[5:])`, largest first, and go on after `EOFError` or `pickle.UnpicklingError`."))
def train(trial: Trial, answer) -> str:
    every = int(trial.rng.choice([3, 4]))
    steps, stop = int(trial.rng.integers(17, 21)), int(trial.rng.integers(13, 15))
    start = _state(trial.rng)
    expected = start
    for _ in range(steps):
        expected = _advance(expected)
    call = f"train(state, advance, steps={steps}, folder, every={every})"
    with tempfile.TemporaryDirectory() as root, _opened_for_writing(root) as opened:
        whole, killed, damaged = (Path(root) / name for name in ("whole", "killed", "damaged"))
        run = _Runs(trial, answer, start, steps, every)
        _require_state(trial, run(whole), expected, call, "An uninterrupted run is `advance`, `steps` times.")
        run(killed, stop=stop)
        kept, due = _steps(killed), stop // every * every
        trial.require(due in kept, f"After each {every} steps there is a checkpoint step-N.pkl, N being the steps "
                      "done.",
                      mistake="M31" if {due - 1, due + 1} & set(kept) else "M57",
                      call=f"{call}, killed after {stop} steps", expected=f"step-{due}.pkl",
                      got=sorted(path.name for path in killed.iterdir()))
        trial.require(not opened, "A checkpoint appears under its name only when it is complete: a machine can die in "
                      "the middle of a write.", mistake="M57", call=call, expected="a temporary file, then a rename",
                      got=f"{opened[0]} was opened for writing" if opened else None)
        shutil.copytree(killed, damaged)
        _require_resume(trial, run, killed, expected, steps, due, call, kept)
        newest = damaged / f"step-{due}.pkl"
        newest.write_bytes(newest.read_bytes()[:newest.stat().st_size // 2])
        _require_fallback(trial, run, damaged, expected, steps, due - every, call)
    return ("Killed in the middle and resumed from its checkpoint: parameters, optimiser, data position and random "
            "numbers end bit for bit as if nothing had happened.")


def _state(rng: np.random.Generator) -> dict:
    return {"step": 0, "parameters": rng.normal(size=4), "velocity": np.zeros(4), "order": rng.permutation(10),
            "position": 0, "rng": np.random.default_rng(int(rng.integers(1_000)))}


def _advance(state: dict) -> dict:
    """One step of training in miniature: what it does next depends on each part of the state."""
    state = copy.deepcopy(state)
    if state["position"] + 3 > len(state["order"]):
        state["order"], state["position"] = state["rng"].permutation(len(state["order"])), 0
    rows = state["order"][state["position"]:state["position"] + 3]
    noise = state["rng"].normal(size=4)
    state["velocity"] = 0.9 * state["velocity"] - 0.1 * (state["parameters"] - np.sin(rows.sum()) + noise)
    state["parameters"] = state["parameters"] + state["velocity"]
    state["position"] += 3
    state["step"] += 1
    return state


class _Killed(BaseException):
    """The machine dies. Not an Exception, so that no answer can survive it by mistake."""


class _Runs:
    """Runs of the answer, each in a folder and perhaps killed before the step after `stop`; `taken` counts steps."""

    def __init__(self, trial: Trial, answer, start: dict, steps: int, every: int):
        self.trial, self.answer, self.start, self.steps, self.every = trial, answer, start, steps, every
        self.taken = 0

    def __call__(self, folder: Path, stop: int | None = None):
        folder.mkdir(exist_ok=True)
        self.taken = 0

        def advance(state):
            if state["step"] == stop:
                raise _Killed
            self.taken += 1
            self.trial.require(self.taken <= 3 * self.steps, "The run ends when state[\"step\"] is `steps`.")
            return _advance(state)

        try:
            return _as_given(self.trial, self.answer, copy.deepcopy(self.start), advance, self.steps, folder,
                             self.every)
        except _Killed:
            return None


def _require_state(trial: Trial, got, expected: dict, call: str, says: str, mistake: str | None = None) -> None:
    trial.require(isinstance(got, dict) and set(got) == set(expected), "The answer is the state after the last step.",
                  call=call, expected=sorted(expected), got=type(got).__name__)
    differ = [name for name, value in expected.items() if not _equal(got[name], value)]
    trial.require(not differ, says, mistake=mistake, call=call, expected="bit for bit the same state",
                  got=f"different: {', '.join(differ)}")


def _equal(one, other) -> bool:
    if isinstance(other, np.random.Generator):
        return isinstance(one, np.random.Generator) and one.bit_generator.state == other.bit_generator.state
    return np.array_equal(one, other)


def _require_resume(trial, run, folder, expected, steps, due, call, kept) -> None:
    got, taken = run(folder), run.taken
    call += ", called again after the kill"
    _require_state(trial, got, expected, call, "The resumed run ends as if it had not been interrupted: nothing of the "
                   "state is left behind or made anew.", mistake="M57")
    trial.require(taken < steps, "A run with a checkpoint goes on from it instead of starting anew.", mistake="M57",
                  call=call, expected=f"{steps - due} steps", got=f"{taken} steps")
    by_name = steps - int(max(map(str, kept)))
    trial.require(taken == steps - due, "It goes on from the newest checkpoint: the one of the largest step, as a "
                  "number.", mistake="M34" if taken in (by_name, steps - min(kept)) else None, call=call,
                  expected=f"from step {due}", got=f"from step {steps - taken}")


def _require_fallback(trial, run, folder, expected, steps, before, call) -> None:
    call += ", after the newest checkpoint was cut in half"
    run.answer = _or_error(run.answer)
    got, taken = run(folder), run.taken
    trial.require(not isinstance(got, Exception), "A damaged checkpoint is passed over, and the one before it is used.",
                  mistake="M38", call=call, expected=f"goes on from step {before}", got=repr(got))
    _require_state(trial, got, expected, call, "The run that fell back ends as if nothing had happened.", mistake="M57")
    trial.require(taken == steps - before, "A damaged checkpoint is passed over, and the one before it is used.",
                  mistake="M38", call=call, expected=f"goes on from step {before}",
                  got=f"goes on from step {steps - taken}")


def _steps(folder: Path) -> list[int]:
    return [int(found[1]) for path in folder.iterdir() if (found := re.fullmatch(r"step-(\d+)\.pkl", path.name))]


_watched: list[tuple[str, list[str]]] = []


def _watch(event: str, args: tuple) -> None:
    if event == "open" and _watched and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        for root, opened in _watched:
            name = Path(str(args[0])).name
            if str(args[0]).startswith(root) and re.fullmatch(r"step-\d+\.pkl", name):
                opened.append(name)


@functools.cache
def _install_watch() -> None:
    """Once, because an audit hook stays for the life of the process."""
    sys.addaudithook(_watch)


@contextmanager
def _opened_for_writing(root: str):
    """The names of checkpoints below `root` that are opened for writing, as they come."""
    _install_watch()
    opened: list[str] = []
    _watched.append((root, opened))
    try:
        yield opened
    finally:
        _watched.remove((root, opened))


def _as_given(trial: Trial, answer, *args):
    """Call the answer with the very arguments: what TensorFlow, an open list or a file holds cannot be copied."""
    return trial.call(functools.partial(answer, *args) if callable(answer) else answer)


def _or_error(answer):
    """The answer as a function that returns its exception instead of raising it."""
    def call(*args):
        try:
            return answer(*args)
        except Exception as error:
            return error

    return call


def _slope(parameters, x, y) -> np.ndarray:
    """Gradient of the mean log loss of a logistic regression."""
    return x.T @ (1 / (1 + np.exp(-x @ parameters)) - y) / len(y)


@functools.cache
def _flights() -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Some training and some validation flights with their label, and how many training flights there are."""
    flights = data.load("features").dropna(subset="arr_delay")
    flights["late"] = (flights["arr_delay"] >= case.LATE_MINUTES).astype(int)
    train, validation, _ = case.split(flights)
    return train.sample(20_000, random_state=5), validation.sample(4_000, random_state=5), len(train)


@functools.cache
def _thousand() -> tuple[np.ndarray, np.ndarray]:
    """The first thousand of those training flights as numbers, and whether they were late."""
    some = _flights()[0]
    X = case.linear_model()[0].fit(some).transform(some[:1_000])
    return np.asarray(X.todense() if hasattr(X, "todense") else X), some["late"][:1_000].to_numpy(dtype=float)


def _matching(results: dict[str | None, list], got, atol: float = 1e-8) -> str | None:
    """The mistake one of whose results is what the learner got; None if it is none of them."""
    for mistake, values in results.items():
        if mistake and any(np.allclose(value, got, atol=atol) for value in values):
            return mistake
    return None
