"""A local Vertex AI for learning and tests: the real SDK talks to it on loopback, with no account.

    from mlelab import vertex
    vertex.connect()                     # in a notebook
    from google.cloud import aiplatform  # from here on, as Google's documentation writes it

This is a stand-in, not the cloud: nothing leaves the machine and nothing is billed. What it does not have
answers UNIMPLEMENTED with the method's name; `python -m mlelab.vertex --list` prints what it has.

Only environment variables are set. Where GOOGLE_CLOUD_PROJECT and credentials are present, `connect()` leaves the
real cloud in place and says so. Code that runs after it cannot tell the two apart; `where()` tells the reader.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["connect", "local", "where"]

_lease: socket.socket | None = None


def where() -> str:
    """One sentence: does SDK code in this process talk to the local stand-in, to Google Cloud, or to nothing?"""
    if state := os.environ.get("MLELAB_VERTEX"):
        return f"Local stand-in for Vertex AI (nothing is billed, nothing leaves this machine). State: {state}"
    if project := _real_project():
        return f"Google Cloud, project {project}: what you create there is billed until you delete it."
    return "Nowhere yet: call mlelab.vertex.connect(), or set GOOGLE_CLOUD_PROJECT and sign in to Google Cloud."


def _real_project() -> str | None:
    """The project where both a project and credentials are present, else None."""
    project = os.environ.get("GOOGLE_CLOUD_PROJECT")
    if not project or "MLELAB_VERTEX" in os.environ:
        return None
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    try:
        google.auth.default()
    except DefaultCredentialsError:
        return None
    return project


def connect(state: Path | str | None = None, *, ephemeral: bool = False, offline: bool = False) -> None:
    """Point the SDK at the local stand-in, starting it where none runs; leave a real cloud in place.

    state: directory that keeps what you create, by default the one that MLELAB_VERTEX_STATE names, else
        `~/.local/share/mlelab/vertex`. A server that already uses it is joined.
    ephemeral: keep nothing; a server of its own that ends with this process.
    offline: refuse HTTPS to other hosts instead of passing it on.

    The server ends a few seconds after the last notebook that uses it. Raises RuntimeError where it does not start.
    """
    if _alive() or _real_project():
        print(where())
        return
    folder = Path(state or os.environ.get("MLELAB_VERTEX_STATE") or "~/.local/share/mlelab/vertex").expanduser()
    command = [sys.executable, "-m", "mlelab.vertex", "--json", "--until-released"]
    command += ["--ephemeral"] if ephemeral else ["--state", str(folder)]
    command += ["--offline"] if offline else []
    command += ["--project", os.environ["GOOGLE_CLOUD_PROJECT"]] if os.environ.get("GOOGLE_CLOUD_PROJECT") else []
    with tempfile.TemporaryFile() as errors:
        server = subprocess.Popen(
            command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, stderr=errors, start_new_session=True
        )
        with server.stdout as out:
            line = out.readline()
        if not line:
            server.wait()
            errors.seek(0)
            raise RuntimeError(
                "The local server did not start: " + errors.read().decode(errors="replace")[-2000:].strip()
            )
    info = json.loads(line)
    _set(info["environment"])
    if not _alive():
        raise RuntimeError("The local server ended at once: call connect() again.")
    print(where())


def _alive() -> bool:
    """True where the server that the environment names answers; this process then holds a lease on it."""
    global _lease
    if "MLELAB_VERTEX" not in os.environ:
        return False
    if _lease is None or _lease_ended():
        try:
            _lease = socket.create_connection(
                ("127.0.0.1", int(os.environ["HTTPS_PROXY"].rpartition(":")[2])), timeout=5
            )
            _lease.sendall(b"CONNECT lease.mlelab.invalid:0 HTTP/1.1\r\n\r\n")
            if b"Lease" not in _lease.recv(1024):
                raise OSError("not our server")
        except OSError:
            _lease = None
            del os.environ["MLELAB_VERTEX"]
            return False
    return True


def _set(variables: Mapping[str, str]) -> None:
    """Set environment variables; fsspec, where it is loaded already, must read them again."""
    os.environ.update(variables)
    if config := sys.modules.get("fsspec.config"):
        config.set_conf_env(config.conf_dict)


def _lease_ended() -> bool:
    _lease.setblocking(False)
    try:
        return not _lease.recv(1)
    except BlockingIOError:
        return False
    except OSError:
        return True


@contextlib.contextmanager
def local(state: Path | str | None = None) -> Iterator[object]:
    """A stand-in inside this process, for tests: `with mlelab.vertex.local():`. Yields the running `Cloud`.

    state: directory that outlives the block; None keeps nothing. Hosts other than Google's are refused.
    TensorFlow's own `gs://` access halts the whole process while it waits, this server included: use connect() then.
    """
    from .server import Cloud

    cloud = Cloud(state)
    environment = cloud.environment()
    before = {key: os.environ.get(key) for key in environment}
    _set(environment)
    try:
        yield cloud
    finally:
        for key, value in before.items():
            os.environ.pop(key, None) if value is None else os.environ.__setitem__(key, value)
        cloud.close()
