"""The worker pools of a custom job, as local processes."""

from __future__ import annotations

import json
import re
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf import json_format

from ..data.gcs_folder import GcsFolder
from ..wire.errors import CloudError, invalid, precondition
from .jobs import Cancelled
from .machine import Machine
from .processes import Child, free_port
from .shims.pip import unpack

MAX_REPLICAS = 16
POOLS = ("chief", "worker", "ps", "evaluator")  # worker pool 0, 1, 2, 3 as TF_CONFIG calls them


def check_pools(pools: Any) -> None:
    """INVALID_ARGUMENT for worker pools that cannot run here."""
    if not pools:
        raise invalid("worker_pool_specs needs at least one worker pool.")
    if len(pools) > len(POOLS):
        raise invalid(f"worker_pool_specs has at most {len(POOLS)} worker pools.")
    if sum(pool.replica_count for pool in pools) > MAX_REPLICAS:
        raise CloudError("RESOURCE_EXHAUSTED", f"This local stand-in runs at most {MAX_REPLICAS} replicas of a job.")
    if any(pool.replica_count < 0 for pool in pools) or pools[0].replica_count > 1:
        raise invalid("replica_count must not be negative, and worker pool 0 has one replica.")
    for pool in pools:
        if pool.replica_count == 0 and pool.WhichOneof("task") is None:
            continue
        if pool.WhichOneof("task") is None:
            raise invalid("Each worker pool needs a container_spec or a python_package_spec.")
        if pool.WhichOneof("task") == "container_spec" and not (
            pool.container_spec.command or pool.container_spec.args
        ):
            raise precondition(
                f"This local stand-in cannot run the image {pool.container_spec.image_uri!r}: give the container_spec "
                "a command, which then runs as a process on this machine."
            )


def run_pools(
    machine: Machine,
    spec: Any,
    job_name: str,
    cancel: threading.Event,
    *,
    extra: Mapping[str, str] | None = None,
    arguments: tuple[str, ...] = (),
    watch: Callable[[], bool] = lambda: False,
) -> None:
    """Run the worker pools of a CustomJobSpec to their end.

    extra: more environment variables. arguments: appended to every replica's command.
    watch: called four times a second; True ends the replicas as if they had finished.
    Raises FAILED_PRECONDITION when a replica fails, DEADLINE_EXCEEDED after the time-out, Cancelled.
    """
    check_pools(spec.worker_pool_specs)
    while not machine.jobs.slots.acquire(timeout=0.1):
        if cancel.is_set():
            raise Cancelled
    children: dict[str, Child] = {}
    gcs = GcsFolder(machine.storage, machine.processes.new_folder())
    try:
        counts = [pool.replica_count or (1 if index == 0 else 0) for index, pool in enumerate(spec.worker_pool_specs)]
        addresses = [[f"127.0.0.1:{free_port()}" for _ in range(count)] for count in counts]
        seconds = spec.scheduling.timeout.ToTimedelta().total_seconds()
        deadline = time.monotonic() + seconds if seconds else float("inf")
        for index, pool in enumerate(spec.worker_pool_specs):
            for replica in range(counts[index]):
                environment = _environment(machine, spec, job_name, index, replica, addresses) | dict(extra or {})
                children[f"workerpool{index}-{replica}"] = _start(machine, pool, environment, arguments, gcs)
        _wait(children, cancel, deadline, watch)
        gcs.upload()
    finally:
        for child in children.values():
            child.kill()
        for label, child in children.items():
            _keep_log(machine, job_name, label, child)
        machine.jobs.slots.release()


def _keep_log(machine: Machine, job_name: str, label: str, child: Child) -> None:
    folder = machine.state / "logs" / job_name.rsplit("/", 1)[1]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{label}.txt").write_text(child.tail(2**20))


def _environment(
    machine: Machine, spec: Any, job_name: str, pool: int, replica: int, addresses: list[list[str]]
) -> dict[str, str]:
    """The documented variables of one replica."""
    cluster = {f"workerpool{i}": hosts for i, hosts in enumerate(addresses) if hosts}
    tf_cluster = {POOLS[i]: hosts for i, hosts in enumerate(addresses) if hosts}
    project, location, job_id = job_name.split("/")[1], job_name.split("/")[3], job_name.rsplit("/", 1)[1]
    environment = machine.environment() | {
        "GOOGLE_CLOUD_PROJECT": project,
        "CLOUD_ML_PROJECT_ID": project,
        "CLOUD_ML_REGION": location,
        "CLOUD_ML_JOB_ID": job_id,
        "OMP_NUM_THREADS": "1",
        "CLUSTER_SPEC": json.dumps(
            {
                "cluster": cluster,
                "environment": "cloud",
                "task": {"type": f"workerpool{pool}", "index": replica},
                "job": json_format.MessageToJson(spec, indent=None),
            }
        ),
        "TF_CONFIG": json.dumps(
            {"cluster": tf_cluster, "environment": "cloud", "task": {"type": POOLS[pool], "index": replica}}
        ),
        "RANK": str(sum(len(hosts) for hosts in addresses[:pool]) + replica),
        "WORLD_SIZE": str(sum(map(len, addresses))),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": addresses[0][0].rpartition(":")[2],
    }
    if base := spec.base_output_directory.output_uri_prefix.rstrip("/"):
        environment |= {
            "AIP_MODEL_DIR": f"{base}/model/",
            "AIP_CHECKPOINT_DIR": f"{base}/checkpoints/",
            "AIP_TENSORBOARD_LOG_DIR": f"{base}/logs/",
        }
    if spec.experiment:
        environment["AIP_EXPERIMENT_NAME"] = spec.experiment.rsplit("/", 1)[-1]
    if spec.experiment_run:
        environment["AIP_EXPERIMENT_RUN_NAME"] = spec.experiment_run.rsplit("/", 1)[-1]
    return environment


def _start(
    machine: Machine, pool: Any, environment: dict[str, str], arguments: tuple[str, ...], gcs: GcsFolder
) -> Child:
    folder = machine.processes.new_folder()
    kind = pool.WhichOneof("task")
    task = getattr(pool, kind)
    if kind == "python_package_spec":
        for uri in task.package_uris:
            archive = folder / uri.rsplit("/", 1)[1]
            archive.write_bytes(machine.storage.read(uri))
            try:
                unpack(archive, folder / "site")
            except (tarfile.TarError, zipfile.BadZipFile, OSError) as error:
                raise precondition(f"{uri} cannot be unpacked: {error}") from None
        command = ["python", "-m", task.python_module, *task.args]
    else:
        command = [*task.command, *task.args]
    environment |= {variable.name: gcs.map(variable.value) for variable in task.env}
    command = [
        gcs.map(re.sub(r"\$\((\w+)\)", lambda m: environment.get(m.group(1), m.group()), part))
        for part in (*command, *arguments)
    ]
    scripts = (path.read_text(errors="replace") for path in (folder / "site").rglob("*.py"))
    if any("/gcs/" in text for text in (*command, *scripts)):
        command = gcs.mount(command, (*command, *environment.values()))
    return machine.processes.start_job(command, folder, environment)


def _wait(children: Mapping[str, Child], cancel: threading.Event, deadline: float, watch: Callable[[], bool]) -> None:
    """Return once the chief and all workers are done; parameter servers and evaluators end with them."""
    while True:
        codes = {label: child.poll() for label, child in children.items()}
        for label, code in codes.items():
            if code:
                raise precondition(
                    f"The replica {label} exited with a non-zero status of {code}. "
                    f"The end of its log:\n{children[label].tail(1500).strip()}"
                )
        if all(code == 0 for label, code in codes.items() if label.startswith(("workerpool0", "workerpool1"))):
            return
        if cancel.wait(0.05):
            raise Cancelled
        if time.monotonic() > deadline:
            raise CloudError("DEADLINE_EXCEEDED", "The job ran longer than scheduling.timeout allows.")
        if watch():
            return
