"""Reviews: the functions that learners read are the ones that are judged, each makes the mistake that it is said to
make, and an input is judged by the contract of the exercise that the review stands on."""

import inspect

import pytest

from mlelab.check import engine, open_lab
from mlelab.check.outcome import RIGHT, WRONG
from mlelab.check.review import Invalid, Review
from mlelab.check.source import lab_source
from tests.checks.pieces import AREAS, learner_function

REVIEWS = [(area, number) for area in AREAS for number, exercise in open_lab(area).exercises.items()
           if isinstance(exercise.body, Review)]
WITH_ONE = {"01_lifecycle", "02_data", "03_features", "04_evaluation", "05_training", "06_deep_learning",
            "07_deployment", "08_mlops", "09_monitoring", "10_responsible", "11_generative"}


def drawn(review, count=60):
    """Kept cases of the exercise under review, and fresh ones."""
    spec = review.of.spec()
    for case in spec.corpus:
        yield engine.drawing.draw(spec.inputs, case)[0]
    yield from (inputs for inputs, _ in engine.draws(spec, count, seed=3))


def as_given(review, inputs):
    return {name: inputs[name] for name in inspect.signature(review.valid).parameters if name in inputs}


def test_labs_have_their_review():
    assert {area for area, _ in REVIEWS} >= WITH_ONE


@pytest.mark.parametrize(("area", "number"), REVIEWS)
def test_learners_read_the_functions_that_are_judged(area, number):
    review = open_lab(area).exercises[number].body
    assert len(review.functions) >= 3 and sum(map(bool, review.named.values())) >= 2
    for function in review.functions.values():
        assert inspect.getsource(function) in lab_source(area)


@pytest.mark.parametrize(("area", "number"), REVIEWS)
def test_a_function_makes_its_named_mistake_and_no_other(area, number):
    """On every input that is drawn; one that is right does what the oracle does."""
    review = open_lab(area).exercises[number].body
    spec = review.of.spec()
    mistakes = {mistake.function.__name__: mistake.function for mistake in spec.mistakes}
    for inputs in drawn(review):
        for name, function in review.functions.items():
            same = mistakes[review.named[name]] if review.named[name] else spec.ours()
            one, other = (engine.observe(spec, f, inputs) for f in (function, same))
            ours = engine.observe(spec, spec.ours(), inputs)
            faults = [engine.judge(spec, inputs, ours, seen) for seen in (one, other)]
            assert bool(faults[0]) == bool(faults[1]), (name, inputs)
            assert spec.holds or not faults[0] or engine._alike(spec, one, other), (name, inputs)


@pytest.mark.parametrize(("area", "number"), REVIEWS)
def test_every_drawn_input_is_valid_and_counts_where_it_exposes(area, number):
    exercise = open_lab(area).exercises[number]
    review, ours = exercise.body, learner_function(exercise)()
    spec, exposed = review.of.spec(), set()
    for inputs in (as_given(review, inputs) for inputs in drawn(review, 20)):
        theirs = engine.observe(spec, spec.ours(), inputs)
        for part, function in review.functions.items():
            fault = engine.judge(spec, inputs, theirs, engine.observe(spec, function, inputs))
            answer = ours | {part: inputs}
            outcome = exercise.outcome(lambda answer=answer: answer, part, 0)
            assert outcome.verdict == (RIGHT if fault else WRONG), (part, inputs, outcome)
            exposed |= {part} if fault else set()
    assert exposed == {part for part in review.functions if review.named[part]}


@pytest.mark.parametrize(("area", "number"), REVIEWS)
def test_each_sentence_on_valid_inputs_is_broken_by_a_named_answer(area, number):
    exercise = open_lab(area).exercises[number]
    review, broken = exercise.body, set()
    given = next(value for value in learner_function(exercise)().values() if value)
    said = [says for says, _ in review.valid(**given)]
    for mistake in exercise.mistakes:
        try:
            review.tried(mistake.part, mistake.function()[mistake.part])
        except Invalid as invalid:
            broken.add(str(invalid))
        except TypeError:  # it is None
            continue
    assert set(said) <= broken


@pytest.mark.parametrize(("area", "number"), REVIEWS)
def test_guessing_does_not_pay(area, number):
    """None for everything, the same input for everything, no dict, a key too few: no point."""
    exercise = open_lab(area).exercises[number]
    ours = learner_function(exercise)()
    for answer in (dict.fromkeys(ours), dict.fromkeys(ours, {}), None, list(ours), dict(list(ours.items())[1:])):
        for part in exercise.parts:
            assert exercise.outcome(lambda answer=answer: answer, part, 0).verdict == WRONG, (answer, part)
    wasteful = "values;" in exercise.outcome(learner_function(exercise), exercise.parts[0], 0).says
    assert not wasteful
