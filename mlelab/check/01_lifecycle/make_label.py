"""1.1 make_label: which flights have a label, and which of them were late."""

import numpy as np
import pandas as pd

from mlelab import case

from . import _real, lab


@lab.exercise("1.1", section="label-and-eligibility", hints=(
    "Two questions, two columns: may this flight be labelled at all, and if so, was it late? Answer the first one "
    "before the second.",
    "`eligible` is `flights[\"arr_delay\"].notna()`. A comparison with a missing value gives False, so blank it "
    "afterwards: `.astype(\"boolean\").where(eligible)`."))
class make_label:
    rule = ("A flight that arrived is eligible, and late from `minutes` of arrival delay on; a flight without an "
            "arrival is not eligible, and its label is missing.")

    def inputs(d):
        given = d.optional(minutes=d.pick([15, 0, 1, 20, 30, 45, 60]))
        minutes = given.get("minutes", 30)

        def delay():
            near = minutes + d.pick([-1, 1, -0.25, -0.0625, 0.25])
            return d.pick([minutes, near, -minutes, 30, 29, d.int(-90, 200)])

        n = d.int(0, 7)
        flights = d.frame(n, d.index(n, repeats=True), carrier=lambda: d.pick(["AA", "UA", "EV"]), dep_delay=delay,
                          arr_delay=delay)
        if d.flag(0.1):  # every flight arrived, and delays are whole
            return dict(flights=flights.astype({"dep_delay": int, "arr_delay": int}), **given)
        flights = flights.astype({"dep_delay": float, "arr_delay": float})
        for row in range(n):
            if d.flag(0.3):  # never arrived, and perhaps never departed
                flights.iloc[row, 1 if d.flag() else 2:] = np.nan
        return dict(flights=flights, **given)

    def see(got, flights, minutes=30):
        if set(got.columns) != {"late", "eligible"}:
            raise ValueError(f"its columns are {list(got.columns)}, not late and eligible")
        late = got["late"].astype(object).where(got["late"].notna(), np.nan).astype(float)
        return {"late": late, "eligible": got["eligible"].astype(object)}

    def real():
        return dict(flights=_real.flights()[["carrier", "dep_delay", "arr_delay"]])

    def figure(seen, flights):
        known = seen["eligible"].astype(bool)
        return (f"In 2013, {known.sum():,} of {len(known):,} flights can be labelled, and "
                f"{seen['late'][known].mean():.2%} of them arrived {case.LATE_MINUTES} minutes late or more.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


def labelled(late, eligible):
    return pd.DataFrame({"late": late.astype("boolean").where(eligible), "eligible": eligible})


@make_label.mistake("M08", "A flight without an arrival is not eligible, and its label is missing, not False.")
def missing_counts_as_on_time(flights, minutes=30):
    return pd.DataFrame({"late": flights["arr_delay"].fillna(minutes - 1) >= minutes,
                         "eligible": pd.Series(True, flights.index)})


@make_label.mistake("M08", "A flight without an arrival has no label: late is missing, not False.")
def eligible_but_late_is_false(flights, minutes=30):
    return pd.DataFrame({"late": flights["arr_delay"] >= minutes, "eligible": flights["arr_delay"].notna()})


@make_label.mistake("M08", "A flight without an arrival has no label: late is missing, not True.")
def never_arrived_is_late(flights, minutes=30):
    arrived = flights["arr_delay"].notna()
    return pd.DataFrame({"late": (flights["arr_delay"] >= minutes) | ~arrived, "eligible": arrived})


@make_label.mistake("M32", "Late is said of the arrival, not of the departure.")
def late_at_departure(flights, minutes=30):
    return labelled(flights["dep_delay"] >= minutes, flights["arr_delay"].notna())


@make_label.mistake("M32", "A flight is eligible if it arrived; one that departed may have been diverted.")
def eligible_if_it_departed(flights, minutes=30):
    return labelled(flights["arr_delay"] >= minutes, flights["arr_delay"].notna()).assign(
        eligible=flights["dep_delay"].notna())


@make_label.mistake("M32", "A negative delay is an early arrival, and early is not late.")
def early_counts_as_late(flights, minutes=30):
    return labelled(flights["arr_delay"].abs() >= minutes, flights["arr_delay"].notna())


@make_label.mistake("M09", "The answer has one row for each flight, also for one without an arrival.")
def drops_rows_without_arrival(flights, minutes=30):
    arrived = flights.dropna(subset="arr_delay")
    return pd.DataFrame({"late": arrived["arr_delay"] >= minutes, "eligible": True})


@make_label.mistake("M09", "The answer has the index of `flights`, so that it can be joined to them.")
def loses_the_index(flights, minutes=30):
    return make_label_by_loop(flights.reset_index(drop=True), minutes)


@make_label.mistake("M31", "A flight is late from `minutes` on: exactly `minutes` is late.")
def exactly_at_the_limit_is_on_time(flights, minutes=30):
    return labelled(flights["arr_delay"] > minutes, flights["arr_delay"].notna())


@make_label.mistake("M27", "The limit is the argument `minutes`, not always 30.")
def thirty_whatever_was_asked(flights, minutes=30):
    return labelled(flights["arr_delay"] >= 30, flights["arr_delay"].notna())


@make_label.mistake("M27", "0 minutes is a limit like any other: then a flight that is not early is late.")
def zero_taken_for_not_given(flights, minutes=30):
    return labelled(flights["arr_delay"] >= (minutes or 30), flights["arr_delay"].notna())


@make_label.mistake("M10", "A part of a minute counts: delays are not rounded.")
def rounded_to_whole_minutes(flights, minutes=30):
    return labelled(flights["arr_delay"].round() >= minutes, flights["arr_delay"].notna())


@make_label.mistake("M10", "A part of a minute counts: delays are not cut to whole minutes.")
def rounded_up(flights, minutes=30):
    return labelled(np.ceil(flights["arr_delay"]) >= minutes, flights["arr_delay"].notna())


@make_label.mistake("M09", "Two flights with one label in the index are two rows: go by place, not by label.")
def one_row_a_label(flights, minutes=30):
    return make_label_by_loop(flights[~flights.index.duplicated(keep="last")], minutes)


@make_label.mistake("M97")
def writes_into_flights(flights, minutes=30):
    flights["late"] = (flights["arr_delay"] >= minutes).astype("boolean").where(flights["arr_delay"].notna())
    flights["eligible"] = flights["late"].notna()
    return flights[["late", "eligible"]]


@make_label.right
def with_floats_and_numpy(flights, minutes=30):
    delay = flights["arr_delay"].to_numpy(dtype=float)
    late = np.where(np.isnan(delay), np.nan, delay >= minutes)
    return pd.DataFrame({"eligible": ~np.isnan(delay), "late": late}, index=flights.index)


@make_label.right
def make_label_by_loop(flights, minutes=30):
    late = [None if delay != delay else delay >= minutes for delay in flights["arr_delay"].tolist()]
    eligible = [label is not None for label in late]
    return pd.DataFrame({"late": pd.Series(late, flights.index, object),
                         "eligible": pd.Series(eligible, flights.index, bool)})
