"""Datasets: tables in Cloud Storage or BigQuery under a name, exported in splits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf import json_format
from google.protobuf.message import Message

from ..data.tables import expand, read_tables
from ..data.warehouse import bigquery_table
from ..resources.generic import create, generic
from ..resources.operations import finished
from ..resources.registry import Call, implements
from ..wire.catalog import pb
from ..wire.errors import invalid, precondition
from .context import Context

if TYPE_CHECKING:
    import pandas as pd

generic("DatasetService", "(Get|List|Update|Delete)Datasets?|ListSavedQueries")


def rows_of(cloud: Context, dataset: Any) -> pd.DataFrame:
    """The table of a tabular dataset, from Cloud Storage or BigQuery. FAILED_PRECONDITION where it has no source."""
    config = _config(dataset)
    if table := config.get("bigquerySource", {}).get("uri"):
        return bigquery_table(cloud.storage, table)
    uris = config.get("gcsSource", {}).get("uri", [])
    if not uris:
        raise precondition(f"{dataset.name} has no source in Cloud Storage or BigQuery.")
    return read_tables(cloud.storage, [uris] if isinstance(uris, str) else uris)


def _config(dataset: Any) -> dict[str, Any]:
    metadata = json_format.MessageToDict(dataset.metadata)
    return (metadata.get("inputConfig") or {}) if isinstance(metadata, dict) else {}


@implements("DatasetService.CreateDataset", differs="tables only; a source of images is not read; no artifact is made")
def create_dataset(call: Call, request: Any) -> Message:
    """Register a dataset. Its objects must exist."""
    metadata, source = json_format.MessageToDict(request.dataset.metadata), _config(request.dataset)
    table, files = source.get("bigquerySource", {}), source.get("gcsSource", {}).get("uri", [])
    if isinstance(table.get("uri"), list) and len(table["uri"]) == 1:  # the library sends a list, the field holds one
        metadata["inputConfig"]["bigquerySource"]["uri"] = table["uri"][0]
        json_format.ParseDict(metadata, request.dataset.metadata)
    for uri in expand(call.cloud.storage, [files] if isinstance(files, str) else files):
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
    call.cloud.storage.write(file, rows_of(call.cloud, dataset).to_csv(index=False).encode(), "text/csv")
    return finished(call, pb.ExportDataResponse(exported_files=[file]))
