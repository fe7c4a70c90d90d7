"""What several exercises of lab 7 read from the course's data, once a process and not to be changed."""

import functools
import math
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from mlelab import case, data


@functools.cache
def bundle_sizes() -> tuple[int, int, float]:
    """Bytes as ONNX and as a pickle of the case's model, and the power of ten above their largest difference."""
    from mlelab.serving import bundle

    flights = data.load("features").dropna(subset="arr_delay").sample(20_000, random_state=0)
    late = flights["arr_delay"] >= case.LATE_MINUTES
    model = case.linear_model().fit(flights, late)
    columns = bundle.contract(flights, case.SCHEDULE + case.WEATHER + case.CONGESTION, case.CATEGORIES)
    with tempfile.TemporaryDirectory() as folder:
        bundle.save(model, folder, version="1", columns=columns)
        size, loaded = (Path(folder) / bundle.MODEL).stat().st_size, bundle.load(folder)
    gap = abs(model.predict_proba(flights)[:, 1] - loaded.score(flights)).max()
    return size, len(pickle.dumps(model)), 10.0 ** math.ceil(math.log10(gap))


@functools.cache
def contract() -> dict[str, dict]:
    """The contract of a model trained on the case's training months."""
    from mlelab.serving import bundle

    train = case.split(data.load("features").dropna(subset="arr_delay"))[0]
    return bundle.contract(train, case.SCHEDULE + case.WEATHER + case.CONGESTION, case.CATEGORIES)


@functools.cache
def decisions() -> np.ndarray:
    """Minutes at which the desk decides on the flights of one day, ascending."""
    times = data.load("features")["decision_time"].sort_values()
    day = times[(times >= "2013-07-01 00:00-04:00") & (times < "2013-07-02 00:00-04:00")]
    return ((day - day.iloc[0]) / pd.Timedelta(minutes=1)).to_numpy()


@functools.cache
def flights_by_aircraft() -> pd.Series:
    """Number of flights for each tail number."""
    return data.load("flights")["tailnum"].value_counts()
