"""Rules that every notebook of the course keeps, and a planted offender for each, so that no rule is asleep."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted([*ROOT.glob("solutions/*/lab.ipynb"), *ROOT.glob("labs/*/lab.ipynb"),
                    *(page for page in ROOT.glob("book/**/*.md") if "{code-cell}" in page.read_text())])
BOOTSTRAP = "import importlib.util"


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def no_shell_or_magic(notebook):
    """nbval passes a failing `!command`, a failing `%pip`, and whatever stands behind an unknown magic."""
    for cell in code_cells(notebook):
        for line in cell.source.splitlines():
            allowed = cell.source.startswith(BOOTSTRAP) and line.strip().startswith("%pip install")
            if re.match(r"\s*([!%?]|.*= *[!%])", line) and not allowed:
                yield f"shell escape or magic: {line.strip()}"


def short_cells(notebook):
    """Worked examples and figures fit on a screen; an exercise, and what a page does not show, may be longer."""
    for cell in code_cells(notebook):
        lines = cell.source.splitlines()
        unseen = "nbgrader" in cell.metadata or "remove-cell" in cell.metadata.get("tags", [])
        unseen |= cell.source.startswith(("# claim: ", "# fact: "))
        if not unseen and len(lines) > 20:
            yield f"a cell of {len(lines)} lines: {lines[0]}"


def alt_texts(notebook):
    """Every figure goes through figure.show or figure.flow with an alt text; no bare image is left in an output."""
    for cell in code_cells(notebook):
        if re.search(r"plt\.(subplots|figure|show|plot)|\.plot\(", cell.source) and "figure.show(" not in cell.source:
            yield f"a figure without figure.show: {cell.source.splitlines()[0]}"
        for call in re.findall(r"figure\.(?:show|flow)\(.*", cell.source, re.S):
            if "alt=" not in call:
                yield f"no alt text: {call.splitlines()[0]}"
        for output in cell.get("outputs", []):
            if any(kind.startswith("image/") for kind in output.get("data", {})):
                yield f"an image without alt text in the output of: {cell.source.splitlines()[0]}"
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and re.search(r"!\[\s*\]\(", cell.source):
            yield f"a picture without alt text: {cell.source.splitlines()[0]}"


def no_wall_clock(notebook):
    for cell in code_cells(notebook):
        if re.search(r"%%?time|time\.(time|perf_counter)\(\)|datetime\.now", cell.source):
            yield f"a clock: {cell.source.splitlines()[0]}"


def answers_only_in_solutions(notebook):
    for cell in code_cells(notebook):
        if cell.metadata.get("nbgrader", {}).get("solution") and "raise NotImplementedError" in cell.source:
            function = next(node for node in ast.parse(cell.source).body if isinstance(node, ast.FunctionDef))
            only_raises = len(function.body) == 2 and isinstance(function.body[1], ast.Raise)
            if not (ast.get_docstring(function) and only_raises):
                yield f"a stub with more than a docstring: {function.name}"
        elif "NotImplementedError" in cell.source:
            yield f"a stub that nbgrader does not know: {cell.source.splitlines()[0]}"


def small_outputs(notebook):
    for cell in code_cells(notebook):
        for output in cell.get("outputs", []):
            text = output.get("text") or output.get("data", {}).get("text/plain") or ""
            if len(text) > 4_000:
                yield f"{len(text)} characters of output: {cell.source.splitlines()[0]}"
            if output.output_type == "stream" and output.name == "stderr":
                yield f"stderr in a kept output: {text.splitlines()[0]}"


def tags_only_where_known(notebook):
    known = {"raises-exception", "nbval-ignore-output", "hide-input", "remove-input", "remove-cell", "hide-output"}
    for cell in notebook.cells:
        for tag in set(cell.metadata.get("tags", [])) - known:
            yield f"unknown tag {tag}"


def exercises_keep_their_names(notebook):
    """A cell below that binds the name again would hide the learner's function from the checks and the grader."""
    written = set()
    for cell in code_cells(notebook):
        if "%pip" in cell.source:
            continue
        body = ast.parse(cell.source).body
        if cell.metadata.get("nbgrader", {}).get("solution"):
            written |= {node.name for node in body if isinstance(node, ast.FunctionDef)}
            continue
        bound = {node.name for node in body if isinstance(node, ast.FunctionDef)} | {
            node.id for statement in body if not isinstance(statement, ast.FunctionDef)
            for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        yield from (f"an exercise's name is bound again: {name}" for name in sorted(bound & written))


RULES = [no_shell_or_magic, short_cells, alt_texts, no_wall_clock, answers_only_in_solutions, small_outputs,
         tags_only_where_known, exercises_keep_their_names]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_notebook_keeps_the_rules(path):
    notebook = jupytext.read(path)
    broken = [f"{rule.__name__}: {what}" for rule in RULES for what in rule(notebook)]
    assert not broken, "\n".join(broken)


def solution_cell(source):
    return new_code_cell(source, metadata={"nbgrader": {"solution": True}})


OFFENDERS = [
    (no_shell_or_magic, new_code_cell("!pip install something")),
    (no_shell_or_magic, new_code_cell("%unknown_magic\nraise ValueError")),
    (no_shell_or_magic, new_code_cell("files = !ls")),
    (no_shell_or_magic, new_code_cell("%pip install mlelab")),
    (short_cells, new_code_cell("x = 1\n" * 21)),
    (alt_texts, new_code_cell("plt.plot([1, 2])")),
    (alt_texts, new_code_cell("fig, ax = plt.subplots()\nfigure.show(fig)")),
    (alt_texts, new_code_cell("x", outputs=[new_output("display_data", {"image/png": "aGk="})])),
    (alt_texts, new_markdown_cell("![](plot.png)")),
    (no_wall_clock, new_code_cell("started = time.time()")),
    (answers_only_in_solutions, solution_cell('def f():\n    """D."""\n    x = 1\n    raise NotImplementedError')),
    (answers_only_in_solutions, new_code_cell("raise NotImplementedError")),
    (small_outputs, new_code_cell("x", outputs=[new_output("stream", name="stdout", text="x" * 5_000)])),
    (small_outputs, new_code_cell("x", outputs=[new_output("stream", name="stderr", text="warning")])),
    (tags_only_where_known, new_code_cell("x", metadata={"tags": ["raise-exception"]})),
]


@pytest.mark.parametrize(("rule", "cell"), OFFENDERS, ids=lambda value: getattr(value, "__name__", ""))
def test_rule_notices_its_offender(rule, cell):
    assert list(rule(new_notebook(cells=[cell])))


@pytest.mark.parametrize("below", ["f = [1]", "for f in range(3):\n    pass", "def f():\n    return 1"])
def test_a_name_of_an_exercise_that_is_bound_again_is_noticed(below):
    cells = [new_code_cell("f = 0"), solution_cell("def f():\n    return 2"), new_code_cell("def g(f):\n    f = 1")]
    assert not list(exercises_keep_their_names(new_notebook(cells=cells)))
    assert list(exercises_keep_their_names(new_notebook(cells=[*cells, new_code_cell(below)])))


def test_code_on_pages_and_in_labs_is_linted(tmp_path):
    """ruff reads notebooks; pages are turned into notebooks first."""
    names = []
    for number, path in enumerate(NOTEBOOKS):
        notebook = jupytext.read(path)
        for cell in code_cells(notebook):
            cell.outputs, cell.execution_count = [], None
        notebook.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
        names.append(tmp_path / f"{number}_{path.parent.name}_{path.stem}.ipynb")
        nbformat.write(notebook, names[-1])
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--config", ROOT / "pyproject.toml", *names]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_lint_notices_an_undefined_name(tmp_path):
    nbformat.write(new_notebook(cells=[new_code_cell("print(nowhere_defined)")]), tmp_path / "bad.ipynb")
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", tmp_path / "bad.ipynb"]
    done = subprocess.run(command, capture_output=True)
    assert done.returncode == 1
