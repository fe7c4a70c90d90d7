"""Servers as child processes on loopback: `with process.serve(folder) as server: ... server.url`.

Each runs under a guard that holds the other end of a pipe: when the parent is gone, a killed kernel included, the
guard ends the server and all that it started. Nothing is left on a port.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from mlelab import loopback
from mlelab.vertex.compute.processes import GUARD, free_port

# One thread each: servers, load generator and kernel share the machine.
QUIET = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


class NotStarted(RuntimeError):
    """Why a server did not come up, in one sentence with the end of its log."""


class Server:
    """A running server: `url`, `pid` of its guard, `close()`. Closes itself at the end of a `with` block."""

    def __init__(self, command: Sequence[str], url: str, ready: str, deadline: float = 60, **environment: str):
        """Start `command` and wait until `url + ready` answers 200. Raises NotStarted after `deadline` seconds."""
        loopback.reach_directly()
        self.url = url
        self._log = tempfile.TemporaryFile()  # noqa: SIM115, it lives as long as the server
        self._guard = subprocess.Popen([sys.executable, str(GUARD), "0", "0", *command], stdin=subprocess.PIPE,
                                       stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True,
                                       env={**os.environ, **QUIET, **environment})
        self.pid = self._guard.pid
        ends = time.monotonic() + deadline
        while not self._answers(url + ready):
            ended, late = self._guard.poll() is not None, time.monotonic() > ends
            if ended or late:
                self.close()
                why = "ended at once" if ended else f"did not answer within {deadline:.0f} s"
                raise NotStarted(f"{Path(command[0]).name} {' '.join(command[1:4])} {why}: {self.log()[-600:].strip()}")
            time.sleep(0.05)

    @staticmethod
    def _answers(address: str) -> bool:
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def log(self) -> str:
        """All that it printed."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def drain(self, deadline: float = 30) -> None:
        """Ask it to stop (SIGTERM): it takes no new request, answers those it has begun, and ends.

        It is killed after `deadline` seconds. On Windows, which has no SIGTERM, it is killed at once.
        """
        self._guard.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._guard.wait(deadline)
        self.close()

    def close(self) -> None:
        """End it and all that it started; a second call does nothing."""
        if not self._guard.stdin.closed:
            self._guard.stdin.close()
        self._guard.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def serve(folder: Path | str, *, log: Path | None = None, traces: Path | None = None, deadline: float = 60) -> Server:
    """The alert service on a bundle. log, traces: files that get a line for each prediction, and for each span."""
    port = free_port()
    command = [sys.executable, "-m", "mlelab.serving", str(folder), "--port", str(port)]
    for option, path in {"--log": log, "--traces": traces}.items():
        command += [option, str(path)] if path else []
    return Server(command, f"http://127.0.0.1:{port}", "/readyz", deadline)


def roll(replicas: list[Server], start: Callable[[], Server], notice: float = 0.2) -> None:
    """A rolling change: each server of the list is replaced, one after the other, without a gap.

    start: starts a new one and returns when it is ready. Only then the old one leaves the list. notice: seconds until
    everybody who has read the list before has sent the request; then the old server is drained.
    """
    for place, old in enumerate(list(replicas)):
        replicas[place] = start()
        time.sleep(notice)
        old.drain()


def serve_mlserver(folder: Path | str, deadline: float = 90) -> Server:
    """The same bundle in MLServer: `POST /v2/models/alert/infer`, the Open Inference Protocol.

    Where there is no MLServer, as under Python 3.13, a small server of ours speaks the protocol.
    """
    module = "runtime" if find_spec("mlserver") else "inference"
    ports = {f"MLSERVER_{name}_PORT": str(free_port()) for name in ("HTTP", "GRPC", "METRICS")}
    settings = {"MLSERVER_HOST": "127.0.0.1", "MLSERVER_PARALLEL_WORKERS": "0", "MLSERVER_DEBUG": "false",
                "MLSERVER_METRICS_ENDPOINT": "", "MLSERVER_MODEL_NAME": "alert", "MLSERVER_MODEL_URI": str(folder),
                "MLSERVER_MODEL_IMPLEMENTATION": "mlelab.serving.runtime.BundleRuntime"}
    command = [sys.executable, "-m", f"mlelab.serving.{module}"]
    return Server(command, f"http://127.0.0.1:{ports['MLSERVER_HTTP_PORT']}", "/v2/models/alert/ready", deadline,
                  **ports, **settings)
