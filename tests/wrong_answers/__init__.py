"""Wrong answers as code, one module a lab: each makes exactly one mistake and is named for it.

`@wrong("1.1", "M08")` ties a function to its exercise and to the misconception that the check must name.
`@right("1.1")` marks a correct answer that is written differently from ours.
"""

import importlib
from collections.abc import Callable
from typing import NamedTuple


class Answer(NamedTuple):
    exercise: str
    function: Callable
    misconception: str | None  # None: a right answer
    part: str | None


def wrong(exercise: str, misconception: str, part: str | None = None):
    return _mark(exercise, misconception, part)


def right(exercise: str, part: str | None = None):
    return _mark(exercise, None, part)


def answers(area: str) -> list[Answer]:
    """The answers of one lab's module, in its order."""
    module = importlib.import_module(f"{__name__}.{area}")
    return [answer for value in vars(module).values() for answer in getattr(value, "answers", [])]


def _mark(exercise, misconception, part):
    def mark(function):
        function.answers = [*getattr(function, "answers", []), Answer(exercise, function, misconception, part)]
        return function

    return mark
