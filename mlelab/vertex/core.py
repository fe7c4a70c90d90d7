"""The dispatcher, the generic behaviour of resources, and long-running operations.

A service file says which methods it has:

    generic("EndpointService", "(Get|List)Endpoints?")               # nothing but the store

    @implements("EndpointService.DeployModel")                       # something of its own
    def deploy_model(call: Call, request) -> Message: ...

Whatever nobody registered answers UNIMPLEMENTED with the method's name.
"""

from __future__ import annotations

import base64
import functools
import json
import logging
import re
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.longrunning import operations_pb2
from google.protobuf import empty_pb2, field_mask_pb2, json_format, struct_pb2, timestamp_pb2
from google.protobuf.message import DecodeError, Message
from google.rpc import status_pb2

from .catalog import INNER, Method, catalogue, inner_class, message_class, repeated, type_name, types
from .errors import CloudError, from_failure, invalid, not_found, precondition
from .query import Functions, order, parse_filter
from .store import Store, new_id

if TYPE_CHECKING:
    from .server import Cloud

log = logging.getLogger("mlelab.vertex")

MAX_PAGE = 1000
Behaviour = Callable[["Call", Any], "Message | Iterator[Message]"]
BEHAVIOURS: dict[str, Behaviour] = {}


@dataclass
class Call:
    """One request on its way through the server."""

    cloud: Cloud
    method: Method
    request: Message  # in v1beta1
    original: Message  # as it came
    headers: dict[str, str]  # of the answer

    @property
    def store(self) -> Store:
        """The resource store."""
        return self.cloud.store


def implements(*names: str) -> Callable[[Behaviour], Behaviour]:
    """Register a function for methods such as `ModelService.UploadModel`."""

    def register(behaviour: Behaviour) -> Behaviour:
        for name in names:
            BEHAVIOURS[name] = behaviour
        return behaviour

    return register


def generic(service: str, pattern: str) -> None:
    """Register the methods whose names match `pattern`, for which the store alone is enough."""
    verbs = {"Create": create, "Get": get, "List": list_, "Update": update, "Delete": delete}
    for method in catalogue().values():
        if match := re.fullmatch(rf"{service}\.(?=(?:{pattern})$)(?P<verb>[A-Z][a-z]+)\w+", method.name):
            BEHAVIOURS[method.name] = verbs[match["verb"]]


def dispatch(cloud: Cloud, method: Method, request: Message, headers: dict[str, str]) -> Message | Iterator[Message]:
    """Answer one request; what the answer's headers say goes into `headers`. Raises CloudError and nothing else."""
    try:
        behaviour = BEHAVIOURS.get(method.name)
        if behaviour is None:
            raise CloudError("UNIMPLEMENTED", f"{method.name} is not implemented by this local stand-in.")
        try:
            inner = inner_class(method.request).FromString(request.SerializeToString())
        except DecodeError:  # a field that v1 does not know, and that v1beta1 has as another type
            raise invalid(f"The request is not a {method.request.DESCRIPTOR.full_name}.") from None
        check_names(method, inner)
        partial = re.search(r"\.(Update|Mutate)", method.name)  # carries what changes, not a whole resource
        check_required(inner, deep=not partial)
        if not re.search(r"\.(Get|List|Read|Fetch|\w*Predict)", method.name):
            check_values(inner)
        return behaviour(Call(cloud, method, inner, request, headers), inner)
    except Exception as error:
        raise logged(method.name, error) from error


def logged(what: str, error: Exception) -> CloudError:
    """As `from_failure`; what nobody foresaw goes to the server's log with its traceback."""
    answer = from_failure(what, error)
    if answer.code == "INTERNAL" and answer is not error:
        log.error("%s failed", what, exc_info=error)
    return answer


def project_number(project: str) -> int:
    """The number of a project, which the cloud gives and we derive."""
    return int(project) if project.isdigit() else 10**11 + zlib.crc32(project.encode())


# What a request must look like


def check_names(method: Method, request: Message) -> None:
    """INVALID_ARGUMENT unless the resource names in `request` fit one of the method's REST paths."""
    if not method.rules:
        return
    problem = ""
    for rule in method.rules:
        problem = ""
        for path, pattern in rule.variables.items():
            value = functools.reduce(getattr, path.split("."), request)
            if len(str(value)) > 1500 or not re.fullmatch(_regex(pattern), str(value)):
                problem = f"{path} must look like {pattern}, got {str(value)[:200]!r}."
                break
        if not problem:
            return
    raise invalid(problem)


@functools.cache
def _regex(pattern: str) -> str:
    return re.escape(pattern).replace(r"\*\*", r"[^\x00-\x1f]+").replace(r"\*", r"[^/\x00-\x1f]+")


@functools.cache
def documented(descriptor: Any, word: str) -> frozenset[str]:
    """Fields whose documentation in the SDK begins with `word` (`Required`, `Output only`, `Immutable`)."""
    package, _, short = descriptor.full_name.partition(f".{INNER}.")
    cls = functools.reduce(lambda scope, part: getattr(scope, part, None), short.split("."), types()) if short else None
    found = (
        re.findall(
            r"^    {4,8}(\w+) \([^\n]*\):\n\s+((?:(?:Required|Optional|Immutable|Output only|Input only)\.\s+)+)",
            cls.__doc__ or "",
            re.MULTILINE,
        )
        if cls
        else []
    )
    return frozenset(name for name, words in found if word + "." in words)


def check_values(request: Message) -> None:
    """INVALID_ARGUMENT for what JSON cannot say, such as a time outside its range or NaN in free-form data.

    Once stored, it could never be read over REST again.
    """
    try:
        json_format.MessageToJson(request, indent=None)
    except (json_format.Error, ValueError, TypeError) as error:
        raise invalid(f"The request holds a value that JSON cannot express: {str(error)[:300]}") from None


def check_required(message: Message, path: str = "", depth: int = 0, deep: bool = True) -> None:
    """INVALID_ARGUMENT for the first empty field that the SDK's documentation calls required.

    deep: look into the message's own messages, too.
    """
    if depth > 20:
        raise invalid(f"{path} is nested too deeply.")
    required = documented(message.DESCRIPTOR, "Required")
    if depth:
        required -= {"parent"}  # the requests inside a batch may leave it to the batch
    for field in message.DESCRIPTOR.fields if required else ():
        if field.name not in required or repeated(field) or field.type not in (field.TYPE_STRING, field.TYPE_MESSAGE):
            continue
        if not (message.HasField(field.name) if field.has_presence else getattr(message, field.name)):
            raise invalid(f"{path}{field.name} is required.")
    for field, value in message.ListFields() if deep else ():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        if field.message_type.file.package.startswith("google.cloud.aiplatform"):
            for index, item in enumerate(value if repeated(field) else [value]):
                place = f"{path}{field.name}[{index}]." if repeated(field) else f"{path}{field.name}."
                check_required(item, place, depth + 1)


# Generic behaviour


def collection(method: Method) -> str:
    """Last segment of the REST path of a Create or List method: `models`."""
    return re.sub(r":\w+$", "", method.rules[0].template.rsplit("/", 1)[1])


def resource_class(method: Method) -> type[Message]:
    """The resource that a Create, Get, List, Update or Delete method is about."""
    service, verb = method.path.rsplit("/", 1)
    name = re.sub("^(Create|Get|Update|Delete)", "", verb)
    twin = catalogue().get(f"{service}/Get{name}")
    if twin:
        return inner_class(twin.response)
    fields = [f for f in inner_class(method.response).DESCRIPTOR.fields if repeated(f) and f.message_type]
    return message_class(fields[0].message_type.full_name)


def now() -> timestamp_pb2.Timestamp:
    """The time as the wire writes it."""
    stamp = timestamp_pb2.Timestamp()
    stamp.GetCurrentTime()
    return stamp


def stamp(resource: Message, *fields: str) -> None:
    """Set the named timestamp fields to now, those that the resource has."""
    moment = now()
    for field in fields:
        if field in resource.DESCRIPTOR.fields_by_name:
            getattr(resource, field).CopyFrom(moment)


def clean(resource: Message) -> None:
    """Forget what a client may not set."""
    for field in documented(resource.DESCRIPTOR, "Output only") | {"create_time", "update_time"}:
        if field in resource.DESCRIPTOR.fields_by_name:
            resource.ClearField(field)


def check_id(text: str) -> str:
    """INVALID_ARGUMENT unless `text` can be the last segment of a resource name."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.\-]{0,127}", text):
        raise invalid(f"{text[:200]!r} is not a valid resource id: use up to 128 letters, digits, '-', '_' and '.'.")
    return text


def new_resource(call: Call, request: Any) -> Message:
    """The resource that a Create request carries, named and stamped but not stored yet."""
    cls = resource_class(call.method)
    field = next(f for f in request.DESCRIPTOR.fields if f.message_type is cls.DESCRIPTOR)
    resource = cls()
    resource.CopyFrom(getattr(request, field.name))
    wanted = getattr(request, f"{field.name}_id", "")
    clean(resource)
    if hasattr(request, "parent"):
        check_parent(call, request.parent)
        resource.name = f"{request.parent}/{collection(call.method)}/{check_id(wanted) if wanted else new_id()}"
    stamp(resource, "create_time", "update_time")
    return resource


def store_copy(store: Store, message: Message, name: str) -> Message:
    """Store a copy of `message` under `name`, stamped. Returns it."""
    copy = type(message)()
    copy.CopyFrom(message)
    copy.name = name
    stamp(copy, "create_time", "update_time")
    store.insert(copy)
    return copy


def check_parent(call: Call, parent: str) -> None:
    """NOT_FOUND where a parent beneath a location does not exist."""
    if parent.count("/") > 3 and "/-" not in parent and not call.store.exists(parent):
        raise not_found(parent)


def create(call: Call, request: Any) -> Message:
    """Store a new resource."""
    resource = new_resource(call, request)
    call.store.insert(resource)
    return finished(call, resource) if call.method.returns_operation else resource


def get(call: Call, request: Any) -> Message:
    """Read one resource."""
    return call.store.get(resource_class(call.method), request.name)


def list_(call: Call, request: Any, functions: Functions | None = None, items: list[Message] | None = None) -> Message:
    """Read a page of a collection: filter, order_by, read_mask, page_size, page_token."""
    response = inner_class(call.method.response)()
    field = next(f for f in response.DESCRIPTOR.fields if repeated(f) and f.message_type)
    if items is None:
        check_parent(call, request.parent)
        items = call.store.list(
            message_class(field.message_type.full_name), f"{request.parent}/{collection(call.method)}"
        )
    predicate = parse_filter(getattr(request, "filter", ""), functions)
    items = [item for item in items if predicate(item)]
    items = order(items, getattr(call.original, "order_by", ""))
    page, token = page_of(request, items)
    if hasattr(request, "read_mask") and request.read_mask.paths:
        page = [masked(item, request.read_mask) for item in page]
    getattr(response, field.name).extend(page)
    if token:
        response.next_page_token = token
    return response


def page_of(request: Any, items: list[Any]) -> tuple[list[Any], str]:
    """One page of `items`, and the token of the next page or an empty string."""
    size = getattr(request, "page_size", 0)
    if size < 0:
        raise invalid(f"page_size must not be negative, got {size}.")
    size = min(size or 100, MAX_PAGE)
    start = 0
    if request.page_token:
        try:
            start = json.loads(base64.urlsafe_b64decode(request.page_token.encode()))
            if not isinstance(start, int) or start < 0:
                raise ValueError
        except ValueError:
            raise invalid("page_token is not one that this server gave out.") from None
    token = base64.urlsafe_b64encode(json.dumps(start + size).encode()).decode() if start + size < len(items) else ""
    return items[start : start + size], token


def masked(message: Message, mask: field_mask_pb2.FieldMask) -> Message:
    """A copy with the fields of `mask` and the name."""
    check_mask(mask, message)
    if "*" in mask.paths:
        return message
    copy = type(message)()
    plain = [path for path in mask.paths if not _in_struct(path, message.DESCRIPTOR)]
    field_mask_pb2.FieldMask(paths=plain).MergeMessage(message, copy)
    for path in set(mask.paths) - set(plain):  # a key of a free-form field: pipeline_spec.pipeline_info
        field, key = path.split(".", 1)
        camel = re.sub(r"_([a-z])", lambda m: m.group(1).upper(), key)
        for found in {key, camel} & set(getattr(message, field).fields):
            getattr(copy, field).fields[found].CopyFrom(getattr(message, field).fields[found])
    if "name" in message.DESCRIPTOR.fields_by_name:
        copy.name = message.name
    return copy


def _in_struct(path: str, descriptor: Any) -> bool:
    """True for a path that goes on inside a field of type Struct."""
    field = descriptor.fields_by_name.get(path.split(".")[0])
    return "." in path and field is not None and field.message_type is struct_pb2.Struct.DESCRIPTOR


def check_mask(mask: field_mask_pb2.FieldMask, message: Message) -> None:
    """INVALID_ARGUMENT for a path that the message does not have."""
    for path in mask.paths:
        if path == "*" or _in_struct(path, message.DESCRIPTOR):
            continue
        descriptor = message.DESCRIPTOR
        for part in path.split("."):
            field = descriptor.fields_by_name.get(part) if descriptor else None
            if field is None:
                raise invalid(f"{path!r} in the field mask is not a field of {message.DESCRIPTOR.name}.")
            if repeated(field) and path.split(".")[-1] != part:
                raise invalid(f"{path!r} in the field mask reaches into a repeated field.")
            descriptor = field.message_type


def merge(resource: Message, patch: Message, mask: field_mask_pb2.FieldMask) -> None:
    """Write the fields of `mask` (all that are set, where it is empty) from `patch` into `resource`.

    Fields that the SDK's documentation calls output only are left alone; immutable ones are refused.
    """
    check_mask(mask, resource)
    paths = list(mask.paths) or [field.name for field, _ in patch.ListFields()]
    if "*" in paths:
        paths = [field.name for field in resource.DESCRIPTOR.fields]
    kept = documented(resource.DESCRIPTOR, "Output only") | {"name", "create_time", "update_time", "etag"}
    paths = [path for path in paths if path.split(".")[0] not in kept]
    if inside := [path for path in paths if _in_struct(path, resource.DESCRIPTOR)]:
        raise invalid(f"{inside[0]!r} in the field mask reaches into a free-form field: name the whole field.")
    for path in set(paths) & set(mask.paths) & documented(resource.DESCRIPTOR, "Immutable"):
        if getattr(resource, path) != getattr(patch, path):
            raise invalid(f"{path} is immutable.")
    field_mask_pb2.FieldMask(paths=paths).MergeMessage(patch, resource, True, True)


def check_etag(resource: Message, etag: str) -> None:
    """ABORTED where the client saw an older state of the resource."""
    if etag and etag != resource.etag:
        raise CloudError(
            "ABORTED",
            f"Specified {resource.DESCRIPTOR.name} `etag`: `{etag[:100]}` does not match server "
            f"`etag`: `{resource.etag}`: {resource.name} has changed since it was read.",
        )


def update(call: Call, request: Any) -> Message:
    """Change one resource under an update mask; `allow_missing` creates it."""
    cls = resource_class(call.method)
    field = next(f for f in request.DESCRIPTOR.fields if f.message_type is cls.DESCRIPTOR)
    patch = getattr(request, field.name)
    with call.store:
        resource = call.store.find(cls, patch.name)
        if resource is None:
            if not getattr(request, "allow_missing", False):
                raise not_found(patch.name)
            check_parent(call, patch.name.rsplit("/", 2)[0])
            resource = cls(name=patch.name)
            stamp(resource, "create_time")
        check_etag(resource, getattr(patch, "etag", ""))
        merge(resource, patch, getattr(request, "update_mask", field_mask_pb2.FieldMask()))
        check_required(resource)
        stamp(resource, "update_time")
        call.store.put(resource)
    return finished(call, resource) if call.method.returns_operation else resource


def delete(call: Call, request: Any, force: bool = False) -> Message:
    """Remove one resource and what lies beneath it.

    Without `force`, here or in the request, only where nothing lies beneath it.
    """
    with call.store:
        resource = call.store.find(resource_class(call.method), request.name)
        if resource is None:
            if not getattr(request, "allow_missing", False):
                raise not_found(request.name)
        else:
            check_etag(resource, getattr(request, "etag", ""))
            beneath = call.store.beneath(request.name)
            if "force" in request.DESCRIPTOR.fields_by_name and not (force or request.force) and beneath:
                raise precondition(f"{request.name} still holds {beneath[0]}: delete that first, or use force.")
            call.store.delete(request.name)
    return finished(call, empty_pb2.Empty()) if call.method.returns_operation else empty_pb2.Empty()


# Long-running operations


def _operation(call: Call, parent: str) -> operations_pb2.Operation:
    operation = operations_pb2.Operation(name=f"{parent}/operations/{new_id()}")
    if call.method.client is not None:
        metadata = call.method.operation_types[1]()
        if "generic_metadata" in metadata.DESCRIPTOR.fields_by_name:
            stamp(metadata.generic_metadata, "create_time", "update_time")
        pack(operation.metadata, metadata, call.method.version)
    return operation


def pack(any_: Any, message: Message, version: str) -> None:
    """Put `message` into an Any under the name that it has in `version`."""
    any_.type_url = f"type.googleapis.com/{type_name(message, version)}"
    any_.value = message.SerializeToString()


def location_of(request: Any) -> str:
    """`projects/p/locations/l` of a request's parent, name or first resource name."""
    for field, value in request.ListFields():
        text = value if field.type == field.TYPE_STRING and not repeated(field) else ""
        if match := re.match(r"projects/[^/]+/locations/[^/]+", text):
            return match.group()
    for field, value in request.ListFields():
        if field.message_type is not None and not repeated(field) and (place := location_of(value)):
            return place
    return ""


def finished(call: Call, result: Message) -> operations_pb2.Operation:
    """A long-running operation that is already done."""
    operation = _operation(call, location_of(call.request))
    operation.done = True
    pack(operation.response, result, call.method.version)
    call.store.put(operation)
    return operation


def background(call: Call, work: Callable[[], Message], wait: float = 2.0) -> operations_pb2.Operation:
    """Do `work` in a thread. Returns its operation, done where `wait` seconds were enough."""
    operation = _operation(call, location_of(call.request))
    call.store.put(operation)

    def run() -> None:
        try:
            pack(operation.response, work(), call.method.version)
        except Exception as caught:
            error = logged(call.method.name, caught)
            operation.error.CopyFrom(status_pb2.Status(code=error.number, message=error.message))
        operation.done = True
        call.store.put(operation)

    thread = threading.Thread(target=run, daemon=True, name=operation.name)
    thread.start()
    thread.join(wait)
    return call.store.get(operations_pb2.Operation, operation.name)


def abandon_operations(cloud: Cloud) -> None:
    """After a restart: operations that were under way have ended, and say so."""
    for name in cloud.store.names("*/operations/*"):
        operation = cloud.store.get(operations_pb2.Operation, name)
        if not operation.done:
            operation.done = True
            operation.error.CopyFrom(status_pb2.Status(code=10, message="The local server was stopped meanwhile."))
            cloud.store.put(operation)


@implements("Operations.GetOperation")
def get_operation(call: Call, request: Any) -> Message:
    """Read one long-running operation."""
    return call.store.get(operations_pb2.Operation, request.name)


@implements("Operations.ListOperations")
def list_operations(call: Call, request: Any) -> Message:
    """Read the long-running operations beneath a location."""
    items = call.store.list(operations_pb2.Operation, request.name.removesuffix("/operations") + "/operations")
    if request.filter:
        predicate = parse_filter(request.filter)
        items = [item for item in items if predicate(item)]
    page, token = page_of(request, items)
    return operations_pb2.ListOperationsResponse(operations=page, next_page_token=token)


@implements("Operations.WaitOperation")
def wait_operation(call: Call, request: Any) -> Message:
    """Wait for one long-running operation, ten seconds at most."""
    deadline = time.monotonic() + min(request.timeout.ToTimedelta().total_seconds() or 10, 10)
    while not (operation := get_operation(call, request)).done and time.monotonic() < deadline:
        time.sleep(0.02)
    return operation


@implements("Operations.DeleteOperation")
def delete_operation(call: Call, request: Any) -> Message:
    """Forget one long-running operation."""
    if not call.store.delete(request.name):
        raise not_found(request.name)
    return empty_pb2.Empty()
