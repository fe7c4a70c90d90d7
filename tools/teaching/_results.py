"""What grading found: for each student and lab the verdict, points and misconception of each check.

They stand in results/AREA.jsonl, one line a submission and the last line of a student counts:

    {"student": "ada", "problem": null, "checks": [{"name": "check-1-6-label", "points": 1, "score": 0,
     "verdict": "wrong", "misconception": "M39", "says": "The label must be observed after the action."}]}

Where there is a gradebook, the points are those that stand in it now: a person may have given others since. Without
the file all is read from the notebooks and the gradebook of nbgrader's own `nbgrader autograde`.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from mlelab.check.misconceptions import MISCONCEPTIONS
from mlelab.check.outcome import NOT_ATTEMPTED, RIGHT, WRONG

STOPPED = "stopped"  # the cell ended with an error that is none of ours, or was not reached
VERDICTS = (RIGHT, WRONG, NOT_ATTEMPTED, STOPPED)


@dataclass
class Check:
    """One graded cell: its name, what it is worth and what it earned, the verdict, the code of the misconception."""

    name: str
    points: float
    score: float
    verdict: str
    misconception: str | None = None
    says: str = ""

    @property
    def exercise(self) -> str:
        return ".".join(self.name.split("-")[1:3])

    @property
    def hidden(self) -> bool:
        return self.name.startswith("hidden-")

    @property
    def title(self) -> str:
        part = " ".join(self.name.split("-")[3:])
        return f"hidden check of {self.exercise}" if self.hidden else self.exercise + (f" {part}" if part else "")


@dataclass
class Submission:
    student: str
    area: str
    checks: list[Check] = field(default_factory=list)
    problem: str = ""  # why nothing could be graded

    @property
    def score(self) -> float:
        return sum(check.score for check in self.checks)

    @property
    def points(self) -> float:
        return sum(check.points for check in self.checks)


def results(course: Path, area: str) -> list[Submission]:
    """The submissions of a lab in the order of the students' names; none if it was not graded."""
    path = course / "results" / f"{area}.jsonl"
    found = _with_scores(course, area, _from_lines(path, area)) if path.exists() else _from_notebooks(course, area)
    return sorted(found, key=lambda submission: submission.student)


def graded_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade")]


def verdict_of(cell) -> tuple[str, str | None, str]:
    """The verdict, misconception and sentence that a check cell shows."""
    text = "\n".join(output_text(output) for output in cell.get("outputs", []))
    found = re.search(rf"^[✔✘○] \S+ .*: ({RIGHT}|{WRONG}|{NOT_ATTEMPTED})\n? *(.*)", text, re.M)
    if not found:
        if cell.metadata.nbgrader.grade_id.startswith("hidden-"):
            failed = any(output.output_type == "error" for output in cell.get("outputs", []))
            return (WRONG if failed else RIGHT if cell.get("execution_count") else STOPPED), None, ""
        return STOPPED, None, text.strip().rpartition("\n")[2][:200]
    code = re.search(r"^ *(M\d\d) ", text, re.M)
    return found[1], code[1] if code and code[1] in MISCONCEPTIONS else None, found[2].strip()


def output_text(output) -> str:
    text = output.get("text") or output.get("data", {}).get("text/plain") or "\n".join(output.get("traceback", []))
    return re.sub(r"\x1b\[[\d;]*m", "", "".join(text))


def _from_lines(path: Path, area: str) -> list[Submission]:
    newest = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            row = json.loads(line)
            checks = [Check(check["name"], check["points"], check["score"], check["verdict"],
                            check.get("misconception"), check.get("says") or "") for check in row["checks"]]
            newest[row["student"]] = Submission(row["student"], area, checks, row.get("problem") or "")
    return list(newest.values())


def _with_scores(course: Path, area: str, found: list[Submission]) -> list[Submission]:
    """The submissions with the score that each check has in the gradebook."""
    if not (course / "gradebook.db").exists():
        return found
    from nbgrader.api import Assignment, BaseCell, Grade, Gradebook, Student, SubmittedAssignment, SubmittedNotebook

    from teaching import _class

    _class.reach_nbgrader()
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        scores = {(student, name): score for student, name, score in gradebook.db.query(
            Student.id, BaseCell.name, Grade.score).select_from(Grade)
            .join(BaseCell, Grade.cell_id == BaseCell.id)
            .join(SubmittedNotebook, Grade.notebook_id == SubmittedNotebook.id)
            .join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
            .join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
            .join(Student, SubmittedAssignment.student_id == Student.id).filter(Assignment.name == area)}
    for submission in found:
        for check in submission.checks:
            check.score = scores.get((submission.student, check.name), check.score)
    return found


def _from_notebooks(course: Path, area: str) -> list[Submission]:
    from nbgrader.api import Gradebook, MissingEntry

    from teaching import _class

    paths = sorted(course.glob(f"autograded/*/{area}/lab.ipynb"))
    if not paths or not (course / "gradebook.db").exists():
        return []
    _class.reach_nbgrader()
    found = []
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        for path in paths:
            student = path.parts[-3]
            try:
                graded = gradebook.find_submission_notebook("lab", area, student).grades
            except MissingEntry:
                found.append(Submission(student, area, problem="It is not in the gradebook."))
                continue
            scores = {grade.name: (grade.score, grade.max_score) for grade in graded}
            checks = []
            for cell in graded_cells(nbformat.read(path, as_version=4)):
                score, points = scores.get(cell.metadata.nbgrader.grade_id, (0, 0))
                checks.append(Check(cell.metadata.nbgrader.grade_id, points, score, *verdict_of(cell)))
            found.append(Submission(student, area, checks))
    return found


def needed(course: Path, area: str) -> list[Submission]:
    """The submissions of a lab, or a refusal where there are none."""
    from teaching import _class

    found = results(course, area)
    if not found:
        _class.refuse(f"{area} is not graded yet: run `autograde {area}` first.")
    return found


def graded_areas(course: Path) -> list[str]:
    lines = {path.stem for path in course.glob("results/*.jsonl")}
    return sorted(lines | {path.parent.name for path in course.glob("autograded/*/*/lab.ipynb")})
