"""The demonstration runs from top to bottom, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from test_connect import CLEAN

DEMO = Path(__file__).with_name("demo.py")


QUICK = """
import runpy
from google.cloud.aiplatform import jobs, pipeline_jobs
jobs._JOB_WAIT_TIME = pipeline_jobs._JOB_WAIT_TIME = 0.2  # the SDK asks every five seconds how a job is doing
runpy.run_path({!r})
"""


def test_demo():
    command = [sys.executable, "-c", QUICK.format(str(DEMO))]
    done = subprocess.run(command, env=CLEAN, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Local stand-in for Vertex AI" in done.stdout.splitlines()[-1]


def test_only_the_first_cell_knows_of_the_stand_in():
    cells = DEMO.read_text().split("# %%")
    knowing = [cell for cell in cells if "mlelab" in cell or "vertex.connect" in cell]
    assert len(knowing) == 1
