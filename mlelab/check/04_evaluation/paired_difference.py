"""4.7 paired_difference: two models on the same drawn rows. A spy reads off which rows each draw took."""

import numpy as np
import pandas as pd

from . import lab
from ._blocks import alike, blocks_and_values, draws_of, interval, well_drawn, without_the_whole
from ._real import flights


@lab.exercise("4.7", section="paired-comparison", hints=(
    "As in 4.3, but each draw gives one number: the metric of the new scores minus that of the old, on the same rows.",
    "The tail on each side is `0.05 / comparisons / 2`. The first number of the answer comes from all rows, not from "
    "the draws."))
class paired_difference:
    rule = "New minus old on all rows, and the quantiles of new minus old over the draws, each of whole blocks."

    def inputs(d):
        blocks, value = blocks_and_values(d)
        gain = np.round(d.rng().random(len(blocks)) - 0.5, 3)
        return dict(blocks=blocks, value=value, gain=gain, draws=d.pick([20, 31, 90]), seed=d.int(0, 1000),
                    **d.optional(comparisons=d.pick([1, 2, 4, 10])))

    def run(paired_difference, blocks, value, gain, draws, seed, **comparisons):
        """Row numbers as `y`, so that a draw can be read off them; twice with a seed, once with another."""
        y = np.arange(len(blocks))
        runs = []
        for one in (seed, seed, seed + 1):
            drawn = {"old": [], "new": [], "torn": []}

            def metric(rows, p, drawn=drawn):
                rows, p = np.asarray(rows), np.asarray(p)
                kind = next((name for name, shift in (("old", 0.25), ("new", 0.5)) if np.array_equal(p, rows + shift)),
                            "torn")
                drawn[kind].append(rows)
                return float((value + gain if kind == "new" else value)[rows].mean())

            found = paired_difference(y, y + 0.25, y + 0.5, blocks, metric, draws, one, *comparisons.values())
            difference, low, high = found
            runs.append({"found": [float(difference), float(low), float(high)], **drawn})
        return runs

    def holds(runs, blocks, value, gain, draws, seed, comparisons=1):
        for run in runs:
            yield "A row that is drawn brings its own `y` and its own scores.", not run["torn"], "M51"
        (first, new), (same, _), (other, _) = (
            [without_the_whole(run[kind], draws) for kind in ("old", "new")] for run in runs)
        yield from well_drawn(first, blocks, draws)
        yield "Old and new scores are judged on the same drawn rows.", alike(
            [np.sort(rows) for rows in first], [np.sort(rows) for rows in new]), "M51"
        tail = 0.05 / comparisons / 2
        for drawn, run in zip((first, same, other), runs):
            limits = np.quantile([gain[rows].mean() for rows in drawn], [tail, 1 - tail])
            expected, got = [gain.mean(), *limits], run["found"]
            numbers = dict(expected=np.round(expected, 4).tolist(), got=np.round(got, 4).tolist())
            yield ("The first number is the difference on all rows, new minus old.", np.isclose(got[0], expected[0]),
                   "M32", numbers)
            yield (f"The limits are the quantiles of the draws' differences at level 1 - 0.05 / {comparisons}.",
                   np.allclose(got, expected), "M53", numbers)
        yield ("The same seed gives the same draws, another seed others.",
               alike(first, same) and not alike(first, other), "M27")

    steady = False  # `run` itself compares two calls with one seed
    draws = 4

    def shows(blocks, value, gain, draws, seed, comparisons=1):
        return (f"paired_difference(y, p_old, p_new, blocks=np.array({blocks.tolist()}), metric, {draws=}, {seed=}, "
                f"{comparisons=})", None)

    def real():
        late, day, hour = (flights()[name][-50_000:] for name in ("late", "day", "hour"))
        return dict(blocks=day, value=late.astype(float), gain=hour.astype(float), draws=20, seed=0)

    def figure(runs, **_):
        late, day, hour = (flights()[name][-50_000:] for name in ("late", "day", "hour"))
        gap = [hour[late == kind].mean() for kind in (1, 0)]
        low, high = interval([_gap(late[rows], hour[rows]) for rows in draws_of(day, 100, 0)])
        return (f"Late flights leave {gap[0] - gap[1]:.1f} hours later in the day than others, by day from {low:.1f} "
                f"to {high:.1f}: a difference that survives the right unit.")


def _gap(late, hour):
    return hour[late == 1].mean() - hour[late == 0].mean()


# Answers: wrong ones with their misconceptions, and right ones written differently.


def told(code, says, rows=lambda blocks, draws, seed: draws_of(blocks, draws, seed),
         tail=lambda comparisons: 0.025 / comparisons, point=lambda on_all, values: on_all):
    """A wrong answer; the decorated function gives the number of one draw."""

    def mark(one):
        def answer(y, p_old, p_new, blocks, metric, draws, seed, comparisons=1):
            values = [one(metric, y, p_old, p_new, own) for own in rows(blocks, draws, seed)]
            low, high = interval(values, tail(comparisons), 1 - tail(comparisons))
            return point(one(metric, y, p_old, p_new, np.arange(len(y))), values), low, high

        answer.__name__ = one.__name__
        return paired_difference.mistake(code, says)(answer)

    return mark


def gained(metric, y, p_old, p_new, rows):
    return metric(y[rows], p_new[rows]) - metric(y[rows], p_old[rows])


@paired_difference.mistake("M51", "Old and new scores are judged on the same drawn rows.")
def unpaired(y, p_old, p_new, blocks, metric, draws, seed, comparisons=1):
    pairs = zip(draws_of(blocks, draws, seed), draws_of(blocks, draws, seed + 1))
    values = [metric(y[new], p_new[new]) - metric(y[old], p_old[old]) for new, old in pairs]
    tail = 0.025 / comparisons
    return metric(y, p_new) - metric(y, p_old), *interval(values, tail, 1 - tail)


@told("M51", "A row that is drawn brings its own scores.")
def scores_of_other_rows(metric, y, p_old, p_new, rows):
    return metric(y[rows], p_new[rows]) - metric(y[rows], p_old[np.roll(rows, 1)])


@paired_difference.mistake("M52", "The interval is that of the differences, not made of the limits of two intervals.")
def limits_of_two_intervals(y, p_old, p_new, blocks, metric, draws, seed, comparisons=1):
    tail = 0.025 / comparisons
    old, new = (interval([metric(y[rows], p[rows]) for rows in draws_of(blocks, draws, seed)], tail, 1 - tail)
                for p in (p_old, p_new))
    return metric(y, p_new) - metric(y, p_old), new[0] - old[1], new[1] - old[0]


@told("M53", "The more comparisons, the wider the interval.", tail=lambda comparisons: 0.025)
def best_of_many_without_correction(metric, y, p_old, p_new, rows):
    return gained(metric, y, p_old, p_new, rows)


@told("M36", "The tail on each side is half of 0.05 / comparisons.", tail=lambda comparisons: 0.05 / comparisons)
def one_whole_tail_on_each_side(metric, y, p_old, p_new, rows):
    return gained(metric, y, p_old, p_new, rows)


@told("M53", "The level is 1 - 0.05 / comparisons, not 0.95 to their power.",
      tail=lambda comparisons: (1 - 0.95 ** comparisons) / 2)
def narrower_with_each_comparison(metric, y, p_old, p_new, rows):
    return gained(metric, y, p_old, p_new, rows)


@told("M12", "A block is drawn with all its rows.", rows=lambda blocks, draws, seed: draws_of(
    np.arange(len(blocks)), draws, seed))
def rows_instead_of_blocks(metric, y, p_old, p_new, rows):
    return gained(metric, y, p_old, p_new, rows)


@told("M40", "The difference is new minus old.")
def old_minus_new(metric, y, p_old, p_new, rows):
    return -gained(metric, y, p_old, p_new, rows)


@told("M32", "The difference is between the two, not a share of the old one.")
def relative_difference(metric, y, p_old, p_new, rows):
    return metric(y[rows], p_new[rows]) / metric(y[rows], p_old[rows]) - 1


@told("M32", "The first number is the difference on all rows, not the mean of the draws.",
      point=lambda on_all, values: np.mean(values))
def mean_of_the_draws(metric, y, p_old, p_new, rows):
    return gained(metric, y, p_old, p_new, rows)


@told("M27", "The seed is the argument.", rows=lambda blocks, draws, seed: draws_of(blocks, draws, 0))
def seed_of_its_own(metric, y, p_old, p_new, rows):
    return gained(metric, y, p_old, p_new, rows)


@told("M98", "One generator, made once before the loop, gives all draws.", rows=lambda blocks, draws, seed: (
    rows for _ in range(draws) for rows in draws_of(blocks, 1, seed)))
def generator_made_in_the_loop(metric, y, p_old, p_new, rows):
    return gained(metric, y, p_old, p_new, rows)


@told("M31", "Every block is drawn equally often.", rows=lambda blocks, draws, seed: draws_of(
    blocks, draws, seed, first=1))
def first_block_never_drawn(metric, y, p_old, p_new, rows):
    return gained(metric, y, p_old, p_new, rows)


@told("M27", "The number of draws is the argument.", rows=lambda blocks, draws, seed: draws_of(blocks, 60, seed))
def always_sixty_draws(metric, y, p_old, p_new, rows):
    return gained(metric, y, p_old, p_new, rows)


@paired_difference.right
def old_and_new_in_two_arrays(y, p_old, p_new, blocks, metric, draws, seed, comparisons=1):
    rows = list(draws_of(blocks, draws, seed))
    new, old = (np.array([metric(y[own], p[own]) for own in rows]) for p in (p_new, p_old))
    level = 100 - 5 / comparisons
    low, high = np.percentile(new - old, [(100 - level) / 2, (100 + level) / 2])
    return metric(y, p_new) - metric(y, p_old), low, high


@paired_difference.right
def drawn_as_counts_of_blocks(y, p_old, p_new, blocks, metric, draws, seed, comparisons=1):
    place, names = pd.factorize(blocks)
    counts = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), draws)
    gains = []
    for own in [np.ones(len(names), int), *counts]:
        rows = np.repeat(np.arange(len(y)), own[place])
        gains.append(metric(y[rows], p_new[rows]) - metric(y[rows], p_old[rows]))
    return [gains[0], *pd.Series(gains[1:]).quantile([0.025 / comparisons, 1 - 0.025 / comparisons])]
