"""Processes that the server starts for users' code: own folder, own group, scrubbed environment, limits."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pooch

GUARD = Path(__file__).with_name("guard.py")
SHIMS = Path(__file__).with_name("shims")
MEMORY = 8 * 2**30
# All that a child inherits. Secrets in the server's environment stay there.
INHERITED = (
    "PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "OMP_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES", "TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS", "PYTHONWARNINGS", "XLA_FLAGS",
    "LD_LIBRARY_PATH", "MLELAB_DATA_URL", "MLELAB_VERTEX_PINS"
)  # fmt: skip


def free_port() -> int:
    """A loopback port that nobody uses at this moment."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Child:
    """One command under guard."""

    def __init__(self, popen: subprocess.Popen[bytes], log: Path) -> None:
        self._popen, self.log = popen, log

    def poll(self) -> int | None:
        """Exit status, or None while it runs."""
        return self._popen.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Exit status; raises subprocess.TimeoutExpired."""
        return self._popen.wait(timeout)

    def kill(self) -> None:
        """End the command and everything it started."""
        if self._popen.stdin and not self._popen.stdin.closed:
            self._popen.stdin.close()
        try:
            self._popen.wait(5)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait(5)

    def tail(self, size: int = 2000) -> str:
        """The end of what it wrote."""
        data = self.log.read_bytes() if self.log.exists() else b""
        return data[-size:].decode("utf-8", "replace")


class Processes:
    """All processes of one server. Work folders live under `folder`."""

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        self.folder = folder
        self._bin = folder / "bin"
        self._bin.mkdir()
        for name in ("pip", "pip3"):
            script = self._bin / name
            script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pip "$@"\n')
            script.chmod(0o700)
        self._children: list[Child] = []
        self._lock = threading.Lock()
        self._count = 0

    def new_folder(self) -> Path:
        """A fresh empty folder."""
        with self._lock:
            self._count += 1
            path = self.folder / f"{self._count:06d}"
        path.mkdir()
        return path

    def start_job(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], paths: Sequence[Path] = ()
    ) -> Child:
        """As `start`, for training and pipeline steps: `pip` unpacks into the job's own site folder.

        paths: folders that go on PYTHONPATH before it.
        """
        site = folder / "site"
        python_path = [*map(str, paths), environment.get("PYTHONPATH", ""), str(site), str(SHIMS)]
        path = [str(self._bin), os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]
        return self.start(
            command,
            folder,
            {
                **environment,
                "MLELAB_SITE": str(site),
                "PYTHONPATH": os.pathsep.join(filter(None, python_path)),
                "PATH": os.pathsep.join(path),
            },
        )

    def start(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        *,
        seconds: float = 0,
        memory: int = MEMORY,
        name: str = "log",
    ) -> Child:
        """Run `command` in `folder`, with `environment` on top of the few variables that are inherited.

        seconds, memory (bytes): limits; 0 is none. Output goes to `folder`/`name`.txt.
        """
        env = {key: os.environ[key] for key in INHERITED if key in os.environ}
        env |= {
            "HOME": str(folder),
            # the course's tables, which are below the other HOME where nothing else was said
            "MLELAB_DATA_DIR": os.environ.get("MLELAB_DATA_DIR") or str(pooch.os_cache("mlelab")),
            "PYTHONUNBUFFERED": "1",
            "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]),
            **environment,
        }
        log = folder / f"{name}.txt"
        with open(log, "wb") as out:
            popen = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), str(seconds), str(memory), *command],
                cwd=folder,
                env=env,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child = Child(popen, log)
        with self._lock:
            self._children = [c for c in self._children if c.poll() is None] + [child]
        return child

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            children, self._children = self._children, []
        for child in children:
            child.kill()
