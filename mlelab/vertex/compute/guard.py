"""Runs one command and ends it: on time-out, over its memory, or when the server that started it is gone.

    python guard.py SECONDS BYTES COMMAND...      (0: no limit)

Stands alone: it is started as a script with nothing but the standard library. The server holds the other end of
its standard input; when that closes, the command's whole process group is killed. SIGTERM is passed on, so that the
command can finish what it does. Exit status: the command's,
128 + n after signal n, 124 after a time-out.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading


def main() -> int:
    """Run the command of `sys.argv`."""
    seconds, memory, command = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if memory:
        try:
            import resource

            resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        except (ImportError, ValueError, OSError) as error:
            print(f"memory limit not set: {error}", file=sys.stderr)
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        print(f"cannot start {command[0]!r}: {error}", file=sys.stderr)
        return 127

    def kill() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL) if hasattr(os, "killpg") else child.kill()

    def watch() -> None:
        while os.read(0, 4096):
            pass
        kill()

    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    threading.Thread(target=watch, daemon=True).start()
    try:
        code = child.wait(seconds or None)
    except subprocess.TimeoutExpired:
        kill()
        child.wait()
        code = 124
    kill()  # what the command left behind
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)
