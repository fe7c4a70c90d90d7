"""3.9 review_asof: three versions of asof_mean that look right; none of them is."""

import numpy as np
import pandas as pd

from mlelab.check import review

from . import lab
from .asof_mean import asof_mean


def asof_mean_a(
    events: pd.DataFrame, queries: pd.DataFrame, window: pd.Timedelta
) -> pd.Series:
    means = []
    for query in queries.itertuples():
        here = events[events["origin"] == query.origin]
        start, end = query.decision_time - window, query.decision_time
        recent = here[here["departed"].between(start, end)]
        means.append(recent["dep_delay"].mean())
    return pd.Series(means, index=queries.index)


def asof_mean_b(
    events: pd.DataFrame, queries: pd.DataFrame, window: pd.Timedelta
) -> pd.Series:
    numbered = queries.assign(row=range(len(queries)))
    pairs = numbered.merge(events, on="origin")
    age = pairs["decision_time"] - pairs["departed"]
    recent = pairs[(age >= pd.Timedelta(0)) & (age < window)]
    sums = recent.groupby("row")["dep_delay"].agg(["sum", "count"])
    sums = sums.reindex(range(len(queries)), fill_value=0)
    return (sums["sum"] / sums["count"].clip(lower=1)).set_axis(queries.index)


def asof_mean_c(
    events: pd.DataFrame, queries: pd.DataFrame, window: pd.Timedelta
) -> pd.Series:
    def mean_before(query: pd.Series) -> float:
        here = events[events["origin"] == query["origin"]]
        known = here[here["scheduled"] <= query["decision_time"]]
        recent = known[known["departed"] > query["decision_time"] - window]
        return recent["dep_delay"].mean()

    return queries.apply(mean_before, axis=1)


COLUMNS = dict(events=["origin", "scheduled", "departed", "dep_delay"], queries=["origin", "decision_time"])
TIMES = ("scheduled", "departed", "decision_time")


@lab.exercise("3.9", section="as-of-aggregates", hints=(
    "The docstring has one condition with two limits. For each function: which column does it ask, and what happens "
    "exactly at each limit, just before and just after? And when no event is left?",
    "One event and one query are enough. Put `departed` exactly `window` before the decision; far away from it; and "
    "after it, although the flight was planned before it."))
@review.of(asof_mean, {asof_mean_a: "both_ends_count", asof_mean_b: "empty_window_is_zero",
                       asof_mean_c: "planned_by_then"})
def review_asof(events, queries, window):
    """What makes an input of asof_mean valid."""
    tables = dict(events=events, queries=queries)
    yield "`events` and `queries` are frames with the columns of the docstring and no others.", all(
        isinstance(table, pd.DataFrame) and sorted(table) == sorted(COLUMNS[name]) for name, table in tables.items())
    yield "Both tables have rows.", len(events) and len(queries)
    yield "`scheduled`, `departed` and `decision_time` are times in UTC.", all(
        str(getattr(table[name].dtype, "tz", None)) == "UTC" for table in tables.values() for name in table
        if name in TIMES)
    yield "No time and no delay is missing: these flights left.", not (events.isna().any(axis=None)
                                                                      or queries.isna().any(axis=None))
    yield "`origin` is text.", all(isinstance(name, str) for table in tables.values() for name in table["origin"])
    yield "`dep_delay` is a number.", events["dep_delay"].dtype.kind in "if"
    yield "`window` is a duration, longer than nothing.", isinstance(window, pd.Timedelta) and window > pd.Timedelta(0)
    yield "`departed` is `scheduled` and `dep_delay` minutes.", np.allclose(
        (events["departed"] - events["scheduled"]).dt.total_seconds(), 60 * events["dep_delay"])


# Answers: wrong ones with their misconceptions, and right ones written differently.

DECISION = pd.Timestamp("2013-07-10 18:00", tz="UTC")


def evening(*departed, delay=10, origin="JFK", window="3h", **queries):
    """Flights that left so many minutes before (or after) a decision, so many minutes late."""
    left = DECISION + pd.to_timedelta(list(departed), unit="min")
    events = pd.DataFrame({"origin": "JFK", "scheduled": left - pd.to_timedelta(delay, unit="min"), "departed": left,
                           "dep_delay": delay})
    return dict(events=events, queries=pd.DataFrame({"origin": [origin], "decision_time": [DECISION]} | queries),
                window=pd.Timedelta(window))


GOOD = dict(asof_mean_a=evening(-180), asof_mean_b=evening(-600), asof_mean_c=evening(5, delay=60))
review.wrong(review_asof, "asof_mean_a",
             within_the_window=evening(-60),
             exactly_now=evening(0),
             a_window_as_text=GOOD["asof_mean_a"] | dict(window="3h"),
             without_a_query=GOOD["asof_mean_a"] | dict(queries=evening()["queries"].iloc[:0]),
             on_the_clock_of_the_airport=evening(-180, decision_time=[DECISION.tz_convert("America/New_York")]),
             with_a_column_more=evening(-180, carrier=["UA"]),
             not_suspected=None)
review.wrong(review_asof, "asof_mean_b",
             one_event_in_the_window=evening(-1),
             a_delay_that_is_missing=evening(-600, delay=10) | dict(
                 events=evening(-600)["events"].assign(dep_delay=[np.nan])),
             airports_by_number=evening(-600, origin=3),
             delay_as_text=evening(-600) | dict(events=evening(-600)["events"].assign(dep_delay=["10"])))
review.wrong(review_asof, "asof_mean_c",
             planned_after_the_decision=evening(90, delay=60),
             late_and_known=evening(-5, delay=60),
             times_that_do_not_add_up=evening(5, delay=60) | dict(
                 events=evening(5, delay=60)["events"].assign(dep_delay=0)))


def each_part(answer):
    for part in review_asof.parts:
        review_asof.right(part=part)(answer)


@each_part
def one_event_and_one_query():
    return GOOD


@each_part
def with_more_events_than_needed():
    return dict(asof_mean_a=evening(-180, -30, delay=[90, 10], window="180min"),
                asof_mean_b=evening(-30, -20, origin="LGA"), asof_mean_c=evening(-30, 15, delay=[5, 45]))
