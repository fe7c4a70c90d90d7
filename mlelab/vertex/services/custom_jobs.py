"""Custom jobs: worker pools on this machine."""

from __future__ import annotations

import threading
from typing import Any

from google.protobuf.message import Message

from ..compute.pools import check_pools, run_pools
from ..resources.generic import new_resource
from ..resources.registry import Call, implements
from ..wire.catalog import pb
from .context import Context
from .job_kinds import job_kind

job_kind("JobService", "CustomJob")


def submit(cloud: Context, job: Any) -> None:
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
