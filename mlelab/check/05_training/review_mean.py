"""5.9 review_mean: three versions of allreduce_mean that look right; two of them are not."""

import numpy as np

from mlelab.check import review

from . import lab
from .allreduce_mean import allreduce_mean


def allreduce_mean_a(gradients: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.average(gradients, axis=0, weights=counts)


def allreduce_mean_b(gradients: np.ndarray, counts: np.ndarray) -> np.ndarray:
    rows = np.maximum(counts, 1)  # no division by zero
    total = (np.nan_to_num(gradients) * rows[:, None]).sum(axis=0)
    return total / rows.sum()


def allreduce_mean_c(gradients: np.ndarray, counts: np.ndarray) -> np.ndarray:
    mean, seen = np.zeros(gradients.shape[1]), 0
    for gradient, count in zip(gradients, counts):
        if count:
            seen += count
            mean += (gradient - mean) * count / seen
    return mean


@lab.exercise("5.9", section="one-step-many-workers", hints=(
    "Which sentence of the docstring is about a case that is easy to forget? Follow that worker through each function, "
    "line by line: above the line of the fraction, and below it.",
    "Two workers with one parameter are enough, one of them without rows: its gradient is nan, its count 0."))
@review.of(allreduce_mean, {allreduce_mean_a: "empty_worker_spreads", allreduce_mean_b: "an_empty_worker_is_one_row",
                            allreduce_mean_c: None})
def review_mean(gradients, counts):
    """What makes an input of allreduce_mean valid."""
    yield "`gradients` is an array of floats, a row for each worker and a column for each parameter.", isinstance(
        gradients, np.ndarray) and gradients.ndim == 2 and gradients.dtype.kind == "f" and gradients.shape[1] > 0
    yield "`counts` is an array of whole numbers, one for each worker.", isinstance(
        counts, np.ndarray) and counts.dtype.kind in "iu" and counts.shape == gradients.shape[:1]
    yield "No count is negative or above a million.", ((counts >= 0) & (counts <= 10**6)).all()
    yield "At least one worker has rows.", counts.any()
    yield "The gradient of a worker without rows is nan.", np.isnan(gradients[counts == 0]).all()
    yield "The gradient of a worker with rows is known, and no number in it is above a million.", (
        np.abs(gradients[counts > 0]) <= 1e6).all()


# Answers: wrong ones with their misconceptions, and right ones written differently.


def workers(*pairs):
    """Workers as (gradient, count)."""
    return dict(gradients=np.array([np.atleast_1d(gradient) for gradient, _ in pairs], float),
                counts=np.array([count for _, count in pairs]))


EMPTY = (np.nan, 0)
review.wrong(review_mean, "allreduce_mean_a",
             all_have_rows=workers((1, 10), (3, 30)),
             an_unknown_gradient=workers((1, 10), (np.nan, 30)),
             nobody_has_rows=workers(EMPTY, EMPTY),
             lists=dict(gradients=[[1.0], [np.nan]], counts=[1, 0]),
             shares_for_counts=dict(gradients=np.array([[1.0], [np.nan]]), counts=np.array([1.0, 0.0])),
             not_suspected=None)
review.wrong(review_mean, "allreduce_mean_b",
             one_row_each=workers((1, 1), (3, 1)),
             a_gradient_without_rows=workers((1, 1), (3, 0)),
             minus_one_row=workers((1, 3), (2, -1)))
review.wrong(review_mean, "allreduce_mean_c", suspected_for_its_loop=workers((1, 2), EMPTY, (5, 3)))


def each_part(answer):
    for part in review_mean.parts:
        review_mean.right(part=part)(answer)


@each_part
def one_input_for_both():
    given = workers((2, 1), EMPTY)
    return dict(allreduce_mean_a=given, allreduce_mean_b=given, allreduce_mean_c=None)


@each_part
def with_more_workers_than_needed():
    return {"allreduce_mean_c": None} | dict.fromkeys(
        ["allreduce_mean_a", "allreduce_mean_b"], workers(([1, 2], 4), ([np.nan, np.nan], 0), ([0, -3], 2)))
