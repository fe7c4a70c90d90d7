"""Training pipelines: what CustomTrainingJob and its siblings run. A custom or tuning job, then a model upload."""

from __future__ import annotations

import threading
import time
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from ..compute.jobs import Cancelled, state_of
from ..compute.optimize import check_study
from ..compute.pools import check_pools
from ..resources.generic import new_resource
from ..resources.registry import Call, implements
from ..resources.store import new_id
from ..resources.times import stamp
from ..wire.catalog import pb
from ..wire.errors import CloudError, invalid, precondition
from . import custom_jobs, tuning_jobs
from .context import Context
from .datasets import rows_of
from .job_kinds import job_kind
from .models import add_version

job_kind("PipelineService", "TrainingPipeline")


def _child(pipeline: Any) -> Any:
    """The job that a training pipeline describes, not stored yet."""
    definition = pipeline.training_task_definition.rsplit("/", 1)[-1]
    inputs = json_format.MessageToDict(pipeline.training_task_inputs)
    location = pipeline.name.split("/trainingPipelines/")[0]
    try:
        if definition.startswith("custom_task"):
            spec = json_format.ParseDict(inputs, pb.CustomJobSpec(), ignore_unknown_fields=True)
            check_pools(spec.worker_pool_specs)
            return pb.CustomJob(
                name=f"{location}/customJobs/{new_id()}",
                display_name=f"{pipeline.display_name}-custom-job",
                job_spec=spec,
            )
        if definition.startswith("hyperparameter_tuning_task"):
            counts = {
                key: int(inputs.pop(key, 0)) for key in ("maxTrialCount", "parallelTrialCount", "maxFailedTrialCount")
            }
            job = json_format.ParseDict({**inputs, **counts}, pb.HyperparameterTuningJob(), ignore_unknown_fields=True)
            job.name = f"{location}/hyperparameterTuningJobs/{new_id()}"
            job.display_name = f"{pipeline.display_name}-tuning-job"
            check_study(job.study_spec)
            check_pools(job.trial_job_spec.worker_pool_specs)
            return job
    except (json_format.ParseError, ValueError) as error:
        raise invalid(f"training_task_inputs: {error}") from None
    raise CloudError(
        "UNIMPLEMENTED",
        f"PipelineService.CreateTrainingPipeline with {definition or 'no task definition'} "
        "is not implemented by this local stand-in: it trains custom jobs only.",
    )


def split_table(cloud: Context, pipeline: Any) -> dict[str, str]:
    """Write the dataset's training, validation and test parts to storage. Returns the AIP_* variables."""
    import pandas as pd

    config = pipeline.input_data_config
    if not config.dataset_id:
        return {}
    dataset = cloud.store.get(
        pb.Dataset, f"{pipeline.name.split('/trainingPipelines/')[0]}/datasets/{config.dataset_id}"
    )
    table = rows_of(cloud, dataset)
    parts = ("training", "validation", "test")
    kind = config.WhichOneof("split") or "fraction_split"
    split = getattr(config, kind)
    if kind == "predefined_split":
        labels = table[split.key].str.lower().replace({"train": "training", "validate": "validation"})
    elif kind in ("fraction_split", "timestamp_split"):
        fractions = [split.training_fraction, split.validation_fraction, split.test_fraction]
        if not any(fractions):
            fractions = [0.8, 0.1, 0.1]
        if min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
            raise invalid(f"The fractions of the split must sum to 1, got {fractions}.")
        order = (
            table.sort_values(split.key).index
            if kind == "timestamp_split"
            else table.sample(frac=1, random_state=0).index
        )
        cut = [round(len(table) * fractions[0]), round(len(table) * (fractions[0] + fractions[1]))]
        labels = pd.Series("test", index=table.index)
        labels[order[: cut[1]]] = "validation"
        labels[order[: cut[0]]] = "training"
    else:
        raise CloudError("UNIMPLEMENTED", f"{kind} is not implemented by this local stand-in.")
    base = config.gcs_destination.output_uri_prefix.rstrip("/")
    if not base:
        raise invalid("input_data_config.gcs_destination is required with a dataset.")
    base = f"{base}/dataset-{config.dataset_id}-{int(time.time())}"
    variables = {"AIP_DATA_FORMAT": "csv"}
    for part in parts:
        cloud.storage.write(f"{base}/{part}-00000-of-00001.csv", table[labels == part].to_csv(index=False).encode())
        variables[f"AIP_{part.upper()}_DATA_URI"] = f"{base}/{part}-*"
    return variables


def _run(cloud: Context, pipeline: Any, child: Any, cancel: threading.Event) -> None:
    """Run the child job, then upload the model that it left."""
    spec = child.job_spec if isinstance(child, pb.CustomJob) else child.trial_job_spec
    for name, value in split_table(cloud, pipeline).items():
        for pool in spec.worker_pool_specs:
            if pool.WhichOneof("task"):
                getattr(pool, pool.WhichOneof("task")).env.add(name=name, value=value)
    stamp(child, "create_time", "update_time")
    if isinstance(child, pb.CustomJob):
        custom_jobs.submit(cloud, child)
        key = "backingCustomJob"
    else:
        tuning_jobs.submit(cloud, child)
        key = "backingHyperparameterTuningJob"
    with cloud.store.edit(pb.TrainingPipeline, pipeline.name) as stored:
        json_format.ParseDict({key: child.name}, stored.training_task_metadata)
    while cloud.jobs.running(child.name):
        if cancel.wait(0.05):
            cloud.jobs.cancel(child.name)
    done = cloud.store.get(type(child), child.name)
    if state_of(done) == "CANCELLED":
        raise Cancelled
    if state_of(done) != "SUCCEEDED":
        raise precondition(f"Training failed with: {done.error.message}")
    if pipeline.HasField("model_to_upload") and pipeline.model_to_upload.display_name:
        _upload(cloud, pipeline, spec.base_output_directory.output_uri_prefix)


def _upload(cloud: Context, pipeline: Any, base: str) -> None:
    model = pb.Model()
    model.CopyFrom(pipeline.model_to_upload)
    model.artifact_uri = f"{base.rstrip('/')}/model" if base else ""
    if base and not cloud.storage.names(model.artifact_uri):
        raise precondition(f"The training left no model in {model.artifact_uri} (AIP_MODEL_DIR), so none is uploaded.")
    is_default = not pipeline.parent_model or "default" in model.version_aliases
    model = add_version(
        cloud.store,
        model,
        pipeline.name.split("/trainingPipelines/")[0],
        pipeline.model_id,
        pipeline.parent_model,
        is_default,
    )
    with cloud.store.edit(pb.TrainingPipeline, pipeline.name) as stored:
        stored.model_to_upload.CopyFrom(model)


@implements("PipelineService.CreateTrainingPipeline", differs="custom and tuning jobs; no AutoML")
def create_training_pipeline(call: Call, request: Any) -> Message:
    """Start a training pipeline."""
    pipeline = new_resource(call, request)
    child = _child(pipeline)
    return call.cloud.jobs.submit(pipeline, lambda cancel: _run(call.cloud, pipeline, child, cancel))
