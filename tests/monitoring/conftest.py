"""A running service with a small bundle, and a day of flights to send to it."""

import pandas as pd
import pytest

from mlelab import case, data
from mlelab.serving import bundle, process


@pytest.fixture(scope="session")
def flights():
    flights = data.load("features").dropna(subset="arr_delay").sample(6_000, random_state=0)
    return flights.assign(date=pd.to_datetime(flights[["year", "month", "day"]]))


@pytest.fixture(scope="session")
def columns(flights):
    return bundle.contract(flights, case.SCHEDULE + case.WEATHER + case.CONGESTION, case.CATEGORIES)


@pytest.fixture(scope="session")
def service(tmp_path_factory, flights, columns):
    folder = tmp_path_factory.mktemp("bundle")
    train = flights[flights["month"] <= 8]
    model = case.linear_model().fit(train, train["arr_delay"] >= case.LATE_MINUTES)
    bundle.save(model, folder, version="august", columns=columns)
    with process.serve(folder) as server:
        yield server
