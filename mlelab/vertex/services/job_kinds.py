"""What all kinds of jobs have in common."""

from __future__ import annotations

from typing import Any

from google.protobuf import empty_pb2
from google.protobuf.message import Message

from ..compute.jobs import ENDED, set_state, state_of
from ..resources.generic import delete, generic
from ..resources.registry import Call, implements, on_start
from ..wire.catalog import pb
from ..wire.errors import CloudError, precondition
from .context import Context


def job_kind(service: str, kind: str) -> None:
    """Register what all kinds of jobs have in common: get, list, cancel, delete."""
    cls = getattr(pb, kind)
    generic(service, f"(Get|List){kind}s?")

    @implements(f"{service}.Cancel{kind}")
    def cancel(call: Call, request: Any) -> Message:
        call.store.get(cls, request.name)
        call.cloud.jobs.cancel(request.name)
        return empty_pb2.Empty()

    @implements(f"{service}.Delete{kind}")
    def delete_ended(call: Call, request: Any) -> Message:
        state = state_of(call.store.get(cls, request.name))
        if state not in ENDED:
            raise precondition(f"{request.name} is {state}: cancel it and wait for its end before deleting it.")
        return delete(call, request)

    @on_start
    def fail_interrupted(cloud: Context) -> None:
        """After a restart: jobs that were under way have failed, and say so."""
        error = CloudError("ABORTED", "The local server was stopped while this ran.")
        for name in cloud.store.names(f"projects/*/locations/*/{kind[0].lower()}{kind[1:]}s/*"):
            with cloud.store.edit(cls, name) as job:
                if state_of(job) in ("QUEUED", "PENDING", "RUNNING", "CANCELLING"):
                    set_state(job, "FAILED", error)
