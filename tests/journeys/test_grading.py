"""An instructor's evening: release a lab, collect what students hand in, autograde it. No point is unearned."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from mlelab.check.misconceptions import MISCONCEPTIONS
from tests.journeys.students import BROKEN, DELETED, ROOT, UNSOLVED, handed_in
from tests.wrong_answers import answers

REVIEWED = ("check-1-8-make_label_a", "check-1-8-make_label_b", "check-1-8-make_label_c")
POINTS = {
    "00_start": {"check-0-1": 1, "check-0-2": 1},
    "01_lifecycle": {"check-1-1": 1, "check-1-2": 1, "check-1-3": 1, "check-1-4": 2, "check-1-5": 1,
                     "check-1-6-measure": 1, "check-1-6-label": 1, "check-1-6-way-out": 1, "check-1-7": 1,
                     **dict.fromkeys(REVIEWED, 1)},
}
# What each student hands in instead of our solutions, and the points that this must cost. nbgrader takes students in
# the order of the alphabet: the broken work comes first, and must not stop the batch.
STUDENTS = {
    ("broken", "00_start"): ({"0.1": BROKEN}, {"check-0-1"}),
    ("broken", "01_lifecycle"): ({"1.1": "missing_counts_as_on_time", "1.2": "publication_delay_ignored",
                                  "1.3": UNSOLVED, "1.5": DELETED, "1.6": "no_fallback", "1.7": BROKEN},
                                 set(POINTS["01_lifecycle"]) - {"check-1-4", "check-1-6-measure", "check-1-6-label",
                                                                *REVIEWED}),
    ("empty", "00_start"): ({"0.1": UNSOLVED, "0.2": UNSOLVED}, {"check-0-1", "check-0-2"}),
    ("empty", "01_lifecycle"): (dict.fromkeys(["1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "1.8"], UNSOLVED),
                                set(POINTS["01_lifecycle"])),
    ("solved", "00_start"): ({}, set()),
    ("solved", "01_lifecycle"): ({}, set()),
}


@pytest.fixture(scope="module")
def courses(tmp_path_factory) -> dict[str, Path]:
    """For each lab a course folder in which it was released, handed in by all students, and autograded in one go."""
    folders = {area: tmp_path_factory.mktemp(area) for area in POINTS}
    with ThreadPoolExecutor() as pool:
        list(pool.map(hold_course, folders, folders.values()))
    return folders


def hold_course(area: str, folder: Path) -> None:
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    for name in ("tools", f"solutions/{area}"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    nbgrader(folder, "generate_assignment", area)
    for student in [student for student, lab in STUDENTS if lab == area]:
        target = folder / "submitted" / student / area
        target.mkdir(parents=True)
        nbformat.write(handed_in(area, STUDENTS[student, area][0]), target / "lab.ipynb")
    nbgrader(folder, "autograde", area)


def nbgrader(folder: Path, *command: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # nbgrader starts `alembic` by name
    done = subprocess.run([sys.executable, "-m", "nbgrader", *command], cwd=folder, capture_output=True, text=True,
                          env=dict(os.environ, PATH=path, OMP_NUM_THREADS="1"), timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def graded_cells(folder: Path, student: str, area: str) -> dict[str, str]:
    """The text in the outputs of each graded cell of an autograded notebook, by the cell's name."""
    notebook = nbformat.read(folder / "autograded" / student / area / "lab.ipynb", as_version=4)
    return {cell.metadata.nbgrader.grade_id: "\n".join(
                output.get("text") or output.get("data", {}).get("text/plain") or "\n".join(output.get("traceback", []))
                for output in cell.outputs)
            for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade")}


@pytest.mark.parametrize("area", POINTS)
def test_the_release_is_the_lab_we_publish(courses, area):
    released = courses[area] / "labs" / area / "lab.ipynb"
    assert released.read_bytes() == (ROOT / "labs" / area / "lab.ipynb").read_bytes()
    assert list(released.parent.iterdir()) == [released]


@pytest.mark.parametrize(("student", "area"), STUDENTS)
def test_points_are_what_was_earned(courses, student, area):
    lost = STUDENTS[student, area][1]
    with Gradebook(f"sqlite:///{courses[area]}/gradebook.db") as gradebook:
        grades = gradebook.find_submission_notebook("lab", area, student).grades
        scores = {grade.name: grade.score for grade in grades}
        highest = {grade.name: grade.max_score for grade in grades}
        total = gradebook.find_submission(area, student).score
    assert highest == POINTS[area]
    assert scores == {name: 0 if name in lost else points for name, points in POINTS[area].items()}
    assert total == sum(points for name, points in POINTS[area].items() if name not in lost)


@pytest.mark.parametrize(("student", "area"), STUDENTS)
def test_each_graded_cell_says_why(courses, student, area):
    answered, lost = STUDENTS[student, area]
    codes = {answer.function.__name__: MISCONCEPTIONS[answer.misconception]
             for answer in answers(area) if answer.misconception}
    cells = graded_cells(courses[area], student, area)
    assert set(cells) == set(POINTS[area])
    for name, text in cells.items():
        given = answered.get(".".join(name.split("-")[1:3]))
        if name not in lost:
            assert ": right" in text
        elif given == UNSOLVED:
            assert ": not attempted" in text
        elif given in (BROKEN, DELETED):
            assert "NameError" in text
        else:
            assert ": wrong" in text
            assert f"{codes[given].code} {codes[given].name}" in text
            assert codes[given].why in text


@pytest.mark.parametrize("area", POINTS)
def test_a_solved_lab_ends_with_everything_right(courses, area):
    notebook = nbformat.read(courses[area] / "autograded" / "solved" / area / "lab.ipynb", as_version=4)
    last = [cell for cell in notebook.cells if cell.cell_type == "code"][-1]
    assert last.source == "check.progress()"
    assert last.outputs[0].text == f"{len(POINTS[area])} of {len(POINTS[area])} checks are right.\n"
