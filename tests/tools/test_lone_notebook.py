"""A lab that arrives alone: the built package in an empty environment, data from a stand-in of the course's address."""

import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import nbformat
import pytest

from tests import missing, sampled

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / "_build" / "lone" / ("Scripts" if os.name == "nt" else "bin") / "python"
AREAS = sorted(path.parent.name for path in ROOT.glob("labs/*/lab.ipynb"))
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
RUN = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read("lab.ipynb", 4)
NotebookClient(notebook, kernel_name="python3", timeout=300).execute()
print(notebook.cells[1].outputs[0].text)
"""


@pytest.fixture
def data_url():
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(ROOT / "datasets"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def lone() -> Path:
    """The Python of the empty environment."""
    if not PYTHON.exists():
        missing("_build/lone is missing: `make test` makes it")
    return PYTHON


@pytest.mark.parametrize("area", sampled([area for area in AREAS if area.partition("_")[2] not in EXTRAS],
                                         ["00_start"]))
def test_a_lab_alone_reaches_its_last_cell(area, tmp_path, data_url, lone):
    shutil.copy(ROOT / "labs" / area / "lab.ipynb", tmp_path)
    clean = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    clean["PYTHONPATH"] = str(ROOT / "tools" / "offline_guard")
    env = clean | {"MLELAB_DATA_URL": data_url, "MLELAB_DATA_DIR": str(tmp_path / "data"), "JUPYTER_PATH": "",
                   "JUPYTER_PREFER_ENV_PATH": "1", "PATH": str(lone.parent) + os.pathsep + os.environ["PATH"]}
    done = subprocess.run([lone, "-c", RUN], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"Lab {area} is ready" in done.stdout and "downloaded on first use" in done.stdout


@pytest.mark.parametrize("area", AREAS)
def test_a_lab_alone_asks_for_what_it_needs(area):
    notebook, extra = nbformat.read(ROOT / "labs" / area / "lab.ipynb", 4), area.partition("_")[2]
    wanted = f"mlelab[{extra}] @" if extra in EXTRAS else "mlelab @"
    assert wanted in next(cell.source for cell in notebook.cells if cell.cell_type == "code")


def test_the_environment_holds_no_more_than_the_base(lone):
    for heavy in ("tensorflow", "google.cloud.aiplatform", "nbgrader"):
        assert subprocess.run([lone, "-c", f"import {heavy}"], capture_output=True).returncode, heavy
    assert sys.prefix != str(lone.parents[1])
