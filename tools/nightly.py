"""Everything that is too slow for each change, one step after the other: `make nightly` calls this.

The steps stand in tools/nightly.yml: to add one, add it there. What happened goes to book/status/nightly/NAME.json,
which the status page shows. The whole takes some hours; `--only NAME` runs some. Exit status 1 if a step is not green.
"""

import argparse
import datetime
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

import course
import yaml
from run_tests import prepare

ROOT = Path(__file__).resolve().parents[1]
STATUS = ROOT / "book" / "status" / "nightly"
STEPS = {step["name"]: step for step in yaml.safe_load((ROOT / "tools" / "nightly.yml").read_text(encoding="utf-8"))}


def run(step: dict) -> bool:
    """Run one step, write down what happened, and say whether it is green."""
    print(f"- {step['name']}: {step['shows']}", flush=True)
    begun = time.monotonic()
    offline = () if step.get("online") else ("tools/offline.py", sys.executable)
    done = subprocess.run([sys.executable, *offline, *shlex.split(step["command"])], cwd=ROOT,
                          env=course.environment() | step.get("variables", {}))
    minutes = (time.monotonic() - begun) / 60
    record(step["name"], done.returncode == 0, minutes)
    print(f"- {step['name']}: {'FAILED' if done.returncode else 'green'} after {minutes:.1f} minutes", flush=True)
    return done.returncode == 0


def record(name: str, green: bool, minutes: float) -> None:
    """Write what a run found, beside the last day on which the step was green."""
    path = STATUS / f"{name}.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    today = datetime.date.today().isoformat()
    commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    entry = {"ran": today, "green": today if green else known.get("green"), "minutes": round(minutes, 1),
             "commit": commit.stdout.strip()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(entry, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=STEPS, default=list(STEPS), metavar="NAME",
                        help=f"of {', '.join(STEPS)}")
    arguments = parser.parse_args()
    prepare()
    red = [name for name in arguments.only if not run(STEPS[name])]
    print(f"- {'FAILED: ' + ', '.join(red) if red else 'Every step is green'}.", flush=True)
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main())
