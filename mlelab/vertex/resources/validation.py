"""What a request must look like, as the documentation in the SDK says."""

from __future__ import annotations

import functools
import re
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from ..wire.catalog import INNER, Method, repeated, types
from ..wire.errors import invalid


def check_names(method: Method, request: Message) -> None:
    """INVALID_ARGUMENT unless the resource names in `request` fit one of the method's REST paths."""
    if not method.rules:
        return
    problem = ""
    for rule in method.rules:
        problem = ""
        for path, pattern in rule.variables.items():
            value = functools.reduce(getattr, path.split("."), request)
            if len(str(value)) > 1500 or not re.fullmatch(_regex(pattern), str(value)):
                problem = f"{path} must look like {pattern}, got {str(value)[:200]!r}."
                break
        if not problem:
            return
    raise invalid(problem)


_LABEL = re.compile(r"[\w-]{0,64}")


@functools.cache
def _regex(pattern: str) -> str:
    return re.escape(pattern).replace(r"\*\*", r"[^\x00-\x1f]+").replace(r"\*", r"[^/\x00-\x1f]+")


@functools.cache
def documented(descriptor: Any, word: str) -> frozenset[str]:
    """Fields whose documentation in the SDK begins with `word` (`Required`, `Output only`, `Immutable`)."""
    package, _, short = descriptor.full_name.partition(f".{INNER}.")
    cls = functools.reduce(lambda scope, part: getattr(scope, part, None), short.split("."), types()) if short else None
    found = (
        re.findall(
            r"^    {4,8}(\w+) \([^\n]*\):\n\s+((?:(?:Required|Optional|Immutable|Output only|Input only)\.\s+)+)",
            cls.__doc__ or "",
            re.MULTILINE,
        )
        if cls
        else []
    )
    return frozenset(name for name, words in found if word + "." in words)


def check_values(request: Message) -> None:
    """INVALID_ARGUMENT for what JSON cannot say, such as a time outside its range or NaN in free-form data.

    Once stored, it could never be read over REST again.
    """
    try:
        json_format.MessageToJson(request, indent=None)
    except (json_format.Error, ValueError, TypeError) as error:
        raise invalid(f"The request holds a value that JSON cannot express: {str(error)[:300]}") from None


def check_labels(message: Message) -> None:
    """INVALID_ARGUMENT unless the labels of a resource, or of the resource in a request, are such as the API allows."""
    for field, value in message.ListFields():
        if field.name == "labels" and field.message_type and field.message_type.GetOptions().map_entry:
            if len(value) > 64:
                raise invalid("A resource has at most 64 labels.")
            for key, text in value.items():
                key = key.removeprefix("aiplatform.googleapis.com/")
                if not key or not all(_LABEL.fullmatch(part) and part == part.lower() for part in (key, text)):
                    raise invalid(
                        f"The label {key[:100]!r}: {text[:100]!r} is not valid: keys and values have at most 64 "
                        "characters, which are lowercase letters, digits, '_' and '-'."
                    )
        elif field.message_type is not None and not repeated(field) and "labels" in field.message_type.fields_by_name:
            check_labels(value)


def check_required(message: Message, path: str = "", depth: int = 0, deep: bool = True) -> None:
    """INVALID_ARGUMENT for the first empty field that the SDK's documentation calls required.

    deep: look into the message's own messages, too.
    """
    if depth > 20:
        raise invalid(f"{path} is nested too deeply.")
    required = documented(message.DESCRIPTOR, "Required")
    if depth:
        required -= {"parent"}  # the requests inside a batch may leave it to the batch
    for field in message.DESCRIPTOR.fields if required else ():
        if field.name not in required or repeated(field) or field.type not in (field.TYPE_STRING, field.TYPE_MESSAGE):
            continue
        if not (message.HasField(field.name) if field.has_presence else getattr(message, field.name)):
            raise invalid(f"{path}{field.name} is required.")
    for field, value in message.ListFields() if deep else ():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        if field.message_type.file.package.startswith("google.cloud.aiplatform"):
            for index, item in enumerate(value if repeated(field) else [value]):
                place = f"{path}{field.name}[{index}]." if repeated(field) else f"{path}{field.name}."
                check_required(item, place, depth + 1)


def check_id(text: str) -> str:
    """INVALID_ARGUMENT unless `text` can be the last segment of a resource name."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.\-]{0,127}", text):
        raise invalid(f"{text[:200]!r} is not a valid resource id: use up to 128 letters, digits, '-', '_' and '.'.")
    return text
