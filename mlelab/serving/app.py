"""The alert service over HTTP: `create_app(bundle)`.

    POST /predict                     {"instances": [{column: value}, …], "request_id": optional}
    POST /v1/models/alert:predict     the same, under TensorFlow Serving's path
    GET  /healthz   the process lives        GET /readyz   it can answer      GET /metrics   for Prometheus

An answer names the request and the model's version: what is not named cannot be traced. Each request is a trace of
OpenTelemetry: a span for the whole, and one each for the check of the rows, the model and the log. A caller's header
`traceparent` makes it part of the caller's trace.
"""

import json
import logging
import time
import uuid
from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.concurrency import run_in_threadpool

from mlelab.serving.bundle import Bundle

LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)  # upper edges, seconds
CHANCE = tuple(step / 20 for step in range(1, 21))
LARGEST = 10_000  # instances in a request


class Metrics:
    """What the service counts. Each app has a registry of its own."""

    def __init__(self, version: str):
        self.registry = CollectorRegistry()
        self.requests = Counter("alert_requests", "Requests, by HTTP status.", ["status"], registry=self.registry)
        self.seconds = Histogram("alert_request_seconds", "Time to answer a request.", buckets=LATENCY,
                                 registry=self.registry)
        self.chance = Histogram("alert_chance", "Predicted chance of late.", buckets=CHANCE, registry=self.registry)
        model = Gauge("alert_model", "1 for the model that answers.", ["version"], registry=self.registry)
        model.labels(version).set(1)


def create_app(bundle: Bundle, on_prediction: Callable[[dict], None] | None = None,
               tracer: trace.Tracer | None = None) -> FastAPI:
    """The service for one bundle.

    on_prediction: called for each predicted flight with request_id, row, model_version, features and p.
    tracer: where the spans go; by default to the tracer that the process has set, which throws them away if none is.
    """
    tracer = tracer or trace.get_tracer("mlelab.serving")
    app = FastAPI(title="alert service", version=bundle.version)
    metrics = app.state.metrics = Metrics(bundle.version)
    bundle.score([dict.fromkeys(bundle.columns)])  # the first run of a model is slow: not a reader's

    def answer(raw: bytes) -> tuple[int, dict]:
        try:
            payload = json.loads(raw)
        except ValueError:
            return 400, {"error": "The body is not JSON."}
        if not isinstance(payload, dict) or "instances" not in payload:
            return 422, {"error": "The body must be an object with `instances`."}
        instances, request_id = payload["instances"], str(payload.get("request_id") or uuid.uuid4())
        if isinstance(instances, list) and len(instances) > LARGEST:
            return 413, {"request_id": request_id, "error": f"More than {LARGEST:,} instances: split the request."}
        trace.get_current_span().set_attribute("alert.request_id", request_id)
        with tracer.start_as_current_span("check rows"):
            problems = bundle.problems(instances)
        if problems:
            return 422, {"request_id": request_id, "error": " ".join(problems[:5])}
        with tracer.start_as_current_span("score", attributes={"alert.rows": len(instances)}):
            chances = bundle.score(instances).tolist()
        with tracer.start_as_current_span("count and log"):
            for row, (features, p) in enumerate(zip(instances, chances)):
                metrics.chance.observe(p)
                if on_prediction:
                    on_prediction({"request_id": request_id, "row": row, "model_version": bundle.version,
                                   "features": features, "p": p})
        return 200, {"request_id": request_id, "model_version": bundle.version,
                     "predictions": [{"p": p} for p in chances]}

    async def predict(request: Request) -> JSONResponse:
        begun, caller = time.perf_counter(), TraceContextTextMapPropagator().extract(request.headers)
        with tracer.start_as_current_span("predict", caller, trace.SpanKind.SERVER) as span:
            try:
                status, body = await run_in_threadpool(answer, await request.body())
            except Exception:  # the caller hears that it failed, and nothing of our code or data
                logging.getLogger("alert").exception("a request failed")
                status, body = 500, {"error": "The service failed on this request. It has been counted."}
            span.set_attributes({"http.response.status_code": status, "alert.model_version": bundle.version})
        metrics.requests.labels(str(status)).inc()
        metrics.seconds.observe(time.perf_counter() - begun)
        return JSONResponse(body, status)

    app.post("/predict")(predict)
    app.post("/v1/models/alert:predict")(predict)

    @app.get("/healthz")
    def alive() -> dict:
        return {"status": "alive"}

    @app.get("/readyz")
    def ready() -> dict:
        return {"status": "ready", "model_version": bundle.version}

    @app.get("/metrics")
    def scrape() -> PlainTextResponse:
        return PlainTextResponse(generate_latest(metrics.registry), media_type="text/plain; version=0.0.4")

    return app
