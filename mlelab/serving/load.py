"""Requests at a given rate, whatever the server does: an open loop, as real users are.

A closed loop sends the next request after the last answer. When the server stalls, it stalls too, and the slow time
is hardly sampled: *coordinated omission*. Here every request has an intended time, and its latency counts from there.
"""

import asyncio
import os
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import numpy as np
import pandas as pd

MOST = 5_000  # requests in one call


def open_loop(url: str | Callable[[], str], body: dict, rate: float, seconds: float, *, headers: dict | None = None,
              timeout: float = 5, seed: int = 0) -> pd.DataFrame:
    """POST `body` to `url` at Poisson times, `rate` a second on average, for `seconds`.

    url: an address, or a function that is asked for one at each request, as a load balancer is.
    Proxy and certificate authorities are those of the environment, as for the cloud's own clients.
    Returns a row for each request: `intended` and `done` in seconds from the start, `latency` in milliseconds between
    them, `status` (0: no answer within `timeout` seconds, or no connection). Raises ValueError above 5,000 requests.
    """
    count = int(rate * seconds)
    if not 0 < count <= MOST:
        raise ValueError(f"{rate:g} requests a second for {seconds:g} s are {count}; this sends 1 to {MOST:,}.")
    intended = np.cumsum(np.random.default_rng(seed).exponential(1 / rate, count))
    rows = []

    async def send(session, at: float, begun: float) -> None:
        await asyncio.sleep(max(0, begun + at - time.perf_counter()))
        try:
            async with session.post(url() if callable(url) else url, json=body) as answer:
                await answer.read()
                status = answer.status
        except (TimeoutError, aiohttp.ClientError):
            status = 0
        done = time.perf_counter() - begun
        rows.append({"intended": at, "done": done, "latency": (done - at) * 1000, "status": status})

    async def run() -> None:
        authorities = os.environ.get("REQUESTS_CA_BUNDLE")
        kind = "capath" if authorities and os.path.isdir(authorities) else "cafile"
        trusted = ssl.create_default_context(**{kind: authorities})
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout), headers=headers, trust_env=True,
                                         connector=aiohttp.TCPConnector(limit=100, ssl=trusted)) as session:
            begun = time.perf_counter() + 0.05
            await asyncio.gather(*(send(session, at, begun) for at in intended))

    with ThreadPoolExecutor(1) as thread:  # a notebook has an event loop of its own
        thread.submit(asyncio.run, run()).result()
    return pd.DataFrame(rows).sort_values("intended", ignore_index=True)


def while_doing(work: Callable[[], None], url: str | Callable[[], str], body: dict, rate: float) -> pd.DataFrame:
    """Open loops of half a second, one after the other, from before `work()` begins until after it has ended.

    Returns their rows, as `open_loop` does; times count from the start of each. An error of `work` comes out.
    """
    parts, ended = [], threading.Event()

    def send() -> None:
        over = False
        while not over:
            over = ended.is_set()
            parts.append(open_loop(url, body, rate, 0.5, seed=len(parts)))

    with ThreadPoolExecutor(1) as thread:
        sent = thread.submit(send)
        try:
            time.sleep(0.5)
            work()
        finally:
            ended.set()
        sent.result()
    return pd.concat(parts, ignore_index=True)


def sweep(url: str, body: dict, rates: list[float], seconds: float, headers: dict | None = None) -> pd.DataFrame:
    """One open loop for each rate: p50, p95 and p99 of the latency in ms, and the share of requests not answered 200.

    The index is the offered load in requests a second.
    """
    table = {}
    for rate in rates:
        sent = open_loop(url, body, rate, seconds, headers=headers)
        p50, p95, p99 = np.percentile(sent["latency"], [50, 95, 99], method="inverted_cdf")
        table[rate] = {"p50": p50, "p95": p95, "p99": p99, "failed": (sent["status"] != 200).mean()}
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("requests a second")


def knee(table: pd.DataFrame, limit: float) -> float | None:
    """The highest offered load up to which every step keeps p99 within `limit` ms and nothing fails; None if none."""
    good = (table["p99"] <= limit) & (table["failed"] == 0)
    kept = table.index[good.cummin()]
    return float(kept[-1]) if len(kept) else None
