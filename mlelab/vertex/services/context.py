"""What a behaviour may use of the server; a call has it as `call.cloud`."""

from __future__ import annotations

from typing import Protocol

from ..compute.generator import Generation
from ..compute.machine import Machine
from ..compute.scheduler import Clock
from ..compute.serving import Serving
from ..data.feature_values import FeatureValues


class Context(Machine, Protocol):
    """The parts of a server that services are made from."""

    project: str
    limits: bool  # whether the cloud's documented limits hold here
    feature_values: FeatureValues
    serving: Serving
    generation: Generation
    clock: Clock
