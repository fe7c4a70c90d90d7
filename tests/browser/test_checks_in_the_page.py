"""The engine of the checks in a page: Python in the browser, no kernel, and the same verdicts as here.

`python tools/browser_python.py` fetches what the page needs and runs this; `make nightly` does so.
"""

import functools
import http.server
import importlib.util
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mlelab import data
from mlelab.check import open_lab
from mlelab.check.outcome import RIGHT, WRONG
from tests import missing
from tests.browser.verdicts import load, packed, verdicts

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from browser_python import FOLDER  # noqa: E402

EXERCISES = [("03_features", "3.1"), ("09_monitoring", "9.3"), ("04_evaluation", "4.3")]
ABSENT = {"IPython", "pooch", "pyarrow", "requests"}
LONGEST = 600_000  # ms until the page is ready, on a busy machine

pytestmark = pytest.mark.nightly


class _Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        ".mjs": "text/javascript", ".wasm": "application/wasm"}

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The address of a folder with the page, Pyodide, our wheel, the time zones and one table."""
    if not (FOLDER / "pyodide.mjs").exists():
        missing("no Python for the browser here: run `python tools/browser_python.py --fetch`")
    folder = tmp_path_factory.mktemp("page")
    for name in ("page.html", "verdicts.py"):
        shutil.copy(Path(__file__).with_name(name), folder)
    (folder / "pyodide").symlink_to(FOLDER.resolve())
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True,
                   capture_output=True)
    next(folder.glob("mlelab-*.whl")).rename(folder / "mlelab.whl")
    zones = Path(importlib.util.find_spec("tzdata").origin).parent
    shutil.make_archive(str(folder / "tzdata"), "zip", zones.parent, zones.name)
    (folder / "features.npz").write_bytes(packed(data.load("features")))
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def page(browser, site):
    """The page, with its engine imported; `page.elsewhere` lists what it asked of other hosts."""
    context = browser.new_context()
    page, page.elsewhere = context.new_page(), []
    context.on("request", lambda asked: asked.url.startswith((site, "data:", "blob:"))
               or page.elsewhere.append(asked.url))
    page.goto(f"{site}/page.html")
    page.wait_for_function("window.state", timeout=LONGEST)
    assert page.evaluate("window.state") == "ready", page.evaluate("window.state")
    yield page
    context.close()


@pytest.mark.parametrize(("area", "number"), EXERCISES)
def test_the_page_gives_the_verdicts_that_we_give(page, budget, area, number):
    here, there = verdicts(area, number), json.loads(page.evaluate("asked => window.verdicts(...asked)",
                                                                   [area, number]))
    exercise = open_lab(area).exercises[number]
    assert there == here
    wanted = [(RIGHT, None), *((WRONG, answer.code) for answer in exercise.mistakes)]
    wanted += [(RIGHT, None)] * len(exercise.rights)
    assert [(verdict, code) for _, verdict, code, _ in there] == wanted
    seconds = page.evaluate("window.seconds")
    budget(f"{number} in the page: {len(there)} answers",
           [f"  {seconds[what]:6.1f} s {what}" for what in ("boot", "packages", "imports", number)])


def test_the_engine_needs_no_ipython_no_pooch_and_no_pyarrow(page):
    assert not ABSENT & set(page.evaluate("window.modules()").split())


def test_nothing_is_asked_of_another_host(page):
    assert page.elsewhere == []


def test_a_table_comes_out_of_its_npz_as_it_went_in(tmp_path):
    table = data.load("features")
    (tmp_path / "features.npz").write_bytes(packed(table))
    read = load("features", folder=str(tmp_path))
    zone = table["decision_time"].dt.tz
    assert read.equals(table.astype({"decision_time": f"datetime64[s, {zone}]"}))
