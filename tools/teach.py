"""What an instructor runs in a term, thin over nbgrader: `python tools/teach.py COMMAND --help`."""

import argparse
import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# In the order of a term. Each is a module of tools/teaching: its docstring is the help, `arguments(parser)` names what
# it takes, `run(arguments)` does it and returns the exit status. Heavy imports stand inside `run`.
COMMANDS = ["release", "collect", "autograde", "points", "feedback", "grades", "report", "numbers", "quiz"]


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="teach.py", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = importlib.import_module(f"teaching.{name}")
        command = commands.add_parser(name, help=module.__doc__.splitlines()[0], description=module.__doc__,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
        command.add_argument("--course", type=Path, default=ROOT, metavar="FOLDER",
                             help="the folder with nbgrader_config.py, solutions/ and submitted/ (default: this clone)")
        module.arguments(command)
        command.set_defaults(run=module.run)
    arguments = parser.parse_args(words)
    return arguments.run(arguments)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
