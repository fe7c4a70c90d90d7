"""Labels of the record's answers: those of the rule as it is, and of two readers who did not see it."""

from mlelab import assistant
from mlelab.assistant import grading, measure

LABELS = measure.labels()
FACTS = assistant.questions().set_index("id")["facts"]
SAID = {measure.key(one, said["text"]): (one, said["text"])
        for rows in measure.record()["answers"].values() for one, said in rows.items()}


def test_each_different_answer_has_its_labels():
    assert LABELS.index.is_unique and set(LABELS.index) == set(SAID)
    assert list(LABELS) == ["rule", "reader_a", "reader_b"]
    assert set(LABELS.to_numpy().ravel()) == {"right", "wrong", "refused"}


def test_the_rules_labels_are_those_of_the_rule():
    for key, (one, text) in SAID.items():
        assert LABELS.at[key, "rule"] == grading.outcome(text, FACTS[one]), text


def test_the_readers_called_no_answer_right_that_has_none():
    for key, (one, _) in SAID.items():
        assert FACTS[one] or "right" not in set(LABELS.loc[key, ["reader_a", "reader_b"]])
