"""A small bundle that every test of the service uses: 3,000 flights, the case's linear model."""

import json

import pytest

from mlelab import case, data
from mlelab.serving import bundle


@pytest.fixture(scope="session")
def flights():
    return data.load("features").dropna(subset="arr_delay").sample(3_000, random_state=0)


@pytest.fixture(scope="session")
def model(flights):
    return case.linear_model().fit(flights, flights["arr_delay"] >= case.LATE_MINUTES)


@pytest.fixture(scope="session")
def columns(flights):
    return bundle.contract(flights, case.SCHEDULE + case.WEATHER + case.CONGESTION, case.CATEGORIES)


@pytest.fixture(scope="session")
def folder(tmp_path_factory, model, columns):
    folder = tmp_path_factory.mktemp("bundle")
    bundle.save(model, folder, version="7", columns=columns, rows=3_000)
    return folder


@pytest.fixture(scope="session")
def rows(flights, columns):
    """Ten flights as a caller sends them."""
    return json.loads(flights[list(columns)].head(10).to_json(orient="records"))
