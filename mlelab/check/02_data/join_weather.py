"""2.3 join_weather: each flight with the reading of its airport and hour, in UTC."""

import functools

import numpy as np
import pandas as pd

from mlelab.check.compare import difference

from . import _real, lab

LOCAL, UTC = ["origin", "year", "month", "day", "hour"], ["origin", "time_hour"]
START = pd.Timestamp("2013-11-03 03:00", tz="UTC")  # local 01:00 comes for the second time three hours later


@lab.exercise("2.3", section="keys-and-clocks", hints=(
    "Which columns say *where* and *when*, in a way that is the same in both tables and never occurs twice in "
    "`weather`? Count the rows before and after.",
    "`flights.merge(weather[[\"origin\", \"time_hour\", *READINGS]], on=[\"origin\", \"time_hour\"], how=\"left\", "
    "validate=\"many_to_one\", indicator=True)`; then give it the index of `flights` back."))
class join_weather:
    rule = "Each flight stays, once and in its place, with the readings of its origin and its hour in UTC."

    def inputs(d):
        """The night when the clocks go back: some airports, some hours, some of them without a reading."""
        def hour():
            return START + pd.Timedelta(hours=d.pick([1, 2, 3, 4, 0, 5, 24 * 30]))

        def airport():
            return d.pick(["EWR", "JFK", "LGA"])

        places = dict.fromkeys(d.list(1, 6, lambda: (airport(), hour())))
        weather = _on_the_clock(pd.DataFrame(list(places), columns=UTC, index=d.index(len(places), repeats=True)))
        for name in d.some(["temp", "wind_speed", "visib"], 1):
            weather[name] = np.array([d.pick([d.int(1, 90), 0, np.nan]) for _ in places], float)
        n = d.int(1, 6)
        flights = _on_the_clock(d.frame(n, d.index(n, repeats=True), origin=airport, time_hour=hour))
        flights.insert(d.int(0, 2), "flight", [d.int(1, 9) for _ in range(n)])
        return dict(flights=flights, weather=weather)

    def see(got, flights, weather):
        """Columns in any order, those of flights apart."""
        own = list(flights.columns)
        rest = sorted(set(got.columns) - set(own))
        kept = got[own].equals(flights) or difference(flights, got[own]) is None
        return {"number of rows": len(got), "columns beside those of flights": rest, "flights are as they were": kept,
                "readings": got[rest]}

    def real():
        flights = _real.table("flights")[[*LOCAL, "time_hour", "flight"]]
        return dict(flights=flights[::20], weather=_real.table("weather"))

    def figure(seen, **_):
        matched = _matched()
        return (f"{len(matched):,} flights stay {len(matched):,} flights, and {matched.mean():.2%} of them have a "
                f"reading; an inner join would have lost {(~matched).sum():,}.")

    def shows(flights, weather):
        columns = ["origin", "time_hour", "hour"]
        return f"join_weather(flights, weather) with weather =\n{weather[columns + [weather.columns[-1]]]}", flights


@functools.cache
def _matched() -> pd.Series:
    """Which of all flights have a reading, by our join."""
    return join_weather.spec().ours()(_real.table("flights"), _real.table("weather"))["matched"]


def _on_the_clock(frame):
    local = frame["time_hour"].dt.tz_convert("America/New_York").dt
    return frame.assign(year=local.year, month=local.month, day=local.day, hour=local.hour)


# Answers: wrong ones with their misconceptions, and right ones written differently.


def joined(flights, weather, keys=UTC, how="left"):
    extra = [name for name in weather.columns if name not in flights.columns]
    rows = flights.reset_index(names="kept").merge(weather[[*keys, *extra]], on=keys, how=how, indicator="matched")
    return rows.assign(matched=rows["matched"] == "both").set_index("kept").rename_axis(flights.index.name)


def readings(flights, weather):
    return [name for name in weather.columns if name not in flights.columns]


@join_weather.mistake("M10", "Local hours repeat when the clocks go back: join on the hour in UTC.")
def on_the_local_clock(flights, weather):
    return joined(flights, weather, LOCAL)


@join_weather.mistake("M10", "Of two equal local hours nobody knows which one is meant: join on the hour in UTC.")
def on_the_local_clock_without_repeats(flights, weather):
    return joined(flights, weather.drop_duplicates(LOCAL), LOCAL)


@join_weather.mistake("M10", "The hour of the day is no hour: the day belongs to it.")
def on_the_hour_of_the_day(flights, weather):
    keys = ["origin", "hour"]
    return joined(flights, weather.drop_duplicates(keys), keys)


@join_weather.mistake("M09", "A flight without a reading stays.")
def inner_join(flights, weather):
    return joined(flights, weather, how="inner")


@join_weather.mistake("M09", "Only flights are wanted, not readings without one.")
def outer_join(flights, weather):
    return joined(flights, weather, how="outer")


@join_weather.mistake("M09", "The reading is that of the flight's own airport.")
def without_the_airport(flights, weather):
    return joined(flights, weather.rename(columns={"origin": "station"}), ["time_hour"]).drop(columns="station")


@join_weather.mistake("M09", "The flights keep their index.")
def loses_the_index(flights, weather):
    return joined(flights, weather).reset_index(drop=True)


@join_weather.mistake("M34", "The flights keep their order.")
def sorted_by_time(flights, weather):
    return joined(flights, weather).sort_values("time_hour", kind="stable")


@join_weather.mistake("M09", "The columns of flights keep their names.")
def columns_twice(flights, weather):
    rows = flights.merge(weather, on=UTC, how="left", indicator="matched").set_index(flights.index)
    return rows.assign(matched=rows["matched"] == "both")


@join_weather.mistake("M99", "All readings come along, not only the first one.")
def one_reading_only(flights, weather):
    return joined(flights, weather[[*UTC, readings(flights, weather)[0]]])


@join_weather.mistake("M08", "Where there is no reading, it is missing, not 0.")
def no_reading_is_zero(flights, weather):
    return joined(flights, weather).fillna(dict.fromkeys(readings(flights, weather), 0))


@join_weather.mistake("M08", "`matched` is True only where there was a reading.")
def everything_is_matched(flights, weather):
    return joined(flights, weather).assign(matched=True)


@join_weather.mistake("M08", "A reading may lack a value: `matched` says whether there was a reading at all.")
def a_value_that_is_missing_is_no_match(flights, weather):
    rows = joined(flights, weather)
    return rows.assign(matched=rows[readings(flights, weather)[0]].notna())


@join_weather.mistake("M32", "The reading is that of the hour, not of an hour nearby.")
def the_last_hour_will_do(flights, weather):
    rows, names = joined(flights, weather), readings(flights, weather)
    ordered = rows.reset_index(drop=True).sort_values("time_hour")
    return rows.assign(**ordered.groupby("origin")[names].ffill().sort_index().set_axis(rows.index))


@join_weather.mistake("M09", "Two flights with one label in the index are two flights: joined by label, they multiply.")
def joined_by_label(flights, weather):
    rows = joined(flights, weather)
    return flights.join(rows.drop(columns=list(flights)))


@join_weather.right
def with_a_lookup(flights, weather):
    values = weather.set_index(UTC)[readings(flights, weather)]
    keys = pd.MultiIndex.from_frame(flights[UTC])
    return flights.assign(matched=keys.isin(values.index), **values.reindex(keys).set_axis(flights.index))


@join_weather.right
def with_a_dict(flights, weather):
    names = readings(flights, weather)
    known = {key: values for *key_, values in [] for key in key_} | {
        (row.origin, row.time_hour): [getattr(row, name) for name in names] for row in weather.itertuples()}
    keys = list(zip(flights["origin"], flights["time_hour"]))
    found = pd.DataFrame([known.get(key, [np.nan] * len(names)) for key in keys], flights.index, names)
    return pd.concat([flights, found], axis=1).assign(matched=[key in known for key in keys])
