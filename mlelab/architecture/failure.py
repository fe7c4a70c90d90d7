"""Replicas behind a balancer, of which one crashes: what the callers see, request by request, in simpy.

A crashed replica accepts a request and never answers: its caller learns nothing until the time-out.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
import simpy


@dataclass(frozen=True)
class Design:
    """How callers are served. tries: replicas asked in turn; failures: after how many in a row the breaker opens,
    None for no breaker; pause: seconds until one request may try again; fallback: an answer without the model."""

    tries: int = 1
    failures: int | None = None
    pause: float = 5.0
    timeout: float = 1.0
    fallback: bool = False


@dataclass
class _Replica:
    worker: simpy.Resource
    failed: int = 0
    opened: float = -np.inf
    trying: bool = False


def crash(design: Design, *, rate: float = 40.0, seconds: float = 60.0, down: tuple[float, float] = (20.0, 40.0),
          replicas: int = 3, work: float = 0.03, seed: int = 0) -> pd.DataFrame:
    """One row a request: sent, seconds, tries, answer (model, fallback or none), in the order of sending.

    rate: requests a second; down: from when until when replica 0 is down; work: mean seconds of work, exponential.
    """
    rng, env = np.random.default_rng(seed), simpy.Environment()
    pool = [_Replica(simpy.Resource(env)) for _ in range(replicas)]
    rows, turn = [], itertools.count()

    def is_down(number: int) -> bool:
        return number == 0 and down[0] <= env.now < down[1]

    def open_to(replica: _Replica) -> bool:
        if design.failures is None or replica.failed < design.failures:
            return True
        return env.now >= replica.opened + design.pause and not replica.trying  # half open: one request

    def ask(number: int, worked: float):
        replica = pool[number]
        replica.trying = design.failures is not None and replica.failed >= design.failures
        ok, begun = False, env.now
        if is_down(number):
            yield env.timeout(design.timeout)
        else:
            with replica.worker.request() as slot:
                yield slot | env.timeout(design.timeout)
                if slot.triggered:
                    yield env.timeout(worked)
                    ok = not is_down(number) and env.now - begun <= design.timeout
        replica.trying = False
        replica.failed = 0 if ok else replica.failed + 1
        if design.failures is not None and not ok and replica.failed >= design.failures:
            replica.opened = env.now
        return ok

    def request(worked: float):
        row = {"sent": env.now, "seconds": 0.0, "tries": 0, "answer": "none"}
        rows.append(row)
        asked = set()
        for _ in range(design.tries):
            first = next(turn)  # each in its turn
            ready = [number for number in ((first + k) % replicas for k in range(replicas))
                     if number not in asked and open_to(pool[number])]
            if not ready:
                break
            asked.add(ready[0])
            row["tries"] += 1
            if (yield from ask(ready[0], worked)):
                row["answer"] = "model"
                break
        if row["answer"] == "none" and design.fallback:
            row["answer"] = "fallback"
        row["seconds"] = env.now - row["sent"]

    def callers():
        while True:
            yield env.timeout(rng.exponential(1 / rate))
            if env.now >= seconds:
                return
            env.process(request(rng.exponential(work)))

    env.process(callers())
    env.run()
    return pd.DataFrame(rows)
