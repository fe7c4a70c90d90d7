"""Jobs: a thread per job that carries it from PENDING to its end, and worker pools as local processes."""

from __future__ import annotations

import json
import logging
import re
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf import empty_pb2, json_format
from google.protobuf.message import Message
from google.rpc import code_pb2

from .catalog import pb
from .core import Call, delete, generic, implements, logged, stamp
from .errors import CloudError, invalid, precondition
from .processes import Child, free_port
from .shims.pip import unpack
from .storage import save

if TYPE_CHECKING:
    from .server import Cloud

log = logging.getLogger("mlelab.vertex")

MAX_JOBS = 4
MAX_REPLICAS = 16
POOLS = ("chief", "worker", "ps", "evaluator")  # worker pool 0, 1, 2, 3 as TF_CONFIG calls them
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED", "PARTIALLY_SUCCEEDED")


class Cancelled(Exception):
    """The job was cancelled."""


def _state_enum(cls: type[Message]) -> tuple[Any, str]:
    """The enum of a job's states, and what their names begin with: JOB_STATE_ or PIPELINE_STATE_."""
    enum = cls.DESCRIPTOR.fields_by_name["state"].enum_type
    return enum, "JOB_STATE_" if enum.name == "JobState" else "PIPELINE_STATE_"


def state_of(job: Any) -> str:
    """The state of a job by its short name, such as RUNNING."""
    enum, prefix = _state_enum(type(job))
    return enum.values_by_number[job.state].name.removeprefix(prefix)


def set_state(job: Any, state: str, error: CloudError | None = None) -> None:
    """Change a job's state, with its times and its error."""
    enum, prefix = _state_enum(type(job))
    job.state = enum.values_by_name[prefix + state].number
    stamp(job, "update_time", *(["start_time"] if state == "RUNNING" else ["end_time"] if state in ENDED else []))
    if error:
        job.error.code, job.error.message = code_pb2.Code.Value(error.code), error.message


class Jobs:
    """All jobs of one server that are under way."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._cancel: dict[str, threading.Event] = {}
        self._threads: dict[str, threading.Thread] = {}
        self.slots = threading.BoundedSemaphore(MAX_JOBS)

    def submit(self, job: Any, work: Callable[[threading.Event], None]) -> Message:
        """Store a job, run `work(cancel)` in a thread, and write the job's states as it goes. Returns it as stored."""
        set_state(job, "PENDING")
        self._cloud.store.insert(job)
        cancel = self._cancel[job.name] = threading.Event()
        thread = self._threads[job.name] = threading.Thread(
            target=self._run, args=(type(job), job.name, work, cancel), daemon=True, name=job.name
        )
        thread.start()
        return self._cloud.store.get(type(job), job.name)

    def _run(
        self, cls: type[Message], name: str, work: Callable[[threading.Event], None], cancel: threading.Event
    ) -> None:
        error: CloudError | None = None
        state = "SUCCEEDED"
        try:
            with self._cloud.store.edit(cls, name) as job:
                set_state(job, "RUNNING")
            work(cancel)
            if cancel.is_set():
                state = "CANCELLED"
        except Cancelled:
            state, error = "CANCELLED", CloudError("CANCELLED", "The job was cancelled.")
        except Exception as caught:
            state, error = ("CANCELLED" if cancel.is_set() else "FAILED"), logged(name, caught)
        try:
            with self._cloud.store.edit(cls, name) as job:
                set_state(job, state, error)
        except CloudError:
            log.info("%s was deleted while it ran", name)
        finally:
            self._cancel.pop(name, None)
            self._threads.pop(name, None)

    def cancel(self, name: str) -> None:
        """Ask a job to stop."""
        if name in self._cancel:
            self._cancel[name].set()

    def running(self, name: str) -> bool:
        """True while the job's thread is at work."""
        return name in self._threads

    def close(self) -> None:
        """Cancel every job and wait for their ends."""
        for event in list(self._cancel.values()):
            event.set()
        for thread in list(self._threads.values()):
            thread.join(10)


KINDS: list[str] = []


def job_kind(service: str, kind: str) -> None:
    """Register what all kinds of jobs have in common: get, list, cancel, delete."""
    cls = getattr(pb, kind)
    KINDS.append(kind)
    generic(service, f"(Get|List){kind}s?")

    @implements(f"{service}.Cancel{kind}")
    def cancel(call: Call, request: Any) -> Message:
        call.store.get(cls, request.name)
        call.cloud.jobs.cancel(request.name)
        return empty_pb2.Empty()

    @implements(f"{service}.Delete{kind}")
    def delete_ended(call: Call, request: Any) -> Message:
        state = state_of(call.store.get(cls, request.name))
        if state not in ENDED:
            raise precondition(f"{request.name} is {state}: cancel it and wait for its end before deleting it.")
        return delete(call, request)


def fail_interrupted(cloud: Cloud) -> None:
    """After a restart: jobs that were under way have failed, and say so."""
    error = CloudError("ABORTED", "The local server was stopped while this ran.")
    for kind in KINDS:
        for name in cloud.store.names(f"projects/*/locations/*/{kind[0].lower()}{kind[1:]}s/*"):
            with cloud.store.edit(getattr(pb, kind), name) as job:
                if state_of(job) in ("QUEUED", "PENDING", "RUNNING", "CANCELLING"):
                    set_state(job, "FAILED", error)


# Worker pools


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


class GcsFolder:
    """`/gcs/BUCKET/...` in commands: copies of objects before the job, uploads of what changed after it."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self._cloud, self._folder = cloud, folder
        self._known: dict[Path, bytes] = {}

    def map(self, text: str) -> str:
        """`text` with every `/gcs/...` path replaced by a local one."""

        def local(match: re.Match[str]) -> str:
            bucket, path = match.group(1), match.group(2) or ""
            target = self._folder / bucket
            try:
                names = self._cloud.storage.names(f"gs://{bucket}/{path}")
            except CloudError:
                return match.group()
            for name in names:
                place = target.joinpath(*name.split("/"))
                if not name.endswith("/") and ".." not in name.split("/") and not place.exists():
                    data = self._cloud.storage.read(f"gs://{bucket}/{name}")
                    save(place, data, f"gs://{bucket}/{name}")
                    self._known[place] = data
            place = target.joinpath(*path.split("/"))
            (place if path.endswith("/") else place.parent).mkdir(parents=True, exist_ok=True)
            return str(place)

        return re.sub(r"(?<![\w/.-])/gcs/([a-z0-9._-]+)(?:/([^\s'\";&|)]*))?", local, text)

    def upload(self) -> None:
        """Store files that the job made or changed."""
        for path in self._folder.rglob("*") if self._folder.exists() else ():
            if path.is_file() and not path.is_symlink() and self._known.get(path) != (data := path.read_bytes()):
                relative = path.relative_to(self._folder)
                self._cloud.storage.write(f"gs://{relative.as_posix()}", data)


def run_pools(
    cloud: Cloud,
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
    while not cloud.jobs.slots.acquire(timeout=0.1):
        if cancel.is_set():
            raise Cancelled
    children: dict[str, Child] = {}
    gcs = GcsFolder(cloud, cloud.processes.new_folder())
    try:
        counts = [pool.replica_count or (1 if index == 0 else 0) for index, pool in enumerate(spec.worker_pool_specs)]
        addresses = [[f"127.0.0.1:{free_port()}" for _ in range(count)] for count in counts]
        seconds = spec.scheduling.timeout.ToTimedelta().total_seconds()
        deadline = time.monotonic() + seconds if seconds else float("inf")
        for index, pool in enumerate(spec.worker_pool_specs):
            for replica in range(counts[index]):
                environment = _environment(cloud, spec, job_name, index, replica, addresses) | dict(extra or {})
                children[f"workerpool{index}-{replica}"] = _start(cloud, pool, environment, arguments, gcs)
        _wait(children, cancel, deadline, watch)
        gcs.upload()
    finally:
        for child in children.values():
            child.kill()
        for label, child in children.items():
            _keep_log(cloud, job_name, label, child)
        cloud.jobs.slots.release()


def _keep_log(cloud: Cloud, job_name: str, label: str, child: Child) -> None:
    folder = cloud.state / "logs" / job_name.rsplit("/", 1)[1]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{label}.txt").write_text(child.tail(2**20))


def _environment(
    cloud: Cloud, spec: Any, job_name: str, pool: int, replica: int, addresses: list[list[str]]
) -> dict[str, str]:
    """The documented variables of one replica."""
    cluster = {f"workerpool{i}": hosts for i, hosts in enumerate(addresses) if hosts}
    tf_cluster = {POOLS[i]: hosts for i, hosts in enumerate(addresses) if hosts}
    project, location, job_id = job_name.split("/")[1], job_name.split("/")[3], job_name.rsplit("/", 1)[1]
    environment = cloud.environment() | {
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


def _start(cloud: Cloud, pool: Any, environment: dict[str, str], arguments: tuple[str, ...], gcs: GcsFolder) -> Child:
    folder = cloud.processes.new_folder()
    kind = pool.WhichOneof("task")
    task = getattr(pool, kind)
    if kind == "python_package_spec":
        for uri in task.package_uris:
            archive = folder / uri.rsplit("/", 1)[1]
            archive.write_bytes(cloud.storage.read(uri))
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
    return cloud.processes.start_job(command, folder, environment)


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
