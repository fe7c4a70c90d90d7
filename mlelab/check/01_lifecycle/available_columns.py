"""1.2 available_columns: which columns exist when the desk decides."""

import pandas as pd

from mlelab import case, data

from . import lab

NAMES = ["dep_delay", "temp", "carrier", "arr_time", "month", "visib", "arr_delay", "tailnum"]


@lab.exercise("1.2", section="what-is-known-when", hints=(
    "Give each column one number: the hour, counted from scheduled departure, at which its value can first be read.",
    "That hour is `event_hours + delay_hours`. You decide at `-lead_hours`. Keep a column whose hour is not later."))
class available_columns:
    rule = "A column is kept if event and delay together end `lead_hours` before scheduled departure, or earlier."

    def inputs(d):
        lead = d.pick([2, 1.0, 0.5, 3.25, 6, 24])

        def row(name):
            event = d.pick(["schedule", "weather reading", "departure", "arrival", "registry"])
            delay = d.pick([0.0, 0.25, 1.0, 24.0, 720.0])
            known = -lead + d.pick([0, -0.25, 0.25, -1, 1, 1 / 64, -1 / 64, d.int(-200, 20) / 4])
            return name, event, *d.pick([(known - delay, delay), (known, 0.0), (-lead - 0.5, delay)])

        names = d.order(NAMES)[:d.int(0, 6)]
        spec = pd.DataFrame([row(name) for name in names], d.index(len(names), repeats=True),
                            ["column", "event", "event_hours", "delay_hours"])
        return dict(spec=spec.astype({"event_hours": float, "delay_hours": float}), lead_hours=lead)

    def real():
        return dict(spec=data.describe("flights"), lead_hours=case.LEAD_HOURS)

    def figure(kept, spec, lead_hours):
        return f"{len(kept)} of the {len(spec)} columns of flights exist {lead_hours} hours before departure."


# Answers: wrong ones with their misconceptions, and right ones written differently.


def known_at(spec):
    return spec["event_hours"] + spec["delay_hours"]


@available_columns.mistake("M01", "Whether a column is kept depends on when its value exists, for every column.")
def everything_but_the_label(spec, lead_hours):
    return set(spec["column"]) - {"arr_delay"}


@available_columns.mistake("M01", "Whether a column is kept depends on when its value exists, not on its event.")
def departure_is_in_the_table(spec, lead_hours):
    return set(spec["column"][spec["event"] != "arrival"])


@available_columns.mistake("M01", "The weather of the departure hour is not known before that hour.")
def weather_of_the_departure_hour(spec, lead_hours):
    return set(spec["column"][(known_at(spec) <= -lead_hours) | (spec["event"] == "weather reading")])


@available_columns.mistake("M01", "A value exists when it can be read: `delay_hours` after its event.")
def publication_delay_ignored(spec, lead_hours):
    return set(spec["column"][spec["event_hours"] <= -lead_hours])


@available_columns.mistake("M01", "You decide `lead_hours` before departure: what comes later is not known yet.")
def known_at_departure(spec, lead_hours):
    return set(spec["column"][known_at(spec) <= 0])


@available_columns.mistake("M31", "A value that appears exactly when you decide is kept.")
def exactly_in_time_is_too_late(spec, lead_hours):
    return set(spec["column"][known_at(spec) < -lead_hours])


@available_columns.mistake("M27", "What is kept follows from the table of events, not from the names of the columns.")
def list_learned_by_heart(spec, lead_hours):
    return set(spec["column"]) & {"month", "carrier", "tailnum", "temp", "visib"}


@available_columns.mistake("M27", "How long before departure you decide is the argument `lead_hours`, not always 2.")
def two_hours_whatever_was_asked(spec, lead_hours):
    return set(spec["column"][known_at(spec) <= -2])


@available_columns.mistake("M01", "Before departure hours are negative: you decide at `-lead_hours`.")
def after_departure(spec, lead_hours):
    return set(spec["column"][known_at(spec) <= lead_hours])


@available_columns.mistake("M01", "The value comes after its event: the delay is added.")
def delay_subtracted(spec, lead_hours):
    return set(spec["column"][spec["event_hours"] - spec["delay_hours"] <= -lead_hours])


@available_columns.mistake("M10", "A quarter of an hour counts: hours are not rounded.")
def hours_rounded_down(spec, lead_hours):
    return set(spec["column"][known_at(spec) // 1 <= -lead_hours])


@available_columns.mistake("M10", "A minute counts: hours are not rounded to tenths.")
def hours_rounded_to_tenths(spec, lead_hours):
    return set(spec["column"][known_at(spec).round(1) <= -lead_hours])


@available_columns.mistake("M09", "Two rows with one label in the index are two columns: go by place, not by label.")
def one_row_a_label(spec, lead_hours):
    last = spec[~spec.index.duplicated(keep="last")]
    return set(last["column"][known_at(last) <= -lead_hours])


@available_columns.mistake("M09", "One event can fill several columns, and each is kept or left out by itself.")
def one_column_an_event(spec, lead_hours):
    return set(spec[known_at(spec) <= -lead_hours].drop_duplicates("event")["column"])


@available_columns.mistake("M99", "The answer is a set of names.")
def list_of_names(spec, lead_hours):
    return list(spec["column"][known_at(spec) <= -lead_hours])


@available_columns.right
def row_by_row(spec, lead_hours):
    return {row.column for row in spec.itertuples() if -(row.event_hours + row.delay_hours) >= lead_hours}


@available_columns.right
def with_a_query(spec, lead_hours):
    late = spec.query("event_hours + delay_hours > -@lead_hours")
    return frozenset(spec["column"]).difference(late["column"])
