"""What a service file registers: the methods that it answers, and what it does at the start and every second.

    generic("EndpointService", "(Get|List)Endpoints?")               # nothing but the store

    @implements("EndpointService.DeployModel")                       # something of its own
    def deploy_model(call: Call, request) -> Message: ...

Whatever nobody registered answers UNIMPLEMENTED with the method's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from ..wire.catalog import Method, catalogue
from .store import Store

Behaviour = Callable[["Call", Any], "Message | Iterator[Message]"]
BEHAVIOURS: dict[str, Behaviour] = {}
DIFFERS: dict[str, str] = {}
STARTS: list[Callable[[Any], None]] = []
TICKS: list[Callable[[Any], None]] = []


@dataclass
class Call:
    """One request on its way through the server."""

    cloud: Any  # services.context.Context, which lies on a floor above
    method: Method
    request: Message  # in v1beta1
    original: Message  # as it came
    headers: dict[str, str]  # of the answer

    @property
    def store(self) -> Store:
        """The resource store."""
        return self.cloud.store


def implements(*names: str, differs: str = "") -> Callable[[Behaviour], Behaviour]:
    """Register a function for methods such as `ModelService.UploadModel`.

    differs: what it has of the cloud's behaviour and what not, in a few words; empty where it has all of it.
    """

    def register(behaviour: Behaviour) -> Behaviour:
        for name in names:
            BEHAVIOURS[name] = behaviour
            if differs:
                DIFFERS[name] = differs
        return behaviour

    return register


def on_start(function: Callable[[Any], None]) -> Callable[[Any], None]:
    """Register what a server does with the state that it finds, before it answers anybody."""
    STARTS.append(function)
    return function


def every_second(function: Callable[[Any], None]) -> Callable[[Any], None]:
    """Register what a server looks after once a second, and whenever its clock is moved."""
    TICKS.append(function)
    return function


def coverage() -> list[tuple[str, str, str, str]]:
    """Service, method, `real`, `partial` or `unimplemented`, and what differs: every method of the installed SDK."""
    rows = []
    for name in sorted({method.name for method in catalogue().values()}):
        state = "unimplemented" if name not in BEHAVIOURS else "partial" if name in DIFFERS else "real"
        rows.append((*name.split("."), state, DIFFERS.get(name, "")))
    return rows
