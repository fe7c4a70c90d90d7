"""Constrained decoding: whole values pass, with each of their beginnings, and nothing else does."""

import json

import jsonschema
import pytest

from mlelab.llm.schema import Schema

FLIGHT = {"type": "object", "required": ["carrier"], "properties": {
    "carrier": {"type": "string", "maxLength": 5}, "minutes": {"type": "integer"}, "late": {"type": "boolean"},
    "legs": {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 2},
    "kind": {"enum": ["jet", "prop"]}, "hour": {"type": "integer", "minimum": 8, "maximum": 12}}}
GOOD = [
    (FLIGHT, {"carrier": "UA"}),
    (FLIGHT, {"carrier": 'a"\\é\n', "minutes": -15, "late": False, "legs": [1.5, -2], "kind": "jet", "hour": 12}),
    (FLIGHT, {"carrier": "", "hour": 8}),
    ({}, [1, -0.5, "x\ty", None, True, [], {}, {"a": {"b": [0]}}]),
    ({"type": "string", "nullable": True}, None),
    ({"type": ["string", "integer"]}, 7),
    ({"anyOf": [{"type": "boolean"}, {"const": "no"}]}, "no"),
    ({"type": "object"}, {"any": ["thing"]}),
    ({"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "null"}}, "propertyOrdering": ["b", "a"]},
     {"b": None, "a": None}),
]
BAD = [
    *((FLIGHT, text) for text in (
        "{}", '{"minutes": 1}', '{"carrier": "abcdef"', '{"carrier": "UA", "hour": 13', '{"carrier": "UA", "hour": 7',
        '{"carrier": "UA", "legs": []', '{"carrier": "UA", "legs": [1, 2, ', '{"carrier": "UA", "kind": "bus',
        '{"carrier": "UA", "minutes": 1.', '{"carrier": "UA"} ', '{"other": ', '{"carrier": "\\x')),
    *(({}, text) for text in ("01", "Sure", "1.5.2", "[1,2]", " 1")), ({"type": "integer"}, "--1")]


@pytest.mark.parametrize("schema, value", GOOD)
def test_a_value_passes_with_each_of_its_beginnings(schema, value):
    text = json.dumps(value, ensure_ascii=False)
    filter = Schema(schema)
    assert filter.complete(text)
    assert all(filter.allows(text[:end]) for end in range(len(text) + 1))
    if "nullable" not in schema:  # the cloud's word, not JSON schema's
        jsonschema.validate(value, schema)


@pytest.mark.parametrize("schema, text", BAD)
def test_nothing_else_passes(schema, text):
    assert not Schema(schema).allows(text) and not Schema(schema).complete(text)


def test_a_value_that_is_cut_is_not_complete():
    for text in ('{"carrier": "UA"', '{"carrier": "UA', '{"carrier": "UA", ', "{", ""):
        assert Schema(FLIGHT).allows(text) and not Schema(FLIGHT).complete(text)


@pytest.mark.parametrize("schema, word", [
    ({"type": "string", "pattern": "a+"}, "pattern"), ({"type": "date"}, "date"), ({"$ref": "#/x"}, "ref"),
    ({"type": "integer", "minimum": 0}, "minimum"), ({"type": "number", "minimum": 0, "maximum": 1}, "minimum"),
    ({"type": "object", "properties": {"a": {}}, "required": ["b"]}, "b is not among"),
    ({"type": "array", "items": 3}, "3"), ({"type": "object", "additionalProperties": True}, "additionalProperties"),
    ({"type": "array", "items": {"format": "date"}}, "format")])
def test_what_it_cannot_follow_is_refused_by_name(schema, word):
    with pytest.raises(ValueError, match=word):
        Schema(schema)
