"""Field masks: parts of a resource read and written, and etags."""

from __future__ import annotations

import re
from typing import Any

from google.protobuf import field_mask_pb2, struct_pb2
from google.protobuf.message import Message

from ..wire.catalog import repeated
from ..wire.errors import CloudError, invalid
from .validation import documented


def masked(message: Message, mask: field_mask_pb2.FieldMask) -> Message:
    """A copy with the fields of `mask` and the name."""
    check_mask(mask, message)
    if "*" in mask.paths:
        return message
    copy = type(message)()
    plain = [path for path in mask.paths if not _in_struct(path, message.DESCRIPTOR)]
    field_mask_pb2.FieldMask(paths=plain).MergeMessage(message, copy)
    for path in set(mask.paths) - set(plain):  # a key of a free-form field: pipeline_spec.pipeline_info
        field, key = path.split(".", 1)
        camel = re.sub(r"_([a-z])", lambda m: m.group(1).upper(), key)
        for found in {key, camel} & set(getattr(message, field).fields):
            getattr(copy, field).fields[found].CopyFrom(getattr(message, field).fields[found])
    if "name" in message.DESCRIPTOR.fields_by_name:
        copy.name = message.name
    return copy


def _in_struct(path: str, descriptor: Any) -> bool:
    """True for a path that goes on inside a field of type Struct."""
    field = descriptor.fields_by_name.get(path.split(".")[0])
    return "." in path and field is not None and field.message_type is struct_pb2.Struct.DESCRIPTOR


def check_mask(mask: field_mask_pb2.FieldMask, message: Message) -> None:
    """INVALID_ARGUMENT for a path that the message does not have."""
    for path in mask.paths:
        if path == "*" or _in_struct(path, message.DESCRIPTOR):
            continue
        descriptor = message.DESCRIPTOR
        for part in path.split("."):
            field = descriptor.fields_by_name.get(part) if descriptor else None
            if field is None:
                raise invalid(f"{path!r} in the field mask is not a field of {message.DESCRIPTOR.name}.")
            if repeated(field) and path.split(".")[-1] != part:
                raise invalid(f"{path!r} in the field mask reaches into a repeated field.")
            descriptor = field.message_type


def merge(resource: Message, patch: Message, mask: field_mask_pb2.FieldMask) -> None:
    """Write the fields of `mask` (all that are set, where it is empty) from `patch` into `resource`.

    Fields that the SDK's documentation calls output only are left alone; immutable ones are refused.
    """
    check_mask(mask, resource)
    paths = list(mask.paths) or [field.name for field, _ in patch.ListFields()]
    if "*" in paths:
        paths = [field.name for field in resource.DESCRIPTOR.fields]
    kept = documented(resource.DESCRIPTOR, "Output only") | {"name", "create_time", "update_time", "etag"}
    paths = [path for path in paths if path.split(".")[0] not in kept]
    if inside := [path for path in paths if _in_struct(path, resource.DESCRIPTOR)]:
        raise invalid(f"{inside[0]!r} in the field mask reaches into a free-form field: name the whole field.")
    for path in set(paths) & set(mask.paths) & documented(resource.DESCRIPTOR, "Immutable"):
        if getattr(resource, path) != getattr(patch, path):
            raise invalid(f"{path} is immutable.")
    field_mask_pb2.FieldMask(paths=paths).MergeMessage(patch, resource, True, True)


def check_etag(resource: Message, etag: str) -> None:
    """ABORTED where the client saw an older state of the resource."""
    if etag and etag != resource.etag:
        raise CloudError(
            "ABORTED",
            f"Specified {resource.DESCRIPTOR.name} `etag`: `{etag[:100]}` does not match server "
            f"`etag`: `{resource.etag}`: {resource.name} has changed since it was read.",
        )
