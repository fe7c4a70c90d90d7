"""The incident: each fault shows in one number and no other fault does, and guessing earns nothing."""

import importlib
import sqlite3

import pytest

from mlelab.check import open_lab
from mlelab.check.outcome import RIGHT, WRONG
from mlelab.monitoring import incident
from tests.checks.pieces import learner_function

check = open_lab("09_monitoring").exercises["9.10"]
exercise = importlib.import_module("mlelab.check.09_monitoring.investigate")
SETS = incident.SETS


def judged(answer, causes, seed):
    found = incident.judge(answer(exercise._desk(causes, seed).ask), causes, lambda some: exercise._desk(some, seed))
    return found["causes"] == sorted(causes) and all(
        state == "good" for one in found["each"].values() for state in one.values())


@pytest.mark.parametrize("seed", [101, 102])
def test_our_solution_finds_each_set_of_faults(seed):
    ours = learner_function(check)
    assert [some for some in SETS if not judged(ours, some, seed)] == []


@pytest.mark.parametrize("cause", incident.CAUSES)
def test_three_named_wrong_diagnoses_miss_each_fault(cause):
    missed = [mistake.function.__name__ for mistake in check.mistakes
              if not judged(mistake.function, frozenset({cause}), 103)]
    assert len(missed) >= 3, missed


def test_guessing_earns_at_most_one_in_twenty():
    """Of all the guesses, each with our queries as evidence, at most one is right on a day, and the check has many."""
    def guess(some):
        return lambda ask: [{"cause": cause, "evidence": exercise.QUERIES[cause][0],
                             "first_action": f"undo the {cause}", "prevention": f"watch for the {cause}"}
                            for cause in some]

    for planted in SETS[::5]:
        assert [some for some in SETS if judged(guess(some), planted, 104)] == [planted]
    assert 1 / len(SETS) <= 0.05 and [incident.draw_causes(Drawn(i)) for i in range(len(SETS))] == SETS
    assert {check.outcome(guess(some), seed=1).verdict for some in SETS} == {WRONG}


class Drawn:
    """A generator that is asked once, for one of the sets, each as likely as any other, and draws the i-th."""

    def __init__(self, i):
        self.i = i

    def integers(self, low, *rest):
        assert (low, rest) == (len(SETS), ()), "not one of the sets, each as likely as any other"
        return self.i


def test_a_query_may_be_asked_again_and_again():
    """A kept statement counts its steps on and on, and was stopped after some rounds: the answer looked at fault."""
    desk = exercise._desk(frozenset(), 1)
    query = "SELECT count(*) FROM log a JOIN log b JOIN log c ON c.id < 9"
    assert len({tuple(desk.ask(query)) for _ in range(25)}) == 1


def test_the_same_seed_is_the_same_day_but_for_the_fault():
    healthy, faulty = (incident.record(exercise._day(5), some, 5, exercise._score) for some in
                       ((), ("slow dependency",)))
    changed = {name for name in healthy if not healthy[name].equals(faulty[name])}
    assert changed == {"spans", "metrics"}


@pytest.mark.parametrize("query", [
    "DROP TABLE log", "ATTACH 'other.db' AS o", "SELECT random()", "PRAGMA query_only",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n"])
def test_the_desk_only_reads_and_comes_to_an_end(query):
    with pytest.raises(sqlite3.Error):
        exercise._desk(frozenset(), 1).ask(query)


def test_causes_are_none_one_or_two_each_set_once():
    assert len(set(SETS)) == 22 and {len(some) for some in SETS} == {0, 1, 2}


def test_a_case_in_another_process(tmp_path, flights, columns):
    from mlelab import case
    from mlelab.serving import bundle

    model = case.linear_model().fit(flights, flights["arr_delay"] >= case.LATE_MINUTES)
    bundle.save(model, tmp_path, version="august", columns=columns)
    ours = learner_function(check)
    with incident.open_case(tmp_path) as unknown:
        with pytest.raises(ValueError, match="no such table"):
            unknown.ask("SELECT * FROM planted")
        verdict = unknown.hand_in(ours(unknown.ask))
        assert verdict["right"], verdict
        assert not unknown.hand_in([{"cause": "gremlins", "evidence": "SELECT 1", "first_action": "look at it again",
                                     "prevention": "do not do it"}])["right"]


def test_the_check_knows_right_from_wrong():
    assert check.outcome(learner_function(check), seed=3).verdict == RIGHT
