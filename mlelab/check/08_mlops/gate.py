"""8.5 gate: whether a candidate may replace the champion, and all reasons why not."""

import numpy as np

from . import lab

STEP = 1 / 1024  # differences are exact


@lab.exercise("8.5", section="the-gate", hints=(
    'Five questions, each with its own name in the list of reasons. Ask all of them, even after the first "no".',
    'reasons: "test set" if the digests differ; "gain" if the AUC does not rise by at least min_gain; "slice:NAME" '
    'for each slice that loses more than max_slice_loss; "calibration"; "latency".'))
class gate:
    rule = "All reasons are told: another test set, too small a gain, each slice that loses too much, and the limits."

    def inputs(d):
        limits = {"min_gain": STEP * d.pick([5, 0, 1, 20]), "max_slice_loss": STEP * d.pick([10, 0, 3, 30]),
                  "max_calibration_error": d.pick([0.03125, 0.015625, 0.0625]), "max_p99": d.pick([50.0, 20.0, 200.0])}
        names = d.order(["EWR", "JFK", "LGA", "night"])[:d.int(0, 4)]

        def auc():
            return STEP * d.int(600, 900)

        champion = {"test": d.pick(["t1", "t2"]), "auc": auc(), "slices": {name: auc() for name in names},
                    "calibration_error": d.pick([0.02, 0.1]), "p99": d.pick([30.0, 90.0])}
        slices = {name: champion["slices"][name] + STEP * d.pick([0, 8, 40, *(
            -round(limits["max_slice_loss"] / STEP) + one for one in (0, 1, -1, -50))]) for name in d.order(names)}
        gain = limits["min_gain"] + STEP * d.pick([2, 0, 1, -1, -4, 60, -30])
        candidate = {"test": champion["test"] if d.flag(0.7) else "t3", "auc": champion["auc"] + gain, "slices": slices}
        for name, limit in (("calibration_error", "max_calibration_error"), ("p99", "max_p99")):
            candidate[name] = limits[limit] * d.pick([0.5, 1.0, 1.0625, 0.9375, 2.0])
        return dict(candidate=candidate, champion=champion, limits=limits)

    def see(got, **_):
        promote, reasons = got
        return [promote, sorted(reasons) if isinstance(reasons, (list, tuple)) else reasons]

    figure = "One airport with a loss stops a candidate that gains everywhere else, and the list says which one."


# Answers: wrong ones with their misconceptions, and right ones written differently.


def judged(candidate, champion, limits, *, same_test=True, slices=lambda loss, limit: loss > limit,
           gain=lambda new, old, least: new - old < least, over=lambda value, limit: value > limit,
           service=("calibration", "latency")):
    reasons = ["test set"] if same_test and candidate["test"] != champion["test"] else []
    reasons += ["gain"] if gain(candidate["auc"], champion["auc"], limits["min_gain"]) else []
    reasons += [f"slice:{name}" for name, auc in champion["slices"].items()
                if slices(auc - candidate["slices"][name], limits["max_slice_loss"])]
    for reason, name, limit in (("calibration", "calibration_error", "max_calibration_error"),
                                ("latency", "p99", "max_p99")):
        reasons += [reason] if reason in service and over(candidate[name], limits[limit]) else []
    return not reasons, reasons


gate.variants(judged,
    any_test_set=("M74", "Two models are compared on the same test rows, or not at all.", dict(same_test=False)),
    on_average=("M75", "A gain on average that costs one slice more than it may does not go on.",
        dict(slices=lambda *_: False)),
    no_slice_may_lose=("M75", "A slice may lose as much as the limit says.", dict(slices=lambda loss, _: loss > 0)),
    a_slice_at_its_limit=("M31", "More than the limit is too much; exactly the limit is not.",
        dict(slices=lambda loss, limit: loss >= limit)),
    any_change_of_a_slice=("M40", "A slice that gains is no loss.", dict(slices=lambda loss, limit: abs(loss) > limit)),
    no_worse_is_enough=("M76", "The AUC rises by at least the margin: no worse is not enough.",
        dict(gain=lambda new, old, _: new < old)),
    more_than_the_margin=("M31", "A gain of exactly the margin is enough.",
        dict(gain=lambda new, old, least: new - old <= least)),
    a_relative_gain=("M32", "The margin is a difference, no ratio.",
        dict(gain=lambda new, old, least: new / old - 1 < least)),
    service_at_its_limit=("M31", "Above the limit is too much; exactly the limit is not.",
        dict(over=lambda value, limit: value >= limit)),
    without_latency_and_calibration=("M26", "Chances that are off and answers that are slow stop a candidate, too.",
        dict(service=())),
    without_calibration=("M26", "A candidate whose chances are off stays out.", dict(service=["latency"])))


@gate.mistake("M75", "Each slice is compared, not their mean.")
def the_mean_of_the_slices(candidate, champion, limits):
    _, reasons = judged(candidate, champion, limits, slices=lambda *_: False)
    if champion["slices"] and np.mean([*candidate["slices"].values()]) < np.mean([*champion["slices"].values()]):
        reasons.append("slice:mean")
    return not reasons, reasons


@gate.mistake("M81", "Latency has a limit of its own, and is not compared with the champion's.")
def slower_than_the_champion(candidate, champion, limits):
    _, reasons = judged(candidate, champion, limits, service=["calibration"])
    reasons += ["latency"] if candidate["p99"] > champion["p99"] else []
    return not reasons, reasons


@gate.mistake("M81", "Calibration has a limit of its own, and is not compared with the champion's.")
def worse_calibrated_than_the_champion(candidate, champion, limits):
    _, reasons = judged(candidate, champion, limits, service=["latency"])
    reasons += ["calibration"] if candidate["calibration_error"] > champion["calibration_error"] else []
    return not reasons, reasons


@gate.mistake("M27", "The limits are arguments.")
def limits_by_heart(candidate, champion, limits):
    return judged(candidate, champion, {"min_gain": 0.005, "max_slice_loss": 0.01, "max_calibration_error": 0.03,
                                        "max_p99": 50.0})


@gate.mistake("M33", "All reasons are told, not the first one only.")
def stops_at_the_first_reason(candidate, champion, limits):
    promote, reasons = judged(candidate, champion, limits)
    return promote, reasons[:1]


@gate.mistake("M33", "Each slice is told by its name.")
def one_slice_for_all(candidate, champion, limits):
    promote, reasons = judged(candidate, champion, limits)
    kept = [reason for place, reason in enumerate(reasons) if not reason.startswith("slice:") or not reasons[
        place - 1].startswith("slice:") or place == 0]
    return promote, kept


@gate.mistake("M35", "True means that it may go on: there is no reason against it.")
def the_other_way_round(candidate, champion, limits):
    promote, reasons = judged(candidate, champion, limits)
    return not promote, reasons


@gate.right
def as_a_table_of_questions(candidate, champion, limits):
    asked = {"test set": candidate["test"] == champion["test"],
             "gain": candidate["auc"] >= champion["auc"] + limits["min_gain"],
             "calibration": candidate["calibration_error"] <= limits["max_calibration_error"],
             "latency": candidate["p99"] <= limits["max_p99"]}
    for name, before in champion["slices"].items():
        asked[f"slice:{name}"] = before - candidate["slices"][name] <= limits["max_slice_loss"] + 1e-9
    reasons = [name for name, answer in asked.items() if not answer]
    return reasons == [], reasons


@gate.right
def with_fractions(candidate, champion, limits):
    from fractions import Fraction

    def exact(value):
        return Fraction(str(value))

    lost = {name: exact(champion["slices"][name]) - exact(auc) for name, auc in candidate["slices"].items()}
    least = exact(limits["min_gain"])
    found = [f"slice:{name}" for name in sorted(lost) if lost[name] > exact(limits["max_slice_loss"])]
    found += ["gain"] * (exact(candidate["auc"]) - exact(champion["auc"]) < least)
    found += ["latency"] * (candidate["p99"] > limits["max_p99"])
    found += ["calibration"] * (candidate["calibration_error"] > limits["max_calibration_error"])
    found += ["test set"] * (candidate["test"] != champion["test"])
    return np.bool_(len(found) == 0), tuple(found)
