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

HERE = Path(__file__).resolve()
START = "import sys; sys.path[:1] = sys.argv[1:3]; from teaching.judge import main; main(sys.argv[3])"
STARTING = 300  # seconds until it is ready
SECONDS = 90  # to say the outcome, once the student's cell is through


class Judge:
    """A checking process for the submissions of one thread, started when it is first needed. It ends with us."""

    def __init__(self):
        self.area, self.process, self.waiting = "", None, b""
        self.outcomes: dict[str, dict] = {}

    def begin(self, area: str) -> bool:
        """Be ready for the checks of a lab, before a student's time runs."""
        if self.process is None or self.process.poll() is not None or self.area != area:
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

    def hear(self, name: str, failed: bool) -> None:
        """Keep the outcome of a check whose cell is through; without one the process is ended, and begins anew."""
        gone = self.process is None or self.process.poll() is not None
        # The student's process cannot get through its cell before we are connected, unless it evades.
        connected = not gone and self._line(2)
        said = connected and self._line(SECONDS)
        if said:
            self.outcomes[name] = json.loads(said)
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
        if self.process:
            self.process.kill()
            self.process.communicate()
            self.process = None


def outside(area: str) -> dict[tuple[str, str | None], str]:
    """(exercise, part): the function's name, of the checks of a lab that can be decided outside of its process."""
    from mlelab.check import open_lab
    from mlelab.check.review import Review

    return {(number, part): exercise.name for number, exercise in open_lab(area).exercises.items()
            if exercise.spec((exercise.parts or (None,))[0]) or isinstance(exercise.body, Review)
            for part in exercise.parts or (None,)}


def main(area: str) -> None:
    from mlelab.check import open_lab
    from mlelab.check.engine import OurFault
    from mlelab.check.port import Unreachable
    from mlelab.check.remote import Remote

    lab = open_lab(area)
    for exercise in lab.exercises.values():
        if isinstance(exercise.body, type):  # a third of a million rows are not sent: kept cases and draws decide
            exercise.body.real, exercise.body.figure = None, "Right on all inputs that were tried."
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        what = json.loads(line)
        exercise = lab.exercises[what["exercise"]]
        ends = [os.open(f"{what['ports']}/{what['name']}.{end}", how) for end, how in (
            ("ask", os.O_WRONLY), ("say", os.O_RDONLY))]
        sys.stdout.write("connected\n")
        sys.stdout.flush()
        try:
            outcome = exercise.outcome(Remote(ends[1], ends[0])("answer"), what["part"])
            found = {"verdict": outcome.verdict, "says": outcome.says, "text": repr(outcome),
                     "misconception": outcome.misconception and outcome.misconception.code,
                     "html": outcome._repr_html_()}
        except Unreachable as error:
            found = {"verdict": "stopped", "says": str(error)}
        except OurFault as error:
            found = {"fault": str(error)}
        for end in ends:
            os.close(end)
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()

