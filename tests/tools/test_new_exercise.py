"""`make new`: what it writes is an exercise whose pieces pass, wherever the chapter keeps its checks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import new_exercise  # noqa: E402


@pytest.fixture
def course(tmp_path) -> Path:
    """A copy of what the pieces stand in and of what tests them."""
    for name in ("solutions", "mlelab", "tests", "book"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.ipynb"))
    shutil.copytree(ROOT / "datasets", tmp_path / "datasets", copy_function=os.symlink)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(("area", "number"), [("00_start", "0.9"), ("03_features", "3.10")])
def test_the_pieces_of_a_new_exercise_pass_at_once(course, area, number):
    before = {path: path.read_bytes() for path in course.rglob("*") if path.is_file()}
    touched = new_exercise.new(course, area, number, "share_at_least", "A share")
    changed = {str(path.relative_to(course)) for path in course.rglob("*")
               if path.is_file() and before.get(path) != path.read_bytes()}
    moved = {f"mlelab/check/{area}/__init__.py"} - {str(path.relative_to(course)) for path in before}
    assert changed == {*touched, *moved} and len(touched) == 4
    env = os.environ | {"PYTHONPATH": str(course)}
    done = subprocess.run([sys.executable, "-m", "tests.checks", number], cwd=course, env=env, capture_output=True,
                          text=True)
    assert done.returncode == 0 and f"{number} share_at_least: ok" in done.stdout, done.stdout + done.stderr
    lint = [sys.executable, "-m", "ruff", "check", "--no-cache", *(course / name for name in touched if ".py" in name)]
    assert subprocess.run(lint, cwd=course).returncode == 0
    assert "(a-share)=\n## A share" in (course / "book" / f"{area}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("number", "name", "says"), [
    ("1.1", "new", "There is an exercise 1.1 already"), ("2.9", "new", "has a number such as 1.9"),
    ("1.9", "two words", "the name of a function"),
])
def test_what_cannot_be_is_said_and_nothing_is_written(course, number, name, says):
    before = {path: path.read_bytes() for path in course.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=says):
        new_exercise.new(course, "01_lifecycle", number, name, "A title")
    assert {path: path.read_bytes() for path in course.rglob("*") if path.is_file()} == before
