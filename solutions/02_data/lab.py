# %% [markdown]
# # Lab 2: data pipelines
#
# Chapter 1 took its tables from a shelf. Here you build the shelf: files that survive a crash, a contract that finds
# what is wrong, a join that loses nobody, a query, a stream, and a version number for the result. After each exercise
# you meet the tool that does the same at work.

# %%
import hashlib
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from importlib.resources import files
from pathlib import Path

import duckdb
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet as pq
import sqlglot
from IPython.display import HTML

# %%
from mlelab import case, data, figure
from mlelab.pipelines import stream

flights, weather, planes = data.load("flights"), data.load("weather"), data.load("planes")
scratch = Path(tempfile.mkdtemp())

# %% [markdown]
# ## 1. From files to a table that can be trusted
#
# The airport delivers one CSV file a month. A CSV file does not say what its values are. A worked example with three
# lines; one of them was cut off on its way. **Predict:** what will a reader that guesses make of `0517`?

# %%
lines = ["sched_dep_time,origin,dep_delay", "0517,JFK,4", "0523,LGA", "0540,EWR,-2"]
names, *rows = [line.split(",") for line in lines]
fits = [row for row in rows if len(row) == len(names)]
pd.DataFrame(fits, columns=names).assign(guessed=lambda table: pd.to_numeric(table["sched_dep_time"]))

# %% [markdown]
# `0517` is a time, seventeen minutes past five. As a number it is five hundred and seventeen. An ingest keeps text, and
# leaves types to a later step that knows them.
#
# ### Exercise 2.1: an ingest that may run twice (2 points)
#
# Write `ingest`. It will run again tomorrow, and it may be stopped in the middle of `write`: then a reader must find
# the old file or none, never half a file.

# %% exercise="2.1"
def ingest(
    source: Path, target: Path, write: Callable[[pa.Table, Path], None]
) -> dict[str, dict[str, int]]:
    """Turn each NAME.csv in `source` into NAME.parquet and NAME.bad in `target`.

    target: a folder that may not exist yet; the folder above it does.
    NAME has no dot. Files have a header of two names or more; lines end with a line
    feed, the last one perhaps not; no line is empty; no value holds a comma, a
    quotation mark or a line break of any kind. All values stay text, with their blanks;
    a column without a row may have any type. A line with more or fewer values than the
    header goes to NAME.bad as it is, one line each, in order. Run again, it replaces
    what it made. The files in `source` stay as they are.
    write(table, path): writes a table as Parquet, and may stop half-way with an error,
      which is passed on. `path` is in `target`, so that it can be renamed.
    A file NAME.parquet is whole at any time, and once there, it is there at any time.
    Returns {NAME: {"rows": how many rows NAME.parquet has, "bad": how many lines
    NAME.bad}}.
    """
    ### BEGIN SOLUTION
    target.mkdir(exist_ok=True)
    manifest = {}
    for file in sorted(source.glob("*.csv")):
        header, *lines = file.read_text().splitlines()
        names = header.split(",")
        good = [line.split(",") for line in lines if line.count(",") == len(names) - 1]
        bad = [line for line in lines if line.count(",") != len(names) - 1]
        columns = {name: pa.array([row[place] for row in good], pa.string())
                   for place, name in enumerate(names)}
        unfinished = target / f"{file.stem}.tmp"
        write(pa.table(columns), unfinished)
        (target / f"{file.stem}.bad").write_text("\n".join(bad))
        unfinished.replace(target / f"{file.stem}.parquet")
        manifest[file.stem] = {"rows": len(good), "bad": len(bad)}
    return manifest
    ### END SOLUTION

# %% check="2.1" points=2
check.ingest(ingest)

# %% [markdown]
# **What you should have seen.** The year as twelve CSV files, ingested twice:

# %%
delivered = scratch / "delivered"
delivered.mkdir()
for month, part in flights.groupby("month"):
    pa.csv.write_csv(pa.Table.from_pandas(part, preserve_index=False), delivered / f"2013-{month:02d}.csv",
                     pa.csv.WriteOptions(quoting_style="none"))
first, second = (ingest(delivered, scratch / "raw", pq.write_table) for _ in range(2))
print(f"{sum(month['rows'] for month in first.values()):,} rows; the second run changes nothing: {first == second}")

# %% [markdown]
# **At work** you would let a library do the writing. pyarrow writes one folder for each value of a column, a
# *partition*, and a query on July then reads July only. `delete_matching` is its word for "replace, do not append".

# %%
table = pa.Table.from_pandas(flights, preserve_index=False)
for _ in range(2):
    pa.dataset.write_dataset(table, scratch / "by_month", format="parquet", partitioning=["month"],
                             partitioning_flavor="hive", existing_data_behavior="delete_matching")
by_month = pa.dataset.dataset(scratch / "by_month", partitioning="hive")
july = by_month.to_table(filter=pa.dataset.field("month") == 7, columns=["arr_delay"])
sizes = {name: sum(file.stat().st_size for file in (scratch / name).rglob("*.*")) for name in ("delivered", "by_month")}
print(f"{by_month.count_rows():,} rows after two runs, {july.num_rows:,} of them read for July")
print(f"CSV {sizes['delivered'] / 1e6:.0f} MB, Parquet {sizes['by_month'] / sizes['delivered']:.0%} of that")

# %% [markdown]
# pyarrow knows types, and it can set bad lines aside: `invalid_row_handler` is called for each. DuckDB keeps a table of
# rejected lines with the reason. The worked example from above, by both:

# %%
aside, example = [], scratch / "example.csv"
example.write_text("\n".join(lines))


def set_aside(row) -> str:
    aside.append(row.text)
    return "skip"


kept = pa.csv.read_csv(example, parse_options=pa.csv.ParseOptions(invalid_row_handler=set_aside),
                       convert_options=pa.csv.ConvertOptions(column_types={"sched_dep_time": pa.string()}))
text = dict.fromkeys(kept.column_names, "VARCHAR")
by_duckdb = duckdb.execute(f"SELECT * FROM read_csv('{example}', columns = {text}, store_rejects = true)").fetchall()
rejected = duckdb.execute("SELECT line, csv_line, error_type FROM reject_errors").fetchall()
print(f"pyarrow keeps {kept.num_rows} rows and sets aside {aside}")
print(f"DuckDB keeps {len(by_duckdb)} rows and rejects {rejected}")

# %%
# claim: it can set bad lines aside
# unless: aside = []
assert aside == [lines[2]] and kept.num_rows == 2

# claim: DuckDB keeps a table of rejected lines with the reason
# unless: rejected = []
assert [row[1] for row in rejected] == [lines[2]] and len(by_duckdb) == 2

# %% [markdown]
# What neither does for you is the rename at the end. With object storage, a table format such as Apache Iceberg takes
# care of it.
#
# ## 2. A contract
#
# Producer and consumer agree on what a table promises, as data that both can read. A worked example: one rule, one
# column. **Predict:** how many of the 26,115 readings break it?

# %%
rule = {"rule": "range", "column": "wind_speed", "low": 0, "high": 100}
wind = weather["wind_speed"]
print("below or above:", int(((wind < rule["low"]) | (wind > rule["high"])).sum()))
print("not between:   ", int((~wind.between(rule["low"], rule["high"])).sum()))

# %% [markdown]
# The two numbers differ by the missing value: a comparison with a missing value is False, whichever way you ask.
# A contract has to say whether missing is allowed.
#
# ### Exercise 2.2: enforce a contract (2 points)

# %% exercise="2.2"
def validate(df: pd.DataFrame, contract: list[dict]) -> list[tuple[int, object]]:
    """All violations of a contract, as pairs (number of the rule, row label or None).

    contract: rules, each a dict, numbered from 0. About rows, named by the index of df:
      {"rule": "range", "column", "low", "high", "missing_ok"}: the value is from low to
        high, both included;
      {"rule": "one of", "column", "values", "missing_ok"}: the value is one of values;
      {"rule": "unique", "columns"}: no other row has the same values in columns, which
        have no missing ones; all rows that share them are reported.
    A missing value breaks the first two unless missing_ok. About the table, with None
    for the row:
      {"rule": "missing", "column", "share"}: at most this share of the values is
        missing;
      {"rule": "fresh", "column", "now", "hours"}: the latest time is at most so many
        hours before now; times have a time zone.
    A table without rows breaks both of them, and one without a time is not fresh.
    Each pair once, also where two rows have one label, in any order. df stays as it is.
    """
    ### BEGIN SOLUTION
    found = []
    for number, rule in enumerate(contract):
        column = df[rule["column"]] if "column" in rule else None
        match rule["rule"]:
            case "unique":
                bad = df.index[df.duplicated(rule["columns"], keep=False)]
            case "missing":
                share = column.isna().mean()  # missing if there is no row
                bad = [] if share <= rule["share"] else [None]
            case "fresh":
                age = rule["now"] - column.max()  # missing if there is no time
                bad = [] if age <= pd.Timedelta(hours=rule["hours"]) else [None]
            case kind:
                fits = (column.between(rule["low"], rule["high"]) if kind == "range"
                        else column.isin(rule["values"]))
                bad = df.index[~(fits | (column.isna() & rule["missing_ok"]))]
        found += [(number, row) for row in bad]
    return list(dict.fromkeys(found))
    ### END SOLUTION

# %% check="2.2" points=2
check.validate(validate)

# %% [markdown]
# **What you should have seen.** A contract for the weather, and what 2013 made of it:

# %%
end_of_year = pd.Timestamp("2014-01-01", tz="America/New_York")
contract = [
    {"rule": "range", "column": "wind_speed", "low": 0, "high": 100, "missing_ok": True},
    {"rule": "one of", "column": "origin", "values": ["EWR", "JFK", "LGA"], "missing_ok": False},
    {"rule": "unique", "columns": ["origin", "month", "day", "hour"]},
    {"rule": "missing", "column": "pressure", "share": 0.05},
    {"rule": "fresh", "column": "time_hour", "now": end_of_year, "hours": 24},
]
violations = pd.DataFrame(validate(weather, contract), columns=["number", "row"])
violations["rule"] = [f"{contract[n]['rule']} {contract[n].get('column', 'local hour')}" for n in violations["number"]]
violations.groupby("rule").size().rename("violations").to_frame()

# %% [markdown]
# **At work**, pandera. A schema is a contract with types. `lazy=True` means: collect everything, then complain.

# %%
import pandera.pandas as pa_

schema = pa_.DataFrameSchema({
    "origin": pa_.Column(str, pa_.Check.isin(["EWR", "JFK", "LGA"])),
    "wind_speed": pa_.Column(float, pa_.Check.in_range(0, 100), nullable=True),
    "pressure": pa_.Column(float, pa_.Check(lambda column: column.isna().mean() <= 0.05, name="5% missing",
                                            error="at most 5% missing", ignore_na=False), nullable=True),
}, unique=["origin", "month", "day", "hour"])
try:
    schema.validate(weather, lazy=True)
    failures = pd.DataFrame()
except pa_.errors.SchemaErrors as errors:
    failures = errors.failure_cases

# %% [markdown]
# The list of failures is for machines. A person wants one line for each broken promise, with an example:

# %%
def report(failures: pd.DataFrame) -> pd.DataFrame:
    of_several = failures["schema_context"] == "DataFrameSchema"  # one line for each column of the key
    rows = failures.assign(where=failures["column"].mask(of_several, "local hour"),
                           promise=failures["check"].replace("multiple_fields_uniqueness", "unique"))
    rows = rows.drop_duplicates(["where", "promise", "index"]).groupby(["where", "promise"])
    return rows.agg(failures=("check", "size"), row=("index", "min"), example=(
        "failure_case", lambda cases: str(cases.iloc[0])[:8])).reset_index()

style = report(failures).style.set_uuid("report").hide(axis="index").bar(subset="failures", color="#0072b255")
HTML(style.format({"row": "{:.0f}"}, na_rep="whole table").to_html())

# %% [markdown]
# pandera finds the same rows as you did. It stands in your pipeline as a function: a table that breaks the contract
# does not go on. What to do then is not its business. It is the subject of section 4.
#
# ## 3. Keys, clocks and units
#
# `planes` has one row for an aircraft. A worked example of a join that is checked while it runs: `validate` fails on a
# repeated key, `indicator` says which rows found a partner.

# %%
joined = flights.merge(planes[["tailnum", "seats"]], on="tailnum", how="left", validate="many_to_one", indicator=True)
print(f"{len(flights):,} rows became {len(joined):,}; {(joined['_merge'] == 'both').mean():.1%} found an aircraft")

# %% [markdown]
# The weather has two columns for the hour: `hour` on New York clocks, `time_hour` in UTC. **Predict:** which one do
# you join on, and what happens at one o'clock on 3 November?

# %%
night = weather[(weather["month"] == 11) & (weather["day"] == 3) & weather["hour"].between(0, 2)]
night[night["origin"] == "JFK"][["month", "day", "hour", "time_hour", "temp"]]

# %% [markdown]
# ### Exercise 2.3: join the weather (1 point)

# %% exercise="2.3"
def join_weather(flights: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """Each flight with the reading of its airport and hour.

    flights: has origin, time_hour (UTC), and year, month, day, hour (local), with an
      index of its own, and perhaps more, no column that is called like a reading.
    weather: has the same six columns and any number of readings such as temp, one row
      for each origin and time_hour; local hours repeat when the clocks go back, UTC
      hours not.
    Returns the rows of flights, their order, index and columns kept, with all readings
    (missing where there is none) and `matched`: True where weather has a row.
    """
    ### BEGIN SOLUTION
    keys = ["origin", "time_hour"]
    names = [name for name in weather.columns if name not in flights.columns]
    readings = weather[keys + names]
    rows = flights.merge(readings, on=keys, how="left", validate="many_to_one",
                         indicator="matched")
    return rows.assign(matched=rows["matched"] == "both").set_index(flights.index)
    ### END SOLUTION

# %% check="2.3" points=1
check.join_weather(join_weather)

# %% [markdown]
# **What you should have seen.** The same join with four choices of keys:

# %%
local, utc = ["origin", "year", "month", "day", "hour"], ["origin", "time_hour"]
readings = weather[[*local, "time_hour", "temp"]]
print(f"origin, UTC hour, left    {len(join_weather(flights, weather)):>9,} rows")
for name, keys, how in (("origin, UTC hour, inner", utc, "inner"), ("origin, local hour, left", local, "left"),
                        ("UTC hour alone, left", ["time_hour"], "left")):
    rows = flights[local + ["time_hour"]].merge(readings[[*keys, "temp"]], on=keys, how=how)
    print(f"{name:25} {len(rows):>9,} rows")

# %% [markdown]
# The local hour gives the right number, by luck: no flight left at one o'clock that night. The first cargo flight would
# be doubled.
#
# Be careful with what you just built: it is the weather of the *departure* hour, which nobody knows two hours before.
# Fine for asking what happened, forbidden for predicting. Chapter 3 joins what was known.
#
# ## 4. Repair, and say so
#
# One wind reading cannot be true. A worked example of what it does to a limit that is computed from the data:

# %%
limit = wind.mean() + 3 * wind.std()
honest = wind[wind <= 100]
print(f"largest {wind.max():,.0f} mile/h, next {honest.max():.1f}")
print(f"mean + 3 sd: {limit:.1f} with it, {honest.mean() + 3 * honest.std():.1f} without")
print(f"honest readings above the second limit: {(honest > honest.mean() + 3 * honest.std()).sum()}")

# %% [markdown]
# The limit of 100 was chosen by somebody who knows these three airports: in this year the largest other reading is far
# below it, and a mountain station would need another limit. It is not computed from the column that it judges.

# %%
# claim: the largest other reading is far
assert honest.max() < 50 and (wind > 100).sum() == 1

# %% [markdown]
#
# ### Exercise 2.4: repair with evidence (1 point)

# %% exercise="2.4"
def clean_wind(
    weather: pd.DataFrame, limit: float, train_end: pd.Timestamp
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Make impossible winds missing, and say what was done.

    weather: has wind_speed (mile/h, may be missing) and time_hour, and perhaps more. A
      wind above limit is impossible, and no other, so no missing one either.
    Returns (clean, report). clean: all rows of weather, impossible winds missing,
    everything else as it was, and a new column wind_was_impossible (bool).
    report: "impossible", how many in all rows; "mean" and "sd" (divisor n - 1) of the
    other winds of the rows with time_hour before train_end; there are at least two.
    """
    ### BEGIN SOLUTION
    impossible = weather["wind_speed"] > limit
    clean = weather.assign(wind_speed=weather["wind_speed"].mask(impossible),
                           wind_was_impossible=impossible)
    train = clean.loc[clean["time_hour"] < train_end, "wind_speed"]
    return clean, {"impossible": int(impossible.sum()),
                   "mean": train.mean(), "sd": train.std()}
    ### END SOLUTION

# %% check="2.4" points=1
check.clean_wind(clean_wind)

# %% [markdown]
# **What you should have seen**, and the tool. scikit-learn's `SimpleImputer` learns its mean from training rows, fills
# with it, and adds a column that says so. It knows nothing of impossible values: first yours, then it.

# %%
from sklearn.impute import SimpleImputer

clean, evidence = clean_wind(weather, 100, case.VALIDATION_START)
before = clean["time_hour"] < case.VALIDATION_START
imputer = SimpleImputer(add_indicator=True).fit(clean.loc[before, ["wind_speed"]])
raw = SimpleImputer().fit(weather.loc[before, ["wind_speed"]])
print({name: round(float(value), 3) for name, value in evidence.items()})
print(f"filled with: {imputer.statistics_[0]:.3f}, without the repair {raw.statistics_[0]:.3f}")
print("missing, now marked:", int(imputer.transform(clean[["wind_speed"]])[:, 1].sum()))

# %% [markdown]
# ## 5. The same in SQL
#
# DuckDB is a database in your process; it reads data frames and Parquet files as tables. A worked example, one row for
# each month. `FILTER` counts only rows that satisfy a condition.

# %%
duckdb.sql("""
    SELECT month, COUNT(*) AS flights, COUNT(arr_delay) AS arrived,
           COUNT(*) FILTER (WHERE arr_delay >= 30) AS late
    FROM flights WHERE month <= 3 GROUP BY month ORDER BY month
""").df()

# %% [markdown]
# The desk wants the late rate of its *partners*, by month and over the last seven days. Partners have one row for each
# contract, so a carrier may occur several times. On some days no partner flies.
#
# ### Exercise 2.5: a query with windows (2 points)

# %% exercise="2.5"
def late_rate_sql() -> str:
    """A query for DuckDB on flights (day DATE, carrier, arr_delay) and partners.

    partners (carrier, contract) has a row for each contract, so a carrier may come
    often. Only flights of carriers in partners that have an arr_delay count; late is 30
    minutes or more. Its result has one row for each day with such a flight, in order of
    day, and the columns
      day;
      month_rate: late share of all these flights of the day's month, of that year;
      week_rate: late share of these flights on the day and the six days before it.
    """
    ### BEGIN SOLUTION
    return """
    WITH daily AS (
        SELECT day, COUNT(*) AS flights, COUNT(*) FILTER (WHERE arr_delay >= 30) AS late
        FROM flights
        WHERE arr_delay IS NOT NULL AND carrier IN (SELECT carrier FROM partners)
        GROUP BY day
    )
    SELECT day, SUM(late) OVER month / SUM(flights) OVER month AS month_rate,
           SUM(late) OVER week / SUM(flights) OVER week AS week_rate
    FROM daily
    WINDOW month AS (PARTITION BY date_trunc('month', day)),
           week AS (ORDER BY day
                    RANGE BETWEEN INTERVAL 6 DAYS PRECEDING AND CURRENT ROW)
    ORDER BY day
    """
    ### END SOLUTION

# %% check="2.5" points=2
check.late_rate_sql(late_rate_sql)

# %% [markdown]
# **At work** the table may be in BigQuery, whose dialect differs: `COUNTIF` for a filtered count, and
# `DATE_TRUNC(day, MONTH)` with the arguments the other way round. `mlelab/pipelines/late_rate.sql` has the same query
# there. sqlglot reads it and writes it for DuckDB, so that you can test it before it costs anything.

# %%
import re

in_bigquery = (files("mlelab.pipelines") / "late_rate.sql").read_text()
here = sqlglot.transpile(in_bigquery, read="bigquery", write="duckdb")[0]
for name, query in {"BigQuery": in_bigquery, "DuckDB": here}.items():
    print(f"{name:8}", *re.findall(r"COUNT_?IF\(.*?\)|DATE_TRUNC\(.*?\)", query))

# %%
tables = {"flights": flights.assign(day=pd.to_datetime(flights[["year", "month", "day"]]).dt.date)[
              ["day", "carrier", "arr_delay"]],
          "partners": pd.DataFrame({"carrier": ["AA", "AA", "UA", "B6"], "contract": [1, 2, 3, 4]})}
database = duckdb.connect()
for name, frame in tables.items():
    database.register(name, frame)
ported = database.execute(here).df()
ported.iloc[[30, 38, 190]].round({"month_rate": 3, "week_rate": 3})

# %%
# claim: whose dialect differs: `COUNTIF` for a filtered count
# unless: here = in_bigquery
assert "COUNTIF(" in in_bigquery and "COUNTIF(" not in here

# claim: with the arguments the other way round
# unless: here = in_bigquery
assert "DATE_TRUNC(day, MONTH)" in in_bigquery and "DATE_TRUNC('MONTH', day)" in here

# %% [markdown]
# The one line that sends it to BigQuery instead, with an account and `flights` replaced by the name of your table:
#
# ```python
# google.cloud.bigquery.Client().query_and_wait(in_bigquery).to_dataframe()
# ```
#
# **What you should have seen.** Your query and the ported one agree, and the line of the week moves more than that of
# the month:

# %%
mine = database.execute(late_rate_sql()).df()
print("the same rows:", bool(np.allclose(mine[["month_rate", "week_rate"]], ported[["month_rate", "week_rate"]])))
fig, ax = plt.subplots()
ax.plot(mine["day"], 100 * mine["week_rate"], label="last seven days", linewidth=1.2)
ax.plot(mine["day"], 100 * mine["month_rate"], label="month", drawstyle="steps-post")
ax.set(ylabel="late share (%)", xlabel="day of 2013", xticks=pd.date_range("2013-01-01", "2013-12-31", freq="2MS"))
ax.set_xticklabels(["Jan", "Mar", "May", "Jul", "Sep", "Nov"])
ax.legend()
figure.show(fig, alt="Late share of three partners over 2013. The line of the last seven days swings between "
            f"{100 * mine['week_rate'].min():.0f} and {100 * mine['week_rate'].max():.0f} percent, far more than the "
            f"steps of the months; it is highest on {mine['day'][mine['week_rate'].idxmax()]:%-d %B}.")

# %%
# claim: Your query and the ported one agree
# unless: ported = ported.assign(week_rate=0.5)
assert np.allclose(mine[["month_rate", "week_rate"]], ported[["month_rate", "week_rate"]])

# claim: the line of the week moves more than that of
assert mine["week_rate"].std() > 1.2 * mine["month_rate"].std()

# %% [markdown]
# ## 6. A stream: when it happened, and when you heard
#
# Departures are reported as they happen, and reports are late, out of order, and sometimes delivered twice. The flights
# are real; when each report arrives is drawn at random. 8 February 2013, the day of a snow storm:

# %%
reports = stream.reports(flights, "2013-02-08")
events = stream.events(reports)
wait = (reports["arrival"] - reports["time"]) / 60
print(f"{len(events)} reports of {reports['id'].nunique()} departures; half arrive within {wait.median():.1f} minutes,")
print(f"{(wait > 60).mean():.1%} need more than an hour, and the slowest {wait.max() / 60:.0f} hours")

# %% [markdown]
# A *tumbling window* collects the events of an hour by the time at which they **happened**. When is it complete? The
# *watermark* is a guess of how far event time has come: here the latest event time seen so far. A worked example:

# %%
watermark = pd.Series([time for _, time, _ in events]).cummax().shift()
behind = (watermark - [time for _, time, _ in events]).clip(lower=0) / 60
print(f"{(behind > 0).mean():.0%} of the reports are behind the watermark, {(behind > 60).mean():.1%} by over an hour")

# %% [markdown]
# ### Exercise 2.6: windows of event time (2 points)

# %% exercise="2.6"
def tumbling(
    events: Iterable[tuple[str, int, int]], width: int, allowed_lateness: int
) -> tuple[dict[int, int], int]:
    """Count the events of each window of event time, each event once, in one pass.

    events: (id, time, arrival) in order of arrival, to be read once; an id that comes
      again is the same event with the same time, delivered twice. There may be none.
    width: of a window; the one that starts at s holds the times from s to before
      s + width, s a multiple of width.
    allowed_lateness: how long a window waits. When an event comes and the watermark,
      the latest time of all events before it, is greater than the end of its window
      plus allowed_lateness, the event is too late and is not counted in its window.
    Returns (number of events by start of the window, windows without events left out;
    number of events too late, one that comes twice counted once).
    """
    ### BEGIN SOLUTION
    counts, too_late, seen, watermark = {}, 0, set(), -math.inf
    for name, time, _ in events:
        if name not in seen:
            seen.add(name)
            start = time // width * width
            if watermark > start + width + allowed_lateness:
                too_late += 1
            else:
                counts[start] = counts.get(start, 0) + 1
        watermark = max(watermark, time)
    return counts, too_late
    ### END SOLUTION

# %% check="2.6" points=2
check.tumbling(tumbling)

# %% [markdown]
# **What you should have seen.** The longer a window waits, the fewer events are lost, and the later it is complete.

# %%
for hours in (0, 1, 2, 4, 12):
    counts, too_late = tumbling(events, 3600, 3600 * hours)
    print(f"wait {hours:2} h: {sum(counts.values())} counted in their hour, {too_late:3} too late")

# %%
# claim: The longer a window waits, the fewer events are lost
# unless: events = sorted(events, key=lambda event: event[1])
lost = [tumbling(events, 3600, 3600 * hours)[1] for hours in (0, 1, 2, 4, 12)]
assert all(a >= b for a, b in zip(lost, lost[1:])) and lost[0] > lost[-1]

# %% [markdown]
# **At work**, Apache Beam. `mlelab.pipelines.flights` is one file: it reads messages, sets the unreadable ones aside
# (*dead letters*), and counts windows of event time. A pipeline is a program, not a cell: you start it as a process,
# here with the reports as messages, and two that are broken.

# %%
messages = reports[["id", "time", "origin", "delay"]].to_dict("records")
lines = [json.dumps(message) for message in messages] + ['{"id": "B6', '{"id": "UA1-EWR", "origin": "EWR"}']
(scratch / "messages.jsonl").write_text("\n".join(lines))
command = [sys.executable, "-m", "mlelab.pipelines.flights", "--input", f"{scratch}/messages.jsonl",
           "--output", f"{scratch}/counts", "--dead_letters", f"{scratch}/bad", "--window", "3600"]
print("exit status", subprocess.run(command).returncode)

# %%
results, dead = ([json.loads(line) for file in sorted(scratch.glob(f"{name}-*.jsonl"))
                  for line in file.read_text().splitlines()] for name in ("counts", "bad"))
print(len(dead), "dead letters:", *sorted(letter["error"][:25] for letter in dead), sep="\n  ")
pd.DataFrame(results).sort_values(["window", "origin"]).head(3).round(1)

# %% [markdown]
# A file has an end, so nothing is too late in it: the result is that of a window that waits for ever. The same file
# runs on Dataflow, Flink or Spark, by options alone: `python -m mlelab.pipelines.flights --help`.

# %%
by_beam = pd.DataFrame(results).groupby("window")["departures"].sum().to_dict()
print("by hand and by Beam the same:", tumbling(events, 3600, 10**9)[0] == by_beam)

# %% [markdown]
# ### A broker in between
#
# A *broker* keeps messages until somebody has processed **and acknowledged** them. A consumer that dies in between gets
# its messages again. With `kind = "redis"` below, a Redis server does the work, if you have installed one (Debian:
# `apt install redis-server`). The result is the same, because each id counts once.

# %%
def consume(log, crash_after: int) -> tuple[dict[int, int], int]:
    for event in events:
        log.send({"event": event})
    received = []
    for _, message in log.receive(crash_after):
        received.append(tuple(message["event"]))  # the consumer dies here: nothing is acknowledged
    while batch := log.redeliver() + log.receive(100):
        for number, message in batch:
            received.append(tuple(message["event"]))
            log.acknowledge(number)
    print(len(received) - len(events), "messages were delivered twice")
    return tumbling(received, 3600, 7200)

# %%
kind = "redis" if stream.has_redis() else "here"
with stream.broker(kind) as log:
    print("the same windows:", consume(log, crash_after=50) == tumbling(events, 3600, 7200))

# %% [markdown]
# ## 7. Larger than memory
#
# A sum of sums is a sum. A mean of means is not a mean. A worked example, departure delays in chunks:

# %%
delays = flights["dep_delay"].to_numpy()
chunks = [delays[start:start + 50_000] for start in range(0, len(delays), 50_000)]
print(f"mean of {len(chunks)} means {np.mean([np.nanmean(chunk) for chunk in chunks]):.3f}, "
      f"mean {np.nanmean(delays):.3f}")

# %% [markdown]
# ### Exercise 2.7: statistics in one pass (1 point)
#
# Write `merge_stats`. Chunks come one by one, and there may be too many to hold.

# %% exercise="2.7"
def merge_stats(chunks: Iterable[np.ndarray]) -> tuple[int, float, float]:
    """Number, mean and variance of all values in the chunks that are not missing.

    chunks: one-dimensional arrays of float64, some empty or all missing (NaN). They can
      be read once, do not fit into memory together, and stay as they are. At least two
      values are there.
    Returns (n, mean, variance with divisor n - 1), whatever the cuts between chunks,
    also where the values are tiny, or far from 0 and near to each other.
    """
    ### BEGIN SOLUTION
    n, mean, squares = 0, 0.0, 0.0
    for chunk in chunks:
        values = chunk[~np.isnan(chunk)]
        if values.size == 0:
            continue
        total, delta = n + values.size, values.mean() - mean
        squares += values.var() * values.size + delta**2 * n * values.size / total
        mean += delta * values.size / total
        n = total
    return n, mean, squares / (n - 1)
    ### END SOLUTION

# %% check="2.7" points=1
check.merge_stats(merge_stats)

# %% [markdown]
# **At work** this is a *combiner*: empty accumulator, add, merge, read off. Beam, Spark and BigQuery run it on many
# machines, DuckDB on the cores of this one.

# %%
wanted = "COUNT(dep_delay), AVG(dep_delay), STDDEV_SAMP(dep_delay)"
[by_duckdb] = duckdb.execute(f"SELECT {wanted} FROM flights").fetchall()
print(f"DuckDB   {by_duckdb[0]:,} delays, mean {by_duckdb[1]:.3f}, standard deviation {by_duckdb[2]:.3f}")

# %% [markdown]
# **What you should have seen.** The same, read from disk batch by batch. One batch at a time is in memory:

# %%
batches = (batch["dep_delay"].to_numpy(zero_copy_only=False) for batch in by_month.to_batches(columns=["dep_delay"]))
n, mean, variance = merge_stats(batches)
print(f"yours    {n:,} delays, mean {mean:.3f}, standard deviation {variance ** 0.5:.3f}")

# %% [markdown]
# ## 8. Which data was it?
#
# A model is made from data, so a model's version needs the data's version. A worked example of a tempting one that
# does not work: the hash of the *file*. One table, written twice, with two kinds of compression:

# %%
hashes, contents = set(), []
for compression in ("snappy", "zstd"):
    pq.write_table(table, scratch / f"{compression}.parquet", compression=compression)
    hashes.add(hashlib.sha256((scratch / f"{compression}.parquet").read_bytes()).hexdigest())
    contents.append(pq.read_table(scratch / f"{compression}.parquet"))
print(f"{len(hashes)} hashes of files; the same rows: {contents[0].equals(contents[1])}")

# %%
# claim: One table, written twice, with two kinds of compression
# unless: hashes = {"one"}
assert len(hashes) == 2 and contents[0].equals(contents[1])

# %% [markdown]
# ### Exercise 2.8: a fingerprint of content (1 point)

# %% exercise="2.8"
def fingerprint(df: pd.DataFrame) -> str:
    """A version of a table: the same text for the same content, and for no other.

    Content is the names and types of the columns and all rows, a repeated row as often
    as it occurs. The order of rows and of columns and the index are not. Columns hold
    texts, whole numbers or decimal ones (no -0.0), some missing, each column in one way.
    The text is the same on each call, in each process and on each machine.
    """
    ### BEGIN SOLUTION
    columns = sorted(df.columns)
    rows = np.sort(pd.util.hash_pandas_object(df[columns], index=False).to_numpy())
    schema = [f"{name}:{df[name].dtype}" for name in columns]
    return hashlib.sha256(json.dumps(schema).encode() + rows.tobytes()).hexdigest()
    ### END SOLUTION

# %% check="2.8" points=1
check.fingerprint(fingerprint)

# %% [markdown]
# **What you should have seen.** Shuffled, it is the same data. With one delay changed by a minute, it is not.

# %%
some = flights.head(20_000)
changed = some.assign(dep_delay=some["dep_delay"].where(some.index != 12_345, some["dep_delay"] + 1))
for name, frame in {"shuffled": some.sample(frac=1, random_state=0), "one minute changed": changed}.items():
    print(f"{name:20} same version: {fingerprint(frame) == fingerprint(some)}")

# %% [markdown]
# **At work.** DVC keeps such a hash in git, and the data elsewhere: `git checkout` then brings back code and data
# together. Table formats (Iceberg, Delta Lake) keep every version of a table as a list of files, so that a query can
# ask for last Tuesday's. Neither decides *what* is the same data: DVC hashes files, and would call the two files above
# different.
#
# The tables of this lab, joined, repaired and named:

# %%
enriched = join_weather(flights, clean_wind(weather, 100, case.VALIDATION_START)[0])
enriched.to_parquet(scratch / "flights_enriched.parquet")
card = {"rows": len(enriched), "with weather": int(enriched["matched"].sum()), "impossible winds": 1}
print(card | {"version is known": len(fingerprint(enriched)) == 64})

# %% [markdown]
# ## 9. Review: code that you did not write
#
# You can read one value of a table and know that it is wrong. Code is harder: it may be wrong for inputs that nobody
# has sent yet. So do not ask whether code looks right. Ask for **one valid input** for which it breaks its docstring.
#
# ### Exercise 2.9: review three versions of merge_stats (3 points)
#
# A colleague hands in three versions of `merge_stats`. Their docstring is that of exercise 2.7. All of them read the
# chunks once and hold one at a time.

# %%
def merge_stats_a(chunks: Iterable[np.ndarray]) -> tuple[int, float, float]:
    n, total, squares = 0, 0.0, 0.0
    for chunk in chunks:
        values = chunk[~np.isnan(chunk)]
        if len(values) == 0:
            continue
        n += len(values)
        total += values.sum()
        squares += ((values - values.mean()) ** 2).sum()
    return n, total / n, squares / (n - 1)

# %%
def merge_stats_b(chunks: Iterable[np.ndarray]) -> tuple[int, float, float]:
    n, mean, squares = 0, 0.0, 0.0
    for chunk in chunks:
        for value in chunk:
            if value == value:
                n += 1
                delta = value - mean
                mean += delta / n
                squares += delta * (value - mean)
    return n, float(mean), float(squares / (n - 1))

# %%
def merge_stats_c(chunks: Iterable[np.ndarray]) -> tuple[int, float, float]:
    n, mean, squares = 0, 0.0, 0.0
    for chunk in chunks:
        values = chunk[np.nonzero(np.nan_to_num(chunk))]
        if len(values) == 0:
            continue
        delta, total = values.mean() - mean, n + len(values)
        squares += values.var() * len(values) + delta**2 * n * len(values) / total
        mean += delta * len(values) / total
        n = total
    return n, float(mean), float(squares / (n - 1))

# %% [markdown]
# Write `review_stats`: for each function one input on which it does not do what the docstring says, or `None` if it is
# right. The input must be valid by that docstring. A small input is easier to read, and earns no more.

# %% exercise="2.9"
def review_stats() -> dict[str, dict | None]:
    """For each version of `merge_stats` an input that exposes it, or None if it is right.

    Returns a dict with the keys "merge_stats_a", "merge_stats_b" and "merge_stats_c".
    Each value is None, or {"chunks": [...]} with a list of arrays of floats.
    """
    ### BEGIN SOLUTION
    return {
        "merge_stats_a": {"chunks": [np.array([1.0]), np.array([3.0])]},
        "merge_stats_b": None,
        "merge_stats_c": {"chunks": [np.array([0.0, 1.0])]},
    }
    ### END SOLUTION

# %% check="2.9" part="merge_stats_a" points=1
check.review_stats(review_stats, "merge_stats_a")

# %% check="2.9" part="merge_stats_b" points=1
check.review_stats(review_stats, "merge_stats_b")

# %% check="2.9" part="merge_stats_c" points=1
check.review_stats(review_stats, "merge_stats_c")

# %% [markdown]
# **What you should have seen.** The three versions on the departure delays of the year, in seven chunks:

# %%
delays = flights["dep_delay"].to_numpy()
for version in (merge_stats_a, merge_stats_b, merge_stats_c):
    n, mean, variance = version(np.array_split(delays, 7))
    print(f"{version.__name__}: {n:,} delays, mean {mean:.3f}, standard deviation {variance ** 0.5:.3f}")

# %% [markdown]
# One of them has the number and the mean right and the standard deviation slightly wrong. On a dashboard nobody would
# notice.

# %%
# claim: One of them has the number and the mean right and the standard deviation slightly wrong
# unless: delays = np.tile(delays[:2_000], 7)
found = [version(np.array_split(delays, 7)) for version in (merge_stats_a, merge_stats_b)]
assert found[0][0] == found[1][0] and abs(found[0][1] - found[1][1]) < 1e-9
assert 1e-9 < abs(found[0][2] / found[1][2] - 1) < 0.05

# %% [markdown]
# ## Where you stand

# %%
check.progress()

# %% [markdown]
# You have an ingest that survives a crash, a contract, a join and a repair that leave evidence, a query in two
# dialects, a stream that counts once, and a version. Chapter 3 makes features from them, without looking ahead.
