"""Grading by rule, the rule that cites or refuses, and rounding."""

import numpy as np
import pandas as pd
import pytest

from mlelab import assistant
from mlelab.assistant import grading, trials

TEXTS = {"pets": "A cat costs 95 dollars in the cabin.", "bags": "A second bag costs 40 dollars."}


@pytest.mark.parametrize("text, facts, expected", [
    ("It costs 95 dollars.", ["95"], "right"), ("It costs $95.", ["95"], "right"),
    ("It costs 95.5 dollars.", ["95"], "wrong"),
    ("It costs 195 dollars.", ["95"], "wrong"), ("Up to 1,500 dollars", ["1,500", "1500"], "right"),
    ("You get 500 dollars", ["1,500"], "wrong"), ("No, you cannot.", ["no", "cannot"], "right"),
    ("NOT IN THE POLICY.", ["not"], "refused"), ("I'm sorry, but I am only a model.", ["95"], "refused"),
    ("The text does not specify the fee.", ["95"], "refused"), ("The fee is not mentioned.", [], "refused"),
    ("You do not have to pay.", [], "wrong"), ("", ["95"], "refused"), ("A fee of 20 dollars.", [], "wrong"),
])  # fmt: skip
def test_outcomes(text, facts, expected):
    assert grading.outcome(text, facts) == expected


def test_the_right_answers_are_right():
    asked = assistant.questions().query("answerable")
    assert {grading.outcome(row.answer, row.facts) for row in asked.itertuples()} == {"right"}


@pytest.mark.parametrize("text, source", [
    ("A cat costs 95 dollars.", "pets"), ("A second bag costs 40 dollars.", "bags"),
    ("The cat costs 40 in the cabin.", None),
    ("A cat costs 40 dollars.", "bags"),  # the rule compares words, and a word of three letters does not count
    ("Rabbits travel free of charge.", None), ("NOT IN THE POLICY.", None), ("", None),
])  # fmt: skip
def test_an_answer_is_cited_or_refused(text, source):
    expected = grading.REFUSAL if source is None else f"{text} [{source}]"
    assert grading.cite_or_refuse(text, TEXTS) == expected


def test_the_share_is_met_exactly():
    text = "cabin dollars costs rabbit"  # three of four
    assert grading.cite_or_refuse(text, TEXTS, 0.75) != grading.REFUSAL == grading.cite_or_refuse(text, TEXTS, 0.76)


def test_questions_are_drawn_again_for_all_columns_at_once():
    table = pd.DataFrame({"a": [1, 0] * 50, "b": [0, 1] * 50})
    drawn = grading.drawn_again(table)
    assert np.allclose(drawn["a"] + drawn["b"], 1) and abs(drawn["a"].std() - 0.05) < 0.005


def test_rounding_by_row_is_within_half_a_step_of_each_row():
    weights = (np.random.default_rng(0).normal(size=(200, 8)) * np.logspace(-3, 1, 8)).astype(np.float32)
    step = np.abs(weights).max(axis=0) / 127
    by_row, whole = (np.abs(trials.rounded(weights, 8, one) - weights) for one in (True, False))
    assert (by_row <= 0.501 * step).all() and (whole[:, 0] > 0.501 * step[0]).any()
    assert len(np.unique(trials.rounded(weights, 4, False))) <= 15
    assert not trials.rounded(np.zeros((3, 2), np.float32), 8, True).any()


def test_pairs_hold_a_right_answer_and_that_of_another_question():
    pairs = trials.pairs(assistant.questions(), assistant.policies())
    assert len(pairs) == 60 and all(pair["right"] != pair["wrong"] for pair in pairs)
