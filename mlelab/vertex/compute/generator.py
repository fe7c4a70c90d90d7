"""What a language model offers, so that this server can answer with it. Who composes the server hands one in.

`python -m mlelab.vertex` takes the first that an installed package names under the entry point GROUP; it is loaded at
the first request. Without one, what needs it answers UNIMPLEMENTED.
"""

from __future__ import annotations

import importlib.metadata
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..wire.errors import CloudError

GROUP = "mlelab.vertex.generator"
WINDOW = 60.0  # seconds in which requests are counted


@dataclass(frozen=True)
class Settings:
    """How to generate. None: as the generator likes.

    schema: JSON schema that the whole text must follow; an empty one stands for any JSON.
    logprobs: how many of the best candidates each step names.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    schema: Mapping[str, Any] | None = None
    logprobs: int = 0


@dataclass(frozen=True)
class Candidate:
    """A token as it may come next: its id, its text as far as it is text, and ln of its probability."""

    token: int
    text: str
    log_probability: float


@dataclass(frozen=True)
class Step:
    """One token: the text that it makes whole, which may be empty, the token, and the best that could have stood."""

    text: str
    chosen: Candidate
    best: Sequence[Candidate] = ()


class Generator(Protocol):
    """A language model. It may be called from several threads at a time.

    name: of the model.  context: tokens that prompt and answer may have together.
    """

    name: str
    context: int

    def tokens(self, text: str) -> list[tuple[int, bytes]]:
        """The tokens of a text: id and bytes."""

    def prompt(self, messages: Sequence[tuple[str, str]]) -> list[int]:
        """The tokens of a conversation of (role, text), with the roles "system", "user" and "model"."""

    def generate(self, prompt: Sequence[int], settings: Settings) -> Iterator[Step]:
        """What follows, token by token, until the model ends. Raises ValueError for a schema that it cannot follow."""


def installed() -> Generator | None:
    """The generator that an installed package offers, or None. Raises what its loading raises."""
    for entry in importlib.metadata.entry_points(group=GROUP):
        return entry.load()()
    return None


class Generation:
    """The generator of one server, and its quota.

    make: gives the generator, or None; called at the first request, once.
    requests_per_minute: quota of a project and model; None has no end.
    """

    def __init__(self, make: Callable[[], Generator | None], requests_per_minute: int | None = None) -> None:
        self._make, self._limit = make, requests_per_minute
        self._lock = threading.Lock()
        self._made: Generator | None = None
        self._times: dict[tuple[str, str], deque[float]] = {}

    def model(self, method: str) -> Generator:
        """The generator. CloudError UNIMPLEMENTED where there is none, with the reason."""
        with self._lock:
            if self._made is None:
                try:
                    self._made = self._make()
                except (ImportError, RuntimeError) as error:
                    raise CloudError("UNIMPLEMENTED", f"{method} needs a language model. {error}") from None
            if self._made is None:
                raise CloudError(
                    "UNIMPLEMENTED", f"{method} is not implemented by this local stand-in: it has no language model."
                )
            return self._made

    def count(self, project: str, model: str, now: float) -> None:
        """Count a request at `now`, in seconds. CloudError RESOURCE_EXHAUSTED beyond the quota."""
        with self._lock:
            times = self._times.setdefault((project, model), deque())
            while times and times[0] <= now - WINDOW:
                times.popleft()
            if self._limit is not None and len(times) >= self._limit:
                raise CloudError(
                    "RESOURCE_EXHAUSTED",
                    "Quota exceeded for aiplatform.googleapis.com/generate_content_requests_per_minute_per_project_per"
                    f"_base_model with base model: {model}. The local stand-in allows {self._limit} a minute.",
                )
            times.append(now)
