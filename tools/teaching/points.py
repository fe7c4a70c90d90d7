"""Give points and comments by hand, from a sheet: for what a check cannot judge, and where you see it differently.

    student,check,points,extra,comment
    ada,0.2,,,Well named. Why not one line?
    bob,0.2,0.5,,Nearly: the border is on time.
    bob,0.1,,1,The best decision memo of the week.

points replace what the check gave; extra is added on top, such as the points of a rubric; a comment stands on the
feedback page. An empty cell changes nothing, `-` takes back what was given. `--write` makes the sheet, with what is
given so far. nbgrader's formgrader does the same in a browser, and both write into the same gradebook.
"""

from pathlib import Path

from nbgrader.api import Gradebook

from teaching import classroom, results

HEADS = ["student", "check", "points", "extra", "comment"]


def arguments(parser) -> None:
    parser.add_argument("area", help="the lab, such as 01_lifecycle")
    parser.add_argument("sheet", type=Path, help="the CSV file")
    parser.add_argument("--write", action="store_true", help="make the sheet, with a row for each student and check")


def run(arguments) -> int:
    course, area = classroom.course(arguments), arguments.area
    graded = {one.student: one for one in results.needed(course, area) if one.graded}
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        if arguments.write:
            rows = [[student, check.title, grade.manual_score, grade.extra_credit,
                     comment.manual_comment]
                    for student, one in graded.items() for check in one.checks
                    for grade, comment in [_entry(book, area, student, check)]]
            classroom.save(arguments.sheet, classroom.as_csv(rows, HEADS))
            print(f"{arguments.sheet}: {len(rows)} rows.")
            return 0
        given = _read(arguments.sheet, graded)
        for student, check, row in given:
            grade, comment = _entry(book, area, student, check)
            for name, field in (("points", "manual_score"), ("extra", "extra_credit")):
                if row[name]:
                    setattr(grade, field, None if row[name] == "-" else float(row[name]))
            grade.needs_manual_grade = False
            if row["comment"]:
                comment.manual_comment = None if row["comment"] == "-" else row["comment"]
        book.db.commit()
    print(f"{len(given)} rows of {arguments.sheet.name} are in the gradebook, for "
          f"{len({student for student, *_ in given})} students.")
    return 0


def _entry(book, area: str, student: str, check):
    """nbgrader's rows for the points of a check and for the comment on its exercise."""
    return (book.find_grade(check.name, "lab", area, student),
            book.find_comment(f"exercise-{check.exercise.replace('.', '-')}", "lab", area, student))


def _read(sheet: Path, graded: dict) -> list[tuple]:
    """(student, check, row) of each row that gives something; all of it is sound, or it is refused."""
    found = []
    for number, row in enumerate(classroom.read_csv(sheet, "sheet"), start=2):
        row = {name: (row.get(name) or "").strip() for name in HEADS}
        if not (row["points"] or row["extra"] or row["comment"]):
            continue
        where = f"{sheet.name}, line {number}"
        if row["student"] not in graded:
            classroom.refuse(f"{where}: no submission of {row['student']!r} is graded; nothing was changed.")
        check = next((check for check in graded[row["student"]].checks if check.title == row["check"]), None)
        if check is None:
            titles = ", ".join(check.title for check in graded[row["student"]].checks)
            classroom.refuse(f"{where}: there is no check {row['check']!r}; there are {titles}. Nothing was changed.")
        for name in ("points", "extra"):
            try:
                fine = row[name] in ("", "-") or 0 <= float(row[name]) <= (check.points if name == "points" else 1e3)
            except ValueError:
                fine = False
            if not fine:
                classroom.refuse(f"{where}: {row[name]!r} is not a number of {name} for {check.title}, which has "
                                 f"{check.points:g}. Nothing was changed.")
        found.append((row["student"], check, row))
    return found
