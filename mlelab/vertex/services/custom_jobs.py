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
from .metadata import get_or_create, set_parent

job_kind("JobService", "CustomJob")


def submit(cloud: Context, job: Any) -> None:
    """Store a custom job and start it."""
    if job.job_spec.experiment and not job.job_spec.experiment_run:
        job.job_spec.experiment_run = _new_run(cloud, job)
    spec = pb.CustomJobSpec()
    spec.CopyFrom(job.job_spec)

    def work(cancel: threading.Event) -> None:
        run_pools(cloud, spec, job.name, cancel)

    cloud.jobs.submit(job, work)


def _new_run(cloud: Context, job: Any) -> str:
    """The experiment run that a job gets which names an experiment alone. Returns its name."""
    experiment, key = job.job_spec.experiment, job.name.rsplit("/", 1)[1]
    cloud.store.get(pb.Context, experiment)
    run = pb.Context(
        name=f"{experiment}-{key}", display_name=key, schema_title="system.ExperimentRun", schema_version="0.0.1"
    )
    run.metadata["state"] = "RUNNING"
    with cloud.store:
        get_or_create(cloud.store, run)
        set_parent(cloud.store, experiment, run.name)
    return run.name


@implements("JobService.CreateCustomJob", differs="the command runs as a process; images and machines are ignored")
def create_custom_job(call: Call, request: Any) -> Message:
    """Start the worker pools."""
    check_pools(request.custom_job.job_spec.worker_pool_specs)
    job = new_resource(call, request)
    submit(call.cloud, job)
    return job
