"""The feature store of the current API: feature groups, online stores, feature views and their syncs.

The sources are BigQuery tables on the cloud; `data/warehouse.py` says what stands in for them.
"""

from __future__ import annotations

import time
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import status_pb2

from ..data.feature_values import Row, python_value
from ..data.tables import plain
from ..data.warehouse import bigquery_table
from ..resources.generic import delete, generic, new_resource
from ..resources.operations import finished
from ..resources.registry import Call, implements
from ..resources.store import new_id
from ..resources.times import now
from ..wire.catalog import pb, types
from ..wire.errors import CloudError, invalid, not_found

generic("FeatureRegistryService", r"(Create|Get|List|Update|Delete)Feature(Group)?s?")
generic("FeatureOnlineStoreAdminService", r"(Create|Get|List|Update)Feature(OnlineStore|View|ViewSync)s?")

TIME = "feature_timestamp"


@implements(
    "FeatureOnlineStoreAdminService.DeleteFeatureOnlineStore", "FeatureOnlineStoreAdminService.DeleteFeatureView"
)
def delete_with_values(call: Call, request: Any) -> Message:
    """Delete an online store or a feature view, values included."""
    answer = delete(call, request)
    call.cloud.feature_values.delete(request.name)
    return answer


@implements("FeatureOnlineStoreAdminService.CreateFeatureView")
def create_view(call: Call, request: Any) -> Message:
    """Create a feature view; it has no values before its first sync."""
    view = new_resource(call, request)
    if view.WhichOneof("source") not in ("big_query_source", "feature_registry_source"):
        raise invalid("feature_view needs a big_query_source or a feature_registry_source.")
    call.store.insert(view)
    return finished(call, view)


def _sources(call: Call, view: Any) -> list[tuple[str, list[str], list[str] | None]]:
    """Table, entity id columns and columns to take (None: all) of each source of a view."""
    if view.WhichOneof("source") == "big_query_source":
        source = view.big_query_source
        return [(source.uri, list(source.entity_id_columns), None)]
    location = view.name.split("/featureOnlineStores/")[0]
    found = []
    for wanted in view.feature_registry_source.feature_groups:
        group = call.store.get(pb.FeatureGroup, f"{location}/featureGroups/{wanted.feature_group_id}")
        columns = []
        for feature_id in wanted.feature_ids:
            feature = call.store.get(pb.Feature, f"{group.name}/features/{feature_id}")
            columns.append(feature.version_column_name or feature_id)
        found.append(
            (
                group.big_query.big_query_source.input_uri,
                list(group.big_query.entity_id_columns) or ["entity_id"],
                columns,
            )
        )
    return found


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return pb.FeatureValue(bool_value=value)
    if isinstance(value, int):
        return pb.FeatureValue(int64_value=value)
    if isinstance(value, float):
        return pb.FeatureValue(double_value=value)
    if hasattr(value, "__iter__") and not isinstance(value, (str, bytes)):
        return pb.FeatureValue(double_array_value={"values": [float(v) for v in value]})
    return pb.FeatureValue(string_value=str(value))


def _rows(call: Call, view: Any) -> list[Row]:
    """The latest row of each entity."""
    import pandas as pd

    rows: list[Row] = []
    for uri, keys, columns in _sources(call, view):
        table = bigquery_table(call.cloud.storage, uri)
        if missing := [c for c in (*keys, *(columns or ())) if c not in table]:
            raise invalid(f"{uri} has no column {missing[0]!r}; it has {list(table.columns)}.")
        if TIME in table:
            table = table.assign(**{TIME: pd.to_datetime(table[TIME], utc=True)}).sort_values(TIME)
        table = table.drop_duplicates(keys, keep="last")
        for record in table.to_dict("records"):
            entity = ":".join(str(record[key]) for key in keys)
            moment = int(pd.Timestamp(record[TIME]).value) if TIME in record else time.time_ns()
            for column in columns or [c for c in table.columns if c not in (*keys, TIME)]:
                value = record[column]
                if hasattr(value, "__len__") and not isinstance(value, str) or plain(value) is not None:
                    value = value if hasattr(value, "__len__") else plain(value)
                    rows.append((view.name, entity, column, moment, _cell(value).SerializeToString()))
    return rows


@implements("FeatureOnlineStoreAdminService.SyncFeatureView")
def sync_view(call: Call, request: Any) -> Message:
    """Copy the latest values from the source into the view."""
    view = call.store.get(pb.FeatureView, request.feature_view)
    sync = pb.FeatureViewSync(name=f"{view.name}/featureViewSyncs/{new_id()}")
    sync.create_time.CopyFrom(now())
    sync.run_time.start_time.CopyFrom(now())
    try:
        rows = _rows(call, view)
        call.cloud.feature_values.delete(view.name)
        call.cloud.feature_values.write(rows)
        sync.sync_summary.row_synced = len({row[1] for row in rows})
        sync.final_status.CopyFrom(status_pb2.Status(code=0))
    except CloudError as error:
        sync.final_status.CopyFrom(status_pb2.Status(code=error.number, message=error.message))
    sync.run_time.end_time.CopyFrom(now())
    call.store.insert(sync)
    return pb.SyncFeatureViewResponse(feature_view_sync=sync.name)


@implements("FeatureOnlineStoreService.FetchFeatureValues")
def fetch(call: Call, request: Any) -> Message:
    """The values of one entity of a feature view."""
    call.store.get(pb.FeatureView, request.feature_view)
    key = request.data_key.key or ":".join(request.data_key.composite_key.parts) or request.id
    found = call.cloud.feature_values.latest(request.feature_view, key)
    if not found:
        raise not_found(f"Entity {key!r} of {request.feature_view}")
    response = pb.FetchFeatureValuesResponse(data_key=request.data_key)
    values = {name: pb.FeatureValue.FromString(data) for name, (_, data) in sorted(found.items())}
    if request.data_format == types().FeatureViewDataFormat.PROTO_STRUCT:
        json_format.ParseDict({name: python_value(value) for name, value in values.items()}, response.proto_struct)
    else:
        for name, value in values.items():
            pair = response.key_values.features.add(name=name)
            pair.value.CopyFrom(value)
    return response
