"""Create, get, list, update and delete for every resource that needs nothing else."""

from __future__ import annotations

import re
from typing import Any

from google.protobuf import empty_pb2, field_mask_pb2
from google.protobuf.message import Message

from ..wire.catalog import Method, catalogue, inner_class, message_class, repeated
from ..wire.errors import not_found, precondition
from .masks import check_etag, masked, merge
from .operations import finished
from .query import Functions, order, page_of, parse_filter
from .registry import BEHAVIOURS, Call
from .store import Store, new_id
from .times import stamp
from .validation import check_id, check_required, documented


def generic(service: str, pattern: str) -> None:
    """Register the methods whose names match `pattern`, for which the store alone is enough."""
    verbs = {"Create": create, "Get": get, "List": list_, "Update": update, "Delete": delete}
    for method in catalogue().values():
        if match := re.fullmatch(rf"{service}\.(?=(?:{pattern})$)(?P<verb>[A-Z][a-z]+)\w+", method.name):
            BEHAVIOURS[method.name] = verbs[match["verb"]]


def collection(method: Method) -> str:
    """Last segment of the REST path of a Create or List method: `models`."""
    return re.sub(r":\w+$", "", method.rules[0].template.rsplit("/", 1)[1])


def resource_class(method: Method) -> type[Message]:
    """The resource that a Create, Get, List, Update or Delete method is about."""
    service, verb = method.path.rsplit("/", 1)
    name = re.sub("^(Create|Get|Update|Delete)", "", verb)
    twin = catalogue().get(f"{service}/Get{name}")
    if twin:
        return inner_class(twin.response)
    fields = [f for f in inner_class(method.response).DESCRIPTOR.fields if repeated(f) and f.message_type]
    return message_class(fields[0].message_type.full_name)


def clean(resource: Message) -> None:
    """Forget what a client may not set."""
    for field in documented(resource.DESCRIPTOR, "Output only") | {"create_time", "update_time"}:
        if field in resource.DESCRIPTOR.fields_by_name:
            resource.ClearField(field)


def new_resource(call: Call, request: Any) -> Message:
    """The resource that a Create request carries, named and stamped but not stored yet."""
    cls = resource_class(call.method)
    field = next(f for f in request.DESCRIPTOR.fields if f.message_type is cls.DESCRIPTOR)
    resource = cls()
    resource.CopyFrom(getattr(request, field.name))
    wanted = getattr(request, f"{field.name}_id", "")
    clean(resource)
    if hasattr(request, "parent"):
        check_parent(call, request.parent)
        resource.name = f"{request.parent}/{collection(call.method)}/{check_id(wanted) if wanted else new_id()}"
    stamp(resource, "create_time", "update_time")
    return resource


def store_copy(store: Store, message: Message, name: str) -> Message:
    """Store a copy of `message` under `name`, stamped. Returns it."""
    copy = type(message)()
    copy.CopyFrom(message)
    copy.name = name
    stamp(copy, "create_time", "update_time")
    store.insert(copy)
    return copy


def check_parent(call: Call, parent: str) -> None:
    """NOT_FOUND where a parent beneath a location does not exist."""
    if parent.count("/") > 3 and "/-" not in parent and not call.store.exists(parent):
        raise not_found(parent)


def create(call: Call, request: Any) -> Message:
    """Store a new resource."""
    resource = new_resource(call, request)
    call.store.insert(resource)
    return finished(call, resource) if call.method.returns_operation else resource


def get(call: Call, request: Any) -> Message:
    """Read one resource."""
    return call.store.get(resource_class(call.method), request.name)


def list_(call: Call, request: Any, functions: Functions | None = None, items: list[Message] | None = None) -> Message:
    """Read a page of a collection: filter, order_by, read_mask, page_size, page_token."""
    response = inner_class(call.method.response)()
    field = next(f for f in response.DESCRIPTOR.fields if repeated(f) and f.message_type)
    if items is None:
        check_parent(call, request.parent)
        items = call.store.list(
            message_class(field.message_type.full_name), f"{request.parent}/{collection(call.method)}"
        )
    predicate = parse_filter(getattr(request, "filter", ""), functions)
    items = [item for item in items if predicate(item)]
    items = order(items, getattr(call.original, "order_by", ""))
    page, token = page_of(request, items)
    if hasattr(request, "read_mask") and request.read_mask.paths:
        page = [masked(item, request.read_mask) for item in page]
    getattr(response, field.name).extend(page)
    if token:
        response.next_page_token = token
    return response


def update(call: Call, request: Any) -> Message:
    """Change one resource under an update mask; `allow_missing` creates it."""
    cls = resource_class(call.method)
    field = next(f for f in request.DESCRIPTOR.fields if f.message_type is cls.DESCRIPTOR)
    patch = getattr(request, field.name)
    with call.store:
        resource = call.store.find(cls, patch.name)
        if resource is None:
            if not getattr(request, "allow_missing", False):
                raise not_found(patch.name)
            check_parent(call, patch.name.rsplit("/", 2)[0])
            resource = cls(name=patch.name)
            stamp(resource, "create_time")
        check_etag(resource, getattr(patch, "etag", ""))
        merge(resource, patch, getattr(request, "update_mask", field_mask_pb2.FieldMask()))
        check_required(resource)
        stamp(resource, "update_time")
        call.store.put(resource)
    return finished(call, resource) if call.method.returns_operation else resource


def delete(call: Call, request: Any, force: bool = False) -> Message:
    """Remove one resource and what lies beneath it.

    Without `force`, here or in the request, only where nothing lies beneath it.
    """
    with call.store:
        resource = call.store.find(resource_class(call.method), request.name)
        if resource is None:
            if not getattr(request, "allow_missing", False):
                raise not_found(request.name)
        else:
            check_etag(resource, getattr(request, "etag", ""))
            beneath = call.store.beneath(request.name)
            if "force" in request.DESCRIPTOR.fields_by_name and not (force or request.force) and beneath:
                raise precondition(f"{request.name} still holds {beneath[0]}: delete that first, or use force.")
            call.store.delete(request.name)
    return finished(call, empty_pb2.Empty()) if call.method.returns_operation else empty_pb2.Empty()
