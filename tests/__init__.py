"""What all tests share."""

import os
from collections.abc import Container, Iterable

import pytest


def sampled(values: Iterable, sample: Container) -> list:
    """Parameters of a test: those in `sample` run on each change, the others in `make nightly` alone."""
    return [value if value in sample else _nightly(value) for value in values]


def _nightly(value: object):
    return pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=pytest.mark.nightly)


def missing(what: str) -> None:
    """End a test that needs what is not here: skipped, but failed where CI is "true", since CI has everything."""
    (pytest.fail if os.environ.get("CI", "").lower() == "true" else pytest.skip)(what)
