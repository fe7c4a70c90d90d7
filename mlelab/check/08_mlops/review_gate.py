"""8.8 review_gate: three versions of gate that look right; the first and the third are not."""

import math

from mlelab.check import review

from . import lab
from .gate import gate


def gate_a(candidate, champion, limits):
    reasons = ["test set"] if candidate["test"] != champion["test"] else []
    if candidate["auc"] / champion["auc"] - 1 < limits["min_gain"]:
        reasons.append("gain")
    for name, auc in champion["slices"].items():
        if auc - candidate["slices"][name] > limits["max_slice_loss"] + 1e-9:
            reasons.append(f"slice:{name}")
    if candidate["calibration_error"] > limits["max_calibration_error"]:
        reasons.append("calibration")
    if candidate["p99"] > limits["max_p99"]:
        reasons.append("latency")
    return not reasons, reasons


def gate_b(candidate, champion, limits):
    least = {"gain": (candidate["auc"] - champion["auc"], limits["min_gain"]),
             "latency": (-candidate["p99"], -limits["max_p99"]),
             "calibration": (-candidate["calibration_error"], -limits["max_calibration_error"])}
    for name in candidate["slices"]:
        change = candidate["slices"][name] - champion["slices"][name]
        least[f"slice:{name}"] = (change, -limits["max_slice_loss"])
    found = {name for name, (value, limit) in least.items() if value < limit - 1e-9}
    if candidate["test"] != champion["test"]:
        found.add("test set")
    return not found, sorted(found)


def gate_c(candidate, champion, limits):
    reasons = []
    if candidate["test"] != champion["test"]:
        reasons.append("test set")
    if candidate["auc"] - champion["auc"] < limits["min_gain"] - 1e-9:
        reasons.append("gain")
    for name, auc in champion["slices"].items():
        if abs(candidate["slices"][name] - auc) > limits["max_slice_loss"] + 1e-9:
            reasons.append(f"slice:{name}")
    if candidate["calibration_error"] > limits["max_calibration_error"]:
        reasons.append("calibration")
    if candidate["p99"] > limits["max_p99"]:
        reasons.append("latency")
    return not reasons, reasons


CARD, LIMITS = ("test", "auc", "slices", "calibration_error", "p99"), (
    "min_gain", "max_slice_loss", "max_calibration_error", "max_p99")


@lab.exercise("8.8", section="the-gate", hints=(
    "Go through the docstring of gate sentence by sentence. What is compared with what: a difference, a ratio, an "
    "amount without its sign?",
    "Change one thing at a time in a card that passes. A small gain, just below the margin; a slice that is much "
    "better than before. And compare with your own `gate`."))
@review.of(gate, {gate_a: "a_relative_gain", gate_b: None, gate_c: "any_change_of_a_slice"})
def review_gate(candidate, champion, limits):
    """What makes an input of gate valid."""
    cards = (candidate, champion)
    yield f"`candidate` and `champion` are dicts with {', '.join(CARD)}.", all(
        isinstance(card, dict) and set(card) == set(CARD) and isinstance(card["slices"], dict) for card in cards)
    yield f"`limits` is a dict with {', '.join(LIMITS)}.", isinstance(limits, dict) and set(limits) == set(LIMITS)
    yield "Both models have the same slices.", set(candidate["slices"]) == set(champion["slices"])
    yield "An AUC is above 0 and at most 1.", all(0 < auc <= 1 for card in cards
                                                  for auc in (card["auc"], *card["slices"].values()))
    rest = [*limits.values(), *(card[name] for card in cards for name in ("calibration_error", "p99"))]
    yield "All other numbers are finite and not below 0.", all(0 <= value < math.inf for value in rest)


# Answers: wrong ones with their misconceptions, and right ones written differently.


def given(auc=0.75, slices=None, before=0.7, slices_before=None, min_gain=0.01, **more):
    fixed = {"test": "t", "calibration_error": 0.0, "p99": 1.0}
    return {"candidate": fixed | {"auc": auc, "slices": slices or {}} | more,
            "champion": fixed | {"auc": before, "slices": slices_before or {}},
            "limits": {"min_gain": min_gain, "max_slice_loss": 0.01, "max_calibration_error": 1.0, "max_p99": 9.0}}


review.wrong(review_gate, "gate_a",
             a_large_gain=given(auc=0.8),
             a_card_without_a_test=given(auc=0.708) | {"candidate": {"auc": 0.708}},
             limits_that_are_none=given(auc=0.708) | {"limits": {}},
             another_slice=given(auc=0.708, slices={"EWR": 0.7}),
             an_auc_in_percent=given(auc=70.8, before=70.0, min_gain=0.1),
             a_latency_below_zero=given(auc=0.708, p99=-1.0),
             not_suspected=None)
review.wrong(review_gate, "gate_b", suspected_for_its_looks=given(auc=0.7))
review.wrong(review_gate, "gate_c", a_slice_that_loses=given(slices={"EWR": 0.6}, slices_before={"EWR": 0.7}),
             a_slice_that_stays=given(slices={"EWR": 0.7}, slices_before={"EWR": 0.7}))


def each_part(answer):
    for part in review_gate.parts:
        review_gate.right(part=part)(answer)


@each_part
def one_input_for_both():
    both = given(auc=0.7075, slices={"EWR": 0.8}, slices_before={"EWR": 0.7})
    return {"gate_a": both, "gate_b": None, "gate_c": both}


@each_part
def with_more_slices_than_needed():
    return {"gate_c": given(slices={"EWR": 0.9, "JFK": 0.7}, slices_before={"EWR": 0.5, "JFK": 0.7}),
            "gate_a": given(auc=0.509, before=0.5), "gate_b": None}
