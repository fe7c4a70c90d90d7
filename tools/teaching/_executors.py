"""Where submissions are graded: threads that each wait for a sandbox, a Dask cluster, or Jobs on Kubernetes.

Each executor is a function from a list of jobs to their results, in the order in which they are done.
"""

import functools
import json
import os
import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[1]


def named(where: str, jobs: int | None, course: Path, area: str):
    """The executor of that name, with as many workers as jobs says."""
    from teaching import _class

    kind, _, address = where.partition("=")
    if jobs is not None and jobs < 1:
        _class.refuse("--jobs is at least 1.")
    workers = jobs or len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))
    if kind == "local":
        return functools.partial(local, workers=workers)
    if kind == "dask":
        return functools.partial(dask, workers=workers, address=address or None)
    if kind == "kubernetes":
        from teaching import _kubernetes

        return functools.partial(_kubernetes.execute, pods=jobs or 10, course=course, area=area)
    return _class.refuse(f"There is no executor {where!r}; there are local, dask, dask=tcp://HOST:PORT and kubernetes.")


def local(jobs: list[dict], workers: int):
    """Here. A thread starts a sandbox and waits for it, so threads are enough."""
    from concurrent.futures import ThreadPoolExecutor, as_completed

    pool = ThreadPoolExecutor(workers)
    try:
        for done in as_completed([pool.submit(safely, job) for job in jobs]):
            yield done.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def dask(jobs: list[dict], workers: int, address: str | None):
    """On a cluster of Dask; its machines have this clone and its environment at the same place."""
    from distributed import Client, as_completed

    if not jobs:
        return
    tools = str(TOOLS)

    def there(job):
        if tools not in sys.path:
            sys.path.insert(0, tools)
        from teaching._executors import safely

        return safely(job)

    start = {"address": address} if address else {
        "n_workers": workers, "threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    with Client(**start, set_as_default=False) as client:
        for done in as_completed(client.map(_by_value(there), jobs, pure=False), loop=client.loop):
            yield done.result()


def _by_value(function):
    """A function that travels as its code: the workers cannot import this module before it has run."""
    function.__module__ = "__main__"
    return function


def safely(job: dict) -> dict:
    """The result of a job; what goes wrong in our own code is a result too, so that the batch goes on."""
    from teaching._grade import grade

    try:
        return grade(job) | {"digest": job["digest"]}
    except Exception as error:  # whatever it is, it concerns one submission
        why = f"The grader itself failed on it ({type(error).__name__}: {error})"
        checks = [{"name": name, "points": cell["points"], "score": 0, "verdict": "stopped", "misconception": None,
                   "says": ""} for name, cell in job["graded"].items()]
        return {"student": job["student"], "area": job["area"], "digest": None, "problem": why, "held": False,
                "says": why + ".", "remarks": [], "checks": checks, "notebook": None}


def main(folder: str, index: int, count: int) -> None:
    """One pod's share of the jobs in a folder: each result is a file that is there whole or not at all."""
    for path in sorted(Path(folder).glob("jobs/*.json"))[index::count]:
        target = Path(folder) / "results" / path.name
        if target.exists():
            continue
        result = safely(json.loads(path.read_text(encoding="utf-8")))
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_suffix(".new")
        beside.write_text(json.dumps(result), encoding="utf-8")
        os.replace(beside, target)
        print(f"{result['student']}: {result['says']}", flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(TOOLS))
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
