"""Every check against the course's own solution, the empty stub, every named answer, its kept cases and its ledger.

Where a check keeps cases, a wrong answer must fail on one of them: then its verdict is the same whatever the seed. The
ledger's entry says that all pieces of this very check came out right; so each change runs every fifth wrong answer
here, for what the engine does to it. The nightly sweep (`python -m tests.checks --adversary --seeds 20`) does all anew.
"""

import inspect
from collections import Counter

import pytest

from mlelab.check import draw as drawing
from mlelab.check import engine, open_lab
from mlelab.check.outcome import NOT_ATTEMPTED, RIGHT, WRONG
from tests import sampled
from tests.checks import adversary
from tests.checks.pieces import AREAS, learner_function
from tests.wrong_answers import answers

CASES = [(area, answer) for area in AREAS for answer in answers(area)]
WRONG_ONES = [case for case in CASES if case[1].misconception]
EXERCISES = [(area, number, part) for area in AREAS for number, exercise in open_lab(area).exercises.items()
             for part in exercise.parts or (None,)]
DRAWN = [(area, number, part) for area, number, part in EXERCISES if open_lab(area).exercises[number].spec(part)]
SEEDS = range(2)


def names(value):
    if not hasattr(value, "function"):
        return str(value)
    return f"{value.exercise}-{value.function.__name__}" + (f"-{value.part}" if value.part else "")


@pytest.mark.parametrize(("area", "number", "part"), EXERCISES)
def test_solution_is_right(area, number, part):
    """And the figure that it unlocks does not depend on the seed: kept outputs are the same from run to run."""
    exercise, says = open_lab(area).exercises[number], set()
    for seed in SEEDS:
        outcome = exercise.outcome(learner_function(exercise), part, seed)
        assert outcome.verdict == RIGHT, outcome
        says.add(outcome.says)
    assert len(says) == 1 and all(says), says


@pytest.mark.parametrize(("area", "number", "part"), EXERCISES)
def test_stub_is_not_attempted(area, number, part):
    exercise = open_lab(area).exercises[number]
    assert exercise.outcome(learner_function(exercise, solved=False), part).verdict == NOT_ATTEMPTED


@pytest.mark.parametrize(("area", "answer"), sampled(WRONG_ONES, WRONG_ONES[::5]), ids=names)
def test_wrong_answer_is_rejected_by_name(area, answer):
    """On a kept case, so that the verdict is the same whatever the seed; a check with a body runs on some seeds."""
    exercise = open_lab(area).exercises[answer.exercise]
    spec = exercise.spec(answer.part)
    if spec:
        finding = engine.examine(spec, answer.function, 0)
        assert finding.fault, "it passes"
        code = finding.mistake.code if finding.mistake else finding.fault.code
        assert code == answer.misconception, engine.card(spec, finding)
        assert finding.kept or finding.on_real_data, "it fails on a seeded draw only: make the kept cases anew"
    else:
        for seed in SEEDS:
            outcome = exercise.outcome(answer.function, answer.part, seed)
            assert outcome.verdict == WRONG
            assert outcome.misconception and outcome.misconception.code == answer.misconception, outcome


@pytest.mark.parametrize(("area", "answer"), [case for case in CASES if not case[1].misconception], ids=names)
def test_right_answer_written_differently_passes(area, answer):
    for seed in SEEDS[:1]:
        outcome = open_lab(area).exercises[answer.exercise].outcome(answer.function, answer.part, seed)
        assert outcome.verdict == RIGHT, outcome


@pytest.mark.parametrize("area", AREAS)
def test_every_exercise_has_three_wrong_and_other_right_answers(area):
    wrong = Counter(answer.exercise for answer in answers(area) if answer.misconception)
    right = Counter(answer.exercise for answer in answers(area) if not answer.misconception)
    for number, exercise in open_lab(area).exercises.items():
        drawn = exercise.spec(exercise.parts[0] if exercise.parts else None) is not None
        assert wrong[number] >= 3 and right[number] >= (2 if drawn else 1), number


@pytest.mark.parametrize("area", AREAS)
def test_every_exercise_has_two_hints_and_a_section(area):
    for exercise in open_lab(area).exercises.values():
        assert len(exercise.hints) == 2 and exercise.section


@pytest.mark.parametrize(("area", "number", "part"), DRAWN)
def test_kept_cases_are_those_of_these_inputs(area, number, part):
    """Recorded draws mean something else once `inputs` changes: `python -m tests.checks N --corpus` makes them anew."""
    spec = open_lab(area).exercises[number].spec(part)
    assert len(spec.corpus) >= 5
    assert engine.kept(area)[number]["inputs"] == engine.inputs_key(spec)
    for case in spec.corpus:
        assert drawing.draw(spec.inputs, case)[1] == case


@pytest.mark.parametrize(("area", "number", "part"), DRAWN)
def test_every_argument_takes_two_values_that_change_the_result(area, number, part):
    """Otherwise a constant in its place would pass; the adversary freezes each argument."""
    exercise = open_lab(area).exercises[number]
    frozen = {what.split("`")[1] for what, _ in adversary.victims(exercise) if what.startswith("argument")}
    assert frozen >= set(inspect.signature(learner_function(exercise)).parameters), "an argument never varies"


@pytest.mark.parametrize(("area", "number"), sorted({case[:2] for case in EXERCISES}))
def test_ledger_is_of_this_solution_and_check_and_nothing_survives(area, number):
    """`python -m tests.checks N --adversary` writes the entry anew."""
    exercise = open_lab(area).exercises[number]
    entry = adversary.ledger(area).get(number)
    assert entry and entry["key"] == adversary.key(exercise), f"stale: run python -m tests.checks {number} --adversary"
    assert not entry["problems"]
