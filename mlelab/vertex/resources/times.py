"""The time as resources bear it."""

from __future__ import annotations

from google.protobuf import timestamp_pb2
from google.protobuf.message import Message


def now() -> timestamp_pb2.Timestamp:
    """The time as the wire writes it."""
    stamp = timestamp_pb2.Timestamp()
    stamp.GetCurrentTime()
    return stamp


def stamp(resource: Message, *fields: str) -> None:
    """Set the named timestamp fields to now, those that the resource has."""
    moment = now()
    for field in fields:
        if field in resource.DESCRIPTOR.fields_by_name:
            getattr(resource, field).CopyFrom(moment)
