"""Release a lab to a class, with its due date, hidden checks of your own, and a copy for each student if you like.

A folder of your own (--course ~/term) is made on first use: it gets nbgrader's settings, the lab's source and its
gradebook. Due dates and hidden checks go there and never into this repository. Hidden checks are a folder with files
like 00_start.py, in cells:

    # %% check="0.2" points=1
    assert late_share(np.array([31.0, 29.0]), 30) == 0.5

Each becomes a graded cell behind the check of that exercise; students see only that it exists. It calls the exercise's
functions with plain data. With --roster each student gets released/AREA/STUDENT/lab.ipynb, whose checks print a number
of the student's own. --handout writes the whole course without solutions, for a class that should not have them.

A lab that is out can be released again, with another hidden check or date: submissions stay, and are graded anew.
"""

import ast
import copy
import logging
import re
import shutil
import tempfile
from datetime import UTC
from pathlib import Path

import jupytext
import nbformat
from nbgrader import utils
from nbgrader.api import Comment, Grade, Gradebook, MissingEntry
from nbgrader.converters import GenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor, SaveCells
from traitlets.config import PyFileConfigLoader

from teaching import classroom, judge

CONFIG = '''\
"""nbgrader's settings of this term: those of the course, and what you add."""

import sys

sys.path.insert(0, {tools!r})
load_subconfig("nbgrader_config.py", path={root!r})  # noqa: F821, nbgrader defines it
c = get_config()  # noqa: F821

# Late work costs nothing unless you say so here.
# c.LateWork.per_day = 10  # percent of the points for each day begun after the due date
# c.LateWork.grace = 2  # hours that are forgiven
# c.LateWork.most = 50  # percent at most
'''
# What a class gets of this repository; no solutions, tests, pages, and nothing of students.
HANDOUT = ("README.md", "LICENSE", "Makefile", "pyproject.toml", "requirements.txt", ".gitignore", ".gitattributes",
           ".binder", "datasets", "labs", "mlelab", "tools")
LEFT_OUT = ("__pycache__", "*.pyc", ".ipynb_checkpoints", "teaching", "teach.py", "solutions")
QUIET = 'import os\n\nos.environ["MLELAB_CLASS"] = "1"  # check.solution stays quiet\n'
STUB = "# One more check of this exercise runs when your lab is graded."


def arguments(parser) -> None:
    parser.add_argument("area", help="the lab, such as 01_lifecycle")
    parser.add_argument("--due", metavar="TIME", help="such as '2027-02-01 23:59' or '2027-02-01T23:59+01:00'; "
                        "without an offset it is this machine's time")
    parser.add_argument("--hidden", type=Path, metavar="FOLDER", help="your hidden checks")
    parser.add_argument("--roster", type=Path, metavar="CSV", help="a copy for each student")
    parser.add_argument("--no-solutions", action="store_true", help="check.solution shows nothing in this lab, also "
                        "where the public package is installed, as on Colab")
    parser.add_argument("--handout", type=Path, metavar="FOLDER", help="also write the course without solutions there")


def run(arguments) -> int:
    root, course, area = classroom.ROOT, arguments.course.resolve(), arguments.area
    areas = sorted(path.parent.name for path in root.glob("solutions/*/lab.ipynb"))
    if area not in areas:
        classroom.refuse(f"There is no lab {area!r}; there are {', '.join(areas)}.")
    own = arguments.due or arguments.hidden or arguments.roster or arguments.no_solutions
    if own and course == root:
        classroom.refuse("What is a class's own must not enter this repository: name a folder "
                      "of your own, such as --course ~/term.")
    due = classroom.moment(arguments.due) if arguments.due else None
    if arguments.due and not due:
        classroom.refuse(f"{arguments.due!r} is not a time like '2027-02-01 23:59'.")
    hidden = hidden_cells(arguments.hidden, area) if arguments.hidden else []
    people = classroom.roster(arguments.roster) if arguments.roster else []
    if not (course / "nbgrader_config.py").exists():
        classroom.save(course / "nbgrader_config.py", CONFIG.format(tools=str(root / "tools"), root=str(root)))
        print(f"{course} is a course's folder now.")
    notebook = nbformat.read(root / "solutions" / area / "lab.ipynb", as_version=4)
    if due:
        notebook.cells[0].source += f"\n\n**Due {due:%d %B %Y, %H:%M} ({due:UTC%z}).**"
    if arguments.no_solutions:
        notebook.cells[1].source = notebook.cells[1].source.replace("import mlelab\n", QUIET + "import mlelab\n")
    insert(notebook, hidden, area)
    print(f"{area}: clearing solutions …", flush=True)
    generate(course, area, notebook, due)
    released = course / "labs" / area / "lab.ipynb"
    own: dict[str, bytes] = {}
    for number, person in enumerate(people, start=1):
        classroom.progress(number, len(people), person.id)
        mine = released.read_text(encoding="utf-8").replace(
            f'mlelab.start(\\"{area}\\")', f'mlelab.start(\\"{area}\\", student=\\"{person.id}\\")')
        classroom.save(course / "released" / area / person.id / "lab.ipynb", mine)
        if number_of := re.fullmatch(r"Participant (\d+)", person.row.get("Identifier") or ""):
            own[f"{person.name}_{number_of[1]}_assignsubmission_file_/lab.ipynb"] = mine.encode()
    if own:
        path = classroom.save(course / "released" / f"{area}-moodle.zip", classroom.zipped(own))
        print(f'{path}: {len(own)} labs, for "Upload multiple feedback files in a zip".')
    if arguments.handout:
        target = arguments.handout.resolve()
        if target.exists() and any(target.iterdir()):
            classroom.refuse(f"{target} is not empty.")
        handout(root, target)
        for lab in sorted((course / "labs").glob("*/lab.ipynb")):
            classroom.save(target / "labs" / lab.parent.name / "lab.ipynb", lab.read_bytes())
    graded = [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade")]
    points = sum(cell.metadata.nbgrader.points for cell in graded)
    watched = [number for (of, number), open_to in judge.THERE.items() if of == area and open_to]
    print(f"{released}: {points:g} points" + (f", {', '.join(watched)} watched in the notebook" if watched else "")
          + (f", {len(hidden)} hidden checks" if hidden else "")
          + (f", due {due:%Y-%m-%d %H:%M %z}" if due else "") + (f", {len(people)} copies" if people else "")
          + (f"; the course without solutions is in {arguments.handout}" if arguments.handout else "") + ".")
    return 0


def handout(root: Path, target: Path) -> None:
    """The course as a class gets it."""
    target.mkdir(parents=True, exist_ok=True)
    for name in HANDOUT:
        if (root / name).is_dir():
            shutil.copytree(root / name, target / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
        elif (root / name).exists():
            shutil.copy(root / name, target)
    project = target / "pyproject.toml"
    lines = project.read_text(encoding="utf-8").splitlines(keepends=True)
    project.write_text("".join(line for line in lines if not line.startswith('"solutions" =')), encoding="utf-8")


def hidden_cells(folder: Path, area: str) -> list[tuple[str, float, str]]:
    """(exercise, points, code) of each hidden check of a lab."""
    path = folder / f"{area}.py"
    if not path.exists():
        classroom.refuse(f"There is no {area}.py in {folder}.")
    if path.resolve().is_relative_to(classroom.ROOT):
        classroom.refuse(f"{folder} lies in this repository: keep hidden checks outside of it.")
    found = []
    for number, cell in enumerate(jupytext.read(path).cells, start=1):
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        marks = cell.metadata
        if "check" not in marks or not isinstance(marks.get("points"), (int, float)):
            classroom.refuse(f'{path.name}, cell {number}: it needs an exercise and points, # %% check="0.2" points=1.')
        try:
            ast.parse(cell.source)
        except SyntaxError as error:
            classroom.refuse(f"{path.name}, cell {number}: it is not Python ({error.msg}, line {error.lineno}).")
        found.append((str(marks["check"]), marks["points"], cell.source))
    if not found:
        classroom.refuse(f"{path.name} has no cells.")
    return found


def insert(notebook, hidden: list[tuple[str, float, str]], area: str) -> None:
    """Put each hidden check behind the last check of its exercise."""
    for exercise, points, code in hidden:
        stem = f"{exercise}-".replace(".", "-")
        places = [n for n, cell in enumerate(notebook.cells)
                  if f"{cell.id}-".startswith((f"check-{stem}", f"hidden-{stem}"))]
        if not places:
            classroom.refuse(f"There is no exercise {exercise!r} in {area}.")
        taken = sum(cell.id.startswith(f"hidden-{stem}") for cell in notebook.cells)
        name = f"hidden-{stem}{taken + 1}"
        mark = {"grade_id": name, "grade": True, "solution": False, "locked": True, "task": False,
                "schema_version": 3, "cell_type": "code", "points": points}
        source = f"{STUB}\n### BEGIN HIDDEN TESTS\n{code}\n### END HIDDEN TESTS"
        cell = nbformat.v4.new_code_cell(source, id=name, metadata={"nbgrader": mark})
        notebook.cells.insert(places[-1] + 1, cell)


def generate(course: Path, area: str, notebook, due) -> None:
    """Let nbgrader make the released lab beside the course; what is there changes only when that went well."""
    classroom.reach_nbgrader()
    kept: list = []

    class KeepCells(NbGraderPreprocessor):
        """Where nbgrader would write its gradebook: it refuses to while there are submissions."""

        def preprocess(self, notebook, resources):
            kept.append(copy.deepcopy(notebook))
            return notebook, resources

    said: list[str] = []
    log = logging.Logger("release")
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: said.append(record.getMessage().strip().rpartition("\n")[2])
    log.addHandler(handler)
    config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
    there = CourseDirectory(config=config, root=str(course))
    with tempfile.TemporaryDirectory(prefix=".releasing-", dir=course) as folder:
        beside, source = Path(folder), course / "solutions" / area
        if source.exists():
            shutil.copytree(source, beside / "solutions" / area)
        classroom.save(beside / "solutions" / area / "lab.ipynb", nbformat.writes(notebook) + "\n")
        directory = CourseDirectory(config=config, assignment_id=area, root=str(beside))
        maker = GenerateAssignment(coursedir=directory, config=config, log=log, no_database=True)
        maker.preprocessors = [KeepCells if step is SaveCells else step for step in maker.preprocessors]
        try:
            maker.start()
        except (NbGraderException, SystemExit):
            why = next((line for line in said if "Error" in line), said[0] if said else "it does not say why")
            classroom.refuse(f"nbgrader could not release {area}, and nothing was changed: {why}")
        with Gradebook(there.db_url, there.course_id) as book:
            enter(kept[0], book, area, due)
        lab = course / "labs" / area
        lab.parent.mkdir(exist_ok=True)
        if lab.exists():
            lab.rename(beside / "before")
        (beside / "labs" / area).rename(lab)
        if course != classroom.ROOT:
            shutil.copytree(beside / "solutions" / area, source, dirs_exist_ok=True)


def enter(notebook, book, area: str, due) -> None:
    """Bring the gradebook to the lab as it is released now; with submissions in it, the course's points do not move."""
    book.update_or_create_assignment(area, **({"duedate": due.astimezone(UTC).replace(tzinfo=None)} if due else {}))
    try:
        lab = book.find_notebook("lab", area)
    except MissingEntry:
        lab = book.add_notebook("lab", area)
    made = {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells if cell.metadata.get("nbgrader")}
    points = {name: float(cell.metadata.nbgrader.points) for name, cell in made.items() if utils.is_grade(cell)}
    known = lab.grade_cells if lab.submissions else []
    hidden = [any(name.startswith("hidden-") for name in names) for names in ([cell.name for cell in known], points)]
    if hidden == [True, False]:
        classroom.refuse(f"Nothing was changed: {area} has hidden checks and graded submissions; name the folder of "
                         "the hidden checks again.")
    for cell in known:
        if not cell.name.startswith("hidden-") and cell.max_score != points.get(cell.name):
            classroom.refuse(f"Nothing was changed: {len(lab.submissions)} submissions of {area} are graded, and "
                             f"{cell.name} had {cell.max_score:g} points, which would be {points.get(cell.name, 0):g}. "
                             "Keep a class on the release of the course that it began with, or take another folder.")
    for cell in [cell for cell in [*lab.grade_cells, *lab.solution_cells, *lab.source_cells] if cell.name not in made]:
        for row in [*getattr(cell, "grades", ()), *getattr(cell, "comments", ())]:
            book.db.delete(row)
        book.db.delete(cell)
    for name, cell in made.items():
        if name in points:
            book.update_or_create_grade_cell(name, "lab", area, max_score=points[name], cell_type=cell.cell_type)
        if utils.is_solution(cell):
            book.update_or_create_solution_cell(name, "lab", area)
        book.update_or_create_source_cell(name, "lab", area, cell_type=cell.cell_type, locked=utils.is_locked(cell),
                                          source=cell.source, checksum=cell.metadata.nbgrader.get("checksum"))
    lab = book.find_notebook("lab", area)
    for submission in lab.submissions:
        for kind, cells, rows in ((Grade, lab.grade_cells, submission.grades),
                                  (Comment, lab.solution_cells, submission.comments)):
            for cell in [cell for cell in cells if cell.id not in {row.cell_id for row in rows}]:
                book.db.add(kind(cell_id=cell.id, notebook=submission))
    book.db.commit()
