"""Release a lab to a class, with its due date, hidden checks of your own, and a copy for each student if you like.

A folder of your own (--course ~/term) is made on first use: it gets nbgrader's settings, the lab's source and its
gradebook. Due dates and hidden checks go there and never into this repository. Hidden checks are a folder with files
like 00_start.py, in cells:

    # %% check="0.2" points=1
    assert late_share(np.array([31.0, 29.0]), 30) == 0.5

Each becomes a graded cell behind the check of that exercise; students see only that it exists. It must fail for a
function that returns None. With --roster each student gets released/AREA/STUDENT/lab.ipynb, whose checks print a number
of the student's own. --handout writes the whole course without solutions, for a class that should not have them at
hand.
"""

from pathlib import Path

CONFIG = '''\
"""nbgrader's settings of this term: those of the course, and what you add."""

import sys

sys.path.insert(0, {tools!r})
load_subconfig("nbgrader_config.py", path={root!r})  # noqa: F821, nbgrader defines it
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
    import nbformat

    from teaching import classroom

    root, course, area = classroom.ROOT, arguments.course.resolve(), arguments.area
    areas = sorted(path.parent.name for path in root.glob("solutions/*/lab.ipynb"))
    if area not in areas:
        classroom.refuse(f"There is no lab {area!r}; there are {', '.join(areas)}.")
    own = arguments.due or arguments.hidden or arguments.roster or arguments.no_solutions
    if own and course == root:
        classroom.refuse("What is a class's own must not enter this repository: name a folder "
                      "of your own, such as --course ~/term.")
    due = moment(arguments.due) if arguments.due else None
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
    if course != root:
        classroom.save(course / "solutions" / area / "lab.ipynb", nbformat.writes(notebook) + "\n")
    print(f"{area}: clearing solutions …", flush=True)
    generate(course, area, due)
    released = course / "labs" / area / "lab.ipynb"
    for number, person in enumerate(people, start=1):
        classroom.progress(number, len(people), person.id)
        mine = released.read_text(encoding="utf-8").replace(
            f'mlelab.start(\\"{area}\\")', f'mlelab.start(\\"{area}\\", student=\\"{person.id}\\")')
        classroom.save(course / "released" / area / person.id / "lab.ipynb", mine)
    if arguments.handout:
        target = arguments.handout.resolve()
        if target.exists() and any(target.iterdir()):
            classroom.refuse(f"{target} is not empty.")
        handout(root, target)
        for lab in sorted((course / "labs").glob("*/lab.ipynb")):
            classroom.save(target / "labs" / lab.parent.name / "lab.ipynb", lab.read_bytes())
    points = sum(cell.metadata.nbgrader.get("points", 0) for cell in notebook.cells if "nbgrader" in cell.metadata)
    print(f"{released}: {points:g} points" + (f", {len(hidden)} hidden checks" if hidden else "")
          + (f", due {due:%Y-%m-%d %H:%M %z}" if due else "") + (f", {len(people)} copies" if people else "")
          + (f"; the course without solutions is in {arguments.handout}" if arguments.handout else "") + ".")
    return 0


def handout(root: Path, target: Path) -> None:
    """The course as a class gets it."""
    import shutil

    target.mkdir(parents=True, exist_ok=True)
    for name in HANDOUT:
        if (root / name).is_dir():
            shutil.copytree(root / name, target / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
        elif (root / name).exists():
            shutil.copy(root / name, target)
    project = target / "pyproject.toml"
    lines = project.read_text(encoding="utf-8").splitlines(keepends=True)
    project.write_text("".join(line for line in lines if not line.startswith('"solutions" =')), encoding="utf-8")


def moment(text: str):
    """A time with its zone; the machine's own where none is given."""
    from datetime import datetime

    from teaching import classroom

    try:
        time = datetime.fromisoformat(text)
        return time if time.tzinfo else time.astimezone()
    except ValueError:
        classroom.refuse(f"{text!r} is not a time like '2027-02-01 23:59'.")


def hidden_cells(folder: Path, area: str) -> list[tuple[str, float, str]]:
    """(exercise, points, code) of each hidden check of a lab."""
    import ast

    import jupytext

    from teaching import classroom

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
    import nbformat

    from teaching import classroom

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


def generate(course: Path, area: str, due) -> None:
    """Let nbgrader write labs/AREA and its gradebook."""
    import shutil
    from datetime import UTC

    from nbgrader.api import Gradebook
    from nbgrader.converters import GenerateAssignment
    from nbgrader.converters.base import NbGraderException
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import PyFileConfigLoader

    from teaching import classroom

    classroom.reach_nbgrader()
    config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
    config.CourseDirectory.root = str(course)
    directory = CourseDirectory(config=config, assignment_id=area)
    try:
        GenerateAssignment(coursedir=directory, config=config, force=True).start()
    except (NbGraderException, SystemExit):
        classroom.refuse(f"nbgrader could not release {area}: run `nbgrader generate_assignment {area} --force` in "
                      f"{course} to see why.")
    shutil.rmtree(course / "labs" / ".ipynb_checkpoints", ignore_errors=True)
    if due:
        with Gradebook(directory.db_url, directory.course_id) as gradebook:
            gradebook.update_or_create_assignment(area, duedate=due.astimezone(UTC).replace(tzinfo=None))
