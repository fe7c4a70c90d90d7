"""One engine that runs beside the course: `python tools/engine.py kafka` makes its environment, shows and tests it.

Each lives in `_build/NAME`, and nothing of it is in .venv or in requirements.txt. What follows the name goes to the
engine's own program (`--help`). `make test` runs a sample of the tests; this runs all of them.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class Engine(NamedTuple):
    """show: what Python runs. size: on disk. programs: Debian's package for each program that it needs.

    beside: the size of other environments that it compares with, by the name of their extra.
    """

    show: tuple[str, ...]
    size: str
    minutes: str
    programs: dict[str, str] = {}
    beside: dict[str, str] = {}


ENGINES = {
    "kafka": Engine(("-m", "mlelab.pipelines.kafka"), "50 MB", "two minutes"),
    "spark": Engine(("-m", "mlelab.pipelines.spark"), "480 MB", "five minutes", {"java": "openjdk-17-jre-headless"}),
    "torch": Engine(("-m", "mlelab.training.torchrun"), "5.6 GB, most of it CUDA", "five minutes",
                    beside={"jax": "600 MB"}),
    "image": Engine(("tools/image.py",), "2 GB", "five minutes",
                    {name: name for name in ("buildah", "debootstrap")}),
    "score": Engine(("-m", "mlelab.serving.plain"), "nothing", "a minute",
                    {"g++": "g++", "javac": "openjdk-17-jdk-headless", "Rscript": "r-base-core"}),
}


def need(name: str) -> None:
    """Make `_build/NAME`, or leave it as it is; ends the program with one sentence where something is missing."""
    engine = ENGINES[name]
    absent = sorted({package for program, package in engine.programs.items() if not shutil.which(program)})
    if absent:
        sys.exit(f"{name} needs what no package index has. On Debian: apt-get install {' '.join(absent)}")
    for extra, size in {name: engine.size, **engine.beside}.items():
        make(extra, size)


def make(name: str, size: str) -> None:
    """Make `_build/NAME` from the extra of this name; an engine without one needs programs only."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"].get(name)
    if not wanted:
        return
    folder = ROOT / "_build" / name
    uv, python = [Path(sys.executable).with_name("uv"), "--quiet"], ["--python", folder]
    if not any(folder.glob("*/python*")):
        print(f"- Making an environment for {name} in _build/{name}, once: {size}...", flush=True)
        subprocess.run([*uv, "venv", "--python", sys.executable, folder], check=True)
    subprocess.run([*uv, "pip", "install", *python, *wanted], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/engine.py", description=__doc__, add_help=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=ENGINES)
    chosen, rest = parser.parse_known_args()
    need(chosen.name)
    engine = ENGINES[chosen.name]
    print(f"- Running it and then its tests: {engine.minutes}...", flush=True)
    shown = subprocess.run([sys.executable, *engine.show, *rest], cwd=ROOT).returncode
    if shown or "--help" in rest:
        return shown
    tests = [sys.executable, "-m", "pytest", "-q", f"tests/engines/test_{chosen.name}.py"]
    return subprocess.run(tests, cwd=ROOT, env=os.environ | {"MLELAB_WHOLE_ENGINE": "1"}).returncode


if __name__ == "__main__":
    sys.exit(main())
