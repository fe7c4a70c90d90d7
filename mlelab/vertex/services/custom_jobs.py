"""Custom jobs: worker pools on this machine."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message

from ..catalog import pb
from ..core import Call, implements, new_resource
from ..jobs import check_pools, job_kind, run_pools

if TYPE_CHECKING:
    from ..server import Cloud

job_kind("JobService", "CustomJob")


def submit(cloud: Cloud, job: Any) -> None:
    """Store a custom job and start it."""
    spec = pb.CustomJobSpec()
    spec.CopyFrom(job.job_spec)

    def work(cancel: threading.Event) -> None:
        run_pools(cloud, spec, job.name, cancel)

    cloud.jobs.submit(job, work)


@implements("JobService.CreateCustomJob")
def create_custom_job(call: Call, request: Any) -> Message:
    """Start the worker pools."""
    check_pools(request.custom_job.job_spec.worker_pool_specs)
    job = new_resource(call, request)
    submit(call.cloud, job)
    return job
