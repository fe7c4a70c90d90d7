"""What an instructor runs in a term, thin over nbgrader: `python tools/teach.py COMMAND --help`."""

import argparse
import ast
import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# In the order of a term. Each is a module of tools/teaching: its docstring is the help, `arguments(parser)` names what
# it takes, `run(arguments)` does it and returns the exit status. Only the one that was asked for is imported.
COMMANDS = ["release", "collect", "autograde", "points", "feedback", "grades", "report", "numbers", "quiz"]


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="teach.py", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    words = sys.argv[1:] if words is None else words
    for name in COMMANDS:
        doc = ast.get_docstring(ast.parse((ROOT / "tools" / "teaching" / f"{name}.py").read_text(encoding="utf-8")))
        command = commands.add_parser(name, help=doc.splitlines()[0], description=doc,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
        command.add_argument("--course", type=Path, default=ROOT, metavar="FOLDER",
                             help="the folder with nbgrader_config.py, solutions/ and submitted/ (default: this clone)")
        if name in words[:1]:
            module = importlib.import_module(f"teaching.{name}")
            module.arguments(command)
            command.set_defaults(run=module.run)
    arguments = parser.parse_args(words)
    return arguments.run(arguments)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
