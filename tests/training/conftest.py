"""A small table, and the runs that several tests compare with."""

import os

os.environ.update(OMP_NUM_THREADS="1", TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0", CUDA_VISIBLE_DEVICES="-1")

import numpy as np
import psutil
import pytest

from mlelab.training import cluster, worker

STEPS = 40
EVERYTHING = ("loss", "parameters", "optimizer", "order", "position", "rng")


@pytest.fixture(scope="session")
def table(tmp_path_factory):
    """The arguments for 300 rows: an epoch is four full batches and one of 44, so 40 steps shuffle seven times."""
    path = tmp_path_factory.mktemp("data") / "rows.npz"
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 6))
    np.savez(path, x=x, y=x[:, 0] * x[:, 1] + rng.normal(size=300) > 0)
    return ["--data", str(path), "--steps", str(STEPS)]


@pytest.fixture(scope="session")
def alone(table):
    return worker.main(table)


@pytest.fixture(scope="session")
def two(table):
    return cluster.run([*table, "--strategy", "multiworker"], workers=2)


def same(one, other):
    """Whether two results agree in every bit of what training depends on."""
    return all(one[name] == other[name] for name in EVERYTHING)


def running(mark):
    """Processes with this word on their command line."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        if process.info["status"] != psutil.STATUS_ZOMBIE and mark in (process.info["cmdline"] or []):
            found.append(process)
    return found
