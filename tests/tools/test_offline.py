"""No test can leave this machine: the refusal itself is tested, from Python, a kernel and another program."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

OFFLINE = Path(__file__).resolve().parents[2] / "tools" / "offline.py"
ELSEWHERE = "192.0.2.1"  # an address set aside for documentation: nobody is there


def offline(*command, **env):
    outside = {name: value for name, value in os.environ.items() if name not in ("MLELAB_OFFLINE", "PYTHONPATH")}
    return subprocess.run([sys.executable, OFFLINE, *command], capture_output=True, text=True, env=outside | env)


@pytest.mark.parametrize("attempt", [
    f"socket.create_connection(('{ELSEWHERE}', 80), timeout=5)",
    f"socket.socket().connect_ex(('{ELSEWHERE}', 80))",
    "urllib.request.urlopen('http://example.org', timeout=5)",
    "asyncio.run(asyncio.open_connection('example.org', 80))",
])
def test_python_is_refused(attempt):
    done = offline(sys.executable, "-c", f"import asyncio, socket, urllib.request; {attempt}")
    assert done.returncode == 1 and "not this machine" in done.stderr


def test_other_programs_are_refused():
    if offline(sys.executable, "-c", "import os; print(os.environ['MLELAB_OFFLINE'])").stdout.strip() != "namespace":
        pytest.skip("this system gives no network namespace: only Python is held back here")
    done = offline(shutil.which("bash"), "-c", f"echo > /dev/tcp/{ELSEWHERE}/80")
    assert done.returncode != 0 and "unreachable" in done.stderr


def test_loopback_works():
    serve = ("import socket; server = socket.create_server(('127.0.0.1', 0)); "
             "socket.create_connection(server.getsockname()[:2], timeout=5); print('through')")
    assert offline(sys.executable, "-c", serve).stdout == "through\n"


def test_a_kernel_is_refused_when_the_tests_are_run_as_ci_runs_them():
    if not os.environ.get("MLELAB_OFFLINE"):
        pytest.skip("started without tools/offline.py")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(
        f"import socket\ntry:\n    socket.create_connection(('{ELSEWHERE}', 80), timeout=5)\n"
        "except ConnectionRefusedError as refused:\n    print(refused)")])
    NotebookClient(notebook, kernel_name="python3").execute()
    assert "not this machine" in notebook.cells[0].outputs[0].text


def test_status_of_the_command_is_passed_on():
    assert offline(sys.executable, "-c", "raise SystemExit(3)").returncode == 3
