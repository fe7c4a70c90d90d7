"""Batch prediction: every row of files or of a table through a model of its own process, results back to either."""

from __future__ import annotations

import json
import re
import threading
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import status_pb2

from ..compute.jobs import Cancelled
from ..compute.serving import Deployment, framework_of
from ..data.tables import expand, json_lines, plain, read_table
from ..data.warehouse import bigquery_table, write_table
from ..resources.generic import new_resource
from ..resources.registry import Call, implements
from ..wire.catalog import pb
from ..wire.errors import CloudError, invalid
from .context import Context
from .job_kinds import job_kind
from .models import find_version, refuse_publisher

if TYPE_CHECKING:
    import pandas as pd

job_kind("JobService", "BatchPredictionJob")

BATCH = 64
SOURCES = {"jsonl": "gcs_source", "csv": "gcs_source", "bigquery": "bigquery_source"}
TARGETS = {"jsonl": "gcs_destination", "bigquery": "bigquery_destination"}


def read_instances(cloud: Context, job: Any) -> list[Any]:
    """All rows of the job's input: objects from CSV and BigQuery, whatever stands there from JSON lines."""
    config = job.input_config
    instances: list[Any] = []

    def add(frame: pd.DataFrame) -> None:
        instances.extend({name: plain(value) for name, value in row.items()} for row in frame.to_dict("records"))

    if config.instances_format == "bigquery":
        add(bigquery_table(cloud.storage, config.bigquery_source.input_uri))
    for uri in expand(cloud.storage, config.gcs_source.uris):
        if config.instances_format == "csv":
            add(read_table(cloud.storage, uri))
            continue
        for number, line in enumerate(cloud.storage.read(uri).decode("utf-8", "replace").splitlines(), 1):
            try:
                instances += [json.loads(line)] if line.strip() else []
            except ValueError:
                raise invalid(f"{uri} line {number} is not JSON.") from None
    return instances


def instance_of(config: Any, row: Any) -> Any:
    """What the model gets of one row, as the documentation of `instance_config` says.

    INVALID_ARGUMENT for a row that the configuration does not fit.
    """
    if not isinstance(row, dict):
        if config.included_fields or config.excluded_fields or config.key_field or config.instance_type == "object":
            raise invalid("instance_config needs rows that are JSON objects.")
        return row
    if missing := sorted({*config.included_fields, *filter(None, [config.key_field])} - set(row)):
        raise invalid(f"The row has no field {missing[0]!r}, which instance_config names.")
    left_out = {config.key_field, *config.excluded_fields}
    fields = list(config.included_fields) or [name for name in row if name not in left_out]
    if config.instance_type == "array":
        return [row[name] for name in fields]
    return {name: row[name] for name in fields}


def _check_config(config: Any, format_: str) -> None:
    """INVALID_ARGUMENT for an instance_config that no row can fit."""
    if config.instance_type not in ("", "object", "array"):
        raise invalid(f"instance_config.instance_type must be object or array, got {config.instance_type[:100]!r}.")
    if config.included_fields and config.excluded_fields:
        raise invalid("instance_config has included_fields or excluded_fields, not both.")
    if config.instance_type == "array" and format_ == "jsonl" and not config.included_fields:
        raise invalid("instance_config.included_fields must give the order of an array's values.")


def _predict(deployment: Deployment, instances: list[Any], parameters: Any) -> list[Any]:
    body = {"instances": instances} | ({"parameters": parameters} if parameters else {})
    status, answer, _ = deployment.post(json.dumps(body).encode())
    if status != 200:
        raise invalid(answer[:500].decode("utf-8", "replace"))
    predictions = json.loads(answer)["predictions"]
    if len(predictions) != len(instances):
        raise invalid(f"The model gave {len(predictions)} predictions for {len(instances)} instances.")
    return predictions


def _run(cloud: Context, job: Any, cancel: threading.Event) -> None:
    version = find_version(cloud.store, job.model) if job.model else job.unmanaged_container_model
    model = pb.Model()
    if job.model:
        model.CopyFrom(version)
    else:
        model.container_spec.CopyFrom(version.container_spec)
        model.artifact_uri = version.artifact_uri
    config = pb.BatchPredictionJob.InstanceConfig()
    config.CopyFrom(job.instance_config)
    if job.input_config.instances_format != "jsonl" and not config.instance_type:
        config.instance_type = "array"
    rows = read_instances(cloud, job)
    size = job.manual_batch_tuning_parameters.batch_size or BATCH
    parameters = json_format.MessageToDict(job.model_parameters) if job.HasField("model_parameters") else None
    deployment = Deployment(cloud, model, {}, 1, 1)
    good, bad = [], []
    table = job.output_config.predictions_format == "bigquery"

    def shown(row: Any, instance: Any) -> dict[str, Any]:
        if table:
            return row if isinstance(row, dict) else {"instance": json.dumps(instance)}
        return {"key": row[config.key_field]} if config.key_field else {"instance": instance}

    try:
        deployment.start()
        for start in range(0, len(rows), size):
            if cancel.is_set():
                raise Cancelled
            pairs = []
            for row in rows[start : start + size]:
                try:
                    pairs.append((row, instance_of(config, row)))
                except CloudError as one:
                    bad.append({"instance": row, "error": {"code": one.number, "message": one.message}})
            try:
                answers = _predict(deployment, [instance for _, instance in pairs], parameters) if pairs else []
                good += [shown(*pair) | {"prediction": answer} for pair, answer in zip(pairs, answers, strict=True)]
            except CloudError as error:
                if error.code == "UNAVAILABLE":
                    raise
                for row, instance in pairs:  # find the rows that the model refuses
                    try:
                        (answer,) = _predict(deployment, [instance], parameters)
                        good.append(shown(row, instance) | {"prediction": answer})
                    except CloudError as one:
                        bad.append(shown(row, instance) | {"error": {"code": one.number, "message": one.message}})
    finally:
        deployment.close()
    title = version.display_name if job.model else "unmanaged"
    where = _write(cloud, job, title, good, bad)
    with cloud.store.edit(pb.BatchPredictionJob, job.name) as stored:
        stored.output_info.CopyFrom(where)
        stored.completion_stats.successful_count, stored.completion_stats.failed_count = len(good), len(bad)
        for row in bad[:10]:
            stored.partial_failures.append(status_pb2.Status(code=3, message=row["error"]["message"]))
    if bad and not good:
        raise invalid(f"The model refused every instance. The first: {bad[0]['error']['message']}")


def _write(cloud: Context, job: Any, title: str, good: list[Any], bad: list[Any]) -> Any:
    """Put results and errors into files or tables. Returns where they are."""
    import pandas as pd

    storage, moment = cloud.storage, f"{job.create_time.ToDatetime():%Y_%m_%dT%H_%M_%S}"
    if job.output_config.predictions_format == "jsonl":
        prefix = job.output_config.gcs_destination.output_uri_prefix.rstrip("/")
        base = f"{prefix}/prediction-{title}-{moment}-{job.name.rsplit('/', 1)[1][-6:]}"
        storage.write(f"{base}/prediction.results-00000-of-00001", json_lines(good))
        if bad:
            storage.write(f"{base}/prediction.errors_stats-00000-of-00001", json_lines(bad))
        return pb.BatchPredictionJob.OutputInfo(gcs_output_directory=base)
    parts = job.output_config.bigquery_destination.output_uri.removeprefix("bq://").split(".")
    parts += [re.sub(r"\W", "_", f"prediction_{title}_{moment}")][len(parts) - 1 :]
    parts += [f"predictions_{moment}"][len(parts) - 2 :]
    as_text = [{**row, "prediction": json.dumps(row["prediction"])} for row in good]
    write_table(storage, f"bq://{'.'.join(parts)}", pd.DataFrame(as_text))
    if bad:
        errors = [{"instance": json.dumps(row), "error": row["error"]["message"]} for row in bad]
        write_table(storage, f"bq://{parts[0]}.{parts[1]}.errors_{moment}", pd.DataFrame(errors))
    dataset = f"bq://{parts[0]}.{parts[1]}"
    return pb.BatchPredictionJob.OutputInfo(bigquery_output_dataset=dataset, bigquery_output_table=parts[2])


@implements(
    "JobService.CreateBatchPredictionJob",
    differs="JSON lines, CSV or BigQuery to JSON lines or BigQuery; no explanations",
)
def create_batch_prediction_job(call: Call, request: Any) -> Message:
    """Start a batch prediction job."""
    wanted = request.batch_prediction_job
    refuse_publisher(call, wanted.model)
    for config, name, known in (
        (wanted.input_config, wanted.input_config.instances_format, SOURCES),
        (wanted.output_config, wanted.output_config.predictions_format, TARGETS),
    ):
        if known.get(name) not in {field.name for field, _ in config.ListFields()}:
            raise invalid(
                f"{type(config).__name__} must be {', '.join(f'{k} with {v}' for k, v in known.items())}; "
                "others are not implemented by this local stand-in."
            )
    _check_config(wanted.instance_config, wanted.input_config.instances_format)
    job = new_resource(call, request)
    if job.model:
        version = find_version(call.store, job.model)
        job.model, job.model_version_id = version.name, version.version_id
        job.model = f"{version.name}@{version.version_id}"
    elif not framework_of(job.unmanaged_container_model.container_spec.image_uri):
        raise invalid("batch_prediction_job.model is required.")
    return call.cloud.jobs.submit(job, lambda cancel: _run(call.cloud, job, cancel))
