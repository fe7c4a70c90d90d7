"""How long a lab takes: an estimate by one formula, for each exercise and for the whole, shown wherever time is named.

    minutes = words / 130 + cells / 2 + lines + 3 * reviewed + waiting

Words are those of prose and docstrings. Cells are worked examples, to be run and looked at. Lines are those of our own
solution, a minute each with the thinking, the first wrong try and the check. Reviewed are functions to be read in a
review. Waiting is what the solved lab was measured to run (tools/hub/memory.csv), in proportion to the cells. An
exercise has what stands from its section's heading, or from the exercise before it, to the next of these.

The core path of a lab is the list `path` in book/chapters.yml: at most 75 minutes that leave a working whole. Points
follow the minutes: one for about ten, at least one for each part.

  python tools/minutes.py            the table of all labs
  python tools/minutes.py --write    bring `lab_minutes` and `exercises` of book/chapters.yml up to date
"""

import argparse
import csv
import math
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
WORDS, CELLS, LINES, REVIEWED = 1 / 130, 1 / 2, 1.0, 3.0  # minutes for one
CORE = 75  # minutes of a core path, at most
HEADING = re.compile(r"^# ### Exercise (\S+): (.+?) \((\d+) points?\b", re.M)
CELL = re.compile(r"^# %%(.*)\n", re.M)
SOLUTION = re.compile(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", re.S)


@dataclass
class Stretch:
    """A part of a lab with one exercise (`number`), or with none."""

    number: str | None = None
    points: int = 0
    words: int = 0
    cells: int = 0
    lines: int = 0
    reviewed: int = 0
    seconds: float = 0.0
    runs: int = field(default=0, repr=False)

    @property
    def minutes(self) -> float:
        return (self.words * WORDS + self.cells * CELLS + self.lines * LINES + self.reviewed * REVIEWED
                + self.seconds / 60)

    @property
    def points_that_follow(self) -> tuple[int, int]:
        """The fewest and the most points that fit these minutes, parts apart."""
        return max(1, math.ceil(self.minutes / 16)), max(1, int(self.minutes / 4.5))


@dataclass
class Length:
    """The stretches of a lab, and what is told of them."""

    stretches: list[Stretch]
    path: list[str]

    @property
    def total(self) -> int:
        return _rounded(sum(stretch.minutes for stretch in self.stretches))

    @property
    def core(self) -> int:
        """Minutes of the core path: its exercises, and what belongs to no exercise."""
        return _rounded(sum(one.minutes for one in self.stretches if one.number is None or one.number in self.path))

    @property
    def exercises(self) -> dict[str, int]:
        return {one.number: max(1, round(one.minutes)) for one in self.stretches if one.number}

    @property
    def points(self) -> int:
        return sum(one.points for one in self.stretches)


def _rounded(minutes: float) -> int:
    return 5 * max(1, round(minutes / 5))


def lab(area: str, root: Path = ROOT) -> Length:
    """The length of a lab that is there. Raises FileNotFoundError for one that is not."""
    source = (root / "solutions" / area / "lab.py").read_text(encoding="utf-8")
    chapters = yaml.safe_load((root / "book" / "chapters.yml").read_text(encoding="utf-8"))
    path = next((chapter.get("path", []) for chapter in chapters if chapter["area"] == area), [])
    return Length(_stretches(source, _seconds(area, root)), [str(number) for number in path])


def _seconds(area: str, root: Path) -> float:
    with (root / "tools" / "hub" / "memory.csv").open(encoding="utf-8") as rows:
        return next((float(row["seconds"]) for row in csv.DictReader(rows) if f"/{area}/" in row["notebook"]), 0.0)


def _stretches(source: str, seconds: float) -> list[Stretch]:
    found = [Stretch()]
    for marks, text in zip(*[iter(CELL.split(source)[1:])] * 2):
        if "markdown" in marks:
            for part in re.split(r"(?=^# ### Exercise |^# ## )", text, flags=re.M):
                if re.match(r"# ## |# ### Exercise ", part) and (part.startswith("# ## ") or found[-1].number):
                    found.append(Stretch())
                if heading := HEADING.match(part):
                    found[-1].number, found[-1].points = heading[1], int(heading[3])
                found[-1].words += _count(part)
        elif not text.startswith(("# claim:", "# fact:")):
            found[-1].runs += 1
            if "exercise=" in marks:
                found[-1].lines += sum(bool(line.strip()) for body in SOLUTION.findall(text)
                                       for line in body.splitlines())
                found[-1].words += _count(" ".join(re.findall(r'"""(.*?)"""', text, re.S)))
            elif "check=" not in marks:
                found[-1].cells += 1
            elif "check.review_" in text:
                found[-1].reviewed += 1
    runs = sum(one.runs for one in found) or 1
    for one in found:
        one.seconds = seconds * one.runs / runs
    return found


def _count(text: str) -> int:
    return len(re.findall(r"[\w'’-]*[A-Za-z][\w'’-]*", text))


def write(root: Path = ROOT) -> str:
    """The text of book/chapters.yml with the minutes and the exercises of the labs that are there."""
    def line(match: re.Match) -> str:
        if not (root / "solutions" / match[1] / "lab.py").exists():
            return match[0]
        length = lab(match[1], root)
        text = re.sub(r"lab_minutes: \d+", f"lab_minutes: {length.total}", match[0])
        return re.sub(r"exercises: \d+", f"exercises: {len(length.exercises)}", text)

    written = (root / "book" / "chapters.yml").read_text(encoding="utf-8")
    return re.sub(r"^- \{area: (\w+),.*$", line, written, flags=re.M)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write book/chapters.yml")
    if parser.parse_args().write:
        (ROOT / "book" / "chapters.yml").write_text(write(), encoding="utf-8")
        return 0
    for path in sorted(ROOT.glob("solutions/*/lab.py")):
        length = lab(path.parent.name)
        print(f"{path.parent.name}: about {length.total} minutes, core path {length.core} ({', '.join(length.path)}), "
              f"{length.points} points")
        for one in length.stretches:
            print(f"  {one.number or '-':5} {one.minutes:5.1f} min  {one.points} points  {one.words:4} words "
                  f"{one.cells:3} cells {one.lines:3} lines {one.reviewed} reviewed {one.seconds:4.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
