"""The learner's own copy: new and changed labs come, and nothing that a learner wrote is lost."""

import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import my_labs  # noqa: E402

STUB = "def f():\n    raise NotImplementedError"


@pytest.fixture
def folders(tmp_path) -> tuple[Path, Path]:
    """A course with one lab, and a learner who has opened it once."""
    released, own = tmp_path / "labs", tmp_path / "my_labs"
    release(released, "First edition.")
    assert my_labs.bring(released, own)[0].startswith("my_labs/ is your own copy of 1 labs")
    return released, own


def release(released: Path, text: str, *exercises: str, area: str = "01_lab") -> None:
    cells = [new_markdown_cell(text, id="cell-000")]
    cells += [new_code_cell(STUB, id=f"exercise-{name}") for name in exercises or ("1-1", "1-2")]
    path = released / area / "lab.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells), path)


def write(own: Path, **sources: str) -> None:
    """What a learner does in JupyterLab: cells are edited, run and saved."""
    path = own / "01_lab" / "lab.ipynb"
    notebook = nbformat.read(path, 4)
    for cell in notebook.cells:
        cell.source = sources.get(cell.id.replace("-", "_"), cell.source)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [new_output("stream", text="ran")], 1
    nbformat.write(notebook, path)


def sources(own: Path) -> dict[str, str]:
    return {cell.id: cell.source for cell in nbformat.read(own / "01_lab" / "lab.ipynb", 4).cells}


def test_a_second_start_changes_nothing_and_says_nothing(folders):
    write(folders[1], exercise_1_1="mine = 1")
    before = (folders[1] / "01_lab" / "lab.ipynb").read_bytes()
    assert my_labs.bring(*folders) == []
    assert (folders[1] / "01_lab" / "lab.ipynb").read_bytes() == before


def test_a_lab_that_was_only_run_is_replaced(folders):
    write(folders[1])
    release(folders[0], "Second edition.")
    assert my_labs.bring(*folders) == ["01_lab has changed; you had written nothing in it."]
    assert sources(folders[1])["cell-000"] == "Second edition."


def test_answers_move_into_the_new_edition(folders):
    released, own = folders
    write(own, exercise_1_1="mine = 1")
    release(released, "Second edition.", "1-0", "1-1")
    assert my_labs.bring(released, own) == ["01_lab has changed; your answers (1) are in it."]
    assert sources(own) == {"cell-000": "Second edition.", "exercise-1-0": STUB, "exercise-1-1": "mine = 1"}
    assert my_labs.bring(released, own) == []


@pytest.mark.parametrize("written", [{"cell_000": "My notes."}, {"exercise_1_2": "of an exercise that is gone"}])
def test_all_else_stays_beside_it(folders, written):
    released, own = folders
    write(own, exercise_1_1="mine = 1", **written)
    release(released, "Second edition.", "1-1")
    [sentence] = my_labs.bring(released, own)
    assert sentence.startswith("01_lab has changed; your answers (1) are in it, and all else that you wrote is in “lab")
    [old] = [path for path in (own / "01_lab").iterdir() if path.name != "lab.ipynb"]
    assert old.name in sentence
    kept = [cell.source for cell in nbformat.read(old, 4).cells]
    assert "mine = 1" in kept and next(iter(written.values())) in kept
    assert sources(own) == {"cell-000": "Second edition.", "exercise-1-1": "mine = 1"}
    write(own, cell_000="More notes.")
    release(released, "Third edition.", "1-1")
    my_labs.bring(released, own)
    assert len(list((own / "01_lab").iterdir())) == 3


def test_a_file_that_is_no_notebook_any_more_stays_beside_it(folders):
    released, own = folders
    (own / "01_lab" / "lab.ipynb").write_text("<<<<<<< HEAD")
    release(released, "Second edition.")
    [sentence] = my_labs.bring(released, own)
    assert "yours cannot be read" in sentence
    assert "<<<<<<< HEAD" in [path.read_text() for path in (own / "01_lab").iterdir()]
    assert sources(own)["cell-000"] == "Second edition."


def test_what_a_learner_added_stays(folders):
    released, own = folders
    (own / "scratch.ipynb").write_text("mine")
    (own / "01_lab" / "data.csv").write_text("mine")
    release(released, "Second edition.")
    release(released, "Another.", area="02_lab")
    assert "02_lab is new." in my_labs.bring(released, own)
    assert (own / "scratch.ipynb").read_text() == (own / "01_lab" / "data.csv").read_text() == "mine"


def test_git_does_not_see_it():
    assert "my_labs/" in (ROOT / ".gitignore").read_text().splitlines()
