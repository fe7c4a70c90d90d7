"""9.2 drifted: columns that moved by more than a practical limit."""

import functools

import numpy as np
import pandas as pd
from scipy import stats

from mlelab import data

from . import _real, lab


@lab.exercise("9.2", section="significance-is-not-importance", hints=(
    "What would you say of the same shares in a sample of 500, and of 500,000? The answer must not change.",
    "For each column drop nan and take `scipy.stats.ks_2samp(...).statistic`. Keep the columns whose distance exceeds "
    "the limit. The p-value has no part in it."))
class drifted:
    rule = "A column is named if the largest gap between its two cumulative shares is more than the limit."

    def inputs(d):
        names = d.order(["temp", "hour", "wind", "delay"])[:d.int(1, 4)]
        n, m = d.pick([8, 16, 4]), d.pick([8, 16, 4])  # shares in sixteenths are exact
        times = d.pick([1, 1, 1, 60])  # the same shares in many rows
        gone = d.pick([2, 0])  # missing values at most
        tables = {}
        for name in names:
            kind = d.pick(["same", "shift", "wide", "any"])
            base = [d.int(-8, 8) for _ in range(n)]
            moved = {"same": base * (m // n or 1), "shift": [v + d.int(-4, 4) for v in base], "any": base,
                     "wide": [2 * v for v in base]}[kind][:m]
            moved = moved + [d.int(-8, 8) for _ in range(m - len(moved))]
            tables[name] = [[*base, *[np.nan] * d.int(0, gone)], [*moved, *[np.nan] * d.int(0, gone)]]
        reference, window = (pd.DataFrame({name: pd.Series(tables[name][part] * times, dtype=float).sample(
            frac=1, random_state=d.int(0, 9), ignore_index=True) for name in names}) for part in (0, 1))
        scale = d.pick([1, 1, 1, 2.0**-30, 2.0**30])
        whole = [name for name in names if d.flag(0.3) and scale == 1]  # integers, where nothing is missing
        reference, window = ((frame * scale).astype({name: int for name in whole if frame[name].notna().all()})
                             for frame in (reference, window))
        if d.flag(0.3):
            window = window[d.order(names)]
        if d.flag(0.2):  # labels may repeat, and say nothing
            reference.index, window.index = reference.index // 2, window.index % 3
        gaps = sorted({stats.ks_2samp(reference[c].dropna(), window[c].dropna()).statistic for c in names})
        limit = d.pick([gaps[d.int(0, len(gaps) - 1)], 0.1, 0.3, 0.03125])
        d.need(all(gap == limit or abs(gap - limit) > 1e-9 for gap in gaps))
        return dict(reference=reference, window=window, limit=float(limit))

    def real():
        flights = _real.flights()
        columns = ["distance", "hour", "temp", "dewp", "origin_delay_3h"]
        return dict(reference=flights.loc[flights["month"] <= 8, columns],
                    window=flights.loc[flights["month"] == 9, columns], limit=0.1)

    def figure(found, **_):
        distance, p = _distance()
        return (f"In September {', '.join(found)} moved by more than 0.1. Distance moved by {distance:.2f}, with a "
                f"p-value of {p:.0e}.")


@functools.cache
def _distance():
    """How far the distance of September's flights is from those before, and how surely: from all flights."""
    flights = data.load("features", ["month", "distance", "arr_delay"]).dropna(subset="arr_delay")
    before, now = flights["month"] <= 8, flights["month"] == 9
    found = stats.ks_2samp(flights.loc[before, "distance"], flights.loc[now, "distance"])
    return float(found.statistic), float(found.pvalue)


# Answers: wrong ones with their misconceptions, and right ones written differently.


@drifted.mistake("M13", "A shift too small to matter is no drift, however many rows prove it.")
def by_p_value(reference, window, limit):
    return {name: found.statistic for name, found in gaps(reference, window).items() if found.pvalue < 0.05}


@drifted.mistake("M13", "A p-value, corrected or not, says how sure you are, and not how far it is.")
def by_corrected_p_value(reference, window, limit):
    return {name: found.statistic for name, found in gaps(reference, window).items()
            if found.pvalue < 0.05 / len(reference.columns)}


@drifted.mistake("M32", "A column that spreads twice as far has drifted, although its mean has not moved.")
def the_mean_only(reference, window, limit):
    shift = (window.mean() - reference.mean()).abs() / reference.std()
    return {name: gaps(reference, window)[name].statistic for name in shift[shift > limit].index}


@drifted.mistake("M16", "Only columns whose distance exceeds the limit are named.")
def every_column(reference, window, limit):
    return {name: found.statistic for name, found in gaps(reference, window).items()}


@drifted.mistake("M27", "The limit is an argument.")
def one_limit_for_all(reference, window, limit):
    return {name: found.statistic for name, found in gaps(reference, window).items() if found.statistic > 0.1}


@drifted.mistake("M09", "A missing value leaves its own column only: the row's other values stay.")
def complete_rows_only(reference, window, limit):
    return over(gaps(reference.dropna(), window.dropna()), limit)


@drifted.mistake("M31", "More than the limit: a distance of exactly the limit is no drift.")
def at_the_limit_too(reference, window, limit):
    return {name: found.statistic for name, found in gaps(reference, window).items() if found.statistic >= limit}


@drifted.mistake("M40", "A column may move down, too: the gap counts in either direction.")
def upwards_only(reference, window, limit):
    found = {c: stats.ks_2samp(reference[c].dropna(), window[c].dropna(), alternative="greater") for c in reference}
    return over(found, limit)


@drifted.mistake("M32", "The value is the distance itself, not rounded and not the p-value.")
def p_values_as_distance(reference, window, limit):
    return {name: found.pvalue for name, found in gaps(reference, window).items() if found.statistic > limit}


@drifted.mistake("M41", "The value is the distance itself, with all its digits.")
def rounded(reference, window, limit):
    return {name: round(value, 3) for name, value in over(gaps(reference, window), limit).items()}


@drifted.mistake("M51", "Columns belong together by name, not by place.")
def column_by_column(reference, window, limit):
    return over(gaps(reference, window.set_axis(list(reference.columns), axis=1)), limit)


@drifted.mistake("M09", "A column of integers is a numeric column, too.")
def columns_of_floats_only(reference, window, limit):
    return over(gaps(reference.select_dtypes(float), window), limit)


@drifted.mistake("M41", "Values count as they are, not rounded: a column may have small values.")
def of_rounded_values(reference, window, limit):
    return over(gaps(reference.round(6), window.round(6)), limit)


@drifted.mistake("M51", "Labels of the index may repeat: they name no rows.")
def one_row_for_each_label(reference, window, limit):
    return over(gaps(*(frame.groupby(level=0).first() for frame in (reference, window))), limit)


@drifted.right
def cumulative_shares(reference, window, limit):
    found = {}
    for name in reference.columns:
        a, b = (np.sort(frame[name].dropna().to_numpy()) for frame in (reference, window))
        at = np.concatenate([a, b])
        gap = np.abs(np.searchsorted(a, at, "right") / len(a) - np.searchsorted(b, at, "right") / len(b)).max()
        if gap > limit:
            found[name] = float(gap)
    return found


@drifted.right
def by_kstest(reference, window, limit):
    found = reference.apply(lambda s: stats.kstest(s.dropna(), window[s.name].dropna()).statistic)
    return found[found > limit].sort_values().to_dict()


def gaps(reference, window):
    return {name: stats.ks_2samp(reference[name].dropna(), window[name].dropna()) for name in reference}


def over(found, limit):
    return {name: float(one.statistic) for name, one in found.items() if one.statistic > limit}
