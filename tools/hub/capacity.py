"""How large a hub must be: what a student gets and how many fit on a machine, from what the labs were measured to take.

    python tools/hub/capacity.py            print the table
    python tools/hub/capacity.py --write    write values.yaml and tljh.sh anew from memory.csv
    python tools/run_notebooks.py --only solutions --jobs 1 --table tools/hub/memory.csv    measure again
"""

import argparse
import csv
import math
import string
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MEASURED = HERE / "memory.csv"
SERVER = 256  # MiB for a student's JupyterLab beside the kernel; a fresh one on a hub took 155
NODES = ((2, 8), (4, 16), (8, 32), (16, 64))  # vCPU, GiB
RESERVED = 0.1, 1.0  # share and GiB of a node that the system and the hub's own pods keep
WRITTEN = ("values.yaml", "tljh.sh")


def labs() -> dict[str, tuple[float, float]]:
    """For each lab the seconds and the peak MiB of its solved notebook with all its processes."""
    with MEASURED.open(encoding="utf-8") as rows:
        return {Path(row["notebook"]).parent.name: (float(row["seconds"]), float(row["peak_mib"]))
                for row in csv.DictReader(rows)}


def sizes() -> dict[str, float]:
    """GiB that a student is sure of (the middle lab) and may use (the largest lab and a quarter); cores likewise.

    The Littlest JupyterHub knows limits and no guarantees.
    """
    peaks = sorted(peak for _, peak in labs().values())
    return {"guarantee": math.ceil(4 * (peaks[len(peaks) // 2] + SERVER) / 1024) / 4,
            "limit": math.ceil(2 * (1.25 * peaks[-1] + SERVER) / 1024) / 2, "cpu_guarantee": 0.1, "cpu_limit": 2.0}


def students(cpus: int, memory: float) -> dict[str, float]:
    """Students on a node: so that the guarantee is there for each, and so that all may run the largest lab at once.

    `minutes` is how long a class of the first number waits at most if all press Run All on the longest lab in one
    moment: how busy a lab keeps its cores was not measured, so it counts as keeping all that a student may use.
    """
    free = memory * (1 - RESERVED[0]) - RESERVED[1]
    seconds, _ = max(labs().values())
    largest = max(peak for _, peak in labs().values()) + SERVER
    usual = int(free / sizes()["guarantee"])
    return {"usual": usual, "all at once": int(free * 1024 / largest),
            "minutes": math.ceil(usual * seconds * min(sizes()["cpu_limit"], cpus) / cpus / 60)}


def written(name: str) -> str:
    """A configuration file from its template, with the sizes in it."""
    size = sizes()
    words = {"guarantee": f"{size['guarantee']:g}", "limit": f"{size['limit']:g}",
             "cpu_guarantee": f"{size['cpu_guarantee']:g}", "cpu_limit": f"{size['cpu_limit']:g}"}
    return string.Template((HERE / f"{name}.template").read_text(encoding="utf-8")).substitute(words)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write values.yaml and tljh.sh")
    if parser.parse_args().write:
        for name in WRITTEN:
            (HERE / name).write_text(written(name), encoding="utf-8")
    size = sizes()
    print(f"A student may use {size['limit']:g} GiB, and on Kubernetes is sure of {size['guarantee']:g} GiB.")
    for cpus, memory in NODES:
        fit = students(cpus, memory)
        print(f"{cpus:3} vCPU {memory:3} GiB: {fit['usual']:3} students, {fit['all at once']:3} in the largest lab at "
              f"once, {fit['minutes']:3} minutes at most if all run the longest lab")
    return 0


if __name__ == "__main__":
    sys.exit(main())
