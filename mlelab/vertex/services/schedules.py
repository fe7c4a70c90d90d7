"""Schedules: a cron expression that starts pipeline jobs."""

from __future__ import annotations

import datetime
from typing import Any

from google.protobuf import empty_pb2
from google.protobuf.message import Message

from ..compute.scheduler import Cron
from ..resources.generic import generic, new_resource
from ..resources.masks import merge
from ..resources.registry import Call, every_second, implements
from ..resources.times import stamp
from ..wire.catalog import pb, types
from ..wire.errors import CloudError, invalid
from . import pipeline_jobs
from .context import Context

generic("ScheduleService", "(Get|List|Delete)Schedules?")


def _state(name: str) -> int:
    return types().Schedule.State[name]


def _time(field: Any) -> datetime.datetime:
    return field.ToDatetime(tzinfo=datetime.UTC)


def _plan(schedule: Any, after: datetime.datetime) -> None:
    """Set the next run, or complete the schedule where there is none."""
    following = Cron(schedule.cron).after(after)
    over = schedule.HasField("end_time") and following >= _time(schedule.end_time)
    if over or schedule.max_run_count and schedule.started_run_count >= schedule.max_run_count:
        schedule.state = _state("COMPLETED")
        schedule.ClearField("next_run_time")
    else:
        schedule.next_run_time.FromDatetime(following)


@implements("ScheduleService.CreateSchedule", differs="pipeline jobs only")
def create_schedule(call: Call, request: Any) -> Message:
    """Create an active schedule."""
    schedule = new_resource(call, request)
    if schedule.WhichOneof("request") != "create_pipeline_job_request":
        raise CloudError("UNIMPLEMENTED", "ScheduleService.CreateSchedule is implemented for pipeline jobs only.")
    if schedule.max_concurrent_run_count < 1 or schedule.max_run_count < 0:
        raise invalid("max_concurrent_run_count must be at least 1, max_run_count not negative.")
    schedule.state = _state("ACTIVE")
    start = call.cloud.clock.now()
    if schedule.HasField("start_time"):
        start = max(start, _time(schedule.start_time) - datetime.timedelta(minutes=1))
    else:
        schedule.start_time.FromDatetime(start)
    _plan(schedule, start)
    call.store.insert(schedule)
    return schedule


def _running(cloud: Context, schedule: Any) -> int:
    location = schedule.name.split("/schedules/")[0]
    return sum(
        job.schedule_name == schedule.name and cloud.jobs.running(job.name)
        for job in cloud.store.list(pb.PipelineJob, f"{location}/pipelineJobs")
    )


@every_second
def tick(cloud: Context) -> None:
    """Start what is due. A run that finds no free place waits (allow_queueing) or is left out."""
    now = cloud.clock.now()
    for name in cloud.store.names("projects/*/locations/*/schedules/*"):
        schedule = cloud.store.get(pb.Schedule, name)
        while schedule.state == _state("ACTIVE") and _time(schedule.next_run_time) <= now:
            due = _time(schedule.next_run_time)
            if _running(cloud, schedule) >= schedule.max_concurrent_run_count:
                if schedule.allow_queueing:
                    break
                _plan(schedule, due)
                cloud.store.put(schedule)
                continue
            request = schedule.create_pipeline_job_request
            job = pb.PipelineJob()
            job.CopyFrom(request.pipeline_job)
            stem = request.pipeline_job_id or schedule.name.rsplit("/", 1)[1]
            job.name = f"{request.parent}/pipelineJobs/{stem}-{due:%Y%m%d%H%M%S}"
            job.schedule_name = schedule.name
            stamp(job, "create_time", "update_time")
            schedule.last_scheduled_run_response.scheduled_run_time.CopyFrom(schedule.next_run_time)
            schedule.started_run_count += 1
            try:
                pipeline_jobs.submit(cloud, job)
                schedule.last_scheduled_run_response.run_response = f"Started {job.name}"
            except CloudError as error:
                schedule.last_scheduled_run_response.run_response = f"{error.code}: {error.message}"
            _plan(schedule, due)
            cloud.store.put(schedule)


@implements("ScheduleService.PauseSchedule")
def pause_schedule(call: Call, request: Any) -> Message:
    """Stop starting runs."""
    with call.store.edit(pb.Schedule, request.name) as schedule:
        schedule.state = _state("PAUSED")
        stamp(schedule, "last_pause_time")
    return empty_pb2.Empty()


@implements("ScheduleService.ResumeSchedule")
def resume_schedule(call: Call, request: Any) -> Message:
    """Go on starting runs; with `catch_up`, also those missed meanwhile."""
    with call.store.edit(pb.Schedule, request.name) as schedule:
        schedule.state, schedule.catch_up = _state("ACTIVE"), request.catch_up
        stamp(schedule, "last_resume_time")
        if not request.catch_up:
            _plan(schedule, call.cloud.clock.now())
    call.cloud.clock.moved.set()
    return empty_pb2.Empty()


@implements("ScheduleService.UpdateSchedule")
def update_schedule(call: Call, request: Any) -> Message:
    """Change a schedule; its next run is planned anew."""
    with call.store.edit(pb.Schedule, request.schedule.name) as schedule:
        merge(schedule, request.schedule, request.update_mask)
        _plan(schedule, call.cloud.clock.now())
        stamp(schedule, "update_time")
    return schedule
