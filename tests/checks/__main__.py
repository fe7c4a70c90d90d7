"""Check the pieces of one exercise, of one lab, or of all: `python -m tests.checks 1.2`, also as `make check EX=1.2`.

Runs the solution, the stub, every named wrong answer, every right answer, and with --adversary every mutant, frozen
argument and piece of junk; prints what does not come out as it should, with the card that a learner would see.
"""

import argparse
import sys
import time

from tests.checks import adversary, corpus, pieces


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.checks", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exercise", nargs="?", help="such as 1.2, or a lab such as 01_lifecycle; default: all")
    parser.add_argument("--seeds", type=int, default=3, help="seeds for each answer (default 3)")
    parser.add_argument("--corpus", action="store_true", help="make the kept cases anew first, and write them")
    parser.add_argument("--adversary", action="store_true", help="mutants, frozen arguments, junk; write the ledger")
    parser.add_argument("--equivalent", type=int, metavar="DRAWS", help="run declared equivalents on so many inputs")
    parser.add_argument("--card", metavar="NAME", help="show the card that this named answer gets")
    parser.add_argument("--seconds", action="store_true", help="say how long a check takes, and no more")
    arguments = parser.parse_args()
    failed = 0
    for exercise in pieces.chosen(arguments.exercise):
        begun = time.time()
        if arguments.seconds:
            print(exercise.number, exercise.name, pieces.seconds(exercise), flush=True)
            continue
        if arguments.card:
            pieces.show_card(exercise, arguments.card)
            continue
        if arguments.corpus:
            print(corpus.write(exercise))
        problems = pieces.problems(exercise, range(arguments.seeds))
        if arguments.adversary:
            entry = adversary.write(exercise, problems)
            problems = entry["problems"]
            print(f"{exercise.number}: {entry['killed']} of {entry['tried']} mutants die, {entry['equivalent']} are "
                  "declared equivalent")
        if arguments.equivalent:
            problems += adversary.unproven(exercise, arguments.equivalent)
        if adversary.ledger(exercise.lab.area).get(exercise.number, {}).get("key") != adversary.key(exercise):
            print(f"{exercise.number}: the ledger is of another state; run with --adversary before you commit")
        failed += bool(problems)
        print("\n".join([f"{exercise.number} {exercise.name}: {'FAILED' if problems else 'ok'} after "
                         f"{time.time() - begun:.1f} s", *(f"  {line}" for line in problems)]), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
