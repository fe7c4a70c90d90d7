"""What all tests share."""

import os

import pytest


def missing(what: str) -> None:
    """End a test that needs what is not here: skipped, but failed where CI is "true", since CI has everything."""
    (pytest.fail if os.environ.get("CI", "").lower() == "true" else pytest.skip)(what)
