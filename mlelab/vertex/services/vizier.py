"""Vizier: studies, trials, suggestions, early stopping."""

from __future__ import annotations

import zlib
from typing import Any

from google.protobuf.message import Message

from ..compute.optimize import check_study, optimal, set_values, should_stop, suggest
from ..resources.generic import check_parent, generic, list_, new_resource
from ..resources.operations import finished
from ..resources.registry import Call, implements
from ..resources.store import Store
from ..resources.times import now
from ..wire.catalog import pb, types
from ..wire.errors import invalid, not_found, precondition

generic("VizierService", "(Get|List|Delete)Stud(y|ies)|(Get|Delete)Trial")


def _state(name: str) -> int:
    return types().Trial.State[name]


def trials_of(store: Store, study: str) -> list[Any]:
    """The trials of a study, oldest first."""
    return store.list(pb.Trial, f"{study}/trials")


def new_trial(store: Store, study: str, point: dict[str, Any], client_id: str = "") -> Any:
    """Store an active trial at `point`."""
    number = str(max([int(t.id) for t in trials_of(store, study)], default=0) + 1)
    trial = pb.Trial(name=f"{study}/trials/{number}", id=number, state=_state("ACTIVE"), client_id=client_id)
    set_values(trial, point)
    trial.start_time.CopyFrom(now())
    store.insert(trial)
    return trial


def seed_of(name: str) -> int:
    """A number that stays with a study."""
    return zlib.crc32(name.encode())


@implements("VizierService.CreateStudy")
def create_study(call: Call, request: Any) -> Message:
    """Create a study; one of the same display name is returned instead."""
    check_study(request.study.study_spec)
    with call.store:
        for study in call.store.list(pb.Study, f"{request.parent}/studies"):
            if study.display_name == request.study.display_name:
                return study
        study = new_resource(call, request)
        study.state = types().Study.State.ACTIVE
        call.store.insert(study)
    return study


@implements("VizierService.LookupStudy")
def lookup_study(call: Call, request: Any) -> Message:
    """Find a study by display name."""
    for study in call.store.list(pb.Study, f"{request.parent}/studies"):
        if study.display_name == request.display_name:
            return study
    raise not_found(f"Study {request.display_name!r}")


@implements("VizierService.SuggestTrials")
def suggest_trials(call: Call, request: Any) -> Message:
    """Give a client its active trials, or new ones."""
    if not 1 <= request.suggestion_count <= 1000:
        raise invalid(f"suggestion_count must lie between 1 and 1000, got {request.suggestion_count}.")
    with call.store:
        study = call.store.get(pb.Study, request.parent)
        trials = trials_of(call.store, study.name)
        given = [t for t in trials if t.state == _state("ACTIVE") and t.client_id == request.client_id]
        given = given[: request.suggestion_count]
        missing = request.suggestion_count - len(given)
        if missing:
            for point in suggest(study.study_spec, trials, missing, seed_of(study.name)):
                given.append(new_trial(call.store, study.name, point, request.client_id))
    return finished(call, pb.SuggestTrialsResponse(trials=given, study_state=study.state))


@implements("VizierService.CreateTrial")
def create_trial(call: Call, request: Any) -> Message:
    """Add a trial that the caller chose."""
    with call.store:
        study = call.store.get(pb.Study, request.parent)
        known = {p.parameter_id for p in study.study_spec.parameters}
        if unknown := [p.parameter_id for p in request.trial.parameters if p.parameter_id not in known]:
            raise invalid(f"The study has no parameter {unknown[0]!r}.")
        trial = new_trial(call.store, study.name, {})
        trial.parameters.extend(request.trial.parameters)
        if request.trial.HasField("final_measurement"):
            trial.final_measurement.CopyFrom(request.trial.final_measurement)
            trial.state = _state("SUCCEEDED")
            trial.end_time.CopyFrom(now())
        call.store.put(trial)
    return trial


@implements("VizierService.ListTrials")
def list_trials(call: Call, request: Any) -> Message:
    """List the trials of a study."""
    check_parent(call, request.parent)
    return list_(call, request, items=trials_of(call.store, request.parent))


def _open(call: Call, name: str) -> Any:
    trial = call.store.get(pb.Trial, name)
    if trial.state in (_state("SUCCEEDED"), _state("INFEASIBLE")):
        raise precondition(f"{name} is completed.")
    return trial


@implements("VizierService.AddTrialMeasurement")
def add_measurement(call: Call, request: Any) -> Message:
    """Report how an active trial is doing."""
    with call.store:
        trial = _open(call, request.trial_name)
        if not request.measurement.metrics:
            raise invalid("measurement.metrics is required.")
        trial.measurements.append(request.measurement)
        call.store.put(trial)
    return trial


@implements("VizierService.CompleteTrial")
def complete_trial(call: Call, request: Any) -> Message:
    """Close a trial with its final measurement, the last one where none is given, or as infeasible."""
    with call.store:
        trial = _open(call, request.name)
        if request.trial_infeasible:
            trial.state, trial.infeasible_reason = _state("INFEASIBLE"), request.infeasible_reason or "infeasible"
        else:
            if request.HasField("final_measurement"):
                trial.final_measurement.CopyFrom(request.final_measurement)
            elif trial.measurements:
                trial.final_measurement.CopyFrom(trial.measurements[-1])
            else:
                raise precondition(f"{request.name} has no measurement: give a final_measurement.")
            trial.state = _state("SUCCEEDED")
        trial.end_time.CopyFrom(now())
        call.store.put(trial)
    return trial


@implements("VizierService.StopTrial")
def stop_trial(call: Call, request: Any) -> Message:
    """Ask the client of a trial to stop."""
    with call.store:
        trial = _open(call, request.name)
        trial.state = _state("STOPPING")
        call.store.put(trial)
    return trial


@implements("VizierService.CheckTrialEarlyStoppingState")
def check_early_stopping(call: Call, request: Any) -> Message:
    """Say whether a trial falls behind the others so far that it should stop."""
    study_name = request.trial_name.split("/trials/")[0]
    with call.store:
        study = call.store.get(pb.Study, study_name)
        trial = call.store.get(pb.Trial, request.trial_name)
        others = [t for t in trials_of(call.store, study_name) if t.name != trial.name]
        stop = trial.state == _state("STOPPING") or should_stop(study.study_spec, trial, others)
        if stop and trial.state == _state("ACTIVE"):
            trial.state = _state("STOPPING")
            call.store.put(trial)
    return finished(call, pb.CheckTrialEarlyStoppingStateResponse(should_stop=stop))


@implements("VizierService.ListOptimalTrials")
def list_optimal(call: Call, request: Any) -> Message:
    """The best trial of a study, or its Pareto front."""
    study = call.store.get(pb.Study, request.parent)
    return pb.ListOptimalTrialsResponse(optimal_trials=optimal(study.study_spec, trials_of(call.store, study.name)))
