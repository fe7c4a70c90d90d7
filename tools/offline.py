"""Run a command that can reach this machine and nothing else: `python tools/offline.py COMMAND …`.

Every Python process below it refuses connections that leave loopback (tools/offline_guard/sitecustomize.py). On Linux,
where the kernel allows it, the command also runs in a network namespace of its own, which binds other programs too.
"""

import os
import subprocess
import sys
from pathlib import Path

GUARD = Path(__file__).resolve().parent / "offline_guard"
UNSHARE = ["unshare", "--map-root-user", "--net"]
LOOPBACK_UP = """
import fcntl, os, socket, struct, sys
with socket.socket() as s:
    fcntl.ioctl(s, 0x8914, struct.pack("16sh22x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
os.execvp(sys.argv[1], sys.argv[1:])
"""


def main() -> int:
    command = sys.argv[1:]
    if not command or command[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if command else 2
    paths = [str(GUARD)] + [path for path in [os.environ.get("PYTHONPATH")] if path]
    inside = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    if not os.environ.get("MLELAB_OFFLINE"):  # not inside another one already
        inside["MLELAB_OFFLINE"] = "namespace" if _can_unshare() else "guard"
        if inside["MLELAB_OFFLINE"] == "namespace":
            command = [*UNSHARE, sys.executable, "-c", LOOPBACK_UP, *command]
    return subprocess.run(command, env=inside).returncode


def _can_unshare() -> bool:
    try:
        return subprocess.run([*UNSHARE, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(main())
