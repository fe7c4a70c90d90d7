"""TensorBoard: experiments, runs, time series and their points. Each write is one row beneath its time series."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

from ..resources.generic import check_parent, create, generic, new_resource, store_copy
from ..resources.operations import finished
from ..resources.query import page_of, parse_filter
from ..resources.registry import Call, implements
from ..resources.store import new_id
from ..wire.catalog import pb, types
from ..wire.errors import invalid, not_found

generic("TensorboardService", r"(Create|Get|List|Update|Delete)\w+")


@implements("TensorboardService.CreateTensorboard")
def create_tensorboard(call: Call, request: Any) -> Message:
    """Create a TensorBoard; one is the default of its location."""
    board = new_resource(call, request)
    with call.store:
        if board.is_default:
            for other in call.store.list(pb.Tensorboard, f"{request.parent}/tensorboards"):
                if other.is_default:
                    other.is_default = False
                    call.store.put(other)
        call.store.insert(board)
    return finished(call, board)


@implements("TensorboardService.BatchCreateTensorboardRuns")
def batch_create_runs(call: Call, request: Any) -> Message:
    """Create several runs of one experiment."""
    check_parent(call, request.parent)
    made = []
    with call.store:
        for one in request.requests:
            name = f"{request.parent}/runs/{one.tensorboard_run_id or new_id()}"
            made.append(store_copy(call.store, one.tensorboard_run, name))
    return pb.BatchCreateTensorboardRunsResponse(tensorboard_runs=made)


def _check_name(call: Call, run: str, display_name: str) -> None:
    if any(s.display_name == display_name for s in call.store.list(pb.TensorboardTimeSeries, f"{run}/timeSeries")):
        raise invalid(f"{run} already has a time series {display_name!r}.")


@implements("TensorboardService.CreateTensorboardTimeSeries")
def create_series(call: Call, request: Any) -> Message:
    """Create a time series; its display name is unique in its run."""
    with call.store:
        _check_name(call, request.parent, request.tensorboard_time_series.display_name)
        return create(call, request)


@implements("TensorboardService.BatchCreateTensorboardTimeSeries")
def batch_create_series(call: Call, request: Any) -> Message:
    """Create time series in several runs of one experiment."""
    made = []
    with call.store:
        for one in request.requests:
            check_parent(call, one.parent)
            _check_name(call, one.parent, one.tensorboard_time_series.display_name)
            made.append(store_copy(call.store, one.tensorboard_time_series, f"{one.parent}/timeSeries/{new_id()}"))
    return pb.BatchCreateTensorboardTimeSeriesResponse(tensorboard_time_series=made)


def _write(call: Call, run: str, data: Any) -> None:
    check_parent(call, run)
    for one in data:
        name = f"{run}/timeSeries/{one.tensorboard_time_series_id}"
        with call.store.edit(pb.TensorboardTimeSeries, name) as series:
            if one.value_type and one.value_type != series.value_type:
                raise invalid(f"{name} holds {types().TensorboardTimeSeries.ValueType(series.value_type).name} values.")
            if one.values:
                series.metadata.max_step = max(series.metadata.max_step, *(v.step for v in one.values))
                series.metadata.max_wall_time.CopyFrom(one.values[-1].wall_time)
            call.store.put(one, f"{name}/data/{new_id()}")


@implements("TensorboardService.WriteTensorboardRunData")
def write_run(call: Call, request: Any) -> Message:
    """Append points to the time series of a run."""
    with call.store:
        _write(call, request.tensorboard_run, request.time_series_data)
    return pb.WriteTensorboardRunDataResponse()


@implements("TensorboardService.WriteTensorboardExperimentData")
def write_experiment(call: Call, request: Any) -> Message:
    """Append points to the time series of several runs."""
    with call.store:
        for one in request.write_run_data_requests:
            _write(call, one.tensorboard_run, one.time_series_data)
    return pb.WriteTensorboardExperimentDataResponse()


def points(call: Call, name: str, text: str = "") -> Any:
    """A time series with its points in order of step; `text` filters by step."""
    series = call.store.get(pb.TensorboardTimeSeries, name)
    rows = [v for row in call.store.list(pb.TimeSeriesData, f"{name}/data") for v in row.values]
    predicate = parse_filter(text)
    rows = sorted((v for v in rows if predicate(v)), key=lambda v: (v.step, v.wall_time.ToNanoseconds()))
    return pb.TimeSeriesData(
        tensorboard_time_series_id=name.rsplit("/", 1)[1], value_type=series.value_type, values=rows
    )


@implements("TensorboardService.ReadTensorboardTimeSeriesData")
def read_series(call: Call, request: Any) -> Message:
    """The points of one time series."""
    data = points(call, request.tensorboard_time_series, request.filter)
    limit = request.max_data_points or 1000
    if limit < 0:
        raise invalid("max_data_points must not be negative.")
    if len(data.values) > limit:  # evenly spaced, the last one included
        kept = [data.values[round(i * (len(data.values) - 1) / max(limit - 1, 1))] for i in range(limit)]
        data = pb.TimeSeriesData(
            tensorboard_time_series_id=data.tensorboard_time_series_id, value_type=data.value_type, values=kept
        )
    return pb.ReadTensorboardTimeSeriesDataResponse(time_series_data=data)


@implements("TensorboardService.BatchReadTensorboardTimeSeriesData")
def batch_read(call: Call, request: Any) -> Message:
    """The points of several time series."""
    return pb.BatchReadTensorboardTimeSeriesDataResponse(
        time_series_data=[points(call, name) for name in request.time_series]
    )


@implements("TensorboardService.ExportTensorboardTimeSeriesData")
def export_series(call: Call, request: Any) -> Message:
    """The points of one time series, page by page."""
    page, token = page_of(request, list(points(call, request.tensorboard_time_series, request.filter).values))
    return pb.ExportTensorboardTimeSeriesDataResponse(time_series_data_points=page, next_page_token=token)


@implements("TensorboardService.ReadTensorboardSize")
def read_size(call: Call, request: Any) -> Message:
    """Bytes of all points beneath a TensorBoard."""
    if not call.store.exists(request.tensorboard):
        raise not_found(request.tensorboard)
    names = [n for n in call.store.beneath(request.tensorboard) if "/data/" in n]
    return pb.ReadTensorboardSizeResponse(
        storage_size_byte=sum(call.store.get(pb.TimeSeriesData, name).ByteSize() for name in names)
    )
