"""7.3 micro_batches: which requests leave together, and when."""

import numpy as np

from . import _real, lab


@lab.exercise("7.3", section="batches-of-the-moment", hints=(
    "A batch opens with its first request. Two things close it: it is full, or its first request has waited long "
    "enough.",
    "Walk through the arrivals with the indices of the open batch. If an arrival is later than the first one's time + "
    "max_wait, close the batch at that time and open a new one. If the batch is full, close it at this arrival. After "
    "the loop close what is left at its first one's time + max_wait."))
class micro_batches:
    rule = ("A batch leaves when it is full, or when its first request has waited `max_wait`; until then, and at that "
            "very moment, others may join.")

    def inputs(d):
        wait = d.pick([4.0, 0.0, 1.0, 2.5, 7.0])
        gaps = d.list(0, 9, lambda: d.pick([1.0, 0.0, wait, wait + 0.25, wait / 2, 0.25, 40.0]))
        arrivals = np.cumsum([d.pick([3.0, 0.0, 100.5]), *gaps]) if d.flag(0.95) else np.array([])
        if d.flag(0.2) and (arrivals % 1 == 0).all():
            arrivals = arrivals.astype(int)
        return dict(arrivals=arrivals, max_size=d.int(1, 5), max_wait=wait)

    def see(got, **_):
        return [(float(at), [int(i) for i in batch]) for at, batch in got]

    def real():
        return dict(arrivals=_real.decisions(), max_size=32, max_wait=5.0)

    def figure(got, arrivals, **_):
        return (f"On 1 July 2013 the desk decides on {len(arrivals)} flights. In batches of at most 32 that wait 5 "
                f"minutes at most, these are {len(got)} calls.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


def batches(arrivals, max_size, max_wait, late=lambda at, end: at > end, index=lambda _, i: i):
    made, group = [], []
    for i, at in enumerate(arrivals):
        if group and late(at, arrivals[group[0]] + max_wait):
            made.append((arrivals[group[0]] + max_wait, group))
            group = []
        group = [*group, i]
        if len(group) == max_size:
            made.append((at, group))
            group = []
    made += [(arrivals[group[0]] + max_wait, group)] if group else []
    return [(at, [index(arrivals, i) for i in group]) for at, group in made]


@micro_batches.mistake("M26", "Nobody waits longer than `max_wait`, also if the batch is not full.")
def waits_until_it_is_full(arrivals, max_size, max_wait):
    groups = [list(range(i, min(i + max_size, len(arrivals)))) for i in range(0, len(arrivals), max_size)]
    return [(arrivals[group[-1]], group) for group in groups]


@micro_batches.mistake("M26", "No batch holds more than `max_size`.")
def batches_of_any_size(arrivals, max_size, max_wait):
    return batches(arrivals, len(arrivals) + 1, max_wait)


@micro_batches.mistake("M26", "The wait is that of the first request, and does not begin anew with each that joins.")
def the_last_one_counts(arrivals, max_size, max_wait):
    made, group = [], []
    for i, at in enumerate(arrivals):
        if group and at > arrivals[group[-1]] + max_wait:
            made.append((arrivals[group[-1]] + max_wait, group))
            group = []
        group = [*group, i]
        if len(group) == max_size:
            made.append((at, group))
            group = []
    return [*made, (arrivals[group[-1]] + max_wait, group)] if group else made


@micro_batches.mistake("M09", "Every request leaves in a batch, the last ones too.")
def loses_the_tail(arrivals, max_size, max_wait):
    return [(at, group) for at, group in batches(arrivals, max_size, max_wait)
            if len(group) == max_size or group[-1] < len(arrivals) - 1]


@micro_batches.mistake("M32", "The last batch waits like any other: nobody knows that it is the last.")
def the_last_batch_leaves_at_once(arrivals, max_size, max_wait):
    made = batches(arrivals, max_size, max_wait)
    return [*made[:-1], *((arrivals[group[-1]], group) for _, group in made[-1:])]


@micro_batches.mistake("M34", "Requests leave in the order in which they came.")
def newest_first(arrivals, max_size, max_wait):
    return [(at, group[::-1]) for at, group in batches(arrivals, max_size, max_wait)]


@micro_batches.mistake("M32", "A request does not leave alone while others may still join.")
def no_batches_at_all(arrivals, max_size, max_wait):
    return [(at, [i]) for i, at in enumerate(arrivals)]


@micro_batches.mistake("M01", "Nobody leaves before having come.")
def leaves_when_it_opens(arrivals, max_size, max_wait):
    return [(arrivals[group[0]], group) for _, group in batches(arrivals, max_size, max_wait)]


@micro_batches.mistake("M31", "A batch is full with `max_size` requests, not with one fewer.")
def one_too_few(arrivals, max_size, max_wait):
    return batches(arrivals, max(max_size - 1, 1), max_wait)


micro_batches.variants(batches,
    the_last_moment_is_too_late=("M31", "A request that arrives exactly when the wait ends still joins.",
        dict(late=lambda at, end: at >= end)),
    looks_the_index_up=("M51", "Two requests may come at the same time: an index is a place, not a value.",
        dict(index=lambda a, i: list(a).index(a[i]))),
    times_instead_of_indices=("M32", "The second of a pair holds indices of requests, not their times.",
        dict(index=lambda a, i: a[i])),
    counted_from_one=("M31", "Requests are counted from 0.", dict(index=lambda _, i: i + 1)))


@micro_batches.mistake("M32", "A batch that has waited leaves when the wait is over, not when the next request comes.")
def leaves_with_the_next_arrival(arrivals, max_size, max_wait):
    made = batches(arrivals, max_size, max_wait)
    return [(at if len(group) == max_size or group[-1] + 1 == len(arrivals) else arrivals[group[-1] + 1], group)
            for at, group in made]


@micro_batches.mistake("M32", "A full batch leaves at once.")
def always_waits(arrivals, max_size, max_wait):
    return [(arrivals[group[0]] + max_wait, group) for _, group in batches(arrivals, max_size, max_wait)]


@micro_batches.right
def by_deadline(arrivals, max_size, max_wait):
    made, i = [], 0
    while i < len(arrivals):
        deadline = arrivals[i] + max_wait
        j = i
        while j < len(arrivals) and arrivals[j] <= deadline and j - i < max_size:
            j += 1
        made.append((arrivals[j - 1] if j - i == max_size else deadline, range(i, j)))
        i = j
    return made


@micro_batches.right
def by_search(arrivals, max_size, max_wait):
    made, first = [], 0
    times = np.asarray(arrivals, dtype=float)
    while first < len(times):
        end = min(np.searchsorted(times, times[first] + max_wait, "right"), first + max_size)
        full = end == first + max_size
        made.append([times[end - 1] if full else times[first] + max_wait, np.arange(first, end)])
        first = end
    return made
