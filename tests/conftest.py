"""One browser for all tests that look at pages and labs as a reader does; the book's tests on one worker; budgets."""

import shutil

import pytest
from playwright.sync_api import sync_playwright
from xdist.scheduler import LoadScopeScheduling

from tests import missing

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]  # containers, root and no screen


@pytest.fixture(scope="session")
def browser():
    """Chromium or Chrome; without one a test is skipped, or fails where CI is "true"."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        missing(f"no browser here: install Chromium, so that one of {', '.join(NAMES)} is on PATH")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=OPTIONS)
        yield chromium
        chromium.close()


class TwoLanes(LoadScopeScheduling):
    """One worker builds the book and runs its tests, another runs the journeys; all else goes where there is time.

    (The marks of `--dist loadgroup` are not seen under pytest 9.)
    """

    def _split_scope(self, nodeid):
        folder = nodeid.split("/")[1]
        return folder if folder in ("book", "journeys") else nodeid


def pytest_xdist_make_scheduler(config, log):
    return TwoLanes(config, log)


@pytest.fixture
def budget(record_property):
    """Print a table at the end of the run, from whichever worker: budget(title, lines)."""
    return lambda title, lines: record_property("budget", "\n".join([title, *lines]))


def pytest_terminal_summary(terminalreporter):
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, text in report.user_properties if report.when == "call" else ():
            if name == "budget":
                terminalreporter.write_line(text)
