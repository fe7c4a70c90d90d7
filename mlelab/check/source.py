"""The course's own solution of an exercise, as code and as a function: from lab.py, so that it is written once."""

import ast
import base64
import functools
import json
import zlib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

HERE = Path(__file__).parent


def lab_source(area: str) -> str | None:
    """The source of a lab, in a clone or in an installed package; None in a class's copy, which has no solutions."""
    for folder in (HERE.parents[1], Path(str(files("mlelab")))):
        path = folder / "solutions" / area / "lab.py"
        if path.exists():
            return path.read_text(encoding="utf-8")
    return None


def exercise_code(source: str, number: str) -> str:
    """The code of one exercise's cell, without the marks around the solution."""
    cell = source.split(f'# %% exercise="{number}"', 1)[1].split("\n", 1)[1].split("\n# %%", 1)[0]
    return "\n".join(line for line in cell.splitlines() if " SOLUTION" not in line).strip()


@functools.cache
def solution(area: str, number: str, name: str) -> Callable:
    """Our function `name` of an exercise. Raises LookupError where this copy of the course has no solutions at all."""
    scope: dict = {"__name__": f"solution_{number.replace('.', '_')}"}
    exec(compile(_program(area, number), f"<solution {number}>", "exec"), scope)
    return scope[name]


def _program(area: str, number: str) -> str:
    source = lab_source(area)
    if source is not None:
        return self_contained(source, number)
    packed = HERE / "oracles" / f"{area}.json"
    if not packed.exists():
        raise LookupError(f"This copy of the course cannot check lab {area}: oracles/{area}.json is missing. Install "
                          "mlelab again.")
    return zlib.decompress(base64.b64decode(json.loads(packed.read_text())[number])).decode()


def pack(source: str) -> str:
    """The content of a lab's file in oracles/, what checks compare with without a lab.py. Not meant to be read."""
    numbers = [line.split('"')[1] for line in source.splitlines() if line.startswith('# %% exercise="')]
    return json.dumps({number: base64.b64encode(zlib.compress(self_contained(source, number).encode(), 9)).decode()
                       for number in numbers}, indent=0) + "\n"


def self_contained(source: str, number: str) -> str:
    """An exercise's cell with the imports of the lab that it uses, and no others."""
    code = exercise_code(source, number)
    used = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    imports = []
    for cell in source.split("\n# %%")[1:]:
        body = cell.split("\n", 1)[1] if "\n" in cell else ""
        for line in body.splitlines():
            if line.startswith(("import ", "from ")):
                kept = [alias for alias in ast.parse(line).body[0].names
                        if (alias.asname or alias.name.split(".")[0]) in used]
                if kept:
                    statement = ast.parse(line).body[0]
                    statement.names = kept
                    imports.append(ast.unparse(statement))
    return "\n".join([*dict.fromkeys(imports), "", code, ""])
