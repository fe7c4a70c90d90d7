"""What several exercises of lab 3 read from the course's data, once a process and not to be changed."""

import functools

import pandas as pd

from mlelab import case, data


@functools.cache
def flights() -> tuple[pd.DataFrame, pd.Series]:
    """The flights with a label, and which of them are training rows."""
    columns = ["decision_time", "carrier", "flight", "tailnum", "dest", "temp", "seats", "arr_delay"]
    real = data.load("features", columns).dropna(subset="arr_delay")
    return real, real["decision_time"] < case.VALIDATION_START
