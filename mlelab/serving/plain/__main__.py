"""Score the same flights in Python, C++, Java and R, where their compilers are."""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from mlelab import case, data, engines
from mlelab.serving import plain


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m mlelab.serving.plain", description=plain.__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", type=Path, metavar="FILE", help="write what was found, as JSON")
    parser.add_argument("--machine", default="", help="how the record names this machine")
    chosen = parser.parse_args(arguments)
    flights = data.load("features").dropna(subset="arr_delay").sample(4_000, random_state=0)
    model = case.linear_model().fit(flights[:3_000], flights["arr_delay"][:3_000] >= case.LATE_MINUTES)
    asked = flights[3_000:]
    ours, found = model.predict_proba(asked)[:, 1], {}
    for language in plain.LANGUAGES:
        if absent := plain.missing(language):
            print(f"{language}: not run, there is no {' and no '.join(absent)} here", file=sys.stderr)
            continue
        begun = time.monotonic()
        theirs = plain.score(model, asked, language)
        found[language] = {"rows": len(theirs), "largest_difference": float(np.abs(theirs - ours).max()),
                           "seconds": round(time.monotonic() - begun, 1),
                           "lines": len(plain.source(model, language).splitlines())}
        print(f"{language:5} {found[language]}")
    if chosen.record:
        engines.record(chosen.record, chosen.machine, languages=found)
    return int(not found or any(what["largest_difference"] > 1e-6 for what in found.values()))


if __name__ == "__main__":
    sys.exit(main())
