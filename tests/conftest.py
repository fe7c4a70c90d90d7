"""One browser for all tests that look at pages and labs as a reader does, and the tables that tests print."""

import shutil

import pytest
from playwright.sync_api import sync_playwright

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


@pytest.fixture
def budget(record_property):
    """Print a table at the end of the run: budget(title, lines)."""
    return lambda title, lines: record_property("budget", "\n".join([title, *lines]))


def pytest_terminal_summary(terminalreporter):
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, text in report.user_properties if report.when == "call" else ():
            if name == "budget":
                terminalreporter.write_line(text)
