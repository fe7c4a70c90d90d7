"""3.5 asof_mean: the mean delay of what had left by then, and not long before."""

import functools

import numpy as np
import pandas as pd

from mlelab import case, data

from . import lab

START, QUARTER = pd.Timestamp("2013-07-09 20:00", tz="UTC"), pd.Timedelta("15min")


@lab.exercise("3.5", section="as-of-aggregates", hints=(
    "For one query, which events may be counted? Write the four conditions down: same origin, departed, not later than "
    "the decision, not earlier than the window.",
    "Per origin: sort events by `departed`, make a running total, and find both ends of the window with "
    "`searchsorted(..., side=\"right\")`. Mean = difference of totals / difference of positions."))
class asof_mean:
    rule = ("Each query gets the mean delay of the flights that had left its origin by then, and less long ago than "
            "the window.")

    def inputs(d):
        hours = d.pick([4, 8, 40])
        origins = ["JFK", "EWR", "LGA"][:d.int(1, 3)]
        exact = d.flag()  # every time is on a quarter of an hour

        def time():
            return START + d.int(0, 4 * hours) * QUARTER + pd.Timedelta(
                seconds=0 if exact else d.pick([0, 0, 1, -1, 10, 30, 0.25]))

        n, k = d.int(1, 9), d.int(1, 5)
        events = d.frame(n, d.index(n, repeats=True), origin=lambda: d.pick(origins), departed=time,
                         dep_delay=lambda: 5 * d.int(-2, 9) + (0 if exact else d.pick([0, 0.5])))
        minutes = pd.to_timedelta(events["dep_delay"], unit="min")
        events.insert(1, "scheduled", events["departed"] - minutes)
        queries = d.frame(k, d.index(k, repeats=True), origin=lambda: d.pick(["JFK", "EWR", "LGA"]),
                          decision_time=time)
        return dict(events=events, queries=queries, window=d.int(1, 3 * hours) * QUARTER)

    def real():
        left, asked = _july()
        return dict(events=left, queries=asked, window=pd.Timedelta("3h"))

    def figure(means, **_):
        return (f"On the evening of 10 July the desk looked back on departures that were {means.max():.0f} minutes "
                "late on average, at the worst airport.")

    def shows(events, queries, window):
        queries = queries.assign(decision_time=queries["decision_time"].dt.strftime("%d %H:%M:%S"))
        text = ", ".join(f"{place!r}: {row.origin} {row.decision_time}"
                         for place, row in zip(queries.index, queries.itertuples()))
        return f"asof_mean(events, queries, window={window / pd.Timedelta('1h'):g} h), queries {{{text}}}", events


@functools.cache
def _july():
    """Departures of four days in July, and the last decisions of 10 July."""
    flights = data.load("flights", ["month", "day", "origin", "time_hour", "minute", "dep_delay"])
    flights = flights[(flights["month"] == 7) & flights["day"].between(7, 10)]
    planned = flights["time_hour"] + pd.to_timedelta(flights["minute"], unit="min")
    left = flights.assign(scheduled=planned, departed=planned + pd.to_timedelta(flights["dep_delay"], unit="min"))
    asked = left[left["day"] == 10].assign(decision_time=planned - pd.Timedelta(hours=case.LEAD_HOURS)).tail(300)
    return (left.dropna(subset="dep_delay")[["origin", "scheduled", "departed", "dep_delay"]],
            asked[["origin", "decision_time"]])


# Answers: wrong ones with their misconceptions, and right ones written differently.


@asof_mean.mistake("M01", "Only what had left by the decision is known: not the whole day.")
def mean_of_the_day(events, queries, window):
    return means(events, queries, lambda e, q: e["scheduled"].dt.date == q.decision_time.date())


@asof_mean.mistake("M03", "The flights of the own hour are what is predicted: they leave after the decision.")
def mean_of_the_flights_own_hour(events, queries, window):
    return means(events, queries, lambda e, q: (
        e["scheduled"].dt.floor("h") == (q.decision_time + pd.Timedelta("2h")).floor("h")))


@asof_mean.mistake("M10", "What counts is when a flight left, not when it should have left.")
def by_the_planned_time(events, queries, window):
    return means(events, queries, lambda e, q: within(e["scheduled"], q, window))


@asof_mean.mistake("M01", "What leaves after the decision is not known yet: the window lies before it.")
def window_around_the_decision(events, queries, window):
    return means(events, queries, lambda e, q: (e["departed"] > q.decision_time - window) & (
        e["departed"] <= q.decision_time + window))


@asof_mean.mistake("M01", "The window lies before the decision, not after it.")
def window_ahead_of_the_decision(events, queries, window):
    return means(events, queries, lambda e, q: (e["departed"] > q.decision_time) & (
        e["departed"] <= q.decision_time + window))


@asof_mean.mistake("M01", "A flight that should have left by then, and had not, has no delay yet.")
def planned_by_then(events, queries, window):
    return means(events, queries, lambda e, q: (e["departed"] > q.decision_time - window) & (
        e["scheduled"] <= q.decision_time))


@asof_mean.mistake("M08", "No departure in the window is no mean: missing, not 0.")
def empty_window_is_zero(events, queries, window):
    return means(events, queries, lambda e, q: within(e["departed"], q, window)).fillna(0)


@asof_mean.mistake("M08", "No departure in the window is no mean: that of all flights is another quantity.")
def empty_window_is_the_mean_of_all(events, queries, window):
    return means(events, queries, lambda e, q: within(e["departed"], q, window)).fillna(events["dep_delay"].mean())


@asof_mean.mistake("M31", "A flight that leaves at the very moment of the decision counts.")
def now_does_not_count(events, queries, window):
    return means(events, queries, lambda e, q: within(e["departed"], q, window) & (e["departed"] < q.decision_time))


@asof_mean.mistake("M31", "A flight that left exactly `window` before the decision does not count.")
def both_ends_count(events, queries, window):
    return means(events, queries, lambda e, q: e["departed"].between(q.decision_time - window, q.decision_time))


@asof_mean.mistake("M31", "The end of the window belongs to it, its beginning does not.")
def the_other_end_counts(events, queries, window):
    return means(events, queries, lambda e, q: e["departed"].between(
        q.decision_time - window, q.decision_time, inclusive="left"))


@asof_mean.mistake("M32", "Only flights from the origin of the query count.")
def any_airport(events, queries, window):
    known = within_all(events, queries, window)
    return known.where(queries["origin"].isin(events["origin"]))


@asof_mean.mistake("M33", "Only flights within the window count, not all before the decision.")
def everything_before(events, queries, window):
    return means(events, queries, lambda e, q: e["departed"] <= q.decision_time)


@asof_mean.mistake("M10", "A window may be longer than a day: `.seconds` leaves whole days out.")
def seconds_beside_the_days(events, queries, window):
    return means(events, queries, lambda e, q: within(e["departed"], q, pd.Timedelta(seconds=window.seconds)))


@asof_mean.mistake("M27", "The window is the argument, not always three hours.")
def always_three_hours(events, queries, window):
    return means(events, queries, lambda e, q: within(e["departed"], q, pd.Timedelta("3h")))


@asof_mean.mistake("M09", "Two flights that left in the same minute are two flights.")
def one_flight_a_minute(events, queries, window):
    return means(events.drop_duplicates(["origin", "departed"]), queries, lambda e, q: within(
        e["departed"], q, window))


@asof_mean.mistake("M10", "A second counts: times are not cut to the minute.")
def whole_minutes(events, queries, window):
    cut = events.assign(departed=events["departed"].dt.floor("min"))
    asked = queries.assign(decision_time=queries["decision_time"].dt.floor("min"))
    return means(cut, asked, lambda e, q: within(e["departed"], q, window))


@asof_mean.mistake("M09", "Two queries with one label in the index are two queries: go by place, not by label.")
def one_answer_a_label(events, queries, window):
    found = means(events, queries, lambda e, q: within(e["departed"], q, window))
    return found.index.to_series().map(dict(zip(found.index, found))).astype(float)


@asof_mean.mistake("M09", "Two events with one label in the index are two flights.")
def one_event_a_label(events, queries, window):
    return means(events[~events.index.duplicated()], queries, lambda e, q: within(e["departed"], q, window))


@asof_mean.mistake("M32", "The mean is a mean: it is not rounded.")
def whole_minutes_of_delay(events, queries, window):
    return means(events, queries, lambda e, q: within(e["departed"], q, window)).round()


@asof_mean.mistake("M09", "Two flights with the same delay are two flights.")
def mean_of_different_delays(events, queries, window):
    return means(events.drop_duplicates(["origin", "dep_delay"]), queries, lambda e, q: within(
        e["departed"], q, window))


@asof_mean.mistake("M32", "A flight that left early has a negative delay, and counts as it is.")
def early_is_on_time(events, queries, window):
    return means(events.assign(dep_delay=events["dep_delay"].clip(lower=0)), queries, lambda e, q: within(
        e["departed"], q, window))


@asof_mean.mistake("M32", "The mean is asked for, not the median.")
def median_of_the_window(events, queries, window):
    return means(events, queries, lambda e, q: within(e["departed"], q, window), np.median)


@asof_mean.mistake("M34", "Events come in any order: sort them by `departed` before you search.")
def events_taken_as_sorted(events, queries, window):
    found = pd.Series(np.nan, index=queries.index)
    for place, query in enumerate(queries.itertuples()):
        own = events[events["origin"] == query.origin]
        times = own["departed"].to_numpy()
        ends = [times.searchsorted(time, side="right") for time in (query.decision_time - window, query.decision_time)]
        found.iloc[place] = own["dep_delay"].iloc[slice(*ends)].mean()
    return found


@asof_mean.mistake("M09", "The answers stand in the order of the queries, with their index.")
def answers_in_the_order_of_time(events, queries, window):
    ordered = queries.sort_values(["origin", "decision_time"])
    if ordered.index.equals(queries.index):
        ordered = ordered[::-1]
    return means(events, ordered, lambda e, q: within(e["departed"], q, window))


@asof_mean.right
def query_by_query(events, queries, window):
    return means(events, queries, lambda e, q: within(e["departed"], q, window))


@asof_mean.right
def joined_then_grouped(events, queries, window):
    asked = queries.assign(place=range(len(queries)))
    pairs = asked.merge(events, on="origin")
    pairs = pairs[(pairs["departed"] <= pairs["decision_time"]) & (pairs["departed"] + window > pairs["decision_time"])]
    found = pairs.groupby("place")["dep_delay"].mean().reindex(range(len(queries)))
    return found.set_axis(queries.index)


def within(time, query, window):
    return (time > query.decision_time - window) & (time <= query.decision_time)


def within_all(events, queries, window):
    return means(events, queries, lambda e, q: within(e["departed"], q, window), anywhere=True)


def means(events, queries, chosen, average=np.mean, anywhere=False):
    found = []
    for query in queries.itertuples():
        own = events if anywhere else events[events["origin"] == query.origin]
        delays = own["dep_delay"][chosen(own, query)]
        found.append(float(average(delays)) if len(delays) else np.nan)
    return pd.Series(found, index=queries.index, dtype=float)
