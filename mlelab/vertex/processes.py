"""The old place of what other packages use; new code imports `mlelab.vertex.compute.processes`."""

from .compute.processes import GUARD, free_port

__all__ = ["GUARD", "free_port"]
