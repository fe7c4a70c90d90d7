"""What every resource has: filters, paging, order, masks, etags, long-running operations."""

from __future__ import annotations

import threading

import pytest
from google.api_core import exceptions
from google.cloud import aiplatform, aiplatform_v1
from google.protobuf import struct_pb2

from mlelab.vertex.resources.masks import check_mask, merge
from mlelab.vertex.resources.query import order, parse_filter
from mlelab.vertex.wire.catalog import pb
from mlelab.vertex.wire.errors import CloudError

OPTIONS = {"api_endpoint": "us-central1-aiplatform.googleapis.com"}


def execution(**metadata):
    struct = struct_pb2.Struct()
    struct.update(metadata)
    return pb.Execution(
        display_name="run-1", labels={"team": "blue"}, metadata=struct, state=2, create_time={"seconds": 1_700_000_000}
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('display_name="run-1"', True),
        ("display_name = run-1", True),
        ('display_name!="run-1"', False),
        ('displayName="run-*"', True),
        ('display_name="other"', False),
        ('labels.team="blue"', True),
        ("labels.team=red", False),
        ("labels.missing=red", False),
        ("labels.team:*", True),
        ("labels:team", True),
        ("labels:other", False),
        ('NOT labels.team="red"', True),
        ('-labels.team="red"', True),
        ('display_name="x" OR labels.team="blue"', True),
        ('display_name="run-1" AND labels.team="red"', False),
        ('display_name="run-1" labels.team="blue"', True),
        ("state=RUNNING", True),
        ('state!="RUNNING"', False),
        ('create_time>"2023-01-01T00:00:00Z"', True),
        ('create_time<"2023-01-01T00:00:00Z"', False),
        ("metadata.accuracy.number_value > 0.8", True),
        ("metadata.accuracy>=0.95", False),
        ('metadata.name.string_value="x"', True),
        ('metadata."learning rate".number_value=0.5', True),
        ('(display_name="x" OR display_name="run-1") AND (state=RUNNING)', True),
        ("", True),
    ],
)
def test_filter(text, expected):
    message = execution(accuracy=0.9, name="x", **{"learning rate": 0.5})
    assert parse_filter(text)(message) is expected


@pytest.mark.parametrize(
    "text",
    [
        "display_name",
        "display_name=",
        '="x"',
        "nonsense=1",
        "(state=RUNNING",
        "state=RUNNING)",
        "state & 1",
        'create_time>"yesterday"',
        "unknown()",
        "labels.team.x.y > ",
        "(" * 100 + "state=RUNNING" + ")" * 100,
    ],
)
def test_filter_that_cannot_be_read(text):
    with pytest.raises(CloudError) as caught:
        parse_filter(text)(execution())
    assert caught.value.code == "INVALID_ARGUMENT"


def test_order():
    items = [pb.Model(display_name=n, version_id=v) for n, v in (("b", "1"), ("a", "2"), ("a", "1"))]
    got = [(m.display_name, m.version_id) for m in order(items, "display_name, version_id desc")]
    assert got == [("a", "2"), ("a", "1"), ("b", "1")]
    with pytest.raises(CloudError):
        order(items, "display_name sideways")


def test_mask_rules():
    model = pb.Model(name="n", display_name="old", description="old", labels={"a": "1"})
    merge(
        model,
        pb.Model(name="other", display_name="new", labels={"b": "2"}),
        type(pb.UpdateModelRequest().update_mask)(paths=["display_name", "labels", "name"]),
    )
    assert (model.name, model.display_name, model.description, dict(model.labels)) == ("n", "new", "old", {"b": "2"})
    for path in ("nonsense", "labels.a.b", "deployed_models.endpoint"):
        with pytest.raises(CloudError):
            check_mask(type(pb.UpdateModelRequest().update_mask)(paths=[path]), model)


def test_paging_filter_and_labels(sdk, transport):
    for index in range(5):
        aiplatform.Endpoint.create(display_name=f"e{index}", labels={"parity": str(index % 2)})
    client = aiplatform_v1.EndpointServiceClient(transport=transport, client_options=OPTIONS)
    parent = f"projects/{sdk}/locations/us-central1"
    first = next(client.list_endpoints(request={"parent": parent, "page_size": 2}).pages)
    assert [e.display_name for e in first.endpoints] == ["e0", "e1"]
    assert first.next_page_token
    assert len(list(client.list_endpoints(request={"parent": parent, "page_size": 2}))) == 5
    assert [
        e.display_name for e in aiplatform.Endpoint.list(filter='labels.parity="1"', order_by="display_name desc")
    ] == ["e3", "e1"]
    for bad in ({"page_token": "nonsense"}, {"page_size": -1}, {"filter": "nonsense("}):
        with pytest.raises(exceptions.BadRequest):
            list(client.list_endpoints(request={"parent": parent, **bad}))


def test_update_and_stale_etag(sdk, transport):
    made = aiplatform.Endpoint.create(display_name="before", description="kept")
    stale = made.gca_resource.etag
    made.update(display_name="after", labels={"a": "b"})
    client = aiplatform_v1.EndpointServiceClient(transport=transport, client_options=OPTIONS)
    now = client.get_endpoint(name=made.resource_name)
    assert (now.display_name, now.description, dict(now.labels)) == ("after", "kept", {"a": "b"})
    assert now.etag != stale
    with pytest.raises(exceptions.Conflict, match="does not match server"):
        client.update_endpoint(
            endpoint={"name": made.resource_name, "display_name": "x", "etag": stale},
            update_mask={"paths": ["display_name"]},
        )
    with pytest.raises(exceptions.BadRequest, match="nonsense"):
        client.update_endpoint(endpoint={"name": made.resource_name}, update_mask={"paths": ["nonsense"]})


def test_operations_can_be_read_again(sdk, transport):
    client = aiplatform_v1.EndpointServiceClient(transport=transport, client_options=OPTIONS)
    operation = client.create_endpoint(
        parent=f"projects/{sdk}/locations/us-central1", endpoint={"display_name": "x"}, endpoint_id="chosen-id"
    )
    made = operation.result(timeout=10)
    assert made.name.endswith("/endpoints/chosen-id")
    assert operation.metadata.generic_metadata.create_time
    again = client.get_operation({"name": operation.operation.name})
    assert again.done
    with pytest.raises(exceptions.Conflict, match="already exists"):
        client.create_endpoint(
            parent=f"projects/{sdk}/locations/us-central1", endpoint={"display_name": "x"}, endpoint_id="chosen-id"
        )


def test_concurrent_updates_lose_nothing(grpc_sdk):
    made = aiplatform.Endpoint.create(display_name="x")
    client = aiplatform_v1.EndpointServiceClient(client_options=OPTIONS)
    refused = []

    def work(key: str) -> None:
        for _ in range(50):
            seen = client.get_endpoint(name=made.resource_name)
            seen.labels[key] = str(int(seen.labels.get(key, "0")) + 1)
            try:
                client.update_endpoint(endpoint=seen, update_mask={"paths": ["labels"]})
            except exceptions.Aborted:
                refused.append(key)

    threads = [threading.Thread(target=work, args=(f"k{n}",)) for n in range(4)]
    [t.start() for t in threads], [t.join() for t in threads]
    total = sum(int(v) for v in client.get_endpoint(name=made.resource_name).labels.values())
    assert total + len(refused) == 200
