"""12.4 monthly_cost: what batch, always on and scale to zero cost in a month."""

import math

from . import lab

MODES = ["batch", "always on", "scale to zero"]


@lab.exercise("12.4", section="cost", hints=(
    "What is paid by the hour, in each of the three modes, and what by the request? And which unit has the price of "
    "memory?",
    "hours = replicas * 730 if always on, else (predictions * work_s + starts * start_s) / 3600. An hour costs vcpus * "
    "vcpu_hour + memory_gib * 2**30 / 10**9 * gb_hour. Scale to zero adds predictions / 1e6 * million_requests."))
class monthly_cost:
    rule = ("Always on pays all replicas for 730 hours, batch and scale to zero the seconds of work and of starts; "
            "scale to zero also pays for requests; memory is priced by GB of 10**9 bytes.")

    def inputs(d):
        plan = {"mode": d.pick(MODES), "predictions": d.pick([1_000_000, 0, 1_000, 250, 40_000_000]),
                "work_s": d.pick([0.25, 0.01, 2.0]), "vcpus": d.pick([1, 2, 0.5, 8]),
                "memory_gib": d.pick([2.0, 0.5, 16.0]), "replicas": d.pick([2, 1, 5]),
                "starts": d.pick([30, 0, 2_000]), "start_s": d.pick([60, 4.5])}
        prices = {"vcpu_hour": d.pick([0.05, 0.08, 0.0]), "gb_hour": d.pick([0.006, 0.01, 0.0]),
                  "million_requests": d.pick([0.4, 2.0])}
        return dict(plan=plan, prices=prices)

    def run(monthly_cost, plan, prices):
        if isinstance(plan, list):
            return [monthly_cost(one, prices) for one in plan]
        return monthly_cost(plan, prices)

    def real():
        plan = {"predictions": 336_776 * 100 // 12, "work_s": 0.004, "vcpus": 1, "memory_gib": 2.0, "replicas": 2,
                "starts": 30, "start_s": 30.0}
        return dict(plan=[plan | {"mode": mode} for mode in MODES], prices=PRICES)

    def figure(got, plan, **_):
        told = ", ".join(f"{mode} {one['per_1000']:.4f}" for mode, one in zip(MODES, got))
        return f"In the currency of the fictitious price list, 1,000 predictions cost: {told}."


PRICES = {"vcpu_hour": 0.05, "gb_hour": 0.006, "million_requests": 0.4}


# Answers: wrong ones with their misconceptions, and right ones written differently.


def priced(plan, prices, *, gb=2**30 / 10**9, month=730, replicas=lambda plan: plan["replicas"], starts=True,
           asked=("scale to zero",), per=1_000, empty=math.nan, always=("always on",), memory=True, million=10**6,
           factor=lambda plan: 1, started=()):
    hours = (plan["predictions"] * plan["work_s"] * factor(plan) + starts * plan["starts"] * plan["start_s"]) / 3600
    if plan["mode"] in always:
        hours = replicas(plan) * month + (hours if plan["mode"] in started else 0)
    hour = plan["vcpus"] * prices["vcpu_hour"] + memory * plan["memory_gib"] * gb * prices["gb_hour"]
    total = hours * hour
    if plan["mode"] in asked:
        total += plan["predictions"] / million * prices["million_requests"]
    return {"month": total, "per_1000": total / plan["predictions"] * per if plan["predictions"] else empty}


monthly_cost.variants(
    priced,
    idle_replicas_forgotten=("M77", "A replica that is always on is paid while it waits, too.", dict(always=())),
    one_replica=("M77", "Every replica is paid.", dict(replicas=lambda plan: 1)),
    gib_is_gb=("M10", "A GiB is 2**30 bytes, and the price is for 10**9.", dict(gb=1)),
    gib_upside_down=("M88", "A GiB is more than a GB.", dict(gb=10**9 / 2**30)),
    binary_twice=("M10", "A GB of the price list is 10**9 bytes.", dict(gb=1.024)),
    requests_in_a_batch=("M36", "A batch sends no requests: it pays for machines only.",
                         dict(asked=("scale to zero", "batch"))),
    requests_always=("M36", "Machines that are always on are paid by the hour, not by the request.",
                     dict(asked=("scale to zero", "always on"))),
    requests_free=("M77", "Scale to zero pays for each request.", dict(asked=())),
    starts_forgotten=("M77", "A machine is paid from its start on, also before it answers.", dict(starts=False)),
    thirty_days=("M99", "A month has 730 hours here.", dict(month=720)),
    thousand_requests=("M10", "The price of requests is for a million.", dict(million=1_000)),
    per_prediction=("M36", "The cost of 1,000 predictions is asked, not of one.", dict(per=1)),
    per_million=("M36", "The cost of 1,000 predictions is asked.", dict(per=10**6)),
    free_without_predictions=("M47", "Without predictions there is no cost of 1,000 of them: nan, not 0.",
                              dict(empty=0.0)),
    infinite_without_predictions=("M47", "Without predictions there is no cost of 1,000 of them: nan.",
                                  dict(empty=math.inf)),
    memory_forgotten=("M77", "An hour of a machine is its processors and its memory.", dict(memory=False)),
    work_by_each_processor=("M32", "`work_s` is the time of the whole machine: its processors do not share it.",
                            dict(factor=lambda plan: 1 / plan["vcpus"])),
    work_by_each_replica=("M32", "The work is done once, however many replicas there are.",
                          dict(factor=lambda plan: plan["replicas"])),
    starts_of_what_never_stops=("M36", "What is always on is paid for 730 hours, whatever it does.",
                                dict(started=("always on",))))


@monthly_cost.right
def in_seconds_and_bytes(plan, prices):
    seconds = {"always on": plan["replicas"] * 730 * 3600}.get(
        plan["mode"], plan["work_s"] * plan["predictions"] + plan["start_s"] * plan["starts"])
    byte_seconds = plan["memory_gib"] * 1024**3 * seconds
    month = (plan["vcpus"] * seconds * prices["vcpu_hour"] / 3600 + byte_seconds * prices["gb_hour"] / 3600 / 1e9
             + (plan["mode"] == "scale to zero") * prices["million_requests"] * plan["predictions"] / 1e6)
    return dict(month=month, per_1000=1000 * month / plan["predictions"] if plan["predictions"] > 0 else float("nan"))


@monthly_cost.right
def mode_by_mode(plan, prices):
    machine = plan["vcpus"] * prices["vcpu_hour"] + plan["memory_gib"] * 1.073741824 * prices["gb_hour"]
    work = (plan["predictions"] * plan["work_s"] + plan["starts"] * plan["start_s"]) / 3_600 * machine
    if plan["mode"] == "batch":
        month = work
    elif plan["mode"] == "always on":
        month = 730 * plan["replicas"] * machine
    else:
        month = work + plan["predictions"] * prices["million_requests"] / 1_000_000
    try:
        return {"month": month, "per_1000": month * 1_000 / plan["predictions"]}
    except ZeroDivisionError:
        return {"month": month, "per_1000": math.nan}
