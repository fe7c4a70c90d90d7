"""Nothing unearned, nothing lost: what each file of tests/submissions gets, and what it cannot do.

`make test` grades a sample of them; with MLELAB_WHOLE_CORPUS=1, as under `make class`, all.
"""

import hashlib
import http.server
import json
import os
import threading
from pathlib import Path

import nbformat
import psutil
import pytest
import teach
from nbgrader.api import Gradebook
from teaching import classroom, results

from tests.journeys.students import handed_in
from tests.submissions import AREA, CASES, HIDDEN, LIMITS
from tests.teaching.conftest import ROOT

WHOLE = bool(os.environ.get("MLELAB_WHOLE_CORPUS"))
CHOSEN = {name: case for name, case in CASES.items() if WHOLE or case.sample}
WORDS = [str(word) for pair in LIMITS.items() for word in pair]


def contents(folder: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for top in ("labs", "solutions", "submitted")
            for path in sorted((folder / top).rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def course(tmp_path_factory, sandbox) -> Path:
    """A course in which each case is a student, graded in one batch, with a secret in the instructor's environment."""
    base = tmp_path_factory.mktemp("hostile")
    folder = base / "course"
    classroom.save(base / "hidden" / f"{AREA}.py", HIDDEN)
    assert teach.main(["release", AREA, "--course", str(folder), "--hidden", str(base / "hidden")]) == 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (folder / "port").write_text(str(server.server_port))
    for name, case in CHOSEN.items():
        classroom.save(folder / "submitted" / name / AREA / "lab.ipynb", case.content(folder))
    os.environ["MLELAB_TEST_SECRET"] = "LEAK-of-the-environment"
    try:
        status = teach.main(["autograde", AREA, "--course", str(folder), *WORDS])
    finally:
        del os.environ["MLELAB_TEST_SECRET"]
        server.shutdown()
    assert status == 1  # some cannot be read
    return folder


def result(course: Path, student: str) -> dict:
    return json.loads((course / "autograded" / student / AREA / "result.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", CHOSEN)
def test_each_submission_gets_its_points_and_a_sentence(course, name):
    found = result(course, name)
    assert sum(check["score"] for check in found["checks"]) == CHOSEN[name].points, found["says"]
    assert CHOSEN[name].says in found["says"]
    assert found["says"].endswith(".") and "\n" not in found["says"]
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        assert gradebook.find_submission(AREA, name).score == CHOSEN[name].points


def test_nothing_leaks_into_a_graded_notebook(course):
    for path in course.glob(f"autograded/*/{AREA}/lab.ipynb"):
        outputs = [json.dumps(cell["outputs"]) for cell in json.loads(path.read_text())["cells"] if "outputs" in cell]
        assert not any("LEAK-" in text for text in outputs), path


def test_no_process_is_left(course):
    left = [process for process in psutil.process_iter(["cmdline"])
            if f"grading-{os.getpid()}" in (process.info["cmdline"] or [])]  # a sandbox ends as a whole
    assert not left


def test_the_gradebook_holds_what_was_handed_in_and_no_more(course):
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        assert {student.id for student in gradebook.students} == set(CHOSEN)
        assert gradebook.find_assignment(AREA).max_score == 4
    assert {submission.student for submission in results.results(course, AREA) if submission.graded} == set(CHOSEN)


def test_a_second_run_grades_nobody_again(course, capsys):
    before = contents(course)
    (course / "autograded" / "solved" / AREA / "result.json").unlink()  # as if it had been stopped here
    assert teach.main(["autograde", AREA, "--course", str(course), *WORDS]) == 1
    said = capsys.readouterr().out
    assert "Grading 1 submissions" in said and "1 of 1  solved: 4 of 4 points." in said
    assert contents(course) == before


def test_a_score_that_a_person_gave_stays(course):
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        grade = gradebook.find_grade("check-0-1", "lab", AREA, "nothing_solved")
        grade.manual_score = 0.5
        gradebook.db.commit()
    teach.main(["autograde", AREA, "--course", str(course), *WORDS])
    found, = [found for found in results.results(course, AREA) if found.student == "nothing_solved"]
    assert [check.score for check in found.checks] == [0.5, 0, 0]


@pytest.mark.skipif(not WHOLE, reason="minutes: `make class` grades every solved lab")
@pytest.mark.parametrize("area", sorted(path.name for path in (ROOT / "labs").iterdir() if path.is_dir()))
def test_a_solved_lab_gets_all_its_points(area, tmp_path, sandbox, capsys):
    course = tmp_path / "course"
    assert teach.main(["release", area, "--course", str(course)]) == 0
    classroom.save(course / "submitted" / "ada" / area / "lab.ipynb", nbformat.writes(handed_in(area, {})).encode())
    assert teach.main(["autograde", area, "--course", str(course)]) == 0
    points = json.loads((course / "autograded" / "ada" / area / "result.json").read_text(encoding="utf-8"))["checks"]
    assert all(check["score"] == check["points"] for check in points), capsys.readouterr().out
