"""Model Registry, over both transports."""

from __future__ import annotations

import pytest
from conftest import SKLEARN
from google.api_core import exceptions
from google.cloud import aiplatform, aiplatform_v1


def upload(**kwargs) -> aiplatform.Model:
    return aiplatform.Model.upload(**{"display_name": "m", "serving_container_image_uri": SKLEARN, **kwargs})


def test_versions_and_aliases(sdk):
    first = upload(model_id="flights", version_description="one", labels={"team": "a"})
    second = upload(parent_model=first.resource_name, is_default_version=False, version_aliases=["candidate"])
    assert first.resource_name == second.resource_name == f"projects/{sdk}/locations/us-central1/models/flights"
    assert (first.version_id, second.version_id) == ("1", "2")
    assert aiplatform.Model("flights").version_id == "1"
    assert aiplatform.Model("flights@candidate").version_id == "2"
    registry = first.versioning_registry
    assert [(v.version_id, list(v.version_aliases)) for v in registry.list_versions()] == [
        ("1", ["default"]),
        ("2", ["candidate"]),
    ]
    registry.add_version_aliases(["default"], "2")
    assert aiplatform.Model("flights").version_id == "2"
    registry.remove_version_aliases(["candidate"], "2")
    with pytest.raises(exceptions.NotFound):
        aiplatform.Model("flights@candidate")
    assert [m.version_id for m in aiplatform.Model.list()] == ["2"]
    third = upload(parent_model="flights")
    assert (third.version_id, aiplatform.Model("flights").version_id) == ("3", "3")


def test_what_may_be_deleted(sdk):
    model = upload()
    registry = model.versioning_registry
    with pytest.raises(exceptions.BadRequest, match="only version"):
        registry.delete_version("1")
    upload(parent_model=model.resource_name, is_default_version=False)
    with pytest.raises(exceptions.BadRequest, match="default version"):
        registry.delete_version("1")
    registry.delete_version("2")
    assert len(registry.list_versions()) == 1
    model.delete()
    assert aiplatform.Model.list() == []


def test_update_and_filter(sdk):
    model = upload(labels={"stage": "dev"})
    upload(display_name="other")
    model.update(display_name="renamed", labels={"stage": "prod"})
    found = aiplatform.Model.list(filter='labels.stage="prod"')
    assert [m.display_name for m in found] == ["renamed"]
    assert len(aiplatform.Model.list(filter='display_name="other"')) == 1


def test_bad_uploads(sdk, transport):
    client = aiplatform_v1.ModelServiceClient(
        transport=transport, client_options={"api_endpoint": "us-central1-aiplatform.googleapis.com"}
    )
    parent = f"projects/{sdk}/locations/us-central1"
    with pytest.raises(exceptions.BadRequest, match="gs://"):
        client.upload_model(parent=parent, model={"display_name": "m", "artifact_uri": "/tmp/x"})
    with pytest.raises(exceptions.BadRequest, match="display_name is required"):
        client.upload_model(parent=parent, model={})
    with pytest.raises(exceptions.NotFound):
        client.upload_model(
            request={"parent": parent, "parent_model": f"{parent}/models/404", "model": {"display_name": "m"}}
        )
    with pytest.raises(exceptions.BadRequest, match="alias"):
        upload(version_aliases=["Not Valid"])


def test_evaluations(sdk, transport):
    model = upload()
    client = aiplatform_v1.ModelServiceClient(
        transport=transport, client_options={"api_endpoint": "us-central1-aiplatform.googleapis.com"}
    )
    client.import_model_evaluation(
        parent=model.resource_name,
        model_evaluation={
            "display_name": "e",
            "metrics": {"auRoc": 0.75},
            "metrics_schema_uri": "gs://google-cloud-aiplatform/schema/modelevaluation/classification_metrics_1.0.0.yaml",
        },
    )
    evaluations = model.list_model_evaluations()
    assert [dict(e.metrics) for e in evaluations] == [{"auRoc": 0.75}]


def test_copy_and_export(gcs, artifact):
    uri = artifact(gcs.name, 2.0)
    model = upload(artifact_uri=uri)
    copy = model.copy(destination_location="us-central1", destination_model_id="copied")
    assert copy.gca_resource.artifact_uri == uri
    client = aiplatform_v1.ModelServiceClient(client_options={"api_endpoint": "us-central1-aiplatform.googleapis.com"})
    client.export_model(
        name=model.resource_name,
        output_config={"artifact_destination": {"output_uri_prefix": f"gs://{gcs.name}/exported"}},
    ).result(timeout=10)
    assert [b.name.split("/")[-1] for b in gcs.list_blobs(prefix="exported/")] == ["model.joblib"]
