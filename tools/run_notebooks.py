"""Run every notebook of the course under nbval and print what each one took.

solutions/  each kept output must be what the code prints now
labs/       the unsolved labs reach their last cell
book/       every page with code, as a notebook

Exit status 1 if any cell of any notebook fails, or if a notebook ran fewer cells than it has.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import jupytext
import nbformat
import psutil

ROOT = Path(__file__).resolve().parents[1]


def notebooks(kinds: list[str]) -> list[Path]:
    pages = [page for page in ROOT.glob("book/**/*.md") if "{code-cell}" in page.read_text(encoding="utf-8")]
    found = {"solutions": ROOT.glob("solutions/*/*.ipynb"), "labs": ROOT.glob("labs/*/*.ipynb"), "book": pages}
    return [path for kind in kinds for path in sorted(found[kind])]


def run(path: Path, cell_timeout: int, keep: Path | None = None) -> dict:
    """One notebook in a process of its own: whether every cell passed, cells, seconds, peak memory of its processes.

    keep: a file for the notebook with the outputs of this run.
    """
    with tempfile.TemporaryDirectory() as scratch:
        notebook = path
        if path.suffix == ".md":
            notebook = Path(scratch) / f"{path.stem}.ipynb"
            nbformat.write(jupytext.read(path), notebook)
        mode = "--nbval" if "solutions" in path.parts else "--nbval-lax"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", mode, "--nbval-current-env",
                   f"--nbval-cell-timeout={cell_timeout}", "--rootdir", str(notebook.parent), str(notebook)]
        plugin = {"PYTEST_PLUGINS": "keep_outputs", "PYTHONPATH": str(ROOT / "tools"), "KEEP_OUTPUTS": str(keep)}
        begun = time.time()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=scratch,
                                   env=os.environ | (plugin if keep else {}))
        peak = _watch_memory(process)
        output = process.communicate()[0]
        cells = sum(cell.cell_type == "code" and bool(cell.source.strip())
                    for cell in nbformat.read(notebook, as_version=4).cells)
    passed = re.search(r"(\d+) passed", output)
    passed = int(passed[1]) if passed else 0
    name = path.resolve().relative_to(ROOT) if path.resolve().is_relative_to(ROOT) else path
    return {"name": str(name), "cells": cells, "seconds": time.time() - begun, "memory": peak[0] / 2**20,
            "ok": process.returncode == 0 and passed == cells, "output": output}


def _watch_memory(process: subprocess.Popen) -> list[int]:
    """The peak, so far, of the memory of a process and all below it, in bytes, in a list of one."""
    peak = [0]

    def watch():
        while process.poll() is None:
            try:
                family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
                peak[0] = max(peak[0], sum(member.memory_info().rss for member in family))
            except psutil.NoSuchProcess:
                continue
            time.sleep(0.2)

    threading.Thread(target=watch, daemon=True).start()
    return peak


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", type=Path, help="only these notebooks")
    parser.add_argument("--only", nargs="+", choices=("solutions", "labs", "book"), help="only these kinds")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="notebooks at a time")
    parser.add_argument("--cell-timeout", type=int, default=300, help="seconds; a dead kernel is noticed after these")
    parser.add_argument("--table", type=Path, metavar="CSV", help="also write what each one took to a file")
    arguments = parser.parse_args()
    with ThreadPoolExecutor(arguments.jobs) as pool:
        paths = [path.resolve() for path in arguments.paths] or notebooks(
            arguments.only or ["solutions", "labs", "book"])
        results = list(pool.map(partial(run, cell_timeout=arguments.cell_timeout), paths))
    for result in results:
        if not result["ok"]:
            print(result["output"])
    width = max(len(result["name"]) for result in results)
    print(f"{'notebook':{width}}  cells  seconds  peak MiB")
    for result in results:
        print(f"{result['name']:{width}}  {result['cells']:5}  {result['seconds']:7.1f}  {result['memory']:8.0f}"
              + ("" if result["ok"] else "  FAILED"))
    if arguments.table:
        lines = [f"{result['name']},{result['seconds']:.0f},{result['memory']:.0f}" for result in results]
        arguments.table.write_text("\n".join(["notebook,seconds,peak_mib", *lines]) + "\n", encoding="utf-8")
    return 0 if all(result["ok"] for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
