"""Endpoints: real processes behind them, traffic, errors, logging, growth and crash."""

from __future__ import annotations

import collections
import contextlib
import http.client
import json
import os
import socket
import textwrap
import threading
import time

import psutil
import pytest
from conftest import SKLEARN
from google.api_core import exceptions
from google.cloud import aiplatform, aiplatform_v1, storage

SERVER = textwrap.dedent("""
    import json, os
    from http.server import BaseHTTPRequestHandler, HTTPServer
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *a): pass
        def answer(self, status, body):
            data = json.dumps(body).encode()
            self.send_response(status); self.send_header("Content-Length", str(len(data))); self.end_headers()
            self.wfile.write(data)
        def do_GET(self): self.answer(200 if self.path == os.environ["AIP_HEALTH_ROUTE"] else 404, {})
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if body["instances"] == ["die"]: os._exit(3)
            if body["instances"] == ["break"]: self.answer(500, {"error": "broken"}); return
            shown = {k: v for k, v in os.environ.items() if k.startswith(("AIP_", "MY_", "SECRET"))}
            self.answer(200, {"predictions": [shown]})
    HTTPServer(("127.0.0.1", int(os.environ["AIP_HTTP_PORT"])), Handler).serve_forever()
""")


def deploy(uri: str, endpoint: aiplatform.Endpoint, **kwargs) -> aiplatform.Model:
    model = aiplatform.Model.upload(display_name="m", artifact_uri=uri, serving_container_image_uri=SKLEARN)
    model.deploy(endpoint, machine_type="n1-standard-2", **kwargs)
    return model


def test_two_models_share_the_traffic(grpc_sdk, artifact):
    sdk, transport = grpc_sdk, "grpc"
    endpoint = aiplatform.Endpoint.create(display_name="e")
    one = deploy(artifact(sdk, 2.0), endpoint)
    two = deploy(artifact(sdk, 5.0), endpoint, traffic_percentage=10)
    assert sorted(endpoint.traffic_split.values()) == [10, 90]
    seen = collections.Counter(round(endpoint.predict([[1.0]]).predictions[0]) for _ in range(100))
    assert set(seen) <= {2, 5} and seen[2] > 70  # 90 of 100 expected; below 70 with probability 1e-8
    with pytest.raises(exceptions.BadRequest, match="undeploy it"):
        one.delete()
    ids = {m.model: m.id for m in endpoint.list_models()}
    client = aiplatform_v1.EndpointServiceClient(
        transport=transport, client_options={"api_endpoint": "us-central1-aiplatform.googleapis.com"}
    )
    with pytest.raises(exceptions.BadRequest, match="must sum to 100"):
        client.update_endpoint(
            endpoint={
                "name": endpoint.resource_name,
                "traffic_split": {ids[one.resource_name]: 50, ids[two.resource_name]: 20},
            },
            update_mask={"paths": ["traffic_split"]},
        )
    with pytest.raises(exceptions.BadRequest, match="carries 90"):
        client.undeploy_model(endpoint=endpoint.resource_name, deployed_model_id=ids[one.resource_name])
    with pytest.raises(exceptions.BadRequest, match="undeploy them first"):
        client.delete_endpoint(name=endpoint.resource_name)
    endpoint.undeploy(ids[one.resource_name], traffic_split={ids[two.resource_name]: 100})
    assert {round(endpoint.predict([[1.0]]).predictions[0]) for _ in range(10)} == {5}
    endpoint.delete(force=True)
    one.delete()


def test_predict_in_every_way(cloud, grpc_sdk, artifact):
    import asyncio

    endpoint = aiplatform.Endpoint.create(display_name="e", dedicated_endpoint_enabled=True)
    deploy(artifact(grpc_sdk, 3.0), endpoint)
    assert endpoint.predict([[2.0]]).predictions == pytest.approx([6.0])
    assert endpoint.predict([[2.0]], use_dedicated_endpoint=True).predictions == pytest.approx([6.0])
    raw = endpoint.raw_predict(b'{"instances": [[2.0]]}', headers={"Content-Type": "application/json"})
    assert json.loads(raw.text)["predictions"] == pytest.approx([6.0])
    shared = aiplatform.Endpoint.create(display_name="shared")
    deploy(artifact(grpc_sdk, 4.0), shared)
    assert asyncio.run(shared.predict_async([[2.0]])).predictions == pytest.approx([8.0])
    rest = aiplatform_v1.PredictionServiceClient(
        transport="rest", client_options={"api_endpoint": "us-central1-aiplatform.googleapis.com"}
    )
    assert list(rest.predict(endpoint=shared.resource_name, instances=[[2.0]]).predictions) == pytest.approx([8.0])
    with pytest.raises(exceptions.BadRequest):
        rest.predict(endpoint=shared.resource_name, instances=[["text"]])
    answer = endpoint.predict([[2.0]])
    assert answer.model_version_id == "1" and answer.deployed_model_id
    for bad in ([["text"]], [[1.0, 2.0]], [{"x": 1}], [[1.0], [1.0, 2.0]]):
        # The library words a refusal by a dedicated endpoint as a ValueError.
        with pytest.raises((exceptions.BadRequest, ValueError), match="400"):
            endpoint.predict(bad)
    assert endpoint.predict([[1.0]]).predictions == pytest.approx([3.0])  # and it is none the worse
    endpoint.delete(force=True)


def test_an_empty_endpoint_says_so(sdk):
    endpoint = aiplatform.Endpoint.create(display_name="e")
    with pytest.raises(exceptions.BadRequest, match="any deployed model"):
        endpoint.predict([[1.0]])


def test_a_model_that_cannot_load_is_reported_with_its_log(grpc_sdk, gcs):
    gcs.blob("bad/model.joblib").upload_from_string(b"not a pickle")
    endpoint = aiplatform.Endpoint.create(display_name="e")
    with pytest.raises(exceptions.FailedPrecondition, match="(?s)Model server exited unexpectedly.*Error"):
        deploy(f"gs://{gcs.name}/bad", endpoint)
    assert endpoint.list_models() == []
    gcs.blob("none/readme.txt").upload_from_string(b"")
    with pytest.raises(exceptions.FailedPrecondition, match="holds none of model.joblib"):
        deploy(f"gs://{gcs.name}/none", endpoint)


def test_an_image_without_command_is_refused_in_one_sentence(grpc_sdk, artifact):
    model = aiplatform.Model.upload(display_name="m", serving_container_image_uri="docker.io/me/image:1")
    with pytest.raises(exceptions.FailedPrecondition, match="cannot run the image.*serving_container_command"):
        model.deploy(machine_type="n1-standard-2")


@pytest.fixture
def custom(gcs, monkeypatch) -> aiplatform.Endpoint:
    monkeypatch.setenv("SECRET_OF_THE_SERVER", "x")
    gcs.blob("custom/serve.py").upload_from_string(SERVER)
    model = aiplatform.Model.upload(
        display_name="custom",
        artifact_uri=f"gs://{gcs.name}/custom",
        serving_container_image_uri="mine",
        serving_container_command=["python", "serve.py"],
        serving_container_predict_route="/p",
        serving_container_health_route="/h",
        serving_container_environment_variables={"MY_FLAG": "on"},
    )
    endpoint = model.deploy(machine_type="n1-standard-2", max_replica_count=2)
    yield endpoint
    endpoint.delete(force=True)


def test_custom_container_as_a_process(custom, gcs):
    seen = custom.predict(["x"]).predictions[0]
    assert seen["AIP_STORAGE_URI"] == f"gs://{gcs.name}/custom"
    assert (seen["AIP_PREDICT_ROUTE"], seen["AIP_HEALTH_ROUTE"], seen["MY_FLAG"]) == ("/p", "/h", "on")
    assert seen["AIP_ENDPOINT_ID"] == custom.name
    assert "SECRET_OF_THE_SERVER" not in seen
    with pytest.raises(exceptions.InternalServerError, match="broken"):
        custom.predict(["break"])


def test_a_crashed_model_answers_unavailable_and_comes_back(cloud, custom):
    with pytest.raises(exceptions.ServiceUnavailable):
        custom.predict(["die"], timeout=5)
    deadline = time.monotonic() + 20
    while True:
        try:
            assert custom.predict(["x"]).predictions
            break
        except exceptions.ServiceUnavailable:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_replicas_grow_under_load_up_to_the_maximum(cloud, custom):
    deployment = next(d for key, d in cloud.serving._deployments.items() if key[0] == custom.resource_name)
    assert len(deployment.replicas) == 1
    for replica in deployment.replicas:
        replica.in_flight += 2  # as if two requests were under way
    custom.predict(["x"])
    deadline = time.monotonic() + 20
    while len(deployment.replicas) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(deployment.replicas) == 2
    for replica in deployment.replicas:
        replica.in_flight += 2
    custom.predict(["x"])
    time.sleep(0.3)
    assert len(deployment.replicas) == 2


ROUTINE = textwrap.dedent("""
    import joblib
    from google.cloud.aiplatform.prediction.predictor import Predictor
    from google.cloud.aiplatform.utils import prediction_utils

    class Doubling(Predictor):
        def load(self, artifacts_uri):
            prediction_utils.download_model_artifacts(artifacts_uri)
            self.model = joblib.load("model.joblib")
        def preprocess(self, prediction_input):
            return prediction_input["instances"]
        def predict(self, instances):
            return 2 * self.model.predict(instances)
        def postprocess(self, results):
            return {"predictions": results.tolist()}
""")


def test_a_custom_prediction_routine(grpc_sdk, artifact):
    """Google's own model server, which a routine's image starts, here as a process."""
    uri = artifact(grpc_sdk, 3.0)
    storage.Client().bucket(grpc_sdk).blob(f"{uri.split('/', 3)[3]}/routine.py").upload_from_string(ROUTINE)
    server = "google.cloud.aiplatform.prediction.model_server:CprModelServer"
    model = aiplatform.Model.upload(
        display_name="routine",
        artifact_uri=uri,
        serving_container_image_uri="mine",
        serving_container_command=["python", "-m", "uvicorn", "--factory", server, "--port", "$(AIP_HTTP_PORT)"],
        serving_container_environment_variables={
            "HANDLER_MODULE": "google.cloud.aiplatform.prediction.handler",
            "HANDLER_CLASS": "PredictionHandler",
            "PREDICTOR_MODULE": "routine",
            "PREDICTOR_CLASS": "Doubling",
        },
    )
    endpoint = model.deploy(machine_type="n1-standard-2")
    assert endpoint.predict([[2.0]]).predictions == pytest.approx([12.0])
    with pytest.raises(exceptions.GoogleAPICallError, match="ValueError"):
        endpoint.predict([["text"]])
    endpoint.delete(force=True)


def test_pickles_load_without_the_servers_environment(grpc_sdk, gcs, monkeypatch, tmp_path):
    """A pickle that reports the environment of the process that loads it."""
    import pickle

    monkeypatch.setenv("SECRET_OF_THE_SERVER", "x")

    class Spy:
        def __reduce__(self):
            return (
                exec,
                (f"import os; open({str(tmp_path / 'seen')!r}, 'w').write(repr(dict(os.environ)) + str(os.getpid()))",),
            )

    gcs.blob("spy/model.pkl").upload_from_string(pickle.dumps(Spy()))
    endpoint = aiplatform.Endpoint.create(display_name="e")
    deploy(f"gs://{gcs.name}/spy", endpoint)
    seen = (tmp_path / "seen").read_text()
    assert "AIP_HTTP_PORT" in seen
    assert "SECRET_OF_THE_SERVER" not in seen and "GOOGLE_APPLICATION_CREDENTIALS" not in seen
    assert not seen.endswith(str(os.getpid()))
    endpoint.delete(force=True)


def test_no_process_outlives_its_endpoint(cloud, custom):
    deployment = next(d for key, d in cloud.serving._deployments.items() if key[0] == custom.resource_name)
    pids = [p.pid for r in deployment.replicas for p in psutil.Process(r.child._popen.pid).children(recursive=True)]
    assert pids
    custom.undeploy_all()
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids)


def test_request_response_logging(cloud, grpc_sdk, artifact):
    endpoint = aiplatform.Endpoint.create(
        display_name="e",
        enable_request_response_logging=True,
        request_response_logging_sampling_rate=1.0,
        request_response_logging_bq_destination_table=f"bq://{grpc_sdk}.logs.table",
    )
    deploy(artifact(grpc_sdk, 2.0), endpoint)
    endpoint.predict([[1.0], [2.0]])
    blobs = list(storage.Client().list_blobs(f"{grpc_sdk}-request-response-logs"))
    row = json.loads(blobs[0].download_as_text())
    assert json.loads(row["request_payload"][0]) == {"instances": [[1], [2]]}
    assert json.loads(row["response_payload"][0])["predictions"] == pytest.approx([2.0, 4.0])
    endpoint.delete(force=True)


def test_a_hundred_clients_at_once(grpc_sdk, artifact):
    endpoint = aiplatform.Endpoint.create(display_name="e")
    deploy(artifact(grpc_sdk, 2.0), endpoint)
    results: list[float] = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(endpoint.predict([[float(n)]]).predictions[0] - 2 * n))
        for n in range(100)
    ]
    [t.start() for t in threads], [t.join(60) for t in threads]
    assert results == pytest.approx([0.0] * 100, abs=1e-6)
    endpoint.delete(force=True)


def test_a_burst_of_callers_finds_room_while_the_model_is_busy(cloud, grpc_sdk, artifact):
    endpoint = aiplatform.Endpoint.create(display_name="e")
    deploy(artifact(grpc_sdk, 2.0), endpoint)
    [replica] = list(cloud.serving._deployments.values())[-1].replicas
    [model] = psutil.Process(replica.child._popen.pid).children()
    with contextlib.ExitStack() as open_ones:
        model.suspend()
        open_ones.callback(model.resume)
        for _ in range(100):
            open_ones.enter_context(socket.create_connection(("127.0.0.1", replica._pool.port), timeout=1))
    endpoint.delete(force=True)


def test_xgboost(grpc_sdk, gcs, tmp_path):
    import numpy as np

    xgboost = pytest.importorskip("xgboost")
    x = np.arange(20.0).reshape(-1, 1)
    model = xgboost.train({"max_depth": 2}, xgboost.DMatrix(x, label=(x[:, 0] > 9).astype(float)), 20)
    path = tmp_path / "model.bst"
    model.save_model(path.with_suffix(".ubj"))
    gcs.blob("xgb/model.bst").upload_from_filename(path.with_suffix(".ubj"))
    uploaded = aiplatform.Model.upload(
        display_name="x",
        artifact_uri=f"gs://{gcs.name}/xgb",
        serving_container_image_uri="us-docker.pkg.dev/vertex-ai/prediction/xgboost-cpu.2-1:latest",
    )
    endpoint = uploaded.deploy(machine_type="n1-standard-2")
    low, high = endpoint.predict([[1.0], [18.0]]).predictions
    assert low < 0.2 and high > 0.8
    endpoint.delete(force=True)


def test_tensorflow_saved_model(grpc_sdk, gcs, tmp_path):
    tf = pytest.importorskip("tensorflow")

    class Double(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.float32, name="x")])
        def serve(self, x):
            return {"y": 2.0 * x}

    module = Double()
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures={"serving_default": module.serve})
    for path in (tmp_path / "saved").rglob("*"):
        if path.is_file():
            gcs.blob(f"tf/{path.relative_to(tmp_path / 'saved')}").upload_from_filename(path)
    uploaded = aiplatform.Model.upload(
        display_name="tf",
        artifact_uri=f"gs://{gcs.name}/tf",
        serving_container_image_uri="us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest",
    )
    endpoint = uploaded.deploy(machine_type="n1-standard-2")
    assert endpoint.predict([{"x": [3.0]}]).predictions == [[6.0]]
    assert endpoint.predict([[4.0]]).predictions == [[8.0]]
    with pytest.raises(exceptions.BadRequest, match="lack the input"):
        endpoint.predict([{"z": [3.0]}])
    endpoint.delete(force=True)


def test_signals_reach_whole_groups(cloud):
    """A model server that starts a process of its own does not leave it behind."""
    folder = cloud.processes.new_folder()
    child = cloud.processes.start(["sh", "-c", "sleep 1000 & echo $!; wait"], folder, {})
    deadline = time.monotonic() + 5
    while not (text := child.tail()).strip() and time.monotonic() < deadline:
        time.sleep(0.02)
    child.kill()
    time.sleep(0.1)
    assert not psutil.pid_exists(int(text)) or psutil.Process(int(text)).status() == psutil.STATUS_ZOMBIE


def test_a_replica_answers_the_server_that_started_it_alone(cloud, grpc_sdk, artifact):
    endpoint = aiplatform.Endpoint.create(display_name="keyed")
    deploy(artifact(grpc_sdk, 2.0), endpoint)
    deployment = next(d for key, d in cloud.serving._deployments.items() if key[0] == endpoint.resource_name)
    pool = deployment.replicas[0]._pool
    body = json.dumps({"instances": [[1.0]]})
    for headers in ({}, {"X-Replica-Key": "guess"}, {"Host": "evil.example"}):
        connection = http.client.HTTPConnection("127.0.0.1", pool.port, timeout=10)
        connection.request("POST", deployment.replicas[0].predict_route, body, headers)
        assert connection.getresponse().status == 403
    assert endpoint.predict([[1.0]]).predictions == pytest.approx([2])
