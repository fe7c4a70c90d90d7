"""7.6 decide: promote, hold or roll back a canary."""

import math

import numpy as np
import pandas as pd

from . import lab


@lab.exercise("7.6", section="promote-hold-roll-back", hints=(
    "Three questions in this order: is a guardrail broken, is the planned number reached, does the interval of the "
    "difference exclude 0?",
    "rollback if errors / requests or p99 exceeds its guardrail; hold below `planned` requests; then diff = difference "
    "of the shares of good answers, se = sqrt(p1 q1 / n1 + p2 q2 / n2): promote if diff - 1.96 se > 0, rollback if "
    "diff + 1.96 se < 0, else hold."))
class decide:
    rule = ("First the guardrails, at any number of requests; then the plan; then the interval of the difference of "
            "the shares decides.")

    def inputs(d):
        guardrails = {"error_rate": d.pick([1 / 64, 1 / 16, 1 / 32]), "p99": d.pick([200.0, 120.0, 450.0])}
        n, planned = 64 * d.pick([40, 10, 160, 300]), 64 * d.pick([40, 10, 160, 160, 90])
        n = planned + d.pick([0, -1, 1, -64]) if d.flag() else n
        limit = math.floor(n * guardrails["error_rate"])
        errors = d.pick([d.int(0, limit), limit // 2, limit // 3, limit, limit + 1, 2 * limit + 2])
        p99 = guardrails["p99"] + d.pick([-40.0, 0.0, -0.5, 0.5, 90.0, -100.0, -60.0])
        other = 64 * d.pick([40, 400, 1500, 12, 20])
        if d.flag(0.1):  # the interval is 0 alone
            sound = {"requests": other, "errors": 0, "good": other, "p99": 100.0}
            return dict(control=sound, canary={"requests": n, "errors": 0, "good": n, "p99": p99},
                        guardrails=guardrails, planned=planned)
        share, z = d.pick([0.7, 0.5, 0.9, 0.2]), d.pick([
            0.0, 0.6, -0.6, 1.3, -1.3, 1.85, -1.85, 2.08, -2.08, 2.2, -2.2, 2.68, -2.68, 4.0, -4.0])
        good = round(share * other)
        better = round(n * (good / other + z * math.sqrt(share * (1 - share) * (1 / n + 1 / other))))
        control = {"requests": other, "errors": d.int(0, other // 8), "good": good, "p99": d.pick([100.0, 500.0])}
        canary = {"requests": n, "errors": errors, "good": better, "p99": p99}
        d.need(0 < better <= n - errors and good <= other - control["errors"])
        _need_clear_limits(d, control, canary)
        return dict(control=control, canary=canary, guardrails=guardrails, planned=planned)

    def real():
        control = {"requests": 90_000, "errors": 0, "good": 63_000, "p99": 1.0}
        return [dict(control=control, canary={"requests": n, "errors": 0, "good": round(0.72 * n), "p99": 1.0},
                     guardrails={"error_rate": 0.01, "p99": 200.0}, planned=n) for n in (2_500, 500, 1_000, 4_000)]

    def figure(_, control, **__):
        share = control["good"] / control["requests"]
        spent = share * (1 - share) / control["requests"]
        enough = next(n for n in range(500, 50_000, 500) if 0.72 - share > 1.96 * math.sqrt(spent + 0.72 * 0.28 / n))
        return f"A rise of the good share from 70 to 72 % is promoted from about {enough:,} canary requests on."


def _need_clear_limits(d, control, canary):
    """Both common forms of the interval agree, and 0 is not so near to its end that the digits of 1.96 decide."""
    n, m = canary["requests"], control["requests"]
    p, q = canary["good"] / n, control["good"] / m
    both = (canary["good"] + control["good"]) / (n + m)
    d.need(0 < p < 1 and 0 < q < 1)
    z = [abs(p - q) / math.sqrt(variance) for variance in (p * (1 - p) / n + q * (1 - q) / m,
                                                           both * (1 - both) * (1 / n + 1 / m))]
    d.need(all(abs(one - 1.96) > 0.03 for one in z) and (z[0] > 1.96) == (z[1] > 1.96))


# Answers: wrong ones with their misconceptions, and right ones written differently.


def told(control, canary, guardrails, planned, *, z=1.96, over=lambda value, limit: value > limit, share="requests",
         noise=lambda a, b: math.sqrt(a + b), guards=("errors", "p99"), early=lambda n, planned: n < planned):
    rates = {"errors": canary["errors"] / canary["requests"], "p99": canary["p99"]}
    limits = {"errors": guardrails["error_rate"], "p99": guardrails["p99"]}
    if any(over(rates[name], limits[name]) for name in guards):
        return "rollback"
    if early(canary["requests"], planned):
        return "hold"
    a, b = (arm["good"] / (arm[share] if share == "requests" else arm["requests"] - arm["errors"])
            for arm in (control, canary))
    spread = noise(a * (1 - a) / control["requests"], b * (1 - b) / canary["requests"])
    return "hold" if abs(b - a) <= z * spread else "promote" if b > a else "rollback"


decide.variants(told,
    the_better_number_wins=("M16", "A difference that noise can explain decides nothing: hold.", dict(z=0)),
    one_request_more=("M31", "At the planned number of requests is the look.",
        dict(early=lambda n, planned: n <= planned)),
    without_latency=("M26", "The slowest answers are a guardrail, too.", dict(guards=["errors"])),
    without_errors=("M26", "Errors are a guardrail, too.", dict(guards=["p99"])),
    at_the_limit_is_over=("M31", "Above the guardrail it is rolled back, not at it.",
        dict(over=lambda value, limit: value >= limit)),
    share_of_the_answers_without_error=("M36", "The share is of all requests; an error is no good answer.",
        dict(share="answers")),
    two_intervals_that_overlap=(
        "M52", "The interval of the difference decides; two intervals may overlap although it excludes 0.",
        dict(noise=lambda a, b: math.sqrt(a) + math.sqrt(b))),
    without_the_noise_of_the_control=("M16", "The control is a sample as well: its noise belongs into the interval.",
        dict(noise=lambda _, b: math.sqrt(b))),
    ninety_percent=("M32", "A 95 % interval reaches 1.96 standard errors to either side.", dict(z=1.645)),
    ninety_nine_percent=("M32", "A 95 % interval reaches 1.96 standard errors to either side, not 2.58.",
        dict(z=2.576)),
    one_standard_error=("M32", "A 95 % interval reaches 1.96 standard errors to either side, not one.", dict(z=1)))


@decide.mistake("M19", "Before the planned number of requests nobody looks: hold.")
def as_soon_as_it_looks_good(control, canary, guardrails, planned):
    return told(control, canary, guardrails, planned=0)


@decide.mistake("M27", "The number that was planned is an argument.")
def ten_thousand_requests(control, canary, guardrails, planned):
    return told(control, canary, guardrails, planned=10_000)


@decide.mistake("M36", "The plan is about the canary's requests.")
def requests_of_both(control, canary, guardrails, planned):
    return told(control, canary, guardrails, planned, early=lambda n, planned: n + control["requests"] < planned)


@decide.mistake("M26", "A guardrail comes first: it stops also a canary that is better.")
def guardrails_after_the_metric(control, canary, guardrails, planned):
    found = told(control, canary, guardrails, planned, guards=[])
    return told(control, canary, guardrails, planned) if found == "hold" else found


@decide.mistake("M26", "A guardrail does not wait for the plan.")
def guardrails_wait_for_the_plan(control, canary, guardrails, planned):
    return "hold" if canary["requests"] < planned else told(control, canary, guardrails, planned)


@decide.mistake("M36", "Shares of good answers are compared: the arms have unlike numbers of requests.")
def counts_instead_of_shares(control, canary, guardrails, planned):
    found = told(control, canary, guardrails, planned, z=-1)
    even = canary["errors"] / canary["requests"] > guardrails["error_rate"] or canary["p99"] > guardrails["p99"]
    if even or canary["requests"] < planned:
        return found
    return "promote" if canary["good"] > control["good"] else "rollback"


@decide.mistake("M36", "The rate of errors has its guardrail, not their number, and not the control.")
def more_errors_than_the_control(control, canary, guardrails, planned):
    if canary["errors"] > control["errors"]:
        return "rollback"
    return told(control, canary, guardrails, planned, guards=["p99"])


@decide.mistake("M40", "A canary that is clearly worse is rolled back.")
def worse_is_held(control, canary, guardrails, planned):
    free = told(control, canary, guardrails, planned, over=lambda *_: False)
    return "hold" if free == "rollback" and told(control, canary, guardrails, 10**9) == "hold" else told(
        control, canary, guardrails, planned)


@decide.right
def with_a_z_value(control, canary, guardrails, planned):
    if canary["p99"] > guardrails["p99"] or canary["errors"] > guardrails["error_rate"] * canary["requests"]:
        return "rollback"
    if canary["requests"] < planned:
        return "hold"
    arms = pd.DataFrame([control, canary])
    p = arms["good"] / arms["requests"]
    z = (p[1] - p[0]) / np.sqrt((p * (1 - p) / arms["requests"]).sum())
    return "promote" if z > 1.96 else "rollback" if z < -1.96 else "hold"


@decide.right
def with_a_pooled_test(control, canary, guardrails, planned):
    from statistics import NormalDist

    n, m = canary["requests"], control["requests"]
    broken = canary["errors"] / n > guardrails["error_rate"], canary["p99"] > guardrails["p99"]
    share = (canary["good"] + control["good"]) / (n + m)
    spread = math.sqrt(share * (1 - share) * (1 / n + 1 / m))
    z = (canary["good"] / n - control["good"] / m) / spread if spread else 0.0
    tail = NormalDist().cdf(-abs(z))
    if any(broken) or n >= planned and tail < 0.025 and z < 0:
        return "rollback"
    return "promote" if n >= planned and tail < 0.025 else "hold"
