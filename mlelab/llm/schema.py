"""Which texts can still become JSON of a schema: what constrained decoding asks before it takes a token.

A reader of a schema gives, for a text and a place in it, every place where a value that begins there can end; OPEN
stands for a text that ends before the value does. JSON is written as `json.dumps` writes it, properties in the
schema's order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

OPEN = -1
Reader = Callable[[str, int], Iterator[int]]

_CHARACTER = r'(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))'
_CUT = r"(?:\\(?:u[0-9a-fA-F]{0,3})?)?\Z"  # an escape at the end of the text
_KNOWN = {"type", "properties", "required", "propertyOrdering", "items", "minItems", "maxItems", "enum", "const",
          "nullable", "anyOf", "minLength", "maxLength", "minimum", "maximum", "additionalProperties",
          "title", "description", "default", "example"}


class Schema:
    """A JSON schema as a filter of texts. Raises ValueError where the schema has a word that is not known here."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._read = reader(schema)

    def allows(self, text: str) -> bool:
        """Whether `text` is the beginning of a value, or all of it."""
        return any(end in (OPEN, len(text)) for end in self._read(text, 0))

    def complete(self, text: str) -> bool:
        """Whether `text` is a whole value."""
        return any(end == len(text) for end in self._read(text, 0))


def reader(schema: Any) -> Reader:
    """The reader of a schema; of an empty one, a reader of any JSON."""
    if not isinstance(schema, Mapping):
        raise ValueError(f"a schema is an object, not {schema!r}")
    if unknown := sorted(set(schema) - _KNOWN):
        raise ValueError(f"{unknown[0]} is not supported")
    if "anyOf" in schema:
        found = one_of(*(reader(one) for one in schema["anyOf"]))
    elif "enum" in schema or "const" in schema:
        found = one_of(*(literal(json.dumps(value, ensure_ascii=False))
                         for value in schema.get("enum", [schema.get("const")])))
    else:
        kinds = schema.get("type") or list(_KINDS)
        found = one_of(*(_of_kind(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds)))
    return one_of(found, literal("null")) if schema.get("nullable") else found


def literal(wanted: str) -> Reader:
    """This text and no other."""
    def read(text: str, at: int) -> Iterator[int]:
        if text.startswith(wanted, at):
            yield at + len(wanted)
        elif wanted.startswith(text[at:]):
            yield OPEN
    return read


def one_of(*readers: Reader) -> Reader:
    """Any of several."""
    return readers[0] if len(readers) == 1 else lambda text, at: (end for one in readers for end in one(text, at))


def then(first: Reader, second: Reader) -> Reader:
    """One after the other."""
    def read(text: str, at: int) -> Iterator[int]:
        for end in first(text, at):
            if end == OPEN:
                yield OPEN
            else:
                yield from second(text, end)
    return read


def _of_kind(kind: str, schema: Mapping[str, Any]) -> Reader:
    if kind not in _KINDS:
        raise ValueError(f"the type {kind} is not supported")
    return _KINDS[kind](schema)


def _string(schema: Mapping[str, Any]) -> Reader:
    least, most = int(schema.get("minLength", 0)), schema.get("maxLength", "")
    most = most if most == "" else int(most)  # over the wire numbers may come as floats
    whole = re.compile(f'"{_CHARACTER}{{{least},{most}}}"')
    cut = re.compile(f'(?:\\Z|"{_CHARACTER}{{0,{most}}}\\Z|"{_CHARACTER}{{0,{most - 1 if most else most}}}{_CUT})')
    return _pattern(whole, cut if most != 0 else re.compile(r'"?\Z'))


def _pattern(whole: re.Pattern[str], cut: re.Pattern[str]) -> Reader:
    """A value that `whole` describes, and `cut` where the text ends too early."""
    def read(text: str, at: int) -> Iterator[int]:
        if found := whole.match(text, at):
            yield found.end()
        if cut.match(text, at):
            yield OPEN
    return read


def _number(schema: Mapping[str, Any], fraction: str = r"(?:\.\d{1,6})?", cut: str = r"(?:\.\d{0,5})?") -> Reader:
    if "minimum" in schema or "maximum" in schema:
        low, high = schema.get("minimum"), schema.get("maximum")
        if fraction or low is None or high is None or not 0 <= high - low <= 1000:
            raise ValueError("minimum and maximum are supported for an integer, both, at most 1000 apart")
        span = range(-int(-low // 1), int(high // 1) + 1)
        return _integers([str(value) for value in span])
    digits = r"-?(?:0|[1-9]\d{0,14})"
    return _pattern(re.compile(f"{digits}{fraction}(?![\\d.])"),
                    re.compile(f"(?:-?|-?0{cut}|-?[1-9]\\d{{0,13}}{cut})\\Z"))


def _integers(values: list[str]) -> Reader:
    known = set(values)

    def read(text: str, at: int) -> Iterator[int]:
        found = re.compile(r"-?\d*").match(text, at)
        if found.group() in known:
            yield found.end()
        if found.end() == len(text) and any(v.startswith(found.group()) and v != found.group() for v in known):
            yield OPEN
    return read


def _integer(schema: Mapping[str, Any]) -> Reader:
    return _number(schema, "", "")


def _boolean(schema: Mapping[str, Any]) -> Reader:
    return one_of(literal("true"), literal("false"))


def _null(schema: Mapping[str, Any]) -> Reader:
    return literal("null")


def _array(schema: Mapping[str, Any]) -> Reader:
    least, most = schema.get("minItems", 0), schema.get("maxItems", float("inf"))
    item = _later(schema.get("items", {}))
    opens, comma, closes = literal("["), literal(", "), literal("]")

    def items(count: int) -> Reader:
        def read(text: str, at: int) -> Iterator[int]:
            if count >= least:
                yield from closes(text, at)
            if count < most:
                yield from then(then(comma, item) if count else item, items(count + 1))(text, at)
        return read
    return then(opens, items(0))


def _object(schema: Mapping[str, Any]) -> Reader:
    if schema.get("additionalProperties"):
        raise ValueError("additionalProperties is not supported")
    properties, required = schema.get("properties", {}), set(schema.get("required", ()))
    if not properties:
        return _any_object
    names = list(schema.get("propertyOrdering") or properties)
    names += [name for name in properties if name not in names]
    if unknown := (set(names) | required) - set(properties):
        raise ValueError(f"{sorted(unknown)[0]} is not among the properties")
    values = {name: then(literal(f"{json.dumps(name, ensure_ascii=False)}: "), reader(properties[name]))
              for name in names}

    def rest(number: int, some: bool) -> Reader:
        def read(text: str, at: int) -> Iterator[int]:
            if number == len(names):
                yield from literal("}")(text, at)
                return
            value = values[names[number]]
            yield from then(then(literal(", "), value) if some else value, rest(number + 1, True))(text, at)
            if names[number] not in required:
                yield from rest(number + 1, some)(text, at)
        return read
    return then(literal("{"), rest(0, False))


def _any_object(text: str, at: int) -> Iterator[int]:
    pair = then(then(_string({}), literal(": ")), _later({}))

    def rest(some: bool) -> Reader:
        return lambda text, at: one_of(literal("}"), then(then(literal(", "), pair) if some else pair, rest(True)))(
            text, at)
    return then(literal("{"), rest(False))(text, at)


def _later(schema: Any) -> Reader:
    """A reader that is made when it is needed, so that any JSON may hold any JSON; a wrong schema is told at once."""
    if schema:
        return reader(schema)
    return lambda text, at: reader({})(text, at)


_KINDS: dict[str, Callable[[Mapping[str, Any]], Reader]] = {
    "object": _object, "array": _array, "string": _string, "number": _number, "integer": _integer,
    "boolean": _boolean, "null": _null}
