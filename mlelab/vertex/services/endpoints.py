"""Endpoints: deploy, traffic split, predict."""

from __future__ import annotations

import functools
import json
import random
import time
from collections.abc import Iterator
from typing import Any

from google.api import httpbody_pb2
from google.protobuf import empty_pb2, json_format
from google.protobuf.message import Message

from ..compute.serving import Deployment, refusal
from ..resources.generic import generic, new_resource
from ..resources.masks import check_etag, merge
from ..resources.operations import background, finished
from ..resources.registry import Call, implements
from ..resources.store import new_id
from ..resources.times import now, stamp
from ..wire.catalog import pb
from ..wire.errors import CloudError, invalid, precondition
from .models import find_version, refuse_publisher
from .projects import project_number

LIMIT, LARGE = 3 * 2**19, 10 * 2**20  # bytes of a request to a shared and to a dedicated endpoint

generic("EndpointService", "(Get|List)Endpoints?")


def check_split(endpoint: Any) -> None:
    """INVALID_ARGUMENT unless the traffic split is empty or sums to 100 over deployed models."""
    ids = {deployed.id for deployed in endpoint.deployed_models}
    for model_id, percent in endpoint.traffic_split.items():
        if model_id not in ids:
            raise invalid(f"traffic_split names the deployed model {model_id!r}, which this endpoint does not have.")
        if not 0 <= percent <= 100:
            raise invalid(f"traffic_split of {model_id!r} must lie between 0 and 100, got {percent}.")
    if endpoint.traffic_split and sum(endpoint.traffic_split.values()) != 100:
        raise invalid(f"traffic_split must sum to 100, got {sum(endpoint.traffic_split.values())}.")


def set_split(endpoint: Any, split: Any) -> None:
    """Replace the traffic split; models that it leaves out get none."""
    endpoint.traffic_split.clear()
    for model_id, percent in split.items():
        endpoint.traffic_split[model_id] = percent
    if split:
        for deployed in endpoint.deployed_models:
            if deployed.id not in endpoint.traffic_split:
                endpoint.traffic_split[deployed.id] = 0
    check_split(endpoint)


@implements("EndpointService.CreateEndpoint")
def create_endpoint(call: Call, request: Any) -> Message:
    """Create an endpoint with nothing deployed."""
    endpoint = new_resource(call, request)
    endpoint.ClearField("deployed_models")
    check_split(endpoint)
    if endpoint.dedicated_endpoint_enabled:
        _, project, _, location, _, name = endpoint.name.split("/")
        # One label, so that one wildcard certificate covers it; the cloud writes dots here.
        endpoint.dedicated_endpoint_dns = f"{name}-{location}-{project_number(project)}.prediction.vertexai.goog"
    call.store.insert(endpoint)
    return finished(call, endpoint)


@implements("EndpointService.UpdateEndpoint", "EndpointService.UpdateEndpointLongRunning")
def update_endpoint(call: Call, request: Any) -> Message:
    """Change an endpoint, its traffic split included."""
    with call.store.edit(pb.Endpoint, request.endpoint.name) as endpoint:
        check_etag(endpoint, request.endpoint.etag)
        merge(endpoint, request.endpoint, getattr(request, "update_mask", type(endpoint)()))
        check_split(endpoint)
        stamp(endpoint, "update_time")
    return finished(call, endpoint) if call.method.returns_operation else endpoint


@implements("EndpointService.DeleteEndpoint")
def delete_endpoint(call: Call, request: Any) -> Message:
    """Delete an endpoint that has nothing deployed."""
    with call.store:
        endpoint = call.store.get(pb.Endpoint, request.name)
        if endpoint.deployed_models:
            raise precondition(f"{request.name} has deployed or being-deployed DeployedModel(s): undeploy them first.")
        call.store.delete(request.name)
    return finished(call, empty_pb2.Empty())


def check_resources(deployed: Any) -> None:
    """INVALID_ARGUMENT for replica counts that contradict one another."""
    if deployed.HasField("automatic_resources"):
        low, high = deployed.automatic_resources.min_replica_count, deployed.automatic_resources.max_replica_count
    elif deployed.HasField("dedicated_resources"):
        low, high = deployed.dedicated_resources.min_replica_count, deployed.dedicated_resources.max_replica_count
        if low < 1:
            raise invalid("dedicated_resources.min_replica_count must be at least 1.")
    else:
        raise invalid(
            "deployed_model must have dedicated_resources or automatic_resources; "
            "shared resources are not implemented by this local stand-in."
        )
    if low < 0 or high < 0 or high and high < low:
        raise invalid(f"max_replica_count ({high}) must not be less than min_replica_count ({low}).")
    if max(low, high) > 16:
        raise CloudError("RESOURCE_EXHAUSTED", "This local stand-in runs at most 16 replicas of a model.")


@implements("EndpointService.DeployModel", differs="a process of the installed library, or the model's command")
def deploy_model(call: Call, request: Any) -> Message:
    """Start the model's processes, and give it traffic once they are healthy."""
    store = call.store
    store.get(pb.Endpoint, request.endpoint)
    deployed = pb.DeployedModel()
    deployed.CopyFrom(request.deployed_model)
    check_resources(deployed)
    model = find_version(store, deployed.model)
    deployed.model, deployed.model_version_id = model.name, model.version_id
    deployed.id = deployed.id or new_id()
    deployed.display_name = deployed.display_name or model.display_name
    deployed.create_time.CopyFrom(now())

    def add(endpoint: Any) -> None:
        if any(other.id == deployed.id for other in endpoint.deployed_models):
            raise CloudError("ALREADY_EXISTS", f"{endpoint.name} already has a deployed model {deployed.id}.")
        first = not endpoint.deployed_models
        endpoint.deployed_models.append(deployed)
        split = {deployed.id if key == "0" else key: value for key, value in request.traffic_split.items()}
        if split or first:
            set_split(endpoint, split or {deployed.id: 100})
        else:
            endpoint.traffic_split[deployed.id] = 0

    add(store.get(pb.Endpoint, request.endpoint))  # refuse a bad request before anything is started

    def work() -> Message:
        _running(call, request.endpoint, deployed)
        try:
            with store.edit(pb.Endpoint, request.endpoint) as endpoint:
                add(endpoint)
                stamp(endpoint, "update_time")
        except CloudError:
            call.cloud.serving.remove(request.endpoint, deployed.id)
            raise
        return pb.DeployModelResponse(deployed_model=deployed)

    return background(call, work)


def _deployed(endpoint: Any, deployed_id: str) -> Any:
    for deployed in endpoint.deployed_models:
        if deployed.id == deployed_id:
            return deployed
    raise CloudError("NOT_FOUND", f"{endpoint.name} has no deployed model {deployed_id!r}.")


@implements("EndpointService.UndeployModel")
def undeploy_model(call: Call, request: Any) -> Message:
    """End a model's processes. What carries traffic goes only as the last, or with a new traffic split."""
    with call.store.edit(pb.Endpoint, request.endpoint) as endpoint:
        deployed = _deployed(endpoint, request.deployed_model_id)
        carried = endpoint.traffic_split.get(deployed.id, 0)
        if carried and len(endpoint.deployed_models) > 1 and not request.traffic_split:
            raise precondition(
                f"Deployed model {deployed.id} carries {carried} % of the traffic: "
                "move its traffic to the others first, or give a traffic_split."
            )
        endpoint.deployed_models.remove(deployed)
        endpoint.traffic_split.pop(request.deployed_model_id, None)
        if request.traffic_split:
            set_split(endpoint, request.traffic_split)
        check_split(endpoint)
        stamp(endpoint, "update_time")
    call.cloud.serving.remove(request.endpoint, request.deployed_model_id)
    return finished(call, pb.UndeployModelResponse())


@implements("EndpointService.MutateDeployedModel")
def mutate_deployed_model(call: Call, request: Any) -> Message:
    """Change the replica counts of a deployed model."""
    with call.store.edit(pb.Endpoint, request.endpoint) as endpoint:
        deployed = _deployed(endpoint, request.deployed_model.id)
        merge(deployed, request.deployed_model, request.update_mask)
        check_resources(deployed)
        copy = pb.DeployedModel()
        copy.CopyFrom(deployed)
    running = _running(call, request.endpoint, copy)
    resources = copy.dedicated_resources if copy.HasField("dedicated_resources") else copy.automatic_resources
    running.low = max(resources.min_replica_count, 1)
    running.high = max(resources.max_replica_count, running.low)
    return finished(call, pb.MutateDeployedModelResponse(deployed_model=copy))


# Prediction


def _running(call: Call, endpoint: str, deployed: Any) -> Deployment:
    """The processes behind a deployed model, started where they are not running."""
    return call.cloud.serving.deployment(endpoint, deployed, functools.partial(find_version, call.store))


def choose(endpoint: Any) -> Any:
    """A deployed model, drawn by the traffic split."""
    if not endpoint.deployed_models:
        raise precondition(f"{endpoint.name} doesn't have any deployed model.")
    weights = [endpoint.traffic_split.get(deployed.id, 0) for deployed in endpoint.deployed_models]
    if not any(weights):
        raise precondition(f"{endpoint.name} sends traffic to none of its deployed models.")
    return random.choices(endpoint.deployed_models, weights)[0]


def _ask(call: Call, request: Any, body: bytes, content_type: str = "application/json") -> tuple[Any, bytes, str]:
    """Send `body` to a deployed model. Returns the deployed model, the answer and its type."""
    refuse_publisher(call, request.endpoint)
    endpoint = call.store.get(pb.Endpoint, request.endpoint)
    limit = LARGE if endpoint.dedicated_endpoint_enabled else LIMIT
    if call.cloud.limits and len(body) > limit:
        raise invalid(f"Request payload size exceeds the limit: {limit} bytes.")
    deployed = choose(endpoint)
    status, answer, answer_type = _running(call, endpoint.name, deployed).post(body, content_type)
    _log(call, endpoint, deployed, body, answer)
    if status != 200:
        raise refusal(status, answer)
    return deployed, answer, answer_type


def log_bucket(project: str) -> str:
    """The bucket that keeps logged requests and responses (the cloud writes them to BigQuery)."""
    return f"{project}-request-response-logs".lower().replace(":", "-")


def _log(call: Call, endpoint: Any, deployed: Any, body: bytes, answer: bytes) -> None:
    config = endpoint.predict_request_response_logging_config
    if not config.enabled or random.random() >= (config.sampling_rate or 1.0):
        return
    _, project, _, _, _, name = endpoint.name.split("/")
    row = {
        "endpoint": endpoint.name,
        "deployed_model_id": deployed.id,
        "model": deployed.model,
        "model_version": deployed.model_version_id,
        "logging_time": now().ToJsonString(),
        "request_payload": [body.decode("utf-8", "replace")],
        "response_payload": [answer.decode("utf-8", "replace")],
    }
    call.cloud.storage.ensure_bucket(log_bucket(project))
    call.cloud.storage.write(
        f"gs://{log_bucket(project)}/{name}/{time.time_ns()}-{new_id()}.json",
        json.dumps(row).encode(),
        "application/json",
    )


@implements("PredictionService.Predict")
def predict(call: Call, request: Any) -> Message:
    """Ask a deployed model for predictions."""
    try:
        body: dict[str, Any] = {"instances": [json_format.MessageToDict(instance) for instance in request.instances]}
        if request.HasField("parameters"):
            body["parameters"] = json_format.MessageToDict(request.parameters)
    except (json_format.Error, ValueError) as error:
        raise invalid(f"instances cannot be written as JSON: {error}") from None
    deployed, answer, _ = _ask(call, request, json.dumps(body).encode())
    response = pb.PredictResponse(
        deployed_model_id=deployed.id,
        model=deployed.model,
        model_version_id=deployed.model_version_id,
        model_display_name=deployed.display_name,
    )
    try:
        parsed = json.loads(answer)
        wanted = {key: parsed[key] for key in ("predictions", "metadata") if key in parsed}
        json_format.ParseDict(wanted, response)
        if "predictions" not in parsed:
            raise KeyError("predictions")
    except (ValueError, KeyError, TypeError, json_format.ParseError) as error:
        raise CloudError("INTERNAL", f"The model's answer is not JSON with 'predictions': {error}") from None
    return response


@implements("PredictionService.RawPredict")
def raw_predict(call: Call, request: Any) -> Message:
    """Pass a body to a deployed model untouched, and its answer back."""
    deployed, answer, kind = _ask(call, request, request.http_body.data, request.http_body.content_type)
    call.headers |= {
        "X-Vertex-AI-Deployed-Model-Id": deployed.id,
        "X-Vertex-AI-Model": deployed.model,
        "X-Vertex-AI-Model-Version-Id": deployed.model_version_id,
    }
    return httpbody_pb2.HttpBody(data=answer, content_type=kind)


@implements("PredictionService.StreamRawPredict", differs="the answer comes in one piece")
def stream_raw_predict(call: Call, request: Any) -> Iterator[Message]:
    """As RawPredict; the answer comes in one piece."""
    yield raw_predict(call, request)
