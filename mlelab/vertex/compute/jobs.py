"""Jobs: a thread per job that carries it from PENDING to its end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message
from google.rpc import code_pb2

from ..resources.store import Store
from ..resources.times import stamp
from ..wire.errors import CloudError, logged

log = logging.getLogger("mlelab.vertex")
MAX_JOBS = 4
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED", "PARTIALLY_SUCCEEDED")


class Cancelled(Exception):
    """The job was cancelled."""


def _state_enum(cls: type[Message]) -> tuple[Any, str]:
    """The enum of a job's states, and what their names begin with: JOB_STATE_ or PIPELINE_STATE_."""
    enum = cls.DESCRIPTOR.fields_by_name["state"].enum_type
    return enum, "JOB_STATE_" if enum.name == "JobState" else "PIPELINE_STATE_"


def state_of(job: Any) -> str:
    """The state of a job by its short name, such as RUNNING."""
    enum, prefix = _state_enum(type(job))
    return enum.values_by_number[job.state].name.removeprefix(prefix)


def set_state(job: Any, state: str, error: CloudError | None = None) -> None:
    """Change a job's state, with its times and its error."""
    enum, prefix = _state_enum(type(job))
    job.state = enum.values_by_name[prefix + state].number
    stamp(job, "update_time", *(["start_time"] if state == "RUNNING" else ["end_time"] if state in ENDED else []))
    if error:
        job.error.code, job.error.message = code_pb2.Code.Value(error.code), error.message


class Jobs:
    """All jobs of one server that are under way."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cancel: dict[str, threading.Event] = {}
        self._threads: dict[str, threading.Thread] = {}
        self.slots = threading.BoundedSemaphore(MAX_JOBS)

    def submit(self, job: Any, work: Callable[[threading.Event], None]) -> Message:
        """Store a job, run `work(cancel)` in a thread, and write the job's states as it goes. Returns it as stored."""
        set_state(job, "PENDING")
        self._store.insert(job)
        cancel = self._cancel[job.name] = threading.Event()
        thread = self._threads[job.name] = threading.Thread(
            target=self._run, args=(type(job), job.name, work, cancel), daemon=True, name=job.name
        )
        thread.start()
        return self._store.get(type(job), job.name)

    def _run(
        self, cls: type[Message], name: str, work: Callable[[threading.Event], None], cancel: threading.Event
    ) -> None:
        error: CloudError | None = None
        state = "SUCCEEDED"
        try:
            with self._store.edit(cls, name) as job:
                set_state(job, "RUNNING")
            work(cancel)
            if cancel.is_set():
                state = "CANCELLED"
        except Cancelled:
            state, error = "CANCELLED", CloudError("CANCELLED", "The job was cancelled.")
        except Exception as caught:
            state, error = ("CANCELLED" if cancel.is_set() else "FAILED"), logged(name, caught)
        try:
            with self._store.edit(cls, name) as job:
                set_state(job, state, error)
        except CloudError:
            log.info("%s was deleted while it ran", name)
        finally:
            self._cancel.pop(name, None)
            self._threads.pop(name, None)

    def cancel(self, name: str) -> None:
        """Ask a job to stop."""
        if name in self._cancel:
            self._cancel[name].set()

    def running(self, name: str) -> bool:
        """True while the job's thread is at work."""
        return name in self._threads

    def close(self) -> None:
        """Cancel every job and wait for their ends."""
        for event in list(self._cancel.values()):
            event.set()
        for thread in list(self._threads.values()):
            thread.join(10)
