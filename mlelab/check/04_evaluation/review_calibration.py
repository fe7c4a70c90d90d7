"""4.10 review_calibration: three versions of calibration_table that look right; two of them are not."""

from fractions import Fraction

import numpy as np
import pandas as pd

from mlelab.check import review

from . import lab
from .calibration_table import calibration_table


def calibration_table_a(
    y: np.ndarray, p: np.ndarray, bins: int
) -> tuple[pd.DataFrame, float]:
    rows = []
    place = np.clip(np.floor(p * bins), 0, bins - 1)
    for number in range(bins):
        inside = place == number
        if inside.any():
            rows.append((inside.sum(), p[inside].mean(), y[inside].mean()))
    table = pd.DataFrame(rows, columns=["count", "mean_p", "share"])
    gap = (table["share"] - table["mean_p"]).abs()
    return table, float((gap * table["count"]).sum() / table["count"].sum())


def calibration_table_b(
    y: np.ndarray, p: np.ndarray, bins: int
) -> tuple[pd.DataFrame, float]:
    edges = np.linspace(0, 1, bins + 1)
    place = pd.cut(p, edges, labels=False, include_lowest=True)
    rows = pd.DataFrame({"p": p, "y": y}).groupby(place)
    table = rows.agg(count=("y", "size"), mean_p=("p", "mean"), share=("y", "mean"))
    gap = (table["share"] - table["mean_p"]).abs()
    return table, float(np.average(gap, weights=table["count"]))


def calibration_table_c(
    y: np.ndarray, p: np.ndarray, bins: int
) -> tuple[pd.DataFrame, float]:
    place = np.minimum((p * bins).astype(int), bins - 1)
    rows = pd.DataFrame({"p": p, "y": y}).groupby(place)
    table = rows.agg(count=("y", "size"), mean_p=("p", "mean"), share=("y", "mean"))
    gap = table["share"] - table["mean_p"]
    return table, float(abs(np.average(gap, weights=table["count"])))


@lab.exercise("4.10", section="calibrated-chances", hints=(
    "Two places decide: to which bin a chance on a limit belongs, and what becomes of gaps of different sign.",
    "One flight is enough for one of them, two for another: a chance exactly on a limit such as 0.5 with 2 bins; and "
    "two bins, one with chances too high, one with chances too low."))
@review.of(calibration_table, {calibration_table_a: None, calibration_table_b: "limits_belong_below",
                               calibration_table_c: "gaps_cancel"})
def review_calibration(y, p, bins):
    """What makes an input of calibration_table valid."""
    arrays = all(isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.kind in "biuf"
                 for values in (y, p))
    yield "`y` and `p` are arrays of numbers with one dimension.", arrays
    yield "`y` and `p` are equally long, and not empty.", len(y) == len(p) > 0
    yield "`y` is 0 or 1.", np.isin(y, [0, 1]).all()
    yield "`p` is from 0 to 1.", ((p >= 0) & (p <= 1)).all()
    yield "`bins` is a whole number, 1 or more.", isinstance(bins, (int, np.integer)) and bins >= 1
    exact = [Fraction(float(one)) * int(bins) for one in p]
    yield ("No chance is on a limit by rounding alone: take one such as 0.25 or 0.5, and a number of bins that fits.",
           all(one == round(one) or abs(one - round(one)) > 1e-6 for one in exact))


# Answers: wrong ones with their misconceptions, and right ones written differently.


def rows(p, y, bins=2):
    return dict(y=np.array(y), p=np.array(p), bins=bins)


review.wrong(review_calibration, "calibration_table_a",
             suspected_for_its_loop=rows([0.0, 1.0, 0.5], [0, 1, 1], bins=4))
review.wrong(review_calibration, "calibration_table_b",
             only_one_bin=rows([0.5, 0.25], [1, 0], bins=1),
             the_lowest_limit=rows([0.0, 0.75], [0, 1]),
             three_tenths=rows([0.3], [0], bins=10),
             lists=dict(y=[1], p=[0.5], bins=2),
             a_flight_without_a_chance=rows([0.5], [1, 0]),
             half_late=rows([0.5], [0.5]),
             half_a_bin=rows([0.5], [1], bins=2.5),
             not_suspected=None)
review.wrong(review_calibration, "calibration_table_c",
             both_too_low=rows([0.25, 0.75], [1, 1]),
             a_percentage=rows([25.0, 75.0], [1, 0]))


def each_part(answer):
    for part in review_calibration.parts:
        review_calibration.right(part=part)(answer)


@each_part
def one_input_for_both():
    given = rows([0.25, 0.5, 0.625], [1, 0, 0], bins=2)
    return dict(calibration_table_a=None, calibration_table_b=given, calibration_table_c=given)


@each_part
def with_true_and_false():
    return dict(calibration_table_a=None, calibration_table_b=rows([0.5, 0.125], [True, False]),
                calibration_table_c=rows([0.1, 0.9, 0.6], [True, False, False], bins=3))
