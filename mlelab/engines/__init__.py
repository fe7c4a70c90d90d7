"""Engines that live in an environment of their own, below _build/: where each is, and what a dated run of it found."""

import datetime
import json
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import mlelab
from mlelab.vertex.compute.processes import GUARD

ROOT = Path(mlelab.__file__).resolve().parents[1]
# One thread each, and loopback through no proxy.
QUIET = {"OMP_NUM_THREADS": "1", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "PYTHONWARNINGS": "ignore"}


class Missing(RuntimeError):
    """What is not installed here, and what installs it, in one sentence."""


def python(name: str, maker: str = "") -> Path:
    """The interpreter of the environment `_build/NAME`; raises Missing before `make NAME`, or `maker`, has made it."""
    found = ROOT / "_build" / name / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not found.exists():
        raise Missing(f"{name} is not installed here: `make {maker or name}` makes an environment for it.")
    return found


def environment() -> dict[str, str]:
    """For the child processes of an engine."""
    return {**os.environ, **QUIET}


def start(*command, out=subprocess.PIPE, **variables: str) -> subprocess.Popen:
    """A process that ends with this one, however this one ends. out: where it prints, a pipe or an open file."""
    return subprocess.Popen(list(map(str, (sys.executable, GUARD, 0, 0, *command))), stdin=subprocess.PIPE, stdout=out,
                            stderr=subprocess.STDOUT, start_new_session=True, text=True, env=environment() | variables)


def lines(process: subprocess.Popen, limit: float) -> Iterator[str]:
    """What `start` started prints, line by line, until it ends; after `limit` seconds it is killed."""
    too_long = threading.Timer(limit, process.stdin.close)
    too_long.start()
    try:
        yield from process.stdout
        process.wait(10)
    finally:
        too_long.cancel()
        end(process)


def end(process: subprocess.Popen) -> str:
    """Kill what `start` started and all its children, if they still run; returns what a pipe still holds."""
    process.stdin.close()
    process.wait(10)
    if not process.stdout:
        return ""
    with process.stdout:
        return process.stdout.read()


def record(path: Path, machine: str, **found) -> None:
    """Write a run as JSON, with its day and machine; `measured` reads what was committed."""
    about = {"date": str(datetime.date.today()), "machine": machine or platform.machine()}
    path.write_text(json.dumps(about | found, indent=1) + "\n", encoding="utf-8")


def measured(name: str) -> dict:
    """The dated run of an engine that the course's authors committed."""
    return json.loads((files(__name__) / "measured" / f"{name}.json").read_text(encoding="utf-8"))
