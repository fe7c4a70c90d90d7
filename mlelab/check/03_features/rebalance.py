"""3.7 rebalance: late training rows drawn again, and the way back to true chances."""

import math

import numpy as np

from mlelab import case

from . import _real, lab

P = np.array([0.0, 0.1, 0.5, 0.8, 1.0])


@lab.exercise("3.7", section="imbalance", hints=(
    "First the positions of training rows, then among these the late ones. How many more late ones are needed?",
    "`rng.choice(late, len(rows) - 2 * len(late))` draws them. With `t` the late share of the training rows and 1/2 "
    "that of the balanced ones, `restore` is `p * t / (p * t + (1 - p) * (1 - t))`."))
class rebalance:
    rule = "Training rows alone, each at least once, and late ones drawn again until both kinds are equally many."

    def inputs(d):
        late, held = d.int(1, 6), d.list(0, 8, lambda: d.int(0, 1))
        other = late + d.int(1, 16)
        rows = d.order([(1, True)] * late + [(0, True)] * other + [(y, False) for y in held])
        y, is_train = (np.array(column) for column in zip(*rows))
        y = y.astype(d.pick([int, int, np.uint8]))
        return dict(y=y, is_train=is_train, seed=d.int(0, 1_000), more=12)

    def run(rebalance, y, is_train, seed, more):
        """Twice with one seed, then with `more` others; a position may be a whole number of any kind."""
        drawn = []
        for one in (seed, seed, *range(seed + 1, seed + 1 + more)):
            rows, restore = rebalance(y, is_train, one)
            drawn.append(_whole(rows))
            if len(drawn) == 1:
                first = restore
        return {"rows": drawn, "restored": np.asarray(first(P), float)}

    def holds(got, y, is_train, seed, more):
        late, other = (np.flatnonzero(is_train & (y == kind)) for kind in (1, 0))
        copies = len(other) - len(late)
        first, same, *others = got["rows"]
        for rows in (first, *others):
            inside = (rows >= 0) & (rows < len(y))
            yield ("Only training rows are drawn: a copy of a hold-out row would judge itself.",
                   inside.all() and is_train[rows].all(), "M02",
                   dict(expected="positions of training rows", got=rows[~inside | ~is_train[rows % len(y)]][:3]))
            lost = np.setdiff1d(np.flatnonzero(is_train), rows)
            yield ("Each training row is there at least once.", not len(lost), "M09",
                   dict(expected="every training row", got=f"without positions {lost[:3].tolist()}"))
            count = np.bincount(rows, minlength=len(y))
            yield ("Late flights are drawn again until both kinds are equally many; the others occur once.",
                   (count[other] == 1).all() and count[late].sum() == len(other), "M36",
                   dict(expected={"late": len(other), "other": len(other)},
                        got={"late": int(count[late].sum()), "other": int(count[other].sum())}))
        again = [np.bincount(rows, minlength=len(y))[late] - 1 for rows in others]
        if more and len(late) * (1 - 1 / len(late)) ** (copies * more) < 1e-9:
            yield "Every late row can be drawn again.", (np.sum(again, axis=0) > 0).all(), "M31"
        if more and _even(copies, len(late)) ** more < 1e-9:
            yield ("Late rows are drawn with replacement, with the given seed: how often each comes is left to chance.",
                   any(np.ptp(times) > 1 for times in again), "M98")
        yield "The same seed gives the same rows.", np.array_equal(first, same), "M98"
        share = len(late) / (len(late) + len(other))
        restored = P * share / (P * share + (1 - P) * (1 - share))
        yield (f"A model that learned from half late rows says 0.5 where the true chance is {share:.3f}, the late "
               "share of the training rows; odds are multiplied, chances are not.",
               got["restored"].shape == P.shape and np.allclose(got["restored"], restored), None,
               dict(expected=restored.round(4), got=got["restored"].round(4)))

    steady = False  # `run` itself compares two calls with one seed
    draws = 6

    def shows(y, is_train, seed, more):
        call = f"rebalance(y=np.array({y.tolist()}), is_train=np.array({is_train.tolist()}), seed={seed})"
        return call + f", then restore(np.array({P.tolist()}))", None

    def real():
        flights, is_train = _real.flights()
        late = (flights["arr_delay"] >= case.LATE_MINUTES).astype(int).to_numpy()
        return dict(y=late[::50], is_train=is_train.to_numpy()[::50], seed=0, more=0)

    def figure(got, **_):
        flights, is_train = _real.flights()
        late = flights.loc[is_train, "arr_delay"] >= case.LATE_MINUTES
        return (f"To balance the training flights {(~late).sum() - late.sum():,} copies are needed, and a chance of "
                f"0.5 then means {late.mean():.3f}.")


def _whole(rows):
    """Positions as whole numbers; ValueError for anything else."""
    values = np.asarray(rows, float)
    if values.ndim != 1 or (values % 1 != 0).any():
        raise ValueError("positions are whole numbers in one dimension")
    return values.astype(int)


def _even(draws, kinds):
    """The chance that so many draws among so many kinds give each of them equally often, to one."""
    times, more = divmod(draws, kinds)
    ways = math.factorial(draws) / math.factorial(times) ** (kinds - more) / math.factorial(times + 1) ** more
    return math.comb(kinds, more) * ways / kinds**draws


# Answers: wrong ones with their misconceptions, and right ones written differently.


@rebalance.mistake("M02", "Rows are drawn from the training rows alone: split first, then draw again.")
def repeats_before_the_split(y, is_train, seed):
    rows = balanced(y, np.arange(len(y)), seed)
    return rows[: int(0.75 * len(rows))], way_back(y[is_train].mean())


@rebalance.mistake("M02")
def repeats_late_rows_of_the_hold_out(y, is_train, seed):
    rows = np.flatnonzero(is_train)
    late = np.flatnonzero((y == 1) & ~is_train)
    again = np.random.default_rng(seed).choice(late if len(late) else rows, len(rows) - 2 * y[rows].sum())
    return np.concatenate([rows, again]), way_back(y[rows].mean())


@rebalance.mistake("M02", "Positions are those in `y`, not those among the training rows.")
def positions_among_training_rows(y, is_train, seed):
    train = y[is_train]
    return balanced(train, np.arange(len(train)), seed), way_back(train.mean())


@rebalance.mistake("M02", "The late share is that of the training rows, not of the others.")
def share_of_the_hold_out(y, is_train, seed):
    return balanced(y, np.flatnonzero(is_train), seed), way_back(y[~is_train].mean() if (~is_train).any() else 0.5)


@rebalance.mistake("M02", "The late share is that of the training rows, not of all.")
def share_of_all_rows(y, is_train, seed):
    return balanced(y, np.flatnonzero(is_train), seed), way_back(y.mean())


@rebalance.mistake("M50", "A model that learned from half late rows gives scores, not chances: move them back.")
def scores_are_chances(y, is_train, seed):
    return balanced(y, np.flatnonzero(is_train), seed), lambda p: p


@rebalance.mistake("M36", "Odds are multiplied, chances are not: 1 stays 1.")
def chances_are_multiplied(y, is_train, seed):
    share = y[is_train].mean()
    return balanced(y, np.flatnonzero(is_train), seed), lambda p: p * share / 0.5


@rebalance.mistake("M36", "Odds are multiplied and then turned into a chance again: p = odds / (1 + odds).")
def odds_for_chances(y, is_train, seed):
    share = y[is_train].mean()
    return balanced(y, np.flatnonzero(is_train), seed), lambda p: np.where(
        p < 1, p / np.maximum(1 - p, 1e-9) * share / (1 - share), 1)


@rebalance.mistake("M27", "The late share is that of the rows at hand, not that of the course's flights.")
def share_of_the_course(y, is_train, seed):
    return balanced(y, np.flatnonzero(is_train), seed), way_back(0.1613)


@rebalance.mistake("M40", "Late flights are rarer in truth than among the balanced rows: chances become smaller.")
def corrected_in_the_wrong_direction(y, is_train, seed):
    return balanced(y, np.flatnonzero(is_train), seed), way_back(1 - y[is_train].mean())


@rebalance.mistake("M09", "No training row is thrown away.")
def other_flights_thrown_away(y, is_train, seed):
    rows = np.flatnonzero(is_train)
    late, other = rows[y[rows] == 1], rows[y[rows] == 0]
    few = np.random.default_rng(seed).choice(other, len(late), replace=False)
    return np.concatenate([late, few]), way_back(y[rows].mean())


@rebalance.mistake("M09", "Each late training row is there once before any is drawn again.")
def late_rows_drawn_anew(y, is_train, seed):
    rows = np.flatnonzero(is_train)
    late, other = rows[y[rows] == 1], rows[y[rows] == 0]
    return np.concatenate([other, np.random.default_rng(seed).choice(late, len(other))]), way_back(y[rows].mean())


@rebalance.mistake("M36", "The late rows that are there count: only the difference is drawn again.")
def as_many_copies_as_other_flights(y, is_train, seed):
    rows = np.flatnonzero(is_train)
    again = np.random.default_rng(seed).choice(rows[y[rows] == 1], len(rows) - y[rows].sum())
    return np.concatenate([rows, again]), way_back(y[rows].mean())


@rebalance.mistake("M98", "The draw uses the given seed: the same seed gives the same rows.")
def generator_of_everybody(y, is_train, seed):
    rows = np.flatnonzero(is_train)
    again = np.random.choice(rows[y[rows] == 1], len(rows) - 2 * y[rows].sum())
    return np.concatenate([rows, again]), way_back(y[rows].mean())


@rebalance.mistake("M98", "Late rows are drawn with replacement, not dealt out in turn.")
def copied_in_turn(y, is_train, seed):
    rows = np.flatnonzero(is_train)
    late = rows[y[rows] == 1]
    return np.concatenate([rows, np.resize(late, len(rows) - 2 * len(late))]), way_back(y[rows].mean())


@rebalance.mistake("M31", "Every late row can be drawn again, the last one too.")
def last_late_row_never_again(y, is_train, seed):
    rows = np.flatnonzero(is_train)
    late = rows[y[rows] == 1]
    places = np.random.default_rng(seed).integers(0, max(len(late) - 1, 1), len(rows) - 2 * len(late))
    return np.concatenate([rows, late[places]]), way_back(y[rows].mean())


@rebalance.right
def with_odds(y, is_train, seed):
    rows = np.flatnonzero(is_train)
    late, other = rows[y[rows] == 1], rows[y[rows] == 0]
    copies = np.random.RandomState(seed).choice(late, len(other) - len(late))

    def restore(p):
        with np.errstate(divide="ignore"):
            odds = len(late) / len(other) * p / (1 - p)
            return 1 - 1 / (1 + odds)

    return [*other, *late, *copies], restore


@rebalance.right
def sampled_with_pandas(y, is_train, seed):
    import pandas as pd

    labels = pd.Series(y)[is_train]
    late = labels[labels == 1]
    again = late.sample(len(labels) - 2 * len(late), replace=True, random_state=seed)
    weight = np.array([labels.mean() / 0.5, (1 - labels.mean()) / 0.5])
    rows = pd.concat([labels, again]).sample(frac=1, random_state=seed).index

    def restore(p):
        both = np.column_stack([p, 1 - p]) * weight
        return both[:, 0] / both.sum(axis=1)

    return rows, restore


def balanced(y, rows, seed):
    late = rows[y[rows] == 1]
    return np.concatenate([rows, np.random.default_rng(seed).choice(late, max(len(rows) - 2 * len(late), 0))])


def way_back(share):
    return lambda p: p * share / (p * share + (1 - p) * (1 - share))
