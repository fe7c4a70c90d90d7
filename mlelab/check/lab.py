"""How a check is run: a `Lab` holds the checks of one chapter, a `Trial` is one run of one of them."""

import copy
import functools
import linecache
import os
import secrets
import traceback
from importlib.metadata import metadata
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from mlelab import data
from mlelab.check.misconceptions import MISCONCEPTIONS
from mlelab.check.outcome import NOT_ATTEMPTED, RIGHT, WRONG, Outcome, report
from mlelab.check.spy import Spy
from mlelab.check.variant import number_of, seed_of


class Lab:
    """The checks, hints and progress of one lab: `check.name(answer)`, `check.hint("1.2")`, `check.progress()`."""

    def __init__(self, area: str):
        self.area = area
        self.student: str | None = None  # for whom the lab was opened: mlelab.start(area, student="ada")
        self.exercises: dict[str, Exercise] = {}

    def exercise(self, number: str, *, section: str, hints: tuple[str, str], parts: tuple[str, ...] = ()):
        """Register the decorated check body, `body(trial, answer)` or `body(trial, answer, part)`.

        The body returns one sentence, the figure that a right answer unlocks. `section` is the anchor on the
        chapter's page. With `parts`, each part is checked and graded by itself.
        """

        def register(body):
            exercise = Exercise(self, number, body, section, hints, parts)
            self.exercises[number] = exercise
            setattr(self, body.__name__, exercise)
            return exercise

        return register

    def hint(self, number: str) -> None:
        """Show the next of the two hints of an exercise."""
        exercise = self._find(number)
        exercise.hints_shown = min(exercise.hints_shown + 1, len(exercise.hints))
        text = exercise.hints[exercise.hints_shown - 1]
        display(Markdown(f"**Hint {exercise.hints_shown} of {len(exercise.hints)} for {number}.** {text}"))

    def solution(self, number: str) -> None:
        """Show our solution of an exercise, where this copy of the course has them (a class's copy has not)."""
        self._find(number)
        source = self._source()
        if source is None:
            print("The solutions are not part of this copy of the course. Ask for a hint, or ask your instructor.")
        else:
            display(Markdown(f"**Our solution of {number}.**\n```python\n{solution_code(source, number)}\n```"))

    def progress(self) -> None:
        """Show what is solved in this lab since the kernel started."""
        rows = [(number, exercise.name, part or "", exercise.verdicts.get(part, NOT_ATTEMPTED))
                for number, exercise in self.exercises.items() for part in exercise.parts or (None,)]
        solved = sum(verdict == RIGHT for *_, verdict in rows)
        table = pd.DataFrame(rows, columns=["exercise", "function", "part", "verdict"]).set_index("exercise")
        print(f"{solved} of {len(rows)} checks are right.")
        display(table)

    def _find(self, number: str) -> "Exercise":
        if number not in self.exercises:
            raise KeyError(f"There is no exercise {number!r} in {self.area}; there are {', '.join(self.exercises)}.")
        return self.exercises[number]

    def _source(self) -> str | None:
        if os.environ.get("MLELAB_CLASS"):
            return None
        for folder in (Path(__file__).parents[2], Path(str(files("mlelab")))):
            path = folder / "solutions" / self.area / "lab.py"
            if path.exists():
                return path.read_text(encoding="utf-8")
        return None


class Exercise:
    """One exercise's check, called with the learner's function."""

    def __init__(self, lab: Lab, number, body, section, hints, parts):
        functools.update_wrapper(self, body)
        self.lab, self.number, self.body = lab, number, body
        self.name, self.section, self.hints, self.parts = body.__name__, section, hints, parts
        self.hints_shown = 0
        self.verdicts: dict[str | None, str] = {}

    def __call__(self, answer, part: str | None = None, *, seed: int | None = None) -> None:
        """Check `answer` on fresh random inputs, or on those of `seed`; raise `NotRight` unless it is right.

        A check with a seed is for looking: it does not count in `progress`.
        """
        outcome = self.outcome(answer, part, seed)
        if seed is None:
            self.verdicts[part] = outcome.verdict
        report(outcome)

    def outcome(self, answer, part: str | None = None, seed: int | None = None) -> Outcome:
        """The outcome of one check, neither shown nor raised."""
        if self.parts and part not in self.parts:
            raise ValueError(f"Exercise {self.number} is checked in parts; name one of {', '.join(self.parts)}.")
        seed = secrets.randbits(32) if seed is None else seed
        told = {"exercise": self.number, "name": self.name + (f" ({part})" if part else "")}
        rest = (answer, part) if self.parts else (answer,)
        try:
            figure = self.body(Trial(seed), *rest)
            if self.lab.student:
                mine = (self.lab.student, self.lab.area, self.number, part)
                seed = seed_of(*mine)
                self.body(Trial(seed), *rest)
                figure += f" Your number is {number_of(*mine)}."
            return Outcome(**told, verdict=RIGHT, says=figure)
        except _NotAttempted:
            says = f"Write the function, run its cell, then run this one. Stuck? `check.hint(\"{self.number}\")`"
            return Outcome(**told, verdict=NOT_ATTEMPTED, says=says)
        except _Wrong as wrong:
            read = section_url(self.lab.area, self.section)
            return Outcome(**told, verdict=WRONG, **wrong.found, seed=seed, read=read)


class Trial:
    """One run of one check: its random numbers, its calls of the learner's function, its verdict."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)

    def table(self, name: str) -> pd.DataFrame:
        """A dataset of the course, read once a kernel; the caller gets a copy."""
        return _table(name).copy()

    def call(self, answer, *args, **kwargs):
        """Call the learner's function on copies, so that a changed input is noticed and nothing else breaks."""
        if not callable(answer):
            self.wrong(f"Pass your function itself, without brackets behind it; this is a {type(answer).__name__}.")
        given = [arg if isinstance(arg, Spy) else copy.deepcopy(arg) for arg in args]
        try:
            result = answer(*given, **kwargs)
        except NotImplementedError:
            raise _NotAttempted from None
        except Exception as error:  # whatever a learner's code may raise is theirs to read, in one sentence
            self.wrong(f"Your function stopped with {type(error).__name__}: {error}{_where(error, answer)}.")
        for position, (before, after) in enumerate(zip(args, given)):
            if not isinstance(before, Spy) and not _same(before, after):
                self.wrong(f"Your function changed its input: argument {position + 1} is not what it was before the "
                           "call. Work on a copy.")
        return result

    def require(self, holds: bool, says: str, **found) -> None:
        """Go on if the property holds; otherwise the answer is wrong, and `says` names the property."""
        if not holds:
            self.wrong(says, **found)

    def wrong(self, says: str, *, mistake: str | None = None, **found) -> None:
        """End the check: `says` is the property violated, `mistake` a code of misconceptions.py.

        `found` may hold `call`, `example` (a frame of up to three rows), `expected`, `got`.
        """
        raise _Wrong(dict(found, says=says, misconception=MISCONCEPTIONS[mistake] if mistake else None))


class _NotAttempted(Exception):
    pass


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


def solution_code(source: str, number: str) -> str:
    """The code of one exercise in a lab's source, without the marks around the solution."""
    cell = source.split(f'# %% exercise="{number}"', 1)[1].split("\n# %%", 1)[0]
    return "\n".join(line for line in cell.splitlines() if " SOLUTION" not in line).strip()


@functools.cache
def _table(name: str) -> pd.DataFrame:
    return data.load(name)


def _same(before, after) -> bool:
    if isinstance(before, (pd.DataFrame, pd.Series)):
        return before.equals(after)
    if isinstance(before, np.ndarray):
        return np.array_equal(before, after, equal_nan=before.dtype.kind == "f")
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and all(map(_same, before, after))
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(_same(before[key], after[key]) for key in before)
    return before is after or before == after  # nan is not equal to itself


def _where(error: Exception, answer) -> str:
    """The learner's own line that failed, never one of ours."""
    code = getattr(answer, "__code__", None)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if code and frame.filename == code.co_filename:
            line = linecache.getline(frame.filename, frame.lineno).strip()
            return f", in the line `{line}`" if line else f", in its line {frame.lineno - code.co_firstlineno + 1}"
    return ""
