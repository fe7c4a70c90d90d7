"""`make nightly`, and the workflow's own steps on a repository of their own with a stand-in of GitHub's program."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import nightly  # noqa: E402

JOBS = yaml.safe_load((ROOT / ".github" / "workflows" / "nightly.yml").read_text(encoding="utf-8"))["jobs"]
# `gh pr list` says what GH_OPEN holds; `gh pr create` ends with GH_REFUSES.
GH = """#!/bin/sh
if [ "$2" = list ]; then echo "$GH_OPEN"; else echo create >> "$GH_ASKED"; exit "$GH_REFUSES"; fi
"""


def git(*words, cwd: Path) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.edu"]
    return subprocess.run(["git", *who, *words], cwd=cwd, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def github(tmp_path) -> Path:
    """A repository on which main has a record of the first day."""
    git("init", "-q", "-b", "main", "seed", cwd=tmp_path)
    seed = tmp_path / "seed"
    (seed / ".gitignore").write_text("_build/\n")
    put(seed, "first", "first")
    git("add", ".", cwd=seed)
    git("commit", "-qm", "first", cwd=seed)
    git("clone", "-q", "--bare", "seed", "github.git", cwd=tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gh").write_text(GH)
    (tmp_path / "bin" / "gh").chmod(0o755)
    return tmp_path / "github.git"


def put(clone: Path, ran: str, green: str, folder: str = "book/status") -> None:
    path = clone / folder / "newest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"00_start": {"ran": ran, "green": green}}))


def steps(job: str, clone: Path, opened: str = "", refuses: int = 0) -> int:
    """The exit status of a job's own git steps, as GitHub runs them."""
    scripts = [step["run"] for step in JOBS[job]["steps"] if "git " in step.get("run", "")]
    env = {"PATH": f"{clone.parent / 'bin'}:{os.environ['PATH']}", "HOME": str(clone.parent), "GH_OPEN": opened,
           "GH_REFUSES": str(refuses), "GH_ASKED": str(clone.parent / "asked")}
    assert scripts and JOBS[job]["steps"][0]["with"]["fetch-depth"] == 0  # what the clone of this test has, too
    for script in scripts:
        done = subprocess.run(["bash", "-e", "-c", script], cwd=clone, env=env, capture_output=True, text=True)
        if done.returncode:
            return done.returncode
    return 0


def checkout(github: Path, name: str) -> Path:
    git("clone", "-q", github.as_uri(), name, cwd=github.parent)
    return github.parent / name


def night(github: Path, name: str, red: bool = False, **more) -> int:
    """One night: the lab runs, green or red, and then what happened is recorded."""
    lab = checkout(github, f"lab-{name}")
    assert steps("step", lab) == 0
    known = json.loads((lab / "book" / "status" / "newest.json").read_text())["00_start"]["green"]
    record = checkout(github, f"record-{name}")
    put(record, name, known if red else name, "_build/records/status-newest")
    return steps("record", record, **more)


def recorded(github: Path) -> str:
    return json.loads(git("show", "nightly-status:book/status/newest.json", cwd=github))["00_start"]["green"]


def test_a_night_that_nobody_merged_keeps_its_green_day(github):
    assert night(github, "second") == 0 and recorded(github) == "second"
    assert night(github, "third", red=True, opened="https://example.edu/1") == 0 and recorded(github) == "second"


def test_an_environment_without_a_record_keeps_what_was_not_merged(github):
    assert night(github, "second") == 0
    other = checkout(github, "other")
    put(other, "third", "third", "_build/records/status-lowest")
    (other / "_build/records/status-lowest/newest.json").rename(other / "_build/records/status-lowest/lowest.json")
    assert steps("record", other, opened="https://example.edu/1") == 0
    assert recorded(github) == "second"


def test_the_job_is_red_unless_a_pull_request_is_open(github):
    assert night(github, "second", refuses=1) != 0
    assert night(github, "third", refuses=1, opened="https://example.edu/1") == 0
    assert recorded(github) == "third"
    assert (github.parent / "asked").read_text() == "create\n"


def test_a_night_that_changes_nothing_asks_for_nothing(github):
    assert night(github, "first") == 0
    assert not (github.parent / "asked").exists()


def test_the_workflow_runs_every_step():
    """It reads their names with programs of GitHub's machine; jq is not on every other one."""
    [read] = [step["run"] for step in JOBS["steps"]["steps"] if step.get("id") == "read"]
    lines = re.search(r"sed -n '(.*?)' (\S+)", read)
    names = subprocess.run(["sed", "-n", lines[1], lines[2]], cwd=ROOT, capture_output=True, text=True, check=True)
    assert names.stdout.split("\n")[:-1] == list(nightly.STEPS)
    assert JOBS["step"]["strategy"]["matrix"]["step"] == "${{ fromJSON(needs.steps.outputs.names) }}"


@pytest.fixture
def records(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(nightly, "STATUS", tmp_path / "nightly")
    monkeypatch.setattr(nightly, "prepare", lambda: 0)
    monkeypatch.setattr(nightly, "STEPS", {
        "good": {"name": "good", "shows": "S.", "command": "-c 'import os; assert os.environ[\"V\"]'",
                 "variables": {"V": "1"}},
        "bad": {"name": "bad", "shows": "S.", "command": "-c 'raise SystemExit(3)'", "online": True}})
    return tmp_path / "nightly"


def test_every_step_runs_and_is_recorded_and_one_red_step_fails_the_night(records, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["nightly.py"])
    assert nightly.main() == 1
    good, bad = (json.loads((records / f"{name}.json").read_text()) for name in ("good", "bad"))
    assert good["green"] == good["ran"] and bad["green"] is None and bad["ran"] == good["ran"]
    assert all(entry["commit"] for entry in (good, bad))
    monkeypatch.setattr(sys, "argv", ["nightly.py", "--only", "good"])
    assert nightly.main() == 0


def test_a_red_night_keeps_the_last_green_day(records):
    nightly.record("good", True, 1.0)
    day = json.loads((records / "good.json").read_text())["green"]
    nightly.record("good", False, 1.0)
    assert json.loads((records / "good.json").read_text())["green"] == day


@pytest.mark.parametrize("name", nightly.STEPS)
def test_what_a_step_runs_is_there(name):
    words = nightly.STEPS[name]["command"].split()
    files = [word for word in words if word.startswith(("tools/", "tests/"))]
    module = words[1].replace(".", "/") if words[0] == "-m" and words[1].startswith("tests.") else None
    assert files or module or "tests" in words
    assert all((ROOT / file).exists() for file in files)
    assert module is None or (ROOT / f"{module}.py").exists() or (ROOT / module / "__main__.py").exists()
