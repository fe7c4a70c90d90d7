"""What grading found: for each student and lab the verdict, points and misconception of each check.

It stands in autograded/STUDENT/AREA/result.json, and counts as long as the submission is the one that was graded. The
points are those of the gradebook: a person may have given others since.
"""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.preprocessors import AssignLatePenalties
from traitlets.config import PyFileConfigLoader

from mlelab.check.outcome import NOT_ATTEMPTED, RIGHT, WRONG
from teaching import classroom

STOPPED = "stopped"  # the cell ended with an error that is none of ours, or was not reached
OURS = ("timestamp.txt", "late.txt", "came.txt", "lab.ipynb.before", "lab.ipynb.new")
ALONG = (".py", ".csv", ".tsv", ".txt", ".json", ".parquet", ".yml", ".yaml", ".npy")  # what comes with a lab
LARGEST = 10e6  # bytes of such a file
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
    by_hand: bool = False  # a person gave its points, or some on top

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
    problem: str = ""  # why the file could not be graded
    graded: bool = True  # else it was handed in, and nobody has graded this file yet
    comments: dict[str, str] = field(default_factory=dict)  # what a person wrote, by exercise
    timed: bool | None = None  # whether it is known when it was handed in; None where there is no due date
    late: str = ""
    penalty: float = 0.0

    @property
    def score(self) -> float:
        """The sum of its checks."""
        return sum(check.score for check in self.checks)

    @property
    def total(self) -> float:
        """What counts."""
        return self.score - self.penalty

    @property
    def points(self) -> float:
        return sum(check.points for check in self.checks)


def fingerprint(folder: Path) -> str:
    """What tells one submission from another: all its files but those that we write."""
    words = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.is_file() and path.name not in OURS):
        words.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return words.hexdigest()


def along(folder: Path) -> dict[str, bytes]:
    """The helpers and tables that lie beside a lab, by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())
            if path.suffix.lower() in ALONG and path.is_file() and path.name not in OURS}


def results(course: Path, area: str) -> list[Submission]:
    """The submissions of a lab in the order of the students' names, those that are not graded too."""
    found = []
    for folder in sorted(path for path in course.glob(f"submitted/*/{area}") if path.is_dir()):
        student = folder.parent.name
        path = course / "autograded" / student / area / "result.json"
        result = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if result.get("handed_in") != fingerprint(folder):
            found.append(Submission(student, area, graded=False))
            continue
        checks = [Check(**{name: check.get(name) for name in ("name", "points", "score", "verdict", "misconception",
                                                              "says")}) for check in result["checks"]]
        found.append(Submission(student, area, checks, result.get("problem") or ""))
    return _with_books(course, area, found)


def policy(course: Path):
    """nbgrader's plugin for late work, as this course has set it."""
    config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
    return AssignLatePenalties(config=config).plugin_class(config=config)


def _with_books(course: Path, area: str, found: list[Submission]) -> list[Submission]:
    """The submissions with what the gradebook says now, in which times and penalties are brought up to date."""
    if not found or not (course / "gradebook.db").exists():
        return found
    classroom.reach_nbgrader()
    plugin = policy(course)
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        try:
            entries = {entry.student_id: entry for entry in book.find_assignment(area).submissions}
        except MissingEntry:
            return found
        for submission in found:
            entry = entries.get(submission.student)
            for notebook in entry.notebooks if entry else ():
                grades = {grade.name: grade for grade in notebook.grades}
                for check in submission.checks:
                    if grade := grades.get(check.name):
                        check.score = grade.score
                        check.by_hand = grade.manual_score is not None or bool(grade.extra_credit)
                submission.comments = {".".join(comment.name.split("-")[1:3]): comment.comment
                                       for comment in notebook.comments if comment.comment}
                _late(submission, entry, course / "submitted" / submission.student / area, plugin)
                notebook.late_submission_penalty = submission.penalty or None
        book.db.commit()
    return found


def _late(submission: Submission, entry, folder: Path, plugin) -> None:
    """When it was handed in, as far as that is known, and what it costs."""
    due = entry.duedate if entry.assignment.duedate else None  # with the extension that a person has granted
    time, marked = classroom.stamp(folder / "timestamp.txt"), (folder / "late.txt").exists()
    entry.timestamp = time.astimezone(UTC).replace(tzinfo=None) if time else None
    if due is None:
        return
    if marked and not time:  # as little as it can be: just after what is forgiven
        entry.timestamp = due + timedelta(hours=getattr(plugin, "grace", 0), minutes=1)
    submission.timed = time is not None or marked
    if seconds := entry.total_seconds_late:
        cost = plugin.late_submission_penalty(submission.student, submission.score, seconds) or 0
        submission.penalty = round(min(max(cost, 0), submission.score), 2)
        submission.late = f"{seconds / 3600:.1f} hours late" if time else "late, and nobody knows since when"


def needed(course: Path, area: str) -> list[Submission]:
    """The submissions of a lab, or a refusal where none is graded."""
    found = results(course, area)
    if not any(submission.graded for submission in found):
        classroom.refuse(f"{area} is not graded yet: run `autograde {area}` first.")
    return found


def graded_areas(course: Path) -> list[str]:
    return sorted({path.parent.name for path in course.glob("autograded/*/*/result.json")})
