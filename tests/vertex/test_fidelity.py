"""What once worked here and differs on the cloud."""

import json
import time

import pandas as pd
import pytest
from conftest import SKLEARN
from google.api_core import exceptions
from google.cloud import aiplatform, bigquery, storage
from kfp import compiler, dsl


@dsl.component(base_image="python:3.11")
def one() -> int:
    return 1


def test_pipelines_of_other_names_share_no_cache(cloud, gcs, tmp_path):
    aiplatform.init(project=cloud.project, location="us-central1")
    states = []
    for name in ("first", "second", "first"):

        @dsl.pipeline(name=name)
        def pipeline():
            one()

        path = str(tmp_path / f"{name}.json")
        compiler.Compiler().compile(pipeline, path)
        job = aiplatform.PipelineJob(
            display_name=name, template_path=path, pipeline_root=f"gs://{gcs.name}/r", job_id=f"{name}-{len(states)}"
        )
        job.run()
        states += [task.state.name for task in job.task_details if task.task_name == "one"]
    assert states == ["SUCCEEDED", "SUCCEEDED", "SKIPPED"]


def batch_predict(bucket: str, artifact, config: dict) -> aiplatform.BatchPredictionJob:
    """A batch prediction over two rows. The library's own classes do not pass an instance_config on."""
    model = aiplatform.Model.upload(
        display_name="m", artifact_uri=artifact(bucket, 2.0), serving_container_image_uri=SKLEARN
    )
    rows = '{"id": "a", "x": 3.0, "note": "n"}\n{"id": "b"}\n'
    storage.Client().bucket(bucket).blob("rows.jsonl").upload_from_string(rows)
    made = aiplatform.gapic.JobServiceClient(
        client_options={"api_endpoint": "us-central1-aiplatform.googleapis.com"}
    ).create_batch_prediction_job(
        parent=model.resource_name.split("/models/")[0],
        batch_prediction_job={
            "display_name": "b",
            "model": model.resource_name,
            "input_config": {"instances_format": "jsonl", "gcs_source": {"uris": [f"gs://{bucket}/rows.jsonl"]}},
            "output_config": {
                "predictions_format": "jsonl",
                "gcs_destination": {"output_uri_prefix": f"gs://{bucket}/out"},
            },
            "instance_config": config,
        },
    )
    job = aiplatform.BatchPredictionJob(made.name)
    while not job.done():
        time.sleep(0.1)
    return job


@pytest.mark.parametrize(
    ("config", "shown"),
    [
        ({"instance_type": "array", "included_fields": ["x"]}, {"instance": [3.0]}),
        ({"instance_type": "array", "included_fields": ["x"], "key_field": "id"}, {"key": "a"}),
    ],
)
def test_batch_prediction_builds_instances_from_objects(gcs, artifact, config, shown):
    job = batch_predict(gcs.name, artifact, config)
    (results,) = [blob for blob in job.iter_outputs() if "results" in blob.name]
    (line,) = results.download_as_text().splitlines()
    assert json.loads(line) == shown | {"prediction": pytest.approx(6)}
    assert job.completion_stats.failed_count == 1  # the row without x


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"included_fields": ["x"], "excluded_fields": ["y"]}, "not both"),
        ({"instance_type": "array"}, "order of an array"),
        ({"instance_type": "tuple"}, "must be object or array"),
    ],
)
def test_an_instance_config_that_cannot_be_is_refused(gcs, artifact, config, sentence):
    with pytest.raises(exceptions.InvalidArgument, match=sentence):
        batch_predict(gcs.name, artifact, config)


@pytest.mark.parametrize("labels", [{"Team": "a"}, {"team": "A"}, {"a b": "c"}, {"team": "x" * 65}, {"k" * 65: "v"},
                                    {f"k{i}": "v" for i in range(65)}])  # fmt: skip
def test_labels_are_checked(grpc_sdk, labels):
    with pytest.raises(exceptions.InvalidArgument, match="label"):
        aiplatform.Endpoint.create(display_name="e", labels=labels)


def test_labels_that_are_allowed(grpc_sdk):
    labels = {"team": "", "größe": "ß_1-a", "k" * 64: "v" * 64}
    endpoint = aiplatform.Endpoint.create(display_name="e", labels=labels)
    assert endpoint.labels == labels
    with pytest.raises(exceptions.InvalidArgument, match="label"):
        endpoint.update(labels={"Team": "a"})


def test_a_bucket_belongs_to_the_project_that_made_it(cloud):
    from google.cloud import resourcemanager_v3

    bucket = storage.Client(project="another-project").create_bucket("of-another-project")
    numbered = resourcemanager_v3.ProjectsClient().get_project(name="projects/another-project")
    assert numbered.name == f"projects/{bucket.project_number}"
    assert storage.Client().create_bucket("of-our-project").project_number != bucket.project_number


def test_a_prediction_request_has_a_limit(cloud, grpc_sdk, artifact, monkeypatch):
    endpoint = aiplatform.Endpoint.create(display_name="limited")
    model = aiplatform.Model.upload(
        display_name="m", artifact_uri=artifact(grpc_sdk, 2.0), serving_container_image_uri=SKLEARN
    )
    model.deploy(endpoint, machine_type="n1-standard-2")
    note = {"note": "x" * 1_600_000}
    with pytest.raises(exceptions.InvalidArgument, match="exceeds the limit: 1572864 bytes"):
        endpoint.predict([[1.0]], parameters=note)
    monkeypatch.setattr(cloud, "limits", False)
    assert endpoint.predict([[1.0]], parameters=note).predictions == pytest.approx([2])


def test_a_job_in_an_experiment_gets_a_run(cloud, gcs):
    experiment = aiplatform.Experiment.create("exp-of-job")
    job = aiplatform.CustomJob(
        display_name="j",
        worker_pool_specs=[
            {
                "machine_spec": {"machine_type": "n1-standard-4"},
                "replica_count": 1,
                "container_spec": {
                    "image_uri": "any",
                    "command": ["sh", "-c", "echo $AIP_EXPERIMENT_NAME $AIP_EXPERIMENT_RUN_NAME"],
                },
            }
        ],
    )
    job.run(experiment="exp-of-job", service_account="a@b.iam.gserviceaccount.com")
    (run,) = aiplatform.ExperimentRun.list(experiment=experiment)
    assert run.name == job.resource_name.rsplit("/", 1)[1]
    assert run.state.name == "COMPLETE"
    log = cloud.state / "logs" / run.name / "workerpool0-0.txt"
    assert log.read_text().split() == ["exp-of-job", f"exp-of-job-{run.name}"]


def test_times_without_a_zone_are_no_moments(cloud):
    client = bigquery.Client(project="p1")
    client.create_dataset("times", exists_ok=True)
    moment = pd.to_datetime(["2026-01-01"]).as_unit("ns")  # of other units without a zone, the client says TIMESTAMP
    frame = pd.DataFrame({"naive": moment, "aware": moment.tz_localize("UTC")})
    client.load_table_from_dataframe(frame, "p1.times.t").result()
    schema = {field.name: field.field_type for field in client.get_table("p1.times.t").schema}
    assert schema == {"naive": "DATETIME", "aware": "TIMESTAMP"}


@pytest.mark.parametrize("project", ["p1", "a-project-without-a-dataset"])
def test_a_missing_table_is_called_a_table(cloud, project):
    with pytest.raises(exceptions.NotFound, match=f"Not found: (Table|Dataset) {project}:gone"):
        bigquery.Client(project=project).get_table(f"{project}.gone.t")
