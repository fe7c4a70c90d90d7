"""Hyperparameter tuning jobs: trials of a custom job, with real suggestions and early stopping."""

from __future__ import annotations

import concurrent.futures
import json
import threading
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from ..compute.jobs import Cancelled
from ..compute.optimize import check_study, set_values, should_stop, suggest
from ..compute.pools import check_pools, run_pools
from ..resources.generic import new_resource
from ..resources.registry import Call, implements
from ..resources.times import now
from ..wire.catalog import pb, types
from ..wire.errors import CloudError, invalid, precondition
from .context import Context
from .job_kinds import job_kind
from .vizier import seed_of

job_kind("JobService", "HyperparameterTuningJob")


def read_metrics(path: Path, wanted: set[str]) -> list[Any]:
    """The measurements in the file that the `hypertune` package writes, one line each."""
    measurements = []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            record = json.loads(line)
            metrics = [
                pb.Measurement.Metric(metric_id=key, value=float(record[key])) for key in wanted if key in record
            ]
            step = int(float(record.get("global_step", 0)))
        except (ValueError, TypeError, AttributeError):
            continue  # half a line: the trial is writing it now
        if metrics:
            measurements.append(pb.Measurement(metrics=metrics, step_count=step))
    return measurements


class _Tuning:
    """One tuning job under way."""

    def __init__(self, cloud: Context, job: Any, cancel: threading.Event) -> None:
        self._cloud, self._job, self._cancel = cloud, job, cancel
        self._lock = threading.Lock()
        self._failed = 0

    def run(self) -> None:
        """Run all trials, `parallel_trial_count` at a time."""
        with concurrent.futures.ThreadPoolExecutor(max(self._job.parallel_trial_count, 1)) as pool:
            for done in [pool.submit(self._trial) for _ in range(self._job.max_trial_count)]:
                done.result()
        if self._cancel.is_set():
            raise Cancelled

    def _save(self, trial: Any) -> None:
        with self._cloud.store.edit(pb.HyperparameterTuningJob, self._job.name) as job:
            for index, known in enumerate(job.trials):
                if known.id == trial.id:
                    job.trials[index].CopyFrom(trial)
                    return
            job.trials.append(trial)

    def _next(self) -> Any | None:
        """A new active trial, or None where there is nothing left to try."""
        with self._lock:
            trials = list(self._cloud.store.get(pb.HyperparameterTuningJob, self._job.name).trials)
            limit = self._job.max_failed_trial_count or self._job.max_trial_count
            if self._cancel.is_set() or self._failed >= limit:
                return None
            try:
                point = suggest(self._job.study_spec, trials, 1, seed_of(self._job.display_name))[0]
            except CloudError:
                return None  # the grid is used up
            trial = pb.Trial(id=str(len(trials) + 1), state=types().Trial.State.ACTIVE)
            trial.start_time.CopyFrom(now())
            set_values(trial, point)
            self._save(trial)
            return trial

    def _trial(self) -> None:
        trial = self._next()
        if trial is None:
            return
        spec = self._job.study_spec
        wanted = {metric.metric_id for metric in spec.metrics}
        file = self._cloud.processes.new_folder() / "output.metrics"
        arguments = tuple(f"--{p.parameter_id}={_argument(spec, p)}" for p in trial.parameters)
        job_spec = pb.CustomJobSpec()
        job_spec.CopyFrom(self._job.trial_job_spec)
        base = job_spec.base_output_directory.output_uri_prefix
        if base:
            job_spec.base_output_directory.output_uri_prefix = f"{base.rstrip('/')}/{trial.id}"

        def stop_early() -> bool:
            measurements = read_metrics(file, wanted)
            if len(measurements) == len(trial.measurements):
                return False
            del trial.measurements[:]
            trial.measurements.extend(measurements)
            self._save(trial)
            others = [
                t for t in self._cloud.store.get(pb.HyperparameterTuningJob, self._job.name).trials if t.id != trial.id
            ]
            return should_stop(spec, trial, others)

        try:
            run_pools(
                self._cloud,
                job_spec,
                self._job.name,
                self._cancel,
                arguments=arguments,
                watch=stop_early,
                extra={"CLOUD_ML_TRIAL_ID": trial.id, "CLOUD_ML_HP_METRIC_FILE": str(file)},
            )
            measurements = read_metrics(file, wanted)
            if not measurements:
                raise precondition(f"Trial {trial.id} reported none of the metrics {sorted(wanted)}.")
            del trial.measurements[:]
            trial.measurements.extend(measurements)
            trial.final_measurement.CopyFrom(measurements[-1])
            trial.state = types().Trial.State.SUCCEEDED
        except Cancelled:
            trial.state = types().Trial.State.STOPPING
        except CloudError as error:
            trial.state, trial.infeasible_reason = types().Trial.State.INFEASIBLE, error.message
            with self._lock:
                self._failed += 1
                failed = self._failed
            trial.end_time.CopyFrom(now())
            self._save(trial)
            if failed >= (self._job.max_failed_trial_count or self._job.max_trial_count):
                raise precondition(f"Too many failed trials ({failed}). The last: {error.message}") from None
            return
        trial.end_time.CopyFrom(now())
        self._save(trial)


def _argument(spec: Any, parameter: Any) -> str:
    """A trial's parameter as it stands on the command line."""
    if parameter.value.WhichOneof("kind") == "string_value":
        return parameter.value.string_value
    number = parameter.value.number_value
    return str(int(number) if _is_integer(spec, parameter.parameter_id) else number)


def _is_integer(spec: Any, parameter_id: str) -> bool:
    for parameter in spec.parameters:
        if parameter.parameter_id == parameter_id:
            return parameter.WhichOneof("parameter_value_spec") == "integer_value_spec"
    return False


@implements("JobService.CreateHyperparameterTuningJob")
def create_tuning_job(call: Call, request: Any) -> Message:
    """Start a tuning job."""
    wanted = request.hyperparameter_tuning_job
    check_study(wanted.study_spec)
    check_pools(wanted.trial_job_spec.worker_pool_specs)
    if not 1 <= wanted.max_trial_count <= 1000 or not 1 <= wanted.parallel_trial_count <= wanted.max_trial_count:
        raise invalid(
            "max_trial_count must lie between 1 and 1000, parallel_trial_count between 1 and max_trial_count."
        )
    job = new_resource(call, request)
    return submit(call.cloud, job)


def submit(cloud: Context, job: Any) -> Message:
    """Store a tuning job and start it."""
    return cloud.jobs.submit(job, lambda cancel: _Tuning(cloud, job, cancel).run())
