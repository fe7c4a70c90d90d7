"""7.11 review_batches: three versions of micro_batches that look right; the first and the second are not."""

import numpy as np

from mlelab.check import review

from . import lab
from .micro_batches import micro_batches


def micro_batches_a(arrivals, max_size, max_wait):
    made, first = [], 0
    while first < len(arrivals):
        ends = arrivals[first] + max_wait
        joined = max(np.searchsorted(arrivals, ends), first + 1)
        last = min(joined, first + max_size)
        full = last - first == max_size
        made.append((arrivals[last - 1] if full else ends, list(range(first, last))))
        first = last
    return made


def micro_batches_b(arrivals, max_size, max_wait):
    made, waiting, ends = [], [], None
    for i, at in enumerate(arrivals):
        if waiting and at > ends:
            made.append((ends, waiting))
            waiting = []
        waiting, ends = [*waiting, i], at + max_wait
        if len(waiting) == max_size:
            made.append((at, waiting))
            waiting = []
    return [*made, (ends, waiting)] if waiting else made


def micro_batches_c(arrivals, max_size, max_wait):
    rest, made = list(enumerate(arrivals)), []
    while rest:
        ends = rest[0][1] + max_wait
        batch = [i for i, at in rest if not at > ends][:max_size]
        if len(batch) == max_size:
            ends = rest[max_size - 1][1]
        made.append((ends, batch))
        rest = rest[len(batch):]
    return made


@lab.exercise("7.11", section="batches-of-the-moment", hints=(
    "Go through the docstring of micro_batches sentence by sentence, and ask each function what it does then. When "
    "does a batch leave? Who may still join?",
    "Two or three requests are enough. Try one that comes exactly when the wait ends, and three of which each comes "
    "within `max_wait` of the one before; and compare with your own `micro_batches`."))
@review.of(micro_batches, {micro_batches_a: "the_last_moment_is_too_late", micro_batches_b: "the_last_one_counts",
                           micro_batches_c: None})
def review_batches(arrivals, max_size, max_wait):
    """What makes an input of micro_batches valid."""
    yield "`arrivals` is an array of numbers, shape (n,).", isinstance(arrivals, np.ndarray) and arrivals.ndim == 1 \
        and arrivals.dtype.kind in "iuf"
    yield "`arrivals` ascend.", np.isfinite(arrivals).all() and (np.diff(arrivals) >= 0).all()
    yield "`max_size` is a whole number from 1 on.", isinstance(max_size, (int, np.integer)) and max_size >= 1
    yield "`max_wait` is a number from 0 on.", isinstance(max_wait, (int, float)) and 0 <= max_wait < np.inf


# Answers: wrong ones with their misconceptions, and right ones written differently.


def given(*arrivals, max_size=5, max_wait=2.0):
    return dict(arrivals=np.array(arrivals), max_size=max_size, max_wait=max_wait)


review.wrong(review_batches, "micro_batches_a",
             well_within_the_wait=given(0.0, 1.0),
             a_list_of_times=dict(arrivals=[0.0, 2.0], max_size=5, max_wait=2.0),
             in_no_order=given(2.0, 0.0),
             without_a_size=dict(arrivals=np.array([0.0, 2.0]), max_wait=2.0),
             not_suspected=None)
review.wrong(review_batches, "micro_batches_b",
             full_before_it_matters=given(0.0, 1.5, 3.0, max_size=2),
             a_batch_of_nobody=given(0.0, 1.5, 3.0, max_size=0),
             a_wait_below_zero=given(0.0, 1.5, 3.0, max_wait=-1.0))
review.wrong(review_batches, "micro_batches_c",
             suspected_for_its_looks=given(0.0, 2.0, 2.5))


def each_part(answer):
    for part in review_batches.parts:
        review_batches.right(part=part)(answer)


@each_part
def with_more_requests_than_needed():
    return {"micro_batches_c": None, "micro_batches_a": given(0, 1, 2, 10, 12, 30),
            "micro_batches_b": given(0.0, 1.0, 2.0, 3.0, 9.0)}


@each_part
def one_input_for_both():
    both = given(0.0, 2.0, 3.0)
    return dict(micro_batches_a=both, micro_batches_b=both, micro_batches_c=None)
