"""The books of a class: jobs from what was handed in, results into files and nbgrader's gradebook."""

import base64
import json
import os
import re
import warnings
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook, MissingEntry
from sqlalchemy.exc import SQLAlchemyError

from teaching import classroom, grading, repair, results


class NotWritten(Exception):
    """Why points could not be stored; then none of this submission are."""


class Books:
    """What is kept of one lab: autograded/STUDENT/AREA/ and gradebook.db."""

    def __init__(self, course: Path, area: str, settings: dict):
        classroom.reach_nbgrader()
        warnings.filterwarnings("ignore", module="nbgrader")
        self.course, self.area, self.settings = course, area, settings
        self.unreadable: dict[str, str] = {}  # by student, what is said about a file that cannot be graded
        if not (course / "gradebook.db").exists():
            classroom.refuse(f"There is no gradebook in {course}: run `release {area}` first.")
        self.gradebook = Gradebook(f"sqlite:///{course / 'gradebook.db'}")
        try:
            lab = self.gradebook.find_notebook("lab", area)
        except MissingEntry:
            classroom.refuse(f"{area} is not in the gradebook: run `release {area}` first.")
        points = {cell.name: cell.max_score for cell in lab.grade_cells}
        self.graded = {cell.name: {"source": cell.source, "points": points[cell.name]}
                       for cell in lab.source_cells if cell.name in points}
        released = [cell for cell in nbformat.read(course / "labs" / area / "lab.ipynb", as_version=4).cells
                    if cell.cell_type == "code"]
        self.released = [cell.source for cell in released]
        self.functions: dict[str, list[str]] = {}
        for cell in released:
            if cell.metadata.get("nbgrader", {}).get("solution"):
                exercise = ".".join(cell.metadata.nbgrader.grade_id.split("-")[1:3])
                self.functions.setdefault(exercise, []).extend(re.findall(r"^def (\w+)", cell.source, re.M))
        self.known = {submission.student_id for submission in self.gradebook.assignment_submissions(area)}

    def place(self, student: str) -> Path:
        return self.course / "autograded" / student / self.area

    def solution(self) -> dict:
        """The job of our own solution, which must get all points here before anybody is graded."""
        path = self.course / "solutions" / self.area / "lab.ipynb"
        if not path.exists():
            classroom.refuse(f"There is no solutions/{self.area}/lab.ipynb in {self.course}: run `release {self.area}` "
                             "first.")
        notebook, _ = repair.repair(path, self.area, self.course / "labs")
        return self._job("our solution", nbformat.writes(notebook), [], files={})

    def job(self, student: str, folder: Path) -> dict | None:
        """What `grading.grade` needs, or None for a file that cannot be read, which is entered at once.

        Raises grading.Fault where the reason is not in the file.
        """
        try:
            said = repair.in_place(folder, self.area, self.course / "labs")
            text = (folder / "lab.ipynb").read_text(encoding="utf-8")
            files = {name: base64.b64encode(data).decode() for name, data in results.along(folder).items()}
            return self._job(student, text, said, files) | {"handed_in": results.fingerprint(folder)}
        except repair.RepairError as error:
            checks = [{"name": name, "points": cell["points"], "score": 0, "verdict": results.STOPPED,
                       "misconception": None, "says": ""} for name, cell in self.graded.items()]
            says = f"0 of {sum(check['points'] for check in checks):g} points; it cannot be graded: {error}"
            try:
                self.enter({"student": student, "area": self.area, "digest": None, "problem": str(error), "says": says,
                            "handed_in": results.fingerprint(folder), "checks": checks, "notebook": None})
            except (NotWritten, OSError) as failed:
                raise grading.Fault(str(failed)) from None
            self.unreadable[student] = says
            return None
        except Exception as error:  # a full disk, a file of somebody else's, or a mistake of ours
            raise grading.Fault(f"it could not be repaired ({type(error).__name__}: {error})") from None

    def _job(self, student: str, text: str, said: list[str], files: dict[str, str]) -> dict:
        job = self.settings | {"student": student, "area": self.area, "notebook": text, "graded": self.graded,
                               "released": self.released, "functions": self.functions, "files": files}
        return job | {"digest": grading.digest(job), "repairs": said}

    def is_graded(self, job: dict) -> bool:
        """Whether this very submission was graded and entered."""
        path = self.place(job["student"]) / "result.json"
        return (path.exists() and job["student"] in self.known
                and json.loads(path.read_text(encoding="utf-8")).get("digest") == job["digest"])

    def enter(self, result: dict) -> None:
        """Write notebook, points and result, or raise NotWritten and leave all as it was.

        The result comes last: a run that was cut off here grades the submission again.
        """
        student, place = result["student"], self.place(result["student"])
        text = result.pop("notebook", None)
        lab, kept = place / "lab.ipynb", place / "result.json"
        fresh = {kept: json.dumps(result, indent=1, ensure_ascii=False) + "\n"} | ({lab: text + "\n"} if text else {})
        beside = {path: path.with_name(path.name + ".new") for path in fresh}
        try:
            for path, content in fresh.items():
                classroom.save(beside[path], content)
            self._points(student, {check["name"]: check for check in result["checks"]})
            lab.unlink(missing_ok=True)
            for path in reversed(fresh):
                os.replace(beside[path], path)
        except (OSError, SQLAlchemyError) as error:
            self.gradebook.db.rollback()
            for path in beside.values():
                path.unlink(missing_ok=True)
            raise NotWritten(str(getattr(error, "strerror", None) or getattr(error, "orig", error))) from None
        self.known.add(student)

    def _points(self, student: str, checks: dict[str, dict]) -> None:
        """As nbgrader's SaveAutoGrades does: a score that a person gave stays, and is marked for a second look."""
        book = self.gradebook
        book.update_or_create_student(student)
        book.update_or_create_submission(self.area, student)
        for grade in book.find_submission_notebook("lab", self.area, student).grades:
            grade.auto_score = checks[grade.name]["score"] if grade.name in checks else 0
            grade.needs_manual_grade = grade.manual_score is not None
        book.db.commit()

    def close(self) -> None:
        self.gradebook.close()
        results.results(self.course, self.area)  # late work has its time and its penalty now
