"""What students hand in: the released lab with solutions, named wrong answers and accidents in its exercise cells."""

import ast
import re
from inspect import getmodule, getsource
from pathlib import Path

import nbformat

from tests.wrong_answers import answers

ROOT = Path(__file__).resolve().parents[2]
# By exercise, what stands there instead of our solution: the name of a wrong answer, or one of these.
UNSOLVED, BROKEN, DELETED = "unsolved", "def broken(:", "deleted"


def handed_in(area: str, answered: dict[str, str]) -> nbformat.NotebookNode:
    """The released lab with our solutions in its exercise cells, except where `answered` says otherwise."""
    notebook = nbformat.read(ROOT / "labs" / area / "lab.ipynb", as_version=4)
    solutions = {cell.id: cell.source for cell in nbformat.read(ROOT / "solutions" / area / "lab.ipynb", 4).cells}
    for cell in [cell for cell in notebook.cells if cell.id.startswith("exercise-")]:
        given = answered.get(cell.id.removeprefix("exercise-").replace("-", "."))
        if given is None:
            cell.source = solutions[cell.id]
        elif given == DELETED:
            notebook.cells.remove(cell)
        elif given == BROKEN:
            cell.source = BROKEN
        elif given != UNSOLVED:
            cell.source = answer_cell(area, given, cell.source)
    return notebook


def answer_cell(area: str, name: str, stub: str) -> str:
    """A wrong answer with what it needs from its module, under the name of the stub's function."""
    needed, kept = {name}, []
    module = next(getmodule(answer.function) for answer in answers(area) if answer.function.__name__ == name)
    for node in reversed(ast.parse(getsource(module)).body):
        made = {node.name} if isinstance(node, ast.FunctionDef) else {
            target.id for target in getattr(node, "targets", []) if isinstance(target, ast.Name)}
        if made & needed:
            node.decorator_list = []
            needed |= {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
            kept.insert(0, ast.unparse(node))
    asked = re.search(r"^def (\w+)", stub, re.M)[1]
    return "\n\n\n".join([*kept, f"{asked} = {name}"])
