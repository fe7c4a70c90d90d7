"""The engine of the checks: recorded draws, one comparison, a port with a deadline, names that are earned."""

import random
import time

import numpy as np
import pandas as pd
import pytest

from mlelab.check import Lab, engine, open_lab, port, source
from mlelab.check.compare import difference, plain, unchanged
from mlelab.check.draw import Draw, draw, shrink
from mlelab.check.outcome import NOT_ATTEMPTED, RIGHT, WRONG
from tests.checks.mutants import mutants


def make(**words):
    """A lab with one exercise: the larger of two numbers, times a factor."""
    lab = Lab("01_lifecycle")
    hooks = {"rule": "The larger one, times the factor.", "oracle": lambda a, b, factor: max(a, b) * factor,
             "inputs": lambda d: {"a": d.int(-9, 9), "b": d.int(-9, 9), "factor": d.pick([1, 2, 5])}, "figure": "Fine."}
    exercise = lab.exercise("9.1", section="s", hints=("a", "b"))(type("larger", (), {
        name: staticmethod(value) if callable(value) else value for name, value in (hooks | words).items()}))
    exercise.mistake("M40", "The larger one, not the smaller.")(lambda a, b, factor: min(a, b) * factor)
    exercise.mistake("M27", "The factor is an argument.")(lambda a, b, factor: max(a, b) * 2)
    return exercise


def verdict(answer, seed=0, **words):
    return make(**words).outcome(answer, seed=seed)


def test_a_right_answer_a_stub_and_a_wrong_one():
    assert verdict(lambda a, b, factor: (a if a > b else b) * factor).verdict == RIGHT

    def stub(a, b, factor):
        raise NotImplementedError

    assert verdict(stub).verdict == NOT_ATTEMPTED
    wrong = verdict(lambda a, b, factor: a * factor)
    assert wrong.verdict == WRONG and wrong.says == "The larger one, times the factor." and wrong.misconception is None


def test_a_mistake_is_named_on_the_smallest_input():
    wrong = verdict(lambda a, b, factor: min(a, b) * factor)
    assert wrong.misconception.code == "M40" and wrong.says == "The larger one, not the smaller."
    assert wrong.call in ("larger(a=-9, b=-8, factor=1)", "larger(a=-8, b=-9, factor=1)")


def test_a_name_needs_agreement_wherever_the_learner_is_right():
    """On the smallest input this answer does what M27 does; on another it is right where M27 is wrong."""
    exercise = make()
    exercise.spec(None).corpus = [[1, 0, 0], [5, 3, 0]]
    wrong = exercise.outcome(lambda a, b, factor: max(a, b) * (2 if a == -8 else factor), seed=0)
    assert wrong.verdict == WRONG and wrong.misconception is None
    assert exercise.outcome(lambda a, b, factor: max(a, b) * 2, seed=0).misconception.code == "M27"


@pytest.mark.parametrize(("answer", "says"), [
    (lambda a, b, factor: "many", "The answer is a number"), (lambda a, b, factor: None, "this is None"),
    (lambda a, b, factor: float("nan"), "larger"), (lambda a, b, factor: 1 / 0, "stopped with ZeroDivisionError"),
    (42, "Pass your function itself"), (lambda a: a, "stopped with TypeError")])
def test_junk_ends_in_a_sentence(answer, says):
    outcome = verdict(answer)
    assert outcome.verdict == WRONG and says in outcome.says


def test_an_endless_loop_gets_one_sentence(monkeypatch):
    monkeypatch.setattr(port, "DEADLINE", 0.3)

    def loops(a, b, factor):
        while True:
            try:
                time.sleep(0.01)
            except Exception:
                continue

    began = time.monotonic()
    assert "did not come back" in verdict(loops).says and time.monotonic() - began < 5


HERE = {"hash": hash("text"), "random": random.Random(0).random(), "numpy": np.random.RandomState(0).rand()}


@pytest.mark.parametrize("answer", [
    lambda a, b, factor: max(a, b) * factor + (hash("text") != HERE["hash"]),
    lambda a, b, factor: max(a, b) * factor + (random.random() != HERE["random"]),
    lambda a, b, factor: max(a, b) * factor + (np.random.rand() != HERE["numpy"]),
    lambda a, b, factor, seen=[]: seen.append(1) or max(a, b) * factor + (len(seen) > 1)])  # noqa: B006
def test_an_answer_that_is_not_repeatable_is_wrong(answer):
    before = random.getstate(), np.random.get_state()[1].tolist()
    assert verdict(answer).misconception.code == "M98"
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_a_changed_input_is_noticed():
    def sorts(values):
        values.sort()
        return values[0]

    outcome = verdict(sorts, inputs=lambda d: {"values": d.order([3, 1, 2])}, oracle=min)
    assert "changed its input" in outcome.says and outcome.misconception.code == "M97"


def test_an_exception_of_the_contract_is_asked_for():
    def oracle(a):
        if a < 0:
            raise ValueError("negative")
        return a

    words = {"inputs": lambda d: {"a": d.int(-3, 3)}, "oracle": oracle, "raises": (ValueError,)}
    assert "must end in ValueError" in verdict(abs, **words).says
    assert verdict(oracle, **words).verdict == RIGHT


def test_our_own_fault_is_nobody_elses():
    with pytest.raises(engine.OurFault):
        verdict(lambda a, b, factor: 1, oracle=lambda a, b, factor: 1 / 0)


def test_a_word_that_means_nothing_is_refused():
    with pytest.raises(TypeError):
        make(orakle=max).spec()


def test_draws_are_replayed_and_shrink():
    def inputs(d):
        return d.list(0, 9, lambda: d.int(0, 100))

    made, choices = draw(inputs, rng=np.random.default_rng(3))
    assert draw(inputs, choices)[0] == made and Draw().list(0, 9, lambda: 1) == []
    small = shrink(draw(lambda d: inputs(d) + [77], rng=np.random.default_rng(1))[1], lambda case: sum(
        draw(inputs, case)[0]) > 50)
    assert draw(inputs, small)[0] == [51]


@pytest.mark.parametrize(("expected", "got"), [
    ([1, 2], (1, 2)), ((1.0, 2.0), np.array([1, 2])), ({"a"}, frozenset({"a"})), (3, np.int64(3)), (True, np.True_),
    (pd.Series([1, None]), pd.Series([1, pd.NA], dtype="Int64")), (np.nan, float("nan")), (0.3, 0.1 + 0.2),
    (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [True]})), (pd.Timestamp("2013-01-01"), np.datetime64("2013-01-01"))])
def test_what_is_the_same(expected, got):
    assert difference(expected, got) is None


@pytest.mark.parametrize(("expected", "got", "kind"), [
    ([1, 2], [1, 3], "value"), ([1, 2], [1], "shape"), (1, True, "shape"), (True, 1, "shape"), (1, "1", "shape"),
    (1.0, np.nan, "value"), (None, np.nan, "shape"), ({"a": 1}, {"a": 1, "b": 2}, "shape"), (1, 1 + 1e-3, "value"),
    (pd.Series([1], index=["x"]), pd.Series([1]), "shape"), (pd.DataFrame({"a": [1], "b": [2]}), pd.DataFrame({
        "b": [2], "a": [1]}), "shape"), (np.zeros(2), np.zeros((2, 1)), "shape"), (np.zeros(2), [[1], [2, 3]], "shape"),
    (np.array([True]), np.array([1]), "shape"), (pd.Series([1.0]), pd.Series(["1"]), "value")])
def test_what_is_not(expected, got, kind):
    assert difference(expected, got).kind == kind


def test_unchanged_looks_at_all_of_it():
    table = pd.DataFrame({"a": [1.0, np.nan], "b": ["x", None]})
    assert unchanged(table, table.copy()) and not unchanged(table, table.fillna(0))
    assert not unchanged(table, table[::-1])
    assert not unchanged({"a": [1, 2]}, {"a": [1, 3]})
    assert not unchanged(np.array([1, 2]), np.array([1, 3]))


def test_a_beginner_reads_no_numpy():
    assert repr(plain({"a": np.float64(0.1), "b": [np.int64(2)], "c": np.array([1.5])})) == repr(
        {"a": 0.1, "b": [2], "c": [1.5]})


def test_mutants_change_one_place_each_and_have_names_of_their_own():
    made = mutants("def f(a, b=1):\n    '''Doc.'''\n    if a < b and b:\n        return abs(-a) + 1\n    return b\n")
    names = [mutant.what for mutant in made]
    assert len(set(names)) == len(names) and "`a < b` becomes `a <= b`" in names and "`abs(-a)` becomes `-a`" in names
    assert all("Doc" in mutant.program for mutant in made)


def test_words_are_emptied_and_the_rest_is_changed():
    made = [mutant.what for mutant in mutants("def f():\n    return {'cause': 'rust', 'action': 'oil it'}\n",
                                              words=("action",))]
    assert made == ["`field 'action'` becomes `''`", "`field 'action'` becomes `None`",
                    "`field 'action'` becomes `nothing`", "`'cause'` becomes `'causex'`", "`'cause'` becomes `''`",
                    "`'action'` becomes `'actionx'`", "`'action'` becomes `''`", "`'rust'` becomes `'rustx'`",
                    "`'rust'` becomes `''`"]


@pytest.mark.parametrize("area", ["03_features", "09_monitoring"])
def test_a_class_without_solutions_has_the_same_oracles(area, monkeypatch):
    numbers = list(open_lab(area).exercises)
    programs = {number: source._program(area, number) for number in numbers}
    monkeypatch.setattr(source, "lab_source", lambda area: None)
    assert {number: source._program(area, number) for number in numbers} == programs
