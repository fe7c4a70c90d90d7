"""Long-running operations."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

from google.longrunning import operations_pb2
from google.protobuf.message import Message
from google.rpc import status_pb2

from ..wire.catalog import repeated, type_name
from ..wire.errors import logged
from .registry import Call, on_start
from .store import new_id
from .times import stamp


def _operation(call: Call, parent: str) -> operations_pb2.Operation:
    operation = operations_pb2.Operation(name=f"{parent}/operations/{new_id()}")
    if call.method.client is not None:
        metadata = call.method.operation_types[1]()
        if "generic_metadata" in metadata.DESCRIPTOR.fields_by_name:
            stamp(metadata.generic_metadata, "create_time", "update_time")
        pack(operation.metadata, metadata, call.method.version)
    return operation


def pack(any_: Any, message: Message, version: str) -> None:
    """Put `message` into an Any under the name that it has in `version`."""
    any_.type_url = f"type.googleapis.com/{type_name(message, version)}"
    any_.value = message.SerializeToString()


def location_of(request: Any) -> str:
    """`projects/p/locations/l` of a request's parent, name or first resource name."""
    for field, value in request.ListFields():
        text = value if field.type == field.TYPE_STRING and not repeated(field) else ""
        if match := re.match(r"projects/[^/]+/locations/[^/]+", text):
            return match.group()
    for field, value in request.ListFields():
        if field.message_type is not None and not repeated(field) and (place := location_of(value)):
            return place
    return ""


def finished(call: Call, result: Message) -> operations_pb2.Operation:
    """A long-running operation that is already done."""
    operation = _operation(call, location_of(call.request))
    operation.done = True
    pack(operation.response, result, call.method.version)
    call.store.put(operation)
    return operation


def background(call: Call, work: Callable[[], Message], wait: float = 2.0) -> operations_pb2.Operation:
    """Do `work` in a thread. Returns its operation, done where `wait` seconds were enough."""
    operation = _operation(call, location_of(call.request))
    call.store.put(operation)

    def run() -> None:
        try:
            pack(operation.response, work(), call.method.version)
        except Exception as caught:
            error = logged(call.method.name, caught)
            operation.error.CopyFrom(status_pb2.Status(code=error.number, message=error.message))
        operation.done = True
        call.store.put(operation)

    thread = threading.Thread(target=run, daemon=True, name=operation.name)
    thread.start()
    thread.join(wait)
    return call.store.get(operations_pb2.Operation, operation.name)


@on_start
def abandon_operations(cloud: Any) -> None:
    """After a restart: operations that were under way have ended, and say so."""
    for name in cloud.store.names("*/operations/*"):
        operation = cloud.store.get(operations_pb2.Operation, name)
        if not operation.done:
            operation.done = True
            operation.error.CopyFrom(status_pb2.Status(code=10, message="The local server was stopped meanwhile."))
            cloud.store.put(operation)
