"""Runs inside the sandbox: executes one notebook, and tells the grader outside one JSON line for each code cell.

The notebook comes on stdin and the lines go to what was stdout: no file is shared. The kernel is another process, and
cannot look into this one. A cell that does not end is interrupted; a kernel that does not listen is ended, and with it
the notebook. Run by teaching/sandbox.py as `python -I runner.py`.
"""

import base64
import contextlib
import ctypes
import json
import os
import sys
import time
from pathlib import Path
from queue import Empty

GRACE = 15  # seconds to heed an interrupt
REMOTE = "__import__('mlelab.check.remote').check.remote"  # whatever names the notebook has
LOUD = 5  # times the output that is kept: what puts out more is interrupted


def main() -> None:
    job = json.load(sys.stdin)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")  # a file of ours alone: children do not inherit it
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: nobody reads this process's memory

    def tell(**what) -> None:
        out.write(json.dumps(what) + "\n")
        out.flush()

    notebook = Notebook(job, tell)
    try:
        notebook.run()
    finally:
        out.close()
        os._exit(0)  # what the student's code left behind ends with the sandbox


class Notebook:
    """One run of one notebook."""

    def __init__(self, job: dict, tell):
        self.job, self.tell = job, tell
        self.until = time.monotonic() + job["wall"]
        self.left = job["output"]  # bytes of output still wanted
        self.patience = LOUD * job["output"]  # bytes that may come before a cell is interrupted
        self.client = self.manager = None

    def run(self) -> None:
        begun = time.monotonic()
        try:
            self.start()
        except Exception as error:
            return self.tell(ended="start", why=f"{type(error).__name__}: {error}")
        self.tell(started=round(time.monotonic() - begun, 2))
        for number, cell in enumerate(self.job["cells"]):
            if cell is None:
                continue
            if self.until - time.monotonic() <= 0:
                return self.tell(ended="wall", cell=number)
            code = cell["source"]
            if cell["asked"]:
                self.tell(asked=cell["name"])
                code = (f"{REMOTE}.lend(__import__('builtins').globals(), {self.job['area']!r}, *{cell['asked']!r}, "
                        f"{self.job['ports'] + '/' + cell['name']!r})")
            begun = time.monotonic()
            ended = self.execute(number, code)
            self.tell(**self.found, cell=number, seconds=round(time.monotonic() - begun, 2))
            if ended:
                return self.tell(ended=ended, cell=number)
        return self.tell(ended="end")

    def start(self) -> None:
        from jupyter_client import KernelManager

        os.environ.pop("JPY_PARENT_PID", None)
        self.manager = KernelManager(kernel_name="python3", transport="ipc")
        self.manager.start_kernel(extra_arguments=["--HistoryManager.enabled=False"])
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=self.job["start"])
        late = self.execute(None, f"{REMOTE}; __import__('mlelab').check.open_lab({self.job['area']!r})", silent=True)
        errors = [output["evalue"] for output in self.found["outputs"] if output["output_type"] == "error"]
        if late or self.found["late"] or errors:
            raise RuntimeError(f"the checks did not start: {errors[0] if errors else 'it took too long'}")
        for name, data in self.job["files"].items():  # now that the checks are loaded, nothing can stand in their way
            Path(name).write_bytes(base64.b64decode(data))

    def execute(self, number: int | None, code: str, silent: bool = False) -> str | None:
        """Run one cell into self.found; why nothing more can be run, or None."""
        self.found = {"outputs": [], "count": None, "cut": False, "late": False, "loud": False}
        request = self.client.execute(code, silent=silent, store_history=not silent, allow_stdin=False,
                                      stop_on_error=False)
        self.patience = max(self.patience, self.job["output"])
        limit = self.job["start"] if number is None else self.job["cell"]
        deadline, interrupted = min(time.monotonic() + limit, self.until), False
        while True:
            now = time.monotonic()
            loud = self.patience < 0
            if (now >= deadline or loud) and not interrupted:
                self.found["loud" if loud else "late"] = interrupted = True
                self.manager.interrupt_kernel()
                deadline = now + min(GRACE, self.job["cell"])
            elif now >= deadline:
                self.manager.shutdown_kernel(now=True)
                return "late"
            try:
                message = self.client.get_iopub_msg(timeout=min(0.5, max(deadline - now, 0.01)))
            except Empty:
                if not self.manager.is_alive():
                    return "died"
                continue
            if message["parent_header"].get("msg_id") == request and self.take(message):
                return None

    def take(self, message: dict) -> bool:
        """Keep what a message says; True if the cell is through."""
        kind, content = message["msg_type"], message["content"]
        if kind == "status":
            return content["execution_state"] == "idle"
        if kind == "execute_input":
            self.found["count"] = content["execution_count"]
        elif kind == "clear_output":
            self.found["outputs"].clear()
        elif kind in ("stream", "display_data", "execute_result", "error"):
            output = {"output_type": kind} | {key: content[key] for key in (
                "name", "text", "data", "metadata", "execution_count", "ename", "evalue", "traceback")
                if key in content}
            self.keep(output)
        return False

    def keep(self, output: dict) -> None:
        """Add an output as long as there is room; an error always has room for its name."""
        size, outputs = len(json.dumps(output)), self.found["outputs"]
        self.patience -= size
        if size > self.left:
            self.found["cut"] = True
            if output["output_type"] == "error":
                outputs.append(output | {"evalue": output["evalue"][:500], "traceback": [output["ename"]]})
            return
        self.left -= size
        last = outputs[-1] if outputs else {}
        if output["output_type"] == "stream" == last.get("output_type") and output["name"] == last["name"]:
            last["text"] += output["text"]
        else:
            outputs.append(output)


if __name__ == "__main__":
    main()
