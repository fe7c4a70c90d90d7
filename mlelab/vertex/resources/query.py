"""List filters, orderings and pages (the public AIP-160 and AIP-132 grammars) over protobuf messages."""

from __future__ import annotations

import base64
import datetime
import fnmatch
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from google.protobuf import struct_pb2, timestamp_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from ..wire.catalog import repeated
from ..wire.errors import invalid

Predicate = Callable[[Message], bool]
Functions = Mapping[str, Callable[[Message, list[str]], bool]]

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<op><=|>=|!=|=|<|>|:)|(?P<punct>[(),])
                        |(?P<word>[^\s()=!<>:,"']+))""",
    re.VERBOSE,
)
MISSING = object()
MAX_PAGE = 1000


def _value(value: Any) -> Any:
    """A protobuf leaf as a plain Python value."""
    if isinstance(value, timestamp_pb2.Timestamp):
        return value.ToDatetime(tzinfo=datetime.UTC)
    if isinstance(value, struct_pb2.Value):
        kind = value.WhichOneof("kind")
        return _value(getattr(value, kind)) if kind else None
    return value


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda m: "_" + m.group(1).lower(), name)


def lookup(message: Any, path: str) -> Any:
    """The value at `path` (`labels.team`, `metadata.accuracy.number_value`), or MISSING where there is none.

    Raises CloudError INVALID_ARGUMENT for a field that the message type does not have.
    """
    head, _, rest = path.partition(".")
    if isinstance(message, struct_pb2.Struct):
        # Keys of a Struct may hold dots themselves: the longest key that exists wins.
        parts = re.findall(r'"[^"]*"|[^.]+', path)
        for cut in range(len(parts), 0, -1):
            key = ".".join(parts[:cut]).strip('"')
            if key in message.fields:
                return (
                    lookup(message.fields[key], ".".join(parts[cut:])) if parts[cut:] else _value(message.fields[key])
                )
        return MISSING
    if isinstance(message, struct_pb2.Value):
        if head in ("number_value", "string_value", "bool_value"):
            return getattr(message, head) if message.WhichOneof("kind") == head else MISSING
        return lookup(message.struct_value, path) if message.WhichOneof("kind") == "struct_value" else MISSING
    if not isinstance(message, Message):
        raise invalid(f"Filter names a field inside {path!r}, which has none.")
    names = message.DESCRIPTOR.fields_by_name
    descriptor = names.get(_snake(head)) or names.get(_snake(head) + "_")  # the SDK calls `type` `type_`
    if descriptor is None:
        raise invalid(f"{head!r} is not a field of {message.DESCRIPTOR.name}.")
    value = getattr(message, descriptor.name)
    kind = descriptor.message_type
    if kind is not None and kind.GetOptions().map_entry:
        key = rest.strip("\"'")
        if not key:
            return value
        return _value(value[key]) if key in value else MISSING
    if descriptor.type == FieldDescriptor.TYPE_ENUM and not repeated(descriptor):
        number = descriptor.enum_type.values_by_number.get(value)
        return number.name if number else value
    if rest:
        return lookup(value, rest)
    if isinstance(value, struct_pb2.Struct):
        return value
    return _value(value)


def _coerce(text: str, like: Any) -> Any:
    """`text` as the type of `like`."""
    try:
        if isinstance(like, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(like, (int, float)):
            return float(text)
        if isinstance(like, datetime.datetime):
            stamp = datetime.datetime.fromisoformat(text)
            return stamp if stamp.tzinfo else stamp.replace(tzinfo=datetime.UTC)
    except (KeyError, ValueError):
        raise invalid(f"{text!r} cannot be compared with a {type(like).__name__}.") from None
    return text


def _compare(found: Any, op: str, text: str) -> bool:
    if op == ":":
        if found is MISSING:
            return False
        if text == "*":
            return bool(found) or found in (0, False)
        if isinstance(found, Mapping) or (not isinstance(found, (str, Message)) and isinstance(found, Iterable)):
            return text in found
        return text.lower() in str(found).lower()
    if found is MISSING:
        return op == "!="
    wanted = _coerce(text, found)
    if isinstance(found, str) and op in ("=", "!="):
        same = fnmatch.fnmatchcase(found, re.sub(r"([\[?])", r"[\1]", text)) if "*" in text else found == text
        return same == (op == "=")
    try:
        return (
            {"=": found == wanted, "!=": found != wanted}[op]
            if op in ("=", "!=")
            else {
                "<": lambda: found < wanted,
                "<=": lambda: found <= wanted,
                ">": lambda: found > wanted,
                ">=": lambda: found >= wanted,
            }[op]()
        )
    except TypeError:
        raise invalid(f"{op!r} does not apply to this field.") from None


class _Parser:
    def __init__(self, text: str, functions: Functions) -> None:
        self.functions = functions
        self.tokens: list[tuple[str, str]] = []
        at = 0
        text = text.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if not match:
                raise invalid(f"Filter cannot be read from {text[at : at + 20]!r} on.")
            self.tokens.append((match.lastgroup, match.group(match.lastgroup)))
            at = match.end()
        self.at = 0
        self.depth = 0

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self) -> tuple[str, str]:
        token = self.peek()
        self.at += 1
        return token

    def expression(self) -> Predicate:
        terms = [self.factor()]
        while self.peek()[0] != "end" and self.peek() != ("punct", ")"):
            if self.peek() == ("word", "AND"):
                self.take()
            terms.append(self.factor())
        return lambda m: all(term(m) for term in terms)

    def factor(self) -> Predicate:
        terms = [self.term()]
        while self.peek() == ("word", "OR"):
            self.take()
            terms.append(self.term())
        return lambda m: any(term(m) for term in terms)

    def term(self) -> Predicate:
        kind, text = self.peek()
        if (kind, text) in (("word", "NOT"), ("word", "-")):
            self.take()
            inner = self.term()
            return lambda m: not inner(m)
        if (kind, text) == ("punct", "("):
            self.depth += 1
            if self.depth > 50:
                raise invalid("Filter is nested too deeply.")
            self.take()
            inner = self.expression()
            if self.take() != ("punct", ")"):
                raise invalid("Filter lacks a closing parenthesis.")
            self.depth -= 1
            return inner
        return self.restriction()

    def restriction(self) -> Predicate:
        kind, path = self.take()
        if kind != "word":
            raise invalid(f"Filter has {path!r} where a field name belongs.")
        if path.startswith("-") and len(path) > 1:
            self.tokens[self.at - 1] = ("word", path[1:])
            self.at -= 1
            inner = self.restriction()
            return lambda m: not inner(m)
        while path.endswith(".") and self.peek()[0] == "string":  # metadata."learning rate".number_value
            path += self.take()[1]
            if self.peek()[0] == "word" and self.peek()[1].startswith("."):
                path += self.take()[1]
        if self.peek() == ("punct", "("):
            return self.function(path)
        kind, op = self.take()
        if kind != "op":
            raise invalid(f"Filter has no comparison after {path!r}.")
        kind, text = self.take()
        if kind not in ("string", "word"):
            raise invalid(f"Filter has no value after {path!r} {op}.")
        texts = [_unquote(text) if kind == "string" else text]
        while op == ":" and self.peek() == ("punct", ","):  # parent_contexts:"a","b"
            self.take()
            texts.append(_unquote(self.take()[1]))
        return lambda m: any(_compare(lookup(m, path), op, text) for text in texts)

    def function(self, name: str) -> Predicate:
        if name not in self.functions:
            raise invalid(f"Filter function {name}() is not known here.")
        self.take()
        args = []
        while (token := self.take()) != ("punct", ")"):
            if token[0] == "end":
                raise invalid("Filter lacks a closing parenthesis.")
            if token != ("punct", ","):
                args.append(_unquote(token[1]) if token[0] == "string" else token[1])
        return lambda m: self.functions[name](m, args)


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def parse_filter(text: str, functions: Functions | None = None) -> Predicate:
    """Compile a list filter. `functions` adds calls such as `in_context("...")`.

    Raises CloudError INVALID_ARGUMENT for a filter that cannot be read.
    """
    if not text.strip():
        return lambda m: True
    parser = _Parser(text, functions or {})
    predicate = parser.expression()
    if parser.peek()[0] != "end":
        raise invalid(f"Filter cannot be read from {parser.peek()[1]!r} on.")
    return predicate


def order(messages: list[Message], order_by: str) -> list[Message]:
    """`messages` sorted by a comma-separated list of fields, each with an optional `desc`."""
    for clause in reversed([c.split() for c in order_by.split(",") if c.strip()]):
        if len(clause) > 2 or (len(clause) == 2 and clause[1].lower() not in ("asc", "desc")):
            raise invalid(f"order_by cannot be read at {' '.join(clause)!r}.")

        def key(message: Message, path: str = clause[0]) -> tuple[bool, Any]:
            value = lookup(message, path)
            return (value is not MISSING, None if value is MISSING else value)

        try:
            messages = sorted(messages, key=key, reverse=len(clause) == 2 and clause[1].lower() == "desc")
        except TypeError:
            raise invalid(f"order_by cannot sort by {clause[0]!r}.") from None
    return messages


def page_of(request: Any, items: list[Any]) -> tuple[list[Any], str]:
    """One page of `items`, and the token of the next page or an empty string."""
    size = getattr(request, "page_size", 0)
    if size < 0:
        raise invalid(f"page_size must not be negative, got {size}.")
    size = min(size or 100, MAX_PAGE)
    start = 0
    if request.page_token:
        try:
            start = json.loads(base64.urlsafe_b64decode(request.page_token.encode()))
            if not isinstance(start, int) or start < 0:
                raise ValueError
        except ValueError:
            raise invalid("page_token is not one that this server gave out.") from None
    token = base64.urlsafe_b64encode(json.dumps(start + size).encode()).decode() if start + size < len(items) else ""
    return items[start : start + size], token
