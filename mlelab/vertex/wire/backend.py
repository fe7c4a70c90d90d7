"""What the front ends need of the server behind them."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from google.protobuf.message import Message

from .catalog import Method
from .identity import Identity


class Backend(Protocol):
    """Checks who calls, and answers."""

    identity: Identity

    def dispatch(self, method: Method, request: Message, headers: dict[str, str]) -> Message | Iterator[Message]:
        """Answer one request of the catalogue; what the answer's headers say goes into `headers`."""

    def other_api(self, host: str, path: str) -> Callable[[Any, urllib.parse.SplitResult], None] | None:
        """The handler of a JSON API that is not in the catalogue, or None."""
