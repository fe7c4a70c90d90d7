"""The service's answers: status, body, what it counts and what it hands on."""

import json

import numpy as np
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.testclient import TestClient

from mlelab.serving import bundle
from mlelab.serving.app import LARGEST, create_app


@pytest.fixture
def log():
    return []


@pytest.fixture
def client(folder, log):
    return TestClient(create_app(bundle.load(folder), log.append))


def test_an_answer_names_request_version_and_chance(client, folder, rows):
    body = client.post("/predict", json={"instances": rows, "request_id": "r1"}).json()
    assert (body["request_id"], body["model_version"]) == ("r1", "7")
    np.testing.assert_allclose([row["p"] for row in body["predictions"]], bundle.load(folder).score(rows))


def test_one_by_one_and_under_the_other_path_the_scores_are_the_same(client, rows):
    together = client.post("/predict", json={"instances": rows}).json()["predictions"]
    alone = [client.post("/v1/models/alert:predict", json={"instances": [row]}).json()["predictions"][0]
             for row in rows]
    np.testing.assert_allclose([row["p"] for row in alone], [row["p"] for row in together], atol=1e-6)  # not bit-equal


def test_no_instances_is_no_error(client):
    answer = client.post("/predict", json={"instances": []})
    assert (answer.status_code, answer.json()["predictions"]) == (200, [])


@pytest.mark.parametrize(("body", "status"), [
    (b"{", 400), (b"[]", 422), (b'{"rows": []}', 422), (b'{"instances": {}}', 422), (b'{"instances": [1]}', 422),
    (json.dumps({"instances": [{}] * (LARGEST + 1)}).encode(), 413),
])
def test_a_body_that_is_not_asked_for(client, body, status):
    answer = client.post("/predict", content=body)
    assert answer.status_code == status and answer.json()["error"]


@pytest.mark.parametrize("change", [{"hour": None}, {"hour": float("nan")}])
def test_a_broken_row_is_422_and_nothing_is_predicted(client, rows, log, change):
    body = json.dumps({"instances": [rows[0] | change]})
    assert client.post("/predict", content=body).status_code == 422
    assert not log


def test_our_own_failure_is_500_without_a_trace_of_the_code(folder, rows):
    def fail(_):
        raise RuntimeError("password=1234")

    answer = TestClient(create_app(bundle.load(folder), fail)).post("/predict", json={"instances": rows})
    assert answer.status_code == 500
    assert "password" not in answer.text and "Traceback" not in answer.text


def test_each_prediction_is_handed_on(client, rows, log):
    client.post("/predict", json={"instances": rows[:2], "request_id": "r2"})
    named = [(line["request_id"], line["row"], line["model_version"]) for line in log]
    assert named == [("r2", 0, "7"), ("r2", 1, "7")]
    assert log[1]["features"] == rows[1]


def test_what_is_counted(client, rows):
    client.post("/predict", json={"instances": rows})
    client.post("/predict", json={"instances": [{}]})
    text = client.get("/metrics").text
    assert 'alert_requests_total{status="200"} 1.0' in text and 'alert_requests_total{status="422"} 1.0' in text
    assert "alert_chance_count 10.0" in text and "alert_request_seconds_count 2.0" in text
    assert 'alert_model{version="7"} 1.0' in text


def test_health_and_readiness(client):
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200


def test_a_request_is_a_trace_with_a_span_for_each_part(folder, rows):
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    client = TestClient(create_app(bundle.load(folder), lambda _: None, provider.get_tracer("test")))
    caller = f"00-{'5' * 32}-{'7' * 16}-01"
    client.post("/predict", json={"instances": rows, "request_id": "r1"}, headers={"traceparent": caller})
    *parts, whole = spans.get_finished_spans()
    assert [part.name for part in parts] == ["check rows", "score", "count and log"] and whole.name == "predict"
    assert all(part.parent.span_id == whole.context.span_id for part in parts)
    assert whole.context.trace_id == int("5" * 32, 16) and whole.parent.span_id == int("7" * 16, 16)
    assert dict(whole.attributes) == {"alert.request_id": "r1", "http.response.status_code": 200,
                                      "alert.model_version": "7"}


def test_a_failed_request_has_its_status_in_the_trace(folder):
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    TestClient(create_app(bundle.load(folder), None, provider.get_tracer("test"))).post("/predict", content=b"{")
    [whole] = spans.get_finished_spans()
    assert whole.attributes["http.response.status_code"] == 400
