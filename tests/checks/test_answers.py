"""Every check against the course's own solution, the empty stub, and every named wrong answer."""

import re
from collections import Counter
from pathlib import Path

import pytest

from mlelab.check import open_lab
from mlelab.check.lab import solution_code
from mlelab.check.outcome import NOT_ATTEMPTED, RIGHT, WRONG
from tests.wrong_answers import answers

ROOT = Path(__file__).resolve().parents[2]
AREAS = sorted(path.parent.name for path in ROOT.glob("solutions/*/lab.py"))
CASES = [(area, answer) for area in AREAS for answer in answers(area)]
EXERCISES = [(area, number, part) for area in AREAS for number, exercise in open_lab(area).exercises.items()
             for part in exercise.parts or (None,)]
SEEDS = range(20)


def names(value):
    if not hasattr(value, "function"):
        return str(value)
    return value.function.__name__ + (f"-{value.part}" if value.part else "")


def learner_function(area: str, number: str, solved: bool):
    """The function of an exercise cell, with our solution in it or with the stub that learners get."""
    source = (ROOT / "solutions" / area / "lab.py").read_text()
    imports = "\n".join(re.findall(r"^(?:import|from) .*$", source, re.M))
    if solved:
        cell = solution_code(source, number)
    else:
        cell = source.split(f'# %% exercise="{number}"', 1)[1].split("\n# %%", 1)[0]
        cell = re.sub(r"### BEGIN SOLUTION.*### END SOLUTION", "raise NotImplementedError", cell, flags=re.S)
    scope = {}
    exec(compile(imports + "\n" + cell, f"{area} {number}", "exec"), scope)
    return scope[open_lab(area).exercises[number].name]


@pytest.mark.parametrize(("area", "number", "part"), EXERCISES)
def test_solution_is_right(area, number, part):
    """And the figure that it unlocks does not depend on the seed: kept outputs are the same from run to run."""
    function, says = learner_function(area, number, solved=True), set()
    for seed in SEEDS:
        outcome = open_lab(area).exercises[number].outcome(function, part, seed)
        assert outcome.verdict == RIGHT, outcome
        says.add(outcome.says)
    assert len(says) == 1 and all(says), says


@pytest.mark.parametrize(("area", "number", "part"), EXERCISES)
def test_stub_is_not_attempted(area, number, part):
    function = learner_function(area, number, solved=False)
    outcome = open_lab(area).exercises[number].outcome(function, part)
    assert outcome.verdict == NOT_ATTEMPTED


@pytest.mark.parametrize(("area", "answer"), [case for case in CASES if case[1].misconception], ids=names)
def test_wrong_answer_is_rejected_by_name(area, answer):
    for seed in SEEDS:
        outcome = open_lab(area).exercises[answer.exercise].outcome(answer.function, answer.part, seed)
        assert outcome.verdict == WRONG
        assert outcome.misconception and outcome.misconception.code == answer.misconception, outcome


@pytest.mark.parametrize(("area", "answer"), [case for case in CASES if not case[1].misconception], ids=names)
def test_right_answer_written_differently_passes(area, answer):
    for seed in SEEDS:
        outcome = open_lab(area).exercises[answer.exercise].outcome(answer.function, answer.part, seed)
        assert outcome.verdict == RIGHT, outcome


@pytest.mark.parametrize("area", AREAS)
def test_every_exercise_has_three_wrong_and_one_other_right_answer(area):
    wrong = Counter(answer.exercise for answer in answers(area) if answer.misconception)
    right = Counter(answer.exercise for answer in answers(area) if not answer.misconception)
    for number in open_lab(area).exercises:
        assert wrong[number] >= 3 and right[number] >= 1, number


@pytest.mark.parametrize("area", AREAS)
def test_every_exercise_has_two_hints_and_a_section(area):
    for exercise in open_lab(area).exercises.values():
        assert len(exercise.hints) == 2 and exercise.section
