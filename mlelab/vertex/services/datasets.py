"""Datasets: tables in storage under a name, exported in splits."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from ..data.tables import expand, read_tables
from ..resources.generic import create, generic
from ..resources.operations import finished
from ..resources.registry import Call, implements
from ..wire.catalog import pb
from ..wire.errors import invalid, precondition

generic("DatasetService", "(Get|List|Update|Delete)Datasets?|ListSavedQueries")


def sources(dataset: Any) -> list[str]:
    """The storage objects of a tabular dataset. FAILED_PRECONDITION where it has none."""
    config = (
        json_format.MessageToDict(dataset.metadata).get("inputConfig", {})
        if dataset.metadata.WhichOneof("kind") == "struct_value"
        else {}
    )
    uris = config.get("gcsSource", {}).get("uri", [])
    if not uris:
        raise precondition(f"{dataset.name} has no Cloud Storage source; other sources are not implemented here.")
    return [uris] if isinstance(uris, str) else uris


@implements("DatasetService.CreateDataset", differs="tables only; a source of images is not read")
def create_dataset(call: Call, request: Any) -> Message:
    """Register a dataset. Its objects must exist."""
    config = json_format.MessageToDict(request.dataset.metadata)
    source = (
        (config.get("inputConfig", {}) or {}).get("gcsSource", {}).get("uri", []) if isinstance(config, dict) else []
    )
    table = config.get("inputConfig", {}).get("bigquerySource", {}) if isinstance(config, dict) else {}
    if isinstance(table.get("uri"), list) and len(table["uri"]) == 1:  # the library sends a list, the field holds one
        table["uri"] = table["uri"][0]
        json_format.ParseDict(config, request.dataset.metadata)
    for uri in expand(call.cloud.storage, [source] if isinstance(source, str) else source):
        if not call.cloud.storage.names(uri):
            raise invalid(f"dataset.metadata names {uri}, which does not exist.")
    return create(call, request)


@implements("DatasetService.ExportData", differs="CSV")
def export_data(call: Call, request: Any) -> Message:
    """Copy a dataset's table to storage."""
    dataset = call.store.get(pb.Dataset, request.name)
    target = request.export_config.gcs_destination.output_uri_prefix.rstrip("/")
    if not target:
        raise invalid("export_config.gcs_destination is required.")
    file = f"{target}/export-data-{dataset.name.rsplit('/', 1)[1]}/data-00000-of-00001.csv"
    call.cloud.storage.write(
        file, read_tables(call.cloud.storage, sources(dataset)).to_csv(index=False).encode(), "text/csv"
    )
    return finished(call, pb.ExportDataResponse(exported_files=[file]))
