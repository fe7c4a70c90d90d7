"""2.7 merge_stats: statistics in one pass. A spy counts how often the chunks are read, and what is held of them."""

import tracemalloc

import numpy as np

from mlelab.check.spy import Spy

from . import _real, lab

MANY, SIZE = 40, 2_000  # chunks that do not fit into memory together


class Chunks(Spy):
    """Chunks that can be read once, each made when it is asked for; knows how often it was asked, and what changed."""

    def __init__(self, chunks: list[np.ndarray]):
        self._chunks, self.reads, self.unchanged = chunks, 0, True

    def __iter__(self):
        self.reads += 1
        for chunk in self._chunks if self.reads == 1 else []:
            given = chunk.copy()
            yield given
            self.unchanged &= np.array_equal(given, chunk, equal_nan=True)
            del given


@lab.exercise("2.7", section="larger-than-memory", hints=(
    "Carry three numbers from chunk to chunk, so that two halves can be put together exactly: how many, their mean, "
    "and the sum of squared distances from that mean.",
    "With `delta = mean_b - mean_a` and `n = n_a + n_b`: the mean moves by `delta * n_b / n`, and the sum of squares "
    "is `ss_a + ss_b + delta**2 * n_a * n_b / n`. Divide by `n - 1` at the end."))
class merge_stats:
    rule = "Number, mean and variance are those of all values together, however they were cut, read once."

    def inputs(d):
        """Small chunks; and in some cases many large ones, to see what is held of them."""
        chunks = d.list(1, 6, lambda: np.array(d.list(0, 4, lambda: d.pick([d.num(-9, 30), np.nan, 0.0])), float))
        d.need(sum(np.isfinite(chunk).sum() for chunk in chunks) >= 2)
        large, (unit, far) = d.int(1, 99) * d.flag(0.2), d.pick([(1, 0)] * 4 + [(2.0**-50, 0), (1, 1e8)])
        chunks = [(chunk.round() if far else chunk) * unit + far for chunk in chunks]
        return dict(chunks=chunks, large=large, unit=unit, far=far)

    atol = 1e-6  # what rounding does to a mean near 1e8

    def run(merge_stats, chunks, large=0, **_):
        seen = _seen(merge_stats, chunks)
        if large:
            tracemalloc.start()
            try:
                many = [np.full(1, float(value)).repeat(SIZE) for value in range(large, large + MANY)]
                tracemalloc.reset_peak()
                before = tracemalloc.get_traced_memory()[0]
                held = _seen(merge_stats, many)
                peak = tracemalloc.get_traced_memory()[1] - before
            finally:
                tracemalloc.stop()
            seen["many"], seen["holds at most half of them"] = held["answer"], peak < MANY * SIZE * 8 / 2
        return seen

    def see(seen, unit=1, far=0, **_):
        n, mean, variance = seen["answer"]
        return seen | {"answer": (n, (mean - far) / unit, variance / unit**2)}

    def shows(chunks, large, **_):
        many = f", and {MANY} chunks of {SIZE:,} values" if large else ""
        return f"merge_stats({[chunk.tolist() for chunk in chunks]}){many}", None

    def real():
        delays = _real.table("flights")["dep_delay"].to_numpy()
        return dict(chunks=[delays[at:at + 50_000] for at in range(0, len(delays), 50_000)], large=0, unit=1, far=0)

    def figure(seen, chunks, **_):
        n, mean, variance = seen["answer"]
        of_means = np.mean([np.nanmean(chunk) for chunk in chunks])
        return (f"{n:,.0f} departures, mean delay {mean:.3f} minutes, standard deviation {variance ** 0.5:.3f}; the "
                f"mean of the means of chunks of 50,000 rows would have been {of_means:.3f}.")


def _seen(merge_stats, chunks) -> dict:
    spy = Chunks(chunks)
    answer = merge_stats(spy)
    return {"answer": answer, "reads": spy.reads, "chunks unchanged": spy.unchanged}


# Answers: wrong ones with their misconceptions, and right ones written differently.


def known(chunk):
    return chunk[~np.isnan(chunk)]


def whole(values):
    return len(values), values.mean(), values.var(ddof=1)


def in_one_pass(chunks, add=None):
    n, mean, squares = 0, 0.0, 0.0
    for chunk in chunks:
        values = known(chunk)
        if len(values):
            n, mean, squares = (add or exact)(n, mean, squares, values)
    return n, mean, squares / (n - 1)


def exact(n, mean, squares, values):
    delta, total = values.mean() - mean, n + len(values)
    return (total, mean + delta * len(values) / total,
            squares + ((values - values.mean()) ** 2).sum() + delta ** 2 * n * len(values) / total)


@merge_stats.mistake("M07", "Chunks have unlike sizes: a mean of means is not the mean.")
def mean_of_means(chunks):
    n, means, variances = 0, [], []
    for chunk in chunks:
        if len(values := known(chunk)):
            n, means, variances = n + len(values), [*means, values.mean()], [*variances, values.var()]
    return n, np.mean(means), np.mean(variances)


@merge_stats.mistake("M07", "The means of the chunks differ, and that is part of the variance.")
def weighted_mean_of_variances(chunks):
    def add(n, mean, squares, values):
        total, new_mean, _ = exact(n, mean, squares, values)
        return total, new_mean, squares + values.var() * len(values)

    return in_one_pass(chunks, add)


@merge_stats.mistake("M99", "Sums of squares far from 0 cancel: take the squares of distances from a mean.")
def mean_of_squares_less_the_square(chunks):
    n, total, squares = 0, 0.0, 0.0
    for values in map(known, chunks):
        n, total, squares = n + len(values), total + values.sum(), squares + (values ** 2).sum()
    return n, total / n, (squares - total ** 2 / n) / (n - 1)


@merge_stats.mistake("M45", "The chunks do not fit into memory together: hold one at a time.")
def everything_in_a_list_first(chunks):
    return whole(known(np.concatenate(list(chunks))))


@merge_stats.mistake("M45", "The chunks do not fit into memory together, not even as one list of numbers.")
def every_number_in_a_list(chunks):
    values = []
    for chunk in chunks:
        values.extend(known(chunk).tolist())
    return whole(np.array(values))


@merge_stats.mistake("M45", "The chunks do not fit into memory together: an array that grows holds them all.")
def one_array_that_grows(chunks):
    values = np.array([])
    for chunk in chunks:
        values = np.append(values, known(chunk))
    return whole(values)


@merge_stats.mistake("M45", "The chunks can be read once: a stream does not start again.")
def once_for_the_mean_and_once_for_the_rest(chunks):
    n = total = 0
    for chunk in chunks:
        n, total = n + len(known(chunk)), total + known(chunk).sum()
    return n, total / n, sum(((known(chunk) - total / n) ** 2).sum() for chunk in chunks) / (n - 1)


@merge_stats.mistake("M08", "A missing value is left out: it is not 0.")
def missing_is_zero(chunks):
    return in_one_pass(np.nan_to_num(chunk) for chunk in chunks)


@merge_stats.mistake("M08", "A missing value is left out, not the chunk that holds it.")
def chunks_with_gaps_are_skipped(chunks):
    return in_one_pass(chunk for chunk in chunks if not np.isnan(chunk).any())


@merge_stats.mistake("M08", "0 is a value like any other.")
def zero_is_missing(chunks):
    return in_one_pass(chunk[chunk != 0] for chunk in chunks)


@merge_stats.mistake("M36", "The number is that of the values that are there.")
def counts_the_missing(chunks):
    missing = 0

    def counted():
        nonlocal missing
        for chunk in chunks:
            missing += np.isnan(chunk).sum()
            yield chunk

    n, mean, variance = in_one_pass(counted())
    return n + missing, mean, variance


@merge_stats.mistake("M36", "The divisor of the variance is n - 1.")
def divided_by_n(chunks):
    n, mean, variance = in_one_pass(chunks)
    return n, mean, variance * (n - 1) / n


@merge_stats.mistake("M32", "The variance is wanted, not its root.")
def standard_deviation(chunks):
    n, mean, variance = in_one_pass(chunks)
    return n, mean, variance ** 0.5


@merge_stats.mistake("M47", "A chunk may be empty, or all of it missing.")
def every_chunk_has_a_value(chunks):
    def add(n, mean, squares, values):
        return exact(n, mean, squares, values)

    n, mean, squares = 0, 0.0, 0.0
    for chunk in chunks:
        n, mean, squares = add(n, mean, squares, known(chunk))
    return n, mean, squares / (n - 1)


@merge_stats.mistake("M31", "The last chunk counts as well.")
def without_the_last_chunk(chunks):
    def but_the_last():
        before = None
        for chunk in chunks:
            if before is not None:
                yield before
            before = chunk

    return in_one_pass(but_the_last())


@merge_stats.mistake("M97", "A chunk belongs to the caller: it stays as it is.")
def fills_the_chunks(chunks):
    def filled():
        for chunk in chunks:
            values = known(chunk)
            chunk[np.isnan(chunk)] = 0
            yield values

    return in_one_pass(filled())


@merge_stats.right
def with_sums_of_shifted_values(chunks):
    n, total, squares, shift = 0, 0.0, 0.0, None
    for chunk in chunks:
        for value in known(chunk).tolist():
            shift = value if shift is None else shift
            n, total, squares = n + 1, total + value - shift, squares + (value - shift) ** 2
    return n, shift + total / n, (squares - total ** 2 / n) / (n - 1)


@merge_stats.right
def with_pieces_added(chunks):
    return in_one_pass(chunks)
