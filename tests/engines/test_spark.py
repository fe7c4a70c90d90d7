"""Spark, alone and on a cluster that loses a worker, has the rows of pandas, DuckDB and Beam."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlelab import engines
from mlelab.pipelines import asof, scale, spark

ENGINE = "spark"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """The year once, and the readings."""
    base = tmp_path_factory.mktemp("flights")
    scale.make(base / "x1", 1)
    return base, asof.write_weather(base / "weather.parquet")


@pytest.mark.parametrize("tool", ["DuckDB", "pandas", pytest.param("Beam, batches", marks=pytest.mark.whole)])
def test_the_rows_of_the_committed_run_are_those_of(tool, inputs, tmp_path):
    base, weather = inputs
    asof.TOOLS[tool](base / "x1", weather, tmp_path)
    committed = engines.measured("spark")["fingerprints"]["1"]
    assert {"Spark, here", "Spark, two workers", *asof.TOOLS} == set(committed)
    assert {tuple(found.values()) for found in committed.values()} == {tuple(asof.fingerprints(tmp_path).values())}


def test_one_row_less_or_twice_or_changed_is_another_fingerprint(inputs, tmp_path):
    base, weather = inputs
    asof.with_duckdb(base / "x1", weather, tmp_path)
    before = asof.fingerprints(tmp_path)
    file = next((tmp_path / "known" / "month=2").glob("*.parquet"))
    rows = pq.read_table(file, partitioning=None)
    for changed in (rows.slice(1), rows.take([0, *range(len(rows))]),
                    rows.set_column(rows.column_names.index("visib"), "visib",
                                    pa.array([-1.0, *rows["visib"].to_pylist()[1:]], rows["visib"].type))):
        pq.write_table(changed, file)
        after = asof.fingerprints(tmp_path)
        assert after["known"] != before["known"] and after["weeks"] == before["weeks"]


@pytest.mark.whole
@pytest.mark.parametrize("way", ["broadcast", "window"])
def test_spark_has_the_same_rows(way, engine, inputs, tmp_path):
    base, weather = inputs
    spark.run(base / "x1", weather, tmp_path, "--asof", way)
    assert asof.fingerprints(tmp_path) == engines.measured("spark")["fingerprints"]["1"]["DuckDB"]
    assert ("BroadcastHashJoin" in spark.plan(base / "x1", weather, way)) == (way == "broadcast")


@pytest.mark.whole
def test_a_worker_is_killed_and_no_row_is_lost_or_doubled(engine, inputs, tmp_path):
    base, weather = inputs
    found = spark.lose_a_worker(spark.cut(base / "x1", base / "cut"), weather, tmp_path)
    assert found["ended"]["ExecutorLostFailure"] >= 1 and found["ended"]["Success"] >= 24
    assert asof.fingerprints(tmp_path) == engines.measured("spark")["fingerprints"]["1"]["DuckDB"]
