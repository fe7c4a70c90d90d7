"""Constrained decoding: whole values pass, with each of their beginnings, and nothing else does."""

import json
import re
from pathlib import Path

import jsonschema
import pytest

from mlelab.llm.schema import Schema

ROOT = Path(__file__).parents[2]
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
    ({"type": "string", "minLength": 1.0, "maxLength": 3.0}, "abc"),  # numbers of a JSON schema may come as floats
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


def as_expression(grammar: str) -> str:
    """A regular expression of a grammar in GBNF, as far as the page uses it: names, texts, classes, and | ( ) ? *."""
    rules = dict(line.split(" ::= ") for line in grammar.strip().splitlines())

    def expression(rule: str) -> str:
        tokens = re.findall(r'"(?:[^"\\]|\\.)*"|\[[^]]*\]|[()|?*]|\w+', rule)
        return "".join(re.escape(json.loads(token)) if token[0] == '"' else f"(?:{expression(rules[token])})"
                       if token[0].isalpha() else token for token in tokens)
    return expression(rules["root"])


def test_the_grammar_on_the_page_lets_the_same_texts_through():
    page = (ROOT / "book" / "11_generative.md").read_text(encoding="utf-8")
    expression = re.compile(as_expression(re.search(r"^root ::= .*\n(?:\w+ ::= .*\n)*", page, re.M).group()))
    allowed = Schema({"type": "object", "required": ["kilograms", "dollars"], "properties": {
        name: {"type": "integer"} for name in ("kilograms", "dollars")}})
    numbers = ["0", "-1", "32", "007", "", "1.5", "-0", "123456", '"23"', "+1", "null"]
    texts = [f'{{"kilograms": {one}, "dollars": {other}}}' for one in numbers for other in numbers]
    texts += ['{"dollars": 1, "kilograms": 2}', '{"kilograms": 1}', '{"kilograms":1,"dollars":2}', texts[0] + " ", ""]
    passed = [text for text in texts if allowed.complete(text)]
    assert passed == [text for text in texts if expression.fullmatch(text)] and len(passed) == 25
