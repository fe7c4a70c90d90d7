"""Where the tests that look at pages and labs as a reader does find a browser."""

import os
import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]  # containers, root and no screen


def find_browser() -> str:
    """The path of a Chromium or Chrome; without one the test is skipped, or fails where CI is "true"."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    reason = f"no browser here: install Chromium, so that one of {', '.join(NAMES)} is on PATH"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason)
    pytest.skip(reason)
