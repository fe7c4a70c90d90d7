"""Everything that CI runs, some suites at a time and without network: `make test` calls this.

`--lab 05_training` runs what concerns one lab. At the end stand a table by test file, the ten slowest tests, and what
was left out on this machine with the line that installs it. Exit status 1 if a suite failed.
"""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import course
import engine
import psutil
from course import BIN, ROOT, extras, run, say, tool

REPORTS = ROOT / "_build" / "tests"
LONE, JAX, ADULT = (ROOT / "_build" / name for name in ("lone", "jax", "adult"))
AREAS = sorted(path.parent.name for path in ROOT.glob("solutions/*/lab.py"))
# Each in a process of its own: TensorFlow's devices are set once, and browser tests leave an event loop. Some run at a
# time, so the longest come first. Folders that are not named here run in the suite "everything else".
FOLDERS = {"book": "book", "journeys": "journeys", "checks": "checks", "local cloud": "vertex", "teaching": "teaching",
           "training": "training", "pipelines": "mlops"}
PREPARED = ("training", "everything else")  # they use the environments that are made meanwhile
# Tests of a lab's code that are not in the folder of its name.
OWN = {"data": "package/test_pipelines.py", "deployment": "serving"}
# Tests wait for servers, browsers and clocks: with as many suites as cores, a quarter of the cores' time was idle.
LANES = min((os.cpu_count() or 1) + 1, 4)
SLOWEST = 10

running: list[subprocess.Popen] = []
stopped, prepared = threading.Event(), threading.Event()


@dataclass
class Suite:
    """One command; `seconds` and `ok` are known when it has run."""

    name: str
    command: list
    seconds: float = 0
    ok: bool = False

    @property
    def report(self) -> Path:
        return REPORTS / f"{self.name.replace(' ', '_')}.xml"


def offline(*command: object) -> list:
    return [sys.executable, ROOT / "tools" / "offline.py", sys.executable, *command]


def pytest(name: str, *words: object) -> Suite:
    suite = Suite(name, [])
    suite.command = offline("-m", "pytest", "-q", f"--junitxml={suite.report}", *words)
    return suite


def all_suites() -> list[Suite]:
    """The suites of the whole course, in the order in which they start."""
    tests = ROOT / "tests"
    # The pages have run in the book's build, the unsolved labs in the journeys: neither runs again under nbval.
    return [Suite("other environments", [sys.executable, __file__, "--prepare"]),
            Suite("solved labs", offline(ROOT / "tools" / "run_notebooks.py", "--only", "solutions", "--jobs", "1")),
            *(pytest(name, tests / folder) for name, folder in FOLDERS.items()),
            pytest("everything else", tests, *(f"--ignore={tests / folder}" for folder in FOLDERS.values())),
            Suite("labs are what their sources make", offline(ROOT / "tools" / "make_labs.py", "--check")),
            Suite("lint", offline("-m", "ruff", "check", ROOT))]


def suites_of(area: str) -> list[Suite]:
    """What concerns one lab: its source and notebooks, its pages, its checks, the tests of its code."""
    tests, name = ROOT / "tests", area.partition("_")[2]
    own = tests / OWN.get(name, name)
    notebooks = [ROOT / "solutions" / area / "lab.ipynb", *sorted(ROOT.glob(f"book/{area}*.md"))]
    return [Suite("solved lab and pages", offline(ROOT / "tools" / "run_notebooks.py", "--jobs", "1", *notebooks)),
            pytest("checks", tests / "checks", "-k", area),
            pytest("unsolved lab", tests / "journeys" / "test_unsolved.py", tests / "notebooks", "-k", area),
            *([pytest("its code", own)] if own.exists() else []),
            Suite("the lab is what its source makes",
                  offline(ROOT / "tools" / "make_labs.py", "--check", "--lab", area)),
            Suite("lint", offline("-m", "ruff", "check", ROOT))]


def execute(suite: Suite) -> None:
    """Run one suite, then print all it said: what two say at a time would be mixed up."""
    if suite.name in PREPARED:
        prepared.wait()
    if stopped.is_set():
        return
    say(f"{suite.name}...")
    begun = time.time()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([str(part) for part in suite.command], cwd=ROOT, stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, env=course.environment(), start_new_session=True)
        running.append(process)
        suite.ok = process.wait() == 0
        running.remove(process)
        log.seek(0)
        printed = log.read().decode(errors="replace")
    suite.seconds = time.time() - begun
    if "--prepare" in suite.command:
        prepared.set()
    if not stopped.is_set():
        print(printed, end="", flush=True)
        say(f"{suite.name}: {'ok' if suite.ok else 'FAILED'} after {suite.seconds:.0f} s")


def stop(*_: object) -> None:
    """End the suites that run and all that they started: a Ctrl+C reaches this process and no other."""
    if stopped.is_set():
        return
    stopped.set()
    prepared.set()
    leaders, family = [], []
    for process in list(running):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended by itself
            leaders.append(psutil.Process(process.pid))
            family += [leaders[-1], *leaders[-1].children(recursive=True)]
    for leader in leaders:
        # pytest closes its servers and browsers then. Windows knows no groups.
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            os.killpg(leader.pid, signal.SIGINT) if hasattr(os, "killpg") else leader.terminate()
    psutil.wait_procs(leaders, timeout=15)
    for member in psutil.wait_procs(family, timeout=2)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()


def prepare() -> int:
    """Make the environments beside .venv that some tests use: this one needs the network."""
    uv = tool("uv")
    install = (uv, "pip", "install", "--quiet", "--constraint", ROOT / "requirements.txt", "--python")
    # Nothing but the built package and a kernel, for a notebook that comes alone.
    wheels = LONE.parent / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    run(uv, "build", "--quiet", "--wheel", "--no-build-isolation", "--python", tool("python"), "--out-dir", wheels,
        ROOT)
    run(uv, "venv", "--quiet", "--clear", "--python", tool("python"), LONE)
    run(*install, LONE / BIN / "python", "ipykernel", "nbclient", *wheels.glob("*.whl"))
    # Keras on JAX for the CPU, for one side-by-side of chapter 5.
    if not (JAX / BIN / "python").exists():
        run(uv, "venv", "--quiet", "--python", tool("python"), JAX)
    run(*install, JAX / BIN / "python", *extras()["jax"])
    # The old package whose data datasets/build.py reads, without what it depends on.
    run(uv, "pip", "install", "--quiet", "--no-deps", "--target", ADULT, *extras()["adult"])
    engine.need("kafka")
    return 0


def cases(suites: list[Suite]) -> list[tuple[str, str, float, str | None]]:
    """Each test's file, name, seconds with what was set up for it, and the reason why it was left out, if it was."""
    found = []
    for suite in suites:
        for case in ElementTree.parse(suite.report).iter("testcase") if suite.report.exists() else ():
            skipped = case.find("skipped")
            found.append((case.get("classname").replace(".", "/") + ".py", case.get("name"), float(case.get("time")),
                          None if skipped is None else skipped.get("message")))
    return found


def summary(suites: list[Suite]) -> list[str]:
    """The lines at the end: seconds by suite and by file, the slowest tests, what was left out and how to get it."""
    ran = cases(suites)
    rows = [(suite.seconds, "", suite.name.upper()) for suite in suites]
    for file in {case[0] for case in ran}:
        inside = [case for case in ran if case[0] == file]
        rows.append((sum(case[2] for case in inside), str(len(inside)), file))
    lines = ["", " seconds  tests  suite or file"]
    lines += [f"{seconds:8.1f}  {count:>5}  {name}" for seconds, count, name in sorted(rows, reverse=True)]
    lines += ["", f"The {SLOWEST} slowest tests, each with what was set up for it:"]
    lines += [f"{seconds:8.1f}  {file}::{name}" for file, name, seconds, _ in
              sorted(ran, key=lambda case: -case[2])[:SLOWEST]]
    left_out = Counter(why for *_, why in ran if why)
    lines += ["", f"Left out here: {left_out.total()} of {len(ran)} tests."]
    lines += [f"{count:8}  {why}" for why, count in left_out.most_common()]
    if absent := course.absent_programs():
        lines.append(f"Those that need another program run after: sudo apt-get install {' '.join(absent)}")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", choices=AREAS, metavar="AREA", help="only what concerns this lab, e.g. 05_training")
    parser.add_argument("--prepare", action="store_true", help="only make the environments that some tests use")
    arguments = parser.parse_args()
    if arguments.prepare:
        return prepare()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    begun = time.time()
    shutil.rmtree(REPORTS, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    suites = suites_of(arguments.lab) if arguments.lab else all_suites()
    with ThreadPoolExecutor(LANES) as pool:
        list(pool.map(execute, suites))
    if stopped.is_set():
        say("Stopped, and nothing that was started is left.")
        return 130
    print("\n".join(summary(suites)))
    failed = [suite.name for suite in suites if not suite.ok]
    say(f"{'FAILED: ' + ', '.join(failed) if failed else 'Everything passed'} in {time.time() - begun:.0f} s.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
