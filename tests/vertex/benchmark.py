"""Latency and start-up of the local server: `python tests/vertex/benchmark.py`. Prints; asserts nothing."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
SKLEARN = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-5:latest"


def measure(title: str, call: Callable[[], object], count: int = 300) -> None:
    """Print the median and the 95th percentile of `call` in ms."""
    for _ in range(5):
        call()
    times = []
    for _ in range(count):
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    print(f"{title:55} p50 {statistics.median(times):7.2f} ms   p95 {sorted(times)[int(0.95 * count)]:7.2f} ms")


def main() -> None:
    """Start a server of its own and measure it."""
    subprocess.run(
        [
            sys.executable,
            "-c",
            """
import time
start = time.perf_counter()
from mlelab.vertex.server import Cloud
middle = time.perf_counter()
cloud = Cloud()
took = time.perf_counter() - middle
print(f"{'start of the server':55} {took:.2f} s, after {middle - start:.1f} s for importing the SDK")
cloud.close()""",
        ],
        check=True,
    )
    server = subprocess.Popen(
        [sys.executable, "-m", "mlelab.vertex", "--ephemeral", "--json", "--offline"], stdout=subprocess.PIPE, text=True
    )
    info = json.loads(server.stdout.readline())
    os.environ.update(info["environment"])

    import joblib
    from google.cloud import aiplatform, aiplatform_v1, storage
    from sklearn.linear_model import LinearRegression

    parent = "projects/p/locations/us-central1"
    options = {"api_endpoint": "us-central1-aiplatform.googleapis.com"}
    aiplatform.init(project="p", location="us-central1", staging_bucket="gs://bench")
    bucket = storage.Client().create_bucket("bench")
    for transport in ("grpc", "rest"):
        client = aiplatform_v1.EndpointServiceClient(client_options=options, transport=transport)
        made = client.create_endpoint(parent=parent, endpoint={"display_name": "e"}).result()
        measure(f"get_endpoint, {transport}, one client", lambda c=client, m=made: c.get_endpoint(name=m.name))
        measure(
            f"create_endpoint, {transport}, one client",
            lambda c=client: c.create_endpoint(parent=parent, endpoint={"display_name": "e"}),
            100,
        )
    measure("aiplatform.Model.list(), a client of its own each", aiplatform.Model.list, 50)
    measure("upload of 1 kB to storage", lambda: bucket.blob("x").upload_from_string(b"x" * 1000), 100)
    measure("download of 1 kB from storage", lambda: bucket.blob("x").download_as_bytes(), 100)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.joblib"
        joblib.dump(LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0]), path)
        bucket.blob("model/model.joblib").upload_from_filename(path)
    model = aiplatform.Model.upload(
        display_name="m", artifact_uri="gs://bench/model", serving_container_image_uri=SKLEARN
    )
    endpoint = model.deploy(machine_type="n1-standard-2")
    measure("predict, one small instance", lambda: endpoint.predict([[1.0]]))
    client = aiplatform_v1.EndpointServiceClient(client_options=options)
    times: list[float] = []

    def work() -> None:
        for _ in range(10):
            begin = time.perf_counter()
            client.get_endpoint(name=endpoint.resource_name)
            times.append(time.perf_counter() - begin)

    threads = [threading.Thread(target=work) for _ in range(100)]
    start = time.perf_counter()
    [t.start() for t in threads], [t.join() for t in threads]
    took = time.perf_counter() - start
    print(
        f"{'100 clients at once, 10 reads each':55} {len(times) / took:.0f} calls/s, "
        f"p50 {1000 * statistics.median(times):.0f} ms, all {len(times)} answered"
    )
    server.terminate()
    server.wait()


if __name__ == "__main__":
    main()
