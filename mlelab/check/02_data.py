"""Checks of lab 2: ingest, contract, join, repair, SQL, event-time windows, statistics in one pass, fingerprint."""

import builtins
import functools
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mlelab import case, data
from mlelab.check.lab import Lab, Trial, differing_rows
from mlelab.check.spy import Spy
from mlelab.pipelines import stream

lab = Lab("02_data")


@lab.exercise("2.1", section="idempotent-ingest", hints=(
    "Three questions: does every line end up somewhere, does a second run change anything, and what does a reader find "
    "if the machine stops while `write` is at work?",
    "Keep all values as text. Hand `write` a path that no reader looks for, such as `target / f\"{file.stem}.tmp\"`, "
    "and call its `.replace(target / f\"{file.stem}.parquet\")` when it is complete."))
def ingest(trial: Trial, answer) -> str:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source"), Path(folder, "target")
        files = _csv_files(trial.rng, source)
        counts = {name: {"rows": len(good), "bad": len(bad)} for name, (_, good, bad) in files.items()}
        call = "ingest(source, target, write), a source of " + ", ".join(f"{name}.csv" for name in files)
        got = trial.call(answer, source, target, pq.write_table)
        trial.require(isinstance(got, dict) and set(got) == set(files), "The manifest has an entry for each CSV file.",
                      call=call, expected=sorted(files), got=sorted(got) if isinstance(got, dict) else got)
        trial.require(got == counts, "Each line is counted: with the rows, or with the bad ones.", mistake="M09",
                      call=call, expected=counts, got=got)
        for name, (_, _, bad) in files.items():
            kept = target / f"{name}.bad"
            trial.require(not bad or (kept.exists() and kept.read_text().splitlines() == bad), "A line that does not "
                          "fit the header is set aside in NAME.bad, as it was.", mistake="M09", call=call,
                          expected=bad, got=kept.read_text().splitlines() if kept.exists() else "no such file")
        _require_tables(trial, target, files, "M41", call)
        again = trial.call(answer, source, target, pq.write_table)
        trial.require(again == counts, "A second run gives the same manifest.", mistake="M21", call=call,
                      expected=counts, got=again)
        _require_tables(trial, target, files, "M21", "ingest a second time")
        _require_whole_files(trial, answer, source, target, files)

    rows, bad, parquet = _ingest_flights(answer)
    return (f"January 2013: {rows:,} rows ingested, {bad} lines set aside, and the Parquet file has {parquet:.0%} of "
            "the size of the CSV file.")


def _csv_files(rng: np.random.Generator, folder: Path) -> dict[str, tuple]:
    """Three CSV files in `folder`, as {name: (columns, rows, bad lines)}: times with leading zeros, a line cut off."""
    folder.mkdir()
    files = {}
    for month, cut in enumerate(rng.permutation(3), start=1):
        rows = [[f"{rng.integers(1, 60):04d}", str(rng.choice(["JFK", "LGA"])), str(rng.integers(-9, 99))]
                for _ in range(4)]
        bad = (["0517,JFK"], ["0523,LGA,4,extra"], [])[cut]
        lines = [",".join(row) for row in rows]
        for line in bad:
            lines.insert(int(rng.integers(len(lines) + 1)), line)
        name = f"2013-{month:02d}"
        (folder / f"{name}.csv").write_text("\n".join(["sched_dep_time,origin,dep_delay", *lines]) + "\n")
        files[name] = (["sched_dep_time", "origin", "dep_delay"], rows, bad)
    return files


def _require_tables(trial: Trial, target: Path, files: dict, mistake: str, call: str) -> None:
    """Each Parquet file holds exactly the good rows of its CSV file, as text, and there is no other one."""
    found = {path.stem for path in target.rglob("*.parquet")}
    trial.require(found == set(files), "There is one Parquet file for each CSV file, NAME.parquet.", call=call,
                  mistake="M21" if found > set(files) else None, expected=sorted(files), got=sorted(found))
    for name, (columns, rows, _) in files.items():
        table = pq.read_table(target / f"{name}.parquet")
        table = table.select([column for column in table.column_names if column in columns])
        kept = [[None if value is None else str(value) for value in row.values()] for row in table.to_pylist()]
        trial.require(len(kept) == len(rows), f"{name}.parquet holds the rows of {name}.csv, once.",
                      mistake="M21" if len(kept) > len(rows) else "M09", call=call, expected=f"{len(rows)} rows",
                      got=f"{len(kept)} rows")
        trial.require(kept == rows, f"{name}.parquet holds the values of {name}.csv as they are, text, zeros at the "
                      "front included.", mistake=mistake, call=call, expected=rows[0], got=kept[0])


def _require_whole_files(trial: Trial, answer, source: Path, target: Path, files: dict) -> None:
    """The machine stops in the middle of a write, on a fresh folder and on one that is full; then it runs again."""
    def stop(table: pa.Table, path) -> None:
        pq.write_table(table, path)
        content = Path(path).read_bytes()
        Path(path).write_bytes(content[:len(content) // 2])
        raise OSError("the machine stopped in the middle of write")

    for folder, before in ((target.with_name("fresh"), set()), (target, set(files))):
        try:
            answer(source, folder, stop)
            trial.wrong("Each table is written by the `write` that is passed in.", mistake="M42")
        except OSError:
            pass
        whole = {path.stem for path in folder.glob("*.parquet") if _is_whole(path)}
        halves = {path.stem for path in folder.glob("*.parquet")} - whole
        call = "ingest(source, target, write), and the machine stops in the middle of the first write"
        trial.require(not halves, "A file with its final name is whole, also when the machine stops while writing.",
                      mistake="M42", call=call, expected="no file, or the one from before", got=f"half of {halves}")
        trial.require(whole >= before, "What was there before the crash is still there after it.", mistake="M42",
                      call=call, expected=sorted(before), got=sorted(whole))
        trial.call(answer, source, folder, pq.write_table)
        _require_tables(trial, folder, files, "M42", "ingest again after the crash")


def _is_whole(path: Path) -> bool:
    try:
        pq.read_table(path)
        return True
    except pa.ArrowInvalid:
        return False


@functools.cache
def _january() -> str:
    flights = data.load("flights")
    return flights[flights["month"] == 1].head(10_000).to_csv(index=False)


def _ingest_flights(answer) -> tuple[int, int, float]:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source"), Path(folder, "target")
        source.mkdir()
        (source / "2013-01.csv").write_text(_january())
        manifest = answer(source, target, pq.write_table)
        size = (target / "2013-01.parquet").stat().st_size / (source / "2013-01.csv").stat().st_size
        return manifest["2013-01"]["rows"], manifest["2013-01"]["bad"], size


@lab.exercise("2.2", section="data-contract", hints=(
    "Go through the rules one by one, always on the whole table, and collect. A comparison with a missing value is "
    "False: ask what is *right*, and report the rest.",
    "For `range`: `right = df[column].between(low, high)`, then `| df[column].isna()` if the rule has `missing_ok`. "
    "For `unique`: `df.duplicated(columns, keep=False)`. Rules about the table give one pair with None."))
def validate(trial: Trial, answer) -> str:
    frame, contract, expected = _broken_table(trial.rng)
    call = f"validate(df, contract), df of {len(frame)} rows and a contract of {len(contract)} rules"
    got = trial.call(answer, frame, contract)
    trial.require(isinstance(got, list) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in got),
                  "The answer is a list of pairs (number of the rule, row label or None).", call=call, got=got)
    trial.require(len(got) == len(set(got)), "Each violation is reported once.", call=call, got=got)
    got = set(got)
    for kind in ("missed", "false alarms"):
        for code, (pairs, says) in expected[kind].items():
            if wrong := pairs - got if kind == "missed" else pairs & got:
                trial.wrong(says, mistake=code, call=call, **_rule_and_rows(frame, contract, wrong))
    extra = got - expected["all"]
    trial.require(not extra, "What keeps every rule is not reported.", call=call, expected="nothing", got=sorted(
        map(str, extra))[:3])
    clean = frame.loc[[label for label in frame.index if label not in {row for _, row in expected["all"]}]]
    clean_rules = [rule for rule in contract if rule["rule"] != "missing"]
    got = trial.call(answer, clean, [rule | {"now": clean["time"].max()} if rule["rule"] == "fresh" else rule
                                     for rule in clean_rules])
    trial.require(got == [], "A table that keeps the contract gives an empty list.", call="validate(clean, contract)",
                  expected=[], got=got)

    weather = trial.table("weather")
    rules = [{"rule": "range", "column": "wind_speed", "low": 0, "high": 100, "missing_ok": True},
             {"rule": "unique", "columns": ["origin", "year", "month", "day", "hour"]},
             {"rule": "unique", "columns": ["origin", "time_hour"]}]
    found = [number for number, _ in answer(weather, rules)]
    return (f"The weather has {found.count(0)} impossible wind and {found.count(1)} rows that share a local hour, of "
            f"the night when the clocks went back; in UTC, {found.count(2)} rows share one.")


def _broken_table(rng: np.random.Generator) -> tuple[pd.DataFrame, list[dict], dict]:
    """A table of readings with planted violations, a contract, and what each mistake misses or reports for nothing."""
    size = 30
    labels = rng.choice(1_000, size, replace=False)
    frame = pd.DataFrame({"origin": rng.choice(["JFK", "LGA"], size), "wind": rng.uniform(3, 20, size).round(1),
                          "time": pd.Timestamp("2013-05-01", tz="UTC") + pd.to_timedelta(np.arange(size), "h"),
                          "temp": rng.uniform(30, 80, size).round(0)}, index=labels)
    (huge, high, low, edge, gust, missing, unknown, no_origin, first, second, empty, also, twice, *_) = labels
    column = frame.columns.get_loc
    for label, name, value in ((huge, "wind", 1048.0), (high, "wind", 140.0), (low, "wind", -3.0),
                               (edge, "wind", 100.0), (gust, "wind", 62.0), (missing, "wind", np.nan),
                               (twice, "wind", -1.0), (unknown, "origin", "XXX"), (no_origin, "origin", None),
                               (twice, "origin", "YYY"), (empty, "temp", np.nan), (also, "temp", np.nan)):
        frame.iloc[frame.index.get_loc(label), column(name)] = value
    frame.loc[second, ["origin", "time"]] = frame.loc[first, ["origin", "time"]].to_numpy()
    now = frame["time"].max() + pd.Timedelta(hours=int(rng.integers(5, 9)))
    contract = [{"rule": "range", "column": "wind", "low": 0, "high": 100, "missing_ok": False},
                {"rule": "one of", "column": "origin", "values": ["JFK", "LGA", "EWR"], "missing_ok": False},
                {"rule": "unique", "columns": ["origin", "time"]},
                {"rule": "missing", "column": "temp", "share": 0.05},
                {"rule": "fresh", "column": "time", "now": now, "hours": 3},
                {"rule": "fresh", "column": "time", "now": now, "hours": 24},
                {"rule": "range", "column": "temp", "low": -40, "high": 130, "missing_ok": True}]
    missed = {
        "M43": ({(0, high), (0, low)}, "What is outside of the contract's limits is reported, whatever the other "
                "values are like."),
        "M33": ({(0, huge), (1, unknown), (0, twice), (1, twice), (3, None)}, "Every rule is applied to every row, "
                "also to a row that has broken another rule."),
        "M08": ({(0, missing), (1, no_origin)}, "A missing value is in no range and is no allowed value, unless the "
                "rule says missing_ok."),
        "M34": ({(2, first), (2, second)}, "All rows that share a key are reported: nobody knows which one is right."),
        "M10": ({(4, None)}, "The newest time may be so many hours before the `now` of the rule, not of this machine."),
    }
    false_alarms = {
        "M31": ({(0, edge)}, "A value that is exactly at a limit is allowed."),
        "M43": ({(0, gust)}, "An extreme value inside of the contract's limits is allowed."),
        "M10": ({(5, None)}, "The newest time may be so many hours before the `now` of the rule, not of this machine."),
        "M08": ({(6, empty), (6, also)}, "With missing_ok a missing value is allowed."),
    }
    pairs = set().union(*(pairs for pairs, _ in missed.values()))
    return frame, contract, {"all": pairs, "missed": missed, "false alarms": false_alarms}


def _rule_and_rows(frame: pd.DataFrame, contract: list[dict], pairs: set) -> dict:
    number = min(number for number, _ in pairs)
    rows = [row for at, row in pairs if at == number and row is not None]
    return {"expected": {"rule number": number, **contract[number]},
            **({"example": frame.loc[rows].head(3)} if rows else {})}


@lab.exercise("2.3", section="keys-and-clocks", hints=(
    "Which columns say *where* and *when*, in a way that is the same in both tables and never occurs twice in "
    "`weather`? Count the rows before and after.",
    "`flights.merge(weather[[\"origin\", \"time_hour\", *READINGS]], on=[\"origin\", \"time_hour\"], how=\"left\", "
    "validate=\"many_to_one\", indicator=True)`; then give it the index of `flights` back."))
def join_weather(trial: Trial, answer) -> str:
    flights, weather, by_local = _night_of_the_clocks(trial.rng)
    call = "join_weather(flights, weather), flights of the night of 3 November 2013"
    got = trial.call(answer, flights, weather)
    trial.require(isinstance(got, pd.DataFrame) and {"temp", "matched"} <= set(got.columns),
                  "The answer is a DataFrame with the columns of flights, the reading temp, and matched.", call=call)
    fan_out = len(by_local)
    trial.require(len(got) == len(flights), "The answer has one row for each flight.", call=call,
                  mistake="M10" if len(got) == fan_out else "M09", expected=f"{len(flights)} rows",
                  got=f"{len(got)} rows")
    trial.require(got.index.equals(flights.index) and got["flight"].tolist() == flights["flight"].tolist(),
                  "The flights keep their order and their index.", mistake="M09", call=call)
    readings = weather.set_index(["origin", "time_hour"])["temp"]
    expected = pd.Series([readings.get(key, np.nan) for key in zip(flights["origin"], flights["time_hour"])],
                         flights.index)
    temp, without = got["temp"].astype(float), expected.isna()
    keys = flights[["origin", "hour", "time_hour"]]
    trial.require(temp[without].isna().all(), "A flight without a reading of its hour has none: its temp is missing.",
                  mistake="M32" if temp[without].isin(weather["temp"]).all() else "M08", call=call,
                  example=keys.assign(expected=expected, got=temp)[without].head(3))
    night = (flights["hour"] == 1) & ~without
    wrong = ~np.isclose(temp, expected, equal_nan=True)
    trial.require(not wrong.any(), "Each flight gets the reading of its airport and of its hour in UTC.",
                  mistake="M10" if wrong[night].any() or not wrong[~night & ~without].all() else "M09", call=call,
                  example=differing_rows(keys, expected, temp))
    trial.require((got["matched"].astype(bool) == ~without).all(), "`matched` is True where there was a reading, and "
                  "False elsewhere.", mistake="M08", call=call,
                  example=differing_rows(keys, ~without, got["matched"]))

    real = answer(trial.table("flights"), trial.table("weather"))
    return (f"{len(real):,} flights stay {len(real):,} flights, and {real['matched'].mean():.2%} of them have a "
            f"reading; an inner join would have lost {(~real['matched'].astype(bool)).sum():,}.")


def _night_of_the_clocks(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Flights and readings around 2013-11-03 06:00 UTC, when local 01:00 comes for the second time.

    The third frame is what a join on local time gives.
    """
    hours = pd.date_range("2013-11-03 03:00", periods=7, freq="h", tz="UTC")
    local = hours.tz_convert("America/New_York")
    clock = pd.DataFrame({"time_hour": hours, "year": local.year, "month": local.month, "day": local.day,
                          "hour": local.hour})
    weather = pd.concat([clock.assign(origin=origin) for origin in ("EWR", "JFK")], ignore_index=True)
    weather["temp"] = rng.choice(60, len(weather), replace=False) + 20.0
    lost = weather[(weather["origin"] == "JFK") & (weather["time_hour"] == hours[-1])].index
    flights = weather.drop(columns="temp").sample(frac=1, random_state=rng)
    flights.index = pd.Index(rng.choice(1_000, len(flights), replace=False), name="row")
    flights.insert(0, "flight", rng.choice(1_000, len(flights), replace=False))
    weather = weather.drop(lost).sample(frac=1, random_state=rng, ignore_index=True)
    keys = ["origin", "year", "month", "day", "hour"]
    return flights, weather, flights.merge(weather[[*keys, "temp"]], on=keys, how="left")


@lab.exercise("2.4", section="repair-with-evidence", hints=(
    "Decide first, with the limit alone, which values are impossible. Only then compute anything, from what is left, "
    "and only from the training months.",
    "`bad = weather[\"wind_speed\"] > limit`; `weather.assign(wind_speed=weather[\"wind_speed\"].mask(bad), "
    "wind_was_impossible=bad)`; mean and std of the rows with `time_hour < train_end`."))
def clean_wind(trial: Trial, answer) -> str:
    weather, limit, train_end = _winds(trial.rng)
    call = f"clean_wind(weather, limit={limit:g}, train_end={train_end:%Y-%m-%d})"
    got = trial.call(answer, weather, limit, train_end)
    trial.require(isinstance(got, tuple) and len(got) == 2 and isinstance(got[0], pd.DataFrame)
                  and isinstance(got[1], dict), "The answer is a pair: a DataFrame and a report, a dict.", call=call)
    clean, report = got
    trial.require(clean.index.equals(weather.index), "Each hour stays: its temperature is still good.", mistake="M09",
                  call=call, expected=f"{len(weather)} rows", got=f"{len(clean)} rows")
    wind = weather["wind_speed"]
    bad, edge = wind > limit, wind == limit
    train = weather["time_hour"] < train_end
    now = pd.DataFrame({"wind_speed": wind, "now": clean["wind_speed"]})
    filled = clean["wind_speed"][bad]
    trial.require(clean["wind_speed"][edge].notna().all(), "A value exactly at the limit is possible.", mistake="M31",
                  call=call, example=now[edge].head(3))
    kept = ~bad & wind.notna()
    trial.require(np.allclose(clean["wind_speed"][kept], wind[kept]), "A value within the limit stays as it is, "
                  "however rare.", mistake="M43", call=call, example=differing_rows(now[["wind_speed"]][kept],
                                                                                    wind[kept],
                                                                            clean["wind_speed"][kept]))
    learned = any(np.isclose(filled, mean).any() for mean in (wind.mean(), wind[train].mean()))
    trial.require(filled.isna().all(), "An impossible value becomes a missing one: what the wind was, nobody knows.",
                  mistake="M43" if learned else "M44", call=call, example=now[bad].head(3), expected="missing")
    flag = clean.get("wind_was_impossible")
    trial.require(flag is not None and (flag.astype(bool) == bad).all(), "`wind_was_impossible` is True for exactly "
                  "the rows that were changed.", mistake="M44", call=call)
    trial.require(clean["wind_speed"][wind.isna()].isna().all(), "A value that was missing stays missing.",
                  mistake="M08", call=call)
    right = {"impossible": int(bad.sum()), "mean": wind[train & ~bad].mean(), "sd": wind[train & ~bad].std()}
    trial.require(set(right) <= set(report) and report["impossible"] == right["impossible"],
                  "The report says how many values were impossible, and mean and sd of the rest.", mistake="M44",
                  call=call, expected=right, got=report)
    for statistic, function in (("mean", pd.Series.mean), ("sd", pd.Series.std)):
        wrong = {"M02": function(wind[~bad]), "M43": function(wind[train])}
        mistake = next((code for code, value in wrong.items() if np.isclose(report[statistic], value)), None)
        trial.require(np.isclose(report[statistic], right[statistic]), f"The {statistic} comes from the possible "
                      "values before train_end alone.", mistake=mistake, call=call, expected=round(right[statistic], 3),
                      got=round(float(report[statistic]), 3))

    real = trial.table("weather")
    _, report = answer(real, 100.0, case.VALIDATION_START)
    return (f"{report['impossible']} impossible wind. From January to August the standard deviation is "
            f"{real['wind_speed'][real['time_hour'] < case.VALIDATION_START].std():.2f} mile/h with it and "
            f"{report['sd']:.2f} without.")


def _winds(rng: np.random.Generator) -> tuple[pd.DataFrame, float, pd.Timestamp]:
    """Fifty hours of wind: two impossible values in training, one later, an honest extreme, one at the limit."""
    limit = float(rng.choice([90.0, 110.0, 130.0]))
    wind = rng.uniform(0, 25, 50).round(1)
    wind[[3, 12, 40]] = [1048.0, 300.0 + rng.integers(50), 700.0]
    wind[[7, 8, 9]] = [limit, np.nan, limit - 12]
    wind[30:] += 8.0  # the later months are windier
    wind[40] = 700.0
    hours = pd.Timestamp("2013-08-01", tz="UTC") + pd.to_timedelta(np.arange(50), "D")
    frame = pd.DataFrame({"wind_speed": wind, "temp": rng.uniform(40, 80, 50).round(0), "time_hour": hours})
    frame.index = rng.choice(1_000, 50, replace=False)
    return frame, limit, hours[30]


@lab.exercise("2.5", section="sql-and-columns", hints=(
    "First one row for each day: how many flights with an arrival, how many of them late. Everything else is a sum of "
    "those two over a window, divided.",
    "`WHERE arr_delay IS NOT NULL AND carrier IN (SELECT carrier FROM partners) GROUP BY day` makes the days; then "
    "`SUM(late) OVER (ORDER BY day RANGE BETWEEN INTERVAL 6 DAYS PRECEDING AND CURRENT ROW)`."))
def late_rate_sql(trial: Trial, answer) -> str:
    flights, partners = _days(trial.rng)
    sql = trial.call(answer)
    trial.require(isinstance(sql, str), "The answer is a query, a str.", got=type(sql).__name__)
    got = _rates_of(trial, sql, flights, partners)
    right = {None: _rates(flights, partners)}
    rates = right | {
        "M08": _rates(flights.fillna({"arr_delay": 0}), partners),
        "M09": _rates(flights.merge(partners, on="carrier"), partners),
        "M31": _rates(flights, partners, over=30), "M07": _rates(flights, partners, mean_of_days=True),
        "M10": _rates(flights, partners, by_rows=True),
        "M32": _rates(flights, flights[["carrier"]]),
    }
    expected = right[None]
    call = f"your query on {len(flights)} flights and {len(partners)} contracts"
    trial.require(got["day"].tolist() == expected["day"].tolist(), "There is one row for each day on which a flight of "
                  "a partner arrived, in order.", call=call,
                  mistake="M08" if set(got["day"]) == set(rates["M08"]["day"]) else "M09",
                  expected=f"{len(expected)} days", got=f"{len(got)} days")
    for column, says in (("month_rate", "month_rate is the late share of all partner flights of the day's month that "
                          "arrived."), ("week_rate", "week_rate is the late share of the partner flights that arrived "
                                        "on the day or the six days before it, whether or not each day has flights.")):
        same = np.allclose(got[column].astype(float), expected[column])
        mistake = None if same else next((code for code, wrong in rates.items() if code and len(wrong) == len(got)
                                          and np.allclose(wrong[column], got[column].astype(float))), None)
        trial.require(same, says, mistake=mistake, call=call, example=differing_rows(
            expected[["day"]], expected[column].round(4), got[column].astype(float).round(4)))

    flights = trial.table("flights")
    flights = flights[(flights["month"] == 2) & (flights["carrier"] == "B6")]
    days = pd.DataFrame({"day": pd.to_datetime(flights[["year", "month", "day"]]).dt.date, "carrier": "B6",
                         "arr_delay": flights["arr_delay"]})
    real = _rates_of(trial, sql, days, pd.DataFrame({"carrier": ["B6"], "contract": [1]}))
    worst = real.loc[real["week_rate"].idxmax()]
    return (f"JetBlue in February: {worst['month_rate']:.1%} late over the month, and {worst['week_rate']:.1%} in the "
            f"worst seven days, which ended on {worst['day']:%d %B}.")


def _days(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Flights of two months without some days, unequal days, missing arrivals, delays of 30; contracts with repeats."""
    days = pd.date_range("2013-01-20", "2013-02-12").date
    days = [day for day in days if day.day not in (23, 24, 25, 30, 3, 9)]
    rows = [(day, carrier, delay) for day in days for carrier in ("AA", "UA", "EV")
            for delay in rng.choice([-5.0, 10.0, 30.0, 31.0, 90.0, np.nan], rng.integers(1, 7))]
    rows += [(days[0], carrier, 30.0) for carrier in ("AA", "UA")]
    cancelled = [row[:2] + (np.nan,) for row in rows if row[0] == days[-1]]
    rows = [row for row in rows if row[0] != days[-1]] + cancelled
    partners = pd.DataFrame({"carrier": ["AA", "AA", "AA", "UA"], "contract": [1, 2, 3, 4]})
    return pd.DataFrame(rows, columns=["day", "carrier", "arr_delay"]).sample(frac=1, random_state=rng), partners


def _rates_of(trial: Trial, sql: str, flights: pd.DataFrame, partners: pd.DataFrame) -> pd.DataFrame:
    """What a query answers on these tables, in a DuckDB of its own."""
    with duckdb.connect() as database:
        database.register("flights", flights)
        database.register("partners", partners)
        try:
            rows = database.execute(sql).df()
        except duckdb.Error as error:
            trial.wrong(f"DuckDB does not run the query: {str(error).splitlines()[0]}.")
    names = ["day", "month_rate", "week_rate"]
    trial.require(set(names) <= set(rows.columns), "The query gives the columns day, month_rate and week_rate.",
                  expected=names, got=list(rows.columns))
    return rows.assign(day=pd.to_datetime(rows["day"]).dt.date)[names]


def _rates(flights, partners, over: float = 29.5, mean_of_days: bool = False, by_rows: bool = False) -> pd.DataFrame:
    """The same in pandas; the switches make the typical mistakes."""
    ours = flights[flights["carrier"].isin(partners["carrier"]) & flights["arr_delay"].notna()]
    late = ours["arr_delay"] > over
    daily = pd.DataFrame({"flights": late.groupby(ours["day"]).size(), "late": late.groupby(ours["day"]).sum()})
    daily.index = pd.to_datetime(daily.index)
    if mean_of_days:
        daily = pd.DataFrame({"flights": 1, "late": daily["late"] / daily["flights"]})
    month = daily.groupby(daily.index.to_period("M")).transform("sum")
    week = daily.rolling(7 if by_rows else "7D", min_periods=1).sum()
    return pd.DataFrame({"day": daily.index.date, "month_rate": (month["late"] / month["flights"]).to_numpy(),
                         "week_rate": (week["late"] / week["flights"]).to_numpy()})


@lab.exercise("2.6", section="event-time", hints=(
    "Go through the events once, in the order of arrival. Carry three things: the ids that you have seen, the latest "
    "event time so far, and the counts.",
    "The window of an event starts at `time // width * width`. It is too late if the watermark, *before* this event, "
    "is greater than `start + width + allowed_lateness`. Raise the watermark afterwards."))
def tumbling(trial: Trial, answer) -> str:
    width, lateness = int(trial.rng.choice([60, 100])), int(trial.rng.choice([20, 30]))
    events = _stream(trial.rng, width, lateness)
    call = f"tumbling(events, width={width}, allowed_lateness={lateness}), {len(events)} events"
    got = trial.call(answer, events, width, lateness)
    trial.require(isinstance(got, tuple) and len(got) == 2 and isinstance(got[0], dict), "The answer is a pair: a dict "
                  "of counts by start of window, and the number of events that were too late.", call=call, got=got)
    expected = _windows(events, width, lateness)
    wrong = {"M10": _windows([(name, arrival, arrival) for name, _, arrival in events], width, lateness),
             "M21": _windows([((name, place), time, arrival) for place, (name, time, arrival) in enumerate(events)],
                             width, lateness),
             "M09": _windows(events, width, -width), "M31": _windows(events, width, lateness - 1e-9),
             "M34": _windows(sorted(events, key=lambda event: event[1]), width, lateness)}
    wrong["M09 "] = _windows(events, width, 0)
    mistake = next((code.strip() for code, answer in wrong.items() if answer == got), None)
    mistake = mistake or ("M09" if got[0] == expected[0] else None)
    trial.require(got == expected, "Each event counts once, in the window of its own time, unless the watermark had "
                  "passed the window's end by more than the allowed lateness.", mistake=mistake, call=call,
                  example=pd.DataFrame(events, columns=["id", "time", "arrival"]).head(3), expected=expected, got=got)
    shuffled = [events[place] for place in trial.rng.permutation(len(events))]
    calm = trial.call(answer, events, width, 10**6), trial.call(answer, [*shuffled, *events[:4]], width, 10**6)
    trial.require(calm[0] == calm[1], "With enough lateness neither the order of arrival nor a second delivery changes "
                  "anything.", mistake="M34", call=call, expected=calm[0], got=calm[1])

    real = stream.events(stream.reports(trial.table("flights"), "2013-02-08"))
    counts, late = answer(real, 3600, 3600)
    return (f"On a stormy day, 8 February, {sum(counts.values())} of {len({name for name, *_ in real})} departures "
            f"were counted in their hour, and {late} reports came too late.")


def _stream(rng: np.random.Generator, width: int, lateness: int) -> list[tuple[str, int, int]]:
    """Events (id, time, arrival) in order of arrival: out of order, delivered twice, late, exactly so, too late."""
    steady = [(int(time), int(time + rng.integers(0, 15))) for time in np.sort(rng.integers(0, 5 * width, 14))]
    top = 5 * width + 5
    late = [(top, top), (4 * width + 1, top + 2)]  # its window is over, and still waits
    at_limit = 6 * width + lateness
    late += [(at_limit, at_limit), (6 * width - 1, at_limit + 1), (6 * width - 2, at_limit + 2), (3, at_limit + 3)]
    events = [(f"e{place}", time, arrival) for place, (time, arrival) in enumerate([*steady, *late])]
    again = [(name, time, arrival + int(rng.integers(1, 9))) for name, time, arrival in (events[2], events[5],
                                                                                        events[-1], events[-2])]
    return sorted(events + again, key=lambda event: event[2])


def _windows(events, width: int, lateness: float) -> tuple[dict, int]:
    counts, late, seen, watermark = {}, 0, set(), -np.inf
    for name, time, _ in events:
        if name not in seen:
            seen.add(name)
            start = time // width * width
            if watermark > start + width + lateness:
                late += 1
            else:
                counts[start] = counts.get(start, 0) + 1
        watermark = max(watermark, time)
    return counts, late


@lab.exercise("2.7", section="larger-than-memory", hints=(
    "Carry three numbers from chunk to chunk, so that two halves can be put together exactly: how many, their mean, "
    "and the sum of squared distances from that mean.",
    "With `delta = mean_b - mean_a` and `n = n_a + n_b`: the mean moves by `delta * n_b / n`, and the sum of squares "
    "is `ss_a + ss_b + delta**2 * n_a * n_b / n`. Divide by `n - 1` at the end."))
def merge_stats(trial: Trial, answer) -> str:
    values = trial.rng.normal(trial.rng.uniform(5, 20), 30, 200)
    values[trial.rng.choice(100, 20, replace=False)] = np.nan
    cuts = np.sort(trial.rng.choice(np.arange(10, 190, 10), 6, replace=False))
    chunks = [*np.split(values, cuts), np.array([]), np.full(5, np.nan)]
    known = values[~np.isnan(values)]
    call = f"merge_stats(chunks), chunks of {[len(chunk) for chunk in chunks]} values"
    got = trial.call(answer, spy := Chunks(chunks))
    trial.require(isinstance(got, tuple) and len(got) == 3, "The answer is a tuple (n, mean, variance).", call=call,
                  got=got)
    got = tuple(float(value) for value in got)
    trial.require(spy.started == 1, "The chunks are read once: a stream does not start again.", mistake="M45",
                  call=call, expected="1 time", got=f"{spy.started} times")
    trial.require(spy.held <= 3, "At most a few chunks are held at the same time.", mistake="M45", call=call,
                  expected="one or two", got=f"{spy.held} of {len(chunks)}")
    full = [chunk[~np.isnan(chunk)] for chunk in chunks if (~np.isnan(chunk)).any()]
    zeros = np.nan_to_num(np.concatenate(chunks))
    right = (len(known), known.mean(), known.var(ddof=1))
    trial.require(got[0] == right[0], "n counts the values that are there.", call=call, expected=right[0], got=got[0],
                  mistake="M08" if got[0] == len(zeros) else "M09")
    for place, name, mistakes in (
            (1, "mean", {"M07": np.mean([chunk.mean() for chunk in full]), "M08": zeros.mean(),
                         "M36": known.sum() / len(zeros)}),
            (2, "variance", {"M07": np.mean([chunk.var(ddof=1) for chunk in full]), "M36": known.var(),
                             "M07 ": np.average([chunk.var(ddof=1) for chunk in full], weights=list(map(len, full)))})):
        mistake = next((code.strip() for code, value in mistakes.items() if np.isclose(got[place], value)), None)
        trial.require(np.isclose(got[place], right[place]), f"The {name} is that of all values together, however they "
                      "were cut.", mistake=mistake, call=call, expected=round(right[place], 4),
                      got=round(got[place], 4))
    delays = data.load("flights", ["dep_delay"])["dep_delay"].to_numpy()
    pieces = [delays[at:at + 50_000] for at in range(0, len(delays), 50_000)]
    n, mean, variance = answer(iter(pieces))
    of_means = np.mean([np.nanmean(piece) for piece in pieces])
    return (f"{n:,.0f} departures, mean delay {mean:.3f} minutes, standard deviation {variance ** 0.5:.3f}; the mean "
            f"of the means of chunks of 50,000 rows would have been {of_means:.3f}.")


class Chunks(Spy):
    """An iterable of arrays that counts how often it was started, and how many of its arrays were held at once."""

    def __init__(self, chunks: list[np.ndarray]):
        self._chunks, self.started, self.held = chunks, 0, 0

    def __iter__(self):
        self.started += 1
        given = []
        for values in self._chunks if self.started == 1 else []:
            chunk = _Chunk(values.shape)
            chunk[:], chunk.kept = values, []
            chunk.kept.append(weakref.ref(chunk))
            given.append(chunk.kept)
            self.held = max(self.held, sum(any(array() is not None for array in kept) for kept in given))
            yield chunk
            del chunk


class _Chunk(np.ndarray):
    """An array that keeps an eye on the arrays made from it, as long as they hold more than one value."""

    kept = None

    def __array_finalize__(self, made_from):
        self.kept = getattr(made_from, "kept", None)
        if self.kept is not None and self.size > 1:
            self.kept.append(weakref.ref(self))


@lab.exercise("2.8", section="data-versions", hints=(
    "Bring the table into one fixed form first: columns by name, rows by content, types written down. Then hash that "
    "form, all of it.",
    "`pd.util.hash_pandas_object(df[sorted(df.columns)], index=False)` gives each row a number that is the same "
    "everywhere. Sort these numbers, and hash their bytes and the list of names and types with `hashlib.sha256`."))
def fingerprint(trial: Trial, answer) -> str:
    table = _table(trial.rng)
    call = f"fingerprint(df), df of {len(table)} rows"
    first = trial.call(answer, table)
    trial.require(isinstance(first, str) and first, "The answer is a str.", call=call, got=first)
    trial.require(trial.call(answer, table) == first, "The same table has the same fingerprint whenever you ask.",
                  mistake="M21", call=call)
    with _another_process():
        elsewhere = trial.call(answer, table)
    trial.require(elsewhere == first, "Another process gives the same fingerprint: Python's own `hash` of a text is "
                  "different in each.", mistake="M21", call=call, expected=first[:16], got=elsewhere[:16])
    same = {"rows in another order": table.sample(frac=1, random_state=trial.rng, ignore_index=True),
            "columns in another order": table[["delay", "carrier", "code"]]}
    for what, other in same.items():
        trial.require(trial.call(answer, other) == first, f"The fingerprint does not depend on order: {what}.",
                      mistake="M34", call=call)
    middle = table.copy()
    middle.loc[len(table) // 2, "delay"] += 1
    cell = {"one value in the middle": (middle, "M33"), "a column that is called otherwise":
            (table.rename(columns={"delay": "dep_delay"}), "M32"),
            "a row that is there twice more": (pd.concat([table, table[:1], table[:1]], ignore_index=True), "M09"),
            "numbers that became texts": (table.assign(code=table["code"].astype(str)), "M41")}
    for what, (other, mistake) in cell.items():
        trial.require(trial.call(answer, other) != first, f"The fingerprint changes with the content: {what}.",
                      mistake=mistake, call=call, expected="another fingerprint", got="the same")

    airlines = trial.table("airlines")
    return f"The version of airlines is {answer(airlines)[:12]}…, here and on every other machine with these libraries."


def _table(rng: np.random.Generator) -> pd.DataFrame:
    size = int(rng.integers(150, 250))
    return pd.DataFrame({"carrier": rng.choice(["AA", "UA", "EV"], size), "code": rng.integers(1, 9_999, size),
                         "delay": rng.normal(10, 30, size).round(1)})


def _another_process():
    """As if Python had been started again: the built-in `hash` of everything is another."""
    built_in: Callable = builtins.hash
    return patch.object(builtins, "hash", lambda value: built_in((built_in(value), "another process")))
