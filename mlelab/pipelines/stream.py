"""Departures as a stream of reports, and two brokers that deliver them: in this process, or Redis where there is one.

What departed and when is real. When each report arrives, and which arrive twice, is drawn at random: the flights table
does not say.
"""

import contextlib
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd

from mlelab.vertex.compute.processes import GUARD, free_port


def reports(flights: pd.DataFrame, date: str, seed: int = 0) -> pd.DataFrame:
    """The departures of a day as reports in order of arrival.

    Columns: id, time and arrival (UTC seconds), origin, delay (minutes), plane (its tail number).
    Most arrive within minutes, one in twelve takes hours, one in thirty arrives twice.
    """
    rng = np.random.default_rng(seed)
    day = pd.Timestamp(date)
    gone = flights[(flights["month"] == day.month) & (flights["day"] == day.day)].dropna(subset="dep_delay")
    left = gone["time_hour"] + pd.to_timedelta(gone["minute"] + gone["dep_delay"], unit="min")
    wait = rng.exponential(np.where(rng.random(len(gone)) < 1 / 12, 7200, 120), len(gone))
    at = (left - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(seconds=1)
    table = pd.DataFrame({"id": gone["carrier"] + gone["flight"].astype(str) + "-" + gone["origin"], "time": at,
                          "arrival": at + wait.astype(int), "origin": gone["origin"], "delay": gone["dep_delay"],
                          "plane": gone["tailnum"]})
    again = table.sample(frac=1 / 30, random_state=seed)
    again = again.assign(arrival=again["arrival"] + rng.integers(1, 3600, len(again)))
    return pd.concat([table, again]).sort_values(["arrival", "id"], ignore_index=True)


def events(reports: pd.DataFrame) -> list[tuple[str, int, int]]:
    """Reports as (id, time, arrival), in order of arrival."""
    return list(reports[["id", "time", "arrival"]].itertuples(index=False, name=None))


class Log:
    """A broker in this process: what was sent stays in order, and is delivered until it was acknowledged."""

    def __init__(self):
        self._messages, self._next, self._open = [], 0, {}

    def send(self, message: dict) -> None:
        self._messages.append(json.dumps(message))

    def receive(self, count: int) -> list[tuple[str, dict]]:
        """Up to `count` new messages as (number, message); none at the end."""
        new = self._messages[self._next:self._next + count]
        found = {str(self._next + place): json.loads(message) for place, message in enumerate(new)}
        self._next += len(new)
        self._open |= found
        return list(found.items())

    def acknowledge(self, number: str) -> None:
        del self._open[number]

    def redeliver(self) -> list[tuple[str, dict]]:
        """What was received and never acknowledged, as after the crash of a consumer."""
        return list(self._open.items())


class RedisLog:
    """The same on a stream of Redis, for one group of consumers."""

    def __init__(self, client):
        self._client = client
        client.xgroup_create("departures", "counter", id="0", mkstream=True)

    def send(self, message: dict) -> None:
        self._client.xadd("departures", {"json": json.dumps(message)})

    def receive(self, count: int) -> list[tuple[str, dict]]:
        return self._read(">", count)

    def acknowledge(self, number: str) -> None:
        self._client.xack("departures", "counter", number)

    def redeliver(self) -> list[tuple[str, dict]]:
        return self._read("0", None)

    def _read(self, after: str, count: int | None) -> list[tuple[str, dict]]:
        found = self._client.xreadgroup("counter", "one", {"departures": after}, count=count)
        return [(number, json.loads(fields["json"])) for _, messages in found for number, fields in messages]


def has_redis() -> bool:
    """Whether a Redis server (Debian: `apt install redis-server`) and its Python client are installed."""
    return bool(shutil.which("redis-server") and importlib.util.find_spec("redis"))


@contextlib.contextmanager
def broker(kind: str = "here") -> Iterator[Log | RedisLog]:
    """A broker for the length of a `with`: "here", in this process, or "redis", a server on a free loopback port."""
    if kind == "here":
        yield Log()
        return
    import redis

    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        # The guard ends the server when this process is gone, a killed kernel included.
        server = subprocess.Popen([sys.executable, str(GUARD), "0", "0", *command], stdin=subprocess.PIPE,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            client = redis.Redis(port=port, decode_responses=True, protocol=2)
            for attempt in range(100):
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    if attempt == 99 or server.poll() is not None:
                        raise
                    time.sleep(0.1)
            yield RedisLog(client)
            client.close()
        finally:
            server.stdin.close()
            server.wait(10)
