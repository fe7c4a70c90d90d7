"""Engines in environments of their own. `make test` runs a sample; `make kafka` and the like run all of theirs."""

import os

import pytest

from mlelab import engines

WHOLE = bool(os.environ.get("MLELAB_WHOLE_ENGINE"))


def pytest_configure(config):
    config.addinivalue_line("markers", "whole: only where `make ENGINE` runs the tests of that engine")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("whole") and not WHOLE:
            item.add_marker(pytest.mark.skip(reason="opt-in: `make` with the engine's name runs it"))


@pytest.fixture(scope="module")
def engine(request):
    """The interpreter of the engine that the test module names in ENGINE, or a skip that says how to make it."""
    try:
        return engines.python(request.module.ENGINE)
    except engines.Missing as missing:
        (pytest.fail if WHOLE else pytest.skip)(str(missing))
