"""Deployed models as processes: start, health, least busy replica, growth, crash."""

from __future__ import annotations

import re
import secrets
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import urllib3

from ..wire.errors import CloudError, invalid, precondition
from .machine import Machine
from .processes import Child, free_port

MODEL_SERVER = Path(__file__).with_name("model_server.py")
START_SECONDS = 300.0  # importing TensorFlow alone may take a minute on a cold disk
PREDICT_SECONDS = 60.0
IDLE_SECONDS = 60.0  # a replica beyond the minimum ends when it had nothing to do for so long
BUSY = 2  # requests in flight per replica above which another one is started
# Prebuilt containers: .../vertex-ai/prediction/sklearn-cpu.1-6:latest
PREBUILT = re.compile(
    r"(?:[\w.-]+/)?(?:vertex-ai(?:-restricted)?|cloud-aiplatform)/prediction/(sklearn|xgboost|tf2?)-\w+\."
)


def framework_of(image: str) -> str | None:
    """`sklearn`, `xgboost` or `tf` for the image of a prebuilt prediction container, else None."""
    match = PREBUILT.search(image)
    return match.group(1).rstrip("2") if match else None


class Replica:
    """One process that serves one model."""

    def __init__(self, machine: Machine, model: Any, names: dict[str, str]) -> None:
        spec = model.container_spec
        folder = machine.processes.new_folder()
        artifact = folder / "artifact"
        artifact.mkdir()
        if model.artifact_uri:
            machine.storage.download(model.artifact_uri, artifact)
        port, key = free_port(), secrets.token_urlsafe(32)
        self.health_route = spec.health_route or "/health"
        self.predict_route = spec.predict_route or "/predict"
        environment = {
            "AIP_HTTP_PORT": str(port),
            "AIP_HEALTH_ROUTE": self.health_route,
            "AIP_PREDICT_ROUTE": self.predict_route,
            "AIP_STORAGE_URI": model.artifact_uri,
            "AIP_MODE": "PREDICTION",
            "AIP_MODE_VERSION": "1.0.0",
            "AIP_ACCELERATOR_TYPE": "cpu",
            "AIP_MACHINE_TYPE": "local",
            "AIP_VERSION_NAME": model.version_id,
            **names,
        }
        framework = framework_of(spec.image_uri)
        if spec.command or not framework:
            if not spec.command:
                raise precondition(
                    f"This local stand-in cannot run the image {spec.image_uri!r}: give the model a "
                    "serving_container_command, which then runs as a process on this machine."
                )
            environment |= machine.environment() | {variable.name: variable.value for variable in spec.env}
            command = [
                re.sub(r"\$\((\w+)\)", lambda m: environment.get(m.group(1), m.group()), part)
                for part in (*spec.command, *spec.args)
            ]
            environment["PYTHONPATH"] = str(artifact)
        else:
            environment |= {variable.name: variable.value for variable in spec.env}
            environment["MLELAB_REPLICA_KEY"] = key
            command = [sys.executable, "-P", str(MODEL_SERVER), framework, str(artifact)]
        environment.setdefault("OMP_NUM_THREADS", "1")
        self.in_flight = 0
        self.last_used = time.monotonic()
        self.child: Child = machine.processes.start(command, artifact, environment, name="model_server_log")
        self._pool = urllib3.HTTPConnectionPool(
            "127.0.0.1", port, maxsize=32, retries=False, headers={"X-Replica-Key": key}
        )

    def alive(self) -> bool:
        """False once the process has ended."""
        return self.child.poll() is None

    def wait_healthy(self) -> None:
        """Return when the health route answers 200. Raises FAILED_PRECONDITION when the process ends instead."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not self.alive():
                raise precondition("Model server exited unexpectedly. Model server logs: " + self.child.tail())
            try:
                if self._pool.request("GET", self.health_route, timeout=5).status == 200:
                    return
            except urllib3.exceptions.HTTPError:
                time.sleep(0.02)
        self.child.kill()
        raise precondition(
            f"Model server did not answer {self.health_route} within {START_SECONDS:.0f} s. "
            "Model server logs: " + self.child.tail()
        )

    def post(self, body: bytes, content_type: str) -> tuple[int, bytes, str]:
        """Send a body to the predict route. Returns status, body and content type."""
        try:
            answer = self._pool.request(
                "POST",
                self.predict_route,
                body=body,
                timeout=PREDICT_SECONDS,
                headers={**self._pool.headers, "Content-Type": content_type or "application/json"},
            )
        except (urllib3.exceptions.ReadTimeoutError, TimeoutError):
            raise CloudError("DEADLINE_EXCEEDED", f"The model did not answer within {PREDICT_SECONDS:.0f} s.") from None
        except urllib3.exceptions.HTTPError:
            raise CloudError(
                "UNAVAILABLE",
                f"Model server connection error: the model's process {'hung up' if self.alive() else 'ended'}. "
                "Model server logs: " + self.child.tail(500),
            ) from None
        return answer.status, answer.data, answer.headers.get("Content-Type", "application/json")


class Deployment:
    """The replicas of one deployed model, between `low` and `high` of them."""

    def __init__(self, machine: Machine, model: Any, names: dict[str, str], low: int, high: int) -> None:
        self._make = lambda: Replica(machine, model, names)
        self.low, self.high = max(low, 1), max(high, low, 1)
        self.replicas: list[Replica] = []
        self._lock = threading.Lock()
        self._starting = 0
        self._closed = False

    def start(self) -> None:
        """Bring up the minimum and wait until all of it is healthy."""
        fresh = [self._make() for _ in range(self.low)]
        with self._lock:
            self.replicas += fresh
        try:
            for replica in fresh:
                replica.wait_healthy()
        except CloudError:
            self.close()
            raise

    def post(self, body: bytes, content_type: str = "application/json") -> tuple[int, bytes, str]:
        """Send a body to the least busy replica. UNAVAILABLE while a crashed model restarts."""
        with self._lock:
            dead = [replica for replica in self.replicas if not replica.alive()]
            self.replicas = [replica for replica in self.replicas if replica not in dead]
            if not self.replicas or min(r.in_flight for r in self.replicas) >= BUSY:
                self._grow()
            if not self.replicas:
                logs = dead[0].child.tail(500) if dead else ""
                raise CloudError("UNAVAILABLE", f"The model's process ended and is being restarted. {logs}".strip())
            replica = min(self.replicas, key=lambda r: r.in_flight)
            replica.in_flight += 1
            replica.last_used = time.monotonic()
            self._shrink()
        try:
            return replica.post(body, content_type)
        finally:
            with self._lock:
                replica.in_flight -= 1

    def _grow(self) -> None:
        """Start one more replica in the background, unless one is under way or the maximum is reached."""
        if self._starting or len(self.replicas) >= self.high or self._closed:
            return
        self._starting += 1

        def work() -> None:
            replica = None
            try:
                replica = self._make()
                replica.wait_healthy()
            except CloudError:
                replica = None  # the next request tries again, and answers UNAVAILABLE until one succeeds
            finally:
                with self._lock:
                    self._starting -= 1
                    if replica and not self._closed:
                        self.replicas.append(replica)
                    elif replica:
                        replica.child.kill()

        threading.Thread(target=work, daemon=True).start()

    def _shrink(self) -> None:
        idle = [r for r in self.replicas if not r.in_flight and time.monotonic() - r.last_used > IDLE_SECONDS]
        for replica in idle[: max(len(self.replicas) - self.low, 0)]:
            self.replicas.remove(replica)
            threading.Thread(target=replica.child.kill, daemon=True).start()

    def close(self) -> None:
        """End all replicas."""
        with self._lock:
            self._closed = True
            replicas, self.replicas = self.replicas, []
        for replica in replicas:
            replica.child.kill()


class Serving:
    """All deployments of one server, by endpoint and deployed model."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._deployments: dict[tuple[str, str], Deployment] = {}
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._lock = threading.Lock()

    def deployment(self, endpoint: str, deployed: Any, find_model: Callable[[str], Any]) -> Deployment:
        """The deployment of a deployed model, started first where this server has not done so yet.

        find_model: gives the model of a name with its version.
        """
        key = (endpoint, deployed.id)
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._deployments:
                model = find_model(f"{deployed.model}@{deployed.model_version_id}")
                resources = (
                    deployed.dedicated_resources
                    if deployed.HasField("dedicated_resources")
                    else deployed.automatic_resources
                )
                names = {
                    "AIP_ENDPOINT_ID": endpoint.rsplit("/", 1)[1],
                    "AIP_DEPLOYED_MODEL_ID": deployed.id,
                    "AIP_PROJECT_NUMBER": endpoint.split("/")[1],
                }
                made = Deployment(self._machine, model, names, resources.min_replica_count, resources.max_replica_count)
                made.start()
                self._deployments[key] = made
            return self._deployments[key]

    def remove(self, endpoint: str, deployed_id: str) -> None:
        """End one deployment."""
        made = self._deployments.pop((endpoint, deployed_id), None)
        if made:
            made.close()

    def close(self) -> None:
        """End all deployments."""
        for key in list(self._deployments):
            self.remove(*key)


def refusal(status: int, body: bytes) -> CloudError:
    """What the cloud answers when the model's container answered `status`."""
    text = body[:2000].decode("utf-8", "replace")
    if 400 <= status < 500:
        return invalid(text)
    return CloudError("INTERNAL", text)
