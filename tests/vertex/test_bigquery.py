"""BigQuery's SQL: queries, tables and views made by them, parameters, and what is refused by name."""

from __future__ import annotations

import datetime

import pandas as pd
import pytest
from google.api_core import exceptions
from google.cloud import bigquery, storage

from mlelab import vertex


@pytest.fixture(scope="module")
def client(cloud) -> bigquery.Client:
    client = bigquery.Client(project="warehouse")
    client.create_dataset("lab")
    frame = pd.DataFrame(
        {
            "airport": ["A", "A", "B", "C"],
            "delay": [1.0, 3.0, 5.0, None],
            "flights": [1, 2, 3, 4],
            "moment": pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"], utc=True),
        }
    )
    client.load_table_from_dataframe(frame, "warehouse.lab.delays").result()
    return client


def rows(client: bigquery.Client, text: str, **config) -> list[tuple]:
    return [row.values() for row in client.query(text, bigquery.QueryJobConfig(**config)).result()]


def test_select_in_bigquerys_own_dialect(client):
    text = """
        WITH known AS (SELECT * FROM `warehouse.lab.delays` WHERE delay IS NOT NULL)
        SELECT airport, SUM(flights) AS n, SAFE_DIVIDE(SUM(delay), COUNT(*)) AS mean, COUNTIF(delay > 2) AS late
        FROM known GROUP BY airport ORDER BY airport
    """
    assert rows(client, text) == [("A", 3, 2.0, 1), ("B", 3, 5.0, 1)]
    assert rows(client, "SELECT d.airport FROM lab.delays AS d WHERE d.delay IS NULL") == [("C",)]
    assert rows(client, "SELECT delays.airport FROM delays WHERE flights = 3",
                default_dataset="warehouse.lab") == [("B",)]  # fmt: skip


def test_types_come_back(client):
    (row,) = client.query(
        "SELECT moment, DATE(moment) AS day, [1, 2] AS list, TRUE AS yes, NULL AS nothing "
        "FROM lab.delays WHERE airport = 'B'"
    ).result()
    assert row.moment == datetime.datetime(2026, 1, 3, tzinfo=datetime.UTC)
    assert (row.day, row.list, row.yes, row.nothing) == (datetime.date(2026, 1, 3), [1, 2], True, None)


def test_a_table_comes_back(client):
    table = client.query("SELECT airport, flights FROM lab.delays ORDER BY flights DESC LIMIT 2").to_arrow()
    assert table.to_pydict() == {"airport": ["C", "B"], "flights": [4, 3]}


def test_parameters(client):
    named = [
        bigquery.ScalarQueryParameter("least", "INT64", 2),
        bigquery.ArrayQueryParameter("airports", "STRING", ["A", "O'Hare"]),
    ]
    text = "SELECT flights FROM lab.delays WHERE flights >= @least AND airport IN UNNEST(@airports)"
    assert rows(client, text, query_parameters=named) == [(2,)]
    text = "SELECT flights FROM lab.delays WHERE airport = ? AND moment > ?"
    ordered = [
        bigquery.ScalarQueryParameter(None, "STRING", "A"),
        bigquery.ScalarQueryParameter(None, "TIMESTAMP", datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)),
    ]
    assert rows(client, text, query_parameters=ordered) == [(2,)]
    with pytest.raises(exceptions.BadRequest, match="parameter least not found"):
        rows(client, "SELECT @least")


def test_tables_and_views_made_by_queries(client):
    client.query("CREATE TABLE lab.busy AS SELECT * FROM lab.delays WHERE flights > 2").result()
    assert client.get_table("warehouse.lab.busy").schema[0].name == "airport"
    with pytest.raises(exceptions.Conflict, match="Already Exists"):
        client.query("CREATE TABLE lab.busy AS SELECT 1 AS x").result()
    client.query("CREATE OR REPLACE VIEW lab.names AS SELECT DISTINCT airport FROM lab.busy").result()
    assert sorted(rows(client, "SELECT * FROM lab.names")) == [("B",), ("C",)]
    client.query("CREATE OR REPLACE TABLE lab.busy AS SELECT 'Z' AS airport").result()
    assert rows(client, "SELECT * FROM lab.names") == [("Z",)]  # a view is computed when it is read
    client.query("DROP VIEW lab.names; DROP TABLE lab.busy").result()
    with pytest.raises(exceptions.NotFound, match="Not found: Table warehouse:lab.names"):
        rows(client, "SELECT * FROM lab.names")


def test_a_dataset_made_by_sql(client):
    client.query("CREATE SCHEMA fresh").result()
    client.query("CREATE SCHEMA IF NOT EXISTS `warehouse.fresh`; CREATE TABLE fresh.t AS SELECT 1 AS x").result()
    assert rows(client, "SELECT * FROM fresh.t") == [(1,)]
    assert client.get_dataset("warehouse.fresh").dataset_id == "fresh"
    with pytest.raises(exceptions.Conflict, match="Dataset warehouse:fresh"):
        client.query("CREATE SCHEMA fresh").result()


@pytest.mark.parametrize(
    ("text", "error", "sentence"),
    [
        ("SELEC 1", exceptions.BadRequest, "Syntax error"),
        ("SELECT nothing FROM lab.delays", exceptions.BadRequest, "nothing"),
        ("SELECT * FROM gone.t", exceptions.NotFound, "Not found: Table warehouse:gone.t"),
        ("SELECT * FROM alone", exceptions.BadRequest, "must be qualified with a dataset"),
        ("DELETE FROM lab.delays WHERE TRUE", exceptions.GoogleAPIError, "DELETE"),
    ],
)
def test_what_is_refused(client, text, error, sentence):
    with pytest.raises(error, match=sentence):
        client.query(text, retry=None, job_retry=None).result(retry=None, job_retry=None)


@pytest.mark.parametrize("text", ["SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM `/etc/passwd`",
                                  "SELECT getenv('HOME')", "SELECT * FROM storage"])  # fmt: skip
def test_sql_reaches_nothing_but_tables(client, text):
    with pytest.raises(exceptions.GoogleAPIError):
        client.query(text, retry=None, job_retry=None).result(retry=None, job_retry=None)


def test_a_view_of_itself_ends(client, cloud):
    storage.Client().bucket("warehouse-bigquery").blob("lab/self.sql").upload_from_string("SELECT * FROM lab.self")
    with pytest.raises(exceptions.BadRequest, match="of itself"):
        rows(client, "SELECT * FROM lab.self")


def test_sample_data_of_the_learners_own(cloud, tmp_path):
    (tmp_path / "iris").mkdir()
    (tmp_path / "iris" / "data.csv").write_text("a\n1\n")
    vertex.seed("gs://cloud-samples-data/ai-platform", tmp_path)
    vertex.seed("gs://cloud-samples-data/one.csv", tmp_path / "iris" / "data.csv")
    names = [blob.name for blob in storage.Client().list_blobs("cloud-samples-data")]
    assert names == ["ai-platform/iris/data.csv", "one.csv"]
    vertex.seed("bq://bigquery-public-data.ml_datasets.penguins", pd.DataFrame({"mass": [1.0, 2.0]}))
    public = bigquery.Client(project="warehouse").query(
        "SELECT AVG(mass) AS mean FROM `bigquery-public-data.ml_datasets.penguins`"
    )
    assert [row.mean for row in public.result()] == [1.5]


def test_the_real_cloud_is_never_seeded(monkeypatch, tmp_path):
    monkeypatch.delenv("MLELAB_VERTEX", raising=False)
    with pytest.raises(RuntimeError, match="call mlelab.vertex.connect"):
        vertex.seed("gs://cloud-samples-data", tmp_path)
