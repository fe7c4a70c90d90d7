"""The number that each student's checks print, and who shows a number that belongs to somebody else.

In a lab that was released with --roster, each right answer prints a number of the student's own. This reads the
outputs that the students handed in. A number of another student's is a reason to ask, not a proof: people sit
together, and whoever works in a copy of a friend's file sees the friend's numbers. With six digits, some numbers of a
large class meet by chance: everybody who has one is named, and nobody for a number of their own.
"""

import re
from pathlib import Path

from mlelab.check import open_lab
from mlelab.check.variant import number_of
from teaching import classroom


def arguments(parser) -> None:
    parser.add_argument("area", help="the lab, such as 01_lifecycle")
    parser.add_argument("--roster", type=Path, metavar="CSV", required=True, help="who is in the class")
    parser.add_argument("--output", type=Path, help="default: exports/numbers-AREA.csv in the course's folder")


def run(arguments) -> int:
    course = classroom.course(arguments)
    area = classroom.released(course, arguments.area)
    people = classroom.roster(arguments.roster)
    checks = [(number, part) for number, exercise in open_lab(area).exercises.items()
              for part in exercise.parts or (None,)]
    own = {person.id: {check: number_of(person.id, area, *check) for check in checks} for person in people}
    holders: dict[str, list[str]] = {}
    for student, mine in own.items():
        for (exercise, part), number in mine.items():
            holders.setdefault(str(number), []).append(f"{student}'s number of {exercise}{f' {part}' if part else ''}")
    found = 0
    for person in people:
        folder = course / "submitted" / person.id / area
        path = next((path for path in (folder / "lab.ipynb.before", folder / "lab.ipynb") if path.exists()), None)
        text = path.read_text(encoding="utf-8", errors="replace") if path else ""
        shown = {number for number in re.findall(r"Your number is (\d{6})\b", text) if number in holders}
        for number in sorted(shown - {str(number) for number in own[person.id].values()}, key=holders.get):
            found += 1
            print(f"{person.id}: an output shows {', which is also '.join(holders[number])}.")
    heads = ["student", *(number + (f" {part}" if part else "") for number, part in checks)]
    rows = [[student, *mine.values()] for student, mine in own.items()]
    path = classroom.save(arguments.output or course / "exports" / f"numbers-{area}.csv", classroom.as_csv(rows, heads))
    print(f"{path}: {len(people)} students, {len(checks)} checks; {found} outputs show the number of another.")
    return 1 if found else 0
