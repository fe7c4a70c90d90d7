"""Malformed requests: never a crash, never INTERNAL, never a success that should not be."""

from __future__ import annotations

import collections
import http.client
import json
import random
import ssl
import string
import threading

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor

from mlelab.vertex.resources.registry import BEHAVIOURS
from mlelab.vertex.wire.catalog import catalogue, message_class
from mlelab.vertex.wire.http_front import find_route

PARENT = "projects/fuzz/locations/us-central1"
WELCOME = {
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "FAILED_PRECONDITION",
    "UNIMPLEMENTED",
    "ALREADY_EXISTS",
    "ABORTED",
    "RESOURCE_EXHAUSTED",
    "OUT_OF_RANGE",
}
METHODS = [m for m in catalogue().values() if m.name in BEHAVIOURS and m.kind == "unary_unary"]
ALL_EXIST = ("Projects.GetProject", "Locations.GetLocation", "Locations.ListLocations", "Operations.ListOperations")


def text(rng: random.Random) -> str:
    return rng.choice(
        [
            "",
            "x",
            PARENT,
            f"{PARENT}/models/1",
            f"{PARENT}/endpoints/404",
            f"{PARENT}/metadataStores/default/contexts/none",
            "projects/../locations/x",
            "projects/a/locations/b/models/*",
            "'; DROP TABLE resources; --",
            "gs://b/../../etc/passwd",
            "\x00",
            "é" * 50,
            "x" * 5000,
            "[",
            "-1",
            "NaN",
            "".join(rng.choices(string.printable, k=20)),
        ]
    )


def fill(message, rng: random.Random, depth: int = 0) -> None:
    """Set random fields of a message to random values, of the right wire types and the wrong meaning."""
    for field in rng.sample(list(message.DESCRIPTOR.fields), min(len(message.DESCRIPTOR.fields), rng.randint(0, 4))):
        try:
            if field.message_type is not None:
                if depth < 4 and not field.message_type.GetOptions().map_entry:
                    fill(
                        getattr(message, field.name).add() if field.is_repeated else getattr(message, field.name),
                        rng,
                        depth + 1,
                    )
                continue
            value = {
                FieldDescriptor.CPPTYPE_STRING: lambda f=field: (
                    text(rng) if f.type == f.TYPE_STRING else rng.randbytes(9)
                ),
                FieldDescriptor.CPPTYPE_BOOL: lambda: rng.random() < 0.5,
                FieldDescriptor.CPPTYPE_DOUBLE: lambda: rng.choice([0.0, -1.0, 1e308, float("nan"), float("inf")]),
                FieldDescriptor.CPPTYPE_FLOAT: lambda: rng.choice([0.0, -1.0, float("nan")]),
                FieldDescriptor.CPPTYPE_ENUM: lambda: rng.choice([0, 1, 2, 99]),
            }.get(field.cpp_type, lambda: rng.choice([0, 1, -1, 2**31 - 1]))()
            if field.is_repeated:
                getattr(message, field.name).append(value)
            else:
                setattr(message, field.name, value)
        except (ValueError, TypeError, AttributeError):
            continue


def as_json(message) -> bytes:
    """The message as JSON, where JSON can say it."""
    try:
        return json_format.MessageToJson(message).encode()
    except (json_format.Error, ValueError, TypeError):
        return b"{}"


def mutate(data: bytes, rng: random.Random) -> bytes:
    kind = rng.randrange(4)
    if kind == 0:
        return rng.randbytes(rng.randint(1, 200))
    if kind == 1 and data:
        at = rng.randrange(len(data))
        return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
    if kind == 2:
        return data[: rng.randint(0, len(data))]
    return data + b"\x0a\xff\xff\xff\xff\x0f" + rng.randbytes(5)


class Fuzzer:
    """Sends random requests over gRPC and REST and keeps what came back."""

    def __init__(self, cloud) -> None:
        self.cloud = cloud
        self.seen: collections.Counter[str] = collections.Counter()
        self.wrong: list[str] = []
        credentials = grpc.ssl_channel_credentials(cloud.keys.authority.read_bytes())
        port = cloud.proxy._grpc_port
        self.channel = grpc.secure_channel(
            f"127.0.0.1:{port}",
            credentials,
            [("grpc.ssl_target_name_override", "localhost"), ("grpc.enable_http_proxy", 0)],
        )
        self.metadata = [("authorization", f"Bearer {cloud.identity._secret}")]

    def note(self, method, status: str, request: object) -> None:
        self.seen[status] += 1
        if status == "OK":
            # A request that happens to be valid may succeed; what must not is one about a resource that is not there.
            name = getattr(request, "name", "") or getattr(request, "endpoint", "")
            if isinstance(name, str) and name and "404" in name and method.name not in ALL_EXIST:
                self.wrong.append(f"{method.name} OK for {name}")
        elif status not in WELCOME:
            self.wrong.append(f"{method.name} {status}")

    def grpc(self, method, rng: random.Random) -> None:
        message = method.request()
        fill(message, rng)
        if rng.random() < 0.6:
            for name in ("parent", "name", "endpoint"):
                if (
                    name in method.request.DESCRIPTOR.fields_by_name
                    and method.request.DESCRIPTOR.fields_by_name[name].type == 9
                ):
                    rule = rng.choice(method.rules) if method.rules else None
                    pattern = rule.variables.get(name) if rule else None
                    if pattern:
                        setattr(message, name, pattern.replace("**", "404").replace("*", "404"))
        data = message.SerializeToString()
        if rng.random() < 0.4:
            data = mutate(data, rng)
        call = self.channel.unary_unary(method.path)
        try:
            call(data, metadata=self.metadata, timeout=30)
            try:
                message = method.request.FromString(data)
            except Exception:
                self.wrong.append(f"{method.name} OK for bytes that are no message")
            self.note(method, "OK", message)
        except grpc.RpcError as error:
            self.note(method, error.code().name, message)

    def rest(self, method, rng: random.Random, connection: http.client.HTTPSConnection) -> None:
        rule = rng.choice(method.rules)
        path = rule.template
        for name, pattern in rule.variables.items():
            filled = pattern.replace("**", "404").replace("*", rng.choice(["404", "x", "%00", "a b", "..", "é"]))
            path = path.replace("{" + f"{name}={pattern}" + "}", filled)
        message = method.request()
        fill(message, rng)
        body = rng.choice(
            [
                b"",
                b"{",
                b"null",
                b"[]",
                b'"x"',
                b"{}",
                b'{"unknownField": 1}',
                b"[" * 2000,
                rng.randbytes(30),
                as_json(message) if rng.random() < 0.5 else b'{"name": {"a": 1}}',
                json.dumps(
                    {f.camelcase_name: rng.choice([1, "x", [], {}, None, True]) for f in message.DESCRIPTOR.fields}
                ).encode(),
            ]
        )
        query = rng.choice(["", "?pageSize=x", "?unknown=1", "?filter=(", "?name=x", "?a.b.c=1", "?updateMask=zzz"])
        path = path.replace(" ", "%20").replace("é", "%C3%A9") + query
        connection.request(
            rule.verb.upper(),
            path,
            body=body,
            headers={"Authorization": self.metadata[0][1], "Host": "us-central1-aiplatform.googleapis.com"},
        )
        answer = connection.getresponse()
        data = answer.read()
        if answer.status == 200:
            self.note(method, "OK", None)
            return
        try:
            self.note(method, json.loads(data)["error"]["status"], None)
        except (ValueError, KeyError):
            self.wrong.append(f"{method.name} HTTP {answer.status} without an error body: {data[:100]!r}")

    def run(self, count: int, seed: int) -> None:
        rng = random.Random(seed)
        context = ssl.create_default_context(cafile=str(self.cloud.keys.authority))
        connection = http.client.HTTPSConnection(
            "localhost", self.cloud.https_port, context=context, timeout=30
        )
        for _ in range(count):
            method = rng.choice(METHODS)
            if rng.random() < 0.5 and method.rules:
                self.rest(method, rng, connection)
            else:
                self.grpc(method, rng)


def fuzz(cloud, count: int) -> Fuzzer:
    fuzzer = Fuzzer(cloud)
    threads = [threading.Thread(target=fuzzer.run, args=(count // 4, seed)) for seed in range(4)]
    [t.start() for t in threads], [t.join() for t in threads]
    assert not fuzzer.wrong, collections.Counter(fuzzer.wrong).most_common(20)
    assert sum(fuzzer.seen.values()) == count // 4 * 4
    assert cloud.store._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return fuzzer


def test_malformed_requests(cloud):
    fuzz(cloud, 2000)


@pytest.mark.long
def test_many_malformed_requests(cloud, capsys):
    fuzzer = fuzz(cloud, 12000)
    with capsys.disabled():
        print(f"\n{sum(fuzzer.seen.values())} malformed requests: {dict(fuzzer.seen.most_common())}")


def test_messages_of_another_type(cloud):
    """Valid bytes of the wrong message: refused, or read as what they are not, but never a crash."""
    rng, fuzzer = random.Random(5), Fuzzer(cloud)
    for _ in range(300):
        method, other = rng.choice(METHODS), rng.choice(METHODS)
        message = other.request()
        fill(message, rng)
        try:
            fuzzer.channel.unary_unary(method.path)(message.SerializeToString(), metadata=fuzzer.metadata, timeout=30)
        except grpc.RpcError as error:
            assert error.code().name in WELCOME, (method.name, error.details())


def test_a_message_that_is_too_large(cloud):
    fuzzer = Fuzzer(cloud)
    cls = message_class("google.cloud.aiplatform.v1.CreateEndpointRequest")
    message = cls(parent=PARENT)
    message.endpoint.display_name = "x" * (40 * 2**20)
    with pytest.raises(grpc.RpcError) as caught:
        fuzzer.channel.unary_unary("/google.cloud.aiplatform.v1.EndpointService/CreateEndpoint")(
            message.SerializeToString(), metadata=fuzzer.metadata, timeout=30
        )
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_unknown_paths(cloud):
    fuzzer = Fuzzer(cloud)
    for path in (
        "/google.cloud.aiplatform.v1.ModelService/Nothing",
        "/x/y",
        "/google.cloud.aiplatform.v9.ModelService/GetModel",
    ):
        with pytest.raises(grpc.RpcError) as caught:
            fuzzer.channel.unary_unary(path)(b"", metadata=fuzzer.metadata, timeout=5)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    with pytest.raises(Exception, match="not implemented"):
        find_route("get", "/v1/projects/p/locations/l/nothings")
