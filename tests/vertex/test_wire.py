"""The catalogue, both transports, who may come in, and what is refused."""

from __future__ import annotations

import http.client
import json
import socket

import google.auth.transport.requests
import grpc
import pytest
import requests
from google.api_core import exceptions
from google.cloud import aiplatform, aiplatform_v1, aiplatform_v1beta1
from google.oauth2 import service_account

from mlelab.vertex.resources.registry import BEHAVIOURS
from mlelab.vertex.wire.catalog import catalogue, inner_class, message_class
from mlelab.vertex.wire.http_front import find_route

GEN_AI = {"google.cloud.aiplatform.v1.EnterpriseWebSearch"}  # differs between the versions, and is not implemented


def endpoints(transport: str) -> aiplatform_v1.EndpointServiceClient:
    return aiplatform_v1.EndpointServiceClient(
        transport=transport, client_options={"api_endpoint": "us-central1-aiplatform.googleapis.com"}
    )


def test_every_behaviour_is_a_method_of_the_sdk():
    names = {method.name for method in catalogue().values()}
    assert set(BEHAVIOURS) <= names


def test_every_method_with_a_rest_path_is_found_by_it():
    for method in catalogue().values():
        if method.name not in BEHAVIOURS:
            continue
        for rule in method.rules:
            path = rule.template
            for name, pattern in rule.variables.items():
                filled = pattern.replace("**", "x/y").replace("*", "x")
                path = path.replace(f"{{{name}={pattern}}}", filled).replace(f"{{{name}}}", filled)
            assert find_route(rule.verb, path)[1].name == method.name, rule


def test_v1_and_v1beta1_share_field_numbers():
    """The server thinks in v1beta1 alone; this is what entitles it to."""
    for method in catalogue().values():
        for cls in (method.request, method.response):
            todo, seen = [cls.DESCRIPTOR], set()
            while todo:
                one = todo.pop()
                if one.full_name in seen or ".aiplatform.v1." not in one.full_name or one.full_name in GEN_AI:
                    continue
                seen.add(one.full_name)
                twin = inner_class(message_class(one.full_name)).DESCRIPTOR
                for field in one.fields:
                    other = twin.fields_by_number.get(field.number)
                    assert other is None or (other.name, other.type) == (field.name, field.type), field.full_name
                    if field.message_type is not None:
                        todo.append(field.message_type)


def test_operations_know_their_types():
    for method in catalogue().values():
        if method.returns_operation and method.client:
            assert all(cls.DESCRIPTOR.full_name for cls in method.operation_types), method.name


def test_unimplemented_by_name(cloud, transport):
    client = aiplatform_v1.NotebookServiceClient(
        transport=transport, client_options={"api_endpoint": "us-central1-aiplatform.googleapis.com"}
    )
    with pytest.raises(exceptions.MethodNotImplemented, match="NotebookService.ListNotebookRuntimes"):
        client.list_notebook_runtimes(parent="projects/p/locations/us-central1")


def test_not_found_and_bad_names(cloud, transport):
    with pytest.raises(exceptions.NotFound, match="endpoints/404"):
        endpoints(transport).get_endpoint(name="projects/p/locations/us-central1/endpoints/404")
    with pytest.raises((exceptions.InvalidArgument, exceptions.BadRequest, ValueError)):
        endpoints(transport).get_endpoint(name="endpoints/404")


def test_required_fields_are_named(cloud, transport):
    with pytest.raises(exceptions.BadRequest, match="display_name is required"):
        endpoints(transport).create_endpoint(
            parent="projects/p/locations/us-central1", endpoint=aiplatform_v1.Endpoint(description="no name")
        )


def test_beta_and_stable_clients_see_the_same(sdk, transport):
    made = aiplatform.Endpoint.create(display_name="both", labels={"team": "a"})
    beta = aiplatform_v1beta1.EndpointServiceClient(
        transport=transport, client_options={"api_endpoint": "us-central1-aiplatform.googleapis.com"}
    )
    seen = beta.get_endpoint(name=made.resource_name)
    assert (seen.display_name, dict(seen.labels), seen.etag) == ("both", {"team": "a"}, made.gca_resource.etag)
    operation = beta.delete_endpoint(name=made.resource_name)
    operation.result(timeout=10)


def test_projects_have_one_number(cloud):
    from google.cloud import resourcemanager_v3, storage

    project = resourcemanager_v3.ProjectsClient().get_project(name=f"projects/{cloud.project}")
    bucket = storage.Client().create_bucket("numbered-bucket")
    assert project.name == f"projects/{bucket.project_number}"


# Who may come in


def http_port(cloud) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", cloud.http_port, timeout=5)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer stolen"}, {"Authorization": "Basic eDp5"}])
def test_no_credential_no_answer(cloud, headers):
    connection = http_port(cloud)
    connection.request("GET", "/v1/projects/p/locations/l/endpoints", headers=headers)
    answer = connection.getresponse()
    assert answer.status == 401
    assert json.loads(answer.read())["error"]["status"] == "UNAUTHENTICATED"


def test_a_stranger_is_refused_before_the_message_is_read(cloud):
    """A message over the limit would be RESOURCE_EXHAUSTED if it were read."""
    credentials = grpc.ssl_channel_credentials(cloud.keys.authority.read_bytes())
    with grpc.secure_channel("us-central1-aiplatform.googleapis.com:443", credentials) as channel:
        call = channel.unary_unary("/google.cloud.aiplatform.v1.EndpointService/GetEndpoint")
        with pytest.raises(grpc.RpcError) as refused:
            call(bytes(40 * 2**20), metadata=[("authorization", "Bearer stolen")], timeout=10)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_key_of_another_server_is_refused(cloud, tmp_path):
    from mlelab.vertex.wire.tls import make_keys

    foreign = make_keys(tmp_path, "p", f"http://127.0.0.1:{cloud.http_port}/token")
    credentials = service_account.Credentials.from_service_account_file(
        foreign.account, scopes=["https://www.googleapis.com/auth/cloud-platform"]
    )
    with pytest.raises(google.auth.exceptions.RefreshError):
        credentials.refresh(google.auth.transport.requests.Request())


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
def test_a_web_page_cannot_reach_the_server(cloud, headers):
    connection = http_port(cloud)
    connection.request("POST", "/token", body="x=1", headers=headers)
    assert connection.getresponse().status == 403


def test_only_loopback_listens(cloud):
    import psutil

    ports = {c.laddr for c in psutil.Process().net_connections() if c.status == psutil.CONN_LISTEN}
    assert ports
    assert {address.ip.removeprefix("::ffff:") for address in ports} == {"127.0.0.1"}


def test_private_keys_are_private(cloud):
    assert cloud.keys.key.stat().st_mode & 0o077 == 0
    assert cloud.keys.account.stat().st_mode & 0o077 == 0


def test_offline_proxy_refuses_other_hosts(cloud):
    with pytest.raises(requests.exceptions.ProxyError, match="offline"):
        requests.get("https://example.com/", timeout=5)


def test_proxy_speaks_connect_only(cloud):
    with socket.create_connection(("127.0.0.1", cloud.proxy.port)) as s:
        s.sendall(b"GET http://example.com/ HTTP/1.1\r\n\r\n")
        assert b"502" in s.recv(1000)


def test_bodies_are_bounded(cloud):
    token = cloud.identity._secret
    connection = http_port(cloud)
    connection.putrequest("POST", "/v1/projects/p/locations/l/endpoints")
    connection.putheader("Authorization", f"Bearer {token}")
    connection.putheader("Content-Length", str(2**40))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 400
    assert "larger than" in json.loads(answer.read())["error"]["message"]


@pytest.mark.parametrize("size", [b"-1", b"zz", b"", b"+5", b"0x5", b"5_0", b"fffffffffffffffffffff"])
def test_a_chunk_size_that_is_none_is_refused_before_anything_is_read(cloud, size):
    """Without a key: the answer must come while the client still sends."""
    with socket.create_connection(("127.0.0.1", cloud.http_port), timeout=5) as s:
        s.sendall(b"POST /token HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\n")
        assert s.recv(1000).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("length", ["9" * 5000, "\xb2", "-1", "1_0"])
def test_a_length_that_is_none_is_refused(cloud, length):
    connection = http_port(cloud)
    connection.putrequest("POST", "/token")
    connection.putheader("Content-Length", length)
    connection.endheaders()
    assert connection.getresponse().status == 400
