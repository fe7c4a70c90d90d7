"""Replace two replicas of the alert service while they answer, in two orders, and count: `python tools/rolling.py`.

The load is 60 requests a second. Half a minute; page 7 shows what `--record` has written.
"""

import argparse
import itertools
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from image import make_bundle

from mlelab import engines
from mlelab.serving import load, process

RATE = 60  # requests a second


def stop_then_start(replicas: list[process.Server], start: Callable[[], process.Server]) -> None:
    """The wrong order: an old one is killed, and then a new one takes its place in the list."""
    for place, old in enumerate(list(replicas)):
        old.close()
        replicas[place] = start()


ORDERS = {"stop, then start": stop_then_start, "start, then drain": process.roll}


def under_load(change: Callable, folder: Path, rows: list[dict], logs: Path) -> dict[str, int]:
    """The requests of a load during a change of two replicas: all, failed, and answered by the old and the new ones."""
    old, new = logs / "old.jsonl", logs / "new.jsonl"
    replicas, turn = [process.serve(folder, log=old) for _ in range(2)], itertools.count()
    try:
        sent = load.while_doing(lambda: change(replicas, lambda: process.serve(folder, log=new)),
                                lambda: f"{replicas[next(turn) % 2].url}/predict", {"instances": rows[:1]}, rate=RATE)
    finally:
        for server in replicas:
            server.close()
    by_old, by_new = (len(path.read_text().splitlines()) for path in (old, new))
    return {"requests": len(sent), "failed": int((sent["status"] != 200).sum()), "by_old": by_old, "by_new": by_new}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", type=Path, metavar="FILE", help="write what was found, as JSON")
    parser.add_argument("--machine", default="", help="how the record names this machine")
    chosen, found = parser.parse_args(arguments), {}
    with tempfile.TemporaryDirectory() as place:
        rows = make_bundle(Path(place))
        for name, change in ORDERS.items():
            with tempfile.TemporaryDirectory() as logs:
                found[name] = under_load(change, Path(place), rows, Path(logs))
    print(json.dumps(found, indent=1))
    if chosen.record:
        engines.record(chosen.record, chosen.machine, rate=RATE, orders=found)


if __name__ == "__main__":
    main()
