"""The pipeline of `asof.py` on Spark, here and on a small cluster that loses a worker, beside the other engines.

    python -m mlelab.pipelines.spark                      the year of flights once, two minutes
    python -m mlelab.pipelines.spark --times 1 10 100     and 100 times, 20 minutes and 3 GB of disk

The cluster is Spark's own, one master and two workers of a core each, all on loopback. Spark is in _build/spark
(`make spark`) and needs Java; `on_spark.py` has all that imports it.
"""

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq

from mlelab import engines
from mlelab.pipelines import asof, scale
from mlelab.vertex.compute.processes import free_port

SCRIPT = Path(__file__).with_name("on_spark.py")
LOCAL = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_PUBLIC_DNS": "127.0.0.1"}
SLOW = {"pandas": 10}  # how many times at most: it holds all rows


class TooLong(RuntimeError):
    """A run that was ended at its limit."""


class Cluster:
    """url: of the master. `kill(number)` ends a worker and its executor without a word."""

    def __init__(self, folder: Path, workers: int):
        self._folder, self._processes = folder, {}
        port = free_port()
        self.url = f"spark://127.0.0.1:{port}"
        self._start("master", "-h", "127.0.0.1", "-p", port, "--webui-port", 0, until="New state: ALIVE")
        for number in range(workers):
            self._start(f"worker-{number}", "-h", "127.0.0.1", "-c", 1, "-m", "1g", "--webui-port", 0, "-d",
                        folder / f"work-{number}", self.url, until="Successfully registered with master")

    def _start(self, name, *options, until):
        kind = name.partition("-")[0]
        command = next(engines.python("spark").parents[1].glob("lib/*/site-packages/pyspark/bin/spark-class"))
        log = self._folder / f"{name}.txt"
        with open(log, "wb") as out:
            self._processes[name] = engines.start(command, f"org.apache.spark.deploy.{kind}.{kind.title()}", *options,
                                                out=out, **LOCAL)
        deadline = time.monotonic() + 90
        while until not in log.read_text(errors="replace"):
            if self._processes[name].poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Spark's {name} did not start: {log.read_text(errors='replace')[-400:]}")
            time.sleep(0.1)

    def kill(self, number: int) -> None:
        engines.end(self._processes.pop(f"worker-{number}"))

    def close(self) -> None:
        while self._processes:
            engines.end(self._processes.popitem()[1])


@contextlib.contextmanager
def cluster(workers: int = 2) -> Iterator[Cluster]:
    """A master and its workers for the length of a `with`. Raises engines.Missing without Spark or Java."""
    with tempfile.TemporaryDirectory() as folder:
        need_java()
        made = None
        try:
            made = Cluster(Path(folder), workers)
            yield made
        finally:
            if made:
                made.close()


def need_java() -> None:
    if not shutil.which("java"):
        raise engines.Missing("Spark needs Java 17 or newer. On Debian: apt-get install openjdk-17-jre-headless")


def run(folder: Path, weather: Path, out: Path, *options, at: tuple[int, Callable] | None = None,
        limit: float = 240) -> dict:
    """Run `on_spark.py` to its end; returns the last line that it prints, read as JSON.

    at: (tasks, function): the function is called once so many tasks have ended. Raises RuntimeError if Spark fails, and
    TooLong if it is not done after `limit` seconds.
    """
    need_java()
    process = engines.start(engines.python("spark"), "-u", SCRIPT, folder, weather, out, *options, **LOCAL)
    said, found, begun = [], None, time.monotonic()
    for line in engines.lines(process, limit):
        said.append(line)
        if line.startswith("{"):
            found = json.loads(line)
            if at and found.get("tasks", 0) >= at[0]:
                at[1]()
                at = None
    if process.returncode and time.monotonic() - begun > limit:
        raise TooLong(f"Spark was not done after {limit:.0f} s.")
    if process.returncode or "seconds" not in (found or {}):
        raise RuntimeError(f"Spark ended with status {process.returncode}: {''.join(said)[-600:]}")
    return found


def plan(folder: Path, weather: Path, way: str) -> str:
    """The plan of the joined table as Spark prints it, without the details of each step."""
    command = [engines.python("spark"), SCRIPT, folder, weather, "nowhere", "--asof", way, "--explain"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True, timeout=120,
                          env=engines.environment() | LOCAL)
    tree = done.stdout.split("\n\n")[0].splitlines()
    return "\n".join(line for line in tree if not line.startswith("=="))


def tasks(events: Path) -> list[dict]:
    """What Spark's log of events says of each task: stage, seconds, rows from files, rows moved, how it ended."""
    lines = [json.loads(line) for file in events.iterdir() for line in file.read_text().splitlines()]
    found = []
    for event in lines:
        if event["Event"] == "SparkListenerTaskEnd":
            info, metrics = event["Task Info"], event.get("Task Metrics") or {}
            found.append({
                "stage": event["Stage ID"], "ended": event["Task End Reason"]["Reason"],
                "seconds": (info["Finish Time"] - info["Launch Time"]) / 1000,
                "read": metrics.get("Input Metrics", {}).get("Records Read", 0),
                "moved": metrics.get("Shuffle Read Metrics", {}).get("Total Records Read", 0)})
    return found


def cut(folder: Path, into: Path, files: int = 24) -> Path:
    """The same rows in so many files, each a task of its own."""
    flights = pq.read_table(folder)
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir()
    for number in range(files):
        first, end = (len(flights) * place // files for place in (number, number + 1))
        pq.write_table(flights.slice(first, end - first), into / f"{number:02}.parquet")
    return into


def lose_a_worker(folder: Path, weather: Path, out: Path, after: int = 8) -> dict:
    """Run on two workers, a task for each file, and kill one once `after` tasks have ended; how the tasks ended."""
    with cluster() as spark, tempfile.TemporaryDirectory() as events:
        found = run(folder, weather, out, "--master", spark.url, "--events", events, "--split", 1 << 20,
                    at=(after, lambda: spark.kill(1)))
        ended = Counter(task["ended"] for task in tasks(Path(events)))
    return found | {"ended": dict(ended), "killed_after": after}


def skew(folder: Path, weather: Path, out: Path, way: str) -> dict:
    """Seconds of one way to join, the rows of each task of its largest stage, and how many rows were moved in all."""
    with tempfile.TemporaryDirectory() as events:
        found = run(folder, weather, out, "--asof", way, "--events", events)
        done = tasks(Path(events))
    column = "moved" if way == "window" else "read"
    sums = Counter()
    for task in done:
        sums[task["stage"]] += task[column]
    largest = sums.most_common(1)[0][0]
    rows = sorted((task[column] for task in done if task["stage"] == largest and task[column]), reverse=True)
    return {"seconds": found["seconds"], "rows": rows, "moved": sum(task["moved"] for task in done)}


def measure_one(name: str, folder: Path, weather: Path, out: Path) -> dict:
    """Seconds and peak memory of one engine, in processes of its own."""
    if name == "Spark, here":
        return run(folder, weather, out)
    if name == "Spark, two workers":
        with cluster() as spark:
            return run(folder, weather, out, "--master", spark.url) | {"peak_mib": None}  # of the driver alone
    command = [sys.executable, "-m", "mlelab.pipelines.asof", name, folder, weather, out]
    done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def compare(base: Path, weather: Path, times: list[int]) -> tuple[list[dict], dict]:
    """A row for each engine and size, and the fingerprints by size. Raises RuntimeError where two engines differ."""
    rows, prints = [], {}
    for size in times:
        folder = base / f"x{size}"
        if not folder.exists():
            scale.make(folder, size)
        for name in [*asof.TOOLS, "Spark, here", "Spark, two workers"]:
            if size > SLOW.get(name, size):
                continue
            out = base / "out"
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            try:
                found = measure_one(name, folder, weather, out)
            except TooLong:
                rows.append({"engine": name, "times": size, "seconds": None})
                say(f"{size:4} times  {name:20} not done in four minutes")
                continue
            prints.setdefault(str(size), {})[name] = asof.fingerprints(out)
            flights = int(prints[str(size)][name]["known"].partition("-")[0])
            rows.append({"engine": name, "times": size, "rows": flights, "seconds": found["seconds"],
                         "start_seconds": found.get("start_seconds"), "peak_mib": found["peak_mib"],
                         "files": sum(1 for _ in out.glob("known/*/*.parquet"))})
            say(f"{size:4} times  {name:20} {found['seconds']:7.1f} s")
        if len({tuple(found.values()) for found in prints[str(size)].values()}) > 1:
            raise RuntimeError(f"The engines do not agree at {size} times: {prints[str(size)]}.")
    return rows, prints


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def show(base: Path, times: list[int]) -> dict:
    """Everything; returns what `--record` writes."""
    weather = asof.write_weather(base / "weather.parquet")
    rows, prints = compare(base, weather, times)
    size = min(times)  # enough rows for a loss and for skew to be seen
    folder, found = base / f"x{size}", {}
    say("a worker is killed ...")
    cut(folder, base / "cut")
    shutil.rmtree(base / "out", ignore_errors=True)
    lost = lose_a_worker(base / "cut", weather, base / "out")
    lost["equal"] = asof.fingerprints(base / "out") == prints[str(size)]["DuckDB"]
    for way in ("window", "broadcast"):
        say(f"as of by {way} ...")
        shutil.rmtree(base / "out", ignore_errors=True)
        found[way] = skew(folder, weather, base / "out", way) | {"plan": plan(folder, weather, way)}
        if asof.fingerprints(base / "out") != prints[str(size)]["DuckDB"]:
            raise RuntimeError(f"The join by {way} has other rows.")
    if not lost["equal"]:
        raise RuntimeError("After the loss of a worker the rows are others.")
    return {"spark": lost["version"], "engines": rows, "fingerprints": prints, "times": size, "lost": lost,
            "asof": found}


def main(arguments: list[str] | None = None) -> int:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m mlelab.pipelines.spark", description=__doc__, formatter_class=form)
    parser.add_argument("--times", type=int, nargs="+", default=[1], help="how many times the year (default 1)")
    parser.add_argument("--folder", type=Path, help="for the flights, kept (default: a temporary one)")
    parser.add_argument("--record", type=Path, metavar="FILE", help="write what was found, as JSON")
    parser.add_argument("--machine", default="", help="how the record names this machine")
    chosen = parser.parse_args(arguments)
    begun = time.monotonic()
    try:
        place = contextlib.nullcontext(chosen.folder) if chosen.folder else tempfile.TemporaryDirectory()
        with place as base:
            found = show(Path(base), chosen.times)
    except (engines.Missing, RuntimeError) as error:
        say(str(error))
        return 1
    found["seconds"] = round(time.monotonic() - begun)
    for size, prints in found["fingerprints"].items():
        for name, value in prints.items():
            print(f"{size:>4} times  {value['known']:28} {value['weeks']:24} {name}")
    print(f"one of two workers killed after {found['lost']['killed_after']} tasks, the rest ended so: "
          f"{found['lost']['ended']}; the same rows")
    for way, what in found["asof"].items():
        print(f"as of by {way}: {what['seconds']:.1f} s, rows by task {what['rows'][:12]}")
    if chosen.record:
        engines.record(chosen.record, chosen.machine, **found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
