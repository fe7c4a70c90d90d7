"""Real processes on this machine that train together: `cluster.run(["--strategy", "multiworker"], workers=2)`.

Each replica is a process of its own with TF_CONFIG, as on Vertex AI: the first is the chief, then workers, then
parameter servers. Each runs under a guard that ends it, and whatever it started, at the deadline or when the process
that called `run` is gone, however it went. On Windows a replica is ended alone; it starts no other processes.
"""

import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from mlelab.training import worker

GUARD = Path(__file__).parents[1] / "vertex" / "compute" / "guard.py"
WORKER = Path(worker.__file__)
# One thread each and no GPU, so that processes do not fight; nothing on loopback goes through a proxy.
QUIET = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "2",
         "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2", "TF_ENABLE_ONEDNN_OPTS": "0",
         "KERAS_BACKEND": "tensorflow", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
DIED = 128 + 9  # how the guard reports SIGKILL


class Failed(Exception):
    """A run that did not end well, in one sentence."""


@dataclass(frozen=True)
class Replica:
    """task: `chief-0`, `worker-0`, ...; log: all it printed; result: its JSON, None where it leaves none."""

    task: str
    returncode: int
    log: str
    result: dict | None


def run(arguments, workers=2, ps=0, deadline=120, kill=None):
    """Run `worker.py` with `arguments` as a cluster and return its replicas, the chief first.

    workers: processes that compute gradients. With `ps` parameter servers there is a chief on top, which computes none.
    deadline: seconds until all must be done.
    kill: (replica, step): that replica dies after that step, as a machine that is taken away.
    Raises Failed if a replica fails or time runs out; whatever happens, no process stays behind.
    """
    roles = [("chief", 0)] + [("worker", i) for i in range(workers if ps else workers - 1)] + [
        ("ps", i) for i in range(ps)]
    names = [f"{kind}-{index}" for kind, index in roles]
    hosts = {}
    for (kind, _), port in zip(roles, _free_ports(len(roles))):
        hosts.setdefault(kind, []).append(f"127.0.0.1:{port}")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        logs = [folder / f"{name}.txt" for name in names]
        processes = []
        try:
            for number, ((kind, index), name, log) in enumerate(zip(roles, names, logs)):
                config = {"cluster": hosts, "task": {"type": kind, "index": index}}
                command = [sys.executable, GUARD, deadline + 10, 0, sys.executable, "-u", WORKER, *arguments,
                           "--result", folder / f"{name}.json"]
                if kill and kill[0] == number:
                    command += ["--die-at", kill[1]]
                with open(log, "wb") as out:
                    processes.append(subprocess.Popen(
                        list(map(str, command)), stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT,
                        start_new_session=True, env=os.environ | QUIET | {"TF_CONFIG": json.dumps(config)}))
            _wait(processes, names, logs, deadline, kill)
        finally:
            for process in processes:
                process.stdin.close()  # the guard's sign to end its replica
            for process in processes:
                process.wait()
        return [Replica(name, process.returncode, _text(log), _result(folder / f"{name}.json"))
                for name, process, log in zip(names, processes, logs)]


def _wait(processes, names, logs, deadline, kill):
    """Return when all are done; raise Failed when one fails."""
    end = time.monotonic() + deadline
    while True:
        codes = [process.poll() for process in processes]
        if kill and codes[kill[0]] == DIED:
            raise Failed(f"{names[kill[0]]} was killed after step {kill[1]}, so the others could not go on.")
        for name, code, log in zip(names, codes, logs):
            if code:
                lines = _text(log).strip().splitlines() or ["no word"]
                raise Failed(f"{name} ended with status {code}; its last line: {lines[-1]}")
        if None not in codes:
            return
        if time.monotonic() > end:
            late = ", ".join(name for name, code in zip(names, codes) if code is None)
            raise Failed(f"Not done after {deadline} seconds: {late}.")
        time.sleep(0.02)


def _free_ports(count):
    """Ports on loopback that nobody listens on, below those that systems hand out to outgoing connections.

    TensorFlow binds its port only after seconds of importing; a port from up there could be gone by then.
    """
    free = []
    while len(free) < count:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe:
            if port not in free and probe.connect_ex(("127.0.0.1", port)):
                free.append(port)
    return free


def _text(path):
    return path.read_text(encoding="utf-8", errors="replace")


def _result(path):
    return json.loads(path.read_text()) if path.exists() else None
