"""A lab is released with what is the class's own, and what is private stays private."""

import datetime
import re
import subprocess
import sys
import zipfile

import nbformat
import pytest
from nbgrader.api import Gradebook
from teaching import classroom, release

from tests.teaching.conftest import AREA, ROOT

HIDDEN = '''\
# %% check="0.2" points=2
CANARY = [31.0, 29.0]
assert late_share(np.array(CANARY), 30) == 0.5, "CANARY message"
'''


@pytest.fixture
def hidden(course):
    folder = course.parent / "hidden"
    folder.mkdir()
    (folder / f"{AREA}.py").write_text(HIDDEN)
    return folder


@pytest.fixture
def term(tmp_path):
    return tmp_path / "term"


@pytest.fixture
def to_term(term, run, monkeypatch):
    """run("release", ...) into a folder that does not exist yet."""
    return lambda *words: run("release", AREA, "--course", term, *words)


def test_a_release_without_extras_is_the_lab_we_publish(term, to_term, empty):
    status, said = to_term("--handout", term.parent / "handout")
    assert status == 0 and "2 points; the course without solutions is in " in said
    assert (term.parent / "handout" / "labs" / AREA / "lab.ipynb").read_bytes() == empty
    assert (term / "labs" / AREA / "lab.ipynb").read_bytes() == empty
    config = (term / "nbgrader_config.py").read_text()
    assert "load_subconfig" in config and str(ROOT) in config


def test_due_date_hidden_checks_and_copies(term, to_term, hidden, course):
    status, said = to_term("--due", "2027-02-01T23:59+01:00", "--hidden", hidden, "--roster", course / "roster.csv",
                           "--no-solutions")
    assert status == 0
    assert "4 points, 1 hidden checks, due 2027-02-01 23:59 +0100, 4 copies." in said
    lab = nbformat.read(term / "labs" / AREA / "lab.ipynb", as_version=4)
    assert "**Due 01 February 2027, 23:59 (UTC+0100).**" in lab.cells[0].source
    assert 'os.environ["MLELAB_CLASS"] = "1"' in lab.cells[1].source
    names = [cell.id for cell in lab.cells]
    assert names.index("hidden-0-2-1") == names.index("check-0-2") + 1
    cell = lab.cells[names.index("hidden-0-2-1")]
    assert cell.source.strip() == release.STUB and cell.metadata.nbgrader.points == 2
    public = [path for path in term.rglob("*.ipynb") if "solutions" not in path.parts]
    assert len(public) == 5
    assert not any("CANARY" in path.read_text() or "BEGIN SOLUTION" in path.read_text() for path in public)
    mine = (term / "released" / AREA / "mary_ann" / "lab.ipynb").read_text()
    assert 'mlelab.start(\\"00_start\\", student=\\"mary_ann\\")' in mine
    with Gradebook(f"sqlite:///{term / 'gradebook.db'}") as gradebook:
        assignment = gradebook.find_assignment(AREA)
        assert assignment.duedate == datetime.datetime(2027, 2, 1, 22, 59)
        assert assignment.max_score == 4


@pytest.fixture
def running(term, to_term):
    """The lab is out, and ada's submission is graded."""
    assert to_term()[0] == 0
    with Gradebook(f"sqlite:///{term / 'gradebook.db'}") as gradebook:
        gradebook.add_student("ada")
        gradebook.add_submission(AREA, "ada")
        for grade in gradebook.find_submission_notebook("lab", AREA, "ada").grades:
            grade.auto_score = 1
        gradebook.find_comment("exercise-0-2", "lab", AREA, "ada").manual_comment = "Well done."
        gradebook.db.commit()
    return term


def kept(term) -> tuple[dict[str, float | None], str]:
    with Gradebook(f"sqlite:///{term / 'gradebook.db'}") as gradebook:
        notebook = gradebook.find_submission_notebook("lab", AREA, "ada")
        comment = gradebook.find_comment("exercise-0-2", "lab", AREA, "ada").manual_comment
        return {grade.name: grade.auto_score for grade in notebook.grades}, comment


def test_a_hidden_check_comes_and_is_corrected_after_the_lab_is_out(running, to_term, hidden):
    """The gradebook keeps its submissions, their points and comments, and has room for the points of the new check."""
    for text in (HIDDEN + "\n" + HIDDEN, HIDDEN.replace("points=2", "points=3").replace("30)", "29)")):
        (hidden / f"{AREA}.py").write_text(text)
        status, said = to_term("--hidden", hidden)
        assert status == 0, said
        new = dict.fromkeys([f"hidden-0-2-{n + 1}" for n in range(text.count("# %%"))])
        assert kept(running) == ({"check-0-1": 1, "check-0-2": 1} | new, "Well done.")
        with Gradebook(f"sqlite:///{running / 'gradebook.db'}") as gradebook:
            assert text.split("\n")[2] in gradebook.find_source_cell("hidden-0-2-1", "lab", AREA).source
            assert gradebook.find_assignment(AREA).max_score == 2 + sum(
                int(points) for points in re.findall(r"points=(\d)", text))
    assert "name the folder of the hidden checks again" in to_term()[1]
    assert "hidden-0-2-1" in (running / "labs" / AREA / "lab.ipynb").read_text()


def contents(term) -> dict:
    files = {path: path.read_bytes() for path in term.rglob("*") if path.is_file() and path.suffix != ".db"}
    return files | {"kept": kept(term)}


def test_a_release_that_fails_changes_nothing(running, to_term, hidden, monkeypatch):
    before = contents(running)
    (hidden / f"{AREA}.py").write_text(HIDDEN)
    with monkeypatch.context() as patched:
        patched.setattr(release, "STUB", "### END HIDDEN TESTS\n### BEGIN HIDDEN TESTS\n### BEGIN HIDDEN TESTS")
        status, said = to_term("--hidden", hidden)
    assert status == 1 and "nbgrader could not release 00_start, and nothing was changed: " in said
    assert "RuntimeError" in said and "\n" not in said
    assert contents(running) == before


def test_points_of_a_running_term_do_not_move(running, to_term, monkeypatch):
    before, real = contents(running), release.insert

    def moved(notebook, *more):
        next(cell for cell in notebook.cells if cell.id == "check-0-2").metadata.nbgrader["points"] = 5
        real(notebook, *more)

    monkeypatch.setattr(release, "insert", moved)
    status, said = to_term()
    assert (status, said) == (
        1, "Nothing was changed: 1 submissions of 00_start are graded, and check-0-2 had 1 points, which would be 5. "
        "Keep a class on the release of the course that it began with, or take another folder.")
    assert contents(running) == before


def test_personal_labs_go_out_in_one_zip_of_moodle(term, to_term):
    sheet = term.parent / "worksheet.csv"
    sheet.write_text("Identifier,Full name\nParticipant 17,Ann Lee\nParticipant 18,Ann Lee\n")
    assert "AREA-moodle.zip: 2 labs".replace("AREA", AREA) in to_term("--roster", sheet)[1]
    with zipfile.ZipFile(term / "released" / f"{AREA}-moodle.zip") as archive:
        for number in (17, 18):
            mine = archive.read(f"Ann Lee_{number}_assignsubmission_file_/lab.ipynb").decode()
            assert f'student=\\"Participant-{number}\\"' in mine


def test_the_handout_has_no_solutions_and_works(tmp_path):
    handout = tmp_path / "handout"
    release.handout(ROOT, handout)
    assert (handout / "labs" / AREA / "lab.ipynb").exists() and (handout / "datasets").is_dir()
    files = [path for path in handout.rglob("*") if path.is_file() and path.suffix in (".py", ".ipynb", ".md", ".toml")]
    assert not any("solutions" in path.relative_to(handout).parts or "tests" in path.relative_to(handout).parts
                   for path in files)
    assert not any("tuple(int(part) for part in version.split" in path.read_text(encoding="utf-8") for path in files)
    shown = subprocess.run([sys.executable, "-c", "import mlelab; mlelab.start('00_start').solution('0.1')"],
                           cwd=handout, capture_output=True, text=True, env={"PYTHONPATH": str(handout)})
    assert "The solutions are not part of this copy of the course." in shown.stdout, shown.stderr
    assert '"solutions" =' not in (handout / "pyproject.toml").read_text()


def test_what_is_private_does_not_enter_this_repository(run, hidden):
    for words in (["--due", "2027-02-01"], ["--hidden", hidden], ["--no-solutions"]):
        status, said = run("release", AREA, "--course", ROOT, *words)
        assert status == 1 and "must not enter this repository" in said


def test_hidden_checks_in_this_repository_are_refused(to_term, monkeypatch, hidden):
    monkeypatch.setattr(classroom, "ROOT", hidden.parent)
    with pytest.raises(SystemExit, match="lies in this repository"):
        release.hidden_cells(hidden, AREA)


@pytest.mark.parametrize(("text", "says"), [
    ('# %% check="7.7" points=1\npass\n', "There is no exercise '7.7' in 00_start."),
    ('# %% check="0.2"\npass\n', "cell 1: it needs an exercise and points"),
    ("# %%\npass\n", "cell 1: it needs an exercise and points"),
    ('# %% check="0.2" points=1\ndef (:\n', "cell 1: it is not Python"),
    ("", "has no cells"),
])
def test_a_hidden_check_that_cannot_be_used_says_why(to_term, hidden, text, says):
    (hidden / f"{AREA}.py").write_text(text)
    status, said = to_term("--hidden", hidden)
    assert status == 1 and says in said


@pytest.mark.parametrize(("words", "says"), [
    (["--due", "tomorrow"], "'tomorrow' is not a time like '2027-02-01 23:59'."),
    (["--hidden", "/nowhere"], "There is no 00_start.py in /nowhere."),
    (["--roster", "/nowhere.csv"], "There is no roster /nowhere.csv."),
])
def test_what_cannot_be_released_says_why(to_term, words, says):
    assert to_term(*words) == (1, says)


def test_a_lab_that_does_not_exist(run):
    status, said = run("release", "99_none")
    assert status == 1 and said.startswith("There is no lab '99_none'; there are 00_start, ")


def test_a_folder_that_is_no_course(run, tmp_path):
    status, said = run("collect", AREA, tmp_path, "--course", tmp_path)
    assert (status, said) == (1, f"There is no nbgrader_config.py in {tmp_path}: name the course's folder with "
                              "--course.")
