"""Model Registry: versions, aliases, the default version, evaluations.

A version lives at `models/ID/versions/N`; `models/ID` holds a copy of the default version, which is what lists show.
"""

from __future__ import annotations

import re
from typing import Any

from google.protobuf import empty_pb2
from google.protobuf.message import Message

from ..resources.generic import check_parent, clean, generic, list_, store_copy
from ..resources.masks import check_etag, merge
from ..resources.operations import finished
from ..resources.registry import Call, implements
from ..resources.store import Store, new_id
from ..resources.times import stamp
from ..resources.validation import check_id
from ..wire.catalog import pb, types
from ..wire.errors import CloudError, invalid, not_found, precondition

generic("ModelService", "ListModels|(Get|List)ModelEvaluationSlices?|GetModelEvaluation")

ALIAS = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")
SHARED = ("display_name", "description", "labels")  # fields of the model, not of one version


def versions(store: Store, model: str) -> list[Any]:
    """All versions of `projects/.../models/ID`, oldest first."""
    return store.list(pb.Model, f"{model}/versions")


def find_version(store: Store, name: str) -> Any:
    """The version that `models/ID`, `models/ID@3` or `models/ID@alias` names. Raises NOT_FOUND."""
    model, _, reference = name.partition("@")
    for version in versions(store, model):
        if (reference or "default") in (version.version_id, *version.version_aliases):
            return version
    raise not_found(name)


def refuse_publisher(call: Call, name: str) -> None:
    """UNIMPLEMENTED for a publisher's model, such as `publishers/google/models/imagen-4.0`."""
    if "publishers/" in name:
        raise CloudError(
            "UNIMPLEMENTED", f"{call.method.name} with {name[:200]} is not implemented by this local stand-in."
        )


def save(store: Store, version: Any) -> None:
    """Write one version, and the model's own row where it is the default."""
    store.put(version, f"{version.name}/versions/{version.version_id}")
    if "default" in version.version_aliases:
        store.put(version)


def endpoints_with(store: Store, version: Any, any_version: bool = False) -> list[str]:
    """Names of the endpoints that `version` (or any version of its model) is deployed to."""
    location = version.name.split("/models/")[0]
    return [
        endpoint.name
        for endpoint in store.list(pb.Endpoint, f"{location}/endpoints")
        for deployed in endpoint.deployed_models
        if deployed.model == version.name and (any_version or deployed.model_version_id == version.version_id)
    ]


def move_aliases(store: Store, version: Any, aliases: list[str]) -> None:
    """Give `aliases` to `version`, taking them from its siblings; `-alias` takes one away."""
    for alias in aliases:
        if not ALIAS.fullmatch(alias.removeprefix("-")):
            raise invalid(f"Version alias {alias[:130]!r} must match {ALIAS.pattern}.")
        if alias == "-default":
            raise invalid("The alias 'default' cannot be removed, only moved to another version.")
    added = [alias for alias in aliases if not alias.startswith("-")]
    removed = {alias[1:] for alias in aliases if alias.startswith("-")}
    for sibling in versions(store, version.name):
        if sibling.version_id != version.version_id and set(added) & set(sibling.version_aliases):
            kept = [alias for alias in sibling.version_aliases if alias not in added]
            del sibling.version_aliases[:]
            sibling.version_aliases.extend(kept)
            save(store, sibling)
    kept = [alias for alias in version.version_aliases if alias not in removed and alias not in added]
    del version.version_aliases[:]
    version.version_aliases.extend([*kept, *added])


def add_version(store: Store, model: Any, parent: str, model_id: str, parent_model: str, is_default: bool) -> Any:
    """Register `model` as a new model, or as the next version of `parent_model`. Returns the stored version."""
    clean(model)
    aliases = list(model.version_aliases)
    del model.version_aliases[:]
    with store:
        if parent_model:
            base = parent_model.partition("@")[0]
            existing = versions(store, base)
            if not existing:
                raise not_found(base)
            model.name, model.version_id = base, str(max(int(v.version_id) for v in existing) + 1)
            model.create_time.CopyFrom(existing[0].create_time)
        else:
            model.name, model.version_id = f"{parent}/models/{model_id or new_id()}", "1"
            if store.exists(model.name):
                raise precondition(f"{model.name} already exists; upload a version of it with parent_model.")
            stamp(model, "create_time")
            is_default = True
        stamp(model, "update_time", "version_create_time", "version_update_time")
        model.supported_deployment_resources_types.append(types().Model.DeploymentResourcesType.DEDICATED_RESOURCES)
        model.supported_input_storage_formats.extend(["jsonl", "csv"])
        model.supported_output_storage_formats.append("jsonl")
        move_aliases(store, model, [a for a in aliases if a != "default"] + (["default"] if is_default else []))
        save(store, model)
    return model


@implements("ModelService.UploadModel")
def upload_model(call: Call, request: Any) -> Message:
    """Register a model, or a version where `parent_model` is given."""
    model = pb.Model()
    model.CopyFrom(request.model)
    if request.model_id:
        check_id(request.model_id)
    if model.artifact_uri and not model.artifact_uri.startswith("gs://"):
        raise invalid(f"model.artifact_uri {model.artifact_uri[:200]!r} must begin with gs://.")
    is_default = not request.parent_model or "default" in model.version_aliases
    model = add_version(call.store, model, request.parent, request.model_id, request.parent_model, is_default)
    return finished(call, pb.UploadModelResponse(model=model.name, model_version_id=model.version_id))


@implements("ModelService.CopyModel")
def copy_model(call: Call, request: Any) -> Message:
    """Copy one version within the location or into another."""
    source = find_version(call.store, request.source_model)
    copy = pb.Model()
    copy.CopyFrom(source)
    del copy.version_aliases[:]
    copy = add_version(
        call.store, copy, request.parent, request.model_id, request.parent_model, not request.parent_model
    )
    return finished(call, pb.CopyModelResponse(model=copy.name, model_version_id=copy.version_id))


@implements("ModelService.GetModel")
def get_model(call: Call, request: Any) -> Message:
    """Read the default version, or the one named after `@`."""
    version = find_version(call.store, request.name)
    for endpoint in call.store.list(pb.Endpoint, f"{version.name.split('/models/')[0]}/endpoints"):
        for deployed in endpoint.deployed_models:
            if (deployed.model, deployed.model_version_id) == (version.name, version.version_id):
                version.deployed_models.add(endpoint=endpoint.name, deployed_model_id=deployed.id)
    return version


@implements("ModelService.ListModelVersions")
def list_model_versions(call: Call, request: Any) -> Message:
    """List the versions of one model."""
    items = versions(call.store, request.name.partition("@")[0])
    if not items:
        raise not_found(request.name)
    return list_(call, request, items=items)


@implements("ModelService.UpdateModel")
def update_model(call: Call, request: Any) -> Message:
    """Change a version; display name, description and labels belong to all versions."""
    with call.store:
        version = find_version(call.store, request.model.name)
        check_etag(version, request.model.etag)
        merge(version, request.model, request.update_mask)
        stamp(version, "update_time", "version_update_time")
        save(call.store, version)
        for sibling in versions(call.store, version.name):
            for field in SHARED:
                sibling.ClearField(field)
            sibling.MergeFrom(pb.Model(**{field: getattr(version, field) for field in SHARED}))
            save(call.store, sibling)
        return find_version(call.store, f"{version.name}@{version.version_id}")


@implements("ModelService.MergeVersionAliases")
def merge_version_aliases(call: Call, request: Any) -> Message:
    """Move aliases, `default` among them, to one version."""
    with call.store:
        version = find_version(call.store, request.name)
        move_aliases(call.store, version, list(request.version_aliases))
        save(call.store, version)
    return version


@implements("ModelService.DeleteModel")
def delete_model(call: Call, request: Any) -> Message:
    """Delete a model with all its versions, unless one is deployed."""
    with call.store:
        version = find_version(call.store, request.name.partition("@")[0])
        if where := endpoints_with(call.store, version, any_version=True):
            raise precondition(f"{version.name} is deployed to {where[0]}: undeploy it before deleting it.")
        for one in versions(call.store, version.name):
            call.store.delete(f"{version.name}@{one.version_id}")  # its evaluations
        call.store.delete(version.name)
    return finished(call, empty_pb2.Empty())


@implements("ModelService.DeleteModelVersion")
def delete_model_version(call: Call, request: Any) -> Message:
    """Delete one version, unless it is the last, the default, or deployed."""
    with call.store:
        if "@" not in request.name:
            raise invalid("name must end with @VERSION.")
        version = find_version(call.store, request.name)
        if len(versions(call.store, version.name)) == 1:
            raise precondition("The only version of a model cannot be deleted: delete the model.")
        if "default" in version.version_aliases:
            raise precondition("The default version cannot be deleted: give the alias 'default' to another first.")
        if where := endpoints_with(call.store, version):
            raise precondition(f"{request.name} is deployed to {where[0]}: undeploy it before deleting it.")
        call.store.delete(f"{version.name}/versions/{version.version_id}")
    return finished(call, empty_pb2.Empty())


def _evaluations_of(call: Call, parent: str) -> str:
    """The collection of a version's evaluations."""
    version = find_version(call.store, parent)
    return f"{version.name}@{version.version_id}/evaluations"


@implements("ModelService.ListModelEvaluations")
def list_model_evaluations(call: Call, request: Any) -> Message:
    """List the evaluations of one version."""
    return list_(call, request, items=call.store.list(pb.ModelEvaluation, _evaluations_of(call, request.parent)))


@implements("ModelService.ImportModelEvaluation")
def import_model_evaluation(call: Call, request: Any) -> Message:
    """Attach metrics that were computed elsewhere to one version."""
    clean(request.model_evaluation)
    return store_copy(call.store, request.model_evaluation, f"{_evaluations_of(call, request.parent)}/{new_id()}")


@implements("ModelService.BatchImportModelEvaluationSlices")
def import_slices(call: Call, request: Any) -> Message:
    """Attach metrics of slices of the data to an evaluation."""
    check_parent(call, request.parent)
    names = []
    with call.store:
        for item in request.model_evaluation_slices:
            names.append(store_copy(call.store, item, f"{request.parent}/slices/{new_id()}").name)
    return pb.BatchImportModelEvaluationSlicesResponse(imported_model_evaluation_slices=names)


@implements("ModelService.ExportModel")
def export_model(call: Call, request: Any) -> Message:
    """Copy the artifact to another place in storage."""
    version = find_version(call.store, request.name)
    target = request.output_config.artifact_destination.output_uri_prefix
    if not target or not version.artifact_uri:
        raise invalid("Export needs a model with an artifact and output_config.artifact_destination.")
    target = f"{target.rstrip('/')}/model-{version.name.rsplit('/', 1)[1]}"
    folder = call.cloud.processes.new_folder()
    call.cloud.storage.download(version.artifact_uri, folder)
    call.cloud.storage.upload(folder, target)
    operation = finished(call, pb.ExportModelResponse())
    metadata = pb.ExportModelOperationMetadata(output_info={"artifact_output_uri": target})
    operation.metadata.value = metadata.SerializeToString()
    call.store.put(operation)
    return operation
