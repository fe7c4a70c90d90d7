"""What goes wrong on a stranger's machine: each time one sentence that says what to do, and nothing is lost."""

import ast
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from tests.journeys.students import ROOT

OLD = [f"3.{minor}" for minor in range(6, 11)]
NEEDED = "The course needs Python 3.11, 3.12 or 3.13 and this is {}"


@pytest.fixture
def script(tmp_path) -> Path:
    """tools/course.py in a folder of its own, where it can break nothing."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    return Path(shutil.copy(ROOT / "tools" / "course.py", tmp_path / "tools"))


@pytest.fixture
def course(script):
    """The same, as a module."""
    spec = importlib.util.spec_from_file_location("course", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=OLD)
def old_python(request) -> str:
    """An interpreter that is too old, from PATH or pyenv."""
    name = f"python{request.param}"
    found = [shutil.which(name), *Path.home().glob(f".pyenv/versions/{request.param}.*/bin/{name}")]
    for path in filter(None, found):
        if subprocess.run([path, "-c", ""], capture_output=True).returncode == 0:
            return str(path)
    pytest.skip(f"{name} is not on this machine")


def run(*command, **env) -> subprocess.CompletedProcess:
    kept = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}  # IPython warns of another one
    return subprocess.run([str(part) for part in command], env={**kept, **env}, capture_output=True, text=True,
                          timeout=120)


def test_the_first_lines_of_the_script_can_be_read_by_an_old_python(script):
    ast.parse(script.read_text(encoding="utf-8"), feature_version=(3, 6))


def test_an_old_python_is_told_what_is_needed(old_python, script, tmp_path):
    done = run(old_python, script, "lab", PATH=str(tmp_path / "empty"))
    version = ".".join(Path(old_python).name.removeprefix("python").split("."))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(NEEDED.format(version)) and done.stderr.count("\n") == 1
    assert not (tmp_path / ".venv").exists()


def test_an_old_python_goes_on_with_a_newer_one(old_python, script, tmp_path):
    """The newest on PATH may be one that does not start, as a shim of pyenv: the next one is taken."""
    shim, works = tmp_path / "python3.13", tmp_path / "python{}.{}".format(*sys.version_info)
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    works.unlink(missing_ok=True)
    works.symlink_to(sys.executable)
    done = run(old_python, script, "--help", PATH=str(tmp_path), LC_ALL="C")
    assert done.returncode == 0, done.stderr
    assert f"going on with {works}" in done.stdout
    assert "usage: course.py" in done.stdout


def test_a_taken_port_is_named_and_another_one_used(course, capsys):
    with socket.create_server(("127.0.0.1", 0)) as other_program:
        taken = other_program.getsockname()[1]
        port = course.free_port(taken)
    assert taken < port < taken + 50
    assert re.fullmatch(rf".* Port {taken} is taken; using {port}\.\n", capsys.readouterr().out)


def test_no_free_port_at_all_is_one_sentence(course, monkeypatch):
    monkeypatch.setattr(course.socket.socket, "connect_ex", lambda probe, address: 0)
    with pytest.raises(SystemExit, match=r"^Ports 8888 to 8937 are all taken: .*\.$"):
        course.free_port(8888)


def test_a_failed_installation_is_one_sentence_and_can_be_repeated(script, tmp_path):
    """The network is down while .venv is made: nothing is left that the next run would take for whole."""
    offline = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull,
               "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": ""}
    done = run(sys.executable, script, "lab", **offline)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("This step failed: python -m pip. Are you online") and "Run the same command again" in last
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / ".venv").glob("*/uv*"))


@pytest.mark.skipif(os.name == "nt", reason="shell scripts stand in for a Python")
@pytest.mark.parametrize(("python", "uv", "says"), [
    ("exit 127", True, "The Python of .venv does not start: making it anew."),
    ("echo 3 10", True, ".venv was made with Python 3.10, which the course cannot use: making it anew."),
    ("echo 3 11", False, ".venv is not whole, or another program made it: making it anew."),
    ("echo 3 11", True, None),
])
def test_an_environment_that_cannot_be_used_is_made_anew(course, monkeypatch, capsys, python, uv, says):
    bin = course.VENV / course.BIN
    bin.mkdir(parents=True)
    for name, line in (("python", python), ("uv", "true")):
        (bin / name).write_text(f"#!/bin/sh\n{line}\n")
        (bin / name).chmod(0o755)
    if not uv:
        (bin / "uv").unlink()
    ran = []
    monkeypatch.setattr(course, "run", lambda *command: ran.append([str(part) for part in command]))
    course.need_environment()
    made = any(command[1:3] == ["-m", "venv"] for command in ran)
    said = capsys.readouterr().out
    assert made is bool(says) and (says or "") in said and said.count("making it anew") == made


@pytest.mark.skipif(os.name == "nt", reason="scripts are programs there, and nothing of ours starts one by its name")
def test_a_renamed_folder_goes_on(course, tmp_path, capsys):
    made = tmp_path / "made"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", made], check=True)
    (made / "bin" / "hello").write_text(f"#!{made}/bin/python\nprint('hello')\n")
    (made / "bin" / "hello").chmod(0o755)
    made.rename(course.VENV)
    with pytest.raises(FileNotFoundError):
        run(course.VENV / "bin" / "hello")
    course.mend_scripts()
    assert run(course.VENV / "bin" / "hello").stdout == "hello\n"
    assert "was renamed or copied" in capsys.readouterr().out
    course.mend_scripts()
    assert capsys.readouterr().out == ""


SLEEPS = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'], " \
         "start_new_session=True); time.sleep(300)"
RUN_TESTS = """
import sys
sys.path.insert(0, {tools!r})
import run_tests
run_tests.REPORTS = run_tests.Path({folder!r}, "reports")
run_tests.all_suites = lambda: [run_tests.Suite(name, [sys.executable, "-c", {sleeps!r}]) for name in "ab"]
sys.exit(run_tests.main())
"""
MAKE_TEST = "import pathlib, sys; import course; course.need_environment = lambda: None; " \
            "course.VENV = pathlib.Path(sys.prefix); course.main()"


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="Windows sends a Ctrl+C to all")
@pytest.mark.parametrize("heard_by", ["the parent", "the group"])
def test_nothing_is_left_of_make_test_after_ctrl_c(script, tmp_path, heard_by):
    (script.parent / "run_tests.py").write_text(RUN_TESTS.format(tools=str(ROOT / "tools"), folder=str(tmp_path),
                                                                 sleeps=SLEEPS))
    env = dict(os.environ, PYTHONPATH=str(script.parent))
    parent = subprocess.Popen([sys.executable, "-c", MAKE_TEST, "test"], env=env, start_new_session=True,
                              stdout=subprocess.DEVNULL)
    family, deadline = [], time.monotonic() + 60
    while len(family) < 5:  # the runner, two suites, and what each has started
        assert parent.poll() is None and time.monotonic() < deadline
        family = psutil.Process(parent.pid).children(recursive=True)
        time.sleep(0.05)
    (os.killpg if heard_by == "the group" else os.kill)(parent.pid, signal.SIGINT)
    alive = psutil.wait_procs(family, timeout=30)[1]
    for process in alive:
        process.kill()
    assert not alive
    assert parent.wait(timeout=10) == 130


HIDDEN = "import sys; sys.modules['mlelab'] = None"  # importlib finds nothing then
RUN = """
import nbformat, sys
from nbclient import NotebookClient
notebook = nbformat.read("lab.ipynb", 4)
NotebookClient(notebook, kernel_name="python3", timeout=120, allow_errors=True).execute()
nbformat.write(notebook, "lab.ipynb")
"""


def test_a_lone_notebook_without_network_says_what_to_do(tmp_path):
    lab = nbformat.read(ROOT / "labs" / "00_start" / "lab.ipynb", as_version=4)
    first = next(cell for cell in lab.cells if cell.cell_type == "code")
    lab.cells = [nbformat.v4.new_code_cell(HIDDEN), first]
    nbformat.write(lab, tmp_path / "lab.ipynb")
    env = {"PIP_RETRIES": "0", "PIP_TARGET": str(tmp_path / "target"), "PIP_CONFIG_FILE": os.devnull}
    done = subprocess.run([sys.executable, ROOT / "tools" / "offline.py", sys.executable, "-c", RUN], cwd=tmp_path,
                          env=dict(os.environ, **env), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    error = nbformat.read(tmp_path / "lab.ipynb", as_version=4).cells[1].outputs[-1]
    assert error.output_type == "error"
    last = error.traceback[-1]
    assert "mlelab is not installed and could not be fetched: go online" in last and "`make lab`" in last
    assert not (tmp_path / "target").exists()


def shown_by(code: str, folder: Path) -> list[str]:
    """The lines that a notebook would show when a cell runs this code in a fresh kernel."""
    shell = "from IPython.core.interactiveshell import InteractiveShell as Shell; import sys; " \
            "Shell.instance(colors='NoColor').run_cell(sys.argv[1])"
    done = run(sys.executable, "-c", shell, code, IPYTHONDIR=str(folder))
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_an_unknown_lab_is_one_sentence_with_the_labs_there_are(tmp_path):
    shown = shown_by("import mlelab; mlelab.start('99_nowhere')", tmp_path)
    labs = sorted(path.parent.name for path in ROOT.glob("labs/*/lab.ipynb"))
    assert shown == [f"There is no lab '99_nowhere'; there are {', '.join(labs)}."]


@pytest.mark.parametrize("package", ["sklearn", "pooch", "pyarrow"])
def test_a_missing_package_is_one_sentence(package, tmp_path):
    hidden = f"import sys; sys.modules[{package!r}] = None"
    shown = shown_by(f"{hidden}; import mlelab; mlelab.start('01_lifecycle')", tmp_path)
    assert len(shown) == 1, "\n".join(shown)
    assert package in shown[0] and "`make lab`" in shown[0]
