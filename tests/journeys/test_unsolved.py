"""A released lab, untouched: it runs to its end, and nothing of a solution is in it."""

import ast
import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import run_notebooks  # noqa: E402

from tests import sampled  # noqa: E402

LABS = sorted(ROOT.glob("labs/*/lab.ipynb"))
SOLUTION = re.compile(r"^ *### BEGIN SOLUTION\n(.*?)^ *### END SOLUTION$", re.S | re.M)

each_lab = pytest.mark.parametrize("path", LABS, ids=lambda path: path.parent.name)


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def exercise_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("solution")]


def source_of(path: Path) -> str:
    return (ROOT / "solutions" / path.parent.name / "lab.py").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def ran(tmp_path_factory, request) -> dict[Path, dict]:
    """What nbval says of each lab that a test asks for, with the notebook as it was run under `notebook`."""
    folder = tmp_path_factory.mktemp("unsolved")
    asked = {item.callspec.params["path"] for item in request.session.items
             if "ran" in item.fixturenames or "executed" in item.fixturenames}

    def one(path: Path) -> dict:
        kept = folder / f"{path.parent.name}.ipynb"
        return run_notebooks.run(path, cell_timeout=300, keep=kept) | {"notebook": nbformat.read(kept, as_version=4)}

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        for name in ("HTTP_PROXY", "http_proxy"):  # of a company, and of no use on loopback
            patch.setenv(name, "http://127.0.0.1:9")
        for name in ("NO_PROXY", "no_proxy"):
            patch.delenv(name, raising=False)
        return dict(zip(sorted(asked), pool.map(one, sorted(asked))))


@pytest.fixture
def executed(ran) -> dict[Path, nbformat.NotebookNode]:
    return {path: result["notebook"] for path, result in ran.items()}


def test_every_source_has_its_lab():
    assert [path.parent.name for path in LABS] == sorted(path.parent.name for path in ROOT.glob("solutions/*/lab.py"))


@each_lab
def test_nbval_reaches_the_last_cell(ran, path):
    assert ran[path]["ok"], ran[path]["output"]


@pytest.mark.parametrize("path", sampled(LABS, [ROOT / "labs" / "02_data" / "lab.ipynb"]),
                         ids=lambda path: path.parent.name)
def test_a_lab_runs_twice_in_one_kernel(path, tmp_path):
    """Run All, and Run All again: what the first run left in the kernel is not in the way of the second."""
    notebook = nbformat.read(path, as_version=4)
    again = [cell | {"id": f"{cell.id}-again"} for cell in notebook.cells]
    notebook.cells += map(nbformat.from_dict, again)
    (tmp_path / "labs").mkdir()  # the folder's name says that outputs are not compared
    twice = tmp_path / "labs" / "lab.ipynb"
    nbformat.write(notebook, twice)
    result = run_notebooks.run(twice, cell_timeout=300)
    assert result["ok"], result["output"]


@each_lab
def test_exactly_the_tagged_cells_raise(executed, path):
    cells = code_cells(executed[path])
    raised = {cell.id for cell in cells if any(output.output_type == "error" for output in cell.outputs)}
    tagged = {cell.id for cell in cells if "raises-exception" in cell.metadata.get("tags", [])}
    assert raised == tagged


@each_lab
def test_each_check_says_not_attempted(executed, path):
    checks = [cell for cell in code_cells(executed[path]) if cell.metadata.get("nbgrader", {}).get("grade")]
    assert checks
    for cell in checks:
        shown = [output.data for output in cell.outputs if output.output_type == "display_data"]
        assert len(shown) == 1, cell.id
        for kind in ("text/plain", "text/html"):
            assert "not attempted" in shown[0][kind], cell.id


@each_lab
def test_progress_says_that_nothing_was_attempted(executed, path):
    cells = code_cells(executed[path])
    checks = [cell for cell in cells if cell.metadata.get("nbgrader", {}).get("grade")]
    count, table = cells[-1].outputs
    assert count.text == f"0 of {len(checks)} checks are right.\n"
    assert table.data["text/plain"].count("not attempted") == len(checks)


@each_lab
def test_no_line_of_a_solution_is_released(path):
    source, released = source_of(path), path.read_text(encoding="utf-8")
    regions = SOLUTION.findall(source)
    assert len(regions) == len(exercise_cells(nbformat.reads(released, 4))) > 0
    elsewhere = {line.strip() for line in SOLUTION.sub("", source).splitlines()}
    secret = {line.strip() for region in regions for line in region.splitlines()} - elsewhere
    # `else:` may stand anywhere, and what is part of a line of the prose is no secret.
    secret = {line for line in secret if len(line) > 8 and not any(line in other for other in elsewhere)}
    assert len(secret) > 2 * len(regions)
    assert [line for line in sorted(secret) if json.dumps(line, ensure_ascii=False)[1:-1] in released] == []
    for mark in ("BEGIN SOLUTION", "END SOLUTION", "BEGIN HIDDEN TESTS", "END HIDDEN TESTS"):
        assert mark not in released


@each_lab
def test_stubs_keep_signature_and_docstring(path):
    cells = [cell for cell in re.split(r"^# %%.*$", source_of(path), flags=re.M) if SOLUTION.search(cell)]
    written = {function.name: function for cell in cells for function in ast.parse(cell).body}
    stubs = [ast.parse(cell.source).body for cell in exercise_cells(nbformat.read(path, 4))]
    assert [len(stub) for stub in stubs] == [1] * len(written)
    for stub in (body[0] for body in stubs):
        solved = written.pop(stub.name)
        assert ast.get_docstring(stub) == ast.get_docstring(solved) and ast.get_docstring(stub)
        assert ast.dump(stub.args) == ast.dump(solved.args)
        assert stub.returns is not None and ast.dump(stub.returns) == ast.dump(solved.returns)
        assert [ast.unparse(line) for line in stub.body[1:]] == ["raise NotImplementedError('Your code goes here')"]
    assert not written


@each_lab
def test_a_release_has_no_traces(path):
    notebook = nbformat.read(path, as_version=4)
    assert [file.name for file in path.parent.rglob("*") if file.is_file()
            and ".ipynb_checkpoints" not in file.parts] == ["lab.ipynb"]
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags", "nbgrader", "deletable", "editable"}, cell.id  # no `execution` times
    for cell in code_cells(notebook):
        assert cell.outputs == [] and cell.execution_count is None, cell.id
