"""What 4.3 and 4.7 share: blocks of rows, and what holds of draws of whole blocks."""

import numpy as np


def blocks_and_values(d):
    """The block of each row, two blocks or more of different sizes in any order, and a number for each row."""
    names = d.order(d.pick([[3, 8, 11, 40], ["mon", "tue", "wed"], [0, 1, 2, 3, 4, 5]]))
    sizes = [d.int(1, 4) for _ in names]
    d.need(len(set(sizes)) > 1)
    blocks = np.array(d.order([name for name, size in zip(names, sizes) for _ in range(size)]))
    return blocks, np.round(d.rng().random(len(blocks)), 3)


def without_the_whole(rows, draws):
    """The rows of the draws, where one call more may be on the rows as they came."""
    if len(rows) != draws + 1:
        return rows
    whole = next((i for i, drawn in enumerate(rows) if np.array_equal(drawn, np.arange(len(drawn)))), 0)
    return rows[:whole] + rows[whole + 1:]


def well_drawn(rows, blocks, draws):
    """(property, whether it holds, code) of the rows that each draw took."""
    yield ("The metric is taken once in each draw, on the drawn rows.", len(rows) == draws, "M16",
           dict(expected=f"{draws} draws", got=f"{len(rows)} draws"))
    times = np.array([np.bincount(drawn, minlength=len(blocks)) for drawn in rows])
    names = list(dict.fromkeys(blocks.tolist()))
    of_block = [times[:, blocks == name] for name in names]
    yield ("A block is drawn with all its rows: rows of one day are not independent.",
           all((block == block[:, :1]).all() for block in of_block), "M12")
    drawn = np.array([block[:, 0] for block in of_block]).T
    yield ("Each draw has as many blocks as there are, and a block that is drawn twice counts twice.",
           (drawn.sum(axis=1) == len(names)).all(), "M09" if drawn.max() == 1 else "M36",
           dict(expected=f"{len(names)} blocks", got=drawn.sum(axis=1)[:5].tolist()))
    yield "Blocks are drawn with replacement; without it every draw is the sample itself.", (drawn != 1).any(), "M16"
    yield ("The draws differ: one generator, made once before the loop, gives them all.",
           len({row.tobytes() for row in drawn}) > 3, "M98")
    yield "Every block can be drawn.", (drawn.sum(axis=0) > 0).all(), "M31"
    yield "Every block is drawn equally often, as far as chance allows.", _equally_often(drawn), "M31"


def _equally_often(drawn):
    """Within 5.5 standard deviations: chance alone fails this once in 20 million."""
    picks, share = drawn.sum(), 1 / drawn.shape[1]
    return (np.abs(drawn.sum(axis=0) - picks * share) < 5.5 * np.sqrt(picks * share * (1 - share))).all()


def alike(one, other):
    return len(one) == len(other) and all(map(np.array_equal, one, other))


def draws_of(blocks, draws, seed, first=0):
    """Rows of resampled blocks, as our solution draws them; for the named answers."""
    rng = np.random.default_rng(seed)
    rows = [np.flatnonzero(blocks == block) for block in np.unique(blocks)]
    for _ in range(draws):
        yield np.concatenate([rows[i] for i in rng.integers(first, len(rows), len(rows))])


def interval(values, low=0.025, high=0.975):
    return tuple(float(limit) for limit in np.quantile(values, [low, high]))
