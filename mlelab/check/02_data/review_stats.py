"""2.9 review_stats: three versions of merge_stats that look right; the first and the third are not."""

from collections.abc import Iterable

import numpy as np

from mlelab.check import review

from . import lab
from .merge_stats import merge_stats


def merge_stats_a(chunks: Iterable[np.ndarray]) -> tuple[int, float, float]:
    n, total, squares = 0, 0.0, 0.0
    for chunk in chunks:
        values = chunk[~np.isnan(chunk)]
        if len(values) == 0:
            continue
        n += len(values)
        total += values.sum()
        squares += ((values - values.mean()) ** 2).sum()
    return n, total / n, squares / (n - 1)


def merge_stats_b(chunks: Iterable[np.ndarray]) -> tuple[int, float, float]:
    n, mean, squares = 0, 0.0, 0.0
    for chunk in chunks:
        for value in chunk:
            if value == value:
                n += 1
                delta = value - mean
                mean += delta / n
                squares += delta * (value - mean)
    return n, float(mean), float(squares / (n - 1))


def merge_stats_c(chunks: Iterable[np.ndarray]) -> tuple[int, float, float]:
    n, mean, squares = 0, 0.0, 0.0
    for chunk in chunks:
        values = chunk[np.nonzero(np.nan_to_num(chunk))]
        if len(values) == 0:
            continue
        delta, total = values.mean() - mean, n + len(values)
        squares += values.var() * len(values) + delta**2 * n * len(values) / total
        mean += delta * len(values) / total
        n = total
    return n, float(mean), float(squares / (n - 1))


@lab.exercise("2.9", section="larger-than-memory", hints=(
    "What may a value be: positive, negative, zero, missing? What may a chunk be? And for what are two chunks needed?",
    "Three values are enough for each. Compare with `merge_stats` of your own on one chunk and on two, with a 0 among "
    "the values, with a NaN among them."))
@review.of(merge_stats, {merge_stats_a: "weighted_mean_of_variances", merge_stats_b: None,
                         merge_stats_c: "zero_is_missing"})
def review_stats(chunks):
    """What makes an input of merge_stats valid."""
    yield "`chunks` is a list of arrays.", isinstance(chunks, list) and all(isinstance(c, np.ndarray) for c in chunks)
    yield "Each chunk has one dimension and holds floats.", all(c.ndim == 1 and c.dtype.kind == "f" for c in chunks)
    values = np.concatenate([np.zeros(0), *chunks])
    known = values[~np.isnan(values)]
    yield "A value is missing, or a number of at most 200 million.", (np.abs(known) <= 2e8).all()
    yield "At least two values are there.", len(known) >= 2


# Answers: wrong ones with their misconceptions, and right ones written differently.


def arrays(*chunks):
    return dict(chunks=[np.array(chunk, float) for chunk in chunks])


review.wrong(review_stats, "merge_stats_a",
             one_chunk=arrays([1, 2, 4]),
             two_chunks_of_one_mean=arrays([1, 3], [2, 2]),
             one_value=arrays([1, np.nan]),
             one_array=dict(chunks=np.array([1.0, 2.0, 4.0])),
             whole_numbers=dict(chunks=[np.array([1, 2]), np.array([4, 5])]),
             beyond_all_delays=arrays([1, 2], [np.inf]),
             not_suspected=None)
review.wrong(review_stats, "merge_stats_b", suspected_for_its_loop=arrays([], [np.nan, 1.0], [0.0, -2.5]))
review.wrong(review_stats, "merge_stats_c", a_gap=arrays([np.nan, 1, 2]))


def each_part(answer):
    for part in review_stats.parts:
        review_stats.right(part=part)(answer)


@each_part
def one_input_for_both():
    given = arrays([0.0, 4.0], [9.0, np.nan])
    return dict(merge_stats_a=given, merge_stats_c=given, merge_stats_b=None)


@each_part
def with_more_values_than_needed():
    return {"merge_stats_a": arrays(range(1, 9), range(20, 30)), "merge_stats_c": arrays([-1, 0, 1, 5]),
            "merge_stats_b": None}
