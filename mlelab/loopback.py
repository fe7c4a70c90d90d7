"""Servers of ours listen on loopback: clients reach them directly, also where the network needs a proxy."""

import os

HERE = ("localhost", "127.0.0.1", "::1")


def reach_directly() -> None:
    """Add loopback to NO_PROXY, for this process and those it starts; what stands there already stays."""
    named = [name.strip() for name in (os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "").split(",")]
    listed = ",".join([*filter(None, named), *(name for name in HERE if name not in named)])
    os.environ.update(NO_PROXY=listed, no_proxy=listed)
