"""7.4 tail_latency: percentiles of all requests, from the intended time on."""

import math
from collections import Counter

import numpy as np
import pandas as pd

from . import lab


@lab.exercise("7.4", section="the-tail", hints=(
    "Three decisions: from when does the clock run, what about requests without an answer, and in which order do you "
    "pool and take percentiles?",
    "latency = done - intended, and `timeout` where done is nan. Concatenate all replicas, sort, and take the element "
    "number ceil(q * n), counted from 1."))
class tail_latency:
    rule = ("A percentile q is the smallest latency that at least q % of all requests do not exceed, counted from the "
            "intended time; a request without an answer took the timeout.")

    def inputs(d):
        timeout, frames = d.pick([500.0, 1000.0, 250.0]), []
        for _ in range(d.int(1, 3)):
            n = d.pick([3, 0, 1, 2, 5, 19, 20, 21, 40, 99, 100, 101])
            rng = d.rng()
            intended = np.cumsum(rng.integers(0, 20, n)).astype(float)
            started = intended + rng.integers(0, 60, n) * d.int(0, 1)
            done = started + rng.choice([4, 5, 6, 9, 20, 90], n) + rng.integers(0, 8, n) / 8
            frame = pd.DataFrame({"intended": intended, "started": started, "done": done}, index=d.index(n))
            frame.loc[frame.index[rng.random(n) < d.pick([0.0, 0.05, 0.5, 1.0])], "done"] = np.nan
            frames.append(frame.iloc[rng.permutation(n)] if d.flag() else frame)
        d.need(sum(map(len, frames)))
        return dict(replicas=frames, timeout=timeout)

    def real():
        two = [pd.DataFrame({"intended": 0.0, "started": 0.0, "done": np.full(n, ms)})
               for n, ms in ((5_000, 20.0), (40, 900.0))]
        return [dict(replicas=frames, timeout=1_000.0) for frames in (two, two[:1], two[1:])]

    def figure(got, replicas, **_):
        alone = [frame["done"].max() for frame in replicas]  # all alike
        return (f"Two replicas with a p99 of {alone[0]:.0f} and {alone[1]:.0f} ms: averaged {np.mean(alone):.0f} ms, "
                f"together {got['p99']:.0f} ms, because the slow one answered 40 of 5,040 requests.")

    def shows(replicas, timeout):
        table = pd.concat(replicas, keys=range(len(replicas)), names=["replica"]).reset_index(0)
        return (f"tail_latency([frames of {', '.join(str(len(frame)) for frame in replicas)} requests], "
                f"timeout={timeout:g})", table.head(6))


# Answers: wrong ones with their misconceptions, and right ones written differently.


def tails(values, rank=lambda q, n: math.ceil(q * n / 100) - 1):
    values = sorted(values)
    return {f"p{q}": float(values[rank(q, len(values))]) for q in (50, 95, 99)}


def waited(replicas, timeout, start="intended"):
    return np.concatenate([(frame["done"] - frame[start]).fillna(timeout) for frame in replicas])


def by_replica(replicas, timeout):
    return pd.DataFrame([tails(waited([frame], timeout)) for frame in replicas if len(frame)])


@tail_latency.mistake("M66", "Percentiles are taken of all requests together; averages of percentiles mean nothing.")
def average_of_the_percentiles(replicas, timeout):
    return by_replica(replicas, timeout).mean().to_dict()


@tail_latency.mistake("M66", "Percentiles are taken of all requests together, also if their average is weighted.")
def weighted_average_of_the_percentiles(replicas, timeout):
    sizes = [len(frame) for frame in replicas if len(frame)]
    return dict(zip(["p50", "p95", "p99"], np.average(by_replica(replicas, timeout), axis=0, weights=sizes)))


@tail_latency.mistake("M32", "The percentile of all requests is not that of the worst replica.")
def the_worst_replica(replicas, timeout):
    return by_replica(replicas, timeout).max().to_dict()


@tail_latency.mistake("M33", "All replicas count, not the first one only.")
def the_first_replica(replicas, timeout):
    return tails(waited([next(frame for frame in replicas if len(frame))], timeout))


@tail_latency.mistake("M67", "The clock runs from the intended time: waiting in a queue counts.")
def from_the_start_of_service(replicas, timeout):
    return tails(waited(replicas, timeout, "started"))


@tail_latency.mistake("M17", "A percentile is no mean.")
def the_mean(replicas, timeout):
    return dict.fromkeys(["p50", "p95", "p99"], float(waited(replicas, timeout).mean()))


@tail_latency.mistake("M09", "A request without an answer took the timeout; it is not left out.")
def without_those_that_never_came_back(replicas, timeout):
    return tails(np.r_[pd.Series(waited(replicas, np.nan)).dropna(), []] if any(
        frame["done"].notna().any() for frame in replicas) else [0.0])


@tail_latency.mistake("M08", "A request without an answer took the timeout, not no time.")
def no_answer_took_no_time(replicas, timeout):
    return tails(waited(replicas, 0.0))


@tail_latency.mistake("M27", "The timeout is an argument.")
def a_timeout_of_1000(replicas, timeout):
    return tails(waited(replicas, 1000.0))


@tail_latency.mistake("M32", "A percentile is a latency that occurred, not a point between two.")
def between_two_latencies(replicas, timeout):
    return {f"p{q}": float(np.percentile(waited(replicas, timeout), q)) for q in (50, 95, 99)}


@tail_latency.mistake("M31", "The smallest latency that q % do not exceed is number ceil(q n / 100), counted from 1.")
def one_too_far(replicas, timeout):
    return tails(waited(replicas, timeout), rank=lambda q, n: q * n // 100)


@tail_latency.mistake("M31", "At least q % do not exceed it: round the number up.")
def one_too_near(replicas, timeout):
    return tails(waited(replicas, timeout), rank=lambda q, n: max(q * n // 100 - 1, 0))


@tail_latency.mistake("M31", "At least q % do not exceed it: round up, not to the nearest.")
def rounded(replicas, timeout):
    return tails(waited(replicas, timeout), rank=lambda q, n: max(round(q * n / 100) - 1, 0))


@tail_latency.mistake("M41", "Numbers are given as they are: whoever shows them rounds them.")
def whole_milliseconds(replicas, timeout):
    return {name: round(value) for name, value in tails(waited(replicas, timeout)).items()}


@tail_latency.right
def with_numpy(replicas, timeout):
    both = pd.concat(replicas)
    values = np.percentile((both["done"] - both["intended"]).fillna(timeout), [50, 95, 99], method="inverted_cdf")
    return dict(zip(["p50", "p95", "p99"], values))


@tail_latency.right
def by_counting(replicas, timeout):
    values = [timeout if pd.isna(row.done) else row.done - row.intended for frame in replicas
              for row in frame.itertuples()]
    found, below = {}, 0
    for value, times in sorted(Counter(values).items()):
        below += times
        for q in (50, 95, 99):
            if below * 100 >= q * len(values):
                found.setdefault(f"p{q}", value)
    return found
