"""4.4 rolling_origin_splits: for each month that can be judged, the rows to learn from and the rows to judge."""

import numpy as np

from . import lab
from ._real import flights


@lab.exercise("4.4", section="rolling-origin", hints=(
    "Go through the months that can be judged. For each, two masks on `months`: rows to learn from, rows to judge.",
    "The first month to judge is `months.min() + min_train + gap`. Learn from `months < month - gap`."))
class rolling_origin_splits:
    rule = ("Every month is judged, in order and with all its rows, that leaves `min_train` months before the gap; the "
            "model learns from all rows of all months before the gap.")

    def inputs(d):
        first, count = d.pick([1, 0, 5, -2, 11, 24150]), d.int(1, 7)
        months = d.order([first + place for place in range(count) for _ in range(d.int(1, 3))])
        return dict(months=np.array(months), min_train=d.int(1, 4), **d.optional(gap=d.int(0, 3)))

    def see(splits, months, min_train, gap=0):
        """Rows in any order, as an array or a list."""
        if not isinstance(splits, (list, tuple)):
            raise TypeError(f"a {type(splits).__name__} instead of a list of pairs")
        return [[np.sort(np.asarray(rows)) for rows in (train, test)] for train, test in splits]

    def real():
        return dict(months=flights()["month"][:270_000], min_train=4)

    def figure(splits, **_):
        return (f"Judged on {len(splits)} months instead of one; the last model learns from {len(splits[-1][0]):,} "
                f"flights, the first from {len(splits[0][0]):,}.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


def told(code, says, judges=lambda months, min_train, gap: judged(months, min_train, gap),
         test=lambda months, month: months == month):
    """A wrong answer; the decorated function is the mask of the rows to learn from."""

    def mark(learns):
        def answer(months, min_train, gap=0):
            return [(np.flatnonzero(learns(months, month, min_train, gap)), np.flatnonzero(test(months, month)))
                    for month in judges(months, min_train, gap)]

        answer.__name__ = learns.__name__
        return rolling_origin_splits.mistake(code, says)(answer)

    return mark


@rolling_origin_splits.mistake("M04", "Each split judges one month, with a model that learned from earlier ones.")
def shuffled_folds(months, min_train, gap=0):
    rows = np.random.default_rng(0).permutation(len(months))
    return [(np.setdiff1d(rows, fold), fold) for fold in np.array_split(rows, 5)]


@told("M01", "The months of the gap are left out: their outcomes are not known in time.")
def gap_ignored(months, month, min_train, gap):
    return months < month


@told("M01", "A model that judges a month learns from earlier months only.")
def learns_from_all_other_months(months, month, min_train, gap):
    return months != month


@told("M01", "With a gap of g, the last month to learn from is the one before month - g.")
def learns_from_one_month_more(months, month, min_train, gap):
    return months <= month - gap


@told("M31", "With a gap of 1, one month is left out, not two.")
def one_month_too_few(months, month, min_train, gap):
    return months < month - gap - (gap > 0)


@told("M09", "Train holds all months before the gap: the window grows.")
def forgets_the_oldest_months(months, month, min_train, gap):
    return (months < month - gap) & (months >= month - gap - min_train)


@told("M09", "Train holds all rows of a month.", test=lambda months, month: np.isin(
    np.arange(len(months)), np.flatnonzero(months == month)[:1]))
def one_row_of_the_month(months, month, min_train, gap):
    return months < month - gap


@told("M31", "The first month to judge leaves exactly `min_train` months to learn from.",
      lambda months, min_train, gap: judged(months, min_train + 1, gap))
def starts_one_month_late(months, month, min_train, gap):
    return months < month - gap


@told("M31", "The last month is judged as well.", lambda months, min_train, gap: judged(months, min_train, gap)[:-1])
def last_month_left_out(months, month, min_train, gap):
    return months < month - gap


@told("M99", "`min_train` months are needed before the gap, not together with it.",
      lambda months, min_train, gap: judged(months, min_train, 0))
def gap_counts_as_training(months, month, min_train, gap):
    return months < month - gap


@told("M27", "The first month in the data is not always month 1.", lambda months, min_train, gap: [
    month for month in judged(months, min_train, gap) if month >= 1 + min_train + gap])
def begins_in_january(months, month, min_train, gap):
    return months < month - gap


@told("M33", "Every month that can be judged is judged, not only the last.",
      lambda months, min_train, gap: [months.max()])
def the_last_month_only(months, month, min_train, gap):
    return months < month - gap


@told("M33", "Windows move on by one month.", lambda months, min_train, gap: judged(months, min_train, gap)[::1 + gap])
def moves_on_by_the_gap(months, month, min_train, gap):
    return months < month - gap


@told("M34", "The earliest test month comes first, in whatever order the rows are.", lambda months, min_train, gap: [
    month for month in dict.fromkeys(months.tolist()) if month in judged(months, min_train, gap)])
def in_order_of_appearance(months, month, min_train, gap):
    return months < month - gap


@told("M34", "The earliest test month comes first.", lambda months, min_train, gap: judged(
    months, min_train, gap)[::-1])
def latest_month_first(months, month, min_train, gap):
    return months < month - gap


@told("M34", "Rows come in any order: a month's rows need not stand behind those of the month before.")
def rows_taken_as_sorted(months, month, min_train, gap):
    return np.arange(len(months)) < (months < month - gap).sum()


@rolling_origin_splits.mistake("M99", "The pairs hold positions of rows, not months.")
def months_instead_of_rows(months, min_train, gap=0):
    return [(np.arange(months.min(), month - gap), np.array([month])) for month in judged(months, min_train, gap)]


@rolling_origin_splits.right
def with_growing_lists(months, min_train, gap=0):
    names = sorted(set(months.tolist()))
    return [(np.flatnonzero(np.isin(months, names[:i - gap])), np.flatnonzero(months == names[i]))
            for i in range(min_train + gap, len(names))]


@rolling_origin_splits.right
def from_sorted_rows(months, min_train, gap=0):
    rows, splits = np.argsort(months, kind="stable"), []
    starts = [*np.searchsorted(months[rows], range(months.min(), months.max() + 1)), len(rows)]
    for place in range(min_train + gap, len(starts) - 1):
        splits.append([rows[:starts[place - gap]].tolist(), rows[starts[place]:starts[place + 1]].tolist()])
    return splits


def judged(months, min_train, gap):
    return range(months.min() + min_train + gap, months.max() + 1)
