"""Mutants of a solution, made by a program: each changes one place of the code, as a slip of the hand would."""

import ast
import copy
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

EDGES = {ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE),
         ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.Is: (ast.IsNot,),
         ast.IsNot: (ast.Is,)}
ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div,
              ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd}


MODULES = ("np", "pd", "json", "math", "hashlib", "stats")


@dataclass(frozen=True)
class Mutant:
    """One changed program: `what` names the change, and stays the same as long as the code around it does."""

    what: str
    program: str

    def function(self, name: str) -> Callable:
        """The changed function; may raise what the changed code raises when it is defined."""
        scope: dict = {"__name__": "mutant"}
        exec(compile(self.program, "<mutant>", "exec"), scope)
        return scope[name]


def mutants(program: str, written: bool = False, words: Collection[str] = ()) -> list[Mutant]:
    """All mutants of a program, without repeats and without those that are the same code.

    A written answer's texts and numbers are one example of many: they are not changed, its fields are emptied and
    dropped. So are the fields named in `words`.
    """
    tree = ast.parse(program)
    body = [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    places = [place for top in body for place in ast.walk(top)]
    seen, made, original = {}, [], ast.unparse(tree)
    skipped = _not_code(body) | _examples(body, words, written)
    for number, node in enumerate(places):
        if id(node) in skipped:
            continue
        for before, after, change in [*_changes(node), *_emptied(node, words, written)]:
            changed = copy.deepcopy(tree)
            twins = [place for top in changed.body if isinstance(top, (ast.FunctionDef, ast.ClassDef))
                     for place in ast.walk(top)]
            try:
                change(twins[number])
                text = ast.unparse(ast.fix_missing_locations(changed))
                compile(text, "<mutant>", "exec")
            except (SyntaxError, ValueError, AttributeError, IndexError):
                continue
            if text == original or text in seen:
                continue
            seen[text] = True
            what = f"`{before}` becomes `{after}`"
            times = sum(m.what.split(" #")[0] == what for m in made)
            made.append(Mutant(what + (f" #{times + 1}" if times else ""), text))
    return made


def _not_code(body) -> set[int]:
    """Annotations and docstrings: changing them changes nothing."""
    skipped = set()
    for top in body:
        for node in ast.walk(top):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node) is not None:
                skipped |= {id(part) for part in ast.walk(node.body[0])}
            for part in (getattr(node, "annotation", None), getattr(node, "returns", None)):
                if isinstance(part, ast.AST):
                    skipped |= {id(inner) for inner in ast.walk(part)}
            if isinstance(node, ast.Raise):  # the text of a message
                skipped |= {id(inner) for inner in ast.walk(node)}
    return skipped


def _free(node: ast.AST, words: Collection[str], written: bool) -> list[int]:
    """The places of a dict whose fields are free: all of a written answer, and those named in `words`."""
    return [place for place, key in enumerate(node.keys if isinstance(node, ast.Dict) else ())
            if written or getattr(key, "value", None) in words]


def _examples(body, words: Collection[str], written: bool) -> set[int]:
    """What stands in the free fields of an answer."""
    return {id(part) for top in body for node in ast.walk(top) for place in _free(node, words, written)
            for part in ast.walk(node.values[place])}


def _emptied(node: ast.AST, words: Collection[str], written: bool) -> Iterator[tuple[str, str, Callable]]:
    """Each free field of an answer empty, None, or not there."""
    for place in _free(node, words, written):
        key = node.keys[place]
        for value in ("", None):
            yield (f"field {_text(key)}", repr(value),
                   lambda n, p=place, v=value: n.values.__setitem__(p, ast.Constant(v)))
        yield f"field {_text(key)}", "nothing", lambda n, p=place: (n.keys.pop(p), n.values.pop(p))


def _changes(node: ast.AST) -> Iterator[tuple[str, str, Callable]]:
    """(before, after, change) for each way to change one node; `change` is given the node's twin in a copy."""
    was = _text(node)
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            for other in EDGES.get(type(operator), ()):
                yield was, _with(node, "ops", place, other()), lambda n, p=place, o=other: n.ops.__setitem__(p, o())
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        other = ARITHMETIC[type(node.op)]
        yield was, _text(ast.BinOp(node.left, other(), node.right)), lambda n: setattr(n, "op", other())
    elif isinstance(node, ast.AugAssign) and type(node.op) in ARITHMETIC:
        other = ARITHMETIC[type(node.op)]
        yield was, f"with {other.__name__}", lambda n: setattr(n, "op", other())
    elif isinstance(node, ast.BoolOp):
        other = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield was, _text(ast.BoolOp(other(), node.values)), lambda n: setattr(n, "op", other())
        for place in range(len(node.values)):
            yield was, f"without {_text(node.values[place])}", lambda n, p=place: n.values.pop(p)
    elif isinstance(node, ast.Constant):
        for value in _constants(node.value):
            yield was, repr(value), lambda n, v=value: setattr(n, "value", v)
    elif isinstance(node, ast.Call):
        yield from _call_changes(node, was)
    elif isinstance(node, ast.comprehension):
        for place in range(len(node.ifs)):
            yield was, "without its if", lambda n, p=place: n.ifs.pop(p)
    elif isinstance(node, ast.IfExp):
        yield was, "the other way round", lambda n: (lambda a, b: (setattr(n, "body", b), setattr(n, "orelse", a)))(
            n.body, n.orelse)
    elif isinstance(node, ast.Slice):
        for name in ("lower", "upper", "step"):
            if getattr(node, name) is not None:
                yield was, f"without {name}", lambda n, a=name: setattr(n, a, None)
    if isinstance(node, ast.If):
        for value in (True, False):
            yield f"if {_text(node.test)}", f"if {value}", lambda n, v=value: setattr(n, "test", ast.Constant(v))
    yield from _expression_changes(node)
    for name in ("body", "orelse", "finalbody"):
        block = getattr(node, name, None)
        if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
            for place, statement in enumerate(block):
                if not isinstance(statement, (ast.Return, ast.Pass, ast.FunctionDef, ast.Raise)) and not (
                        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
                    yield (_text(statement).splitlines()[0], "nothing",
                           lambda n, a=name, p=place: getattr(n, a).__setitem__(p, ast.Pass()))


def _expression_changes(node) -> Iterator[tuple[str, str, Callable]]:
    """Expressions that are unwrapped: `-x`, `not x`, `f(x)`, `x.f()` become `x`, wherever they stand."""
    for field, value in ast.iter_fields(node):
        for place, child in enumerate(value if isinstance(value, list) else [value]):
            inner = None
            if isinstance(child, ast.UnaryOp) and not isinstance(child.operand, ast.Constant):
                inner = lambda c: c.operand  # noqa: E731
            elif isinstance(child, ast.Call) and isinstance(child.func, ast.Attribute) and not _is_module(child.func):
                inner = lambda c: c.func.value  # noqa: E731
            elif isinstance(child, ast.Call) and child.args and not isinstance(child.args[0], ast.Starred) and not (
                    isinstance(child.func, ast.Name) and child.func.id in ("float", "bool")):  # numpy's will do
                inner = lambda c: c.args[0]  # noqa: E731
            if inner is None:
                continue

            def unwrap(n, field=field, place=place, inner=inner):
                if isinstance(getattr(n, field), list):
                    getattr(n, field)[place] = inner(getattr(n, field)[place])
                else:
                    setattr(n, field, inner(getattr(n, field)))

            yield _text(child), _text(inner(child)), unwrap


def _is_module(function: ast.Attribute) -> bool:
    return isinstance(function.value, ast.Name) and function.value.id in MODULES


def _call_changes(node: ast.Call, was: str) -> Iterator[tuple[str, str, Callable]]:
    for place, keyword in enumerate(node.keywords):
        if keyword.arg:
            yield was, f"without {keyword.arg}", lambda n, p=place: n.keywords.pop(p)
    if node.args and not isinstance(node.args[-1], ast.Starred):
        yield was, f"without {_text(node.args[-1])}", lambda n: n.args.pop()


def _constants(value) -> list:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1]
    if isinstance(value, float):
        return [value * 1.1 + 0.01, value * 0.9 - 0.01]
    if isinstance(value, str):
        return [value + "x", ""] if value else ["x"]
    return []


def _with(node: ast.Compare, field: str, place: int, operator) -> str:
    other = copy.deepcopy(node)
    getattr(other, field)[place] = operator
    return _text(other)


def _text(node: ast.AST) -> str:
    text = ast.unparse(ast.fix_missing_locations(copy.deepcopy(node)))
    return text if len(text) <= 90 else text[:88] + " …"
