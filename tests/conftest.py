"""One browser for all tests that look at pages and labs as a reader does."""

import os
import shutil

import pytest
from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]  # containers, root and no screen


@pytest.fixture(scope="session")
def browser():
    """Chromium or Chrome; without one a test is skipped, or fails where CI is "true"."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        reason = f"no browser here: install Chromium, so that one of {', '.join(NAMES)} is on PATH"
        (pytest.fail if os.environ.get("CI", "").lower() == "true" else pytest.skip)(reason)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=OPTIONS)
        yield chromium
        chromium.close()
