"""BigQuery's read sessions, as the client's `to_dataframe` uses them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message

from ..data.bigquery import BATCH
from ..data.warehouse import arrow_table
from ..resources.registry import Call, implements
from ..wire.errors import invalid


@implements("BigQueryRead.CreateReadSession", differs="one stream, in Arrow's format")
def create_read_session(call: Call, request: Any) -> Message:
    """One stream with the whole table, in Arrow's format."""
    from google.cloud.bigquery_storage_v1 import types

    if request.read_session.data_format != types.DataFormat.ARROW:
        raise invalid("read_session.data_format: this local stand-in reads tables as ARROW only.")
    session = type(request.read_session)()
    session.CopyFrom(request.read_session)
    session.name = f"{request.parent}/locations/us/sessions/{secrets.token_hex(8)}"
    session.arrow_schema.serialized_schema = (
        arrow_table(call.cloud.storage, _uri(session.table)).schema.serialize().to_pybytes()
    )
    session.streams.add(name=f"{session.name}/streams/{session.table}")
    return session


def _uri(name: str) -> str:
    parts = name.split("/")
    return f"bq://{parts[1]}.{parts[3]}.{parts[5]}"


@implements("BigQueryRead.ReadRows")
def read_rows(call: Call, request: Any) -> Iterator[Message]:
    """The rows of a stream from `offset` on."""
    from google.cloud.bigquery_storage_v1 import types

    table = arrow_table(call.cloud.storage, _uri(request.read_stream.partition("/streams/")[2]))
    for batch in table.slice(request.offset).to_batches(BATCH):
        yield types.ReadRowsResponse.pb()(
            arrow_schema={"serialized_schema": table.schema.serialize().to_pybytes()},
            arrow_record_batch={"serialized_record_batch": batch.serialize().to_pybytes(), "row_count": len(batch)},
            row_count=len(batch),
        )
