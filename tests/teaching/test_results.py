"""From verdicts to grades, feedback and a report: the numbers are right, and nothing hidden is shown."""

import csv
import datetime
import re
import shutil
import time
import zipfile
from xml.etree import ElementTree as ET

import nbformat
import numpy as np
import pytest
from nbgrader.api import Gradebook
from teaching import classroom, feedback, repair

from mlelab.check import open_lab
from mlelab.check.draw import draw
from mlelab.check.engine import DRAWS
from mlelab.check.misconceptions import MISCONCEPTIONS
from mlelab.check.source import solution
from mlelab.check.variant import number_of, seed_of
from tests.journeys.students import handed_in
from tests.teaching.conftest import AREA, ROOT


def check(name, points, verdict, code=None, says=""):
    return {"name": name, "points": points, "score": points if verdict == "right" else 0, "verdict": verdict,
            "misconception": code, "says": says}


CLASS = {
    "ada": [check("check-0-1", 1, "right"), check("check-0-2", 1, "right"), check("hidden-0-2-1", 2, "right")],
    "grace": [check("check-0-1", 1, "wrong", "M34", "A version is a row of numbers."),
              check("check-0-2", 1, "wrong", "M08", "Among flights that arrived."),
              check("hidden-0-2-1", 2, "wrong", None, "CANARY")],
    "jose": [check("check-0-1", 1, "wrong", "M08"), check("check-0-2", 1, "not attempted"),
             check("hidden-0-2-1", 2, "stopped")],
}


@pytest.fixture
def graded(course, grade_as):
    grade_as(CLASS | {"zoe": []}, {"zoe": "The file is empty."})
    return course


def table(path) -> list[list[str]]:
    """The rows; ours start with a byte order mark, which Excel needs, and a system's own do not."""
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    assert text.startswith("\ufeff") != (re.sub(r"grades-|\.csv", "", path.name) in SYSTEMS)
    return list(csv.reader(text.removeprefix("\ufeff").splitlines()))


def test_a_plain_table_of_grades(graded, run):
    status, said = run("grades")
    assert status == 0 and "5 rows, 1 labs." in said
    assert table(graded / "exports" / "grades-table.csv") == [
        ["student", "name", "Lab 0", "total"], ["points possible", "", "4", "4"], ["ada", "", "4", "4"],
        ["grace", "", "0", "0"], ["jose", "", "0", "0"], ["zoe", "", "0", "0"]]


def test_the_roster_decides_who_is_in_the_table(graded, run):
    status, said = run("grades", "--roster", graded / "roster.csv", "--missing", "zero", "--name", "{area}: {title}")
    assert status == 1 and "Not in the roster, and not in the file: zoe." in said
    rows = table(graded / "exports" / "grades-table.csv")
    assert rows[0] == ["student", "name", "00_start: Start here", "total"]
    assert rows[-1] == ["mary_ann", "Mary Ann O'Neill", "0", "0"]


def test_points_go_to_no_other_student(course, run, grade_as):
    """Names that differ in a dot only are two; a name that fits two is a stranger's."""
    grade_as({"j.lee": CLASS["ada"], "jlee": CLASS["grace"], "m-ro": CLASS["ada"]})
    path = course / "alike.csv"
    path.write_text("student_id\njlee\nj.lee\nm_ro\nm.ro\n")
    status, said = run("grades", "--roster", path)
    assert status == 1 and "Not in the roster, and not in the file: m-ro (fits m_ro and m.ro).\n" in said
    assert [row[0::2] for row in table(course / "exports" / "grades-table.csv")[2:]] == [
        ["jlee", "0"], ["j.lee", "4"], ["m_ro", ""], ["m.ro", ""]]


def test_two_submissions_of_one_student_are_refused(course, run, grade_as):
    grade_as({"ada": CLASS["ada"], "1001": CLASS["grace"]})
    assert run("grades", "--roster", course / "roster.csv") == (
        1, "00_start has two submissions of ada, graded as 1001 and ada: give each a row in roster.csv, or remove one "
        "from submitted/.")
    assert not (course / "exports").exists()


SYSTEMS = {
    "canvas": ('Student,ID,SIS User ID,SIS Login ID,Section,Lab 0 (7781),Quiz 1 (7782),Final Score\n'
               '    Points Possible,,,,,4,10,(read only)\n"Lovelace, Ada",501,s1,ada,A,,,90\n'
               '"Lee, Bob",502,s2,bob,A,,,\n',
               ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Lab 0 (7781)"],
               [["    Points Possible", "", "", "", "", "4"], ["Lovelace, Ada", "501", "s1", "ada", "A", "4"],
                ["Lee, Bob", "502", "s2", "bob", "A", ""]]),
    "moodle": ("First name,Last name,ID number,Email address,Department,Assignment: Lab 1 (Real)\n"
               "Ada,Lovelace,ada,ada@example.edu,X,-\nBob,Lee,bob,bob@example.edu,X,-\n",
               ["First name", "Last name", "ID number", "Email address", "Lab 0"],
               [["Ada", "Lovelace", "ada", "ada@example.edu", "4"], ["Bob", "Lee", "bob", "bob@example.edu", ""]]),
    "blackboard": ('"Last Name"\t"First Name"\t"Username"\t"Student ID"\t"Lab 0 [Total Pts: 4 Score] |4711"\n'
                   '"Lovelace"\t"Ada"\t"ada"\t"501"\t""\n"Lee"\t"Bob"\t"bob"\t"502"\t""\n',
                   ["Last Name", "First Name", "Username", "Student ID", "Lab 0 [Total Pts: 4 Score] |4711"],
                   [["Lovelace", "Ada", "ada", "501", "4"], ["Lee", "Bob", "bob", "502", ""]]),
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_table_of_each_system_is_its_own_export_filled_in(graded, run, system):
    export, heads, rows = SYSTEMS[system]
    (graded / "export.csv").write_bytes(export.encode("utf-16" if system == "blackboard" else "utf-8"))
    status, said = run("grades", "--format", system, "--roster", graded / "export.csv")
    assert status == 1 and "grace, jose, zoe" in said
    assert table(graded / "exports" / f"grades-{system}.csv") == [heads, *rows]


@pytest.fixture(scope="module")
def entered(tmp_path_factory):
    """A gradebook as autograding leaves it."""
    classroom.reach_nbgrader()
    path = tmp_path_factory.mktemp("entered") / "gradebook.db"
    with Gradebook(f"sqlite:///{path}") as gradebook:
        gradebook.add_assignment(AREA)
        gradebook.add_notebook("lab", AREA)
        for one in CLASS["ada"]:
            gradebook.add_grade_cell(one["name"], "lab", AREA, max_score=one["points"], cell_type="code")
        for exercise in ("exercise-0-1", "exercise-0-2"):
            gradebook.add_solution_cell(exercise, "lab", AREA)
        for student, checks in CLASS.items():
            gradebook.update_or_create_student(student)
            gradebook.add_submission(AREA, student)
            for one in checks:
                gradebook.find_grade(one["name"], "lab", AREA, student).auto_score = one["score"]
        gradebook.db.commit()
    return path


@pytest.fixture
def books(graded, entered):
    shutil.copy(entered, graded)
    with Gradebook(f"sqlite:///{graded / 'gradebook.db'}") as gradebook:
        yield gradebook


def test_points_that_were_given_by_hand_count_at_once(books, graded, run):
    """Without a second autograde: in grades, on the feedback page and in the report."""
    books.find_grade("check-0-1", "lab", AREA, "grace").manual_score = 0.5
    books.find_grade("check-0-2", "lab", AREA, "ada").manual_score = 0
    books.db.commit()
    export, heads, _ = SYSTEMS["canvas"]
    (graded / "export.csv").write_text(export.replace("bob", "grace"))
    run("grades", "--format", "canvas", "--roster", graded / "export.csv")
    assert [row[-1] for row in table(graded / "exports" / "grades-canvas.csv")] == [heads[-1], "4", "3", "0.5"]
    assert run("feedback", AREA)[0] == 0
    assert "0.5 of 4 points." in (graded / "feedback" / "grace" / AREA / "lab.html").read_text()
    assert run("report", AREA)[0] == 0
    assert [row[2] for row in table(graded / "reports" / AREA / "exercises.csv")] == ["earned", "0.5", "0.0", "0.333"]


def test_points_and_comments_of_a_sheet_reach_grades_and_feedback(books, graded, run):
    sheet = graded / "sheet.csv"
    assert run("points", AREA, sheet, "--write")[1] == f"{sheet}: 9 rows.\n"
    assert table(sheet)[1] == ["ada", "0.1", "", "", ""]
    sheet.write_text("student;check;points;extra;comment\ngrace;0.1;0.5;;Nearly: look <again>.\njose;0.2;;1.5;\n"
                     "ada;hidden check of 0.2;0;;\n", encoding="utf-8")
    assert run("points", AREA, sheet) == (0, "3 rows of sheet.csv are in the gradebook, for 3 students.\n")
    run("grades")
    assert [row[2] for row in table(graded / "exports" / "grades-table.csv")[2:]] == ["2", "0.5", "1.5", "0"]
    run("feedback", AREA)
    page = (graded / "feedback" / "grace" / AREA / "lab.html").read_text()
    assert "0.5 of 1, given by hand" in page and page.count("Comment: Nearly: look &lt;again&gt;.") == 1
    run("points", AREA, sheet, "--write")
    assert ["grace", "0.1", "0.5", "", "Nearly: look <again>."] in table(sheet)
    sheet.write_text("student,check,points,comment\ngrace,0.1,-,-\n", encoding="utf-8")
    run("points", AREA, sheet)
    run("feedback", AREA)
    page = (graded / "feedback" / "grace" / AREA / "lab.html").read_text()
    assert "given by hand" not in page and "Comment" not in page


@pytest.mark.parametrize(("row", "says"), [
    ("eve,0.1,1,", "line 3: no submission of 'eve' is graded; nothing was changed."),
    ("ada,9.9,1,", "line 3: there is no check '9.9'; there are 0.1, 0.2, hidden check of 0.2. Nothing was changed."),
    ("ada,0.1,7,", "line 3: '7' is not a number of points for 0.1, which has 1. Nothing was changed."),
    ("ada,0.1,nan,", "line 3: 'nan' is not a number of points for 0.1, which has 1. Nothing was changed."),
])
def test_a_sheet_that_is_wrong_changes_nothing(books, graded, run, row, says):
    (graded / "sheet.csv").write_text(f"student,check,points,extra\nada,0.1,0,\n{row}\n", encoding="utf-8")
    assert run("points", AREA, graded / "sheet.csv") == (1, f"sheet.csv, {says}")
    run("grades")
    assert table(graded / "exports" / "grades-table.csv")[2][2] == "4"


def exported(course, run, export: str, *words) -> tuple[str, list]:
    (course / "export.csv").write_text(export, encoding="utf-8")
    status, said = run("grades", "--format", "moodle", "--roster", course / "export.csv", *words)
    path = course / "exports" / "grades-moodle.csv"
    return said, table(path) if path.exists() else []


@pytest.mark.parametrize("head", ["Assignment: Lab 0 (Real)", "Aufgabe: Lab 0 (Punkte)", "Assignment: Lab 0", "Lab 0",
                                  "Lab 0 [Total Pts: 4] |7"])
def test_the_heading_of_a_lab_is_found(graded, run, head):
    rows = exported(graded, run, f"ID number,Email address,{head},Assignment: Lab 01 (Real),Course total (Real)\n"
                    "ada,ada@example.edu,-,-,-\n")[1]
    assert rows == [["ID number", "Email address", head], ["ada", "ada@example.edu", "4"]]


def test_two_headings_of_a_lab_are_refused(graded, run):
    export = "ID number,Assignment: Lab 0 (Real),Quiz: Lab 0 (Real)\nada,-,-\n"
    assert exported(graded, run, export) == (
        "export.csv has two columns for 00_start, 'Assignment: Lab 0 (Real)' and 'Quiz: Lab 0 (Real)': give the whole "
        "heading with --name, or remove one.", [])
    assert exported(graded, run, export, "--name", "Quiz: Lab 0 (Real)")[1][0] == ["ID number", "Quiz: Lab 0 (Real)"]


def test_a_grading_worksheet_of_moodle_is_filled(graded, run):
    export = ("Identifier,Full name,Email address,Status,Grade,Maximum grade,Feedback comments\n"
              "Participant 17,Ada Lovelace,ada@example.edu,Submitted,,4.00,-good\n")
    assert exported(graded, run, export)[1] == [
        ["Identifier", "Full name", "Email address", "Status", "Maximum grade", "Feedback comments", "Grade"],
        ["Participant 17", "Ada Lovelace", "ada@example.edu", "Submitted", "4.00", "-good", "4"]]
    for kind in ("submitted", "autograded"):
        shutil.copytree(graded / kind / "ada" / AREA, graded / kind / "ada" / "01_lifecycle")
    assert exported(graded, run, export)[0] == (
        "export.csv is a grading worksheet, which has one lab: name that, as in `grades 00_start`.")


def test_what_a_system_knows_its_students_by_stays(graded, run):
    export = "ID number,Email address\n-17,@ada\nada,=x@example.edu\n"
    assert exported(graded, run, export)[1][1:] == [["-17", "@ada", ""], ["ada", "=x@example.edu", "4"]]


def hand_in_at(course, student, time):
    classroom.save(course / "submitted" / student / AREA / "timestamp.txt", time + "\n")


@pytest.fixture
def due(books, graded):
    """The lab is due on 1 February, noon; due(per_day=10, grace=1) sets what late work costs."""
    books.update_or_create_assignment(AREA, duedate=datetime.datetime(2027, 2, 1, 12))

    def costs(**policy):
        with open(graded / "nbgrader_config.py", "a", encoding="utf-8") as config:
            config.writelines(f"c.LateWork.{name} = {value}\n" for name, value in policy.items())

    return costs


@pytest.mark.parametrize(("time", "policy", "points"), [
    ("2027-02-01 11:59:00 UTC", {"per_day": 10}, "4"),
    ("2027-02-01 12:30:00 UTC", {"per_day": 10}, "3.6"),
    ("2027-02-01 12:30:00 UTC", {"per_day": 10, "grace": 1}, "4.0"),
    ("2027-02-03 12:30:00 UTC", {"per_day": 10}, "2.8"),
    ("2027-02-03 12:30:00 UTC", {"per_day": 40, "most": 50}, "2.0"),
    ("2027-03-03 12:30:00 UTC", {"per_day": 10}, "0.0"),
    ("2027-03-03 12:30:00 UTC", {}, "4.0"),
    ("2027-02-01 13:30:00+01:00", {"per_day": 10}, "3.6"),
    ("2027-02-01 13:30:00 CET", {"per_day": 10}, "3.6"),
    ("no time", {"per_day": 10}, "4"),
])
def test_late_work_costs_what_was_said_and_nothing_else(graded, run, books, due, time, policy, points):
    """In the table, on the feedback page, and in nbgrader's own gradebook."""
    due(**policy)
    hand_in_at(graded, "ada", time)
    status, said = run("grades")
    assert status == 0
    rows = {row[0]: row[2] for row in table(graded / "exports" / "grades-table.csv")}
    assert float(rows["ada"]) == float(points)
    late = time > "2027-02-01 12" and time[0] == "2"
    assert ("hours late" in said) == late
    assert (f"it loses {4 - float(points):g} points." in said) == (float(points) < 4)
    assert ("The time is unknown for 2 of 4 submissions" in said) == (time != "no time")
    books.db.expire_all()
    assert books.find_submission_notebook("lab", AREA, "ada").late_submission_penalty == (
        round(4 - float(points), 2) or None)
    run("feedback", AREA, "ada")
    page = (graded / "feedback" / "ada" / AREA / "lab.html").read_text()
    assert f"{float(points):g} of 4 points." in page and ("hours late" in page) == late


def test_a_mark_of_canvas_costs_one_day_and_an_extension_nothing(graded, run, books, due):
    due(per_day=10, grace=2)
    for student in ("ada", "grace"):
        classroom.save(graded / "submitted" / student / AREA / "late.txt", "Canvas says LATE.")
    books.grant_extension(AREA, "grace", days=0)
    hand_in_at(graded, "jose", "2027-02-02 12:00 UTC")
    books.grant_extension(AREA, "jose", days=2)
    said = run("grades")[1]
    assert "ada: 00_start came late, and nobody knows since when; it loses 0.4 points." in said
    assert "jose: " not in said
    assert "The time is unknown" not in said


def test_without_a_due_date_it_is_said_that_nobody_is_late(graded, run, books):
    with open(graded / "nbgrader_config.py", "a", encoding="utf-8") as config:
        config.write("c.LateWork.per_day = 10\n")
    assert "00_start has no due date, so nobody is late: release it with --due." in run("grades")[1]


def test_a_time_without_a_zone_is_that_of_this_machine(graded, run, due, monkeypatch):
    """In New York, 06:59 is before noon in UTC, and 07:30 is not."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        for at, late in (("2027-02-01 06:59", False), ("2027-02-01 07:30", True), ("2027-02-01 07:30 UTC", False)):
            hand_in_at(graded, "ada", at)
            assert ("ada: 00_start came 0.5 hours late" in run("grades")[1]) == late
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(("words", "says"), [
    (["grades", "--format", "canvas"], "For canvas, name with --roster the table that it exports."),
    (["grades", "--name", "{nothing}"], "'{nothing}' is not a heading: use {number}, {area} or {title}."),
    (["feedback", AREA, "nobody"], "00_start of 'nobody' is not graded."),
    (["report", "01_lifecycle"], "01_lifecycle is not graded yet: run `autograde 01_lifecycle` first."),
])
def test_what_cannot_be_done_says_why(graded, run, words, says):
    assert run(*words) == (1, says)


def test_nothing_graded(run):
    assert run("grades") == (1, "Nothing is graded yet: run `autograde` first.")


def test_a_roster_of_another_system_is_refused(graded, run):
    status, said = run("grades", "--format", "canvas", "--roster", graded / "roster.csv")
    assert status == 1 and "roster.csv is not an export of canvas: it has no column 'Student'." in said


def test_a_formula_in_a_name_is_text(graded, run):
    (graded / "evil.csv").write_text('student_id,name\nada,"=HYPERLINK(""x"")"\n')
    run("grades", "--roster", graded / "evil.csv")
    assert table(graded / "exports" / "grades-table.csv")[2][1].startswith("'=")


def test_the_report_counts_students(graded, run):
    status, said = run("report", AREA)
    folder = graded / "reports" / AREA
    assert status == 0 and said.endswith(
        "3 submissions graded, 1 not; most met: M08 missing taken for zero or negative, 2 students.\n")
    named = table(folder / "misconceptions.csv")
    assert [row[:5] for row in named[1:]] == [
        ["M08", "missing taken for zero or negative", "2", "0.667", "0.1, 0.2"],
        ["M34", MISCONCEPTIONS["M34"].name, "1", "0.333", "0.1"]]
    assert table(folder / "exercises.csv")[1:] == [
        ["0.1", "1", "0.333", "1", "2", "0", "0", "M08, M34"], ["0.2", "1", "0.333", "1", "1", "1", "0", "M08"],
        ["hidden check of 0.2", "2", "0.333", "1", "1", "0", "1", ""]]
    svg = ET.fromstring((folder / "misconceptions.svg").read_text())
    assert "M08 missing taken for zero or negative 2; M34" in svg.get("aria-label")
    page = (folder / "index.html").read_text()
    assert "<script" not in page and "http" not in re.sub(r'xmlns\S*="[^"]*"', "", page)
    assert "3 submissions were graded, with 1.3 of 4 points on average. 1 could not be graded." in page
    assert not any(student in re.sub(r"<svg.*</svg>", "", page, flags=re.S) for student in ("grace", "jose", "zoe"))
    first = {path: path.read_bytes() for path in folder.iterdir()}
    run("report", AREA)
    assert first == {path: path.read_bytes() for path in folder.iterdir()}


def test_a_class_without_mistakes_has_a_report(course, run, grade_as):
    grade_as({"ada": CLASS["ada"]})
    status, said = run("report", AREA)
    assert status == 0 and "no misconception was met" in said


def participant(path: str) -> str | None:
    """Whose it is as Moodle reads it: name_NUMBER_type_plugin in a piece of the path."""
    return next((piece.split("_")[1] for piece in path.split("/") if len(piece.split("_", 4)) >= 4
                 and piece.split("_")[1].isdigit() and piece.split("_")[2:4] == ["assignsubmission", "file"]), None)


def test_all_feedback_goes_back_in_one_zip_a_system(graded, run):
    came = {"ada": "Ada Lovelace_17_assignsubmission_file_/lab.ipynb", "jose": "lovelaceada_LATE_503_9003_lab-1.ipynb",
            "zoe": "Ada Lovelace_18_assignsubmission_file_lab (1).ipynb"}  # two of one name
    for student, path in came.items():
        classroom.save(graded / "submitted" / student / AREA / "came.txt", path + "\n")
    said = run("feedback", AREA)[1]
    assert f'{AREA}-moodle.zip: 2 pages, for "Upload multiple feedback files in a zip".' in said
    page = {student: (graded / "feedback" / student / AREA / "lab.html").read_bytes() for student in [*came, "grace"]}
    found = {}
    for system in ("moodle", "canvas", "others"):
        with zipfile.ZipFile(graded / "feedback" / f"{AREA}-{system}.zip") as archive:
            found[system] = {name: archive.read(name) for name in archive.namelist()}
    assert {participant(name): content for name, content in found["moodle"].items()} == {
        "17": page["ada"], "18": page["zoe"]}
    (name, content), = found["canvas"].items()
    assert [part for part in name.split("_") if part.isdigit()] == ["503", "9003"] and content == page["jose"]
    assert found["others"] == {"grace.html": page["grace"]}
    assert run("feedback", AREA, "ada")[0] == 0  # one page anew, and all of them in the zip
    assert f"{AREA}-moodle.zip: 2 pages" in run("feedback", AREA, "ada")[1]


def test_feedback_says_why(graded, run):
    assert run("feedback", AREA)[0] == 0
    page = (graded / "feedback" / "grace" / AREA / "lab.html").read_text()
    assert "0 of 4 points" in page and "A version is a row of numbers. M34" in page
    assert MISCONCEPTIONS["M08"].why in page and "not passed" in page and "CANARY" not in page
    assert "It could not be graded: The file is empty." in (graded / "feedback" / "zoe" / AREA / "lab.html").read_text()


def test_feedback_shows_points_that_were_given_to_what_could_not_be_graded(course, run, grade_as):
    checks = [check("check-0-1", 1, "stopped") | {"score": 0.5}]
    grade_as({"ada": checks}, {"ada": "It is empty."})
    run("feedback", AREA)
    page = (course / "feedback" / "ada" / AREA / "lab.html").read_text()
    assert "It could not be graded: It is empty." in page and "0.5 of 1 points." in page


def test_feedback_shows_no_hidden_check_and_nothing_that_acts():
    """Sources of hidden checks and what they said, our solutions, scripts, links that run, and what nobody reads."""
    secret = 'assert late_share(CANARY, 30) == 0.5, "CANARY"'
    new = nbformat.v4
    said = [new.new_output("display_data", data={"text/plain": "Not passed."}),
            new.new_output("error", ename="NotRight", evalue="CANARY", traceback=[secret])]
    cells = [
        new.new_code_cell(f"print(1)\n### BEGIN HIDDEN TESTS\n{secret}\n### END HIDDEN TESTS", metadata={
            "nbgrader": {"grade_id": "check-0-2", "grade": True}}, outputs=said[:1]),
        new.new_code_cell(secret, metadata={"nbgrader": {"grade_id": "hidden-0-2-1", "grade": True}}, outputs=said),
        new.new_code_cell("check.solution('0.2')", outputs=[
            new.new_output("display_data", data={"text/markdown": "**Our solution of 0.2.**\nSOLVED"})]),
        new.new_code_cell("evil", outputs=[new.new_output("display_data", data={
            "text/html": "<script>alert(1)</script><img src=x onerror=alert(1)>kept"})]),
        new.new_markdown_cell("[a](javascript:alert(2)) [b](JAVA&#115;cript&colon;alert(3)) "
                              "<a href='javascript:alert(4)'>c</a> [d](vbscript:x) [e](https://example.org/e)"
                              " [f](<data:text/html;base64,YWxlcnQ>)"),
        new.new_code_cell("loud", outputs=[new.new_output("stream", text="x" * 10**6)]),
    ]
    html = feedback.body_of(new.new_notebook(cells=cells))
    assert "CANARY" not in html and "SOLVED" not in html
    assert "<script" not in html and "onerror=alert" not in html and "kept" in html
    assert "Not passed." in html and "characters left out" in html and len(html) < 100_000
    links = re.findall(r"href=.(.*?)[\"'> ]", html)
    assert set(links) == {"#", "https://example.org/e"} and len(links) >= 3


def test_two_students_are_right_with_two_numbers():
    lab = open_lab(AREA)
    right = solution(AREA, "0.2", "late_share")
    try:
        says = {}
        for lab.student in ("ada", "grace", None):
            says[lab.student] = lab.exercises["0.2"].outcome(right).says
    finally:
        lab.student = None
    assert says["ada"] == f"{says[None]} Your number is {number_of('ada', AREA, '0.2')}."
    assert says["grace"] != says["ada"] != says[None]


@pytest.mark.parametrize("area", sorted(path.name for path in (ROOT / "labs").iterdir() if path.is_dir()))
def test_a_check_has_five_hundred_numbers_for_five_hundred_students(area):
    """All but three at most: a copied output of that check names one person."""
    for number, exercise in open_lab(area).exercises.items():
        for part in exercise.parts or (None,):
            numbers = [number_of(f"s{n}", area, number, part) for n in range(500)]
            assert len(set(numbers)) >= 497 and all(100_000 <= one < 1_000_000 for one in numbers)


def test_nobody_is_named_for_a_number_of_their_own(course, run):
    """Of five hundred students, some have a number of one check that another has of another check."""
    area = max((path.name for path in (ROOT / "labs").iterdir() if path.is_dir()),
               key=lambda area: sum(len(exercise.parts or "1") for exercise in open_lab(area).exercises.values()))
    checks = [(number, part) for number, exercise in open_lab(area).exercises.items()
              for part in exercise.parts or (None,)]
    shutil.copytree(ROOT / "labs" / area, course / "labs" / area)
    own = {f"s{n}": [number_of(f"s{n}", area, *check) for check in checks] for n in range(500)}
    everything = [number for mine in own.values() for number in set(mine)]
    assert len(set(everything)) < len(everything)
    for student, mine in own.items():
        classroom.save(course / "submitted" / student / area / "lab.ipynb",
                       "".join(f"Your number is {n}. " for n in mine))
    (course / "big.csv").write_text("\n".join(["student_id", *own]))
    status, said = run("numbers", area, "--roster", course / "big.csv")
    assert status == 0 and "0 outputs show the number of another." in said


def test_a_number_that_two_have_names_both(course, run, monkeypatch):
    numbers = {"ada": 111111, "grace": 111111, "jose": 222222, "mary_ann": 333333}
    monkeypatch.setattr("teaching.numbers.number_of", lambda student, area, number, part: numbers[student] + (
        number == "0.2"))
    for student, shown in {"ada": 111111, "jose": 111111, "mary_ann": 333333}.items():
        classroom.save(course / "submitted" / student / AREA / "lab.ipynb", f"Your number is {shown}.")
    status, said = run("numbers", AREA, "--roster", course / "roster.csv")
    assert status == 1 and said.splitlines()[:-1] == [
        "jose: an output shows ada's number of 0.1, which is also grace's number of 0.1."]


def test_a_wrong_answer_on_ones_own_inputs_is_wrong_with_their_seed():
    lab = open_lab(AREA)
    check, right, seed = lab.exercises["0.2"], solution(AREA, "0.2", "late_share"), seed_of("ada", AREA, "0.2")
    own, _ = max((draw(check.spec().inputs, rng=np.random.default_rng([seed, number])) for number in range(DRAWS)),
                 key=lambda drawn: len(drawn[0]["delays"]))  # long enough that nobody else draws it

    def wrong_on_ones_own(delays, threshold):
        mine = np.array_equal(delays, own["delays"], equal_nan=True)
        return 2.0 if mine else right(delays, threshold)

    try:
        assert check.outcome(wrong_on_ones_own).verdict == "right"
        lab.student = "ada"
        outcome = check.outcome(wrong_on_ones_own)
    finally:
        lab.student = None
    assert outcome.verdict == "wrong" and outcome.seed == seed


def test_a_lab_opened_for_a_student_says_so(monkeypatch, capsys):
    import mlelab

    try:
        mlelab.start(AREA, student="ada")
        assert capsys.readouterr().out.endswith(", inputs of ada.\n")
        monkeypatch.setenv("MLELAB_STUDENT", "grace")
        assert mlelab.start(AREA, student="ada").student == "grace"
        monkeypatch.delenv("MLELAB_STUDENT")
    finally:
        assert mlelab.start(AREA).student is None


def test_a_number_of_another_student_is_named(course, run):
    """Also after a repair, which takes outputs away."""
    for student, whose in {"ada": "ada", "grace": "ada"}.items():
        notebook = handed_in(AREA, {})
        text = f"Your number is {number_of(whose, AREA, '0.2')}."
        notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text=text)]
        classroom.save(course / "submitted" / student / AREA / "lab.ipynb", nbformat.writes(notebook))
    for folder in (course / "submitted").glob(f"*/{AREA}"):
        repair.in_place(folder, AREA, course / "labs")
    status, said = run("numbers", AREA, "--roster", course / "roster.csv")
    assert status == 1 and "grace: an output shows ada's number of 0.2." in said
    assert "1 outputs show the number of another." in said
    rows = table(course / "exports" / f"numbers-{AREA}.csv")
    assert rows[0] == ["student", "0.1", "0.2"] and rows[1] == [
        "ada", str(number_of("ada", AREA, "0.1")), str(number_of("ada", AREA, "0.2"))]


def test_every_command_has_help(capsys):
    import teach

    for name in teach.COMMANDS:
        with pytest.raises(SystemExit):
            teach.main([name, "--help"])
        assert "--course" in capsys.readouterr().out
    assert len(set(teach.COMMANDS)) == 9
    assert shutil.which("python")
