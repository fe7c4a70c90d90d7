"""The side-by-side on JAX, in the environment that `make test` makes for it."""

import json
import subprocess
import sys
from pathlib import Path

from mlelab import training
from tests import missing

FOLDER = Path(__file__).parents[2] / "_build" / "jax"
PYTHON = FOLDER / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def test_eight_devices_compute_what_one_computes_with_an_all_reduce_that_nobody_wrote():
    if not PYTHON.exists():
        missing("`make test` makes _build/jax")
    script = Path(training.__file__).with_name("on_jax.py")
    done = subprocess.run([PYTHON, script, "--steps", "20"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["devices"] == 8
    assert found["copies_identical"]
    assert found["largest_difference"] < 1e-5
    assert found["all_reduces"]["one"] == 0
    assert found["all_reduces"]["many"] >= 1
