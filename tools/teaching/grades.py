"""Write the points of all graded labs: a plain table, or the CSV file that Canvas, Moodle or Blackboard imports.

For a system's own format pass the table that it exports as --roster: its rows and the columns that identify a student
stay as they are, and the labs' columns are filled in. A column whose heading has the lab's name is filled, such as
"Lab 0 (7781)" of Canvas, "Assignment: Lab 0 (Real)" of Moodle or "Lab 0 [Total Pts: 2 Score] |4711" of Blackboard;
else a new one is added. In a grading worksheet of Moodle, the column Grade is filled, for one lab.

A cell stays empty, and the student is named, where a submission is not graded yet.

Late work costs what the term's nbgrader_config.py says, which is nothing at first: see tools/teaching/late.py.
"""

import re
from pathlib import Path

import yaml

from teaching import classroom, results

# The columns of each system that say whose row it is: what its export has of them stays.
IDENTIFY = {
    "canvas": ["Student", "ID", "SIS User ID", "SIS Login ID", "Root Account", "Section"],
    "moodle": ["Identifier", "Full name", "First name", "Last name", "Surname", "Username", "ID number",
               "Email address"],
    "blackboard": ["Last Name", "First Name", "Username", "Student ID", "Last Access", "Availability"],
}
WAITS = ""  # the cell of points that nobody knows yet
NEEDED = {"canvas": ["Student", "ID", "Section"], "moodle": [], "blackboard": ["Username"]}


def arguments(parser) -> None:
    parser.add_argument("areas", nargs="*", metavar="AREA", help="only these labs (default: all that are graded)")
    parser.add_argument("--format", choices=["table", *IDENTIFY], default="table")
    parser.add_argument("--roster", type=Path, metavar="CSV", help="who is in the class; needed for a system's format")
    parser.add_argument("--name", default="Lab {number}", help="heading of a lab's column (default: 'Lab {number}'; "
                        "{area} and {title} work too)")
    parser.add_argument("--missing", choices=["empty", "zero"], default="empty", help="who handed in nothing")
    parser.add_argument("--output", type=Path, help="default: exports/grades-FORMAT.csv in the course's folder")


def run(arguments) -> int:
    course = classroom.course(arguments)
    if arguments.format != "table" and not arguments.roster:
        classroom.refuse(f"For {arguments.format}, name with --roster the table that it exports.")
    areas = arguments.areas or results.graded_areas(course)
    if not areas:
        classroom.refuse("Nothing is graded yet: run `autograde` first.")
    people = classroom.roster(arguments.roster) if arguments.roster else []
    points, possible, late, known, unsure = {}, {}, [], set(), {}
    policy = results.policy(course)
    waiting = []

    def owner(student: str) -> str:
        """The student's name in this roster, which may use another key than the one they were collected with."""
        fitting = [person.id for person in people if person.id == student] or [
            person.id for person in classroom.find(people, keys=[student])]
        if len(fitting) > 1:
            unsure[student] = f"{student} (fits {' and '.join(fitting)})"
        return fitting[0] if len(fitting) == 1 else student

    for area in areas:
        came_from: dict[str, str] = {}
        submissions = results.needed(course, area)
        for submission in submissions:
            student = owner(submission.student)
            other = came_from.setdefault(student, submission.student)
            if other != submission.student:
                classroom.refuse(
                    f"{area} has two submissions of {student}, graded as {other} and {submission.student}: give each "
                    f"a row in {arguments.roster.name}, or remove one from submitted/.")
            known.add(student)
            possible[area] = number(max(possible.get(area, 0), submission.points))
            if not submission.graded:
                points[student, area] = WAITS
                waiting.append(f"{student} ({area})")
                continue
            points[student, area] = number(submission.total)
            if submission.late:
                late.append(f"{submission.student}: {area} came {submission.late}"
                            + f"; it loses {number(submission.penalty)} points" * bool(submission.penalty) + ".")
        untimed = [submission.student for submission in submissions if submission.timed is False]
        if untimed:
            late.append(f"The time is unknown for {len(untimed)} of {len(submissions)} submissions of {area}, which "
                        f"count as in time: {', '.join(untimed)}. Write it into submitted/STUDENT/{area}/timestamp.txt "
                        "as '2027-02-01 23:59'.")
        if getattr(policy, "per_day", 0) and all(submission.timed is None for submission in submissions):
            late.append(f"{area} has no due date, so nobody is late: release it with --due.")
    heads, rows = (plain_table if arguments.format == "table" else system_table)(
        arguments, areas, people, points, possible, sorted(known))
    path = classroom.save(arguments.output or course / "exports" / f"grades-{arguments.format}.csv",
                       classroom.as_csv(rows, heads, ours=arguments.format == "table"))
    for line in late:
        print(line)
    strangers = sorted(known - {person.id for person in people}) if people else []
    if strangers:
        print(f"Not in the roster, and not in the file: "
              f"{', '.join(unsure.get(student, student) for student in strangers)}.")
    if waiting:
        print(f"Left empty, handed in and not graded: {', '.join(waiting)}.")
    print(f"{path}: {len(rows)} rows, {len(areas)} labs.")
    return 1 if strangers or waiting else 0


def number(points: float) -> float | int:
    """Points as people write them: two decimals at most, and none where there are none."""
    points = round(points, 2)
    return int(points) if points == int(points) else points


def heading(name: str, area: str) -> str:
    chapters = yaml.safe_load((classroom.ROOT / "book" / "chapters.yml").read_text(encoding="utf-8"))
    title = next((chapter["title"] for chapter in chapters if chapter["area"] == area), area)
    try:
        return name.format(number=int(area[:2]), area=area, title=title)
    except (KeyError, IndexError, ValueError):
        classroom.refuse(f"{name!r} is not a heading: use {{number}}, {{area}} or {{title}}.")


def plain_table(arguments, areas, people, points, possible, known):
    """student, name, a column for each lab, total."""
    names = {person.id: person.name for person in people}
    everybody = [person.id for person in people] + [student for student in known if not people]
    nothing = 0 if arguments.missing == "zero" else ""
    rows = [["points possible", "", *(possible[area] for area in areas), sum(possible.values())]]
    for student in everybody:
        scores = [points.get((student, area), nothing) for area in areas]
        waits = any(points.get((student, area)) == WAITS for area in areas)
        total = WAITS if waits else number(sum(score or 0 for score in scores))
        rows.append([student, names.get(student, ""), *scores, total])
    return ["student", "name", *(heading(arguments.name, area) for area in areas), "total"], rows


def system_table(arguments, areas, people, points, possible, known):
    """The rows of the system's own export, with the labs' columns filled in."""
    there = list(people[0].row)
    kept = [head for head in there if head in IDENTIFY[arguments.format]]
    absent = [head for head in NEEDED[arguments.format] if head not in kept]
    if absent or not kept:
        classroom.refuse(f"{arguments.roster.name} is not an export of {arguments.format}: it has no column "
                      f"{(absent or IDENTIFY[arguments.format])[0]!r}.")
    columns = {}
    for area in areas:
        name = heading(arguments.name, area)
        fitting = [head for head in there if re.fullmatch(rf"([^:]+: )?{re.escape(name)}( [(\[].*)?", head or "")]
        if len(fitting) > 1:
            classroom.refuse(f"{arguments.roster.name} has two columns for {area}, {fitting[0]!r} and {fitting[1]!r}: "
                          "give the whole heading with --name, or remove one.")
        columns[area] = fitting[0] if fitting else name
    if arguments.format == "moodle" and {"Identifier", "Grade"} <= set(there):
        if len(areas) > 1:
            classroom.refuse(f"{arguments.roster.name} is a grading worksheet, which has one lab: name that, as in "
                          f"`grades {areas[0]}`.")
        columns, kept = {areas[0]: "Grade"}, [head for head in there if head and head != "Grade"]
    nothing = 0 if arguments.missing == "zero" else ""
    rows = [[*(person.row[head] for head in kept), *(points.get((person.id, area), nothing) for area in areas)]
            for person in people]
    if arguments.format == "canvas":  # Canvas takes the points of a new assignment from this row
        rows.insert(0, ["    Points Possible", *[""] * (len(kept) - 1), *(possible[area] for area in areas)])
    return [*kept, *columns.values()], rows
