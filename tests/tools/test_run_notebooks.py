"""One failing cell anywhere fails the run: proven with planted failures."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

TOOL = Path(__file__).resolve().parents[2] / "tools" / "run_notebooks.py"
KERNEL = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
STALE = new_code_cell("print(2)", execution_count=1, outputs=[new_output("stream", name="stdout", text="1\n")])
PAGE = """\
---
kernelspec: {name: python3, display_name: Python 3, language: python}
---

# Page

```{code-cell}
assert False
```
"""
NOTEBOOKS = {
    "labs/good.ipynb": [new_code_cell("x = 1"), new_code_cell("assert x == 1")],
    "labs/bad.ipynb": [new_code_cell("x = 1"), new_code_cell("assert x == 2")],
    "solutions/bad.ipynb": [new_code_cell("x = 1"), new_code_cell("assert x == 2")],
    "labs/stale.ipynb": [STALE],
    "solutions/stale.ipynb": [STALE],
    "labs/dead.ipynb": [new_code_cell("import os; os._exit(0)"), new_code_cell("x = 1")],
}

GOOD = ["labs/good.ipynb", "labs/stale.ipynb"]  # in a lab, outputs are not compared


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """The rows of the table that one run over all planted notebooks prints, by name; and its exit status."""
    folder = tmp_path_factory.mktemp("planted")
    for name, cells in NOTEBOOKS.items():
        (folder / name).parent.mkdir(exist_ok=True)
        nbformat.write(new_notebook(cells=cells, metadata=KERNEL), folder / name)
    (folder / "page.md").write_text(PAGE)
    paths = [folder / name for name in [*NOTEBOOKS, "page.md"]]
    done = subprocess.run([sys.executable, TOOL, "--cell-timeout=10", *paths], capture_output=True, text=True)
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith(str(folder))]
    return {row[0].removeprefix(f"{folder}/"): row[1:] for row in rows} | {"status": done.returncode}


def test_the_run_fails(table):
    assert table["status"] == 1


@pytest.mark.parametrize("name", GOOD)
def test_good_notebooks_pass_with_their_cost(table, name):
    cells, seconds, memory, *failed = table[name]
    assert int(cells) == len(NOTEBOOKS[name]) and float(seconds) > 0 and float(memory) > 10 and not failed


@pytest.mark.parametrize("name", [*(name for name in NOTEBOOKS if name not in GOOD), "page.md"])
def test_planted_failures_are_found(table, name):
    assert table[name][-1] == "FAILED"


def test_a_run_without_failures_succeeds(tmp_path):
    nbformat.write(new_notebook(cells=NOTEBOOKS["labs/good.ipynb"], metadata=KERNEL), tmp_path / "good.ipynb")
    assert subprocess.run([sys.executable, TOOL, tmp_path / "good.ipynb"], capture_output=True).returncode == 0
