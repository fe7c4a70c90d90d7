"""The Airflow DAG, in Airflow's own environment where `python tools/course.py airflow` has made it."""

import ast
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlelab.mlops import steps

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "mlelab" / "mlops" / "dag.py"
AIRFLOW = ROOT / "_build" / "airflow" / "bin" / "airflow"


def test_the_dag_has_the_graph_of_the_steps():
    """Airflow cannot import ours, so the graph stands there once more."""
    graph = next(node.value for node in ast.parse(SOURCE.read_text()).body
                 if isinstance(node, ast.Assign) and node.targets[0].id == "NEEDS")
    assert ast.literal_eval(graph) == steps.NEEDS


@pytest.mark.skipif(not AIRFLOW.exists(), reason="opt-in: python tools/course.py airflow")
def test_airflow_runs_the_dag_once_and_makes_the_same_bytes(tmp_path):
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                   "MLELAB_PYTHON": sys.executable, "MLELAB_RUNS": str(tmp_path / "runs")}
    (tmp_path / "dags").mkdir()
    shutil.copy(SOURCE, tmp_path / "dags")
    for command in (["db", "migrate"], ["dags", "reserialize"], ["dags", "test", "missed_connections", "2013-09-01"]):
        done = subprocess.run([AIRFLOW, *command], env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
    subprocess.run([sys.executable, "-W", "ignore", "-m", "mlelab.mlops", tmp_path / "hand"], check=True)

    def digests(folder):
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}

    assert digests(tmp_path / "runs" / "20130901") == digests(tmp_path / "hand")
