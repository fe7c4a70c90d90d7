"""1.8 review_labels: three versions of make_label that look right; the first and the second are not."""

import numpy as np
import pandas as pd

from mlelab.check import review

from . import lab
from .make_label import make_label


def make_label_a(flights: pd.DataFrame, minutes: int = 30) -> pd.DataFrame:
    minutes = minutes or 30
    arrived = flights["arr_delay"].notna()
    late = flights["arr_delay"].ge(minutes).astype("boolean")
    return pd.DataFrame({"late": late.mask(~arrived), "eligible": arrived})


def make_label_b(flights: pd.DataFrame, minutes: int = 30) -> pd.DataFrame:
    delay = flights["arr_delay"].to_numpy(dtype=float)
    on_time = np.where(np.isnan(delay), np.nan, delay <= minutes)
    table = {"late": 1 - on_time, "eligible": ~np.isnan(delay)}
    return pd.DataFrame(table, index=flights.index)


def make_label_c(flights: pd.DataFrame, minutes: int = 30) -> pd.DataFrame:
    eligible = ~(flights["arr_delay"] != flights["arr_delay"])
    late = (~(flights["arr_delay"] < minutes)).where(eligible)
    return pd.concat({"late": late, "eligible": eligible}, axis=1)


@lab.exercise("1.8", section="label-and-eligibility", hints=(
    "Do not look for what is written unusually. Go through the docstring sentence by sentence, and ask each function: "
    "what do you do then? Which values has `minutes`, and which has `arr_delay`?",
    "One flight is enough for each. Try `minutes=0`, a delay of exactly `minutes`, and no arrival at all; and compare "
    "with your own `make_label`."))
@review.of(make_label, {make_label_a: "zero_taken_for_not_given", make_label_b: "exactly_at_the_limit_is_on_time",
                        make_label_c: None})
def review_labels(flights, minutes=30):
    """What makes an input of make_label valid."""
    yield "`flights` is a frame with the column `arr_delay`.", isinstance(flights, pd.DataFrame) and \
        "arr_delay" in flights
    kind = flights["arr_delay"].dtype
    yield "`arr_delay` holds numbers, and nan where there is none.", isinstance(kind, np.dtype) and kind.kind in "iuf"
    yield "`minutes` is a whole number.", isinstance(minutes, (int, np.integer)) and not isinstance(minutes, bool)


# Answers: wrong ones with their misconceptions, and right ones written differently.


def flight(*delays, **columns):
    return pd.DataFrame({"arr_delay": list(delays), **columns})


review.wrong(review_labels, "make_label_a",
             a_delay_of_zero_at_thirty=dict(flights=flight(0.0)),
             no_number_of_minutes=dict(flights=flight(0.0), minutes=None),
             half_a_minute=dict(flights=flight(0.0), minutes=0.5),
             an_argument_too_many=dict(flights=flight(0.0), minutes=0, hours=1),
             not_suspected=None)
review.wrong(review_labels, "make_label_b",
             a_missing_arrival=dict(flights=flight(45.0, np.nan)),
             a_delay_as_text=dict(flights=flight("thirty")),
             another_column=dict(flights=pd.DataFrame({"dep_delay": [30.0]})),
             a_missing_that_is_no_nan=dict(flights=flight(30.0, None).astype(object)),
             rows_without_a_frame=dict(flights=[30.0]))
review.wrong(review_labels, "make_label_c",
             suspected_for_its_looks=dict(flights=flight(np.nan, 30.0, 29.0), minutes=30))


def each_part(answer):
    for part in review_labels.parts:
        review_labels.right(part=part)(answer)


@each_part
def with_more_rows_than_needed():
    flights = flight(12.0, np.nan, 60.0, 0.0, carrier=["UA", "AA", "B6", "UA"])
    return {"make_label_c": None, "make_label_b": {"minutes": 60, "flights": flights},
            "make_label_a": {"flights": flights, "minutes": 0}}


@each_part
def one_input_for_both():
    given = {"flights": flight(0), "minutes": 0}
    return dict(make_label_a=given, make_label_b=given, make_label_c=None)
