"""The sandbox alone: it starts for root and for others, shows what it should, and says why where it cannot."""

import os
import shutil
import subprocess
import sys

import pytest
from teaching import sandbox

from tests.submissions import AREA
from tests.teaching.conftest import ROOT

needs_sandbox = pytest.mark.usefixtures("sandbox")
LOOK = """
import os, sys, tempfile
from pathlib import Path
import mlelab
seen = [str(path) for path in map(Path, sys.argv[1:]) if path.exists()]
tops = "/usr", "/grader", str(Path(mlelab.__file__).parent), sys.prefix
writable = [top for top in tops if os.access(top, os.W_OK)]
print(seen, writable, sorted(os.listdir("/sys") if os.path.exists("/sys") else []), os.environ.get("SECRET"))
"""


def inside(*command: str, limits=None) -> subprocess.CompletedProcess:
    # what bwrap is started with is seen inside: see the test of the environment in test_autograde.py
    walls = [*sandbox._walls(sandbox.NOBODY), *sandbox._ceiling(limits or sandbox.Limits())]
    return subprocess.run([*walls, *command], capture_output=True, text=True, cwd="/",
                          env=dict(os.environ, SECRET="LEAK"))


@needs_sandbox
def test_only_the_package_and_the_data_are_seen_and_nothing_can_be_written():
    private = [ROOT / name for name in ("solutions", "tests", "tools", "labs", "book", ".git", "gradebook.db")]
    found = inside(sys.executable, "-c", LOOK, *map(str, private), "/etc/passwd", "/etc/shadow", "/root/.ssh")
    assert found.stdout == "[] [] [] None\n", found.stderr


@needs_sandbox
def test_limits_hold():
    few = sandbox.Limits(processes=40, memory=0.5, files=1)
    fork = "import os\nn = 0\ntry:\n  while n < 200 and os.fork(): n += 1\nexcept OSError: print('few')"
    much = "try:\n  b'x' * 2**30\nexcept MemoryError: print('few')"
    long = "try:\n  open('/tmp/x', 'wb', 0).write(b'x' * 9**8)\n  open('/tmp/x', 'ab', 0).write(b'x')\n" \
           "except OSError: print('few')"
    for code in (much, long, *([fork] if sandbox._root() else [])):
        assert "few" in inside(sys.executable, "-I", "-c", code, limits=few).stdout


@needs_sandbox
@pytest.mark.skipif(not sandbox._root(), reason="only root can be somebody else")
def test_an_ordinary_user_has_a_sandbox_too(tmp_path):
    code = "import sys; sys.path.insert(0, 'tools'); from teaching import sandbox; import os; " \
           "print(os.geteuid(), sandbox.available())"
    user = ["bwrap", "--unshare-user", "--uid", "60001", "--gid", "60001", "--dev-bind", "/", "/"]
    found = subprocess.run([*user, sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert found.stdout == "60001 None\n", found.stderr


def test_without_a_sandbox_it_says_what_to_do(course, run, monkeypatch, tmp_path, solved):
    (course / "submitted" / "ada" / AREA).mkdir(parents=True)
    (course / "submitted" / "ada" / AREA / "lab.ipynb").write_bytes(solved)
    real = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "bwrap" else real(name))
    status, said = run("autograde", AREA)
    assert status == 1 and "there is no bwrap. On Linux, install bubblewrap; elsewhere" in said and "--unsafe" in said


def test_unsafe_goes_on_without_it(run, tmp_path, solved):
    """The verdict is as it was; the walls are not there."""
    course = tmp_path / "course"
    run("release", AREA, "--course", course)
    (course / "submitted" / "ada" / AREA).mkdir(parents=True)
    (course / "submitted" / "ada" / AREA / "lab.ipynb").write_bytes(solved)
    status, said = run("autograde", AREA, "--course", course, "--unsafe")
    assert status == 0 and "1 of 1  ada: 2 of 2 points." in said


@pytest.mark.parametrize(("words", "says"), [
    (["--jobs", 0], "--jobs is at least 1."),
    (["nobody"], "There is no submission of 00_start by 'nobody'."),
])
def test_what_cannot_be_done_says_why(course, run, solved, words, says):
    (course / "submitted" / "ada" / AREA).mkdir(parents=True)
    (course / "submitted" / "ada" / AREA / "lab.ipynb").write_bytes(solved)
    status, said = run("autograde", AREA, *words)
    assert status == 1 and said.startswith(says)
