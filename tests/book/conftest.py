"""The book, built once for all tests of this folder."""

import functools
import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import course  # noqa: E402


def build(folder: Path, output: Path) -> subprocess.CompletedProcess:
    """Build a book with warnings as errors; pages are in output/_build/html."""
    command = [sys.executable, "-c", course.JUPYTER_BOOK, "build", folder, "--path-output", output, "-W", "-n",
               "--keep-going"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "PYTHONPATH": os.pathsep.join(
        filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment)


@pytest.fixture(scope="session")
def book(tmp_path_factory) -> Path:
    """The folder of the built pages."""
    output = tmp_path_factory.mktemp("book")
    built = build(ROOT, output)
    assert built.returncode == 0, built.stderr
    return output / "_build" / "html"


@pytest.fixture(scope="session")
def site(book):
    """The address of the book on loopback."""
    handler = functools.partial(_Quiet, directory=str(book))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass
