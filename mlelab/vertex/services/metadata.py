"""ML Metadata: artifacts, executions and contexts, and the graph between them.

Events lie beneath their execution, members beneath their context; both are `Event` messages.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from google.protobuf.message import Message

from ..resources.generic import delete, generic, list_, new_resource
from ..resources.operations import finished
from ..resources.query import parse_filter
from ..resources.registry import Call, implements
from ..resources.store import Store
from ..resources.times import now, stamp
from ..wire.catalog import pb
from ..wire.errors import invalid, not_found

generic("MetadataService", "(Get|List|Delete)MetadataStores?|(Create|Get|List)MetadataSchemas?")
generic("MetadataService", "(Get|Update)(Artifact|Execution|Context)")


def ensure_store(store: Store, location: str) -> str:
    """The default metadata store of a location, made on first use. Returns its name."""
    name = f"{location}/metadataStores/default"
    with store:
        if not store.exists(name):
            made = pb.MetadataStore(name=name)
            stamp(made, "create_time", "update_time")
            store.insert(made)
    return name


@implements("MetadataService.CreateMetadataStore")
def create_store(call: Call, request: Any) -> Message:
    """Create a metadata store."""
    made = new_resource(call, request)
    call.store.insert(made)
    return finished(call, made)


@implements("MetadataService.CreateArtifact", "MetadataService.CreateExecution", "MetadataService.CreateContext")
def create_node(call: Call, request: Any) -> Message:
    """Create an artifact, an execution or a context."""
    if request.parent.endswith("/metadataStores/default"):
        ensure_store(call.store, request.parent.rsplit("/metadataStores/", 1)[0])
    node = new_resource(call, request)
    call.store.insert(node)
    return node


@implements("MetadataService.DeleteArtifact", "MetadataService.DeleteExecution", "MetadataService.DeleteContext")
def delete_node(call: Call, request: Any) -> Message:
    """Delete an artifact, an execution or a context; what it is linked to stays."""
    return delete(call, request, force=True)


def members(store: Store, context: str) -> tuple[set[str], set[str]]:
    """Names of the artifacts and executions of a context."""
    events = store.list(pb.Event, f"{context}/members")
    return {e.artifact for e in events if e.artifact}, {e.execution for e in events if e.execution}


def _functions(call: Call) -> dict[str, Any]:
    @functools.cache
    def inside(context: str) -> set[str]:
        return set().union(*members(call.store, context))

    def in_context(message: Any, args: list[str]) -> bool:
        if len(args) != 1:
            raise invalid("in_context() takes one context name.")
        return message.name in inside(args[0])

    return {"in_context": in_context, "within_context": in_context}


@implements("MetadataService.ListArtifacts", "MetadataService.ListExecutions", "MetadataService.ListContexts")
def list_nodes(call: Call, request: Any) -> Message:
    """List artifacts, executions or contexts, with `in_context("...")` in filters."""
    if request.parent.endswith("/metadataStores/default"):
        ensure_store(call.store, request.parent.rsplit("/metadataStores/", 1)[0])
    return list_(call, request, functions=_functions(call))


def add_members(store: Store, context: str, artifacts: Iterable[str] = (), executions: Iterable[str] = ()) -> None:
    """Put artifacts and executions into a context."""
    for field, names in (("artifact", artifacts), ("execution", executions)):
        for name in names:
            if not store.exists(name):
                raise not_found(name)
            kind, key = name.split("/")[-2:]
            store.put(pb.Event(**{field: name}), f"{context}/members/{kind}-{key}")


@implements("MetadataService.AddContextArtifactsAndExecutions")
def add_artifacts_and_executions(call: Call, request: Any) -> Message:
    """Put artifacts and executions into a context."""
    with call.store:
        call.store.get(pb.Context, request.context)
        add_members(call.store, request.context, request.artifacts, request.executions)
    return pb.AddContextArtifactsAndExecutionsResponse()


def set_parent(store: Store, parent: str, child: str) -> None:
    """Make one context the parent of another, which leaves both etags alone. INVALID_ARGUMENT for a circle."""
    above, todo = set(), [parent]
    while todo:
        one = todo.pop()
        above.add(one)
        todo += [p for p in store.get(pb.Context, one).parent_contexts if p not in above]
    if child in above:
        raise invalid(f"{child} would become its own ancestor.")
    context = store.get(pb.Context, child)
    if parent not in context.parent_contexts:
        context.parent_contexts.append(parent)
        store.put(context, new_etag=False)


@implements("MetadataService.AddContextChildren")
def add_children(call: Call, request: Any) -> Message:
    """Make contexts the children of another."""
    with call.store:
        for child in request.child_contexts:
            set_parent(call.store, request.context, child)
    return pb.AddContextChildrenResponse()


@implements("MetadataService.RemoveContextChildren")
def remove_children(call: Call, request: Any) -> Message:
    """Undo AddContextChildren."""
    with call.store:
        call.store.get(pb.Context, request.context)
        for child in request.child_contexts:
            context = call.store.get(pb.Context, child)
            if request.context in context.parent_contexts:
                context.parent_contexts.remove(request.context)
                call.store.put(context, new_etag=False)
    return pb.RemoveContextChildrenResponse()


def add_event(store: Store, execution: str, event: Any) -> None:
    """Link an artifact to an execution, as input or output."""
    if not store.exists(event.artifact):
        raise not_found(event.artifact)
    event.execution = execution
    event.event_time.CopyFrom(now())
    store.put(event, f"{execution}/events/{event.artifact.rsplit('/', 1)[1]}-{event.type_}")


@implements("MetadataService.AddExecutionEvents")
def add_events(call: Call, request: Any) -> Message:
    """Link artifacts to an execution."""
    with call.store:
        call.store.get(pb.Execution, request.execution)
        for event in request.events:
            copy = pb.Event()
            copy.CopyFrom(event)
            add_event(call.store, request.execution, copy)
    return pb.AddExecutionEventsResponse()


def subgraph(store: Store, artifacts: set[str], executions: set[str]) -> Any:
    """The nodes, and the events of the executions."""
    graph = pb.LineageSubgraph()
    for name in sorted(executions):
        if found := store.find(pb.Execution, name):
            graph.executions.append(found)
            events = store.list(pb.Event, f"{name}/events")
            graph.events.extend(events)
            artifacts |= {event.artifact for event in events}
    graph.artifacts.extend(filter(None, (store.find(pb.Artifact, name) for name in sorted(artifacts))))
    return graph


@implements("MetadataService.QueryExecutionInputsAndOutputs")
def query_execution(call: Call, request: Any) -> Message:
    """An execution with its artifacts."""
    call.store.get(pb.Execution, request.execution)
    return subgraph(call.store, set(), {request.execution})


@implements("MetadataService.QueryContextLineageSubgraph")
def query_context(call: Call, request: Any) -> Message:
    """All that is in a context."""
    call.store.get(pb.Context, request.context)
    return subgraph(call.store, *members(call.store, request.context))


@implements("MetadataService.QueryArtifactLineageSubgraph")
def query_artifact(call: Call, request: Any) -> Message:
    """What led to an artifact and what came of it, `max_hops` steps away at most."""
    call.store.get(pb.Artifact, request.artifact)
    if request.max_hops < 0:
        raise invalid("max_hops must not be negative.")
    root = request.artifact.rsplit("/artifacts/", 1)[0]
    events = [
        e
        for name in call.store.names(f"{root.replace('[', '[[]')}/executions/*/events/*")
        for e in [call.store.get(pb.Event, name)]
    ]
    artifacts, executions = {request.artifact}, set()
    for _ in range(request.max_hops or 100):
        more_executions = {e.execution for e in events if e.artifact in artifacts} - executions
        executions |= more_executions
        more_artifacts = {e.artifact for e in events if e.execution in executions} - artifacts
        artifacts |= more_artifacts
        if not more_executions and not more_artifacts:
            break
    graph = subgraph(call.store, artifacts, executions)
    if request.filter:
        keep = parse_filter(request.filter)
        kept = [a for a in graph.artifacts if keep(a)]
        del graph.artifacts[:]
        graph.artifacts.extend(kept)
    return graph


@implements("MetadataService.PurgeArtifacts", "MetadataService.PurgeExecutions", "MetadataService.PurgeContexts")
def purge(call: Call, request: Any) -> Message:
    """Delete (with `force`) or count the artifacts, executions or contexts that a filter finds."""
    kind = call.method.name.removeprefix("MetadataService.Purge")
    predicate = parse_filter(request.filter, _functions(call))
    with call.store:
        nodes = call.store.list(getattr(pb, kind.removesuffix("s")), f"{request.parent}/{kind.lower()}")
        names = [node.name for node in nodes if predicate(node)]
        for name in names if request.force else ():
            call.store.delete(name)
    response = getattr(pb, f"Purge{kind}Response")
    return finished(call, response(purge_count=len(names), purge_sample=names[:100]))


def get_or_create(store: Store, node: Any) -> Any:
    """`node` as stored, made where nothing bears its name."""
    with store:
        found = store.find(type(node), node.name)
        if found is None:
            stamp(node, "create_time", "update_time")
            store.insert(node)
            found = node
    return found
