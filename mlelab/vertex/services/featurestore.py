"""The feature store of the stable API: entity types, ingestion, online reads, point-in-time batch reads."""

from __future__ import annotations

import fnmatch
import functools
import re
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from google.protobuf import empty_pb2
from google.protobuf.message import Message

from ..data.feature_values import Row, python_value
from ..data.tables import plain, read_tables
from ..data.warehouse import bigquery_table, write_table
from ..resources.generic import check_parent, delete, generic, list_, store_copy
from ..resources.operations import finished
from ..resources.registry import Call, implements
from ..resources.validation import check_id
from ..wire.catalog import pb, types
from ..wire.errors import CloudError, invalid, not_found

if TYPE_CHECKING:
    import pandas as pd

generic("FeaturestoreService", r"(Create|Get|List|Update|Delete)\w+")


@implements("FeaturestoreService.DeleteFeaturestore", "FeaturestoreService.DeleteEntityType")
def delete_with_values(call: Call, request: Any) -> Message:
    """Delete a feature store or an entity type, values included."""
    answer = delete(call, request)
    call.cloud.feature_values.delete(request.name)
    return answer


@implements("FeaturestoreService.BatchCreateFeatures", "FeatureRegistryService.BatchCreateFeatures")
def batch_create_features(call: Call, request: Any) -> Message:
    """Create several features."""
    check_parent(call, request.parent)
    made = []
    with call.store:
        for one in request.requests:
            made.append(store_copy(call.store, one.feature, f"{request.parent}/features/{check_id(one.feature_id)}"))
    return finished(call, pb.BatchCreateFeaturesResponse(features=made))


TERM = re.compile(r'\s*(labels\.)?(\w+)\s*(!=|=|:)\s*(?:"([^"]*)"|(\S+))\s*(?:AND\s|$)')
SEARCHED = {":": {"feature_id", "description", "entity_type_id"}, "!=": {"value_type"},
            "=": {"feature_id", "description", "entity_type_id", "value_type", "featurestore_id"}}  # fmt: skip


@implements("FeaturestoreService.SearchFeatures")
def search_features(call: Call, request: Any) -> Message:
    """Features of a location that fit each term of the query, in the words of SearchFeaturesRequest."""
    names = call.store.names(f"{request.location}/featurestores/*/entityTypes/*/features/*")
    found = (call.store.get(pb.Feature, name) for name in names)
    tests = _terms(request.query)
    return list_(call, request, items=[feature for feature in found if all(fits(feature) for fits in tests)])


def _terms(query: str) -> list[Callable[[Any], bool]]:
    """One test of a feature for each `FIELD: words`, `FIELD = value` and `FIELD != value`; else INVALID_ARGUMENT."""
    tests, place = [], 0
    while query[place:].strip():
        term = TERM.match(query, place)
        if not term or not (term[1] or term[2] in SEARCHED[term[3]]):
            raise invalid(f"The query {query!r} is not understood from {query[place:].strip()[:40]!r} on.")
        tests.append(functools.partial(_fits, label=bool(term[1]), field=term[2], sign=term[3],
                                       value=term[5] if term[4] is None else term[4]))  # fmt: skip
        place = term.end()
    return tests


def _fits(feature: Any, label: bool, field: str, sign: str, value: str) -> bool:
    _, _, store, _, kind, _, name = feature.name.split("/")[-7:]
    if label:
        return field in feature.labels and (sign == ":" or feature.labels[field] == value)
    there = {"feature_id": name, "entity_type_id": kind, "featurestore_id": store, "description": feature.description,
             "value_type": types().Feature.ValueType(feature.value_type).name}[field]  # fmt: skip
    if sign != ":":
        return (there == value) == (sign == "=")
    have, want = (re.findall(r"[\w*]+", text.lower()) for text in (there, value))
    pattern = f"*{' '.join(want)}*"
    return any(fnmatch.fnmatchcase(" ".join(have[at : at + len(want)]), pattern) for at in range(len(have)))


FIELD = {"BOOL": "bool_value", "DOUBLE": "double_value", "INT64": "int64_value", "STRING": "string_value"}
COLUMN = {"BOOL": "boolean", "DOUBLE": "float64", "INT64": "Int64"}  # what pandas calls a column of such values


def features_of(call: Call, entity_type: str) -> dict[str, Any]:
    """Feature id → feature. NOT_FOUND for an unknown entity type."""
    call.store.get(pb.EntityType, entity_type)
    return {f.name.rsplit("/", 1)[1]: f for f in call.store.list(pb.Feature, f"{entity_type}/features")}


def feature_value(feature: Any, value: Any) -> Any:
    """`value` as the feature's type. INVALID_ARGUMENT where it does not fit."""
    kind = types().Feature.ValueType(feature.value_type).name
    try:
        if kind.endswith("_ARRAY"):
            inner = kind.removesuffix("_ARRAY")
            cast = {"BOOL": bool, "DOUBLE": float, "INT64": int, "STRING": str}[inner]
            items = value.strip("[]").split(",") if isinstance(value, str) else value
            return pb.FeatureValue(**{f"{inner.lower()}_array_value": {"values": [cast(v) for v in items]}})
        if kind == "BOOL":
            value = value if isinstance(value, bool) else {"true": True, "false": False}[str(value).lower()]
        cast = {"BOOL": bool, "DOUBLE": float, "INT64": int, "STRING": str}[kind]
        return pb.FeatureValue(**{FIELD[kind]: cast(value)})
    except (KeyError, ValueError, TypeError):
        raise invalid(f"{value!r} is not a {kind}, the type of {feature.name}.") from None


def _encoded(feature: Any, column: pd.Series) -> list[bytes | CloudError | None]:
    """The values of a column as they are stored; None where there is none, an error where one does not fit."""

    def encode(value: Any) -> bytes | CloudError | None:
        try:
            return None if value is None else feature_value(feature, value).SerializeToString()
        except CloudError as error:
            return error

    cached = functools.lru_cache(maxsize=None, typed=True)(encode)
    return [(cached if isinstance(v, Hashable) else encode)(v) for v in map(plain, column)]


def _moments(column: pd.Series) -> pd.Series:
    import pandas as pd

    return pd.to_datetime(column, utc=True).astype("datetime64[ns, UTC]").astype("int64")


def _need(table: pd.DataFrame, columns: Iterable[str]) -> None:
    if missing := [column for column in columns if column not in table]:
        raise invalid(f"The source has no column {missing[0]!r}; it has {list(table.columns)}.")


@implements("FeaturestoreService.ImportFeatureValues")
def import_values(call: Call, request: Any) -> Message:
    """Ingest CSV or Avro files from storage, or the stand-in for a BigQuery table."""
    import pandas as pd

    features = features_of(call, request.entity_type)
    kind = request.WhichOneof("source")
    if kind == "bigquery_source":
        table = bigquery_table(call.cloud.storage, request.bigquery_source.input_uri)
    elif kind:
        table = read_tables(call.cloud.storage, getattr(request, kind).gcs_source.uris)
    else:
        raise invalid("source is required.")
    entity_field = request.entity_id_field or "entity_id"
    wanted = {spec.id: spec.source_field or spec.id for spec in request.feature_specs}
    _need(table, filter(None, [entity_field, *wanted.values(), request.feature_time_field]))
    if unknown := [name for name in wanted if name not in features]:
        raise not_found(f"{request.entity_type}/features/{unknown[0]}")
    if request.feature_time_field:
        times = _moments(table[request.feature_time_field])
    else:
        moment = request.feature_time.ToNanoseconds() if request.HasField("feature_time") else time.time_ns()
        times = pd.Series(moment, index=table.index)
    columns = [_encoded(features[name], table[column]) for name, column in wanted.items()]
    rows: list[Row] = []
    entities, bad = set(), 0
    for entity, when, *values in zip(table[entity_field].astype(str), times.tolist(), *columns, strict=True):
        if any(isinstance(value, CloudError) for value in values):
            bad += 1
            continue
        entities.add(entity)
        rows += [
            (request.entity_type, entity, name, when, value)
            for name, value in zip(wanted, values, strict=True)
            if value is not None
        ]
    call.cloud.feature_values.write(rows)
    return finished(
        call,
        pb.ImportFeatureValuesResponse(
            imported_entity_count=len(entities), imported_feature_value_count=len(rows), invalid_row_count=bad
        ),
    )


def _selected(features: dict[str, Any], selector: Any) -> list[str]:
    ids = [name.strip() for text in selector.id_matcher.ids for name in text.split(",")]  # Google's notebooks join them
    if ids == ["*"]:
        return sorted(features)
    if unknown := [name for name in ids if name not in features]:
        raise not_found(f"Feature {unknown[0]!r}")
    return ids


def _view(call: Call, entity_type: str, entity: str, ids: list[str]) -> Any:
    found = call.cloud.feature_values.latest(entity_type, entity)
    view = pb.ReadFeatureValuesResponse.EntityView(entity_id=entity)
    for name in ids:
        data = view.data.add()
        if name in found:
            data.value.MergeFromString(found[name][1])
            data.value.metadata.generate_time.FromNanoseconds(found[name][0])
    return view


def _header(entity_type: str, ids: list[str]) -> Any:
    return pb.ReadFeatureValuesResponse.Header(
        entity_type=entity_type, feature_descriptors=[{"id": name} for name in ids]
    )


@implements("FeaturestoreOnlineServingService.ReadFeatureValues")
def read_values(call: Call, request: Any) -> Message:
    """The latest values of one entity."""
    ids = _selected(features_of(call, request.entity_type), request.feature_selector)
    return pb.ReadFeatureValuesResponse(
        header=_header(request.entity_type, ids), entity_view=_view(call, request.entity_type, request.entity_id, ids)
    )


@implements("FeaturestoreOnlineServingService.StreamingReadFeatureValues")
def stream_values(call: Call, request: Any) -> Iterator[Message]:
    """The latest values of several entities: a header, then one entity at a time."""
    ids = _selected(features_of(call, request.entity_type), request.feature_selector)
    yield pb.ReadFeatureValuesResponse(header=_header(request.entity_type, ids))
    for entity in request.entity_ids:
        yield pb.ReadFeatureValuesResponse(entity_view=_view(call, request.entity_type, entity, ids))


@implements("FeaturestoreOnlineServingService.WriteFeatureValues")
def write_values(call: Call, request: Any) -> Message:
    """Write values of several entities, each at its time or now."""
    features = features_of(call, request.entity_type)
    rows: list[Row] = []
    for payload in request.payloads:
        for name, value in payload.feature_values.items():
            if name not in features:
                raise not_found(f"{request.entity_type}/features/{name}")
            kind = types().Feature.ValueType(features[name].value_type).name
            if value.WhichOneof("value") != f"{kind.lower()}_value":
                raise invalid(f"The feature {name!r} holds {kind} values, got {value.WhichOneof('value')}.")
            moment = value.metadata.generate_time.ToNanoseconds() or time.time_ns()
            rows.append((request.entity_type, payload.entity_id, name, moment, value.SerializeToString()))
    call.cloud.feature_values.write(rows)
    return pb.WriteFeatureValuesResponse()


def _as_of(call: Call, entity_type: str, entities: pd.Series, moments: pd.Series, feature: Any, oldest: int) -> Any:
    """The value of one feature for each entity, as it was at its moment: the last one at or before it."""
    import pandas as pd

    known = call.cloud.feature_values.history(entity_type, feature.name.rsplit("/", 1)[1], oldest)
    known = pd.DataFrame(known, columns=["entity", "moment", "value"]).astype({"entity": str, "moment": "int64"})
    asked = pd.DataFrame({"entity": entities.astype(str), "moment": moments}).sort_values("moment")
    found = pd.merge_asof(asked, known.sort_values("moment"), on="moment", by="entity")["value"]
    decode = functools.cache(lambda data: python_value(pb.FeatureValue.FromString(data)))
    values = pd.Series([decode(v) if isinstance(v, bytes) else None for v in found], asked.index, dtype=object)
    kind = types().Feature.ValueType(feature.value_type).name
    return values.reindex(entities.index).astype(COLUMN.get(kind, object))


@implements("FeaturestoreService.BatchReadFeatureValues")
def batch_read(call: Call, request: Any) -> Message:
    """A training table: for each row of the read instances, the values as they were at its timestamp."""
    target = request.destination.WhichOneof("destination")
    if target not in ("csv_destination", "bigquery_destination"):
        raise CloudError("UNIMPLEMENTED", f"FeaturestoreService.BatchReadFeatureValues to {target} is not implemented.")
    if request.WhichOneof("read_option") == "bigquery_read_instances":
        table = bigquery_table(call.cloud.storage, request.bigquery_read_instances.input_uri)
    else:
        table = read_tables(call.cloud.storage, request.csv_read_instances.gcs_source.uris)
    passed = [field.field_name for field in request.pass_through_fields]
    _need(table, ["timestamp", *(spec.entity_type_id for spec in request.entity_type_specs), *passed])
    moments = _moments(table["timestamp"])
    oldest = request.start_time.ToNanoseconds() if request.HasField("start_time") else 0
    out = table[["timestamp"]].copy()
    for spec in request.entity_type_specs:
        entity_type = f"{request.featurestore}/entityTypes/{spec.entity_type_id}"
        features = features_of(call, entity_type)
        titles = {s.feature_id: s.destination_field or s.feature_id for s in spec.settings}
        entities = out[f"entity_type_{spec.entity_type_id}"] = table[spec.entity_type_id]
        for name in _selected(features, spec.feature_selector):
            out[titles.get(name, name)] = _as_of(call, entity_type, entities, moments, features[name], oldest)
    out[passed] = table[passed]
    if target == "bigquery_destination":
        write_table(call.cloud.storage, request.destination.bigquery_destination.output_uri, out)
    else:
        folder = request.destination.csv_destination.gcs_destination.output_uri_prefix.rstrip("/")
        call.cloud.storage.write(f"{folder}/000000000000.csv", out.to_csv(index=False).encode(), "text/csv")
    return finished(call, pb.BatchReadFeatureValuesResponse())


@implements("FeaturestoreService.DeleteFeatureValues")
def delete_values(call: Call, request: Any) -> Message:
    """Delete all values of some entities."""
    features_of(call, request.entity_type)
    if request.WhichOneof("DeleteOption") != "select_entity":
        raise CloudError(
            "UNIMPLEMENTED", "FeaturestoreService.DeleteFeatureValues is implemented for select_entity only."
        )
    selector = request.select_entity.entity_id_selector
    if selector.WhichOneof("EntityIdsSource") != "csv_source":
        raise invalid("select_entity.entity_id_selector.csv_source is required.")
    table = read_tables(call.cloud.storage, selector.csv_source.gcs_source.uris)
    for entity in table[selector.entity_id_field or "entity_id"]:
        call.cloud.feature_values.delete(request.entity_type, str(entity))
    return finished(
        call,
        empty_pb2.Empty() if call.method.operation_types[0] is empty_pb2.Empty else pb.DeleteFeatureValuesResponse(),
    )
