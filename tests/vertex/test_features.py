"""Both feature stores, and model monitoring."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest
from google.api_core import exceptions
from google.cloud import aiplatform, bigquery, storage
from vertexai.resources.preview import FeatureGroup, FeatureOnlineStore, feature_store, ml_monitoring

from mlelab.vertex.data.drift import distance

ROWS = pd.DataFrame(
    {
        "flyer": ["a", "b", "a"],
        "trips": [1, 2, 3],
        "score": [0.1, 0.2, 0.3],
        "at": ["2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z"],
    }
)


@pytest.fixture
def entity_type(gcs):
    name = f"fs_{gcs.name}"
    store = aiplatform.Featurestore.create(name, online_store_fixed_node_count=1)
    flyers = store.create_entity_type("flyers")
    flyers.batch_create_features({"trips": {"value_type": "INT64"}, "score": {"value_type": "DOUBLE"}})
    ROWS.to_csv(f"gs://{gcs.name}/rows.csv", index=False)
    flyers.ingest_from_gcs(
        feature_ids=["trips", "score"],
        feature_time="at",
        gcs_source_type="csv",
        gcs_source_uris=f"gs://{gcs.name}/rows.csv",
        entity_id_field="flyer",
    )
    return flyers


def test_online_reads(entity_type):
    frame = entity_type.read(["a", "b", "nobody"]).set_index("entity_id")
    assert (frame.loc["a", "trips"], frame.loc["b", "score"]) == (3, 0.2)
    assert frame.loc["nobody"].isna().all()
    entity_type.write_feature_values({"b": {"trips": 9}})
    assert entity_type.read("b", ["trips"])["trips"].tolist() == [9]
    with pytest.raises(exceptions.BadRequest, match="holds INT64"):
        entity_type.write_feature_values(pd.DataFrame({"trips": [1.5]}, index=["b"]))
    with pytest.raises(exceptions.NotFound):
        entity_type.read("b", ["unknown"])


def test_features_are_searched_in_the_words_of_the_documentation(cloud):
    films = aiplatform.Featurestore.create("films").create_entity_type("films")
    films.create_feature("age", "INT64")
    films.create_feature("made", "INT64", description="Year of the film", labels={"kind": "time"})
    films.create_feature("liked", "STRING", description="Friends of the film")
    for query, found in {
        "feature_id: AGE": ["age"],
        "feature_id: a*e": ["age", "made"],
        "value_type=INT64": ["age", "made"],
        "value_type != INT64": ["liked"],
        'description = "Year of the film"': ["made"],
        'description: "of the f"': ["liked", "made"],
        'description: "of film"': [],
        "feature_id = Age": [],
        "labels.kind: *": ["made"],
        "labels.kind = time AND entity_type_id = films": ["made"],
        "labels.kind = place": [],
    }.items():
        assert sorted(f.name for f in aiplatform.Feature.search(f"featurestore_id=films AND {query}")) == found, query
    with pytest.raises(exceptions.InvalidArgument, match="not understood from 'nonsense'"):
        aiplatform.Feature.search(query="value_type=INT64 AND nonsense")


def test_training_reads_are_right_at_their_point_in_time(entity_type, gcs):
    """No value from after the row's timestamp may reach the row."""
    pd.DataFrame(
        {
            "flyers": ["a", "a", "a", "b"],
            "label": [0, 1, 2, 3],
            "timestamp": [
                "2023-12-31T00:00:00Z",
                "2024-01-15T00:00:00Z",
                "2024-02-01T00:00:00Z",
                "2024-03-01T00:00:00Z",
            ],
        }
    ).to_csv(f"gs://{gcs.name}/reads.csv", index=False)
    entity_type.get_featurestore().batch_serve_to_gcs(
        serving_feature_ids={"flyers": ["trips"]},
        read_instances_uri=f"gs://{gcs.name}/reads.csv",
        gcs_destination_output_uri_prefix=f"gs://{gcs.name}/served",
        gcs_destination_type="csv",
        pass_through_fields=["label"],
    )
    served = pd.read_csv(f"gs://{gcs.name}/served/000000000000.csv").set_index("label")["trips"]
    assert np.isnan(served[0])
    assert served[[1, 2, 3]].tolist() == [1, 3, 2]


def test_frames_in_and_out(gcs):
    """`ingest_from_df` and `batch_serve_to_df`, which go through BigQuery tables of the library's own."""
    aiplatform.init(project=os.environ["GOOGLE_CLOUD_PROJECT"])
    store = aiplatform.Featurestore.create(f"df_{gcs.name}", online_store_fixed_node_count=1)
    flyers = store.create_entity_type("flyers")
    flyers.batch_create_features({"trips": {"value_type": "INT64"}, "seen": {"value_type": "STRING_ARRAY"}})
    rows = ROWS.assign(at=pd.to_datetime(ROWS["at"]), seen=[["x"], ["y"], ["x", "z"]])
    flyers.ingest_from_df(["trips", "seen"], feature_time="at", df_source=rows, entity_id_field="flyer")
    asked = ["2023-12-31T00:00:00Z", "2024-01-31T23:59:59Z", "2024-02-01T00:00:00Z"]
    served = store.batch_serve_to_df(
        serving_feature_ids={"flyers": ["*"]},
        read_instances_df=pd.DataFrame({"flyers": "a", "n": range(3), "timestamp": pd.to_datetime(asked)}),
        pass_through_fields=["n"],
    )
    assert list(served) == ["timestamp", "entity_type_flyers", "seen", "trips", "n"]
    assert served["trips"].tolist()[1:] == [1, 3] and np.isnan(served["trips"][0])
    assert [list(value) for value in served["seen"][1:]] == [["x"], ["x", "z"]] and served["seen"][0] is None
    store.delete(force=True)


def test_a_table_that_is_not_there(cloud):
    with pytest.raises(exceptions.NotFound):
        bigquery.Client().get_table("p.d.none")


def test_deleting_a_store_takes_its_values(cloud, entity_type):
    name = entity_type.resource_name
    assert cloud.feature_values.count(name) == 6
    with pytest.raises(exceptions.FailedPrecondition, match="still holds"):
        entity_type.get_featurestore().delete()
    entity_type.get_featurestore().delete(force=True)
    assert cloud.feature_values.count(name) == 0


def test_feature_views(cloud, gcs):
    project = gcs.name
    bucket = storage.Client(project=project).create_bucket(f"{project}-bigquery")
    ROWS.rename(columns={"flyer": "entity_id", "at": "feature_timestamp"}).to_parquet(f"gs://{bucket.name}/d/t.parquet")
    online = FeatureOnlineStore.create_bigtable_store("online")
    uri = f"bq://{project}.d.t"
    view = online.create_feature_view(
        "v", feature_store.utils.FeatureViewBigQuerySource(uri=uri, entity_id_columns=["entity_id"])
    )
    with pytest.raises(exceptions.NotFound):
        view.read("a")
    view.sync()
    values = {f["name"]: next(iter(f["value"].values())) for f in view.read("a").to_dict()["features"]}
    assert (int(values["trips"]), values["score"]) == (3, 0.3)
    bigquery.Client(project=project).query("CREATE VIEW d.few AS SELECT * EXCEPT (score) FROM d.t").result()
    source = feature_store.utils.FeatureViewBigQuerySource(uri=f"bq://{project}.d.few", entity_id_columns=["entity_id"])
    few = online.create_feature_view("v4", source)
    few.sync()
    assert "score" not in {f["name"] for f in few.read("a").to_dict()["features"]}
    group = FeatureGroup.create(
        "g", feature_store.utils.FeatureGroupBigQuerySource(uri=uri, entity_id_columns=["entity_id"])
    )
    group.create_feature("seen", version_column_name="trips")
    grouped = (
        online.create_feature_view("v2", feature_store.utils.FeatureViewRegistrySource(features=["g.seen"]))
        if hasattr(feature_store.utils, "FeatureViewRegistrySource")
        else None
    )
    if grouped:
        grouped.sync()
        assert [f["name"] for f in grouped.read("b").to_dict()["features"]] == ["trips"]
    missing = online.create_feature_view(
        "v3",
        feature_store.utils.FeatureViewBigQuerySource(uri=f"bq://{project}.d.none", entity_id_columns=["entity_id"]),
    )
    sync = missing.sync()
    assert "Not found: Table" in missing.get_sync(sync.name).gca_resource.final_status.message
    online.delete(force=True)


def test_distances():
    same = pd.Series(np.arange(1000.0), name="x")
    assert distance("jensen_shannon_divergence", same, same)[0] == 0
    assert distance("l_infinity", pd.Series(["a", "b"], name="c"), pd.Series(["a", "a"], name="c"))[0] == 0.5
    assert distance("jensen_shannon_divergence", same, same + 5000)[0] > 0.7
    apart = distance("jensen_shannon_divergence", pd.Series(["a"], name="c"), pd.Series(["b"], name="c"))[0]
    assert apart == pytest.approx(1.0)


def test_monitoring_finds_the_column_that_moved(gcs):
    rng = np.random.default_rng(0)
    for name, shift in (("base", 0), ("now", 2)):
        pd.DataFrame({"moved": rng.normal(shift, 1, 500), "same": rng.choice(["a", "b"], 500)}).to_csv(
            f"gs://{gcs.name}/{name}.csv", index=False
        )
    model = aiplatform.Model.upload(display_name="m", serving_container_image_uri="any")
    spec = ml_monitoring.spec
    monitor = ml_monitoring.ModelMonitor.create(
        display_name="mm",
        model_name=model.resource_name,
        model_version_id="1",
        model_monitoring_schema=spec.ModelMonitoringSchema(
            feature_fields=[
                spec.FieldSchema(name="moved", data_type="float"),
                spec.FieldSchema(name="same", data_type="categorical"),
            ]
        ),
        training_dataset=spec.MonitoringInput(gcs_uri=f"gs://{gcs.name}/base.csv", data_format="csv"),
        tabular_objective_spec=spec.TabularObjective(
            feature_drift_spec=spec.DataDriftSpec(
                default_numeric_alert_threshold=0.2, default_categorical_alert_threshold=0.2
            )
        ),
    )
    monitor.run(target_dataset=spec.MonitoringInput(gcs_uri=f"gs://{gcs.name}/now.csv", data_format="csv"), sync=True)
    job = monitor.list_jobs()[0]
    assert job.state.name == "JOB_STATE_SUCCEEDED"
    alerts = monitor.search_alerts()
    assert alerts["total_number_alerts"] == 1
    assert [a.stats_name for a in alerts["model_monitoring_alerts"]] == ["moved"]
    found = {s.tabular_stats.stats_name: s.tabular_stats.data_points[0].has_anomaly for s in monitor.search_metrics()}
    assert found == {"moved": True, "same": False}
    monitor.delete(force=True)
