"""What several exercises of lab 9 read from the course's data, once a process and not to be changed."""

import functools

import pandas as pd

from mlelab import case, data


@functools.cache
def flights() -> pd.DataFrame:
    """A sample of the flights with a label, `late` among the columns."""
    flights = data.load("features").dropna(subset="arr_delay").sample(60_000, random_state=0)
    return flights.assign(late=(flights["arr_delay"] >= case.LATE_MINUTES).astype(int))
