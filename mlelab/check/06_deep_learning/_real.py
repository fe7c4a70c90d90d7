"""What several exercises of lab 6 read from the course's data, once a process and not to be changed."""

import functools

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

from mlelab import case, data

NUMBERS = case.SCHEDULE + case.WEATHER + case.CONGESTION


@functools.cache
def thousand() -> tuple[np.ndarray, np.ndarray]:
    """A thousand flights as standardised numbers, missing ones at the mean, and 1 for late."""
    flights = data.load("features").dropna(subset="arr_delay").sample(1_000, random_state=0)
    x = flights[NUMBERS]
    late = (flights["arr_delay"] >= case.LATE_MINUTES).to_numpy(float)
    return ((x - x.mean()) / x.std()).fillna(0).to_numpy(float), late


@functools.cache
def digits() -> np.ndarray:
    """Twenty digits, (20, 8, 8, 1), from 0 to 1."""
    return load_digits().images[:20, :, :, None] / 16


@functools.cache
def destinations() -> tuple[np.ndarray, list[str]]:
    """The destination of a thousand flights as a number, and the airports in that order."""
    dest = data.load("flights")["dest"].iloc[:1_000]
    codes, names = pd.factorize(dest, sort=True)
    return codes, list(names)


@functools.cache
def departures() -> np.ndarray:
    """Departures from New York in each hour of 2013, local clock."""
    left = data.load("flights").dropna(subset="dep_time")
    when = left["time_hour"] + pd.to_timedelta(left["minute"] + left["dep_delay"], unit="min")
    when = when.dt.tz_convert("America/New_York").dt.tz_localize(None).dt.floor("h")
    hours = pd.date_range("2013-01-01", "2013-12-31 23:00", freq="h")
    return when.value_counts().reindex(hours, fill_value=0).to_numpy(float)
