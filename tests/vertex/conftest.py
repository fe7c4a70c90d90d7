"""One local server for all tests of a run; every test names its own resources."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

os.environ.update(OMP_NUM_THREADS="1", TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0", CUDA_VISIBLE_DEVICES="-1")

import joblib
import pytest
from google.cloud import aiplatform, storage
from google.cloud.aiplatform import jobs, pipeline_jobs, training_jobs
from sklearn.linear_model import LinearRegression

from mlelab import vertex
from mlelab.vertex.server import Cloud

for module in (jobs, pipeline_jobs, training_jobs):
    module._JOB_WAIT_TIME = 0.2  # the SDK asks every five seconds how a job is doing

LOCATION = "us-central1"
SKLEARN = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-5:latest"


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    with vertex.local() as cloud:
        yield cloud


@pytest.fixture(params=["grpc", "rest"])
def transport(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def sdk(cloud: Cloud, transport: str) -> Iterator[str]:
    """The SDK, set up for one transport. Gives a name that no other test uses."""
    name = f"t{uuid.uuid4().hex[:12]}"
    aiplatform.init(project=name, location=LOCATION, api_transport=transport, staging_bucket=f"gs://{name}")
    storage.Client(project=name).create_bucket(name, location=LOCATION)
    yield name
    aiplatform.initializer.global_config.__init__()


@pytest.fixture
def grpc_sdk(cloud: Cloud) -> Iterator[str]:
    """The SDK over gRPC alone, for what does not depend on the transport."""
    name = f"t{uuid.uuid4().hex[:12]}"
    aiplatform.init(project=name, location=LOCATION, staging_bucket=f"gs://{name}")
    storage.Client(project=name).create_bucket(name, location=LOCATION)
    yield name
    aiplatform.initializer.global_config.__init__()


@pytest.fixture
def gcs(cloud: Cloud, grpc_sdk: str) -> storage.Bucket:
    """The staging bucket of this test."""
    return storage.Client().bucket(grpc_sdk)


@pytest.fixture
def artifact(tmp_path, cloud: Cloud):
    """A function that stores a scikit-learn model y = slope · x and gives its URI."""

    def make(bucket: str, slope: float) -> str:
        path = tmp_path / "model.joblib"
        joblib.dump(LinearRegression().fit([[0.0], [1.0]], [0.0, slope]), path)
        uri = f"models/{uuid.uuid4().hex[:8]}"
        storage.Client().bucket(bucket).blob(f"{uri}/model.joblib").upload_from_filename(path)
        return f"gs://{bucket}/{uri}"

    return make


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: takes minutes; runs with --long")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the long fuzz and kill tests")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="takes minutes: run with --long"))
