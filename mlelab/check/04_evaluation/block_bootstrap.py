"""4.3 block_bootstrap: an interval from resampled blocks. A spy reads off which rows each draw took."""

import numpy as np
import pandas as pd

from . import lab
from ._blocks import alike, blocks_and_values, draws_of, interval, well_drawn, without_the_whole
from ._real import flights


@lab.exercise("4.3", section="the-unit-of-evidence", hints=(
    "Draw names of blocks, not rows. Then collect the rows of each drawn block, and take `y` and `p` at the same rows.",
    "`rows = [np.flatnonzero(blocks == b) for b in np.unique(blocks)]` once; in each draw "
    "`np.concatenate([rows[i] for i in rng.integers(0, len(rows), len(rows))])`."))
class block_bootstrap:
    rule = "The limits are the quantiles 0.025 and 0.975 of the metric over the draws, each of whole blocks."

    def inputs(d):
        blocks, value = blocks_and_values(d)
        return dict(blocks=blocks, value=value, draws=d.pick([20, 31, 90]), seed=d.int(0, 1000))

    def run(block_bootstrap, blocks, value, draws, seed):
        """Row numbers as `y`, so that a draw can be read off them; twice with a seed, once with another."""
        y = np.arange(len(blocks))
        runs = []
        for one in (seed, seed, seed + 1):
            drawn = []

            def metric(rows, p, drawn=drawn):
                drawn.append((np.asarray(rows), np.asarray(p)))
                return float(value[np.asarray(rows)].mean())

            limits = block_bootstrap(y, y + 0.5, blocks, metric, draws, one)
            low, high = limits
            runs.append({"limits": (float(low), float(high)), "drawn": drawn})
        return runs

    def holds(runs, blocks, value, draws, seed):
        for run in runs:
            yield ("A row that is drawn brings its own `y` and its own `p`.", all(
                rows.shape == p.shape and np.array_equal(p, rows + 0.5) for rows, p in run["drawn"]), "M51")
        first, same, other = (without_the_whole([rows for rows, _ in run["drawn"]], draws) for run in runs)
        yield from well_drawn(first, blocks, draws)
        for drawn, run in zip((first, same, other), runs):
            limits = np.quantile([value[rows].mean() for rows in drawn], [0.025, 0.975])
            yield ("The limits are the quantiles 0.025 and 0.975 of the metric over the draws.",
                   np.allclose(run["limits"], limits), "M32", dict(expected=limits.tolist(), got=list(run["limits"])))
        yield ("The same seed gives the same draws, another seed others.",
               alike(first, same) and not alike(first, other), "M27")

    steady = False  # `run` itself compares two calls with one seed
    draws = 4

    def shows(blocks, value, draws, seed):
        return f"block_bootstrap(y, p, blocks=np.array({blocks.tolist()}), metric, draws={draws}, seed={seed})", None

    def real():
        late, day = flights()["late"][-50_000:], flights()["day"][-50_000:]
        return dict(blocks=day, value=late.astype(float), draws=100, seed=0)

    def figure(runs, value, **_):
        low, high = runs[0]["limits"]
        return (f"Late share of the last 50,000 flights of the year: {value.mean():.1%}, by day from {low:.1%} to "
                f"{high:.1%}. Drawn as single flights it would be ± {1.96 * value.std() / np.sqrt(len(value)):.1%}.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


@block_bootstrap.mistake("M12")
def single_rows(y, p, blocks, metric, draws, seed):
    rng = np.random.default_rng(seed)
    drawn = (rng.integers(0, len(y), len(y)) for _ in range(draws))
    return interval([metric(y[rows], p[rows]) for rows in drawn])


@block_bootstrap.mistake("M51")
def labels_and_scores_apart(y, p, blocks, metric, draws, seed):
    pairs = zip(draws_of(blocks, draws, seed), draws_of(blocks, draws, seed + 1))
    return interval([metric(y[one][:3], p[other][:3]) for one, other in pairs])


@block_bootstrap.mistake("M16")
def without_replacement(y, p, blocks, metric, draws, seed):
    rng = np.random.default_rng(seed)
    names = np.unique(blocks)
    drawn = (np.concatenate([np.flatnonzero(blocks == b) for b in rng.permutation(names)]) for _ in range(draws))
    return interval([metric(y[rows], p[rows]) for rows in drawn])


@block_bootstrap.mistake("M09")
def a_block_counts_once(y, p, blocks, metric, draws, seed):
    rng = np.random.default_rng(seed)
    names = np.unique(blocks)
    drawn = (np.flatnonzero(np.isin(blocks, rng.choice(names, len(names)))) for _ in range(draws))
    return interval([metric(y[rows], p[rows]) for rows in drawn])


@block_bootstrap.mistake("M36")
def half_of_the_blocks(y, p, blocks, metric, draws, seed):
    rng = np.random.default_rng(seed)
    rows = [np.flatnonzero(blocks == block) for block in np.unique(blocks)]
    drawn = (np.concatenate([rows[i] for i in rng.integers(0, len(rows), len(rows) // 2 + 1)]) for _ in range(draws))
    return interval([metric(y[rows], p[rows]) for rows in drawn])


@block_bootstrap.mistake("M32")
def one_standard_deviation(y, p, blocks, metric, draws, seed):
    values = [metric(y[rows], p[rows]) for rows in draws_of(blocks, draws, seed)]
    return np.mean(values) - np.std(values), np.mean(values) + np.std(values)


@block_bootstrap.mistake("M32")
def ninety_percent(y, p, blocks, metric, draws, seed):
    return interval([metric(y[rows], p[rows]) for rows in draws_of(blocks, draws, seed)], 0.05, 0.95)


@block_bootstrap.mistake("M27")
def seed_of_its_own(y, p, blocks, metric, draws, seed):
    return interval([metric(y[rows], p[rows]) for rows in draws_of(blocks, draws, 0)])


@block_bootstrap.mistake("M98")
def generator_made_in_the_loop(y, p, blocks, metric, draws, seed):
    return interval([metric(y[rows], p[rows]) for _ in range(draws) for rows in draws_of(blocks, 1, seed)])


@block_bootstrap.mistake("M31")
def last_block_never_drawn(y, p, blocks, metric, draws, seed):
    rng = np.random.default_rng(seed)
    rows = [np.flatnonzero(blocks == block) for block in np.unique(blocks)]
    drawn = (np.concatenate([rows[i] for i in rng.integers(0, len(rows) - 1, len(rows))]) for _ in range(draws))
    return interval([metric(y[rows], p[rows]) for rows in drawn])


@block_bootstrap.mistake("M31", "Every block is drawn equally often: the last one not twice as often.")
def last_block_drawn_twice_as_often(y, p, blocks, metric, draws, seed):
    return interval([metric(y[rows], p[rows]) for rows in draws_of(blocks, draws, seed, first=-1)])


@block_bootstrap.mistake("M12", "Rows of one block stand anywhere: a run of equal names is not the whole block.")
def runs_of_equal_names(y, p, blocks, metric, draws, seed):
    cut = np.flatnonzero(blocks[1:] != blocks[:-1]) + 1
    rows, rng = np.split(np.arange(len(y)), cut), np.random.default_rng(seed)
    drawn = (np.concatenate([rows[i] for i in rng.integers(0, len(rows), len(rows))]) for _ in range(draws))
    return interval([metric(y[rows], p[rows]) for rows in drawn])


@block_bootstrap.right
def with_a_frame(y, p, blocks, metric, draws, seed):
    rng = np.random.default_rng(seed)
    groups = dict(list(pd.DataFrame({"y": y, "p": p}).groupby(blocks)))
    values = []
    for _ in range(draws):
        drawn = pd.concat([groups[name] for name in rng.choice(list(groups), len(groups))])
        values.append(metric(drawn["y"].to_numpy(), drawn["p"].to_numpy()))
    return np.percentile(values, 2.5), np.percentile(values, 97.5)


@block_bootstrap.right
def multinomial_counts(y, p, blocks, metric, draws, seed):
    names, place = np.unique(blocks, return_inverse=True)
    values = []
    for times in np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), draws):
        rows = np.repeat(np.arange(len(y)), times[place].astype(np.intp))  # in a page np.repeat takes 32 bits
        values.append(metric(y[rows], p[rows]))
    return np.quantile(values, [0.025, 0.975])
