"""Wrong answers as code, one module a lab: each makes exactly one mistake and is named for it.

`@wrong("1.1", "M08")` ties a function to its exercise and to the misconception that the check must name.
`@right("1.1")` marks a correct answer that is written differently from ours.
"""

import importlib.util
from collections.abc import Callable
from typing import NamedTuple

from mlelab.check import open_lab


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
    """The answers of one lab: those that stand beside its checks, and those of its module here, if there is one."""
    beside = [Answer(number, answer.function, answer.code or None, answer.part)
              for number, exercise in open_lab(area).exercises.items()
              for answer in [*exercise.mistakes, *exercise.rights]]
    if importlib.util.find_spec(f"{__name__}.{area}") is None:
        return beside
    module = importlib.import_module(f"{__name__}.{area}")
    return beside + [answer for value in vars(module).values() for answer in getattr(value, "answers", [])]


def _mark(exercise, misconception, part):
    def mark(function):
        function.answers = [*getattr(function, "answers", []), Answer(exercise, function, misconception, part)]
        return function

    return mark
