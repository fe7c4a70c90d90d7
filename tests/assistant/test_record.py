"""The record of chapter 11: made with the model, texts and code that are here, and the model still says so."""

import numpy as np
import pytest

from mlelab import assistant
from mlelab.assistant import desk, measure, trials
from mlelab.llm.model import SHA256

RECORD = measure.record()
QUESTIONS = assistant.questions().set_index("id")


def test_it_was_made_with_what_is_here():
    assert measure.stale() == [], "run python -m mlelab.assistant.measure again"


def test_a_change_of_a_text_makes_it_stale(monkeypatch):
    monkeypatch.setattr(measure, "hashes", lambda: RECORD["hashes"] | {"assistant/policies.jsonl": "another"})
    assert measure.stale() == ["assistant/policies.jsonl"]


def test_it_holds_each_question_in_each_set_up():
    assert tuple(RECORD["answers"]) == desk.SETUPS
    assert all(list(answers) == list(QUESTIONS.index) for answers in RECORD["answers"].values())
    assert set(RECORD["judge"]) == set(QUESTIONS.index[QUESTIONS["answerable"]])


def test_retrieval_finds_what_was_recorded():
    search = desk.Search(assistant.policies())
    for one, question in QUESTIONS["question"].items():
        assert search(question) == RECORD["answers"]["retrieval"][one]["retrieved"]


def redrawn(model, setup: str, one: str) -> None:
    """The answer comes again, but for a choice between two tokens that the last digits decide."""
    then = RECORD["answers"][setup][one]
    prompt = desk.messages(setup, QUESTIONS.at[one, "question"], measure.texts(then["retrieved"]))
    now = desk.ask(model, setup, QUESTIONS.at[one, "question"], measure.texts(then["retrieved"]))
    assert now["in"] == then["in"]
    if now["text"] != then["text"]:
        ours, theirs = model.encode(now["text"]), model.encode(then["text"])
        same = next((n for n, pair in enumerate(zip(ours, theirs)) if len(set(pair)) == 2), min(len(ours), len(theirs)))
        ours, theirs = [*ours, model.end], [*theirs, model.end]
        logits = model.logits(model.chat(prompt) + ours[:same])
        assert abs(logits[ours[same]] - logits[theirs[same]]) < 0.05, (now["text"], then["text"])


@pytest.mark.parametrize("setup, one", [("no retrieval", "a15"), ("retrieval, told to refuse", "u03")])
def test_two_answers_come_again(model, setup, one):
    redrawn(model, setup, one)


@pytest.mark.nightly
@pytest.mark.parametrize("setup", desk.SETUPS)
def test_every_fifth_answer_comes_again(model, setup):
    for one in QUESTIONS.index[::5]:
        redrawn(model, setup, one)


@pytest.mark.nightly
def test_the_trials_come_again(model):
    policies = assistant.policies()
    pairs = trials.pairs(assistant.questions(), policies)
    said = {pair["id"]: trials.judge(model, pair) for pair in pairs}
    assert sum(said[one] != RECORD["judge"][one] for one in said) <= 2
    texts = policies["text"].tolist()
    assert np.isclose(trials.perplexity(model, texts), RECORD["compression"]["float32"]["perplexity"], rtol=1e-3)


def test_examples_are_no_policies_of_ours():
    ours = " ".join(assistant.policies()["text"])
    assert not any(text in ours for text, _, _ in desk.EXAMPLES)
    told = desk.messages("the same, with examples", "Q?", ["best", "second"])
    assert [role for role, _ in told] == ["user", "assistant"] * 2 + ["user"]
    assert told[-1][1].index("second") < told[-1][1].index("best") < told[-1][1].index("Q?")
    assert RECORD["hashes"]["model"] == SHA256
