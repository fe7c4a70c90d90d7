"""The way from lab.py to notebooks: the same bytes each time, and stale files are named."""

import shutil
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import make_labs  # noqa: E402
from tag_unsolved import names  # noqa: E402

SOURCE = '''\
# %% [markdown]
# # A small lab

# %%
import random

numbers = [random.Random(0).random() for _ in range(3)]

# %% exercise="9.1"
def double(x: float) -> float:
    """Twice x."""
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION

# %% check="9.1" points=2
assert double(2) == 4

# %%
doubled = [double(x) for x in numbers]
doubled
'''


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of one small lab, in a folder of its own."""
    folder = tmp_path / "solutions" / "09_small"
    folder.mkdir(parents=True)
    (folder / "lab.py").write_text(SOURCE)
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    (tmp_path / "book").mkdir()
    shutil.copy(ROOT / "book" / "chapters.yml", tmp_path / "book")
    monkeypatch.setattr(make_labs, "ROOT", tmp_path)
    monkeypatch.setattr(make_labs, "BOOTSTRAP", "area = '{area}'")
    return tmp_path


def make(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["make_labs.py", *arguments])
    return make_labs.main()


def made(course):
    return {path.relative_to(course): path.read_bytes() for path in course.rglob("*.ipynb")}


def test_two_runs_give_the_same_bytes_and_nothing_is_stale(course, monkeypatch):
    make(monkeypatch)
    first = made(course)
    make(monkeypatch)
    assert made(course) == first and len(first) == 2
    assert make(monkeypatch, "--check") == 0


@pytest.mark.parametrize(("name", "old", "new"), [
    ("solutions/09_small/lab.py", "Twice x", "Two times x"),
    ("solutions/09_small/lab.ipynb", "Twice x", "Two times x"),
    ("labs/09_small/lab.ipynb", "Twice x", "Two times x"),
])
def test_a_changed_file_is_named(course, monkeypatch, capsys, name, old, new):
    make(monkeypatch)
    path = course / name
    path.write_text(path.read_text().replace(old, new))
    assert make(monkeypatch, "--check") == 1
    assert "stale: " in capsys.readouterr().out


def test_a_lab_left_over_is_named(course, monkeypatch, capsys):
    make(monkeypatch)
    shutil.copytree(course / "labs" / "09_small", course / "labs" / "08_gone")
    assert make(monkeypatch, "--check") == 1
    assert "labs/08_gone/lab.ipynb" in capsys.readouterr().out


def test_the_lab_keeps_the_stub_and_loses_the_solution(course, monkeypatch):
    make(monkeypatch)
    text = (course / "labs" / "09_small" / "lab.ipynb").read_text()
    assert "Twice x" in text and "def double" in text and "NotImplementedError" in text
    assert "return 2 * x" not in text and "SOLUTION" not in text
    notebook = nbformat.reads(text, 4)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    tagged = [cell for cell in notebook.cells if "raises-exception" in cell.metadata.get("tags", [])]
    assert [cell.id for cell in tagged] == ["check-9-1", "cell-005"]


@pytest.mark.parametrize(("source", "made", "needed"), [
    ("x = y", {"x"}, {"y"}),
    ("x = 1\nz = x", {"x", "z"}, set()),
    ("x = x + 1", {"x"}, {"x"}),
    ("total = sum(a for a in values)", {"total"}, {"sum", "values"}),
    ("for name in names:\n    print(name)", {"name"}, {"names", "print"}),
    ("def f(a):\n    b = a + c\n    return b", {"f"}, {"c"}),
    ("order = sorted(rows, key=lambda row: row[k])", {"order"}, {"sorted", "rows", "k"}),
])
def test_names_that_a_cell_makes_and_needs(source, made, needed):
    got_made, got_needed = names(source)
    assert got_needed == needed and made <= got_made
