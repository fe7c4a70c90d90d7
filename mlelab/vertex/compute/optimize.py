"""Suggestions for studies: grid, random, and a Gaussian process with expected improvement; early stopping; fronts."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..wire.catalog import types
from ..wire.errors import invalid, precondition

FIRST_RANDOM = 4  # trials before the Gaussian process has something to learn from
CANDIDATES = 512
Point = dict[str, Any]


def check_study(spec: Any) -> None:
    """INVALID_ARGUMENT for a study that cannot be optimised."""
    if not spec.metrics:
        raise invalid("study_spec.metrics needs at least one metric.")
    if not spec.parameters:
        raise invalid("study_spec.parameters needs at least one parameter.")
    ids = [parameter.parameter_id for parameter in spec.parameters]
    if len(set(ids)) != len(ids):
        raise invalid("study_spec.parameters has a parameter_id twice.")
    for parameter in spec.parameters:
        kind = parameter.WhichOneof("parameter_value_spec")
        if kind is None:
            raise invalid(f"Parameter {parameter.parameter_id!r} has no value spec.")
        value = getattr(parameter, kind)
        if kind in ("double_value_spec", "integer_value_spec"):
            if not value.min_value <= value.max_value or not math.isfinite(value.max_value - value.min_value):
                raise invalid(f"Parameter {parameter.parameter_id!r}: min_value must not exceed max_value.")
            if "LOG" in _scale(parameter) and value.min_value <= 0:
                raise invalid(f"Parameter {parameter.parameter_id!r}: a logarithmic scale needs min_value > 0.")
        elif not value.values:
            raise invalid(f"Parameter {parameter.parameter_id!r} has no values.")
    if _algorithm(spec) == "GRID_SEARCH" and any(
        p.WhichOneof("parameter_value_spec") == "double_value_spec" for p in spec.parameters
    ):
        raise invalid("GRID_SEARCH takes integer, categorical and discrete parameters, not DOUBLE.")


def _algorithm(spec: Any) -> str:
    return types().StudySpec.Algorithm(spec.algorithm).name


def _scale(parameter: Any) -> str:
    return types().StudySpec.ParameterSpec.ScaleType(parameter.scale_type).name


def _choices(parameter: Any) -> list[Any] | None:
    """All values of a parameter, or None where it is continuous."""
    kind = parameter.WhichOneof("parameter_value_spec")
    value = getattr(parameter, kind)
    if kind == "integer_value_spec":
        return list(range(value.min_value, min(value.max_value, value.min_value + 100_000) + 1))
    return None if kind == "double_value_spec" else list(value.values)


def _from_unit(parameter: Any, unit: float) -> Any:
    """A point of [0, 1] as a value of the parameter, on its scale."""
    kind = parameter.WhichOneof("parameter_value_spec")
    value = getattr(parameter, kind)
    if kind in ("categorical_value_spec", "discrete_value_spec"):
        return value.values[min(int(unit * len(value.values)), len(value.values) - 1)]
    low, high = value.min_value, value.max_value
    if kind == "integer_value_spec":
        low, high = low - 0.4999 if low > 0.5 or "LOG" not in _scale(parameter) else low, high + 0.4999
    if _scale(parameter) == "UNIT_LOG_SCALE":
        result = low * (high / low) ** unit
    elif _scale(parameter) == "UNIT_REVERSE_LOG_SCALE":
        result = high + low - low * (high / low) ** (1 - unit)
    else:
        result = low + unit * (high - low)
    return round(result) if kind == "integer_value_spec" else min(max(result, value.min_value), value.max_value)


def _to_unit(parameter: Any, given: Any) -> float:
    """The inverse of `_from_unit`."""
    kind = parameter.WhichOneof("parameter_value_spec")
    value = getattr(parameter, kind)
    if kind in ("categorical_value_spec", "discrete_value_spec"):
        return (list(value.values).index(given) + 0.5) / len(value.values) if given in value.values else 0.5
    low, high = value.min_value, value.max_value
    if high == low:
        return 0.5
    if _scale(parameter) == "UNIT_LOG_SCALE":
        return math.log(given / low) / math.log(high / low)
    if _scale(parameter) == "UNIT_REVERSE_LOG_SCALE":
        return 1 - math.log((high + low - given) / low) / math.log(high / low)
    return (given - low) / (high - low)


def _active(parameters: Any, point: Point) -> Iterator[Any]:
    """The parameters of a study that apply at `point`, conditional ones included once their parent is set."""
    for parameter in parameters:
        yield parameter
        for child in parameter.conditional_parameter_specs:
            kind = child.WhichOneof("parent_value_condition")
            if (
                kind
                and parameter.parameter_id in point
                and point[parameter.parameter_id] in getattr(child, kind).values
            ):
                yield from _active([child.parameter_spec], point)


def _random(spec: Any, rng: random.Random) -> Point:
    point: Point = {}
    while missing := [p for p in _active(spec.parameters, point) if p.parameter_id not in point]:
        for parameter in missing:
            point[parameter.parameter_id] = _from_unit(parameter, rng.random())
    return point


def _grid(parameters: list[Any]) -> Iterator[Point]:
    for values in itertools.product(*(_choices(p) for p in parameters)):
        yield {p.parameter_id: v for p, v in zip(parameters, values, strict=True)}


def values_of(trial: Any) -> Point:
    """A trial's parameters as plain values."""
    return {
        p.parameter_id: p.value.string_value if p.value.WhichOneof("kind") == "string_value" else p.value.number_value
        for p in trial.parameters
    }


def set_values(trial: Any, point: Point) -> None:
    """Write plain values as a trial's parameters."""
    for key, value in point.items():
        kind = "string_value" if isinstance(value, str) else "number_value"
        setattr(trial.parameters.add(parameter_id=key).value, kind, value)


def goal(metric: Any) -> int:
    """+1 for a metric to maximise, -1 for one to minimise."""
    return -1 if types().StudySpec.MetricSpec.GoalType(metric.goal).name == "MINIMIZE" else 1


def objective(spec: Any, trial: Any) -> list[float] | None:
    """The final metrics of a completed trial, greater is better; None where it has none."""
    if not trial.HasField("final_measurement") or trial.infeasible_reason:
        return None
    found = {m.metric_id: m.value for m in trial.final_measurement.metrics}
    values = [goal(metric) * found[metric.metric_id] for metric in spec.metrics if metric.metric_id in found]
    return values if len(values) == len(spec.metrics) and all(map(math.isfinite, values)) else None


def suggest(spec: Any, trials: list[Any], count: int, seed: int) -> list[Point]:
    """Up to `count` new points. FAILED_PRECONDITION where a grid is used up.

    seed: makes the suggestions of one study repeatable.
    """
    points: list[Point] = []
    seen = [values_of(trial) for trial in trials]
    for index in range(count):
        rng = random.Random(f"{seed}/{len(trials) + index}")
        if _algorithm(spec) == "GRID_SEARCH":
            point = next((p for p in _grid(list(spec.parameters)) if p not in seen), None)
            if point is None and not points:
                raise precondition("Every point of the grid has been tried.")
            if point is None:
                break
        elif _algorithm(spec) == "RANDOM_SEARCH":
            point = _random(spec, rng)
        else:
            point = _bayesian(spec, trials, seen, rng)
        points.append(point)
        seen.append(point)
    return points


def _bayesian(spec: Any, trials: list[Any], seen: list[Point], rng: random.Random) -> Point:
    """The candidate with the greatest expected improvement of the first metric."""
    done = [(values_of(t), objective(spec, t)) for t in trials]
    done = [(point, value[0]) for point, value in done if value]
    if len(done) < FIRST_RANDOM:
        return _random(spec, rng)
    import warnings

    from scipy.stats import norm
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    def row(point: Point) -> list[float]:
        return [_to_unit(p, point[p.parameter_id]) if p.parameter_id in point else -1.0 for p in spec.parameters]

    x, y = np.array([row(point) for point, _ in done]), np.array([value for _, value in done])
    y = (y - y.mean()) / (y.std() or 1.0)
    kernel = ConstantKernel() * Matern(length_scale=np.full(x.shape[1], 0.5), nu=2.5) + WhiteKernel(1e-3)
    model = GaussianProcessRegressor(kernel, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a length scale at its bound is fine here
        model.fit(x, y)
        candidates = [_random(spec, rng) for _ in range(CANDIDATES)]
        fresh = [point for point in candidates if point not in seen] or candidates
        mean, std = model.predict(np.array([row(point) for point in fresh]), return_std=True)
    std = np.maximum(std, 1e-9)
    z = (mean - y.max() - 0.01) / std
    return fresh[int(np.argmax((mean - y.max() - 0.01) * norm.cdf(z) + std * norm.pdf(z)))]


def should_stop(spec: Any, trial: Any, others: list[Any]) -> bool:
    """The median rule: stop where the best so far is worse than the others' median at the same step."""
    if spec.WhichOneof("automated_stopping_spec") is None or not trial.measurements:
        return False
    metric = spec.metrics[0]
    step = trial.measurements[-1].step_count

    def curve(one: Any) -> list[float]:
        return [
            goal(metric) * m.value
            for measurement in one.measurements
            if measurement.step_count <= step
            for m in measurement.metrics
            if m.metric_id == metric.metric_id
        ]

    means = [sum(c) / len(c) for c in map(curve, others) if c]
    own = curve(trial)
    return len(means) >= 3 and bool(own) and max(own) < sorted(means)[len(means) // 2]


def optimal(spec: Any, trials: list[Any]) -> list[Any]:
    """The best trial, or those that no other beats in every metric."""
    scored = [(objective(spec, t), t) for t in trials]
    scored = [(v, t) for v, t in scored if v]
    return [
        t for v, t in scored if not any(all(a >= b for a, b in zip(w, v, strict=True)) and w != v for w, _ in scored)
    ]
