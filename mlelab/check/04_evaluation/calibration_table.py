"""4.5 calibration_table: predicted chance against late share, bin by bin, and the expected calibration error."""

import numpy as np
import pandas as pd

from . import lab
from ._real import flights


@lab.exercise("4.5", section="calibrated-chances", hints=(
    "Give each flight the number of its bin, group by that number, and take count, mean prediction and late share.",
    "Bin: `np.minimum((p * bins).astype(int), bins - 1)`. Error: the absolute gaps, averaged with weights `count`."))
class calibration_table:
    rule = ("A bin holds its lower limit, the last one 1 as well; an empty bin has no row; the error is the mean "
            "absolute gap, each bin with the weight of its flights.")

    def inputs(d):
        """Chances on sixteenths: where one lies on a limit, the limit has no rounding."""
        bins = d.pick([4, 1, 2, 3, 5, 8, 10])
        p = np.array([d.int(0, 16) / 16 for _ in range(d.int(1, 12))])
        return dict(y=np.array([d.int(0, 1) for _ in p]), p=p, bins=bins)

    def see(got, y, p, bins):
        """The columns in any order, with any index."""
        table, error = got
        return {"table": table[["count", "mean_p", "share"]].reset_index(drop=True), "error": error}

    def real():
        late = flights()["late"]
        return dict(y=late, p=np.full(len(late), late.mean()), bins=10)

    def figure(got, y, **_):
        return (f"Who gives every flight of the year the late share of the year, {y.mean():.3f}, has an error of "
                f"{got['error']:.3f}: calibrated, and of no use to anybody.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


def told(code, says, place=lambda p, bins: bin_of(p, bins), after=lambda table, bins: table):
    """A wrong answer with other bins or another table; the decorated function is the error."""

    def mark(error):
        def answer(y, p, bins):
            table = table_of(y, p, place(p, bins))
            return after(table, bins), error(table, bins)

        answer.__name__ = error.__name__
        return calibration_table.mistake(code, says)(answer)

    return mark


@told("M07", "In the error, a bin weighs as much as it has flights.")
def bins_weigh_the_same(table, bins):
    return gaps(table).mean()


@told("M36", "The error is divided by the flights, not by the bins.")
def divided_by_the_bins(table, bins):
    return (gaps(table) * table["count"]).sum() / bins


@told("M32", "In the error, gaps of different sign do not cancel: take each absolute.")
def gaps_cancel(table, bins):
    return abs(np.average(table["share"] - table["mean_p"], weights=table["count"]))


@told("M32", "The error is the mean gap, not the mean of its square.")
def squared_gaps(table, bins):
    return np.average(gaps(table) ** 2, weights=table["count"])


@told("M32", "The error is the mean gap over the bins, not the largest.")
def largest_gap(table, bins):
    return gaps(table).max()


@told("M32", "`mean_p` is the mean prediction of the flights in the bin, not the middle of the bin.",
      after=lambda table, bins: table.assign(mean_p=(table.index + 0.5) / bins))
def middle_of_the_bin(table, bins):
    return error_of(table)


@told("M08", "A bin without flights has no row: nothing was seen there.",
      after=lambda table, bins: table.reindex(range(bins)))
def empty_bins_are_nan(table, bins):
    return gaps(table.reindex(range(bins))).mean(skipna=False)


@told("M08", "A bin without flights has no row: nothing was seen there.",
      after=lambda table, bins: table.reindex(range(bins), fill_value=0))
def empty_bins_are_zero(table, bins):
    return error_of(table)


@told("M34", "The lowest bin comes first.", after=lambda table, bins: table[::-1])
def highest_bin_first(table, bins):
    return error_of(table)


@told("M36", "`count` is the number of flights in the bin, not their share of all.",
      after=lambda table, bins: table.assign(count=table["count"] / table["count"].sum()))
def share_of_all_flights(table, bins):
    return error_of(table)


@told("M31", "A flight with p = 1 is in the last bin, not in one of its own.", lambda p, bins: (p * bins).astype(int))
def a_bin_for_certainty(table, bins):
    return error_of(table)


@told("M31", "A flight with p = 1 is in the last bin.", lambda p, bins: np.where(p < 1, bin_of(p, bins), np.nan))
def certainty_is_lost(table, bins):
    return error_of(table) if len(table) else 0.0


@told("M31", "A bin holds its lower limit, not its upper one.",
      lambda p, bins: np.maximum(np.ceil(p * bins).astype(int) - 1, 0))
def limits_belong_below(table, bins):
    return error_of(table)


@told("M31", "A flight with p = 0 is in the first bin.", lambda p, bins: np.where(p > 0, bin_of(p, bins), np.nan))
def zero_is_lost(table, bins):
    return error_of(table) if len(table) else 0.0


@told("M79", "The bins divide the line from 0 to 1, not what the predictions happen to cover.",
      lambda p, bins: bin_of((p - p.min()) / np.ptp(p), bins) if np.ptp(p) else np.zeros(len(p), int))
def bins_of_the_batch(table, bins):
    return error_of(table)


@told("M32", "The bins have equal width, not equal counts.", lambda p, bins: pd.qcut(
    p, bins, labels=False, duplicates="drop") if np.ptp(p) else np.zeros(len(p), int))
def bins_of_equal_count(table, bins):
    return error_of(table)


@told("M27", "The number of bins is the argument.", lambda p, bins: bin_of(p, 10))
def always_ten_bins(table, bins):
    return error_of(table)


@told("M31", "Bin numbers are cut, not rounded.", lambda p, bins: np.minimum(np.round(p * bins), bins - 1))
def rounded_to_the_nearest(table, bins):
    return error_of(table)


@calibration_table.right
def with_bincount(y, p, bins):
    place = np.digitize(p, np.arange(1, bins) / bins)
    count, mean_p, share = (np.bincount(place, weight, bins) for weight in (np.ones(len(p)), p, y))
    used = count > 0
    table = pd.DataFrame({"count": count, "mean_p": mean_p, "share": share})[used]
    table[["mean_p", "share"]] = table[["mean_p", "share"]].div(table["count"], axis=0)
    return table, np.abs(share - mean_p).sum() / len(p)


@calibration_table.right
def bin_by_bin(y, p, bins):
    rows, error = [], 0.0
    for low in range(bins):
        inside = (p >= low / bins) & ((p < (low + 1) / bins) if low < bins - 1 else True)
        if inside.any():
            rows.append({"share": y[inside].mean(), "count": int(inside.sum()), "mean_p": p[inside].mean()})
            error += inside.mean() * abs(rows[-1]["share"] - rows[-1]["mean_p"])
    return pd.DataFrame(rows), error


def bin_of(p, bins):
    return np.minimum((p * bins).astype(int), bins - 1)


def table_of(y, p, place):
    return pd.DataFrame({"p": p, "y": y}).groupby(place).agg(count=("y", "size"), mean_p=("p", "mean"),
                                                             share=("y", "mean"))


def gaps(table):
    return (table["share"] - table["mean_p"]).abs()


def error_of(table):
    return np.average(gaps(table), weights=table["count"])
