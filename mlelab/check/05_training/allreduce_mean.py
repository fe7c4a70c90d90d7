"""5.2 allreduce_mean: one gradient from many workers."""

import numpy as np

from . import _real, lab


@lab.exercise("5.2", section="one-step-many-workers", hints=(
    "Go back to sums: a mean times its count is a sum, sums may be added, and the total is divided once.",
    "Take only workers with `counts > 0`, because nothing times not-a-number is not a number. Then "
    "`np.average(..., axis=0, weights=...)` does the rest."))
class allreduce_mean:
    rule = "The answer is the gradient of the mean loss over all rows, as if one worker had them all."

    def inputs(d):
        workers, parameters = d.int(1, 5), d.int(1, 4)
        counts = np.array([d.pick([0, 1, 2, 12, 40]) for _ in range(workers)])
        d.need(counts.any())
        gradients = np.array([[d.int(-16, 16) / 4 for _ in range(parameters)] for _ in counts])
        gradients[d.int(0, workers - 1)] *= d.pick([1, 1, 0])  # a gradient of 0 counts with its rows
        gradients[counts == 0] = np.nan
        return dict(gradients=gradients, counts=counts)

    def run(allreduce_mean, gradients, counts):
        return np.asarray(allreduce_mean(gradients, counts), float)

    def real():
        """Flights in the order of their hour, as a careless split would have it."""
        X, y = _real.thousand()
        shards = np.split(np.argsort(X[:, 1], kind="stable"), [700, 900, 970])
        start = np.zeros(X.shape[1])
        return dict(gradients=np.array([_real.slope(start, X[shard], y[shard]) for shard in shards]),
                    counts=np.array([len(shard) for shard in shards]))

    def figure(got, gradients, counts):
        X, y = _real.thousand()
        full = _real.slope(np.zeros(X.shape[1]), X, y)
        plain, weighted = (np.linalg.norm(g - full) / np.linalg.norm(full) for g in (gradients.mean(axis=0), got))
        return (f"Four workers with 700, 200, 70 and 30 flights: the plain mean of their gradients is {plain:.0%} away "
                f"from the gradient of all 1,000, yours {weighted:.3%}.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


@allreduce_mean.mistake("M07", "A worker with many rows counts more than one with few.")
def plain_mean(gradients, counts):
    return np.nan_to_num(gradients).mean(axis=0)


@allreduce_mean.mistake("M07", "A worker with many rows counts more than one with few.")
def plain_mean_of_those_with_rows(gradients, counts):
    return np.nanmean(gradients, axis=0)


@allreduce_mean.mistake("M08", "A gradient of 0 is a gradient: its rows count.")
def zero_is_no_gradient(gradients, counts):
    weights = np.where(np.nan_to_num(gradients).any(axis=1), counts, 0)
    return weights @ np.nan_to_num(gradients) / max(weights.sum(), 1)


@allreduce_mean.mistake("M36", "The sum is divided by the number of all rows.")
def sum_never_divided(gradients, counts):
    return counts @ np.nan_to_num(gradients)


@allreduce_mean.mistake("M36", "The sum is divided by the number of rows, not of workers.")
def divided_by_workers(gradients, counts):
    return counts @ np.nan_to_num(gradients) / len(counts)


@allreduce_mean.mistake("M36", "A worker without rows adds none, also below the line.")
def an_empty_worker_is_one_row(gradients, counts):
    return counts @ np.nan_to_num(gradients) / np.maximum(counts, 1).sum()


@allreduce_mean.mistake("M34", "The weight is the number of rows, not the rank.")
def weighted_by_rank(gradients, counts):
    return np.average(np.nan_to_num(gradients), axis=0, weights=np.arange(len(counts)) + 1)


@allreduce_mean.mistake("M32", "The weight is the number of rows itself.")
def weighted_by_the_root(gradients, counts):
    return np.average(np.nan_to_num(gradients), axis=0, weights=np.sqrt(counts))


@allreduce_mean.mistake("M31", "A worker with one row has a gradient, too.")
def more_than_one_row(gradients, counts):
    some = counts > 1 if (counts > 1).any() else counts > 0
    return np.average(gradients[some], axis=0, weights=counts[some])


@allreduce_mean.mistake("M16", "All workers count, not the largest alone.")
def largest_worker(gradients, counts):
    return gradients[counts.argmax()]


@allreduce_mean.mistake("M08", "A worker without rows has no gradient, only not-a-number. It must not count, and it "
                               "must "
                        "not spread.")
def empty_worker_spreads(gradients, counts):
    return counts @ gradients / counts.sum()


@allreduce_mean.right
def sums_then_one_division(gradients, counts):
    total = np.zeros(gradients.shape[1])
    for gradient, count in zip(gradients, counts):
        if count:
            total += count * gradient
    return total / sum(counts)


@allreduce_mean.right
def with_nansum(gradients, counts):
    return np.nansum(gradients * counts[:, None], axis=0) / counts.sum()
