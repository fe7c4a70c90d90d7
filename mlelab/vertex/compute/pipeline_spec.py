"""Reads a compiled KFP pipeline: parameters and their types, conditions, what can never run."""

from __future__ import annotations

import ast
import graphlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..wire.errors import invalid, precondition


@dataclass
class Outputs:
    """What a task gave: parameter values, and artifacts as `{"name", "uri", "type", "metadata"}` lists."""

    parameters: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def whole(value: Any) -> Any:
    """A value out of a protobuf Struct, with whole floats as the integers that they were."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {k: whole(v) for k, v in value.items()}
    return [whole(v) for v in value] if isinstance(value, list) else value


def typed(value: Any, definition: dict[str, Any]) -> Any:
    """`value` as the parameter type of its definition; INVALID_ARGUMENT where it does not fit."""
    kind = definition.get("parameterType", "")
    try:
        if kind == "NUMBER_INTEGER":
            if isinstance(value, bool) or float(value) != int(float(value)):
                raise ValueError
            return int(float(value))
        if kind == "NUMBER_DOUBLE":
            return float(value)
        if kind == "BOOLEAN" and isinstance(value, str):
            return {"true": True, "false": False}[value.lower()]
        if kind in ("LIST", "STRUCT") and isinstance(value, str):
            value = json.loads(value)
    except (ValueError, TypeError, KeyError):
        raise invalid(f"{value!r} is not a {kind}.") from None
    expected = {"STRING": str, "BOOLEAN": bool, "LIST": list, "STRUCT": dict}.get(kind)
    if kind == "STRING" and value is not None and not isinstance(value, str):
        return json.dumps(whole(value))
    if expected and value is not None and not isinstance(value, expected):
        raise invalid(f"{value!r} is not a {kind}.")
    return whole(value) if kind in ("LIST", "STRUCT") else value


def root_parameters(spec: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The pipeline's parameters with their defaults. INVALID_ARGUMENT for unknown or missing ones."""
    defined = spec.get("root", {}).get("inputDefinitions", {}).get("parameters", {})
    if unknown := sorted(set(given) - set(defined)):
        raise invalid(f"The pipeline has no parameter {unknown[0]!r}; it has {sorted(defined)}.")
    values = {}
    for name, definition in defined.items():
        if name in given:
            values[name] = typed(given[name], definition)
        elif "defaultValue" in definition:
            values[name] = typed(definition["defaultValue"], definition)
        elif not definition.get("isOptional"):
            raise invalid(f"The pipeline parameter {name!r} is required.")
    return values


def check_graph(spec: dict[str, Any]) -> None:
    """INVALID_ARGUMENT for a specification that names what it does not have, or that could never end: a circle."""
    uses: dict[str, set[str]] = {}
    for owner, component in [("root", spec["root"]), *spec["components"].items()]:
        tasks = component.get("dag", {}).get("tasks", {})
        before = {name: task.get("dependentTasks", []) for name, task in tasks.items()}
        uses[owner] = {task["componentRef"]["name"] for task in tasks.values()}
        for name, others in before.items():
            if unknown := sorted(set(others) - set(tasks)):
                raise invalid(f"The task {name!r} depends on {unknown[0]!r}, which {owner} does not have.")
        if unknown := sorted(uses[owner] - set(spec["components"])):
            raise invalid(f"{owner} uses the component {unknown[0]!r}, which the pipeline does not have.")
        _no_circle("tasks", before)
    _no_circle("components", uses)


def _no_circle(what: str, graph: Mapping[str, Iterable[str]]) -> None:
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        raise invalid(f"The pipeline's {what} wait for one another in a circle: {' → '.join(error.args[1])}.") from None


_CASTS = {"int": lambda v: int(float(v)), "double": float, "string": str, "bool": bool}


def condition(text: str, parameters: dict[str, Any]) -> bool:
    """Evaluate a trigger condition, a small part of CEL, without running any code."""
    parts = re.split(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""", text)
    for index in range(0, len(parts), 2):
        part = parts[index].replace("&&", " and ").replace("||", " or ")
        part = re.sub(r"!(?!=)", " not ", part)
        parts[index] = re.sub(r"\btrue\b", "True", re.sub(r"\bfalse\b", "False", part))
    try:
        return bool(_evaluate(ast.parse("".join(parts).strip(), mode="eval").body, parameters))
    except (SyntaxError, KeyError, TypeError, ValueError) as error:
        raise precondition(f"The condition {text!r} cannot be evaluated: {error}") from None


def _evaluate(node: ast.AST, parameters: dict[str, Any]) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.BoolOp):
        values = (_evaluate(v, parameters) for v in node.values)
        return all(values) if isinstance(node.op, ast.And) else any(values)
    if isinstance(node, ast.UnaryOp):
        value = _evaluate(node.operand, parameters)
        return not value if isinstance(node.op, ast.Not) else -value
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        left, right = _evaluate(node.left, parameters), _evaluate(node.comparators[0], parameters)
        operators = {
            ast.Eq: lambda: left == right,
            ast.NotEq: lambda: left != right,
            ast.Lt: lambda: left < right,
            ast.LtE: lambda: left <= right,
            ast.Gt: lambda: left > right,
            ast.GtE: lambda: left >= right,
        }
        return operators[type(node.ops[0])]()
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
        return _CASTS[node.func.id](_evaluate(node.args[0], parameters))
    if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "inputs.parameter_values":
        return parameters[_evaluate(node.slice, parameters)]
    raise ValueError(f"{ast.unparse(node)} is not supported")


def text_of(value: Any) -> str:
    """A parameter as it stands in a command."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(whole(value))
