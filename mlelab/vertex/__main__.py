"""`python -m mlelab.vertex`: run the local stand-in until Ctrl-C."""

from __future__ import annotations

import argparse
import json
import logging
import os
import shlex
import signal
import sys
import threading
import time
from pathlib import Path

from .compute.generator import installed
from .resources.registry import coverage
from .server import PROJECT, STAND_IN, Cloud, StateInUse, StateUnusable

LINGER = 5.0  # seconds between the last notebook's end and the server's
FIRST = 30.0  # seconds to wait for the first notebook


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and serve. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m mlelab.vertex", description=STAND_IN)
    parser.add_argument("--port", type=int, default=0, help="port of the proxy on 127.0.0.1 (default: any free one)")
    parser.add_argument(
        "--state",
        type=Path,
        default=Path("~/.local/share/mlelab/vertex"),
        help="directory that keeps what you create (default: %(default)s)",
    )
    parser.add_argument("--ephemeral", action="store_true", help="keep nothing")
    parser.add_argument("--offline", action="store_true", help="refuse HTTPS to hosts other than Google's")
    parser.add_argument("--no-limits", action="store_true", help="do not hold to the cloud's documented limits")
    parser.add_argument(
        "--requests-per-minute", type=int, help="quota of generated contents, for code that repeats (default: no end)"
    )
    parser.add_argument("--project", default=PROJECT, help="project id that GOOGLE_CLOUD_PROJECT gets")
    parser.add_argument("--list", action="store_true", help="print every method and what is implemented of it")
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--until-released", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.list:
        for service, method, state, differs in coverage():
            print(f"{service}.{method}: {state}{differs and f' ({differs})'}")
        return 0
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    upstream = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy")
    try:
        cloud = Cloud(
            None if args.ephemeral else args.state.expanduser(),
            port=args.port,
            offline=args.offline,
            project=args.project,
            limits=not args.no_limits,
            generator=installed,
            requests_per_minute=args.requests_per_minute,
            upstream=None if "MLELAB_VERTEX" in os.environ else upstream,
        )
    except StateInUse as error:
        if args.json and error.info:
            print(json.dumps(error.info), flush=True)
            return 0
        print(error, file=sys.stderr)
        return 1
    except (OSError, StateUnusable) as error:
        print(f"The local server cannot start: {error}", file=sys.stderr)
        return 1
    stop = threading.Event()
    for name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), lambda *_: stop.set())
    if args.json:
        print(json.dumps({"port": cloud.proxy.port, "environment": cloud.environment()}), flush=True)
    else:
        print(STAND_IN)
        print("Set these in the shell that runs your code (Ctrl-C here stops the server):\n")
        for key, value in cloud.environment().items():
            print(f"export {key}={shlex.quote(value)}")
        sys.stdout.flush()
    try:
        if args.until_released:
            first = time.monotonic() + FIRST
            while not stop.wait(0.5):
                if not cloud.proxy.leases and time.monotonic() > (cloud.proxy.released or first) + LINGER:
                    break
        else:
            stop.wait()
    finally:
        cloud.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
