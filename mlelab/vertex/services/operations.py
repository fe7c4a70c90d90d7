"""The long-running operations themselves, as a service."""

from __future__ import annotations

import time
from typing import Any

from google.longrunning import operations_pb2
from google.protobuf import empty_pb2
from google.protobuf.message import Message

from ..resources.query import page_of, parse_filter
from ..resources.registry import Call, implements
from ..wire.errors import not_found


@implements("Operations.GetOperation")
def get_operation(call: Call, request: Any) -> Message:
    """Read one long-running operation."""
    return call.store.get(operations_pb2.Operation, request.name)


@implements("Operations.ListOperations")
def list_operations(call: Call, request: Any) -> Message:
    """Read the long-running operations beneath a location."""
    items = call.store.list(operations_pb2.Operation, request.name.removesuffix("/operations") + "/operations")
    if request.filter:
        predicate = parse_filter(request.filter)
        items = [item for item in items if predicate(item)]
    page, token = page_of(request, items)
    return operations_pb2.ListOperationsResponse(operations=page, next_page_token=token)


@implements("Operations.WaitOperation")
def wait_operation(call: Call, request: Any) -> Message:
    """Wait for one long-running operation, ten seconds at most."""
    deadline = time.monotonic() + min(request.timeout.ToTimedelta().total_seconds() or 10, 10)
    while not (operation := get_operation(call, request)).done and time.monotonic() < deadline:
        time.sleep(0.02)
    return operation


@implements("Operations.DeleteOperation")
def delete_operation(call: Call, request: Any) -> Message:
    """Forget one long-running operation."""
    if not call.store.delete(request.name):
        raise not_found(request.name)
    return empty_pb2.Empty()
