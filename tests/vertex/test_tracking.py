"""Experiments, metadata and TensorBoard."""

from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.cloud import aiplatform, aiplatform_v1

OPTIONS = {"api_endpoint": "us-central1-aiplatform.googleapis.com"}


def test_an_experiment_is_logged_and_read_back(sdk):
    aiplatform.init(experiment="exp")
    with aiplatform.start_run("run-1"):
        aiplatform.log_params({"rate": 0.1, "layers": 2, "kind": "mlp"})
        aiplatform.log_metrics({"auc": 0.75})
        for step in range(1, 4):
            aiplatform.log_time_series_metrics({"loss": 1.0 / step}, step=step)
    with aiplatform.start_run("run-2"):
        aiplatform.log_params({"rate": 0.2})
        aiplatform.log_metrics({"auc": 0.8})
    with aiplatform.start_run("run-2", resume=True):
        aiplatform.log_metrics({"ap": 0.3})
    frame = aiplatform.get_experiment_df().set_index("run_name").sort_index()
    assert list(frame["metric.auc"]) == [0.75, 0.8]
    assert (frame.loc["run-1", "param.layers"], frame.loc["run-1", "param.kind"]) == (2, "mlp")
    assert frame.loc["run-2", "metric.ap"] == 0.3
    assert frame.loc["run-1", "time_series_metric.loss"] == pytest.approx(1 / 3)
    series = aiplatform.ExperimentRun("run-1", "exp").get_time_series_data_frame()
    assert list(series["loss"]) == pytest.approx([1, 0.5, 1 / 3])
    assert list(series["step"]) == [1, 2, 3]


def test_classification_metrics_and_models(sdk):
    aiplatform.init(experiment="exp")
    with aiplatform.start_run("run"):
        aiplatform.log_classification_metrics(labels=["no", "yes"], matrix=[[8, 1], [2, 4]], display_name="cm")
    run = aiplatform.ExperimentRun("run", "exp")
    assert run.get_classification_metrics()[0]["matrix"] == [[8, 1], [2, 4]]
    run.delete()
    with pytest.raises(exceptions.NotFound):
        aiplatform.ExperimentRun("run", "exp")


def test_lineage(sdk):
    data = aiplatform.Artifact.create(schema_title="system.Dataset", uri="gs://b/data", metadata={"rows": 10})
    model = aiplatform.Artifact.create(schema_title="system.Model", uri="gs://b/model")
    with aiplatform.start_execution(schema_title="system.ContainerExecution", display_name="train") as execution:
        execution.assign_input_artifacts([data])
        execution.assign_output_artifacts([model])
    assert [a.uri for a in execution.get_input_artifacts()] == ["gs://b/data"]
    assert [a.uri for a in execution.get_output_artifacts()] == ["gs://b/model"]
    assert execution.state.name == "COMPLETE"
    client = aiplatform_v1.MetadataServiceClient(client_options=OPTIONS)
    graph = client.query_artifact_lineage_subgraph(artifact=model.resource_name)
    assert {a.uri for a in graph.artifacts} == {"gs://b/data", "gs://b/model"}
    assert len(graph.events) == 2
    found = aiplatform.Artifact.list(filter='schema_title="system.Dataset" AND metadata.rows.number_value>5')
    assert [a.uri for a in found] == ["gs://b/data"]
    data.update(metadata={"rows": 11})
    assert aiplatform.Artifact.get(data.resource_name).metadata["rows"] == 11


def test_contexts(sdk, transport):
    client = aiplatform_v1.MetadataServiceClient(transport=transport, client_options=OPTIONS)
    store = f"projects/{sdk}/locations/us-central1/metadataStores/default"
    parent, child = (
        client.create_context(parent=store, context={"display_name": n}, context_id=n) for n in ("up", "down")
    )
    artifact = client.create_artifact(parent=store, artifact={"display_name": "a", "uri": "gs://b/a"}, artifact_id="a")
    client.add_context_children(context=parent.name, child_contexts=[child.name])
    client.add_context_artifacts_and_executions(context=child.name, artifacts=[artifact.name])
    listed = client.list_contexts(request={"parent": store, "filter": f'parent_contexts:"{parent.name}"'})
    assert [c.name for c in listed] == [child.name]
    inside = client.list_artifacts(request={"parent": store, "filter": f'in_context("{child.name}")'})
    assert [a.name for a in inside] == [artifact.name]
    assert len(client.query_context_lineage_subgraph(context=child.name).artifacts) == 1
    with pytest.raises(exceptions.BadRequest, match="own ancestor"):
        client.add_context_children(context=child.name, child_contexts=[parent.name])
    with pytest.raises(exceptions.NotFound):
        client.add_context_artifacts_and_executions(context=child.name, artifacts=[artifact.name + "x"])
    client.remove_context_children(context=parent.name, child_contexts=[child.name])
    assert not client.get_context(name=child.name).parent_contexts
    purged = client.purge_artifacts(request={"parent": store, "filter": 'uri="gs://b/a"', "force": True}).result(
        timeout=10
    )
    assert purged.purge_count == 1
    with pytest.raises(exceptions.NotFound):
        client.get_artifact(name=artifact.name)


def test_tensorboard(sdk, transport):
    board = aiplatform.Tensorboard.create(display_name="tb")
    experiment = aiplatform.TensorboardExperiment.create("exp", board.resource_name)
    run = aiplatform.TensorboardRun.create("run", experiment.resource_name)
    run.create_tensorboard_time_series("loss")
    for step, loss in enumerate([0.9, 0.5, 0.4]):
        run.write_tensorboard_scalar_data({"loss": loss}, step=step)
    series = run.read_time_series_data()["loss"]
    assert [round(v.scalar.value, 6) for v in series.values] == [0.9, 0.5, 0.4]
    client = aiplatform_v1.TensorboardServiceClient(transport=transport, client_options=OPTIONS)
    name = f"{run.resource_name}/timeSeries/{series.tensorboard_time_series_id}"
    late = client.read_tensorboard_time_series_data(
        request={"tensorboard_time_series": name, "filter": "step>=1", "max_data_points": 1}
    ).time_series_data
    assert len(late.values) == 1
    exported = client.export_tensorboard_time_series_data(request={"tensorboard_time_series": name, "page_size": 2})
    assert [v.step for v in exported] == [0, 1, 2]
    with pytest.raises(exceptions.BadRequest, match="already has a time series"):
        run.create_tensorboard_time_series("loss")
    board.delete()
    with pytest.raises(exceptions.NotFound):
        client.get_tensorboard_run(name=run.resource_name)
