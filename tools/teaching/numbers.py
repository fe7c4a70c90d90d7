"""The number that each student's checks print, and who shows a number that belongs to somebody else.

In a lab that was released with --roster, each right answer prints a number of the student's own. This reads the
outputs that the students handed in. A number of another student's is a reason to ask, not a proof: people sit
together, and whoever works in a copy of a friend's file sees the friend's numbers.
"""

from pathlib import Path


def arguments(parser) -> None:
    parser.add_argument("area", help="the lab, such as 01_lifecycle")
    parser.add_argument("--roster", type=Path, metavar="CSV", required=True, help="who is in the class")
    parser.add_argument("--output", type=Path, help="default: exports/numbers-AREA.csv in the course's folder")


def run(arguments) -> int:
    import re

    from mlelab.check import open_lab
    from mlelab.check.variant import number_of
    from teaching import _class

    course = _class.course(arguments)
    area = _class.released(course, arguments.area)
    people = _class.roster(arguments.roster)
    checks = [(number, part) for number, exercise in open_lab(area).exercises.items()
              for part in exercise.parts or (None,)]
    own = {person.id: {check: number_of(person.id, area, *check) for check in checks} for person in people}
    owner = {str(number): (student, check) for student, mine in own.items() for check, number in mine.items()}
    found = 0
    for person in people:
        folder = course / "submitted" / person.id / area
        path = next((path for path in (folder / "lab.ipynb.before", folder / "lab.ipynb") if path.exists()), None)
        text = path.read_text(encoding="utf-8", errors="replace") if path else ""
        shown = {owner[number] for number in re.findall(r"Your number is (\d{6})", text) if number in owner}
        for student, (exercise, part) in sorted(shown, key=str):
            if student != person.id:
                found += 1
                print(f"{person.id}: the output of {exercise}{f' {part}' if part else ''} shows {student}'s number.")
    heads = ["student", *(number + (f" {part}" if part else "") for number, part in checks)]
    rows = [[student, *mine.values()] for student, mine in own.items()]
    path = _class.save(arguments.output or course / "exports" / f"numbers-{area}.csv", _class.as_csv(rows, heads))
    print(f"{path}: {len(people)} students, {len(checks)} checks; {found} outputs show the number of another.")
    return 1 if found else 0
