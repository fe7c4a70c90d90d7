"""Answers as JSON have the fields of the REST reference: those that a request gives, and those that are output only."""

from __future__ import annotations

import google.auth
import pytest
from conftest import LOCATION, SKLEARN
from google.auth.transport.requests import AuthorizedSession
from google.cloud import aiplatform, storage

TIMES = {"createTime", "updateTime"}
RAN = TIMES | {"startTime", "endTime", "state"}
# From the reference of each resource: what stands in a finished one that was made like the one below.
DOCUMENTED = {
    "models": TIMES | {
        "name", "displayName", "artifactUri", "containerSpec", "etag", "versionId", "versionAliases",
        "versionCreateTime", "versionUpdateTime", "deployedModels", "supportedDeploymentResourcesTypes",
        "supportedInputStorageFormats", "supportedOutputStorageFormats",
    },
    "endpoints": TIMES | {"name", "displayName", "etag", "deployedModels", "trafficSplit", "labels"},
    "customJobs": RAN | {"name", "displayName", "jobSpec"},
    "batchPredictionJobs": RAN | {
        "name", "displayName", "model", "modelVersionId", "inputConfig", "outputConfig", "outputInfo",
        "completionStats",
    },
    # not metadataArtifact: no artifact is made of a dataset, as `--list` says
    "datasets": TIMES | {"name", "displayName", "metadata", "metadataSchemaUri", "etag"},
    "operations": {"name", "metadata", "done", "response"},
}  # fmt: skip
DEPLOYED = {"id", "model", "modelVersionId", "displayName", "createTime", "dedicatedResources"}


@pytest.fixture(scope="module")
def made(cloud, tmp_path_factory) -> dict[str, str]:
    """A finished resource of each kind, by its collection."""
    import joblib
    from sklearn.linear_model import LinearRegression

    aiplatform.init(project="golden", location=LOCATION, staging_bucket="gs://golden")
    bucket = storage.Client(project="golden").create_bucket("golden", location=LOCATION)
    file = tmp_path_factory.mktemp("golden") / "model.joblib"
    joblib.dump(LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0]), file)
    bucket.blob("model/model.joblib").upload_from_filename(file)
    bucket.blob("rows.jsonl").upload_from_string("[1.0]\n")
    bucket.blob("rows.csv").upload_from_string("a\n1\n")
    model = aiplatform.Model.upload(
        display_name="m", artifact_uri="gs://golden/model", serving_container_image_uri=SKLEARN
    )
    endpoint = aiplatform.Endpoint.create(display_name="e", labels={"team": "a"})
    model.deploy(endpoint, machine_type="n1-standard-2")
    job = aiplatform.CustomJob(
        display_name="j",
        worker_pool_specs=[
            {
                "machine_spec": {"machine_type": "n1-standard-4"},
                "replica_count": 1,
                "container_spec": {"image_uri": "any", "command": ["true"]},
            }
        ],
    )
    job.run()
    batch = model.batch_predict(
        job_display_name="b", gcs_source="gs://golden/rows.jsonl", gcs_destination_prefix="gs://golden/out"
    )
    dataset = aiplatform.TabularDataset.create(display_name="d", gcs_source="gs://golden/rows.csv")
    aiplatform.initializer.global_config.__init__()
    return {one.resource_name.split("/")[-2]: one.resource_name for one in (model, endpoint, job, batch, dataset)}


@pytest.fixture(scope="module")
def rest(cloud) -> AuthorizedSession:
    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    return AuthorizedSession(credentials)


def get(rest: AuthorizedSession, name: str) -> dict:
    return rest.get(f"https://{LOCATION}-aiplatform.googleapis.com/v1/{name}", timeout=10).json()


@pytest.mark.parametrize("kind", [kind for kind in DOCUMENTED if kind != "operations"])
def test_a_resource_has_the_documented_fields(made, rest, kind):
    found = get(rest, made[kind])
    assert not DOCUMENTED[kind] - set(found), sorted(found)
    assert all(found[key].endswith("Z") for key in found if key.endswith("Time"))
    for deployed in found.get("deployedModels", []) if kind == "endpoints" else []:
        assert not DEPLOYED - set(deployed)


def test_an_operation_has_the_documented_fields(made, rest):
    parent = made["endpoints"].rsplit("/", 2)[0]
    url = f"https://{LOCATION}-aiplatform.googleapis.com/v1/{parent}/endpoints"
    started = rest.post(url, json={"displayName": "o"}, timeout=10).json()
    found = get(rest, started["name"])
    assert not DOCUMENTED["operations"] - set(found) and found["done"] is True
    assert found["metadata"]["@type"].endswith("CreateEndpointOperationMetadata")
    assert set(found["metadata"]["genericMetadata"]) >= TIMES
    assert found["response"]["@type"].endswith(".Endpoint") and "/endpoints/" in found["response"]["name"]


def test_an_error_has_the_documented_fields(made, rest):
    error = get(rest, made["endpoints"][:-3] + "000")["error"]
    assert (error["code"], error["status"]) == (404, "NOT_FOUND") and error["message"]
