"""Custom jobs: worker pools on this machine."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from google.protobuf import empty_pb2
from google.protobuf.message import Message

from ..catalog import pb, types
from ..core import Call, delete, generic, implements, new_resource
from ..errors import precondition
from ..jobs import ENDED, check_pools, fail_interrupted, run_pools

if TYPE_CHECKING:
    from ..server import Cloud

generic("JobService", "GetCustomJob", "ListCustomJobs")


def resume(cloud: Cloud) -> None:
    """After a restart."""
    fail_interrupted(cloud, pb.CustomJob, "projects/*/locations/*/customJobs/*", "JOB_STATE_")


def submit(cloud: Cloud, job: Any) -> None:
    """Store a custom job and start it."""
    job.state = types().JobState.JOB_STATE_PENDING
    cloud.store.insert(job)
    spec = pb.CustomJobSpec()
    spec.CopyFrom(job.job_spec)

    def work(cancel: threading.Event) -> None:
        run_pools(cloud, spec, job.name, cancel)

    cloud.jobs.start(pb.CustomJob, job.name, work, "JOB_STATE_")


@implements("JobService.CreateCustomJob")
def create_custom_job(call: Call, request: Any) -> Message:
    """Start the worker pools."""
    check_pools(request.custom_job.job_spec.worker_pool_specs)
    job = new_resource(call, request)
    submit(call.cloud, job)
    return job


@implements("JobService.CancelCustomJob")
def cancel_custom_job(call: Call, request: Any) -> Message:
    """Ask a job to stop; does nothing to one that has ended."""
    call.store.get(pb.CustomJob, request.name)
    call.cloud.jobs.cancel(request.name)
    return empty_pb2.Empty()


def refuse_running(job: Any) -> None:
    """FAILED_PRECONDITION unless the job has ended."""
    state = types().JobState(job.state).name.removeprefix("JOB_STATE_")
    if state not in ENDED:
        raise precondition(f"{job.name} is {state}: cancel it and wait for its end before deleting it.")


@implements("JobService.DeleteCustomJob")
def delete_custom_job(call: Call, request: Any) -> Message:
    """Delete a job that has ended."""
    refuse_running(call.store.get(pb.CustomJob, request.name))
    return delete(call, request)
