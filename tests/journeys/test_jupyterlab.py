"""A student's hour: JupyterLab in a real browser, Run All on the untouched lab, then a wrong answer."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import psutil
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from mlelab.check.misconceptions import MISCONCEPTIONS
from tests import sampled
from tests.journeys.students import ROOT, answer_cell

LABS = sorted(path.parent.name for path in ROOT.glob("labs/*/lab.ipynb"))
# `make lab`, except that the environment is the one of this test, and the labs are those of the folder it runs in.
MAKE_LAB = """
import sys, pathlib, course
course.need_environment = lambda: None
course.VENV, course.ROOT = pathlib.Path(sys.prefix), pathlib.Path.cwd()
course.main()
"""
WAIT = 120  # seconds for what may be slow on a busy machine: a start, a whole lab
SAMPLE = ("00_start", "01_lifecycle")  # nbval runs every unsolved lab on each change


@pytest.fixture(scope="module")
def jupyterlab(tmp_path_factory) -> Iterator[str]:
    """The address of what `make lab` starts, on a copy of labs/ and with nobody's settings."""
    folder = tmp_path_factory.mktemp("jupyterlab")
    shutil.copytree(ROOT / "labs", folder / "labs", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    places = {name: str(folder / name) for name in
              ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR",
               "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR")}
    command = [sys.executable, "-c", MAKE_LAB, "lab", "--no-browser", "--IdentityProvider.token="]
    log = folder / "log.txt"
    env = dict(os.environ, PYTHONPATH=pythonpath(), **places)
    with log.open("w") as output:
        course = subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=output,
                                  stderr=subprocess.STDOUT, start_new_session=True)
    try:
        yield wait_for_address(course, log)
    finally:
        shown = log.read_text()
        family = psutil.Process(course.pid).children(recursive=True) if course.poll() is None else []
        os.killpg(course.pid, signal.SIGINT)  # Ctrl+C
        survivors = psutil.wait_procs(family, timeout=60)[1]
        for process in survivors:
            process.kill()
        course.wait(timeout=20)
        ended = log.read_text()
    assert not survivors, ended
    assert "my_labs/ is your own copy" in ended
    assert "[W " not in shown and "WARNING" not in shown, shown  # nothing that frightens
    assert "KeyboardInterrupt" not in ended, ended


def wait_for_address(course: subprocess.Popen, log: Path) -> str:
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline and course.poll() is None:
        address = re.search(r"(http://127\.0\.0\.1:\d+)/lab", log.read_text())
        try:
            if address and urllib.request.urlopen(f"{address[1]}/api", timeout=5).status == 200:
                return address[1]
        except OSError:  # it does not listen yet
            pass
        time.sleep(0.1)
    pytest.fail(f"JupyterLab did not start: {log.read_text()}")


def pythonpath() -> str:
    return os.pathsep.join([str(ROOT / "tools"), *filter(None, [os.environ.get("PYTHONPATH")])])


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    yield page
    page.close()


def run_all(page: Page, address: str, area: str, workspace: str) -> None:
    """Open a lab alone in a workspace, choose Run > Run All Cells, wait until the last code cell has its number."""
    page.goto(f"{address}/lab/workspaces/{workspace}/tree/{area}/lab.ipynb")
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=WAIT * 1000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    wait = WAIT if area in SAMPLE else 5 * WAIT
    expect(code_cells(page).last.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]:"), timeout=wait * 1000)


def code_cells(page: Page) -> Locator:
    return page.locator(".jp-NotebookPanel .jp-CodeCell")


def cell_with(page: Page, text: str) -> Locator:
    """The one code cell whose code contains a text."""
    return code_cells(page).filter(has=page.locator(".jp-InputArea-editor", has_text=text))


def test_make_lab_opens_the_first_lab_beside_the_others(jupyterlab, page):
    page.goto(jupyterlab)
    expect(page.get_by_role("heading", name="Lab 0: start here")).to_be_visible(timeout=WAIT * 1000)
    shown = {entry["name"] for entry in page.request.get(f"{jupyterlab}/api/contents").json()["content"]}
    assert shown == set(LABS)


@pytest.mark.parametrize("area", sampled(LABS, SAMPLE))
def test_run_all_reaches_the_last_cell(jupyterlab, page, area):
    run_all(page, jupyterlab, area, workspace=area)
    prompts = code_cells(page).locator(".jp-InputPrompt").all_text_contents()
    assert prompts == [f"[{number}]:" for number in range(1, len(prompts) + 1)]
    ready = code_cells(page).first.locator(".jp-OutputArea-output")
    assert re.fullmatch(rf"Lab {area} is ready: .* from the clone\.\n", ready.text_content())
    lab = nbformat.read(ROOT / "labs" / area / "lab.ipynb", as_version=4)
    checks = [cell.source for cell in lab.cells if cell.metadata.get("nbgrader", {}).get("grade")]
    assert checks
    for check in (cell_with(page, source) for source in checks):
        card = check.get_by_role("status")
        card.scroll_into_view_if_needed()
        expect(card).to_be_visible()
        expect(card).to_contain_text("not attempted")


def test_a_wrong_answer_is_named_without_a_traceback(jupyterlab, page):
    run_all(page, jupyterlab, "00_start", workspace="wrong")
    exercise, check = cell_with(page, "def late_share("), cell_with(page, "check.late_share(late_share)")
    exercise.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(answer_cell("00_start", "missing_counts_as_on_time", "def late_share(...)"))
    page.keyboard.press("Shift+Enter")  # selects the check cell, which stands below
    page.keyboard.press("Shift+Enter")
    card = check.get_by_role("status")
    expect(card).to_contain_text("late_share: wrong", timeout=WAIT * 1000)
    mistake = MISCONCEPTIONS["M08"]
    expect(card).to_contain_text(f"{mistake.code} {mistake.name}")
    expect(card).to_contain_text(mistake.why)
    expect(card.get_by_role("link")).to_have_attribute("href", re.compile(r"/book/00_start\.html#"))
    shown = check.locator(".jp-OutputArea").inner_text()
    for trace in ("Traceback", "mlelab", "Error", 'File "'):
        assert trace not in shown
