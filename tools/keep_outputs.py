"""A pytest plugin beside nbval: the notebook that was run, with the outputs of this run, goes to $KEEP_OUTPUTS."""

import os

import nbformat


def pytest_sessionfinish(session):
    for item in session.items:
        item.cell.outputs = item.test_outputs or []
    nbformat.write(session.items[0].parent.nb, os.environ["KEEP_OUTPUTS"])
