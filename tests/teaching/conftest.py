"""A tiny course: lab 0 released, nothing handed in."""

import json
import shutil
import sys
from pathlib import Path

import nbformat
import pytest

from tests import missing
from tests.journeys.students import handed_in

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import teach  # noqa: E402
from teaching import classroom, results  # noqa: E402
from teaching import sandbox as walls  # noqa: E402

AREA = "00_start"
ROSTER = """\
student_id,first_name,last_name,email,sis_id,ID
ada,Ada,Lovelace,ada.l@example.edu,1001,501
grace,Grace,Hopper,grace@example.edu,1002,502
jose,José,Núñez Ortega,jose@example.edu,1003,503
mary_ann,Mary Ann,O'Neill,mary@example.edu,1004,504
"""


@pytest.fixture(scope="session")
def sandbox() -> None:
    if why := walls.available():
        missing(f"no sandbox here: {why}")


@pytest.fixture
def course(tmp_path) -> Path:
    folder = tmp_path / "course"
    shutil.copytree(ROOT / "labs" / AREA, folder / "labs" / AREA)
    shutil.copytree(ROOT / "solutions" / AREA, folder / "solutions" / AREA)
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    (folder / "roster.csv").write_text(ROSTER, encoding="utf-8")
    return folder


@pytest.fixture
def run(course, capsys):
    """run("collect", "00_start", ...): exit status and what was printed."""

    def command(*words) -> tuple[int, str]:
        name, *rest = map(str, words)
        try:
            status = teach.main([name, "--course", str(course), *rest])
        except SystemExit as stop:
            status, said = (1, stop.code) if isinstance(stop.code, str) else (stop.code, "")
            return status, said + capsys.readouterr().err
        return status, capsys.readouterr().out

    return command


@pytest.fixture
def grade_as(course):
    """grade_as({"ada": [check, ...]}): submissions that were graded like this, without running them."""

    def entered(checks_of: dict, problems: dict | None = None) -> None:
        for student, checks in checks_of.items():
            folder = course / "submitted" / student / AREA
            classroom.save(folder / "lab.ipynb", student)
            result = {"checks": checks, "problem": (problems or {}).get(student),
                      "handed_in": results.fingerprint(folder)}
            classroom.save(course / "autograded" / student / AREA / "result.json", json.dumps(result))

    return entered


@pytest.fixture(scope="session")
def solved() -> bytes:
    return nbformat.writes(handed_in(AREA, {})).encode()


@pytest.fixture(scope="session")
def empty() -> bytes:
    return (ROOT / "labs" / AREA / "lab.ipynb").read_bytes()
