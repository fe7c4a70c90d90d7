"""9.10 investigate: the incident. Days with hidden faults; each query is asked again of a twin without the fault."""

import functools

import numpy as np
import pandas as pd

from mlelab.monitoring import incident

from . import _real, lab

CAUSES = incident.CAUSES


@functools.cache
def _day(seed: int) -> pd.DataFrame:
    """The flights of some day with many of them."""
    flights = _real.flights()
    date = flights["month"] * 100 + flights["day"]
    counts = date.value_counts()
    full = np.sort(counts.index[counts >= incident.ROWS])
    return flights[date == full[seed * 37 % len(full)]].assign(date=0)


@functools.lru_cache(300)
def _desk(causes: frozenset, seed: int) -> incident.Desk:
    return incident.Desk(incident.record(_day(seed), causes, seed, _score))


def _score(rows: pd.DataFrame) -> np.ndarray:
    """A model that is quick to ask: the hour, the dew point and the delays at the airport."""
    logit = -3.2 + 0.09 * (rows["hour"] - 6) + 0.02 * (rows["dewp"].fillna(42) - 42) + 0.03 * rows[
        "origin_delay_3h"].fillna(0)
    return (1 / (1 + np.exp(-logit))).to_numpy()


@lab.exercise("9.10", section="an-incident-of-your-own", hints=(
    "For each fault: which table shows it, and what does that table look like on a good day? Cold weather, a rollout "
    "that went through, a large request, a flight in the air and a few missing readings are no faults.",
    "unit error: `log` against `station` by hour and origin. stale feature: `at - congestion_at`. half-deployed: how "
    "many versions answer in the last hours. slow dependency: spans named 'look up features'. label delay: flights "
    "that landed hours ago. bad upstream day: the share of missing readings by origin. One number each."))
class investigate:
    rule = "The causes named are those planted, each with a query that tells it from the healthy twin."
    draws = 6
    words = ("first_action", "prevention")

    def inputs(d):
        return dict(causes=sorted(d.order(list(CAUSES))[:d.pick([1, 2, 1, 2, 0])]), seed=d.int(0, 7))

    def run(investigate, causes, seed):
        desk = _desk(frozenset(causes), seed)

        def ask(query):
            return desk.ask(query)

        return incident.judge(investigate(ask), causes, lambda some: _desk(some, seed))

    def holds(got, causes, seed):
        missing, wrong = sorted(set(causes) - set(got["causes"])), sorted(set(got["causes"]) - set(causes))
        day = dict(expected=causes or "no fault", got=got["causes"] or "no fault")
        yield ("A day without this fault is not blamed for it: cold weather, a rollout that went through, a large "
               "request, a flight in the air and a few missing readings are ordinary.", not wrong, "M14", day)
        yield "Each fault of the day is found, also the second one.", not missing, "M33", day
        yield "Each fault is named once.", got["named"] == len(got["causes"]), "M33", day
        for cause, told in got["each"].items():
            yield ("Evidence is a query that gives one number, and on the healthy twin another one.",
                   told["evidence"] not in ("no number", "same on the healthy twin"), "M27",
                   dict(expected=f"{cause}: another answer on the twin", got=told["evidence"]))
            yield ("Evidence tells this fault from others: under another one the number moves less than half as far.",
                   told["evidence"] == "good", "M84", dict(expected=f"{cause}: good", got=told["evidence"]))
            yield ("First act on what broke. Training again on broken inputs makes a broken model.",
                   told["first_action"] != "trains first", "M22")
            yield ("The first action and the prevention are said in words, and they are not the same.",
                   (told["first_action"], told["prevention"]) == ("good", "good"), "M37",
                   dict(expected=f"{cause}: both said", got=f"{told['first_action']}; {told['prevention']}"))

    def shows(causes, seed):
        return f"investigate(ask), on a day with {' and '.join(causes) or 'no fault'}", None

    figure = ("Six faults, alone and two at once, and days without any: all told apart by one number each. Whether the "
              "action and the prevention would help, a person must judge.")


# Answers: wrong ones with their misconceptions, and right ones written differently.

QUERIES = {
    "unit error": ("SELECT avg(abs(log.temp - station.temp)) FROM log JOIN station "
                   "ON station.hour = CAST(log.at AS INT) AND station.origin = log.origin", 3),
    "stale feature": ("SELECT max(at - congestion_at) FROM log", 2),
    "half-deployed version": ("SELECT count(DISTINCT version) FROM log WHERE at > 16.5", 1.5),
    "slow dependency": ("SELECT avg(ms > 300) FROM spans WHERE name = 'look up features'", 0.02),
    "label delay": ("SELECT avg(coalesce(label_at, 24) - landed_at > 2) FROM labels WHERE landed_at < 21", 0.1),
    "bad upstream day": ("SELECT max(gone) FROM (SELECT avg(temp IS NULL) gone FROM log GROUP BY origin)", 0.5)}


def told(ask, queries=None, most=6, action="repair what broke: {}", prevention="an alarm on the number that shows {}",
         evidence=None, always=(), never=()):
    """Findings by queries and limits: the pieces of all the answers below."""
    found = []
    for cause, (query, limit) in {**QUERIES, **(queries or {})}.items():
        [[value]] = ask(query)
        if cause not in never and (cause in always or value is not None and value > limit):
            found.append({"cause": cause, "evidence": evidence or query, "first_action": action.format(cause),
                          "prevention": prevention.format(cause)})
    return found[:most]


MEAN = "SELECT avg(p) FROM log"
investigate.variants(
    told,
    nothing_is_ever_wrong=("M33", "Something is wrong: each fault shows in one of the tables.", dict(most=0)),
    the_first_fault_explains_all=("M33", "Go on after the first fault: two can be there at once.", dict(most=1)),
    everything_is_broken=("M14", None, dict(always=CAUSES)),
    cold_is_celsius=("M14", "A cold day is no unit error: compare with the airport's own reading.", dict(queries={
        "unit error": ("SELECT avg(temp < 40) FROM log", 0.3)})),
    only_the_mean_chance_is_watched=("M33", None, dict(never=(
        "half-deployed version", "slow dependency", "label delay"))),
    any_two_versions=("M14", "A rollout that went through is no fault: do both answer in the last hours?", dict(
        queries={"half-deployed version": ("SELECT count(DISTINCT version) FROM log", 1.5)})),
    the_whole_request_is_slow=("M14", "A large request takes long in the model. Which span is slow?", dict(queries={
        "slow dependency": ("SELECT max(ms) FROM spans WHERE name = 'predict'", 200)})),
    a_missing_label_is_late=("M14", "A flight in the air has no label yet: look at those that landed hours ago.", dict(
        queries={"label delay": ("SELECT avg(label_at IS NULL) FROM labels", 0.05)})),
    any_missing_reading=("M14", "A few readings are always missing: what share, and at which airport?", dict(queries={
        "bad upstream day": ("SELECT sum(temp IS NULL) FROM log", 0)})),
    a_little_old_is_stale=("M14", "How old are the figures on a good day?", dict(queries={
        "stale feature": ("SELECT max(at - congestion_at) FROM log", 0.5)})),
    missing_on_average=("M33", "One airport of three is hidden in the average of all.", dict(queries={
        "bad upstream day": ("SELECT avg(temp IS NULL) FROM log", 0.5)})),
    median_of_the_age=("M33", "A fault that began at noon is hidden in the average of the day.", dict(queries={
        "stale feature": ("SELECT min(at - congestion_at) FROM log", 2)})),
    the_usual_latency=("M33", "Fewer than half of the requests are slow: a mean hides them.", dict(queries={
        "slow dependency": ("SELECT avg(ms) FROM spans WHERE name = 'look up features'", 600)})),
    evidence_that_never_moves=("M27", None, dict(evidence="SELECT count(*) FROM log")),
    evidence_is_no_query=("M27", None, dict(evidence="see the log")),
    the_mean_chance_for_all=("M27", "A fault that does not touch the inputs leaves the mean chance as it is.",
                             dict(evidence=MEAN)),
    trains_first=("M22", None, dict(action="Retrain the model because of {}")),
    no_word_of_prevention=("M37", None, dict(prevention="")),
    the_same_twice=("M37", None, dict(action="watch the {} closely", prevention="watch the {} closely")))


@investigate.right
def one_fault_after_another(ask):
    def one(query):
        return ask(query)[0][0] or 0

    def finding(cause, evidence):
        return {"cause": cause, "evidence": evidence, "first_action": f"undo what brought the {cause}",
                "prevention": f"a test of the feed against the {cause}"}

    found = []
    query = ("SELECT avg(s.temp - l.temp) FROM log l JOIN station s "
             "ON s.origin = l.origin AND s.hour = CAST(l.at AS INT) WHERE l.at > 14")
    if one(query) > 5:
        found.append(finding("unit error", query))
    query = "SELECT avg(at - congestion_at > 1.001) FROM log"
    if one(query) > 0:
        found.append(finding("stale feature", query))
    query = "SELECT min(n) FROM (SELECT sum(version = 'august') n FROM log WHERE at > 16.5 UNION ALL " \
            "SELECT sum(version = 'september') FROM log WHERE at > 16.5)"
    if one(query) > 0:
        found.append(finding("half-deployed version", query))
    query = "SELECT max(ms) FROM spans WHERE name = 'look up features'"
    if one(query) > 500:
        found.append(finding("slow dependency", query))
    query = "SELECT sum(label_at IS NULL) FROM labels WHERE landed_at < 22"
    if one(query) > 0:
        found.append(finding("label delay", query))
    query = "SELECT count(*) FROM (SELECT origin FROM log GROUP BY origin HAVING avg(dewp IS NULL) > 0.4)"
    if one(query) > 0:
        found.append(finding("bad upstream day", query))
    return found


@investigate.right
def in_another_order(ask):
    return told(ask)[::-1]
