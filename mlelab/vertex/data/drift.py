"""Distances between two samples of one column, as model monitoring reports them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..wire.errors import invalid

if TYPE_CHECKING:
    import pandas as pd

BUCKETS = 10


def is_categorical(column: pd.Series) -> bool:
    """True for text, booleans and categories."""
    import pandas as pd

    return not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)


def shares(baseline: pd.Series, target: pd.Series) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Labels of the buckets, and the share of each sample in them. Numbers: ten buckets equally wide over the baseline,
    the outer two open. Text: one bucket per value."""
    import pandas as pd

    baseline, target = baseline.dropna(), target.dropna()
    if baseline.empty or target.empty:
        raise invalid(f"The column {baseline.name!r} is empty in one of the two data sets.")
    if is_categorical(baseline):
        labels = sorted(set(baseline.astype(str)) | set(target.astype(str)))
        counts = [
            sample.astype(str).value_counts().reindex(labels, fill_value=0).to_numpy(float)
            for sample in (baseline, target)
        ]
    else:
        target = pd.to_numeric(target, errors="coerce").dropna()
        low, high = float(baseline.min()), float(baseline.max())
        inner = np.linspace(low, high if high > low else low + 1.0, BUCKETS + 1)[1:-1]
        edges = [-np.inf, *inner, np.inf]
        labels = [f"{a:.4g}..{b:.4g}" for a, b in zip([low, *inner], [*inner, high], strict=True)]
        counts = [np.histogram(sample, edges)[0].astype(float) for sample in (baseline, target)]
    return labels, counts[0] / counts[0].sum(), counts[1] / max(counts[1].sum(), 1)


def l_infinity(p: np.ndarray, q: np.ndarray) -> float:
    """The greatest difference of any share."""
    return float(np.abs(p - q).max())


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> float:
    """Jensen–Shannon divergence to base 2, between 0 and 1."""
    m = (p + q) / 2

    def kl(a: np.ndarray) -> float:
        mask = a > 0
        return float((a[mask] * np.log2(a[mask] / m[mask])).sum())

    return (kl(p) + kl(q)) / 2


def distance(metric: str, baseline: pd.Series, target: pd.Series) -> tuple[float, list[str], np.ndarray, np.ndarray]:
    """The distance by its name on the wire, with the buckets and shares it was computed from."""
    functions = {"l_infinity": l_infinity, "jensen_shannon_divergence": jensen_shannon}
    if metric not in functions:
        raise invalid(f"{metric!r} is not a metric type; choose {' or '.join(functions)}.")
    labels, p, q = shares(baseline, target)
    return functions[metric](p, q), labels, p, q
