"""The same script, unchanged, as a CustomJob with two replicas on the local Vertex AI."""

import json

import pytest
from google.cloud import aiplatform, storage
from google.cloud.aiplatform import jobs

from mlelab import vertex
from mlelab.training import worker

from .conftest import same


@pytest.fixture
def bucket(monkeypatch):
    monkeypatch.setattr(jobs, "_JOB_WAIT_TIME", 0.2)  # the SDK asks every five seconds how a job is doing
    with vertex.local():
        aiplatform.init(project="training", location="us-central1", staging_bucket="gs://training-job")
        yield storage.Client(project="training").create_bucket("training-job", location="us-central1")
        aiplatform.initializer.global_config.__init__()


def test_a_custom_job_with_two_replicas(bucket, table, two):
    bucket.blob("rows.npz").upload_from_filename(table[1])
    job = aiplatform.CustomJob.from_local_script(
        display_name="delays",
        script_path=worker.__file__,
        container_uri="us-docker.pkg.dev/vertex-ai/training/tf-cpu.2-17.py310:latest",
        replica_count=2,
        args=["--strategy", "multiworker", "--data", f"/gcs/{bucket.name}/rows.npz", *table[2:],
              "--checkpoint", f"/gcs/{bucket.name}/checkpoints", "--result", f"/gcs/{bucket.name}/{{task}}.json"],
    )
    job.run()
    chief, other = (json.loads(bucket.blob(f"{task}.json").download_as_text()) for task in ("chief-0", "worker-0"))
    assert same(chief, other)
    assert same(chief, two[0].result)
    assert bucket.blob("checkpoints/step-000040.npz").exists()
