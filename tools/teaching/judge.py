"""Decides exercises outside of the student's process: draws inputs, asks for answers over two pipes, compares.

The oracle, the kept cases and the verdict are here and nowhere in the sandbox; plain data comes back, and no code.
`Judge` is the grader's end of such a process: a request a line on its stdin, its outcome a line on its stdout.
"""

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path

from mlelab.check import open_lab, remote
from mlelab.check.codec import CannotCross
from mlelab.check.engine import OurFault
from mlelab.check.outcome import RIGHT, WRONG
from mlelab.check.port import NotAttempted, Stopped, Unreachable
from mlelab.check.remote import Odd, Remote

HERE = Path(__file__).resolve()
START = "import sys; sys.path[:1] = sys.argv[1:3]; from teaching.judge import main; main(sys.argv[3])"
# Checks whose `run` is in the student's process, since it uses what cannot cross. What it returns is plain data and is
# compared here. By number of the exercise, what replacing that `run` in the notebook allows. None stands for nothing:
# the values that come back must be right all the same.
THERE = {
    ("02_data", "2.1"): "say that files were whole at any time, and write them in place",
    ("02_data", "2.6"): None,  # an iterator of the events
    ("02_data", "2.7"): "say that a chunk was read once, and hold all of them in memory",
    ("04_evaluation", "4.2"): "open the seal more than once, and say once",
    ("05_training", "5.3"): None,  # a strategy of TensorFlow, its variables and its tensors
    ("05_training", "5.8"): "report steps that were not taken, and write a checkpoint in place",
    ("07_deployment", "7.1"): "run code that lies in a bundle, and report that none was run",
    ("08_mlops", "8.2"): None,  # a folder of files
    ("08_mlops", "8.3"): "report other calls and waits than those that were made",
}
STARTING = 300  # seconds until it is ready
SECONDS = 90  # to say the outcome, once the student's cell is through


class Judge:
    """A checking process for one submission after another, started when it is first needed. It ends with us."""

    def __init__(self):
        self.area, self.process, self.waiting = "", None, b""
        self.busy = False  # with a check of which nothing was heard
        self.outcomes: dict[str, dict] = {}

    def begin(self, area: str) -> bool:
        """Be ready for the checks of a lab, before a student's time runs."""
        if self.busy or self.process is None or self.process.poll() is not None or self.area != area:
            self.end()
            self.area, self.waiting = area, b""
            self.process = subprocess.Popen([sys.executable, "-c", START, *map(str, HERE.parents[1:3]), area],
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            if self._line(STARTING) != b"ready":
                self.end()
        return self.process is not None

    def ask(self, area: str, ports: Path, name: str, what: dict) -> None:
        """Begin with one check; the student's process waits at the pipes of that name."""
        if not self.begin(area):
            return
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(what | {"name": name, "ports": str(ports)}).encode() + b"\n")
            self.process.stdin.flush()
            self.busy = True

    def hear(self, name: str, failed: bool) -> None:
        """Keep the outcome of a check whose cell is through; without one the process is ended, and begins anew."""
        gone = self.process is None or self.process.poll() is not None
        # The student's process cannot get through its cell before we are connected, unless it evades.
        connected = not gone and self._line(2)
        said = connected and self._line(SECONDS)
        if said:
            self.outcomes[name], self.busy = json.loads(said), False
            return
        self.end()
        if gone or connected and not failed:
            self.outcomes[name] = {"fault": "the checking process did not answer"}

    def _line(self, seconds: float) -> bytes:
        """The next line, or nothing after so many seconds or at the end."""
        until = time.monotonic() + seconds
        while b"\n" not in self.waiting:
            ready = select.select([self.process.stdout], [], [], max(0, until - time.monotonic()))[0]
            more = os.read(self.process.stdout.fileno(), 2**16) if ready else b""
            if not more:
                return b""
            self.waiting += more
        line, _, self.waiting = self.waiting.partition(b"\n")
        return line

    def end(self) -> None:
        self.busy = False
        if self.process:
            self.process.kill()
            self.process.communicate()
            self.process = None


def main(area: str) -> None:
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")  # ours alone, whatever a check or a library prints
    os.dup2(2, 1)
    lab = open_lab(area)
    for number, exercise in lab.exercises.items():
        if isinstance(exercise.body, type):  # a third of a million rows are not sent: kept cases and draws decide
            exercise.body.real, exercise.body.figure = None, "Right on all inputs that were tried."
        for part in exercise.parts or (None,):
            if spec := exercise.spec(part):
                spec.run = _where_it_can(spec.run, (area, number) in THERE)

    def tell(line: str) -> None:
        out.write(line + "\n")
        out.flush()

    tell("ready")
    for line in sys.stdin:
        what = json.loads(line)
        ends = [os.open(f"{what['ports']}/{what['name']}.{end}", how) for end, how in (
            ("ask", os.O_WRONLY), ("say", os.O_RDONLY))]
        tell("connected")
        found = decided(lab, what, *reversed(ends))
        for end in ends:
            os.close(end)
        tell(json.dumps(found))


def _where_it_can(run, there: bool):
    """A check's `run` here, or in the process of the answer if that is said or an argument is no plain data."""
    def either(f, **inputs):
        nonlocal there
        if not there:
            try:
                return run(f, **inputs)
            except Stopped as stopped:
                if stopped.kind is not CannotCross:  # only what we send can raise it
                    raise
                there = True
        return remote.there(run, f, inputs)

    return either


def decided(lab, what: dict, reader: int, writer: int) -> dict:
    """The outcome of one check with the functions at the other end of two pipes."""
    remote = Remote(reader, writer)
    try:
        if what["check"] is None:
            return _hidden(what["code"], {name: _as_code_knows_it(remote(name)) for name in what["functions"]})
        number, part = what["check"]
        outcome = lab.exercises[number].outcome(remote(what["functions"][0]), part)
    except Unreachable as error:
        return {"verdict": "stopped", "says": str(error)}
    except OurFault as error:
        return {"fault": str(error)}
    return {"verdict": outcome.verdict, "says": outcome.says, "text": repr(outcome), "html": outcome._repr_html_(),
            "misconception": outcome.misconception and outcome.misconception.code}


def _hidden(code: str, names: dict) -> dict:
    """A check of yours: right if it comes to its end. `why` is for you, and enters no page of a student's."""
    try:
        exec(compile(code, "<hidden check>", "exec"), {"__name__": "hidden", **names})
    except Exception as error:
        return {"verdict": WRONG, "says": "", "why": f"{type(error).__name__}: {error}", "text": "Not passed."}
    return {"verdict": RIGHT, "says": "", "text": "Passed."}


def _as_code_knows_it(function):
    """A function of the other process that raises what was raised there."""
    def call(*args, **kwargs):
        try:
            result = function(*args, **kwargs)
        except NotAttempted:
            raise NotImplementedError("not solved yet") from None
        except Stopped as stopped:
            raise (stopped.kind if issubclass(stopped.kind, Exception) else TimeoutError)(stopped.text) from None
        if isinstance(result, Odd):
            raise TypeError(result.text)
        return result

    return call
