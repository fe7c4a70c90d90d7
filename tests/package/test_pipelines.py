"""The pipelines of chapter 2: Beam and the window by hand agree, options of other runners parse, brokers redeliver."""

import json
import random
import subprocess
import sys

import duckdb
import numpy as np
import pandas as pd
import pytest
import sqlglot
from google.cloud import bigquery

from mlelab import data
from mlelab.check import open_lab
from mlelab.check.source import exercise_code
from mlelab.pipelines import flights, scale, stream
from tests import missing
from tests.checks.pieces import ROOT, learner_function

tumbling = learner_function(open_lab("02_data").exercises["2.6"])
RUNNERS = {
    "DataflowRunner": ["--project", "p", "--region", "us-east1", "--temp_location", "gs://bucket/tmp"],
    "FlinkRunner": ["--flink_master", "localhost:8081", "--environment_type", "LOOPBACK"],
    "SparkRunner": ["--spark_master_url", "spark://localhost:7077", "--environment_type", "LOOPBACK"],
}


def random_events(seed: int) -> list[tuple[str, int, int]]:
    """Sixty events out of order, a fifth of them delivered twice, in order of arrival."""
    rng = random.Random(seed)
    events = [(f"e{place}", rng.randrange(900)) for place in range(60)]
    events = [(name, time, time + rng.choice([0, 5, 60, 250])) for name, time in events]
    events += [(name, time, arrival + rng.randrange(100)) for name, time, arrival in rng.sample(events, 12)]
    return sorted(events, key=lambda event: event[2])


def beam_windows(events, width: int, lateness: int, folder) -> dict[int, int]:
    """Beam's count of each window; its watermark follows the latest event time, as that of the exercise."""
    beam = flights.beam
    from apache_beam.testing.test_stream import TestStream

    messages, watermark = TestStream(), -1
    for name, time, _ in events:
        messages.add_elements([flights.TimestampedValue(("all", (name, 0.0)), time)])
        if time > watermark:
            watermark = time
            messages.advance_watermark_to(watermark)
    messages.advance_watermark_to_infinity()
    options = flights.PipelineOptions([], streaming=True)
    with beam.Pipeline("BundleBasedDirectRunner", options) as pipeline:
        counts = pipeline | messages | flights.CountWindows(width, lateness)
        counts | beam.Map(json.dumps) | beam.Map(lambda row: open(folder / "rows", "a").write(row + "\n"))  # noqa: SIM115
    rows = [json.loads(line) for line in (folder / "rows").read_text().splitlines()]
    return pd.DataFrame(rows).groupby("window")["departures"].max().to_dict()  # each correction holds all so far


@pytest.mark.parametrize("seed", range(4))
def test_beam_and_the_window_by_hand_agree(seed, tmp_path):
    events = random_events(seed)
    counts, too_late = tumbling(events, 60, 30)
    assert too_late > 0 and counts == beam_windows(events, 60, 30, tmp_path)


def test_the_pipeline_counts_and_sets_aside(tmp_path):
    messages = [{"id": "a", "time": 10, "origin": "JFK", "delay": 4}] * 2 + [
        {"id": "b", "time": 20, "origin": "JFK", "delay": 8}, {"id": "c", "time": 4000, "origin": "JFK", "delay": 0}]
    bad = ["{", '{"id": "d"}', "[]", '{"id": "e", "time": "noon", "origin": "JFK", "delay": 1}']
    (tmp_path / "in.jsonl").write_text("\n".join([*map(json.dumps, messages), *bad]))
    flights.run(["--input", f"{tmp_path}/in.jsonl", "--output", f"{tmp_path}/out", "--dead_letters", f"{tmp_path}/bad"])
    rows = [json.loads(line) for file in tmp_path.glob("out-*") for line in file.read_text().splitlines()]
    assert sorted(rows, key=lambda row: row["window"]) == [
        {"window": 0, "origin": "JFK", "departures": 2, "mean_delay": 6.0},
        {"window": 3600, "origin": "JFK", "departures": 1, "mean_delay": 0.0}]
    dead = [json.loads(line) for file in tmp_path.glob("bad-*") for line in file.read_text().splitlines()]
    assert sorted(letter["line"] for letter in dead) == sorted(bad)


@pytest.mark.parametrize("runner", RUNNERS)
def test_other_runners_by_options_alone(runner):
    ours = ["--input", "i", "--output", "o", "--dead_letters", "d"]
    _, options = flights.parse_options([*ours, "--runner", runner, *RUNNERS[runner]])
    chosen = options.get_all_options()
    assert chosen["runner"] == runner
    names = [name.removeprefix("--") for name in RUNNERS[runner][::2]]
    assert [chosen[name] for name in names] == RUNNERS[runner][1::2]


@pytest.mark.parametrize("name", ["flights", "scale"])
def test_each_says_what_it_does(name):
    done = subprocess.run([sys.executable, "-m", f"mlelab.pipelines.{name}", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and f"mlelab.pipelines.{name}" in done.stdout


@pytest.mark.parametrize("kind", ["here", "redis"])
def test_a_broker_delivers_until_it_is_acknowledged(kind):
    if kind == "redis" and not stream.has_redis():
        missing("no Redis server here: apt install redis-server")
    with stream.broker(kind) as log:
        for number in range(5):
            log.send({"number": number})
        first = log.receive(3)
        log.acknowledge(first[0][0])
        assert [message["number"] for _, message in log.redeliver()] == [1, 2]
        assert [message["number"] for _, message in log.receive(10)] == [3, 4]
        assert log.receive(10) == []


def test_resampled_days_are_days_of_the_year(tmp_path):
    rows = scale.make(tmp_path, 2)
    made = pd.read_parquet(tmp_path, columns=["year", "month", "day", "carrier"])
    assert len(made) == rows and set(made["year"]) == {2013, 2014}
    days = made.groupby(["year", "month", "day"]).size()
    real = data.load("flights", ["month", "day"]).groupby(["month", "day"]).size()
    assert len(days) == 2 * 365 and set(days) <= set(real)


def test_the_tools_agree(tmp_path):
    scale.make(tmp_path / "x1", 1)
    pandas, others = scale.with_pandas(tmp_path / "x1"), [scale.with_duckdb, scale.with_beam]
    for tool in others:
        found = tool(tmp_path / "x1")
        assert found.keys() == pandas.keys() and np.allclose([found[key] for key in pandas], list(pandas.values()))


def test_the_measured_result_names_its_day_and_machine():
    measured = scale.measured()
    assert set(measured["tool"]) == set(scale.TOOLS) and set(measured["times"]) == {1, 10, 100}
    assert measured[["date", "machine"]].notna().all().all() and (measured[["seconds", "peak_mib"]] > 0).all().all()


def test_the_query_for_bigquery_gives_the_rows_of_the_one_for_duckdb():
    source = (ROOT / "solutions" / "02_data" / "lab.py").read_text()
    query = (ROOT / "mlelab" / "pipelines" / "late_rate.sql").read_text()
    assert sqlglot.parse_one(query, read="bigquery") and callable(bigquery.Client.query_and_wait)
    scope = {}
    exec(exercise_code(source, "2.5"), scope)
    days = pd.date_range("2013-01-20", periods=40).date
    table = pd.DataFrame({"day": [day for place, day in enumerate(days) if place % 7 > 1 for _ in range(place % 4)],
                          "carrier": "AA"})
    table["arr_delay"] = np.random.default_rng(0).choice([0.0, 30.0, 31.0, np.nan], len(table))
    with duckdb.connect() as database:
        database.register("flights", table)
        database.register("partners", pd.DataFrame({"carrier": ["AA", "AA"], "contract": [1, 2]}))
        ours, theirs = (database.execute(sql).df() for sql in (
            scope["late_rate_sql"](), sqlglot.transpile(query, read="bigquery", write="duckdb")[0]))
    pd.testing.assert_frame_equal(ours, theirs, check_dtype=False)
