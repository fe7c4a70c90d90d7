"""One local cloud: the store, the front ends, the proxy, and the environment that points an SDK at them."""

from __future__ import annotations

import importlib
import json
import logging
import os
import pkgutil
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

from . import services
from .bigquery import BigQuery
from .core import BEHAVIOURS, abandon_operations, project_number
from .feature_values import FeatureValues
from .grpc_front import serve_grpc
from .http_front import serve_http
from .identity import Identity
from .jobs import Jobs, fail_interrupted
from .processes import Processes
from .proxy import Proxy
from .scheduler import Clock, Scheduler
from .serving import Serving
from .storage import Storage
from .store import Store
from .tls import make_keys

log = logging.getLogger("mlelab.vertex")

PROJECT = "local-project"
STAND_IN = (
    "This is a local stand-in for Vertex AI, for learning and tests: nothing leaves this machine and nothing is billed."
)

SERVICES = [
    importlib.import_module(f"{services.__name__}.{info.name}") for info in pkgutil.iter_modules(services.__path__)
]


class StateInUse(RuntimeError):
    """Another server holds the state directory. `info` is what that server wrote about itself."""

    def __init__(self, state: Path, info: dict[str, Any]) -> None:
        super().__init__(f"Another local server uses {state}: stop it, or choose another state directory.")
        self.info = info


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
    """

    def __init__(
        self,
        state: Path | str | None = None,
        *,
        port: int = 0,
        offline: bool = True,
        project: str = PROJECT,
        upstream: str | None = None,
    ) -> None:
        self.project = project
        self._temporary = Path(tempfile.mkdtemp(prefix="mlelab-vertex-")) if state is None else None
        self.state = Path(self._temporary or state).absolute()
        self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = sqlite3.connect(self.state / "lock.db", timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            self._lock.close()
            raise StateInUse(self.state, _read_info(self.state)) from None
        (self.state / "server.json").unlink(missing_ok=True)
        self.store = Store(self.state / "resources.db")
        self._http, self.http_port = serve_http(self)
        self.keys = make_keys(self.state / "keys", project, f"http://127.0.0.1:{self.http_port}/token")
        self.identity = Identity(self.keys)
        self.storage = Storage(self.state / "storage", project_number(project))
        self.bigquery = BigQuery(self)
        self.feature_values = FeatureValues(self.state / "feature_values.db")
        self.processes = Processes(self.state / "work")
        self.serving = Serving(self)
        self.jobs = Jobs(self)
        self.clock = Clock()
        self.scheduler = Scheduler(self)
        self._https, https_port = serve_http(self, self.keys.certificate, self.keys.key)
        self._grpc, grpc_port = serve_grpc(self, self.keys.key.read_bytes(), self.keys.certificate.read_bytes())
        self.proxy = Proxy(grpc_port, https_port, port=port, offline=offline, upstream=upstream)
        abandon_operations(self)
        fail_interrupted(self)
        for service in SERVICES:
            if hasattr(service, "resume"):
                service.resume(self)
        self.scheduler.start()
        info = {"pid": os.getpid(), "port": self.proxy.port, "environment": self.environment()}
        (self.state / "server.new").write_text(json.dumps(info))
        (self.state / "server.new").replace(self.state / "server.json")

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
            "MLELAB_VERTEX": "gone when it ends" if self._temporary else self.state.as_posix(),
        }

    def close(self) -> None:
        """Stop listening, end the processes, and give the state directory back."""
        self.proxy.close()
        self._grpc.stop(0).wait(5)
        for server in (self._http, self._https):
            server.shutdown()
            server.server_close()
        self.scheduler.close()
        self.jobs.close()
        self.serving.close()
        self.processes.close()
        self.store.close()
        self.storage.close()
        self.feature_values.close()
        (self.state / "server.json").unlink(missing_ok=True)
        self._lock.close()
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)


def implemented() -> dict[str, list[str]]:
    """Service → the methods of it that the local server has."""
    table: dict[str, list[str]] = {}
    for name in sorted(BEHAVIOURS):
        service, method = name.split(".")
        table.setdefault(service, []).append(method)
    return table
