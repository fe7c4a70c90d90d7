"""A local Vertex AI for learning and tests: the real SDK talks to it on loopback, with no account.

    from mlelab import vertex
    vertex.connect()                     # in a notebook
    from google.cloud import aiplatform  # from here on, as Google's documentation writes it

This is a stand-in, not the cloud: nothing leaves the machine and nothing is billed. What it does not have
answers UNIMPLEMENTED with the method's name; `python -m mlelab.vertex --list` prints what it has.

Only environment variables are set. `connect()` never leads to the real cloud, whatever the environment holds;
`connect(real=True)` does. Code that runs after it cannot tell the two apart; `where()` tells the reader.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from . import environment
from .seed import seed

__all__ = ["connect", "local", "seed", "where"]

_lease: tuple[int, socket.socket] | None = None  # port of the proxy, and the connection that we hold open to it


def where() -> str:
    """One sentence: does SDK code in this process talk to the local stand-in, to Google Cloud, or to nothing?"""
    if state := os.environ.get(environment.MARK):
        if _alive():
            return f"Local stand-in for Vertex AI (nothing is billed, nothing leaves this machine). State: {state}"
        return "Nowhere: the local stand-in has ended. Call mlelab.vertex.connect() again."
    if real := _real():
        return "Google Cloud, project {}, as {}: what you create there is billed until you delete it.".format(*real)
    return "Nowhere yet: call mlelab.vertex.connect()."


def _real() -> tuple[str, str] | None:
    """Project and account of Google Cloud where the environment has both, else None. Our own key is no account."""
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    if environment.is_ours(os.environ.get(environment.ACCOUNT)):
        return None
    try:
        credentials, project = google.auth.default()
    except DefaultCredentialsError:
        return None
    project = os.environ.get("GOOGLE_CLOUD_PROJECT") or project
    account = getattr(credentials, "service_account_email", "") or getattr(credentials, "account", "")
    return (project, account or "the account that is signed in") if project else None


def connect(
    state: Path | str | None = None,
    *,
    ephemeral: bool = False,
    offline: bool = False,
    real: bool = False,
    requests_per_minute: int | None = None,
) -> None:
    """Point the SDK at the local stand-in, starting it where none runs.

    state: directory that keeps what you create, by default the one that MLELAB_VERTEX_STATE names, else
        `~/.local/share/mlelab/vertex`. A server that already uses it is joined.
    ephemeral: keep nothing; a server of its own that ends with this process.
    offline: refuse HTTPS to other hosts instead of passing it on.
    requests_per_minute: quota of generated contents; beyond it the answer is 429. Only of an ephemeral server.
    real: talk to Google Cloud, which bills you, with the project and the account that the environment has. Takes none
        of the other arguments.

    The server ends a few seconds after the last notebook that uses it; then call this again. Raises RuntimeError where
    the server does not start, or where there is no real project; the SDK then reaches nothing.
    """
    if real:
        if state is not None or ephemeral or offline or requests_per_minute is not None:
            raise ValueError("real=True is Google Cloud: it takes no state, ephemeral or offline, and no quota.")
        environment.undo()
        if not _real():
            raise RuntimeError(
                "No Google Cloud: set GOOGLE_CLOUD_PROJECT, and sign in with `gcloud auth application-default login`."
            )
    elif requests_per_minute is not None and (not ephemeral or requests_per_minute < 1):
        raise ValueError("requests_per_minute needs ephemeral=True, a server of your own, and is at least 1.")
    elif not _alive():
        if environment.MARK in os.environ:
            print("The local server that this process used has ended. Connecting again.")
            environment.undo()
        try:
            environment.apply(_start(state, ephemeral, offline, requests_per_minute))
            if not _alive():
                raise RuntimeError("The local server ended at once: call connect() again.")
        except RuntimeError:  # what the environment holds besides must not become the answer
            environment.apply({environment.ACCOUNT: "the local server did not start", "NO_GCE_CHECK": "true"})
            raise
    print(where())


def _start(state: Path | str | None, ephemeral: bool, offline: bool, quota: int | None = None) -> dict[str, str]:
    """Start a server, or find the one that uses `state`. Returns the variables that lead to it."""
    folder = Path(state or os.environ.get("MLELAB_VERTEX_STATE") or "~/.local/share/mlelab/vertex").expanduser()
    command = [sys.executable, "-m", "mlelab.vertex", "--json", "--until-released"]
    command += ["--ephemeral"] if ephemeral else ["--state", str(folder)]
    command += ["--offline"] if offline else []
    command += ["--requests-per-minute", str(quota)] if quota else []
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
    return json.loads(line)["environment"]


def _alive() -> bool:
    """True where the server that the environment names answers; this process then holds a lease on it."""
    global _lease
    port = os.environ.get("HTTPS_PROXY", "").rpartition(":")[2]
    if environment.MARK not in os.environ or not port.isdecimal():
        return False
    if _lease is None or _lease[0] != int(port) or _ended(_lease[1]):
        _lease = None
        try:
            connection = socket.create_connection(("127.0.0.1", int(port)), timeout=5)
            connection.sendall(b"CONNECT lease.mlelab.invalid:0 HTTP/1.1\r\n\r\n")
            if b"Lease" not in connection.recv(1024):
                return False
        except OSError:
            return False
        _lease = int(port), connection
    return True


def _ended(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return not connection.recv(1)
    except BlockingIOError:
        return False
    except OSError:
        return True


@contextlib.contextmanager
def local(
    state: Path | str | None = None,
    *,
    generator: Callable[[], object] = lambda: None,
    requests_per_minute: int | None = None,
) -> Iterator[object]:
    """A stand-in inside this process, for tests: `with mlelab.vertex.local():`. Yields the running `Cloud`.

    state: directory that outlives the block; None keeps nothing. Hosts other than Google's are refused.
    generator, requests_per_minute: as of `server.Cloud`.
    TensorFlow's own `gs://` access halts the whole process while it waits, this server included: use connect() then.
    """
    from .server import Cloud

    cloud = Cloud(state, generator=generator, requests_per_minute=requests_per_minute)
    before = {name: os.environ.get(name) for name in (*environment.NAMES, environment.BEFORE)}
    environment.apply(cloud.environment())
    try:
        yield cloud
    finally:
        environment.undo()
        for name, value in before.items():  # a server that was there before
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
        environment.tell_fsspec()
        cloud.close()
