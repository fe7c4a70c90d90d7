"""What several exercises of lab 1 read from the course's data, once a process and not to be changed."""

import functools

import pandas as pd

from mlelab import case, data


@functools.cache
def flights() -> pd.DataFrame:
    return data.load("flights")


@functools.cache
def features() -> pd.DataFrame:
    """The flights with a label, when each was decided upon, what they are grouped by, and `late` (0 or 1)."""
    features = data.load("features", ["decision_time", "carrier", "hour", "arr_delay"]).dropna(subset="arr_delay")
    return features.assign(late=(features["arr_delay"] >= case.LATE_MINUTES).astype(int))
