"""Requests that wait for one of several servers: the M/M/c queue on paper, and any queue in simpy.

Rates are requests a second, times are seconds. M/M/c: random arrivals, random work, c alike servers, one queue.
"""

import math
from collections.abc import Callable

import numpy as np
import simpy


def erlang_c(rate: float, service: float, servers: int) -> float:
    """The share of requests that find all servers busy; 1.0 where the load is as large as the pool, or larger.

    rate: arrivals a second; service: mean work of a request, seconds; servers: 1 or more.
    """
    load = rate * service
    if load >= servers:
        return 1.0
    blocked = 1.0  # Erlang B, one server after the other: it neither overflows nor loses digits
    for k in range(1, servers + 1):
        blocked = load * blocked / (k + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def mean_wait(rate: float, service: float, servers: int) -> float:
    """Mean time in the queue, seconds, without the service itself; inf where the load is as large as the pool."""
    spare = servers / service - rate
    return erlang_c(rate, service, servers) / spare if spare > 0 else math.inf


def quantile(rate: float, service: float, servers: int, q: float) -> float:
    """The q-quantile of the time from arrival to answer, seconds; inf where the load is as large as the pool.

    The share that takes longer than t is known in closed form; it is solved for t by halving.
    """
    spare, waits, own = servers / service - rate, erlang_c(rate, service, servers), 1 / service
    if spare <= 0:
        return math.inf

    def longer(t: float) -> float:
        if math.isclose(own, spare):
            return math.exp(-own * t) * (1 + waits * own * t)
        later = waits * own * (math.exp(-spare * t) - math.exp(-own * t)) / (own - spare)
        return math.exp(-own * t) + later

    low, high = 0.0, service
    while longer(high) > 1 - q:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if longer(middle) > 1 - q else (low, middle)
    return high


def servers_for(rate: float, service: float, target: float, q: float = 0.99) -> int:
    """The fewest servers whose q-quantile is at most `target` seconds; ValueError where no pool can do it."""
    if quantile(rate, service, math.ceil(rate * service) + 1_000, q) > target:
        raise ValueError(f"A request alone takes longer than {target} s too often: more servers do not help.")
    low, high = 0, 1
    while quantile(rate, service, math.ceil(rate * service) + high, q) > target:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        fits = quantile(rate, service, math.ceil(rate * service) + middle, q) <= target
        low, high = (low, middle) if fits else (middle, high)
    whole = math.ceil(rate * service)
    fits = low == 0 and quantile(rate, service, whole, q) <= target
    return whole if fits else whole + high


def simulate(rate: float | Callable[[float], float], service: Callable[[np.random.Generator], float], servers: int,
             requests: int, seed: int = 0) -> np.ndarray:
    """A pool of servers with one queue, request by request; shape (requests, 3): arrival, wait and total, seconds.

    rate: arrivals a second, a number, or a function of the time that gives it. service: draws the work of a request.
    The pool begins empty.
    """
    rng, env = np.random.default_rng(seed), simpy.Environment()
    pool, found = simpy.Resource(env, servers), np.zeros((requests, 3))

    def request(number: int):
        found[number, 0] = arrived = env.now
        with pool.request() as turn:
            yield turn
            found[number, 1] = env.now - arrived
            yield env.timeout(service(rng))
        found[number, 2] = env.now - arrived

    def arrivals():
        for number in range(requests):
            yield env.timeout(rng.exponential(1 / (rate(env.now) if callable(rate) else rate)))
            env.process(request(number))

    env.process(arrivals())
    env.run()
    return found
