"""A student's hour: JupyterLab in a real browser, Run All on the untouched lab, then a wrong answer."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from mlelab.check.misconceptions import MISCONCEPTIONS
from tests.browser import OPTIONS, find_browser
from tests.journeys.students import ROOT, answer_cell

LABS = sorted(path.parent.name for path in ROOT.glob("labs/*/lab.ipynb"))
CHECKS = {area: len(re.findall(r'^# %% check="', (ROOT / "solutions" / area / "lab.py").read_text(), re.M)) for area in LABS}
WAIT = 120  # seconds for what may be slow on a busy machine: a start, a whole lab


@pytest.fixture(scope="module")
def jupyterlab(tmp_path_factory) -> Iterator[str]:
    """The address of a JupyterLab of its own, on a copy of labs/ and with nobody's settings."""
    folder = tmp_path_factory.mktemp("jupyterlab")
    shutil.copytree(ROOT / "labs", folder / "labs", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    places = {name: str(folder / name) for name in
              ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR",
               "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--port-retries=0",
               "--IdentityProvider.token=", "--allow-root"]
    with (folder / "log.txt").open("w") as log:
        server = subprocess.Popen(command, cwd=folder / "labs", stdout=log, stderr=subprocess.STDOUT,
                                  env=dict(os.environ, OMP_NUM_THREADS="1", **places))
    try:
        wait_for(port, server, folder / "log.txt")
        yield f"http://127.0.0.1:{port}"
    finally:
        family = psutil.Process(server.pid).children(recursive=True) if server.poll() is None else []
        server.terminate()  # it ends its kernels itself
        for process in psutil.wait_procs([psutil.Process(server.pid), *family] if family else [], timeout=20)[1]:
            process.kill()
        server.wait(timeout=20)


def wait_for(port: int, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail(f"JupyterLab did not start: {log.read_text()}")


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    executable = find_browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=OPTIONS)
        yield browser.new_page(viewport={"width": 1280, "height": 1000})
        browser.close()


def run_all(page: Page, address: str, area: str) -> None:
    """Open a lab by its address, choose Run > Run All Cells, and wait until the last code cell has its number."""
    page.goto(f"{address}/lab/tree/{area}/lab.ipynb")
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=WAIT * 1000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    expect(code_cells(page).last.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]:"), timeout=WAIT * 1000)


def code_cells(page: Page) -> Locator:
    return page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell")


def cell_with(page: Page, text: str) -> Locator:
    """The one code cell whose code contains a text."""
    return code_cells(page).filter(has=page.locator(".jp-InputArea-editor", has_text=text))


@pytest.mark.parametrize("area", LABS)
def test_run_all_reaches_the_last_cell(jupyterlab, page, area):
    run_all(page, jupyterlab, area)
    prompts = code_cells(page).locator(".jp-InputPrompt").all_text_contents()
    assert prompts == [f"[{number}]:" for number in range(1, len(prompts) + 1)]
    ready = code_cells(page).first.locator(".jp-OutputArea-output")
    assert re.fullmatch(rf"Lab {area} is ready: .* from the clone\.\n", ready.text_content())
    checks = cell_with(page, re.compile(r"^check\.(?!progress)\w+\(\w+(, \"[\w ]+\")?\)$"))
    assert checks.count() == CHECKS[area]
    for check in checks.all():
        card = check.get_by_role("status")
        card.scroll_into_view_if_needed()
        expect(card).to_be_visible()
        expect(card).to_contain_text("not attempted")


def test_a_wrong_answer_is_named_without_a_traceback(jupyterlab, page):
    run_all(page, jupyterlab, "00_start")
    exercise, check = cell_with(page, "def late_share("), cell_with(page, "check.late_share(late_share)")
    exercise.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(answer_cell("00_start", "missing_counts_as_on_time", "def late_share(delays, threshold):"))
    page.keyboard.press("Shift+Enter")  # selects the check cell, which stands below
    page.keyboard.press("Shift+Enter")
    card = check.get_by_role("status")
    expect(card).to_contain_text("late_share: wrong")
    mistake = MISCONCEPTIONS["M08"]
    expect(card).to_contain_text(f"{mistake.code} {mistake.name}")
    expect(card).to_contain_text(mistake.why)
    expect(card.get_by_role("link")).to_have_attribute("href", re.compile(r"/book/00_start\.html#"))
    shown = check.locator(".jp-OutputArea").inner_text()
    for trace in ("Traceback", "mlelab", "Error", 'File "'):
        assert trace not in shown
