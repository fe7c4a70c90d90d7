"""Model monitoring: skew and drift between two data sets, computed, with alerts above a threshold."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from google.protobuf import struct_pb2
from google.protobuf.message import Message

from ..data.drift import distance, is_categorical
from ..data.tables import expand, read_tables
from ..data.warehouse import bigquery_table
from ..resources.generic import check_parent, generic, new_resource
from ..resources.query import page_of
from ..resources.registry import Call, implements, on_start
from ..resources.store import new_id
from ..resources.times import now
from ..wire.catalog import pb, types
from ..wire.errors import CloudError, invalid, logged, precondition
from .context import Context
from .datasets import rows_of
from .endpoints import log_bucket

if TYPE_CHECKING:
    import pandas as pd


generic("ModelMonitoringService", "(Create|Get|List|Update|Delete)ModelMonitors?")
generic("ModelMonitoringService", "(Get|List|Delete)ModelMonitoringJobs?")

NUMERIC, CATEGORICAL, THRESHOLD = "jensen_shannon_divergence", "l_infinity", 0.3
OBJECTIVES = {"feature_drift_spec": "raw-feature-drift", "prediction_output_drift_spec": "prediction-output-drift"}


@on_start
def resume(cloud: Context) -> None:
    """After a restart."""
    for name in cloud.store.names("projects/*/locations/*/modelMonitors/*/modelMonitoringJobs/*"):
        job = cloud.store.find(pb.ModelMonitoringJob, name)
        if job and types().JobState(job.state).name in ("JOB_STATE_PENDING", "JOB_STATE_RUNNING"):
            job.state = types().JobState.JOB_STATE_FAILED
            job.job_execution_detail.error.message = "The local server was stopped while this ran."
            cloud.store.put(job)


def read_input(cloud: Context, source: Any, names: list[str]) -> pd.DataFrame:
    """The data that a ModelMonitoringInput describes, cut to its time interval."""
    import pandas as pd

    kind = source.WhichOneof("dataset")
    if kind == "columnized_dataset":
        dataset = source.columnized_dataset
        where = dataset.WhichOneof("data_location")
        if where == "gcs_source":
            table = read_tables(cloud.storage, [dataset.gcs_source.gcs_uri])
        elif where == "bigquery_source" and dataset.bigquery_source.table_uri:
            table = bigquery_table(cloud.storage, dataset.bigquery_source.table_uri)
        elif where == "vertex_dataset":
            table = rows_of(cloud, cloud.store.get(pb.Dataset, dataset.vertex_dataset))
        else:
            raise CloudError(
                "UNIMPLEMENTED", f"Monitoring data from {where} is not implemented by this local stand-in."
            )
        time_field = dataset.timestamp_field
    elif kind == "vertex_endpoint_logs":
        table, time_field = _logs(cloud, source.vertex_endpoint_logs.endpoints, names), "logging_time"
    elif kind == "batch_prediction_output":
        job = cloud.store.get(pb.BatchPredictionJob, source.batch_prediction_output.batch_prediction_job)
        data = cloud.storage.read(f"{job.output_info.gcs_output_directory}/prediction.results-00000-of-00001")
        table, time_field = _frame([json.loads(line)["instance"] for line in data.splitlines()], names), ""
    else:
        raise invalid("A monitoring input needs a dataset.")
    if source.HasField("time_interval") and time_field:
        moments = pd.to_datetime(table[time_field], utc=True)
        start, end = source.time_interval.start_time.ToDatetime(), source.time_interval.end_time.ToDatetime()
        table = table[(moments >= pd.Timestamp(start, tz="UTC")) & (moments < pd.Timestamp(end, tz="UTC"))]
    return table


def _frame(instances: list[Any], names: list[str]) -> pd.DataFrame:
    import pandas as pd

    if instances and isinstance(instances[0], dict):
        return pd.DataFrame(instances)
    return pd.DataFrame(instances, columns=names or None)


def _logs(cloud: Context, endpoints: Any, names: list[str]) -> pd.DataFrame:
    """The instances in the logged requests of endpoints."""
    import pandas as pd

    parts = []
    for endpoint in endpoints:
        bucket = log_bucket(endpoint.split("/")[1])
        for uri in expand(cloud.storage, [f"gs://{bucket}/{endpoint.rsplit('/', 1)[1]}/*"]):
            row = json.loads(cloud.storage.read(uri))
            part = _frame(json.loads(row["request_payload"][0])["instances"], names)
            parts.append(part.assign(logging_time=row["logging_time"]))
    return pd.concat(parts, ignore_index=True)


def _defaults(monitor: Any, job: Any) -> Any:
    """The job's objective, with what it leaves open taken from the monitor."""
    objective = pb.ModelMonitoringObjectiveSpec()
    objective.CopyFrom(job.model_monitoring_spec.objective_spec)
    if not objective.HasField("tabular_objective"):
        objective.tabular_objective.CopyFrom(monitor.tabular_objective)
    if not objective.HasField("baseline_dataset"):
        objective.baseline_dataset.CopyFrom(monitor.training_dataset)
    return objective


def _run(cloud: Context, monitor: Any, job: Any) -> None:
    objective = _defaults(monitor, job)
    schema = monitor.model_monitoring_schema
    fields = {"feature_drift_spec": schema.feature_fields, "prediction_output_drift_spec": schema.prediction_fields}
    names = [field.name for field in schema.feature_fields]
    baseline = read_input(cloud, objective.baseline_dataset, names)
    target = read_input(cloud, objective.target_dataset, names)
    found = 0
    for key, title in OBJECTIVES.items():
        if not objective.tabular_objective.HasField(key):
            continue
        found += 1
        spec = getattr(objective.tabular_objective, key)
        kinds = {field.name: field.data_type for field in fields[key]}
        for column in spec.features or kinds or [c for c in baseline.columns if c in target]:
            if column not in baseline or column not in target:
                raise precondition(f"The column {column!r} is missing from the baseline or the target data set.")
            _compare(cloud, monitor, job, title, spec, column, kinds.get(column, ""), baseline, target)
    if not found:
        raise invalid("The monitoring job has no feature_drift_spec and no prediction_output_drift_spec.")


def _compare(
    cloud: Context,
    monitor: Any,
    job: Any,
    title: str,
    spec: Any,
    column: str,
    kind: str,
    baseline: pd.DataFrame,
    target: pd.DataFrame,
) -> None:
    """One column: its distance, its distributions, and an alert where the distance exceeds the threshold."""
    first, second = baseline[column], target[column]
    categorical = kind in ("categorical", "string", "boolean") or not kind and is_categorical(first)
    if categorical:
        first, second = first.astype(str).where(first.notna()), second.astype(str).where(second.notna())
    metric = (spec.categorical_metric_type or CATEGORICAL) if categorical else (spec.numeric_metric_type or NUMERIC)
    condition = spec.default_categorical_alert_condition if categorical else spec.default_numeric_alert_condition
    if column in spec.feature_alert_conditions:
        condition = spec.feature_alert_conditions[column]
    threshold = condition.threshold if condition.WhichOneof("condition") else THRESHOLD
    value, labels, p, q = distance(metric, first, second)
    point = pb.ModelMonitoringStatsDataPoint(
        threshold_value=threshold, has_anomaly=value > threshold, model_monitoring_job=job.name, algorithm=metric
    )
    point.create_time.CopyFrom(now())
    for stats, heights, deviation in ((point.current_stats, q, value), (point.baseline_stats, p, 0.0)):
        stats.distribution_value.distribution_deviation = deviation
        stats.distribution_value.distribution.struct_value.update(
            {
                "buckets" if categorical else "bins": [
                    {"label": label, "share": float(share)} for label, share in zip(labels, heights, strict=True)
                ]
            }
        )
    stats = pb.ModelMonitoringTabularStats(stats_name=column, objective_type=title, data_points=[point])
    cloud.store.put(stats, f"{monitor.name}/stats/{new_id()}")
    if point.has_anomaly:
        alert = pb.ModelMonitoringAlert(stats_name=column, objective_type=title)
        alert.alert_time.CopyFrom(now())
        alert.anomaly.model_monitoring_job, alert.anomaly.algorithm = job.name, metric
        anomaly = alert.anomaly.tabular_anomaly
        anomaly.summary = f"{metric} of {column} is {value:.4f}, above the threshold of {threshold:g}."
        anomaly.condition.threshold = threshold
        anomaly.anomaly.CopyFrom(struct_pb2.Value(number_value=value))
        anomaly.trigger_time.CopyFrom(now())
        cloud.store.put(alert, f"{monitor.name}/alerts/{new_id()}")


@implements("ModelMonitoringService.CreateModelMonitoringJob", differs="drift of tables; no feature attributions")
def create_job(call: Call, request: Any) -> Message:
    """Compare two data sets now."""
    monitor = call.store.get(pb.ModelMonitor, request.parent)
    job = new_resource(call, request)
    if request.model_monitoring_job_id:
        job.name = f"{monitor.name}/modelMonitoringJobs/{request.model_monitoring_job_id}"
    job.state = types().JobState.JOB_STATE_RUNNING
    call.store.insert(job)
    cloud = call.cloud

    def work() -> None:
        state, error = "JOB_STATE_SUCCEEDED", None
        try:
            _run(cloud, monitor, job)
        except Exception as caught:
            state, error = "JOB_STATE_FAILED", logged(job.name, caught)
        with cloud.store.edit(pb.ModelMonitoringJob, job.name) as stored:
            stored.state = types().JobState[state]
            stored.update_time.CopyFrom(now())
            if error:
                stored.job_execution_detail.error.code = error.number
                stored.job_execution_detail.error.message = error.message

    thread = threading.Thread(target=work, daemon=True, name=job.name)
    thread.start()
    thread.join(2.0)
    return call.store.get(pb.ModelMonitoringJob, job.name)


def _inside(interval: Any, moment: Any) -> bool:
    nanos = moment.ToNanoseconds()
    return not (
        interval.HasField("start_time")
        and nanos < interval.start_time.ToNanoseconds()
        or interval.HasField("end_time")
        and nanos >= interval.end_time.ToNanoseconds()
    )


@implements("ModelMonitoringService.SearchModelMonitoringStats")
def search_stats(call: Call, request: Any) -> Message:
    """The statistics of a monitor, newest first."""
    check_parent(call, request.model_monitor)
    wanted = request.stats_filter.tabular_stats_filter
    found = []
    for stats in reversed(call.store.list(pb.ModelMonitoringTabularStats, f"{request.model_monitor}/stats")):
        point = stats.data_points[0]
        if (
            wanted.stats_name in ("", stats.stats_name)
            and wanted.objective_type in ("", stats.objective_type)
            and wanted.model_monitoring_job in ("", point.model_monitoring_job)
            and wanted.algorithm in ("", point.algorithm)
            and _inside(request.time_interval, point.create_time)
        ):
            found.append(pb.ModelMonitoringStats(tabular_stats=stats))
    page, token = page_of(request, found)
    return pb.SearchModelMonitoringStatsResponse(monitoring_stats=page, next_page_token=token)


@implements("ModelMonitoringService.SearchModelMonitoringAlerts")
def search_alerts(call: Call, request: Any) -> Message:
    """The alerts of a monitor, newest first."""
    check_parent(call, request.model_monitor)
    found = [
        alert
        for alert in reversed(call.store.list(pb.ModelMonitoringAlert, f"{request.model_monitor}/alerts"))
        if request.stats_name in ("", alert.stats_name)
        and request.objective_type in ("", alert.objective_type)
        and request.model_monitoring_job in ("", alert.anomaly.model_monitoring_job)
        and _inside(request.alert_time_interval, alert.alert_time)
    ]
    page, token = page_of(request, found)
    return pb.SearchModelMonitoringAlertsResponse(
        model_monitoring_alerts=page, total_number_alerts=len(found), next_page_token=token
    )
