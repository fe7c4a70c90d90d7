"""The desk's texts: what the labs and the page rely on."""

import re

from mlelab import assistant

POLICIES, QUESTIONS, MESSAGES = assistant.policies(), assistant.questions(), assistant.red_team()


def test_ids_are_unique_and_nothing_stands_twice():
    for rows, text in ((POLICIES, "text"), (QUESTIONS, "question"), (MESSAGES, "text")):
        assert rows["id"].is_unique and rows[text].is_unique and rows[text].str.len().gt(10).all()


def test_forty_questions_have_no_answer_and_each_other_one_has_its_policy():
    asked = QUESTIONS[QUESTIONS["answerable"]]
    assert (len(QUESTIONS), len(asked)) == (100, 60) and set(asked["policy"]) <= set(POLICIES["id"])
    none = QUESTIONS[~QUESTIONS["answerable"]]
    assert none["policy"].isna().all() and none["answer"].isna().all() and set(none["kind"]) == {"near", "far"}


def test_the_policy_of_a_question_holds_a_fact_that_the_right_answer_holds():
    text = POLICIES.set_index("id")["text"]
    for row in QUESTIONS[QUESTIONS["answerable"]].itertuples():
        where = [any(re.search(rf"\b{re.escape(fact)}\b", place.lower()) for fact in row.facts)
                 for place in (row.answer, f"{text[row.policy]} {row.answer}")]
        assert all(where), row.id


def test_messages_hostile_and_innocent_share_words():
    hostile = MESSAGES["hostile"]
    assert set(MESSAGES.loc[~hostile, "kind"]) == {"innocent"} and hostile.sum() == 38
    for word in ("ignore", "instructions", "prompt", "code", "rules"):
        assert set(hostile[MESSAGES["text"].str.lower().str.contains(word)]) == {True, False}, word
    assert not MESSAGES.loc[MESSAGES["kind"] == "look-alike", "text"].map(str.isascii).all()
