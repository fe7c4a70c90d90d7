"""What a check says, and how: the anatomy of a message, replay, hints, solution, progress, and what it never shows."""

import re
import sys

import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from mlelab.check import Lab, NotRight, open_lab
from mlelab.check.lab import Trial, differing_rows
from mlelab.check.spy import CountedDict, SpyFrame


@pytest.fixture
def lab():
    """A lab of one exercise: double a number; adding two is the typical mistake."""
    lab = Lab("01_lifecycle")

    @lab.exercise("9.1", section="somewhere", hints=("Think.", "Multiply."))
    def double(trial, answer):
        number = int(trial.rng.integers(3, 1_000))
        got = trial.call(answer, number)
        trial.require(
            got == 2 * number,
            "The answer is twice the number.",
            call=f"double({number})",
            expected=2 * number,
            got=got,
            mistake="M32" if got == number + 2 else None,
        )
        return "It doubles."

    return lab


@pytest.fixture
def shell():
    """An IPython shell, so that things are shown as in a notebook."""
    shell = InteractiveShell.instance()
    yield shell
    InteractiveShell.clear_instance()


def wrong(lab, answer, **kwargs):
    with pytest.raises(NotRight) as raised:
        lab.double(answer, **kwargs)
    return raised.value


def test_a_wrong_answer_says_property_counter_example_misconception_and_where_to_read(lab):
    text = str(wrong(lab, lambda x: x + 2, seed=7))
    said = [
        text.index(part)
        for part in (
            "The answer is twice the number.",
            "Call",
            "Expected",
            "Got",
            "M32 neighbouring quantity",
            "/book/01_lifecycle.html#somewhere",
            "seed=7",
        )
    ]
    assert said == sorted(said)


def test_inputs_are_fresh_and_a_seed_repeats_them(lab):
    calls = [re.search(r"double\(\d+\)", str(wrong(lab, lambda x: x + 2)))[0] for _ in range(5)]
    assert len(set(calls)) > 1
    failed = wrong(lab, lambda x: x + 2)
    again = wrong(lab, lambda x: x + 2, seed=failed.outcome.seed)
    assert again.outcome == failed.outcome


def test_a_notebook_shows_a_box_and_no_traceback(lab, shell):
    shell.push({"lab": lab})
    with capture_output() as shown:
        shell.run_cell("lab.double(lambda x: x + 2)")
    html = shown.outputs[0].data["text/html"]
    assert "neighbouring quantity" in html and "<a href='https://" in html
    assert "Traceback" not in shown.stdout and "lab.py" not in shown.stdout
    assert shown.stdout.count("\n") == 1 and "The box above says why" in shown.stdout


def test_the_box_is_readable_in_any_theme_and_without_sight(lab):
    html = wrong(lab, lambda x: x + 2).outcome._repr_html_()
    assert "role='status'" in html and ": wrong</strong>" in html  # the verdict is a word, not only a colour
    assert "background" not in html and not re.search(r"[^-]color:", html)


def test_what_a_learner_returns_cannot_inject_markup(lab):
    html = wrong(lab, lambda x: "<script>alert(1)</script>").outcome._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;" in html


def test_on_colab_a_wrong_answer_is_shown_and_does_not_raise(lab, shell, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", object())
    with capture_output() as shown:
        lab.double(lambda x: x + 2)
    assert "neighbouring quantity" in str(shown.outputs[0].data)


def test_under_nbgrader_a_wrong_answer_raises_although_it_says_colab(lab, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", object())
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    wrong(lab, lambda x: x + 2)


def not_written(x):
    raise NotImplementedError


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (not_written, "not attempted"),
        (42, "Pass your function itself"),
        (lambda: 1, "stopped with TypeError"),
        (lambda x: {}["key"], "stopped with KeyError: 'key'"),
    ],
)
def test_other_ways_not_to_be_right(lab, answer, says):
    assert says in str(wrong(lab, answer))


def test_the_learners_own_line_is_named():
    def divide(x):
        y = 0
        return x / y

    outcome = (
        Lab("01_lifecycle")
        .exercise("9.2", section="s", hints=("", ""))(lambda trial, answer: trial.call(answer, 1))
        .outcome(divide)
    )
    assert "`return x / y`" in outcome.says and "lab.py" not in outcome.says


@pytest.mark.parametrize("argument", [pd.DataFrame({"a": [1, 2]}), np.array([1.0, np.nan]), {"a": 1}])
def test_a_changed_input_is_noticed(argument):
    def spoil(x):
        x["a" if not isinstance(x, np.ndarray) else 0] = 7

    outcome = (
        Lab("01_lifecycle")
        .exercise("9.2", section="s", hints=("", ""))(lambda trial, answer: trial.call(answer, argument))
        .outcome(spoil)
    )
    assert "changed its input" in outcome.says


def test_two_hints_and_then_the_second_again(lab):
    with capture_output() as shown:
        for _ in range(3):
            lab.hint("9.1")
    said = [output.data["text/markdown"] for output in shown.outputs] if shown.outputs else shown.stdout.splitlines()
    assert len(said) == 3
    assert lab.exercises["9.1"].hints_shown == 2


def test_a_hint_for_an_unknown_exercise_names_those_there_are(lab):
    with pytest.raises(KeyError, match=r"no exercise '9\.9'.*9\.1"):
        lab.hint("9.9")


def test_the_solution_is_shown_to_self_learners_only(shell, monkeypatch):
    check = open_lab("01_lifecycle")
    with capture_output() as shown:
        check.solution("1.3")
    assert "df[time < t1]" in shown.outputs[0].data["text/markdown"] and "SOLUTION" not in str(shown.outputs[0].data)
    monkeypatch.setenv("MLELAB_CLASS", "1")
    with capture_output() as shown:
        check.solution("1.3")
    assert not shown.outputs and "not part of this copy" in shown.stdout


def test_progress_counts_what_is_right(lab, shell):
    with capture_output() as before:
        lab.progress()
    lab.double(lambda x: 2 * x)
    with capture_output() as after:
        lab.progress()
    assert "0 of 1" in before.stdout and "1 of 1" in after.stdout


def test_a_part_must_be_named():
    with pytest.raises(ValueError, match="measure, label, way out"):
        open_lab("01_lifecycle").problem_card(dict)


def test_an_unknown_lab_names_those_there_are():
    with pytest.raises(ValueError, match="01_lifecycle"):
        open_lab("99_nothing")


def test_differing_rows_counts_missing_as_equal_and_stops_at_three():
    given = pd.DataFrame({"x": range(6)})
    rows = differing_rows(given, [1, None, 3, 4, 5, 6], [1, np.nan, 0, 0, 0, 0])
    assert rows["x"].tolist() == [2, 3, 4]


def test_a_spy_frame_records_the_columns_read():
    frame = SpyFrame({"a": [1], "b": [2], "c": [3], "d": [4]})
    frame["a"], frame[["b"]], frame.groupby("a")["c"].sum()
    assert frame.columns_read == {"a", "b", "c"}
    assert frame.d.sum() == 4 and "d" in frame.columns_read


def test_a_loop_without_end_over_a_counted_dict_ends():
    graph = CountedDict({"a": "b", "b": "a"}, reads=100)
    name = "a"
    with pytest.raises(RuntimeError, match="without an end"):
        while True:
            name = graph[name]


def test_random_numbers_depend_on_the_seed_alone():
    assert Trial(5).rng.random() == Trial(5).rng.random() != Trial(6).rng.random()
