"""A class stays on a release: the name of an exercise means the same for ever, in stored points and in comments."""

import csv
import re

import nbformat

from tests.teaching.conftest import AREA, ROOT

# All exercises that there ever were. A row is added with a new exercise, and none is changed or removed.
KNOWN = ROOT / "tests" / "teaching" / "exercises.csv"


def test_a_number_means_one_exercise_for_ever():
    with open(KNOWN, encoding="utf-8", newline="") as file:
        known = {(row["area"], row["exercise"]): row["function"] for row in csv.DictReader(file)}
    for path in sorted(ROOT.glob("labs/*/lab.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.metadata.get("nbgrader", {}).get("solution"):
                number = ".".join(cell.id.split("-")[1:3])
                function = re.findall(r"^(?:def|class) (\w+)", cell.source, re.M)[-1]
                assert known.get((path.parent.name, number)) == function, (
                    f"{path.parent.name} {number}: a number is never used again, and a new exercise gets a row in "
                    f"{KNOWN.name}")


OLD = [{"name": "check-0-1", "points": 1, "score": 1, "verdict": "right", "suspect": ["exec"]},
       {"name": "check-0-2", "points": 1, "score": 0, "verdict": "wrong", "misconception": "M08", "says": "Missing."},
       {"name": "check-0-9", "points": 2, "score": 2, "verdict": "passed", "misconception": "M00"}]


def test_what_an_older_release_stored_is_read(course, run, grade_as):
    """With fewer fields, with some that nobody knows any more, and with a check that this release does not have."""
    grade_as({"ada": OLD})
    status, said = run("grades", "--roster", course / "roster.csv")
    assert status == 0, said
    rows = (course / "exports" / "grades-table.csv").read_text("utf-8-sig").splitlines()
    assert rows[1:3] == ["points possible,,4,4", "ada,Ada Lovelace,3,3"]
    assert run("feedback", AREA)[0] == run("report", AREA)[0] == 0
    page = (course / "feedback" / "ada" / AREA / "lab.html").read_text(encoding="utf-8")
    assert "3 of 4 points." in page and "M08" in page
    assert (course / "reports" / AREA / "misconceptions.csv").read_text("utf-8-sig").count("\n") == 2
