"""The pieces of a new exercise, each in its place: `make new LAB=03_features EX=3.10 NAME=share_at_least` calls this.

Writes the cells into solutions/LAB/lab.py, the check with its wrong and right answers into mlelab/check/LAB/NAME.py,
the section that the check links to into book/LAB.md, and one exercise more into book/chapters.yml. What it writes is a
small exercise that works: change it into yours, piece by piece, with `make check EX=3.10` after each.
"""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

CELLS = '''\
# %% [markdown]
# ## {place}. {title}
# Say what this is about, and show it on the case's data in the cell below.

# %%
data.load("flights")["arr_delay"].describe()

# %% [markdown]
# ### Exercise {number}: {heading} (1 point)
# Write `{name}`: the task in one paragraph.

# %% exercise="{number}"
def {name}(values: list[float], limit: float) -> float:
    """The share of `values` at or above `limit`, both in minutes.

    Missing values (nan) do not count. Without any value the answer is nan.
    """
    ### BEGIN SOLUTION
    there = [value for value in values if value == value]
    late = sum(value >= limit for value in there)
    return late / len(there) if there else float("nan")
    ### END SOLUTION

# %% check="{number}" points=1
check.{name}({name})

# %% [markdown]
# **What you should have seen.** Say it in a sentence, with the figure that the check prints.

'''

CHECK = '''\
"""{number} {name}: {heading}."""

from mlelab import data

from . import lab


@lab.exercise("{number}", section="{section}", hints=(
    "Where to look.",
    "How to do it."))
class {name}:
    rule = "The share is counted among the values that are there, and a value at the limit counts."

    def inputs(d):
        limit = d.num(5, 60)
        values = d.list(0, 6, lambda: d.pick([limit, limit - 1, limit + 1, float("nan"), d.num(-20, 90)]))
        return dict(values=values, limit=limit)

    def real():
        return dict(values=data.load("flights", ["arr_delay"])["arr_delay"].head(1_000).tolist(), limit=30.0)

    def figure(share, **_):
        return f"Of the first thousand flights of the year {{share:.1%}} arrived 30 minutes late or more."


# Answers: wrong ones with their misconceptions, and right ones written differently.


@{name}.mistake("M08")
def missing_counts_as_below(values, limit):
    return sum(value >= limit for value in values) / len(values) if values else float("nan")


@{name}.mistake("M31")
def at_the_limit_is_below(values, limit):
    there = [value for value in values if value == value]
    return sum(value > limit for value in there) / len(there) if there else float("nan")


@{name}.mistake("M10")
def in_percent(values, limit):
    there = [value for value in values if value == value]
    return 100 * sum(value >= limit for value in there) / len(there) if there else float("nan")


@{name}.right
def with_pandas(values, limit):
    import pandas as pd

    there = pd.Series(values, dtype=float).dropna()
    return (there >= limit).mean()


@{name}.right
def in_a_loop(values, limit):
    late = count = 0
    for value in values:
        if value == value:
            count, late = count + 1, late + (value >= limit)
    return late / count if count else float("nan")
'''

SECTION = '''\
({section})=
## {title}

What a reader must know for exercise {number}, with an example that computes it.

'''


def new(root: Path, area: str, number: str, name: str, title: str) -> list[str]:
    """Write the pieces below `root` and return the files touched. Raises ValueError, and has written nothing then."""
    words = {"number": number, "name": name, "title": title, "heading": title[0].lower() + title[1:],
             "section": re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")}
    source, page = root / "solutions" / area / "lab.py", root / "book" / f"{area}.md"
    checks, chapters = root / "mlelab" / "check" / area, root / "book" / "chapters.yml"
    lab = source.read_text(encoding="utf-8")
    if f'exercise="{number}"' in lab:
        raise ValueError(f"There is an exercise {number} already.")
    if not re.fullmatch(rf"{int(area[:2])}\.\d+", number) or not name.isidentifier():
        raise ValueError(f"An exercise of {area} has a number such as {int(area[:2])}.9, and the name of a function.")
    last = lab.rindex("# %% [markdown]", 0, lab.rindex("check.progress()"))  # the closing cells
    written = page.read_text(encoding="utf-8")
    end = re.search(r"^(?:\([\w-]+\)=\n)?## (?:Exam lens|Check yourself)", written, re.M)
    if not end:
        raise ValueError(f"{page.name} has no closing sections: put the section `({words['section']})=` in by hand.")
    counts = chapters.read_text(encoding="utf-8")
    line = re.search(rf"^- {{area: {area},.*exercises: (\d+)[,}}]", counts, re.M)
    module = checks.with_suffix(".py")
    if module.exists():  # a chapter's checks in one file become a folder, in which each new one is a file
        text = module.read_text(encoding="utf-8").rstrip("\n") + "\n\n\nlab.read(__name__, __path__)\n"
        module.unlink()
        checks.mkdir()
        (checks / "__init__.py").write_text(text, encoding="utf-8")
    words["place"] = str(1 + len(re.findall(r"^# ## \d+\. ", lab, re.M)))
    (checks / f"{name}.py").write_text(CHECK.format(**words), encoding="utf-8")
    source.write_text(lab[:last] + CELLS.format(**words) + lab[last:], encoding="utf-8")
    page.write_text(written[:end.start()] + SECTION.format(**words) + written[end.start():], encoding="utf-8")
    chapters.write_text(counts[:line.start(1)] + str(int(line[1]) + 1) + counts[line.end(1):], encoding="utf-8")
    return [str(path.relative_to(root)) for path in (source, checks / f"{name}.py", page, chapters)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    areas = sorted(path.parent.name for path in ROOT.glob("solutions/*/lab.py"))
    parser.add_argument("--lab", required=True, choices=areas, metavar="AREA", help="e.g. 03_features")
    parser.add_argument("--exercise", required=True, help="its number, e.g. 3.10")
    parser.add_argument("--name", required=True, help="the function that learners write, e.g. share_at_least")
    parser.add_argument("--title", help="the heading of its section; by default the name in words")
    wanted = parser.parse_args()
    title = wanted.title or wanted.name.replace("_", " ").capitalize()
    try:
        touched = new(ROOT, wanted.lab, wanted.exercise, wanted.name, title)
    except ValueError as reason:
        print(reason, file=sys.stderr)
        return 2
    print("\n".join(f"- {path}" for path in touched))
    print(f"Now make the first three your exercise (tools keep the last), with `make check EX={wanted.exercise}` "
          f"as you go, then `make labs LAB={wanted.lab}` and `make test LAB={wanted.lab}`.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
