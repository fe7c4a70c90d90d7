"""The learner's function as a check sees it: called on copies, with a deadline, in a world that can be changed.

`Local` calls a function of this process. `remote.py` has the same thing for a function in another process. Whatever
the port, a call gives a result, or raises `Stopped` with what the learner's code raised, or `NotAttempted`.
"""

import contextlib
import copy
import io
import linecache
import random
import signal
import threading
import traceback
import warnings
from collections.abc import Callable

import numpy as np

from mlelab.check.compare import unchanged
from mlelab.check.spy import Spy

DEADLINE = 20.0  # seconds for one call
PRINTED = 2_000  # characters that are kept of what a call prints
CURRENT = 0  # the number of the world that calls are made in, for a function in another process


class NotAttempted(Exception):
    """The function still is the stub."""


class Stopped(Exception):
    """The learner's function raised an exception, did not end in time, or cannot be called."""

    def __init__(self, error: BaseException | type, text: str, line: str = ""):
        super().__init__(text)
        self.kind = error if isinstance(error, type) else type(error)
        self.text, self.line = text, line

    def says(self) -> str:
        if self.kind is Late:
            return f"Your function did not come back within {DEADLINE:.0f} s: is there a loop without an end?"
        if self.kind is _NoFunction:
            return self.text
        return f"Your function stopped with {self.kind.__name__}: {self.text}{self.line}."


class Late(BaseException):
    """Raised inside a call that takes too long; no `except Exception` of a learner catches it."""


class _NoFunction(Exception):
    pass


class Unreachable(BaseException):
    """The process of the learner's function is gone: whoever started it must say whose fault that is."""


class Notes:
    """What was seen during the calls of one run: the first changed argument, and what was printed."""

    def __init__(self):
        self.changed: str | None = None
        self.printed = ""


class Local:
    """A function of this process, and the functions that it returns."""

    def __init__(self, function: Callable, notes: Notes):
        self.function, self.notes = function, notes

    def __call__(self, *args, **kwargs):
        """Call on copies; a changed argument is noted. A `Spy` or a function is passed on as it is."""
        given = [_copy(arg) for arg in args]
        named = {name: _copy(arg) for name, arg in kwargs.items()}
        result = self.shared(*given, **named)
        for place, (before, after) in enumerate(zip([*args, *kwargs.values()], [*given, *named.values()])):
            if self.notes.changed is None and not isinstance(before, Spy) and not unchanged(before, after):
                name = f"`{list(kwargs)[place - len(args)]}`" if place >= len(args) else str(place + 1)
                self.notes.changed = f"argument {name}"
        return result

    def shared(self, *args, **kwargs):
        """Call on these very objects, where the contract says that the function changes them."""
        return self._wrapped(self._within(lambda: self.function(*args, **kwargs)))

    def each(self, calls: list[tuple]) -> list:
        """The results of many short calls, under one deadline and without copies: give each call objects of its own."""
        return self._within(lambda: [self.function(*args) for args in calls])

    def _within(self, call: Callable):
        if not callable(self.function):
            kind = type(self.function).__name__
            raise Stopped(_NoFunction,
                          f"Pass your function itself, without brackets behind it; this is a {kind}.")
        out = _Capped()
        try:
            with contextlib.redirect_stdout(out), warnings.catch_warnings(), _deadline(DEADLINE):
                warnings.simplefilter("ignore")
                result = call()
        except NotImplementedError:
            raise NotAttempted from None
        except (NotAttempted, Stopped):
            raise
        except (Exception, SystemExit, Late, RecursionError) as error:
            raise Stopped(error, str(error), where(error, self.function)) from error
        finally:
            told = getattr(self.function, "notes", None)  # a function in another process says what was seen there
            seen = told.printed if isinstance(told, Notes) else out.getvalue()
            self.notes.printed = (self.notes.printed + seen)[:PRINTED]
        if isinstance(told, Notes):
            self.notes.changed = self.notes.changed or told.changed
        return result

    def _wrapped(self, result):
        """Functions in a result are called through a port, too."""
        if callable(result) and not isinstance(result, type):
            return Local(result, self.notes)
        if type(result) in (tuple, list) and any(map(callable, result)):
            return type(result)(map(self._wrapped, result))
        return result


def _copy(value):
    return value if isinstance(value, (Spy, Local)) or callable(value) else copy.deepcopy(value)


class _Capped(io.StringIO):
    def write(self, text: str) -> int:
        return super().write(text) if self.tell() < PRINTED else len(text)


@contextlib.contextmanager
def _deadline(seconds: float):
    """Interrupt what runs longer, where the system can: on the main thread of Linux and macOS."""
    able = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    if not able or signal.getitimer(signal.ITIMER_REAL)[0]:  # or a deadline runs already
        yield
        return

    def late(*_):
        raise Late("too long")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def world(function: Callable, number: int):
    """What may differ from run to run: the global generators, and `hash` of texts in the learner's own code.

    A function that depends on any of it gives other answers in another world. Everything is put back afterwards.
    """
    global CURRENT
    before = random.getstate(), np.random.get_state(), CURRENT
    CURRENT = number
    inside = getattr(getattr(function, "__func__", function), "__globals__", {})
    salt = 0x9E3779B97F4A7C15 * number
    salted = number > 0 and "hash" not in inside
    random.seed(number)
    np.random.seed(number)
    if salted:
        inside["hash"] = lambda value: hash(value) ^ (salt % 2**60) if isinstance(value, (str, bytes, tuple)) \
            else hash(value)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        CURRENT = before[2]
        if salted:
            inside.pop("hash", None)


def where(error: BaseException, function: Callable) -> str:
    """The learner's own line that failed, never one of ours."""
    code = getattr(function, "__code__", None)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if code and frame.filename == code.co_filename:
            line = linecache.getline(frame.filename, frame.lineno).strip()
            return f", in the line `{line}`" if line else f", in its line {frame.lineno - code.co_firstlineno + 1}"
    return ""
