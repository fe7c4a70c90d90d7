"""The book, built once for all tests of this folder, and a browser to read it with."""

import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


def build(folder: Path, output: Path) -> subprocess.CompletedProcess:
    """Build a book with warnings as errors; pages are in output/_build/html."""
    program = shutil.which("jupyter-book", path=str(Path(sys.executable).parent))
    command = [program, "build", folder, "--path-output", output, "-W", "-n", "--keep-going"]
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


@pytest.fixture(scope="session")
def browser():
    """Chromium; a machine without one skips the tests that need it, CI fails them."""
    if CHROMIUM is None and not os.environ.get("CI"):
        pytest.skip("No Chromium on this machine: install it to run the browser tests of the book.")
    assert CHROMIUM, "No Chromium found, and CI must run the browser tests of the book."
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass
