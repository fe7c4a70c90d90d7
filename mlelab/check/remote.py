"""The learner's functions in another process: plain data over a pair of pipes, one JSON text a line.

The process with the learner's code runs `serve`; it holds no oracle, no mistakes and no verdict, and sees an input only
when it is called with it. The check's process has a `Remote`, whose functions are handed to `Exercise.outcome` like any
other. A function among the arguments (a spy of the check) is called back over the same pipes, with plain data.

What cannot cross, such as a frame that is watched or a device of TensorFlow, is made where the answer is: `there` sends
plain data to the check's own `run` in the learner's process, and plain data comes back. The verdict stays outside.
"""

import contextlib
import itertools
import json
import os
import select
import time
from collections.abc import Callable

from mlelab.check import port
from mlelab.check.codec import EXCEPTIONS, CannotCross, decode, encode
from mlelab.check.compare import Odd
from mlelab.check.port import DEADLINE, PRINTED, Local, NotAttempted, Notes, Stopped, Unreachable

LONGEST = 64 * 2**20  # bytes of one message
RUN = ""  # the name under which the learner's end has the `run` of a check; no function is called so


class _Wire:
    """Both ends do the same: send a call, and answer the other side's calls until the result comes."""

    def __init__(self, reader: int, writer: int, patience: float | None):
        self.reader, self.writer, self.patience = reader, writer, patience
        self.kept: dict[int | str, Callable] = {}
        self.numbers = itertools.count(1)
        self.waiting = b""

    def keep(self, function: Callable) -> int:
        """A handle for a function; what it does to its arguments is noted when the other side calls it."""
        number = next(self.numbers)
        self.kept[number] = function.function if isinstance(function, Local) else function
        return number

    def send(self, message: dict) -> None:
        data = memoryview(json.dumps(message).encode() + b"\n")
        try:
            while data:
                if not select.select([], [self.writer], [], self.patience)[1]:
                    raise TimeoutError
                data = data[os.write(self.writer, data[:65536]):]
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            raise Unreachable(f"the learner's process is gone ({error.strerror})") from None

    def receive(self) -> dict:
        """The next message. TimeoutError after `patience` seconds, however the other side spends them."""
        end = None if self.patience is None else time.monotonic() + self.patience
        while b"\n" not in self.waiting:
            left = None if end is None else max(0, end - time.monotonic())
            if not select.select([self.reader], [], [], left)[0]:
                raise TimeoutError
            more = os.read(self.reader, 2**20)
            if not more:
                raise Unreachable("the learner's process is gone")
            self.waiting += more
            if len(self.waiting) > LONGEST:
                raise Unreachable("the learner's process sends more than any answer needs")
        line, self.waiting = self.waiting.split(b"\n", 1)
        with contextlib.suppress(ValueError):
            message = json.loads(line)
            if isinstance(message, dict):
                return message
        raise Unreachable("the learner's process wrote something else into the pipe")

    def call(self, target: int | str, args: tuple, kwargs: dict) -> dict:
        self.send({"call": target, "world": port.CURRENT, "args": [encode(arg, self.keep) for arg in args],
                   "kwargs": {name: encode(arg, self.keep) for name, arg in kwargs.items()}})
        while "call" in (message := self.receive()):
            self.answer(message)
        return message

    def answer(self, message: dict) -> None:
        """Run what the other side called, and send what came of it."""
        notes = Notes()
        try:
            function = self.kept[message["call"]]
            with port.world(function, int(message.get("world", 0))):
                result = Local(function, notes)(*[decode(arg, self.find) for arg in message["args"]],
                                                **{k: decode(arg, self.find) for k, arg in message["kwargs"].items()})
            reply = {"result": encode(result, self.keep)}
        except NotAttempted:
            reply = {"not attempted": True}
        except CannotCross as error:
            reply = {"odd": str(error)}
        except Stopped as stopped:
            reply = {"stopped": [kind.__name__ for kind in stopped.kind.__mro__], "text": stopped.text[:2_000],
                     "line": stopped.line[:300]}
        except (KeyError, TypeError, ValueError) as error:
            reply = {"odd": f"the call cannot be read ({error})"}
        self.send(reply | {"changed": notes.changed, "printed": notes.printed})

    def find(self, number: int) -> Callable:
        return Function(self, number)

    def result(self, message: dict, notes: Notes):
        """What a reply means. Its fields come from the learner's process: taken as data, whatever they are."""
        changed = message.get("changed")
        notes.changed = str(changed)[:100] if changed else None
        notes.printed = str(message.get("printed") or "")[:PRINTED]
        if "not attempted" in message:
            raise NotAttempted
        if "stopped" in message:
            names = message["stopped"] if isinstance(message["stopped"], list) else []
            kind = next((EXCEPTIONS[name] for name in names if name in EXCEPTIONS), Exception)
            kind = port.Late if "Late" in names[:1] else kind
            raise Stopped(kind, str(message.get("text"))[:2_000], str(message.get("line"))[:300])
        if "odd" in message:
            return Odd(str(message["odd"])[:300])
        try:
            return decode(message.get("result"), self.find)
        except Exception as error:  # made by hand over there
            return Odd(f"something that cannot be read ({type(error).__name__})")


class Function:
    """A function of the other side. `notes` says what was seen during the latest call."""

    def __init__(self, wire: _Wire, target: int | str):
        self.wire, self.target, self.notes, self.late = wire, target, Notes(), False

    def __call__(self, *args, **kwargs):
        self.notes = Notes()
        if self.late:  # it still runs: nobody listens over there
            raise Stopped(port.Late, "no answer in time")
        try:
            return self.wire.result(self.wire.call(self.target, args, kwargs), self.notes)
        except TimeoutError:
            self.late = True
            raise Stopped(port.Late, "no answer in time") from None


class Remote(_Wire):
    """The check's end: `remote("psi")` is the learner's function of that name."""

    def __init__(self, reader: int, writer: int, patience: float = DEADLINE + 5):
        super().__init__(reader, writer, patience)

    def __call__(self, name: str) -> Function:
        return Function(self, name)


def serve(functions: dict[str, Callable], reader: int, writer: int) -> None:
    """The learner's end: answer calls of these functions, by their names, until the other side is gone."""
    wire = _Wire(reader, writer, None)
    wire.kept.update(functions)
    with contextlib.suppress(Unreachable):
        while True:
            wire.answer(wire.receive())


def there(run: Callable, f: Local, inputs: dict):
    """`run(f, **inputs)` where the answer is: in another process, plain data goes there and comes back.

    TypeError for a result that is no plain data, or that `run` could not make.
    """
    if not isinstance(f.function, Function):
        return run(f, **inputs)
    reply = Function(f.function.wire, RUN)(**inputs)
    if not isinstance(reply, dict) or "value" not in reply:
        raise TypeError(str(reply.get("unusable"))[:300] if isinstance(reply, dict) else "it is no plain data")
    f.notes.changed = f.notes.changed or (str(reply["changed"])[:100] if reply.get("changed") else None)
    return reply["value"]


class _Run:
    """The `run` of a check with the learner's function, at the learner's end."""

    def __init__(self, run: Callable, function: Callable):
        self.run, self.__func__ = run, function  # the world of a call is that of the learner's own code

    def __call__(self, **inputs) -> dict:
        notes = Notes()
        try:
            return {"value": self.run(Local(self.__func__, notes), **inputs), "changed": notes.changed}
        except (Stopped, NotAttempted):
            raise
        except Exception as error:  # it could not use what came back
            return {"unusable": f"{type(error).__name__}: {error}"}


def lend(names: dict, area: str, functions: list[str], check: list | None, pipes: str) -> None:
    """In a notebook, whose names are given: lend these functions to the process that decides, until it is through.

    check: (exercise, part) if it is one of the lab's own. pipes: the path of both, without .ask and .say.
    """
    from mlelab.check import open_lab

    lent = {name: names.get(name, _missing(name)) for name in functions}
    if check:
        number, part = check
        lent[RUN] = _Run(open_lab(area).exercises[number].where_it_is(part), lent[functions[0]])
    ends = os.open(f"{pipes}.ask", os.O_RDONLY), os.open(f"{pipes}.say", os.O_WRONLY)
    try:
        serve(lent, *ends)
    finally:
        for end in ends:
            os.close(end)


def _missing(name: str) -> Callable:
    """What stands for a function that the notebook does not define."""

    def stops(*args, **kwargs):
        raise NameError(f"name {name!r} is not defined")

    return stops
