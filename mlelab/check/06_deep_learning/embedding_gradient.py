"""6.5 embedding_gradient: a table of rows that learns where it was looked up."""

import numpy as np

from . import _real, lab


@lab.exercise("6.5", section="embeddings", hints=(
    "Looking up is copying, so the way back is adding: each row of `upstream` goes to the row of the table that it "
    "came from. What if a row was looked up twice?",
    "`out[ids] += upstream` writes a repeated id once only. `np.add.at(out, ids, upstream)` adds every time. Look for "
    "ids below 0 and from `rows` on first, because numpy counts negative ones from the end."))
class embedding_gradient:
    rule = ("Each row of the answer is the sum of all rows of `upstream` whose id it is, zeros where there are none; "
            "an id outside 0 to rows - 1 is an IndexError.")
    raises = (IndexError,)

    def inputs(d):
        rows, width = d.int(1, 5), d.int(1, 3)
        shape = d.pick([(d.int(0, 6),), (d.int(1, 3), d.int(1, 3)), (), (2, 1, d.int(1, 2))])
        ids = np.array([d.int(0, rows - 1) for _ in range(int(np.prod(shape)))], int).reshape(shape)
        if ids.size and d.flag(0.25):
            ids.flat[d.int(0, ids.size - 1)] = d.pick([-1, rows, -rows, rows + 3])
        upstream = np.array([d.int(-8, 8) / 2 for _ in range(ids.size * width)]).reshape(*shape, width)
        return dict(ids=ids, upstream=upstream, rows=rows)

    def real():
        codes, names = _real.destinations()
        return dict(ids=codes, upstream=np.ones((len(codes), 2)), rows=len(names))

    def figure(got, **_):
        names = _real.destinations()[1]
        most = got[:, 0].argmax()
        return (f"In the first thousand flights of the year {names[most]} was looked up {got[most, 0]:.0f} times, and "
                f"gets as many gradients added up; {int((got[:, 0] == 1).sum())} airports get a single one.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


@embedding_gradient.mistake("M09", "A row that was looked up twice gets both gradients: `out[ids] += …` writes one.")
def last_lookup_wins(ids, upstream, rows):
    out, ids = started(ids, upstream, rows)
    out[ids] += upstream
    return out


@embedding_gradient.mistake("M36", "Gradients of repeated ids are added up, not averaged.")
def mean_of_repeated(ids, upstream, rows):
    out, ids = started(ids, upstream, rows)
    np.add.at(out, ids, upstream)
    return out / np.maximum(np.bincount(ids.ravel(), minlength=rows), 1)[:, None]


@embedding_gradient.mistake("M07", "Gradients are added up, not divided by the number of lookups.")
def divided_by_all_lookups(ids, upstream, rows):
    out, ids = started(ids, upstream, rows)
    np.add.at(out, ids, upstream)
    return out / max(ids.size, 1)


@embedding_gradient.mistake("M34", "A negative id is no row: numpy counts it from the end.")
def negative_ids_from_the_end(ids, upstream, rows):
    out = np.zeros((rows, upstream.shape[-1]))
    np.add.at(out, ids, upstream)
    return out


@embedding_gradient.mistake("M48", "An id outside the table is an IndexError, not a lookup of nothing.")
def strangers_left_out(ids, upstream, rows):
    inside = (ids >= 0) & (ids < rows)
    return added(ids[inside], upstream[inside], rows)


@embedding_gradient.mistake("M48", "An id outside the table is an IndexError, not the nearest row.")
def strangers_clipped(ids, upstream, rows):
    return added(np.clip(ids, 0, rows - 1), upstream, rows)


@embedding_gradient.mistake("M31", "The last id is rows - 1: `rows` itself is outside.")
def one_row_more(ids, upstream, rows):
    inside = np.where(ids == rows, 0, ids)
    return added(inside, upstream, rows)


@embedding_gradient.mistake("M99", "The answer has `rows` rows, also where the last ones were not looked up.")
def as_many_rows_as_seen(ids, upstream, rows):
    found = added(ids, upstream, rows)
    return found[:ids.max() + 1] if ids.size else found


@embedding_gradient.mistake("M33", "`ids` may have any shape: all of its axes are lookups.")
def first_axis_only(ids, upstream, rows):
    if ids.ndim < 2:
        return added(ids, upstream, rows)
    added(ids, upstream, rows)
    return added(ids[0], upstream[0], rows)


@embedding_gradient.mistake("M32", "What comes back is added, not counted.")
def counts_only(ids, upstream, rows):
    return added(ids, np.ones_like(upstream), rows)


@embedding_gradient.right
def one_hot(ids, upstream, rows):
    flat = np.ravel(ids)
    if ((flat < 0) | (flat >= rows)).any():
        raise IndexError("outside")
    return np.eye(rows)[flat].T @ np.reshape(upstream, (len(flat), -1 if len(flat) else np.shape(upstream)[-1]))


@embedding_gradient.right
def one_by_one(ids, upstream, rows):
    out = [[0.0] * upstream.shape[-1] for _ in range(rows)]
    for place in np.ndindex(ids.shape):
        if not 0 <= ids[place] < rows:
            raise IndexError(ids[place])
        out[ids[place]] = [a + b for a, b in zip(out[ids[place]], upstream[place])]
    return np.array(out)


def started(ids, upstream, rows):
    if ((ids < 0) | (ids >= rows)).any():
        raise IndexError("outside the table")
    return np.zeros((rows, upstream.shape[-1])), ids


def added(ids, upstream, rows):
    out, ids = started(ids, upstream, rows)
    np.add.at(out, ids, upstream)
    return out
