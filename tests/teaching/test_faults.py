"""Our faults are never a student's zero: what fails here is not stored, is said, and is graded once it is repaired."""

import errno
import os
import re
import shutil
import signal
import subprocess
import threading
import time

import nbformat
import psutil
import pytest
import teach
from nbgrader.api import Gradebook
from teaching import books, classroom, grading, judge, repair, sandbox

from tests.journeys.students import handed_in
from tests.teaching.conftest import AREA

pytestmark = pytest.mark.usefixtures("sandbox")


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    course = tmp_path_factory.mktemp("released") / "term"
    assert teach.main(["release", AREA, "--course", str(course)]) == 0
    return course


@pytest.fixture
def term(tmp_path, released, solved):
    """Two students have handed in; nobody is graded."""
    course = shutil.copytree(released, tmp_path / "term")
    for student in ("ada", "bob"):
        classroom.save(course / "submitted" / student / AREA / "lab.ipynb", solved)
    return course


def cmdline(process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has ended since
        return []


def stored(course) -> dict[str, float]:
    """Points in the gradebook, and nothing on disk without them."""
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        found = {one.student_id: one.score for one in gradebook.assignment_submissions(AREA)}
    assert {path.parts[-3] for path in course.glob("autograded/*/*/*")} == set(found)
    return found


def broken_environment(monkeypatch, tmp_path):
    """The kernel starts and cannot import the checks: a package that was upgraded by half."""
    broken = classroom.save(tmp_path / "broken" / "numpy.py", "raise ImportError('built for another Python')").parent
    environment, readable = sandbox._environment, sandbox._readable
    monkeypatch.setattr(sandbox, "_environment", lambda home: environment(home) | {
        "PYTHONPATH": f"{broken}:{sandbox.ROOT}"})
    monkeypatch.setattr(sandbox, "_readable", lambda: [*readable(), str(broken)])


def late_kernel(monkeypatch, tmp_path):
    monkeypatch.setattr(sandbox, "Limits", lambda real=sandbox.Limits, **limits: real(**limits, start=0.01))


def silent_sandbox(monkeypatch, tmp_path):
    monkeypatch.setattr(sandbox, "_ceiling", lambda limits: ["/bin/sh", "-c", "echo no such luck >&2", "sh"])


def our_own_mistake(monkeypatch, tmp_path):
    monkeypatch.setattr(grading, "_put_outputs", lambda *given: 1 / 0)


def no_checking_process(monkeypatch, tmp_path):
    monkeypatch.setattr(judge, "START", "raise SystemExit")
    monkeypatch.setattr(grading, "_idle", [])


@pytest.mark.parametrize(("breaks", "says"), [
    (no_checking_process, "the checking process did not start"),
    (broken_environment, "the kernel did not start (RuntimeError: the checks did not start: built for another Python)"),
    (late_kernel, "the kernel did not start (RuntimeError: "),
    (silent_sandbox, "the sandbox ended before the kernel was there (no such luck)"),
    (our_own_mistake, "the grader itself failed on it (ZeroDivisionError: division by zero)"),
], ids=lambda given: getattr(given, "__name__", ""))
def test_a_fault_of_ours_stores_nothing_and_is_graded_later(term, run, tmp_path, breaks, says):
    with pytest.MonkeyPatch.context() as patched:
        breaks(patched, tmp_path)
        status, said = run("autograde", AREA, "--course", term)
    assert status == 1 and f"Nothing was graded and no points were stored: {says}" in said
    assert "the same command grades what is left." in said and "0 of" not in said
    assert stored(term) == {}
    assert run("grades", "--course", term) == (1, "Nothing is graded yet: run `autograde` first.")
    if breaks is broken_environment:
        status, said = run("autograde", AREA, "--course", term)
        assert status == 0, said
        assert stored(term) == {"ada": 2, "bob": 2}


def test_a_lab_that_our_own_solution_does_not_pass_is_graded_for_nobody(tmp_path, run, solved):
    """Such as a hidden check that is wrong, or data that is not there."""
    course = tmp_path / "term"
    wrong = '# %% check="0.2" points=1\nassert late_share(1, 2) == "wrong"\n'
    classroom.save(tmp_path / "hidden" / f"{AREA}.py", wrong)
    run("release", AREA, "--course", course, "--hidden", tmp_path / "hidden")
    classroom.save(course / "submitted" / "ada" / AREA / "lab.ipynb", solved)
    status, said = run("autograde", AREA, "--course", course)
    assert status == 1 and "our own solution does not get all its points here: 2 of 3 points" in said
    assert "; hidden-0-2-1: TypeError: " in said
    assert stored(course) == {}


def test_a_sandbox_that_somebody_ends_is_graded_again(term, run, monkeypatch):
    """As an administrator or the machine does it, while the first student's notebook runs."""
    real, begun = subprocess.Popen, []

    def end(process):
        while not any("ipykernel_launcher" in line for line in map(cmdline, process.children(recursive=True))):
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)

    def popen(command, *more, **options):
        process = real(command, *more, **options)
        if command[-1] == "/grader/runner.py":
            begun.append(process)
            if len(begun) == 2:
                threading.Thread(target=end, args=(psutil.Process(process.pid),), daemon=True).start()
        return process

    monkeypatch.setattr(subprocess, "Popen", popen)
    status, said = run("autograde", AREA, "--course", term, "--jobs", 1)
    assert status == 1 and "The other submissions were left alone." in said
    assert stored(term) == {} and len(begun) == 2
    monkeypatch.undo()
    assert run("autograde", AREA, "--course", term)[0] == 0 and stored(term) == {"ada": 2, "bob": 2}


@pytest.mark.parametrize("full", ["the result", "the gradebook"])
def test_a_full_disk_stores_nothing_by_half(term, run, monkeypatch, full):
    def no_room(*given):
        raise OSError(errno.ENOSPC, "No space left on device")

    def no_room_in_the_gradebook(*given):
        from sqlalchemy.exc import OperationalError

        raise OperationalError("UPDATE", {}, Exception("database or disk is full"))

    real = classroom.save
    if full == "the result":
        monkeypatch.setattr(books.classroom, "save", lambda path, content: (
            no_room() if path.name == "result.json.new" else real(path, content)))
    else:
        monkeypatch.setattr(books.Books, "_points", no_room_in_the_gradebook)
    status, said = run("autograde", AREA, "--course", term)
    assert status == 1 and re.search(r"The points of (ada|bob) could not be stored \(.*(No space|full)", said)
    assert stored(term) == {}


def test_one_that_we_cannot_grade_does_not_stop_the_others(term, run, monkeypatch, solved):
    """It is named at the end and in `grades`, whose cell stays empty; it has no feedback page."""
    real = repair.repair
    monkeypatch.setattr(repair, "repair", lambda source, *more: 1 / 0 if b"bob" in (
        source if isinstance(source, bytes) else b"") else real(source, *more))
    mine = handed_in(AREA, {})
    mine.cells[0].source += "bob"
    classroom.save(term / "submitted" / "bob" / AREA / "lab.ipynb", nbformat.writes(mine))
    status, said = run("autograde", AREA, "--course", term)
    assert status == 1 and "bob: not graded: it could not be repaired (ZeroDivisionError: division by zero).\n" in said
    assert "2 submissions of 00_start, 1 not graded: bob. When that is repaired" in said
    assert stored(term) == {"ada": 2}
    status, said = run("grades", "--course", term)
    assert status == 1 and "Left empty, handed in and not graded: bob (00_start).\n" in said
    assert (term / "exports" / "grades-table.csv").read_text("utf-8-sig").splitlines()[2:] == ["ada,,2,2", "bob,,,"]
    status, said = run("feedback", AREA, "--course", term)
    assert status == 1 and "Handed in and not graded, so without a page: bob." in said
    assert not (term / "feedback" / "bob").exists()


def test_what_was_handed_in_anew_is_not_graded_yet(term, run, empty):
    """Points of an older attempt are not shown as those of the new one."""
    assert run("autograde", AREA, "ada", "--course", term)[0] == 0
    assert stored(term) == {"ada": 2}
    assert run("autograde", AREA, "--course", term)[1].startswith("1 submissions are graded already")
    classroom.save(term / "submitted" / "ada" / AREA / "lab.ipynb", empty)
    assert run("grades", "--course", term)[0] == 1
    assert (term / "exports" / "grades-table.csv").read_text("utf-8-sig").splitlines()[2:] == ["ada,,,", "bob,,2,2"]
