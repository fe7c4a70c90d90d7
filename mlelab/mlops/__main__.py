"""Run one step on a folder, or all: `python -m mlelab.mlops FOLDER [STEP]`. Each step's file has the step's name."""

import argparse
from graphlib import TopologicalSorter
from pathlib import Path

from mlelab.mlops import steps


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m mlelab.mlops", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("step", nargs="?", choices=steps.STEPS, help="default: all of them, in order")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name in [arguments.step] if arguments.step else TopologicalSorter(steps.NEEDS).static_order():
        print(f"{name} …", flush=True)
        inputs = [str(arguments.folder / needed) for needed in steps.NEEDS[name]]
        steps.STEPS[name](*inputs, str(arguments.folder / name))


if __name__ == "__main__":
    main()
