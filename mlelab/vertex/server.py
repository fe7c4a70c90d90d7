"""One local cloud: the store, the front ends, the proxy, and the environment that points an SDK at them."""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
import pkgutil
import shutil
import sqlite3
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError, Message

from . import services
from .compute.generator import Generation, Generator
from .compute.jobs import Jobs
from .compute.processes import Processes
from .compute.scheduler import Clock, Scheduler
from .compute.serving import Serving
from .data.bigquery import BigQuery
from .data.blobs import Blobs
from .data.feature_values import FeatureValues
from .data.objects_api import PATHS, ObjectsApi
from .resources.dispatch import dispatch
from .resources.names import project_number
from .resources.registry import STARTS, TICKS
from .resources.store import Store
from .wire.catalog import Method
from .wire.grpc_front import GrpcServer
from .wire.http_front import HttpServer
from .wire.identity import Identity
from .wire.proxy import Proxy
from .wire.tls import make_keys

PROJECT = "local-project"
STAND_IN = (
    "This is a local stand-in for Vertex AI, for learning and tests: nothing leaves this machine and nothing is billed."
)

for service in pkgutil.iter_modules(services.__path__):  # each registers what it does
    importlib.import_module(f"{services.__name__}.{service.name}")


class StateInUse(RuntimeError):
    """Another server holds the state directory. `info` is what that server wrote about itself."""

    def __init__(self, state: Path, info: dict[str, Any]) -> None:
        super().__init__(f"Another local server uses {state}: stop it, or choose another state directory.")
        self.info = info


class StateUnusable(RuntimeError):
    """The state directory is damaged or read-only."""


def _make_private(state: Path) -> None:
    """Make the state directory. What lies in it is its owner's alone, also where the directory was there before."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    for folder in ("storage", "work", "logs", "keys"):
        (state / folder).mkdir(exist_ok=True)
        (state / folder).chmod(0o700)
    for file in ("lock.db", "resources.db", "feature_values.db"):
        (state / file).touch()
        (state / file).chmod(0o600)


def _read_info(state: Path) -> dict[str, Any]:
    """What the server of `state` wrote about itself; it may be about to."""
    for _ in range(50):
        if (state / "server.json").exists():
            return json.loads((state / "server.json").read_text())
        time.sleep(0.1)
    return {}


class Cloud:
    """A running local server. `close()` ends it and every process that it started.

    state: directory that outlives the server; None keeps everything in a temporary directory that does not.
    offline: refuse tunnels to hosts other than Google's instead of passing them on.
    limits: hold to the cloud's documented limits (the size of a prediction request).
    generator: gives the language model that answers in place of Gemini, or None; called when one is first needed.
    requests_per_minute: quota of generated contents by project and model; None has no end.
    """

    def __init__(
        self,
        state: Path | str | None = None,
        *,
        port: int = 0,
        offline: bool = True,
        project: str = PROJECT,
        upstream: str | None = None,
        limits: bool = True,
        generator: Callable[[], Generator | None] = lambda: None,
        requests_per_minute: int | None = None,
    ) -> None:
        self.project, self.limits = project, limits
        self.generation = Generation(generator, requests_per_minute)
        with contextlib.ExitStack() as stack:  # what has been started before a failure is stopped
            try:
                self._start(stack, state, port, offline, upstream)
            except (sqlite3.Error, DecodeError) as error:
                raise StateUnusable(
                    f"The state directory {self.state} cannot be used: {error}. Move it away, or choose another."
                ) from error
            self._running = stack.pop_all()

    def _start(
        self, stack: contextlib.ExitStack, state: Path | str | None, port: int, offline: bool, upstream: str | None
    ) -> None:
        """Start everything, each thing with its end on the stack."""
        self.ephemeral = state is None
        if state is None:
            state = tempfile.mkdtemp(prefix="mlelab-vertex-")
            stack.callback(shutil.rmtree, state, ignore_errors=True)
        self.state = Path(state).absolute()
        _make_private(self.state)
        lock = stack.enter_context(
            contextlib.closing(
                sqlite3.connect(self.state / "lock.db", timeout=0, isolation_level=None, check_same_thread=False)
            )
        )
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            raise StateInUse(self.state, _read_info(self.state)) from None
        (self.state / "server.json").unlink(missing_ok=True)
        stack.callback((self.state / "server.json").unlink, missing_ok=True)

        def ends(part: Any) -> Any:
            stack.callback(part.close)
            return part

        self.feature_values = ends(FeatureValues(self.state / "feature_values.db"))
        self.storage = ends(Blobs(self.state / "storage", project_number(self.project)))
        self.store = ends(Store(self.state / "resources.db"))
        self._objects_api, self._bigquery = ObjectsApi(self.storage), BigQuery(self.storage)
        self.processes = ends(Processes(self.state / "work"))
        self.serving = ends(Serving(self))
        self.jobs = ends(Jobs(self.store))
        self.clock = Clock()
        http = ends(HttpServer(self))
        self.http_port = http.port
        self.keys = make_keys(self.state / "keys", self.project, f"http://127.0.0.1:{http.port}/token")
        self.identity = Identity(self.keys)
        self.https_port = ends(HttpServer(self, self.keys.certificate, self.keys.key)).port
        grpc = ends(GrpcServer(self, self.keys.key.read_bytes(), self.keys.certificate.read_bytes()))
        self.proxy = ends(Proxy(grpc.port, self.https_port, port=port, offline=offline, upstream=upstream))
        for begin in STARTS:
            begin(self)
        ends(Scheduler(self.clock, [functools.partial(tick, self) for tick in TICKS]))
        info = {"pid": os.getpid(), "port": self.proxy.port, "environment": self.environment()}
        (self.state / "server.new").write_text(json.dumps(info))
        (self.state / "server.new").replace(self.state / "server.json")

    def dispatch(self, method: Method, request: Message, headers: dict[str, str]) -> Message | Iterator[Message]:
        """Answer one request of the catalogue."""
        return dispatch(self, method, request, headers)

    def other_api(self, host: str, path: str) -> Callable[[Any, urllib.parse.SplitResult], None] | None:
        """Storage and BigQuery, which have JSON APIs of their own."""
        if host.startswith("storage.") or PATHS.match(path):
            return self._objects_api.handle
        return self._bigquery.handle if host.startswith("bigquery.") else None

    def environment(self) -> dict[str, str]:
        """Variables that point the SDK here, and nothing but variables."""
        proxy = f"http://127.0.0.1:{self.proxy.port}"
        bundle = str(self.keys.bundle)
        return {
            "GOOGLE_CLOUD_PROJECT": self.project,
            "GOOGLE_APPLICATION_CREDENTIALS": str(self.keys.account),
            "HTTPS_PROXY": proxy,
            "https_proxy": proxy,
            "grpc_proxy": proxy,  # gRPC looks here first
            "NO_PROXY": "localhost,127.0.0.1",
            "no_proxy": "localhost,127.0.0.1",
            "no_grpc_proxy": "localhost,127.0.0.1",
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(self.keys.authority),
            "REQUESTS_CA_BUNDLE": str(self.keys.authorities),
            "CURL_CA_BUNDLE": bundle,
            "SSL_CERT_FILE": bundle,
            "NO_GCE_CHECK": "true",
            "GOOGLE_API_USE_CLIENT_CERTIFICATE": "false",
            "FSSPEC_GCS": json.dumps({"endpoint_url": f"http://127.0.0.1:{self.http_port}"}),
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
            "MLELAB_VERTEX": "gone when it ends" if self.ephemeral else self.state.as_posix(),
        }

    def close(self) -> None:
        """Stop listening, end the processes, and give the state directory back."""
        self._running.close()
