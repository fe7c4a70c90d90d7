"""A `Lab` holds the checks of one chapter; a `Trial` is one run of a check that has a body of its own."""

import functools
import importlib
import os
import pkgutil
import secrets
import sys
from collections.abc import Callable
from importlib.metadata import metadata

import numpy as np
import pandas as pd

from mlelab.check import engine
from mlelab.check.misconceptions import MISCONCEPTIONS
from mlelab.check.outcome import NOT_ATTEMPTED, RIGHT, WRONG, Outcome, report, show, show_text
from mlelab.check.port import Local, NotAttempted, Notes, Stopped
from mlelab.check.resume import resume
from mlelab.check.source import exercise_code, lab_source, solution
from mlelab.check.variant import number_of, seed_of


class Lab:
    """The checks, hints and progress of one lab: `check.name(answer)`, `check.hint("1.2")`, `check.progress()`."""

    def __init__(self, area: str):
        self.area = area
        self.student: str | None = None  # for whom the lab was opened: mlelab.start(area, student="ada")
        self.exercises: dict[str, Exercise] = {}

    def read(self, package: str, path: list[str]) -> None:
        """Import the files of a chapter's folder, one exercise each, and put the exercises in order."""
        for module in pkgutil.iter_modules(path):
            if not module.name.startswith("_"):
                importlib.import_module(f"{package}.{module.name}")
        self.exercises = dict(sorted(self.exercises.items(), key=lambda item: [*map(int, item[0].split("."))]))

    def exercise(self, number: str, *, section: str, hints: tuple[str, str], parts: tuple[str, ...] = ()):
        """Register the decorated class (see `engine.Spec`), or a check with a body, `body(trial, answer[, part])`.

        A body returns one sentence, the figure that a right answer unlocks. `section` is the anchor on the chapter's
        page. With `parts`, each part is checked and graded by itself; a review (`review.py`) names its own.
        """

        def register(body):
            exercise = Exercise(self, number, body, section, hints, parts or getattr(body, "parts", ()))
            self.exercises[number] = exercise
            setattr(self, body.__name__, exercise)
            return exercise

        return register

    def hint(self, number: str | float) -> None:
        """Show the next of the two hints of an exercise."""
        exercise = self._find(number)
        exercise.hints_shown = min(exercise.hints_shown + 1, len(exercise.hints))
        text = exercise.hints[exercise.hints_shown - 1]
        show_text(f"**Hint {exercise.hints_shown} of {len(exercise.hints)} for {exercise.number}.** {text}")

    def solution(self, number: str | float) -> None:
        """Show our solution of an exercise, where this copy of the course has them (a class's copy has not)."""
        number = self._find(number).number
        source = None if os.environ.get("MLELAB_CLASS") else lab_source(self.area)
        if source is None:
            print("The solutions are not part of this copy of the course. Ask for a hint, or ask your instructor.")
        else:
            show_text(f"**Our solution of {number}.**\n```python\n{exercise_code(source, number)}\n```")

    def resume(self, section: int) -> None:
        """Come back after a restart: make what stands above a section, with our results where yours are missing."""
        from IPython.core.getipython import get_ipython
        from IPython.utils.capture import capture_output

        shell = get_ipython()
        with capture_output():
            says = resume(self.area, section, shell.user_ns if shell else sys.modules["__main__"].__dict__)
        print(says)

    def progress(self) -> None:
        """Show what is solved in this lab since the kernel started."""
        rows = [(number, exercise.name, part or "", exercise.verdicts.get(part, NOT_ATTEMPTED))
                for number, exercise in self.exercises.items() for part in exercise.parts or (None,)]
        solved = sum(verdict == RIGHT for *_, verdict in rows)
        table = pd.DataFrame(rows, columns=["exercise", "function", "part", "verdict"]).set_index("exercise")
        print(f"{solved} of {len(rows)} checks are right.")
        show(table)

    def _find(self, number: str | float) -> "Exercise":
        name = str(number)
        if name not in self.exercises or not isinstance(number, str) and f"{name}0" in self.exercises:
            raise KeyError(f"There is no exercise {number!r} in {self.area}; there are {', '.join(self.exercises)}. "
                           "Put the number in quotation marks.")
        return self.exercises[name]


class Exercise:
    """One exercise's check, called with the learner's function."""

    def __init__(self, lab: Lab, number, body, section, hints, parts):
        self.lab, self.number, self.body = lab, number, body
        self.name, self.section, self.hints, self.parts = body.__name__, section, hints, parts
        self.__doc__ = body.__doc__
        self.hints_shown = 0
        self.verdicts: dict[str | None, str] = {}
        self.runs: Callable | None = None
        self.mistakes: list[engine.Mistake] = []
        self.rights: list[engine.Mistake] = []

    def mistake(self, code: str, says: str | None = None, part: str | None = None):
        """Mark a wrong answer: the misconception that it has, and the sentence for a learner who made it."""
        return self._mark(self.mistakes, code, says, part)

    def variants(self, told: Callable, **named: tuple[str, str, dict]) -> None:
        """Mark wrong answers that are `told` with other pieces: name=(code, sentence, keyword arguments of told)."""
        for name, (code, says, pieces) in named.items():
            def answer(*args, pieces=pieces, **rest):
                return told(*args, **rest, **pieces)

            answer.__name__ = name
            self.mistake(code, says)(answer)

    def right(self, function: Callable | None = None, *, part: str | None = None):
        """Mark a right answer that is written differently from ours."""
        mark = self._mark(self.rights, "", None, part)
        return mark if function is None else mark(function)

    def _mark(self, answers, code, says, part):
        if code and code not in MISCONCEPTIONS:
            raise ValueError(f"{code} is no code of misconceptions.py")

        def mark(function):
            answers.append(engine.Mistake(function, code, says, part))
            return function

        return mark

    def run(self, function: Callable) -> Callable:
        """Mark what a body hands to `Trial.there`: it runs where the answer is, with plain data."""
        self.runs = function
        return function

    def where_it_is(self, part: str | None) -> Callable | None:
        """What can run in the process of the answer: a class's `run`, or what a body has marked."""
        spec = self.spec(part)
        return spec.run if spec else self.runs

    @functools.cache  # noqa: B019, exercises live as long as the process
    def spec(self, part: str | None = None) -> engine.Spec | None:
        """What the engine needs, for one part; None for a check with a body of its own."""
        if not isinstance(self.body, type):
            return None
        spec = engine.Spec.of(self.lab.area, self.number, self.body, part)
        spec.mistakes = [mistake for mistake in self.mistakes if mistake.part in (None, part)]
        return spec

    def __call__(self, answer, part: str | None = None, *, seed: int | None = None) -> None:
        """Check `answer` on fresh random inputs, or on those of `seed`; raise `NotRight` unless it is right.

        A check with a seed is for looking: it does not count in `progress`.
        """
        outcome = self.outcome(answer, part, seed)
        if seed is None:
            self.verdicts[part] = outcome.verdict
        report(outcome)

    def outcome(self, answer, part: str | None = None, seed: int | None = None) -> Outcome:
        """The outcome of one check, neither shown nor raised. `engine.OurFault` if the check itself is broken."""
        if self.parts and part not in self.parts:
            raise ValueError(f"Exercise {self.number} is checked in parts; name one of {', '.join(self.parts)}.")
        seed = secrets.randbits(32) if seed is None else seed
        told = {"exercise": self.number, "name": self.name + (f" ({part})" if part else "")}
        try:
            figure = self._examined(answer, part, seed)
            if self.lab.student:
                mine = (self.lab.student, self.lab.area, self.number, part)
                seed = seed_of(*mine)
                self._examined(answer, part, seed)
                figure += f" Your number is {number_of(*mine)}."
            return Outcome(**told, verdict=RIGHT, says=figure)
        except NotAttempted:
            says = f"Write the function, run its cell, then run this one. Stuck? `check.hint(\"{self.number}\")`"
            return Outcome(**told, verdict=NOT_ATTEMPTED, says=says)
        except _Wrong as wrong:
            read = section_url(self.lab.area, self.section)
            return Outcome(**told, verdict=WRONG, **wrong.found, seed=seed, read=read,
                           again=f"check.{self.name}({self.name}{f', {part!r}' if part else ''}, seed={seed})")

    def _examined(self, answer, part: str | None, seed: int) -> str:
        """The figure that a right answer unlocks. Raises _Wrong, NotAttempted, OurFault."""
        spec = self.spec(part)
        if spec is None:
            return self._with_body(answer, part, seed)
        finding = engine.examine(spec, answer, seed)
        if finding.fault:
            parts = engine.card(spec, finding)
            code = parts.pop("code")
            raise _Wrong(parts | {"misconception": MISCONCEPTIONS[code] if code else None})
        return finding.figure

    def _with_body(self, answer, part: str | None, seed: int) -> str:
        rest = (part,) if self.parts else ()
        trial = Trial(seed)
        try:
            return self.body(trial, trial.guarded(answer), *rest)
        except (NotAttempted, _Wrong):
            raise
        except Stopped as stopped:
            raise _Wrong({"says": stopped.says()}) from None
        except Exception as error:  # the learner's value, or the check itself? Ours with the same seed tells
            try:
                ours = Trial(seed)
                self.body(ours, ours.guarded(solution(self.lab.area, self.number, self.name)), *rest)
            except Exception as again:
                raise engine.OurFault(f"The check of {self.lab.area} {self.number} is broken: {again!r}") from error
            raise _Wrong({"says": "The answer has not the shape that the docstring gives: using it ended in "
                          f"{type(error).__name__} ({error})."}) from None


class Trial:
    """One run of a check with a body: its random numbers, its calls of the learner's function, its verdict."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)

    def table(self, name: str) -> pd.DataFrame:
        """A dataset of the course, read once a kernel; the caller gets a copy."""
        return _table(name).copy()

    def guarded(self, answer):
        """The answer such that every call of it, and of a function that it returns, goes through `call`."""
        return _Guarded(self, answer)

    def call(self, answer, *args, **kwargs):
        """Call the learner's function on copies, so that a changed input is noticed and nothing else breaks."""
        notes = Notes()
        result = Local(answer.function if isinstance(answer, _Guarded) else answer, notes)(*args, **kwargs)
        if notes.changed:
            self.wrong(f"Your function changed its input: {notes.changed} is not what it was before the call. Work on "
                       "a copy.")
        return result

    def there(self, run: Callable, answer, **inputs):
        """`run(f, **inputs)` in the process of the answer, where f is a `Local`; plain data goes there and back."""
        from mlelab.check import remote

        return remote.there(run, Local(answer.function if isinstance(answer, _Guarded) else answer, Notes()), inputs)

    def require(self, holds: bool, says: str, **found) -> None:
        """Go on if the property holds; otherwise the answer is wrong, and `says` names the property."""
        if not holds:
            self.wrong(says, **found)

    def wrong(self, says: str, *, mistake: str | None = None, **found) -> None:
        """End the check: `says` is the property violated, `mistake` a code of misconceptions.py.

        `found` may hold `call`, `example` (a frame of up to three rows), `expected`, `got`.
        """
        raise _Wrong(dict(found, says=says, misconception=MISCONCEPTIONS[mistake] if mistake else None))


class _Guarded:
    def __init__(self, trial: Trial, function):
        self.trial, self.function = trial, function

    def __call__(self, *args, **kwargs):
        return self.trial.call(self.function, *args, **kwargs)


class _Wrong(Exception):
    def __init__(self, found: dict):
        self.found = found


def differing_rows(given: pd.DataFrame, expected, got, rows: int = 3) -> pd.DataFrame:
    """The first rows of `given` on which `expected` and `got` (array-likes of its length) differ."""
    expected, got = pd.Series(list(expected), dtype=object), pd.Series(list(got), dtype=object)
    differ = ~((expected == got).fillna(False).astype(bool) | (expected.isna() & got.isna()))
    return given.reset_index(drop=True).assign(expected=expected, got=got)[differ.to_numpy()].head(rows)


def section_url(area: str, section: str) -> str:
    """The address of a section of the published book."""
    urls = dict(line.split(", ", 1) for line in metadata("mlelab").get_all("Project-URL"))
    return f"{urls['Documentation']}/book/{area}.html#{section}"


@functools.cache
def _table(name: str) -> pd.DataFrame:
    from mlelab import data

    return data.load(name)
