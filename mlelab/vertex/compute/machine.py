"""What running code needs of the server."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ..data.blobs import Blobs
from ..resources.store import Store
from .jobs import Jobs
from .processes import Processes


class Machine(Protocol):
    """The parts of a server that jobs, pipelines and models are made from."""

    state: Path
    store: Store
    storage: Blobs
    processes: Processes
    jobs: Jobs

    def environment(self) -> dict[str, str]:
        """Variables that point the SDK at the server."""
