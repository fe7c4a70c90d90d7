"""What the wire speaks, read out of the installed SDK: methods, types, REST paths, long-running results.

Google ships generated clients for two versions of the API, v1 and v1beta1, which share field numbers.
The local server therefore thinks in v1beta1 alone and meets v1 only here and in the front ends.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.cloud import aiplatform_v1, aiplatform_v1beta1, resourcemanager_v3
from google.cloud.location import locations_pb2
from google.longrunning import operations_pb2
from google.protobuf import descriptor_pool, empty_pb2, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

PACKAGES = {"v1": aiplatform_v1, "v1beta1": aiplatform_v1beta1}
INNER = "v1beta1"


def message_class(full_name: str) -> type[Message] | None:
    """The protobuf class called `full_name`, or None where the installed SDK has none."""
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(full_name)
    except KeyError:
        return None
    return message_factory.GetMessageClass(descriptor)


def repeated(field: FieldDescriptor) -> bool:
    """Whether a field holds a list or a map. protobuf before 6.31 has only its label, which later ones warn of."""
    return field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED


def inner_class(cls: type[Message]) -> type[Message]:
    """The v1beta1 twin of a v1 message class (or `cls` itself where it has none)."""
    name = cls.DESCRIPTOR.full_name.replace("google.cloud.aiplatform.v1.", f"google.cloud.aiplatform.{INNER}.")
    return message_class(name) or cls


def type_name(message: Message, version: str) -> str:
    """Full name that `message` has in API `version`, for `Any.type_url`."""
    return message.DESCRIPTOR.full_name.replace(f".{INNER}.", f".{version}.")


@dataclass(frozen=True)
class HttpRule:
    """One REST binding: `verb` and a path template such as `/v1/{parent=projects/*}/models`."""

    verb: str
    template: str
    body: str | None

    @functools.cached_property
    def variables(self) -> dict[str, str]:
        """Field path → pattern of the resource name, e.g. `{"parent": "projects/*/locations/*"}`."""
        return {name: pattern or "*" for name, pattern in re.findall(r"{([\w.]+)(?:=([^}]*))?}", self.template)}

    @functools.cached_property
    def regex(self) -> re.Pattern[str]:
        """Matches a request path and captures the variables (dots in names become `__`)."""
        parts = re.split(r"{([\w.]+)(?:=([^}]*))?}", self.template)
        out = re.escape(parts[0])
        for name, pattern, tail in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            out += f"(?P<{name.replace('.', '__')}>{name_regex(pattern or '*')}){re.escape(tail)}"
        return re.compile(out + r"\Z")


@functools.cache
def name_regex(pattern: str) -> str:
    """`projects/*/models/**` → regular expression."""
    return re.escape(pattern).replace(r"\*\*", ".+").replace(r"\*", r"[^/:]+")


@dataclass(frozen=True)
class Method:
    """One RPC of one version of one service."""

    path: str  # /google.cloud.aiplatform.v1.ModelService/UploadModel
    kind: str  # unary_unary, unary_stream, stream_unary, stream_stream
    request: type[Message]
    response: type[Message]
    client: type | None = None
    rules: tuple[HttpRule, ...] = field(default=())

    @property
    def version(self) -> str:
        """`v1` or `v1beta1` (v1 for methods of other Google APIs)."""
        return INNER if f".{INNER}." in self.path else "v1"

    @property
    def name(self) -> str:
        """`ModelService.UploadModel`"""
        service, method = self.path[1:].split("/")
        return f"{service.rsplit('.', 1)[-1]}.{method}"

    @property
    def returns_operation(self) -> bool:
        """True where the response is a long-running operation."""
        return self.response is operations_pb2.Operation

    @functools.cached_property
    def operation_types(self) -> tuple[type[Message], type[Message]]:
        """Result and metadata types of the long-running operation, as the SDK's client names them."""
        short = re.sub(r"(?<!^)(?=[A-Z])", "_", self.path.rsplit("/", 1)[1]).lower()
        source = inspect.getsource(getattr(self.client, short))
        found = re.search(r"from_gapic\(\s*\w+,\s*[\w.]+,\s*([\w.]+),\s*metadata_type=([\w.]+)", source)
        if not found:
            raise LookupError(f"{self.name} names no long-running result")
        scope = vars(inspect.getmodule(self.client))
        return tuple(
            inner_class(_pb(functools.reduce(getattr, text.split(".")[1:], scope[text.split(".")[0]])))
            for text in found.groups()
        )


class _Recorder(grpc.Channel):
    """A channel that writes down which stubs a transport asks for, and never sends anything."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, Any, Any]] = []

    def _record(kind: str):  # noqa: N805 - builds the four methods below
        def stub(self, method, request_serializer=None, response_deserializer=None, _registered_method=False):
            request = getattr(request_serializer, "__self__", None) or request_serializer.__objclass__
            response = getattr(response_deserializer, "__self__", None)
            self.calls.append((method, kind, request, response))
            return lambda *args, **kwargs: None

        return stub

    unary_unary, unary_stream = _record("unary_unary"), _record("unary_stream")
    stream_unary, stream_stream = _record("stream_unary"), _record("stream_stream")

    def subscribe(self, callback, try_to_connect=False) -> None: ...
    def unsubscribe(self, callback) -> None: ...
    def close(self) -> None: ...
    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return None


def _pb(cls: Any) -> type[Message]:
    return cls.pb() if hasattr(cls, "pb") else cls


def _methods(version: str) -> Iterator[Method]:
    package = PACKAGES[version]
    for info in pkgutil.iter_modules(importlib.import_module(f"{package.__name__}.services").__path__):
        service = importlib.import_module(f"{package.__name__}.services.{info.name}")
        client = next(v for k, v in vars(service).items() if k.endswith("Client") and "Async" not in k)
        rest = importlib.import_module(f"{service.__name__}.transports.rest_base")
        rest_base = next(v for k, v in vars(rest).items() if k.startswith("_Base") and k.endswith("RestTransport"))
        recorder = _Recorder()
        transport_class = client.get_transport_class("grpc")
        transport = transport_class(channel=recorder)
        # The transport wraps its channel in a logging interceptor that would put off our recording.
        transport._logged_channel, transport._stubs = recorder, {}
        for name in [n for n, v in vars(transport_class).items() if isinstance(v, property)]:
            getattr(transport, name)
        seen = set()
        for path, kind, request, response in recorder.calls:
            if path in seen or not path.startswith(f"/google.cloud.aiplatform.{version}."):
                continue
            seen.add(path)
            base = getattr(rest_base, "_Base" + path.rsplit("/", 1)[1], None)
            options = base._get_http_options() if hasattr(base, "_get_http_options") else []
            yield Method(
                path,
                kind,
                _pb(request),
                _pb(response),
                client,
                tuple(HttpRule(o["method"], o["uri"], o.get("body")) for o in options),
            )


def _neighbours() -> Iterator[Method]:
    """The few methods of other Google APIs that the SDK calls on its way."""

    def method(path: str, request: type, response: type, *rules: HttpRule) -> Method:
        return Method(path, "unary_unary", request, response, None, rules)

    def rules(verb: str, template: str, body: str | None = None) -> list[HttpRule]:
        return [HttpRule(verb, f"/{prefix}/{template}", body) for prefix in ("v1", "v1beta1", "ui")]

    name = "{name=projects/**/operations/*}"
    op = operations_pb2
    operations, locations = "/google.longrunning.Operations/", "/google.cloud.location.Locations/"
    place = locations_pb2
    for path, request, response, http in (
        (operations + "GetOperation", op.GetOperationRequest, op.Operation, ("get", name)),
        (operations + "ListOperations", op.ListOperationsRequest, op.ListOperationsResponse,
         ("get", "{name=projects/**}/operations")),
        (operations + "WaitOperation", op.WaitOperationRequest, op.Operation, ("post", name + ":wait", "*")),
        (operations + "CancelOperation", op.CancelOperationRequest, empty_pb2.Empty, ("post", name + ":cancel", "*")),
        (operations + "DeleteOperation", op.DeleteOperationRequest, empty_pb2.Empty, ("delete", name)),
        (locations + "ListLocations", place.ListLocationsRequest, place.ListLocationsResponse,
         ("get", "{name=projects/*}/locations")),
        (locations + "GetLocation", place.GetLocationRequest, place.Location, ("get", "{name=projects/*/locations/*}")),
    ):  # fmt: skip
        yield method(path, request, response, *rules(*http))
    projects = resourcemanager_v3
    yield method(
        "/google.cloud.resourcemanager.v3.Projects/GetProject",
        projects.GetProjectRequest.pb(),
        projects.Project.pb(),
        HttpRule("get", "/v3/{name=projects/*}", None),
    )
    with contextlib.suppress(ImportError):
        from google.cloud.bigquery_storage_v1 import types as read

        service = "/google.cloud.bigquery.storage.v1.BigQueryRead/"
        yield method(service + "CreateReadSession", read.CreateReadSessionRequest.pb(), read.ReadSession.pb())
        rows = read.ReadRowsRequest.pb(), read.ReadRowsResponse.pb()
        yield Method(service + "ReadRows", "unary_stream", *rows)


@functools.cache
def catalogue() -> dict[str, Method]:
    """gRPC path → method, for both versions of every service in the installed SDK."""
    return {m.path: m for m in [*_neighbours(), *(m for version in PACKAGES for m in _methods(version))]}


def types(version: str = INNER) -> Any:
    """The module of proto-plus types, for enums: `types().JobState.JOB_STATE_RUNNING`."""
    return PACKAGES[version].types


class _Messages:
    """`pb.Model` is the v1beta1 protobuf class of that name."""

    def __getattr__(self, name: str) -> type[Message]:
        cls = message_class(f"google.cloud.aiplatform.{INNER}.{name}")
        if cls is None:
            raise AttributeError(f"the installed SDK has no message {name}")
        setattr(self, name, cls)
        return cls


pb = _Messages()
