"""The books of a class: jobs from what was handed in, results into files and nbgrader's gradebook."""

import hashlib
import json
import os
import re
import warnings
from datetime import UTC
from pathlib import Path

from teaching import _class, _grade, _results


class Books:
    """What is kept of one lab: autograded/STUDENT/AREA/, gradebook.db and results/AREA.jsonl."""

    def __init__(self, course: Path, area: str):
        import nbformat
        from nbgrader.api import Gradebook, MissingEntry

        _class.reach_nbgrader()
        warnings.filterwarnings("ignore", module="nbgrader")
        self.course, self.area = course, area
        self.results: dict[str, dict] = {}
        if not (course / "gradebook.db").exists():
            _class.refuse(f"There is no gradebook in {course}: run `release {area}` first.")
        self.gradebook = Gradebook(f"sqlite:///{course / 'gradebook.db'}")
        try:
            lab = self.gradebook.find_notebook("lab", area)
        except MissingEntry:
            _class.refuse(f"{area} is not in the gradebook: run `release {area}` first.")
        points = {cell.name: cell.max_score for cell in lab.grade_cells}
        self.graded = {cell.name: {"source": cell.source, "points": points[cell.name]}
                       for cell in lab.source_cells if cell.name in points}
        self.checksums = {cell.name: cell.checksum for cell in lab.source_cells}
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

    def job(self, student: str, folder: Path, settings: dict, trust: bool) -> dict | None:
        """What `_grade.grade` needs, or None for a file that cannot be read; that is entered at once."""
        from teaching.repair import one

        said, failed = one(folder, self.area, self.course)
        if failed:
            checks = [{"name": name, "points": cell["points"], "score": 0, "verdict": _results.STOPPED,
                       "misconception": None, "says": ""} for name, cell in self.graded.items()]
            self.enter({"student": student, "area": self.area, "digest": None, "problem": said[-1], "checks": checks,
                        "says": f"0 of {sum(check['points'] for check in checks):g} points; it cannot be graded: "
                                f"{said[-1]}", "held": False, "remarks": [], "notebook": None})
            return None
        text = (folder / "lab.ipynb").read_text(encoding="utf-8")
        looked_at, mark = self.place(student) / "trusted", hashlib.sha256(text.encode()).hexdigest()
        if trust:
            _class.save(looked_at, mark + "\n")
        trusted = looked_at.exists() and looked_at.read_text().strip() == mark
        job = settings | {"student": student, "area": self.area, "notebook": text, "graded": self.graded,
                          "released": self.released, "functions": self.functions, "trusted": trusted}
        return job | {"digest": _grade.digest(job), "repairs": said}

    def is_graded(self, job: dict) -> bool:
        """Whether this very submission was graded and entered; then its result is taken as it is."""
        path = self.place(job["student"]) / "result.json"
        if not path.exists() or job["student"] not in self.known:
            return False
        result = json.loads(path.read_text(encoding="utf-8"))
        if result.get("digest") != job["digest"]:
            return False
        self.results[job["student"]] = result
        return True

    def enter(self, result: dict) -> None:
        """Write the notebook, the points and then the result: what was cut off is done again."""
        student, place = result["student"], self.place(result["student"])
        text = result.pop("notebook", None)
        if text:
            self._replace(place / "lab.ipynb", text + "\n")
        else:
            (place / "lab.ipynb").unlink(missing_ok=True)
        self._points(student, {check["name"]: check["score"] for check in result["checks"]})
        self._replace(place / "result.json", json.dumps(result, indent=1, ensure_ascii=False) + "\n")
        self.results[student] = result

    def _points(self, student: str, scores: dict[str, float]) -> None:
        """As nbgrader's SaveAutoGrades does: a score that a person gave stays, and is marked for a second look."""
        book, stamp = self.gradebook, self.course / "submitted" / student / self.area / "timestamp.txt"
        time = _class.stamp(stamp)
        if stamp.exists() and not time:
            print(f"{student}: {stamp.name} {_class.NO_TIME}, and is not used.")
        book.update_or_create_student(student)
        handed_in = time.astimezone(UTC).replace(tzinfo=None) if time else None
        book.update_or_create_submission(self.area, student, timestamp=handed_in)
        for grade in book.find_submission_notebook("lab", self.area, student).grades:
            grade.auto_score = scores.get(grade.name, 0)
            grade.needs_manual_grade = grade.manual_score is not None
        book.db.commit()
        self.known.add(student)

    def close(self) -> None:
        """Write results/AREA.jsonl: a person's score counts more than ours."""
        lines = []
        for student in sorted(self.results):
            result = dict(self.results[student])
            given = {grade.name: grade.score for grade in
                     self.gradebook.find_submission_notebook("lab", self.area, student).grades}
            result["checks"] = [check | {"score": given.get(check["name"], check["score"])}
                                for check in result["checks"]]
            lines.append(json.dumps({key: result.get(key) for key in ("student", "problem", "says", "checks")},
                                    ensure_ascii=False))
        self._replace(self.course / "results" / f"{self.area}.jsonl", "\n".join(lines) + "\n")
        self.gradebook.close()

    @staticmethod
    def _replace(path: Path, text: str) -> None:
        """A file that is there whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(path.name + ".new")
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
