"""3.8 fit_bundle: features of tables and of requests, from one definition."""

import hashlib
import json

import numpy as np
import pandas as pd

from mlelab import data
from mlelab.check.port import Stopped

from . import _real, lab

UNITS = {"decision_time": "UTC", "temp": "°F", "seats": "count", "wind_speed": "mile/h"}


@lab.exercise("3.8", section="one-definition", hints=(
    "Write `batch` first, for a table. `online` should not contain a single formula.",
    "`online` makes a frame of one row, `pd.DataFrame([row])`, gives it to `batch` and returns `.iloc[0].to_dict()`. "
    "Before that it compares the hash and the set of names, and raises ValueError."))
class fit_bundle:
    rule = "A request gets what the same row gets in a table: scaled as in training, with marks and New York's hour."

    def inputs(d):
        names = d.order(["decision_time", *d.some(["temp", "seats", "wind_speed"], 1)])
        schema = {name: UNITS[name] if d.flag(0.8) else "1" for name in names}
        numbers = [name for name in names if name != "decision_time"]

        def rows(n):
            made = d.frame(n, decision_time=lambda: pd.Timestamp("2013-01-01", tz="UTC") + pd.Timedelta(
                minutes=15 * d.int(0, 365 * 96 - 1)), **dict.fromkeys(numbers, lambda: np.nan if d.flag(
                    0.3) else 0.0 if d.flag(0.15) else d.num(-20, 90)))
            return made[names].astype(dict.fromkeys(numbers, float))

        train, df = rows(d.int(3, 6)), rows(d.int(1, 2))
        d.need((train[numbers].nunique() > 1).all())
        train = train[d.order(names)] if d.flag() else train
        return dict(train=train, schema=schema, df=df[d.order(names)] if d.flag() else df,
                    requests=[_request(d, row) for row in df.to_dict("records")], refused=_refused(d, df, schema))

    draws = 4

    def run(fit_bundle, train, schema, df, requests, refused):
        batch, online, schema_hash = fit_bundle(train, schema)
        table = batch(df)
        served = [online(request, schema_hash) for request in requests]
        answers = {what: _ended(online, request, schema_hash if sent is None else sent)
                   for what, request, sent in refused}
        return {"batch": table, "online": [[(name, float(row[name])) for name in row] for row in served],
                "refused": answers, "schema_hash": schema_hash, "batch, again": batch(df)}

    def real():
        flights, is_train = _real.flights()
        wanted = ["decision_time", "temp", "seats"]
        units = data.describe("features").set_index("column")["unit"][wanted].to_dict()
        df = flights[wanted].head(2)
        return dict(train=flights.loc[is_train, wanted], schema=units, df=df, requests=df.to_dict("records"),
                    refused=[])

    def figure(got, **_):
        return (f"The first decision of the year, as a request: the temperature becomes "
                f"{dict(got['online'][0])['temp']:+.2f}, and the hash begins with {got['schema_hash'][:8]}.")

    def shows(train, schema, df, requests, refused):
        return (f"batch, online, schema_hash = fit_bundle(train, schema={schema}), then batch(df), and online(row, "
                "schema_hash) for its rows and for requests that must be refused", df)


def _request(d, row):
    """A row as a request: its names in any order, a missing number as None or NaN."""
    row = {name: None if value != value and d.flag() else value for name, value in row.items()}
    return {name: row[name] for name in d.order(list(row))}


def _refused(d, df, schema):
    """(what is wrong, request, the hash that is sent, None for the right one) of requests that end in ValueError."""
    row = df.iloc[0].to_dict()
    name = d.pick(list(schema))
    without = {other: value for other, value in row.items() if other != name}
    other = {**schema, name: "K"} if d.flag() else {key: schema[key] for key in without}
    hashes = [hashlib.sha256(json.dumps(other, sort_keys=True).encode()).hexdigest(), "0" * 64, ""]
    return d.order([("a column less", without, None), ("another column", {**without, "gust": 1.0}, None),
                    ("a column more", {**row, "gust": 1.0}, None), ("another hash", row, d.pick(hashes))])


def _ended(online, request, sent):
    try:
        return online(request, sent)
    except Stopped as stopped:
        if issubclass(stopped.kind, ValueError):
            return "ValueError"
        raise


# Answers: wrong ones with their misconceptions, and right ones written differently.


def bundle(train, schema, *, zone="America/New_York", online=None, refuses=None, clock=lambda time: time.dt.hour,
           hashed=None, scale=lambda values: (values.mean(), values.std()), marks=lambda gaps: gaps, fill=0.0):
    """The right bundle, with one part replaced."""
    numbers = [column for column in schema if column != "decision_time"]
    mean, spread = scale(train[numbers])
    schema_hash = hashlib.sha256((hashed or json.dumps(schema, sort_keys=True)).encode()).hexdigest()

    def batch(df, mean=mean, spread=spread, zone=zone):
        values = df[numbers].astype(float)
        angle = 2 * np.pi * clock(df["decision_time"].dt.tz_convert(zone)) / 24
        hours = pd.DataFrame({"hour_sin": np.sin(angle), "hour_cos": np.cos(angle)})
        gaps = marks(values.isna().astype(float)).add_suffix("_missing")
        return pd.concat([((values - mean) / spread).fillna(fill), gaps, hours], axis=1)

    def one(row, sent_hash):
        wrong = sent_hash != schema_hash or set(row) != set(schema)
        if refuses(row, sent_hash != schema_hash) if refuses else wrong:
            raise ValueError("another schema")
        df = pd.DataFrame([row])
        return (online(df, batch, numbers) if online else batch(df)).iloc[0].to_dict()

    return batch, one, schema_hash


def told(code, says, **parts):
    """A wrong answer that differs from the right bundle in one part; `parts` are made of the schema."""

    def mark(function):
        def answer(train, schema):
            return bundle(train, schema, **{name: part(schema) for name, part in parts.items()})

        answer.__name__ = function.__name__
        return fit_bundle.mistake(code, says)(answer)

    return mark


@told("M11", "A missing number is filled in the same way in a table and in a request.", online=lambda schema: (
    lambda df, batch, numbers: batch(df.assign(**{name: df[name].astype(float).fillna(0) for name in numbers}))))
def defaults_written_again():
    pass


@told("M10", "The hour of a request is that of New York as well.", online=lambda schema: (
    lambda df, batch, numbers: batch(df, zone="UTC")))
def utc_hour_online():
    pass


@told("M10", "The hour is that of New York, not that of UTC.", zone=lambda schema: "UTC")
def utc_hour_everywhere():
    pass


@told("M10", "New York is four hours behind UTC in summer and five in winter.", zone=lambda schema: "Etc/GMT+5")
def winter_all_year():
    pass


@told("M32", "The hour is a whole number: minutes do not count.", clock=lambda schema: (
    lambda time: time.dt.hour + time.dt.minute / 60))
def minutes_in_the_hour():
    pass


@told("M46", "A request is scaled with the mean and the spread of training.", online=lambda schema: (
    lambda df, batch, numbers: batch(df, df[numbers].astype(float).mean(), df[numbers].astype(float).std())))
def statistics_of_the_request():
    pass


@told("M36", "The spread is that of a sample, with n - 1 (ddof=1).", scale=lambda schema: (
    lambda values: (values.mean(), values.std(ddof=0))))
def divides_by_n():
    pass


@told("M08", "A missing number is 0 after scaling, the mean of training, and not before it.", fill=lambda schema: -1.0)
def missing_is_minus_one():
    pass


@told("M08", "A mark is 1 where the number was missing.", marks=lambda schema: lambda gaps: 1 - gaps)
def marks_the_known_ones():
    pass


@told("M10", "The caller's hash is that of another schema: raise ValueError.", refuses=lambda schema: (
    lambda row, other: set(row) != set(schema)))
def nobody_asks_for_the_unit():
    pass


@told("M08", "A column is not in the request: raise ValueError, because a gap would be made up.",
      refuses=lambda schema: lambda row, other: other or bool(set(row) - set(schema)),
      online=lambda schema: lambda df, batch, numbers: batch(df.reindex(columns=list(schema)).assign(
          decision_time=df.get("decision_time", pd.Timestamp("2013-01-01", tz="UTC")))))
def missing_column_is_made_up():
    pass


@told("M99", "A column that is not in the schema: raise ValueError.", refuses=lambda schema: (
    lambda row, other: other or bool(set(schema) - set(row))))
def more_columns_are_ignored():
    pass


@told("M99", "A missing number is None or NaN, and no reason to refuse the request.", refuses=lambda schema: (
    lambda row, other: other or set(row) != set(schema) or any(value is None for value in row.values())))
def refuses_a_missing_number():
    pass


@told("M72", "The hash is that of the schema as JSON with sorted keys: their order does not count.",
      hashed=lambda schema: json.dumps(schema))
def hash_of_the_order():
    pass


@told("M72", "The hash is that of the schema as JSON, not as Python prints it.", hashed=str)
def hash_of_what_python_prints():
    pass


@told("M71", "The units are part of the schema: another unit is another hash.",
      hashed=lambda schema: json.dumps(sorted(schema)))
def hash_of_the_names():
    pass


@fit_bundle.mistake("M08", "0 is a number like any other: a missing one is None or NaN.")
def zero_is_missing(train, schema):
    batch, online, schema_hash = bundle(train, schema)
    return batch, lambda row, sent: online({name: value if name == "decision_time" else value or np.nan
                                            for name, value in row.items()}, sent), schema_hash


@fit_bundle.mistake("M99", "Names are compared, not only counted.")
def columns_are_counted(train, schema):
    batch, online, schema_hash = bundle(train, schema, refuses=lambda row, other: other or len(row) != len(schema))
    return batch, lambda row, sent: online({name: row.get(name, row.get("gust")) for name in schema}
                                           if len(row) == len(schema) else row, sent), schema_hash


@fit_bundle.mistake("M46", "Serving changes nothing: batch says after the requests what it said before.")
def statistics_learn_while_serving(train, schema):
    served = [train]

    def online(row, sent_hash):
        answer = bundle(train, schema)[1](row, sent_hash)
        served.append(pd.DataFrame([row]).astype({name: float for name in schema if name != "decision_time"}))
        return answer

    return lambda df: bundle(pd.concat(served), schema)[0](df), online, bundle(train, schema)[2]


@fit_bundle.mistake("M34", "online gives the features in the order of batch.")
def columns_in_alphabetical_order(train, schema):
    batch, online, schema_hash = bundle(train, schema)
    return batch, lambda row, sent_hash: dict(sorted(online(row, sent_hash).items())), schema_hash


@fit_bundle.mistake("M34", "Numbers stand in the order of the schema, not of the table.")
def numbers_in_the_order_of_the_table(train, schema):
    return bundle(train, schema)[0], *bundle(train, {name: schema[name] for name in sorted(schema)})[1:]


@fit_bundle.mistake("M34", "Numbers stand in the order of the schema, not of the training table.")
def numbers_in_the_order_of_training(train, schema):
    return bundle(train, {name: schema[name] for name in train})[0], *bundle(train, schema)[1:]


@fit_bundle.right
def row_first(train, schema):
    numbers = [column for column in schema if column != "decision_time"]
    state = {name: (train[name].mean(), train[name].std()) for name in numbers}
    schema_hash = hashlib.sha256(json.dumps(dict(sorted(schema.items()))).encode()).hexdigest()

    def one(row):
        gaps = {name: row[name] is None or row[name] != row[name] for name in numbers}
        values = {name: 0.0 if gaps[name] else (row[name] - state[name][0]) / state[name][1] for name in numbers}
        hour = pd.Timestamp(row["decision_time"]).tz_convert("America/New_York").hour
        return (values | {f"{name}_missing": gap for name, gap in gaps.items()}
                | {"hour_sin": np.sin(np.pi * hour / 12), "hour_cos": np.cos(np.pi * hour / 12)})

    def batch(df):
        return pd.DataFrame([one(row) for row in df.to_dict("records")], index=df.index)

    def online(row, sent_hash):
        if sent_hash != schema_hash or sorted(row) != sorted(schema):
            raise ValueError("another schema")
        return one(row)

    return batch, online, schema_hash


@fit_bundle.right
def table_first(train, schema):
    numbers = list(schema)
    numbers.remove("decision_time")
    state = train[numbers].agg(["mean", "std"])
    text = "{" + ", ".join(f"{json.dumps(name)}: {json.dumps(schema[name])}" for name in sorted(schema)) + "}"
    digest = hashlib.new("sha256", text.encode()).hexdigest()

    def batch(df):
        out = pd.DataFrame(index=df.index)
        for name in numbers:
            out[name] = df[name].astype(float).sub(state[name]["mean"]).div(state[name]["std"]).fillna(0)
        for name in numbers:
            out[name + "_missing"] = df[name].isna().astype(int)
        turn = np.exp(2j * np.pi / 24 * df["decision_time"].dt.tz_convert("US/Eastern").dt.hour.to_numpy())
        return out.assign(hour_sin=turn.imag, hour_cos=turn.real)

    def online(row, sent):
        if [sent, *sorted(row)] != [digest, *sorted(schema)]:
            raise ValueError(f"this bundle is {digest}")
        return batch(pd.DataFrame({name: [row[name]] for name in schema})).to_dict("records")[0]

    return batch, online, digest
