"""The pieces of an exercise: solution, stub, named wrong answers, right answers; and what does not come out right."""

import re
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from mlelab.check import open_lab
from mlelab.check.engine import OurFault
from mlelab.check.lab import Exercise
from mlelab.check.outcome import NOT_ATTEMPTED, RIGHT, WRONG, Outcome
from mlelab.check.source import self_contained
from tests.wrong_answers import answers

ROOT = Path(__file__).resolve().parents[2]
AREAS = sorted(path.parent.name for path in ROOT.glob("solutions/*/lab.py"))


def chosen(name: str | None) -> list[Exercise]:
    """The exercises of a number, of a lab's name, or all of them. Raises SystemExit for an unknown one."""
    found = [exercise for area in AREAS if name in (None, area) or re.match(rf"0*{(name or '').split('.')[0]}_", area)
             for exercise in open_lab(area).exercises.values() if name in (None, area, exercise.number)]
    if not found:
        raise SystemExit(f"There is no exercise or lab {name!r}.")
    return found


def learner_function(exercise: Exercise, solved: bool = True) -> Callable:
    """The function of an exercise cell, with our solution in it or with the stub that learners get."""
    source = (ROOT / "solutions" / exercise.lab.area / "lab.py").read_text()
    if not solved:
        source = re.sub(r"### BEGIN SOLUTION.*?### END SOLUTION", "raise NotImplementedError", source, flags=re.S)
    scope: dict = {"__name__": "learner"}
    exec(compile(self_contained(source, exercise.number), f"{exercise.lab.area} {exercise.number}", "exec"), scope)
    return scope[exercise.name]


def verdict(exercise: Exercise, function: Callable, part: str | None, seed: int) -> Outcome | str:
    """The outcome, or a traceback of ours in one line."""
    try:
        return exercise.outcome(function, part, seed)
    except OurFault as fault:
        return f"OurFault: {fault}"
    except Exception as error:
        return f"traceback of ours: {type(error).__name__}: {error}"


def problems(exercise: Exercise, seeds: Iterable[int]) -> list[str]:
    """What does not come out as it should, a line each."""
    found, says = [], set()
    for part in exercise.parts or (None,):
        for seed in seeds:
            outcome = verdict(exercise, learner_function(exercise), part, seed)
            if getattr(outcome, "verdict", None) != RIGHT:
                found.append(f"our solution, seed {seed}: {outcome}")
                break
            says.add((part, outcome.says))
        stub = verdict(exercise, learner_function(exercise, solved=False), part, 0)
        if getattr(stub, "verdict", "") != NOT_ATTEMPTED:
            found.append("the stub is not `not attempted`")
    if len(says) > len(exercise.parts or (None,)):
        found.append(f"the figure depends on the seed: {says}")
    own = [answer for answer in answers(exercise.lab.area) if answer.exercise == exercise.number]
    for answer in own:
        name = answer.function.__name__
        for seed in seeds:
            outcome = verdict(exercise, answer.function, answer.part, seed)
            wanted = WRONG if answer.misconception else RIGHT
            if isinstance(outcome, str) or outcome.verdict != wanted:
                found.append(f"{name}, seed {seed}: should be {wanted}: {outcome}")
                break
            code = getattr(outcome.misconception, "code", None)
            if code != answer.misconception:
                found.append(f"{name}, seed {seed}: named {code}, not {answer.misconception}: {outcome.says}")
                break
    wrong, right = (sum((answer.misconception is not None) == is_wrong for answer in own) for is_wrong in (True, False))
    if wrong < 3 or right < 2:
        found.append(f"{wrong} wrong and {right} right answers; at least 3 and 2")
    return found


def seconds(exercise: Exercise) -> dict[str, float]:
    """Processor time of one check of each named answer and of our solution: the median and the longest, in seconds.

    Reading the course's data comes before: a kernel does it once.
    """
    parts, times = exercise.parts or (None,), []
    own = [(one.function, one.part) for one in answers(exercise.lab.area) if one.exercise == exercise.number]
    ours = [(learner_function(exercise), part) for part in parts]
    for function, part in ours + ours + own:
        begun = time.process_time()
        verdict(exercise, function, part, 3)
        times.append(round(time.process_time() - begun, 2))
    times = times[len(ours):]
    return {"median": round(statistics.median(times), 2), "longest": max(times)}


def show_card(exercise: Exercise, name: str) -> None:
    """Print the card of a named answer."""
    for answer in answers(exercise.lab.area):
        if answer.exercise == exercise.number and answer.function.__name__ == name:
            print(verdict(exercise, answer.function, answer.part, 0))
