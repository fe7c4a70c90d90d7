"""1.6 problem_card: free text, so the check has a body. It reads for consistency; a person must read for sense."""

import functools
import math
import re
from numbers import Real

from mlelab import case, data
from mlelab.check.lab import Trial

from . import lab

CARD = {
    "measure": {"metric": str, "baseline": Real, "target": Real, "better": str, "cost_missed": Real,
                "cost_needless": Real},
    "label": {"decision": str, "label": str, "prediction_hours": Real, "action_hours": Real, "label_hours": Real},
    "way out": {"user": str, "action": str, "owner": str, "fallback": str, "stop_rule": str},
}
CODE = {"measure": "M37", "label": "M39", "way out": "M38"}
OPEN = re.compile(r"\b(tbd|todo|tba|n/?a|to be (decided|defined|done)|fill (this )?in|lorem)\b|\?\?|\.\.\.|…", re.I)
BREAD = re.compile(r"\b(loaf|loaves|bread|baker|bakes?|batch size)\b", re.I)


@lab.exercise("1.6", section="the-problem-card", parts=("measure", "label", "way out"), hints=(
    "Write each field for the desk, not for you: who acts on it, by when, and what happens on a bad day.",
    "A metric needs today's value (baseline) and the value to reach (target). Hours are counted from scheduled "
    "departure, so two hours before is -2. A flight arrives some hours *after* departure."))
def problem_card(trial: Trial, answer, part: str) -> str:
    card = trial.call(answer)
    code = CODE[part]
    trial.require(isinstance(card, dict), "The card is a dict.", got=type(card).__name__)
    kinds = CARD[part]
    missing = [name for name, kind in kinds.items() if not _is_a(kind, card.get(name))]
    trial.require(not missing, "The card has each field of the template, with the right type.", mistake=code,
                  expected={name: "text" if kinds[name] is str else "a number" for name in missing},
                  got={name: card.get(name) for name in missing})
    texts = [name for name, kind in kinds.items() if kind is str and name != "better"]
    for name in texts:
        words = card[name].split()
        trial.require(len(words) >= 2 and re.search(r"[^\W\d_]{2}", card[name]) and not OPEN.search(card[name]),
                      f"`{name}` says it in a few words, so that a stranger understands it.", mistake=code,
                      expected="two words or more, and nothing left open", got=card[name])
        trial.require(not BREAD.search(card[name]), f"`{name}` is about flights: the bread was the worked example.",
                      mistake="M27", got=card[name])
    same = [name for name in texts if sum(card[name] == card[other] for other in texts) > 1]
    trial.require(not same, "Each field says something of its own.", mistake=code, got=same)
    (_measure if part == "measure" else _label if part == "label" else lambda *_: None)(trial, card)
    return f"{_figure(card, part)} Whether the texts make sense, a person must judge."


def _is_a(kind, value) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _measure(trial: Trial, card: dict) -> None:
    trial.require(not re.search(r"\baccura", card["metric"], re.I), "`metric` is not accuracy: few flights are late, "
                  "so alerting nobody is accurate.", mistake="M06", got=card["metric"])
    trial.require(card["better"] in ("lower", "higher"), "`better` says which way is up: lower or higher.",
                  mistake="M37", got=card["better"])
    gain = (card["target"] - card["baseline"]) * (1 if card["better"] == "higher" else -1)
    trial.require(0 < gain < math.inf, "The target is better than the baseline, and both are known numbers.",
                  mistake="M37", expected=f"{card['better']} than {card['baseline']}", got=card["target"])
    trial.require(0 < card["cost_needless"] < card["cost_missed"] < math.inf, "Both kinds of error cost something, and "
                  "a missed late flight costs more than a needless alert.",
                  mistake="M35" if card["cost_needless"] > card["cost_missed"] > 0 else "M37",
                  expected="0 < cost_needless < cost_missed", got=(card["cost_missed"], card["cost_needless"]))


def _label(trial: Trial, card: dict) -> None:
    predicted, acted, known = (card[f"{name}_hours"] for name in ("prediction", "action", "label"))
    trial.require(predicted <= acted, "You predict before anybody acts.", mistake="M39",
                  expected=f"at most {acted:g}", got=predicted)
    trial.require(acted < known < math.inf, "The label is observed, and only after the action: earlier there is "
                  "nothing to predict, never means nothing to learn from.", mistake="M39",
                  expected=f"more than {acted:g}, and finite", got=known)
    trial.require(known > 0, "The label is an outcome of the flight: it is known after departure.", mistake="M39",
                  expected="more than 0", got=known)
    trial.require(predicted < 0, "The desk decides before departure, where hours are negative.", mistake="M40",
                  expected="less than 0", got=predicted)
    trial.require(predicted >= -24 and known <= 72, "Times are hours: the desk decides on the day of the flight, and "
                  "three days later every flight has arrived.", mistake="M10",
                  expected="-24 or later, and 72 or earlier", got=(predicted, known))


def _figure(card: dict, part: str) -> str:
    if part == "measure":
        return f"The card promises {card['metric']} from {card['baseline']:g} to {card['target']:g}: it can be refuted."
    if part == "label":
        return _label_wait()
    return "Somebody owns the alert, somebody is told when it fails, and the desk can work without it."


@functools.cache
def _label_wait() -> str:
    wait = case.LEAD_HOURS + case.arrival_hours(data.load("flights"), data.load("airports"))
    half, nearly_all = wait.quantile([0.5, 0.95])
    return (f"In 2013 half of the labels were there {half:.1f} hours after the prediction, "
            f"95 % of them after {nearly_all:.1f} hours.")


# Answers: wrong ones with their misconceptions, and right ones written differently.

GOOD = {
    "metric": "missed connections per thousand passengers", "baseline": 12, "target": 9.5, "better": "lower",
    "cost_missed": 5, "cost_needless": 1, "decision": "alert this flight or not", "label": "late by half an hour",
    "prediction_hours": -2, "action_hours": -1.5, "label_hours": 3, "user": "duty manager", "action": "hold the gate",
    "owner": "network operations", "fallback": "the old rule of thumb", "stop_rule": "a week worse than silence",
}


def wrong(name: str, code: str, part: str, **fields):
    """A good card with these fields instead of its own."""
    def answer():
        return GOOD | fields

    answer.__name__ = name
    return problem_card.mistake(code, part=part)(answer)


wrong("no_numbers", "M37", "measure", metric="fewer missed connections", baseline=None, target=None)
wrong("improve_accuracy", "M06", "measure", metric="improve accuracy", baseline=0.8, target=0.9, better="higher")
wrong("target_below_baseline", "M37", "measure", target=14)
wrong("target_is_the_baseline", "M37", "measure", target=12)
wrong("better_is_not_a_direction", "M37", "measure", better="yes")
wrong("numbers_as_text", "M37", "measure", baseline="12", target="9.5")
wrong("baseline_unknown", "M37", "measure", baseline=math.nan)
wrong("needless_alerts_are_free", "M37", "measure", cost_needless=0)
wrong("costs_swapped", "M35", "measure", cost_missed=1, cost_needless=5)
wrong("one_word_for_a_metric", "M37", "measure", metric="delays")
wrong("the_bread_again", "M27", "measure", metric="loaves thrown away per day")
wrong("label_known_before_the_action", "M39", "label", label="the crew is late", label_hours=-3)
wrong("label_known_before_departure", "M39", "label", label="the gate has changed", label_hours=-1)
wrong("label_never_known", "M39", "label", label="the passenger was unhappy", label_hours=math.inf)
wrong("predicts_after_the_action", "M39", "label", prediction_hours=-1)
wrong("hours_before_departure_are_positive", "M40", "label", prediction_hours=2, action_hours=2, label_hours=5)
wrong("minutes_for_hours", "M10", "label", prediction_hours=-120, action_hours=-120, label_hours=168)
wrong("owner_to_be_decided", "M38", "way out", owner="TBD")
wrong("fallback_to_be_decided", "M38", "way out", fallback="to be decided")
wrong("one_text_for_all", "M38", "way out", owner="the airline", fallback="the airline")
wrong("nobody_stops_it", "M38", "way out", stop_rule=None)


@problem_card.mistake("M38", part="way out")
def no_fallback():
    return {name: value for name, value in GOOD.items() if name != "fallback"}


@problem_card.right(part="measure")
@problem_card.right(part="label")
@problem_card.right(part="way out")
def another_card():
    return GOOD


@problem_card.right(part="measure")
@problem_card.right(part="label")
@problem_card.right(part="way out")
def with_notes_of_its_own():
    return {"version": 3, **GOOD, "metric": "connections kept, of a hundred", "baseline": 71.0, "target": 80,
            "better": "higher", "action_hours": 1, "label_hours": 26.5}
