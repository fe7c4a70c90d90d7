"""Report what a class got wrong: by exercise and by misconception, as a page, a table and a plot.

reports/AREA/index.html is one page without scripts that opens anywhere; misconceptions.csv and exercises.csv hold its
tables, misconceptions.svg its plot. Names of students are not in it.
"""

from html import escape
from pathlib import Path

from matplotlib.figure import Figure

from mlelab import figure
from mlelab.check.misconceptions import MISCONCEPTIONS
from teaching import classroom, results
from teaching.results import VERDICTS

STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
       color: #1a1a1a; background: #fff }
table { border-collapse: collapse; margin: 1rem 0 } caption { text-align: left; font-weight: bold; padding: .3rem 0 }
th, td { text-align: left; padding: .3rem .8rem; border-bottom: 1px solid #ccc; vertical-align: top }
td.n { text-align: right; font-variant-numeric: tabular-nums }
@media (prefers-color-scheme: dark) { body { color: #eee; background: #121212 } th, td { border-color: #555 } }
"""


def arguments(parser) -> None:
    parser.add_argument("area", help="the lab, such as 01_lifecycle")
    parser.add_argument("--output", type=Path, help="default: reports/AREA in the course's folder")


def run(arguments) -> int:
    course = classroom.course(arguments)
    submissions = [submission for submission in results.needed(course, arguments.area) if submission.graded]
    folder = arguments.output or course / "reports" / arguments.area
    graded = [submission for submission in submissions if not submission.problem]
    named, exercises = by_misconception(graded), by_exercise(graded)
    heads = ["code", "name", "students", "share", "exercises", "why"]
    classroom.save(folder / "misconceptions.csv", classroom.as_csv([list(row.values()) for row in named], heads))
    classroom.save(folder / "exercises.csv",
                   classroom.as_csv([list(row.values()) for row in exercises], list(exercises[0])))
    svg = plot(named, len(graded)) if named else ""
    if svg:
        classroom.save(folder / "misconceptions.svg", svg)
    classroom.save(folder / "index.html", page(arguments.area, submissions, named, exercises, svg))
    print(f"{folder / 'index.html'}: {len(graded)} submissions graded"
          + (f", {len(submissions) - len(graded)} not" if len(graded) < len(submissions) else "")
          + (f"; most met: {named[0]['code']} {named[0]['name']}, {named[0]['students']} students." if named else
             "; no misconception was met."))
    return 0


def by_misconception(submissions: list) -> list[dict]:
    """A row for each misconception that was met, most students first."""
    students, where = {}, {}
    for submission in submissions:
        for check in submission.checks:
            if check.misconception in MISCONCEPTIONS:  # an older release may have named another
                students.setdefault(check.misconception, set()).add(submission.student)
                where.setdefault(check.misconception, set()).add((check.exercise, check.title))
    order = sorted(students, key=lambda code: (-len(students[code]), code))
    return [{"code": code, "name": MISCONCEPTIONS[code].name, "students": len(students[code]),
             "share": round(len(students[code]) / len(submissions), 3),
             "exercises": ", ".join(title for _, title in sorted(where[code])), "why": MISCONCEPTIONS[code].why}
            for code in order]


def by_exercise(submissions: list) -> list[dict]:
    """A row for each check in the order of the lab: students by verdict, and the share of its points earned."""
    rows = {}
    for submission in submissions:
        for check in submission.checks:
            row = rows.setdefault(check.name, {"check": check.title, "points": check.points, "earned": 0.0,
                                               **dict.fromkeys(VERDICTS, 0), "most met": {}})
            row[check.verdict if check.verdict in VERDICTS else VERDICTS[-1]] += 1
            row["earned"] += check.score
            if check.misconception:
                row["most met"][check.misconception] = row["most met"].get(check.misconception, 0) + 1
    for row in rows.values():
        total = row["points"] * sum(row[verdict] for verdict in VERDICTS)
        row["earned"] = round(row["earned"] / total, 3) if total else ""
        row["most met"] = ", ".join(sorted(row["most met"], key=lambda code: (-row["most met"][code], code))[:2])
    return list(rows.values()) or [{"check": "", "points": 0, "earned": "", **dict.fromkeys(VERDICTS, 0),
                                    "most met": ""}]


def plot(named: list[dict], total: int) -> str:
    """A bar for each misconception, as SVG with its description."""
    shown = named[:12][::-1]
    fig = Figure(figsize=(7, 0.9 + 0.4 * len(shown)))
    ax = fig.add_subplot()
    ax.grid(axis="y", visible=False)
    bars = ax.barh([f"{row['code']} {row['name']}" for row in shown], [row["students"] for row in shown])
    ax.bar_label(bars, padding=3)
    ax.set(xlabel=f"students, of {total}", xlim=(0, max(row["students"] for row in shown) * 1.15))
    said = "; ".join(f"{row['code']} {row['name']} {row['students']}" for row in shown[::-1])
    return figure._svg(fig, f"Bar chart of the students who met each misconception, of {total}: {said}.")


def page(area: str, submissions: list, named: list[dict], exercises: list[dict], svg: str) -> str:
    graded = [submission for submission in submissions if not submission.problem]
    mean = sum(submission.score for submission in graded) / len(graded) if graded else 0
    points = max((submission.points for submission in graded), default=0)
    parts = [f"<h1>What the class got wrong in {escape(area)}</h1>",
             f"<p>{len(graded)} submissions were graded, with {mean:.1f} of {points:g} points on average."
             + (f" {len(submissions) - len(graded)} could not be graded." if len(graded) < len(submissions) else "")
             + "</p>"]
    if named:
        parts += [f"<figure style='margin:0;max-width:46rem'>{svg}</figure>",
                  table("Misconceptions, most students first",
                        ["Misconception", "Students", "Share", "Exercises", "Why it is one"],
                        [[f"{row['code']} {row['name']}", row["students"], f"{row['share']:.0%}", row["exercises"],
                          row["why"]] for row in named])]
    else:
        parts.append("<p>No check met a misconception that it knows.</p>")
    parts.append(table("Checks in the order of the lab",
                       ["Check", "Points", "Earned", *(verdict.capitalize() for verdict in VERDICTS), "Most met"],
                       [[row["check"], f"{row['points']:g}", f"{row['earned']:.0%}" if row["earned"] != "" else "",
                         *(row[verdict] for verdict in VERDICTS), row["most met"]] for row in exercises]))
    title = f"{escape(area)}: what the class got wrong"
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
            f"<body><main>{''.join(parts)}</main></body></html>\n")


def table(caption: str, heads: list[str], rows: list[list]) -> str:
    def cell(value) -> str:
        numeric = isinstance(value, int) or (isinstance(value, str) and value.rstrip("%").isdigit())
        return f"<td{' class=n' if numeric else ''}>{escape(str(value))}</td>"

    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
