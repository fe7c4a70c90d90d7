"""The pipeline that each engine runs: flights with the weather known at the decision, and late flights by week.

From a folder of flights as `scale.make` writes it, to two tables below `out`:

    known/month=M/*.parquet   every flight with the newest weather reading of its airport two hours before departure
    weeks/*.parquet           for each carrier and day, arrived and late flights of seven days

A reading of the hour h is known at h + 1, so a flight that leaves in the hour h sees that of h - 3 at the newest. Hours
are counted from the beginning of 2013 in local time, since resampled days have another date: for load, never for
quality. `python -m mlelab.pipelines.asof TOOL FLIGHTS WEATHER OUT` runs one tool and prints its seconds and memory.
"""

import hashlib
import json
import sys
import time
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

from mlelab import data

COLUMNS = ["year", "month", "day", "carrier", "flight", "origin", "hour", "arr_delay"]
READINGS = ["temp", "wind_speed", "visib"]
DAILY = {"arrived": "count", "late": "sum"}
KNOWN = ["year", "carrier", "flight", "origin", "known_at", "late", *READINGS, "month"]
PREPARE, WEEKS = (files("mlelab.pipelines").joinpath(name).read_text() for name in ("prepare.sql", "seven_days.sql"))
FIRST = np.concatenate([[0], pd.date_range("2013-01-01", "2013-12-01", freq="MS").day_of_year - 1])  # by month: its day


def write_weather(path: Path) -> Path:
    """Readings by origin and hour of the year, `known_at`; of the hour that came twice in November, the second."""
    weather = data.load("weather").sort_values("time_hour", kind="stable")
    weather["known_at"] = 24 * (FIRST[weather["month"]] + weather["day"] - 1) + weather["hour"]
    weather = weather.drop_duplicates(["origin", "known_at"], keep="last").sort_values(["known_at", "origin"])
    weather[["origin", "known_at", *READINGS]].to_parquet(path, index=False)
    return path


def with_pandas(folder: Path, weather: Path, out: Path) -> None:
    flights = _prepare(pd.read_parquet(folder, columns=COLUMNS))
    known = _join(flights, pd.read_parquet(weather))
    known.to_parquet(out / "known", partition_cols=["month"], index=False)
    _write_weeks(flights.groupby(["carrier", "date"], as_index=False).agg(DAILY), out)


def _prepare(flights: pd.DataFrame) -> pd.DataFrame:
    of_year = FIRST[flights["month"]] + flights["day"] - 1
    late = (flights["arr_delay"] >= 30).where(flights["arr_delay"].notna()).astype("Int32")
    return flights.assign(known_at=24 * of_year + flights["hour"] - 3, late=late, arrived=late,
                          date=365 * (flights["year"] - 2013) + of_year)


def _join(flights: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    return pd.merge_asof(flights.sort_values("known_at", kind="stable"), weather, on="known_at", by="origin")[KNOWN]


def _write_weeks(daily: pd.DataFrame, out: Path) -> None:
    """Sums over the days up to six before; days without flights are no rows, so rows cannot be counted."""
    daily = daily.sort_values(["carrier", "date"], ignore_index=True)
    time = pd.Timestamp(0) + pd.to_timedelta(daily["date"], unit="D")
    sums = daily.set_index(pd.DatetimeIndex(time)).groupby("carrier")[["arrived", "late"]].rolling("7D").sum()
    weeks = daily[["carrier"]].assign(day=daily["date"], **{name: sums[name].to_numpy().astype(int) for name in sums})
    weeks.to_parquet(_made(out / "weeks") / "all.parquet", index=False)


def with_duckdb(folder: Path, weather: Path, out: Path) -> None:
    import duckdb

    with duckdb.connect() as database:
        database.execute("SET preserve_insertion_order = false")  # rows may lie in any order: less to hold in memory
        database.execute(f"CREATE VIEW raw AS SELECT * FROM '{folder}/*.parquet'")
        database.execute(f"CREATE VIEW flights AS {PREPARE}")
        database.execute(f"""COPY (SELECT year, carrier, flight, origin, flights.known_at, late, temp, wind_speed,
            visib, month FROM flights ASOF LEFT JOIN '{weather}' weather USING (origin, known_at))
            TO '{out}/known' (FORMAT parquet, PARTITION_BY (month))""")
        _made(out / "weeks")
        database.execute(f"COPY ({WEEKS}) TO '{out}/weeks/all.parquet' (FORMAT parquet)")


def with_beam(folder: Path, weather: Path, out: Path) -> None:
    """Batches of rows: each worker holds the readings and joins its batches by pandas; Beam adds the days up."""
    from mlelab.pipelines.flights import beam

    readings = pd.read_parquet(weather)

    def join(batch):
        flights = _prepare(batch.to_pandas())
        name = f"{hashlib.sha256(pd.util.hash_pandas_object(flights).to_numpy()).hexdigest()[:12]}.parquet"
        for month, part in _join(flights, readings).groupby("month"):  # a batch that comes again writes the same files
            part.drop(columns="month").to_parquet(_made(out / "known" / f"month={month}") / name, index=False)
        daily = flights.groupby(["carrier", "date"], as_index=False).agg(DAILY)
        for carrier, date, arrived, late in daily.itertuples(index=False):
            yield (carrier, date), (int(arrived), int(late))

    _made(out)
    with beam.Pipeline("FnApiRunner", beam.options.pipeline_options.PipelineOptions([])) as pipeline:
        batches = pipeline | beam.io.ReadFromParquetBatched(f"{folder}/*.parquet", columns=COLUMNS)
        sums = batches | beam.FlatMap(join) | beam.CombinePerKey(lambda parts: tuple(map(sum, zip(*parts))) or (0, 0))
        lines = sums | beam.MapTuple(lambda key, sums: json.dumps([*key, *sums]))
        lines | beam.io.WriteToText(f"{out}/daily", num_shards=1, shard_name_template="")
    daily = [json.loads(line) for line in (out / "daily").read_text().splitlines()]
    _write_weeks(pd.DataFrame(daily, columns=["carrier", "date", "arrived", "late"]), out)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


TOOLS = {"pandas": with_pandas, "DuckDB": with_duckdb, "Beam, batches": with_beam}


def fingerprints(out: Path) -> dict[str, str]:
    """What the two tables below `out` hold: for each the number of rows and a hash of them, in any order.

    Always computed by DuckDB, whoever wrote the files, so that only the rows can differ.
    """
    import duckdb

    found = {}
    with duckdb.connect() as database:
        for name, columns in (("known", KNOWN), ("weeks", ["carrier", "day", "arrived", "late"])):
            row = " || '|' || ".join(f"coalesce(CAST({column} AS VARCHAR), '')" for column in columns)
            rows, total = database.execute(f"""SELECT count(*), sum(md5_number_lower({row})::HUGEINT) FROM
                read_parquet('{out}/{name}/**/*.parquet', hive_partitioning = {name == "known"})""").fetchone()
            found[name] = f"{rows}-{total % 2**64:016x}"
    return found


def main(tool: str, folder: str, weather: str, out: str) -> None:
    from mlelab.pipelines import flights, scale  # noqa: F401  what it imports is not measured

    begun = time.perf_counter()
    TOOLS[tool](Path(folder), Path(weather), Path(out))
    print(json.dumps({"seconds": round(time.perf_counter() - begun, 2), "peak_mib": round(scale.peak())}))


if __name__ == "__main__":
    main(*sys.argv[1:])
