"""7.8 replicas: how many copies of a service each step of a load needs."""

import math
from collections import deque

import numpy as np
import pandas as pd

from . import lab


@lab.exercise("7.8", section="how-many", hints=(
    "First what each moment needs by itself, then what the last moments need together.",
    "needed = ceil(load * service_s / target), between low and high. With a cool-down of c steps, the number now is "
    "the largest of needed over this step and the c before it."))
class replicas:
    rule = ("Each step has the most replicas that were needed in it or in the `cooldown` steps before; needed are "
            "ceil(load * service_s / target), from low to high.")

    def inputs(d):
        target, service = d.pick([0.5, 0.75, 0.6, 1.0, 0.25]), d.pick([1 / 64, 1 / 16, 1 / 4, 0.02])
        low = d.int(0, 3)
        high = low + d.pick([9, 0, 1, 4, 30])
        unit = target / service  # requests a second that keep one replica as busy as it may be
        loads = np.array(d.list(1, 9, lambda: d.pick([0.0, unit, 2 * unit, 2.5 * unit, unit / 2, unit + 0.25,
                                                      3 * unit - 0.25, 5 * unit, high * unit, 40 * unit])))
        if d.flag(0.3):
            loads = np.ceil(loads).astype(int)
        whole = loads * service / target
        exact = service != 0.02 and target in (0.5, 1.0, 0.25)
        d.need(exact or (np.abs(whole - whole.round())[loads > 0] > 1e-6).all())  # rounding alone would decide
        return dict(loads=loads, service_s=service, target=target, low=low, high=high, cooldown=d.int(0, 5))

    def real():
        return dict(loads=np.array([45.0, 50, 300, 80, 60, 75, 5, 5]), service_s=0.02, target=0.7, low=2, high=12,
                    cooldown=3)

    def figure(got, **_):
        times = [f"{1 / (1 - busy):.0f}" for busy in (0.5, 0.8, 0.95)]
        return (f"At 50, 80 and 95 % of its capacity a queue takes {', '.join(times)} service times on average, if "
                "arrivals and work are random.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


def wanted(loads, service_s, target, low, high, rounding=math.ceil):
    return [min(max(rounding(load * service_s / target), low), high) for load in loads]


def held(needed, cooldown, back=0):
    return [max(needed[max(0, t - cooldown - back):t + 1]) for t in range(len(needed))]


@replicas.mistake("M17", "The number follows the load, not its mean.")
def for_the_mean_load(loads, service_s, target, low, high, cooldown):
    return wanted([np.mean(loads)] * len(loads), service_s, target, low, high)


@replicas.mistake("M69", "After a peak the replicas stay for `cooldown` steps: another may come.")
def down_at_once(loads, service_s, target, low, high, cooldown):
    return wanted(loads, service_s, target, low, high)


@replicas.mistake("M69", "A replica may be busy for the share `target` of its time, not for all of it.")
def fully_used(loads, service_s, target, low, high, cooldown):
    return held(wanted(loads, service_s, 1.0, low, high), cooldown)


@replicas.mistake("M88", "Work is divided by the target: the less a replica may be busy, the more there are.")
def times_the_target(loads, service_s, target, low, high, cooldown):
    return held(wanted(loads, service_s, 1 / target, low, high), cooldown)


@replicas.mistake("M69", "Up at once: the cool-down holds only for the way down.")
def slow_up_as_well(loads, service_s, target, low, high, cooldown):
    needed = wanted(loads, service_s, target, low, high)
    return held([needed[0], *needed[:-1]], cooldown)


@replicas.mistake("M69", "Down to what is needed, not one by one.")
def one_fewer_each_step(loads, service_s, target, low, high, cooldown):
    now = []
    for n in held(wanted(loads, service_s, target, low, high), cooldown):
        now.append(max(n, now[-1] - 1 if now else 0))
    return now


@replicas.mistake("M69", "The cool-down looks back at the steps before, and never ahead.")
def looks_ahead(loads, service_s, target, low, high, cooldown):
    return held(wanted(loads, service_s, target, low, high)[::-1], cooldown)[::-1]


@replicas.mistake("M31", "You cannot run half a replica: round up.")
def rounded_down(loads, service_s, target, low, high, cooldown):
    return held(wanted(loads, service_s, target, low, high, math.floor), cooldown)


@replicas.mistake("M31", "You cannot run half a replica: round up, not to the nearest.")
def rounded_to_the_nearest(loads, service_s, target, low, high, cooldown):
    return held(wanted(loads, service_s, target, low, high, round), cooldown)


@replicas.mistake("M31", "Two replicas that are exactly as busy as they may be are enough.")
def one_in_reserve(loads, service_s, target, low, high, cooldown):
    return held(wanted(loads, service_s, target, low, high, lambda n: math.floor(n) + 1), cooldown)


@replicas.mistake("M31", "This step and the `cooldown` steps before it count.")
def a_window_of_cooldown_steps(loads, service_s, target, low, high, cooldown):
    return held(wanted(loads, service_s, target, low, high), cooldown, back=-1 if cooldown else 0)


@replicas.mistake("M31", "The `cooldown` steps before count, and not one more.")
def a_step_too_long(loads, service_s, target, low, high, cooldown):
    return held(wanted(loads, service_s, target, low, high), cooldown, back=1)


@replicas.mistake("M27", "The cool-down is an argument.")
def three_steps(loads, service_s, target, low, high, cooldown):
    return held(wanted(loads, service_s, target, low, high), 3)


@replicas.mistake("M27", "Fewest and most are arguments.")
def two_to_twelve(loads, service_s, target, low, high, cooldown):
    return held(wanted(loads, service_s, target, 2, 12), cooldown)


@replicas.mistake("M26", "There are never more than `high`.")
def as_many_as_it_takes(loads, service_s, target, low, high, cooldown):
    return held(wanted(loads, service_s, target, low, 10**9), cooldown)


@replicas.mistake("M26", "There are never fewer than `low`.")
def down_to_zero(loads, service_s, target, low, high, cooldown):
    return held(wanted(loads, service_s, target, 0, high), cooldown)


@replicas.right
def with_a_rolling_maximum(loads, service_s, target, low, high, cooldown):
    needed = np.clip(np.ceil(np.asarray(loads) * service_s / target), low, high)
    return pd.Series(needed).rolling(cooldown + 1, min_periods=1).max().astype(int).tolist()


@replicas.right
def with_a_queue(loads, service_s, target, low, high, cooldown):
    recent, now = deque(maxlen=cooldown + 1), []
    for load in loads:
        recent.append(sorted((low, -int(-(load * service_s / target) // 1), high))[1])
        now.append(max(recent))
    return np.array(now)
