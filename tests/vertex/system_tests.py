"""Google's own system tests of the SDK, unmodified, against the local stand-in.

    pip download --no-deps --no-binary :all: google-cloud-aiplatform
    tar xzf google_cloud_aiplatform-*.tar.gz
    pip install google-cloud-testutils google-vizier pytest-asyncio      # what Google's tests import
    python tests/vertex/system_tests.py google_cloud_aiplatform-*/

FOLDER is the root of Google's repository, or of the source distribution, which holds the same tests. What follows it
goes to pytest in place of tests/system/aiplatform. Google's project keeps public files and resources for them:
`prepare` makes others in their place. The summary says what each failure wants, where it is something that the stand-in
does not claim to have.
"""

from __future__ import annotations

import argparse
import collections
import importlib
import importlib.util
import io
import os
import re
import sys
import tempfile
from pathlib import Path

import pytest

from mlelab import vertex

PROJECT = "system-tests"
SAMPLES = "cloud-samples-data-us-central1/vertex-ai/"
WANTING = re.compile(
    r"[\w.:/-]+ (?:\S+ ){,6}not implemented by this local stand-in|No module named '[\w.]+'"
    r"|[Dd]ocker|is offline and does not reach [\w.-]+"
)
SERVE = """
import json, os
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def answer(self):
        length = int(self.headers.get("Content-Length", 0))
        instances = json.loads(self.rfile.read(length))["instances"] if length else []
        body = json.dumps({"predictions": [{"classes": ["a"], "scores": [1.0]} for _ in instances]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_GET = do_POST = answer
HTTPServer(("127.0.0.1", int(os.environ["AIP_HTTP_PORT"])), Handler).serve_forever()
"""


def prepare() -> None:
    """The public files and the permanent endpoint that the tests count on."""
    import fastavro
    import xgboost
    from google.cloud import aiplatform, storage
    from sklearn.datasets import load_iris

    client = storage.Client()

    def put(uri: str, data: bytes | str) -> None:
        bucket, _, name = uri.partition("/")
        if not client.bucket(bucket).exists():
            client.create_bucket(bucket, location="us-central1")
        client.bucket(bucket).blob(name).upload_from_string(data)

    housing = [",".join(["longitude", "latitude", "housing_median_age", "total_rooms", "total_bedrooms", "population",
                         "households", "median_income", "median_house_value"])]  # fmt: skip
    housing += [f"{-120 + i % 9},{34 + i % 7},{i % 50},{i % 900},{i % 300},{i % 800},{i % 250},{i % 11},{i % 400}"
                for i in range(300)]  # fmt: skip
    put(SAMPLES + "structured_data/california_housing/california-housing-data.csv", "\n".join(housing))
    iris = load_iris(as_frame=True)
    put("ucaip-sample-resources/iris_1000.csv", iris.frame.to_csv(index=False))
    table = xgboost.DMatrix(iris.data.to_numpy(), label=iris.target)
    booster = xgboost.train({"objective": "multi:softprob", "num_class": 3}, table, 5)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.ubj"
        booster.save_model(path)
        put(SAMPLES + "google-cloud-aiplatform-ci-artifacts/models/iris_xgboost/model.bst", path.read_bytes())
    moment, genres = {"type": "long", "logicalType": "timestamp-micros"}, {"type": "array", "items": "string"}
    fields = {"user_id": "string", "age": "long", "gender": "string", "liked_genres": genres, "update_time": moment}
    schema = {"type": "record", "name": "user", "fields": [{"name": n, "type": t} for n, t in fields.items()]}
    users = [dict(zip(fields, (name, age, "x", ["Drama"], 10**15))) for name, age in (("alice", 55), ("bob", 24))]
    fastavro.writer(file := io.BytesIO(), schema, users)
    put(SAMPLES + "feature-store/datasets/users.avro", file.getvalue())
    put(SAMPLES + "feature-store/datasets/movie_prediction.csv",
        "users,movies,timestamp\nalice,movie_01,2021-09-15T08:28:14Z\nbob,movie_02,2021-09-15T08:28:14Z\n")
    put("permanent/serve.py", SERVE)
    aiplatform.init(project=PROJECT, location="us-central1")
    model = aiplatform.Model.upload(
        display_name="iris", artifact_uri="gs://permanent", serving_container_image_uri="any",
        serving_container_command=["python", "serve.py"], serving_container_predict_route="/p",
        serving_container_health_route="/h")
    endpoint = aiplatform.Endpoint.create(display_name="iris", endpoint_id="4966625964059525120")
    model.deploy(endpoint, machine_type="n1-standard-2")
    for permanent in ("6430031960164270080", "5295507484113371136"):
        aiplatform.Model.upload(
            model_id=permanent, display_name="permanent", artifact_uri="gs://permanent",
            serving_container_image_uri="any", serving_container_command=["python", "serve.py"])


def collectable(folder: Path) -> list[str]:
    """Let every module be collected: a name of Google's own layout, and what wants a package that is not installed."""
    tests = importlib.import_module("tests")  # the folder's
    sys.modules["google.cloud.aiplatform.tests"] = tests
    left = []
    for path in sorted((folder / "tests/system/aiplatform").glob("test_*.py")):
        for package in re.findall(r"^import (bigframes|ray|torch)\b", path.read_text(), re.M):
            if importlib.util.find_spec(package) is None:
                print(f"left out: {path.name} wants the package {package}")
                left.append(f"--ignore={path.relative_to(folder)}")
    return left


class Tally:
    """Counts results, and files each failure under what it wants."""

    def __init__(self) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        self.failures: dict[str, list[str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.counts[report.outcome if report.when == "call" or report.skipped else "error"] += 1
        if report.failed:
            wanting = WANTING.search(report.longreprtext)
            self.failures.setdefault(wanting.group() if wanting else "other", []).append(report.nodeid)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for wanting, tests in sorted(self.failures.items()):
            terminalreporter.write_line("\n  ".join([wanting, *tests]))
        terminalreporter.write_line(str(dict(self.counts)))


def main() -> int:
    """Run Google's tests. Returns pytest's exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    arguments, rest = parser.parse_known_args()
    os.environ["BUILD_SPECIFIC_GCLOUD_PROJECT"] = os.environ["GOOGLE_CLOUD_PROJECT"] = PROJECT
    vertex.connect(ephemeral=True, offline=True)
    for module in ("jobs", "pipeline_jobs", "training_jobs"):  # the SDK asks every five seconds how a job is doing
        importlib.import_module(f"google.cloud.aiplatform.{module}")._JOB_WAIT_TIME = 0.5
    prepare()
    importlib.import_module("vertexai")  # the installed one, not the folder's
    os.chdir(arguments.folder)
    sys.path.insert(0, "")
    options = ["-q", "--tb=short", "-p", "no:cacheprovider", "--continue-on-collection-errors"]
    options += collectable(Path())
    return pytest.main([*options, *(rest or ["tests/system/aiplatform"])], plugins=[Tally()])


if __name__ == "__main__":
    sys.exit(main())
