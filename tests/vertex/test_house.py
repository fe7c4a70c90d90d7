"""The house has floors: imports run one way, type-only ones included; no room is too big; nothing else of mlelab."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import pytest

from mlelab import vertex

ROOT = Path(vertex.__file__).parent
# Each imports from itself and from what stands before it. Beside the floors: what points an SDK here, which stands
# alone, and on top of all the one module that composes them.
FLOORS = ["environment", "seed", "wire", "resources", "data", "compute", "services", "server", "__main__"]
FLOORS += ["__init__"]
LINES = 400


def modules() -> dict[str, Path]:
    """`wire.catalog` → its file."""
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in sorted(ROOT.rglob("*.py"))}


def imported(name: str, path: Path) -> set[str]:
    """The modules of the house that a module imports, anywhere in it, also for its types alone."""
    package = name.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names = [stem] + [f"{stem}.{alias.name}".strip(".") for alias in node.names]
            names = names if node.level else [stem]
        else:
            continue
        for one in names:
            one = one.removeprefix("mlelab.vertex.")
            assert one.split(".")[0] != "mlelab", f"{name} imports {one}"
            if one in modules():
                found.add(one)
    return found


GRAPH = {name: imported(name, path) for name, path in modules().items()}


@pytest.mark.parametrize("name", GRAPH)
def test_imports_go_down(name):
    floor = FLOORS.index(name.split(".")[0])
    above = {other for other in GRAPH[name] if FLOORS.index(other.split(".")[0]) > floor}
    assert not above, f"{name} imports from a floor above: {above}"


def test_no_circle():
    graphlib.TopologicalSorter(GRAPH).prepare()  # CycleError names it


@pytest.mark.parametrize("name", GRAPH)
def test_no_room_is_too_big(name):
    assert len(modules()[name].read_text().splitlines()) <= LINES


def test_one_module_composes():
    assert [name for name in GRAPH if "server" in GRAPH[name]] == ["__init__", "__main__"]
