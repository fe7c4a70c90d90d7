"""Files with the names that systems and people give them land with the right student, once, and none is lost."""

import csv
import io
import os
import time
import zipfile
from pathlib import Path

import nbformat
import pytest
from teaching import classroom, collect, repair

from tests.journeys.students import handed_in
from tests.teaching.conftest import AREA

# By file name, the student it belongs to (None: nobody can tell).
NAMES = {
    # Canvas: sortable name without spaces, LATE, user's id, submission's id; a name may hold accents or not
    "lovelaceada_501_9001_lab.ipynb": "ada",
    "lovelace_ada_501_9001_lab.ipynb": "ada",
    "hoppergrace_LATE_502_9002_lab-1.ipynb": "grace",
    "nunezortegajose_77777_9003_lab.ipynb": "jose",
    "oneillmaryann_88888_9004_lab (1).ipynb": "mary_ann",
    "turingalan_999_9005_lab.ipynb": None,
    # Moodle: in folders, without folders, older and newer naming
    "Ada Lovelace_123_assignsubmission_file_/lab.ipynb": "ada",
    "Ada Lovelace_123_assignsubmission_file/lab (1).ipynb": "ada",
    "José Núñez Ortega_124_assignsubmission_file_lab.ipynb": "jose",
    "Mary Ann O'Neill_125_assignsubmission_file_lab.ipynb": "mary_ann",
    "Participant 17_126_assignsubmission_file_lab.ipynb": None,
    # Blackboard: title, user name, time; both may hold underscores
    "Lab 1_grace_attempt_2026-01-01-10-20-30_lab.ipynb": "grace",
    "Lab_0_start_mary_ann_attempt_2026-01-01-10-20-30_lab.ipynb": "mary_ann",
    "Lab 1_nobody_attempt_2026-01-01-10-20-30_lab.ipynb": None,
    # people
    "ada/00_start/lab.ipynb": "ada",
    "ada/lab.ipynb": "ada",
    "lab-grace.ipynb": "grace",
    "grace_lab.ipynb": "grace",
    "00_start_ada.ipynb": "ada",
    "Ada Lovelace.ipynb": "ada",
    "Lovelace, Ada.ipynb": "ada",
    "ada.l@example.edu/lab.ipynb": "ada",
    "1003.ipynb": "jose",
    "lab.ipynb": None,
}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def listed(course: Path) -> dict[str, dict]:
    with open(course / "collected" / f"{AREA}.csv", encoding="utf-8-sig", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize(("name", "student"), NAMES.items())
def test_a_file_finds_its_student(course, solved, name, student):
    people = classroom.roster(course / "roster.csv")
    source = course / "inbox.zip"
    source.write_bytes(zipped({name: solved}))
    rows, chosen = collect.sort_out(source, AREA, course / "labs", people)
    assert list(chosen) == ([student] if student else [])
    assert rows[0]["status"] == ("collected" if student else "unmatched")
    assert student or rows[0]["says"]


def test_a_download_of_each_system_is_collected(course, run, solved, empty):
    files = {name: solved for name, student in NAMES.items() if student in ("ada", "grace", "jose")}
    files["Lab 1_grace_attempt_2026-01-01-10-20-30.txt"] = b"Name: Grace Hopper"
    files["Ada Lovelace_123_assignsubmission_onlinetext/onlinetext.html"] = b"<p>done</p>"
    files["notes.docx"] = b"PK"
    source = course.parent / "download.zip"
    source.write_bytes(zipped(files))
    status, said = run("collect", AREA, source, "--roster", course / "roster.csv")
    assert status == 1
    assert "notes.docx: not matched: Nobody in the roster fits the name of the file." in said
    assert "1 of 4 have handed in nothing: mary_ann." in said
    rows = listed(course)
    assert set(rows) == set(files)
    assert sum(row["status"] == "collected" for row in rows.values()) == 3
    assert sum(row["status"] == "receipt" for row in rows.values()) == 2
    for student in ("ada", "grace", "jose"):
        assert (course / "submitted" / student / AREA / "lab.ipynb").read_bytes() == solved
    assert rows["hoppergrace_LATE_502_9002_lab-1.ipynb"]["late"] == "late"


@pytest.mark.parametrize("names", [
    ["Lab 1_ada_attempt_2026-01-01-10-20-30_lab.ipynb", "Lab 1_ada_attempt_2026-01-02-09-00-00_lab.ipynb"],
    ["lovelaceada_501_9001_lab.ipynb", "lovelaceada_501_10001_lab-1.ipynb"],
    ["Ada Lovelace_1_assignsubmission_file_/lab.ipynb", "Ada Lovelace_1_assignsubmission_file_/lab (2).ipynb"],
    ["ada/lab.ipynb", "ada/lab (1).ipynb"],
])
@pytest.mark.parametrize("turned", [False, True])
def test_the_newest_attempt_counts_and_says_so(course, run, solved, empty, names, turned):
    files = dict(zip(names, (empty, solved)))
    write(course.parent / "inbox", dict(reversed(files.items()) if turned else files))
    status, said = run("collect", AREA, course.parent / "inbox", "--roster", course / "roster.csv")
    assert status == 0
    assert (course / "submitted" / "ada" / AREA / "lab.ipynb").read_bytes() == solved
    assert f"{names[1]}: collected for ada: The newest of 2 files of ada." in said
    assert f"{names[0]}: older attempt." in said


def test_another_notebook_beside_the_lab_does_not_count(course, run, solved):
    write(course.parent / "inbox", {"ada/lab.ipynb": solved, "ada/zz_notes (9).ipynb": b'{"cells": []}'})
    run("collect", AREA, course.parent / "inbox", "--roster", course / "roster.csv")
    assert (course / "submitted" / "ada" / AREA / "lab.ipynb").read_bytes() == solved


HELPER = b"def mean(values): return sum(values) / len(values)"
# The names that each system gives to the notebook, a helper and a table of one hand-in.
TOGETHER = {
    "Canvas": "lovelaceada_501_900{n}_{name}", "Moodle": "Ada Lovelace_1_assignsubmission_file_/{name}",
    "flat Moodle": "Ada Lovelace_1_assignsubmission_file_{name}",
    "Blackboard": "Lab 1_ada_attempt_2026-01-01-10-20-30_{name}", "a folder": "ada/00_start/{name}",
}


@pytest.mark.parametrize("system", TOGETHER)
def test_helpers_and_tables_come_along_with_the_notebook(course, run, solved, system):
    files = {"a_helper.py": HELPER, "lab.ipynb": solved, "rows.csv": b"1,2", "numpy.py": b"x = 1", "cv.pdf": b"%PDF",
             "zz_helpers.py": b"def late_share(delays, threshold): return 0.5"}
    inbox = write(course.parent / "inbox", {TOGETHER[system].format(n=n, name=name): content
                                            for n, (name, content) in enumerate(files.items())})
    status, said = run("collect", AREA, inbox, "--roster", course / "roster.csv")
    assert status == 0 and "1 submissions of 00_start collected with 2 more files, 1 older attempts" in said
    assert "numpy.py: left out: It would stand in the way of the module numpy.\n" in said
    assert "cv.pdf: left out: It is no notebook, helper or table.\n" in said
    there = {path.name: path.read_bytes() for path in (course / "submitted" / "ada" / AREA).iterdir()
             if path.name not in ("timestamp.txt", "came.txt")}
    assert there == {name: files[name] for name in ("a_helper.py", "lab.ipynb", "rows.csv")}
    assert run("collect", AREA, inbox, "--roster", course / "roster.csv")[0] == 0
    assert not (course / "collected" / AREA).exists()  # the same again replaces nothing


def test_files_of_a_later_attempt_keep_the_names_that_the_code_knows(course, run, solved, empty):
    """Canvas numbers them all."""
    write(course.parent / "inbox", {
        "lovelaceada_501_1_lab.ipynb": empty, "lovelaceada_501_2_rows.csv": b"1", "lovelaceada_501_4_rows-1.csv": b"2",
        "lovelaceada_501_3_lab-1.ipynb": solved})
    run("collect", AREA, course.parent / "inbox", "--roster", course / "roster.csv")
    assert (course / "submitted" / "ada" / AREA / "rows.csv").read_bytes() == b"2"
    assert (course / "submitted" / "ada" / AREA / "lab.ipynb").read_bytes() == solved


def test_who_handed_in_no_notebook_is_named(course, run, solved):
    write(course.parent / "inbox", {"ada/lab.ipynb": solved, "grace/Lab.pdf": b"%PDF", "line\nbreak.ipynb": solved})
    status, said = run("collect", AREA, course.parent / "inbox", "--roster", course / "roster.csv")
    assert status == 1 and "grace/Lab.pdf: collected for grace: It is no notebook.\n" in said
    assert "1 have handed in no notebook: grace.\n" in said and "2 of 4 have handed in nothing: jose" in said
    assert "line?break.ipynb: not matched" in said
    with pytest.raises(repair.RepairError, match="There is no notebook; there is Lab.pdf."):
        repair.in_place(course / "submitted" / "grace" / AREA, AREA, course / "labs")


def test_the_lab_of_another_week_is_told_to_its_student(course, run):
    other = nbformat.writes(handed_in("01_lifecycle", {})).encode()
    write(course.parent / "inbox", {"ada/lab.ipynb": other})
    said = run("collect", AREA, course.parent / "inbox", "--roster", course / "roster.csv")[1]
    assert "ada/lab.ipynb: collected for ada: It holds no function of 00_start.\n" in said
    with pytest.raises(repair.RepairError, match="It is the notebook of 01_lifecycle, not of 00_start"):
        repair.in_place(course / "submitted" / "ada" / AREA, AREA, course / "labs")


def test_the_time_of_moodles_worksheet_and_the_mark_of_canvas_are_kept(course, run, solved):
    sheet = course.parent / "worksheet.csv"
    sheet.write_text("Identifier,Full name,Status,Last modified (submission)\n"
                     'Participant 1,Ada Lovelace,Submitted,"Monday, 1 February 2027, 11:05 PM"\n'
                     "Participant 2,Grace Hopper,Submitted,Montag irgendwann\n")
    write(course.parent / "inbox", {f"{name}_{n}_assignsubmission_file_/lab.ipynb": solved
                                    for n, name in enumerate(("Ada Lovelace", "Grace Hopper"), start=1)})
    run("collect", AREA, course.parent / "inbox", "--roster", sheet)
    known = classroom.stamp(course / "submitted" / "Participant-1" / AREA / "timestamp.txt")
    assert f"{known:%Y-%m-%d %H:%M}" == "2027-02-01 23:05"
    assert not (course / "submitted" / "Participant-2" / AREA / "timestamp.txt").exists()
    write(course.parent / "canvas", {"hoppergrace_LATE_502_9002_lab.ipynb": solved})
    run("collect", AREA, course.parent / "canvas", "--roster", course / "roster.csv")
    assert (course / "submitted" / "grace" / AREA / "late.txt").exists()


def test_two_who_fit_are_not_guessed(course, run, solved):
    twins = course.parent / "twins.csv"
    twins.write_text("student_id,first_name,last_name\na1,Ann,Lee\na2,Ann,Lee\n")
    write(course.parent / "inbox", {"Ann Lee_5_assignsubmission_file_/lab.ipynb": solved})
    status, said = run("collect", AREA, course.parent / "inbox", "--roster", twins)
    assert status == 1 and "It fits a1 and a2. Name Moodle's grading worksheet as the roster" in said
    assert not (course / "submitted").exists()


def test_a_grading_worksheet_of_moodle_is_a_roster(course, run, solved):
    sheet = course.parent / "worksheet.csv"
    sheet.write_text("Identifier,Full name,Email address,Status,Grade\n"
                     "Participant 17,,,Submitted,\nParticipant 18,Ann Lee,ann@example.edu,Submitted,\n")
    write(course.parent / "inbox", {"Participant 17_17_assignsubmission_file_/lab.ipynb": solved,
                                    "Ann Lee_18_assignsubmission_file_/lab.ipynb": solved})
    assert run("collect", AREA, course.parent / "inbox", "--roster", sheet)[0] == 0
    assert len(list((course / "submitted").iterdir())) == 2


def test_without_a_roster_names_are_taken_as_they_are(course, run, solved):
    names = ["eve/lab.ipynb", "Lab 1_bob_attempt_2026-01-01-10-20-30_lab.ipynb", "lovelaceada_501_9_lab.ipynb",
             "Grace Hopper_1_assignsubmission_file_/lab.ipynb"]
    write(course.parent / "inbox", dict.fromkeys(names, solved))
    assert run("collect", AREA, course.parent / "inbox")[0] == 0
    assert sorted(path.name for path in (course / "submitted").iterdir()) == [
        "Grace-Hopper-1", "bob", "eve", "lovelaceada-501"]


@pytest.mark.parametrize("names", [
    ["Lab 1_mary_ann_attempt_2026-01-01-10-20-30_lab.ipynb", "Lab 1_joe_ann_attempt_2026-01-01-10-20-30_lab.ipynb"],
    ["zhangwei_501_9001_lab.ipynb", "zhangwei_502_9002_lab.ipynb"],
    ["Wei Zhang_1_assignsubmission_file_/lab.ipynb", "Wei Zhang_2_assignsubmission_file_/lab.ipynb"],
    [f"{'Wei ' * 20}_{number}_assignsubmission_file_/lab.ipynb" for number in (1, 2)],
], ids=["Blackboard", "Canvas", "Moodle", "long"])
def test_without_a_roster_two_students_stay_two(course, run, solved, names):
    write(course.parent / "inbox", dict.fromkeys(names, solved))
    assert run("collect", AREA, course.parent / "inbox")[0] == 0
    assert len(list((course / "submitted").iterdir())) == 2


# Of students whose names lie within each other's, whose each file is; several, where nobody can tell.
ALIKE = {
    "Lab 1_lee_attempt_2026-01-01-10-20-30_lab.ipynb": ["lee"],
    "Lab 1_j_lee_attempt_2026-01-01-10-20-30_lab.ipynb": ["j_lee"],
    "Lab_0_start_j_lee_attempt_2026-01-01-10-20-30_lab.ipynb": ["j_lee"],
    "lab_2_ada.ipynb": ["2", "ada"],
    "lab_2.ipynb": [],
    "lab 2 (1).ipynb": [],
    "2.ipynb": ["2"],
    "ada/lab_2.ipynb": ["ada"],
    "ada/lee.ipynb": ["ada", "lee"],
    "my_ada_solution.ipynb": ["ada"],
    "ada_lee.ipynb": ["ada", "lee"],
    "m.ro/lab.ipynb": ["m.ro"],
    "mro/lab.ipynb": ["mro"],
    "m-ro/lab.ipynb": ["m.ro", "mro"],
    "roemax_77_9001_lab.ipynb": ["m.ro"],
    "roemax_2_9001_lab.ipynb": ["2", "m.ro"],
}


@pytest.mark.parametrize(("name", "students"), ALIKE.items())
def test_names_within_names_are_not_guessed(course, solved, name, students):
    path = course / "alike.csv"
    path.write_text("student_id,name\n2,Bo Two\nada,Ada Love\nlee,Ann Lee\nj_lee,Joe Lee\nm.ro,Max Roe\nmro,Mia Roe\n")
    source = course / "inbox.zip"
    source.write_bytes(zipped({name: solved}))
    (row,), chosen = collect.sort_out(source, AREA, course / "labs", classroom.roster(path))
    assert list(chosen) == (students if len(students) == 1 else [])
    assert row["says"] == ("" if chosen else f"It fits {' and '.join(students)}." if students else
                           "Nobody in the roster fits the name of the file.")


def test_a_folder_around_all_students_is_no_student(course, run, solved):
    write(course.parent / "inbox", dict.fromkeys(["all/ada/lab.ipynb", "all/bob/00_start/lab.ipynb"], solved))
    assert run("collect", AREA, course.parent / "inbox")[0] == 0
    assert sorted(path.name for path in (course / "submitted").iterdir()) == ["ada", "bob"]


def test_the_time_of_an_attempt_is_kept(course, run, solved, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    write(course.parent / "inbox", {"Lab 1_ada_attempt_2026-01-02-21-00-00_lab.ipynb": solved})
    run("collect", AREA, course.parent / "inbox")
    monkeypatch.undo()
    time.tzset()
    assert (course / "submitted" / "ada" / AREA / "timestamp.txt").read_text() == "2026-01-03 02:00:00 UTC\n"


def stamped(course) -> str | None:
    path = course / "submitted" / "ada" / AREA / "timestamp.txt"
    return path.read_text() if path.exists() else None


FIRST, LATER = (f"Lab 1_ada_attempt_2026-01-0{day}-09-00-00_lab.ipynb" for day in (1, 2))


def test_an_older_download_replaces_nothing(course, run, solved, empty):
    old = write(course.parent / "old", {FIRST: empty})
    run("collect", AREA, write(course.parent / "new", {LATER: solved}))
    there = course / "submitted" / "ada" / AREA / "lab.ipynb"
    says = f"{FIRST}: older attempt: What ada handed in at 2026-01-02 09:00 is newer and stays.\n"
    for words in (["--dry-run"], []):
        status, said = run("collect", AREA, old, *words)
        assert status == 0 and says in said and "\n0 submissions of 00_start collected, 1 older attempts, " in said
        assert there.read_bytes() == solved and "2026-01-02" in stamped(course)
    assert listed(course)[FIRST]["status"] == "older"
    assert not (course / "collected" / AREA).exists()


def test_a_time_does_not_outlive_its_attempt(course, run, solved, empty):
    run("collect", AREA, write(course.parent / "first", {FIRST: empty}))
    classroom.save(course / "submitted" / "ada" / AREA / "timestamp.txt", "2026-01-01 08:00\n")  # by hand
    again = run("collect", AREA, course.parent / "first")[1]
    assert again.startswith("1 submissions") and stamped(course) == "2026-01-01 08:00\n"
    status, said = run("collect", AREA, write(course.parent / "mail", {"ada/lab.ipynb": solved}))
    assert status == 0 and "It replaces what was collected before, kept as collected/00_start/replaced/ada-" in said
    assert "Its time is not known; write it into timestamp.txt if it counts." in said
    assert stamped(course) is None
    kept = {path.name: path.read_bytes() for path in (course / "collected" / AREA / "replaced").rglob("*.*")}
    assert kept == {"lab.ipynb": empty, "timestamp.txt": b"2026-01-01 08:00\n"}
    run("collect", AREA, write(course.parent / "second", {LATER: empty}))
    assert "2026-01-02" in stamped(course)


@pytest.mark.parametrize("name", ["Núñez Ortega, José.ipynb", "Nu\u0301n\u0303ez Ortega, Jose\u0301.ipynb"])
def test_names_in_an_archive_of_macos_are_read(course, run, solved, monkeypatch, name):
    """They are UTF-8 without the flag that says so."""
    monkeypatch.setattr(zipfile.ZipInfo, "_encodeFilenameFlags", lambda info: (info.filename.encode(), info.flag_bits))
    (course.parent / "mac.zip").write_bytes(zipped({name: solved}))
    assert run("collect", AREA, course.parent / "mac.zip", "--roster", course / "roster.csv")[0] == 0
    assert list(listed(course)) == [name]
    assert listed(course)[name]["student"] == "jose"


def test_names_in_an_archive_of_dos_are_read(course, run, solved, monkeypatch):
    name = "Núñez Ortega, José.ipynb"
    monkeypatch.setattr(zipfile.ZipInfo, "_encodeFilenameFlags",
                        lambda info: (info.filename.encode("cp437"), info.flag_bits))
    (course.parent / "dos.zip").write_bytes(zipped({name: solved}))
    run("collect", AREA, course.parent / "dos.zip", "--roster", course / "roster.csv")
    assert listed(course)[name]["student"] == "jose"


def test_a_zip_in_the_download_is_opened_once(course, run, solved):
    inner = zipped({"lab.ipynb": solved, "__MACOSX/._lab.ipynb": b"x", "deep.zip": zipped({"lab.ipynb": solved})})
    source = course.parent / "download.zip"
    source.write_bytes(zipped({"Ada Lovelace_1_assignsubmission_file_/work.zip": inner}))
    status, said = run("collect", AREA, source, "--roster", course / "roster.csv")
    assert (course / "submitted" / "ada" / AREA / "lab.ipynb").read_bytes() == solved
    assert status == 1 and "deep.zip: refused: An archive in an archive in an archive is not opened." in said


def damaged(content: bytes) -> bytes:
    raw = bytearray(zipped({"ada/lab.ipynb": content}))
    raw[60:90] = bytes(30)
    return bytes(raw)


@pytest.mark.parametrize(("make", "says"), [
    (lambda solved: zipped({"../../evil.ipynb": solved, "ada/lab.ipynb": solved}), "points out of the archive"),
    (lambda solved: zipped({"/etc/evil.ipynb": solved}), "points out of the archive"),
    (lambda solved: zipped({"C:\\evil\\lab.ipynb": solved}), "points out of the archive"),
    (lambda solved: zipped({"ada/lab.ipynb": b"0" * 2_000_000}), "larger than 1 MB"),
    (lambda solved: zipped({f"ada/{n}.ipynb": b"0" * 900_000 for n in range(9)}), "unpacks to more than"),
    (lambda solved: b"PK not a zip", "not a zip file"),
    (damaged, "damaged in the archive"),
], ids=["dots", "root", "drive", "large", "bomb", "no-zip", "damaged"])
def test_an_archive_that_is_not_what_it_seems_is_refused(course, run, solved, monkeypatch, make, says):
    monkeypatch.setattr(collect, "MEMBER", 1e6)
    monkeypatch.setattr(collect, "TOTAL", 4e6)
    source = course.parent / "download.zip"
    source.write_bytes(make(solved))
    status, said = run("collect", AREA, source)
    assert status == 1 and says in said
    assert not list(course.rglob("evil*")) and not list(course.parent.glob("evil*"))
    assert not (course / "submitted").exists()


def test_a_bomb_that_understates_its_size_is_stopped(course, run, solved):
    raw = bytearray(zipped({"ada/lab.ipynb": b"0" * 1_000_000}))
    size = (1_000_000).to_bytes(4, "little")
    for place in (raw.find(size), raw.rfind(size)):
        raw[place:place + 4] = (10).to_bytes(4, "little")
    source = course.parent / "download.zip"
    source.write_bytes(raw)
    assert run("collect", AREA, source)[0] == 1
    assert not (course / "submitted").exists()


def test_a_link_is_not_followed(course, run, solved):
    inbox = write(course.parent / "inbox", {"ada/lab.ipynb": solved})
    os.symlink("/etc/passwd", inbox / "grace.ipynb")
    status, said = run("collect", AREA, inbox, "--roster", course / "roster.csv")
    assert status == 1 and "grace.ipynb: refused: A link is not followed." in said


def test_what_lay_there_before_is_kept(course, run, solved, empty):
    inbox = write(course.parent / "inbox", {"ada/lab.ipynb": empty})
    run("collect", AREA, inbox)
    run("collect", AREA, inbox)
    assert not (course / "collected" / AREA).exists()
    write(inbox, {"ada/lab.ipynb": solved})
    run("collect", AREA, inbox)
    kept, = (course / "collected" / AREA / "replaced").rglob("*.ipynb")
    assert kept.read_bytes() == empty


def test_a_dry_run_writes_nothing(course, run, solved):
    inbox = write(course.parent / "inbox", {"ada/lab.ipynb": solved})
    status, said = run("collect", AREA, inbox, "--dry-run")
    assert status == 0 and said.startswith("1 submissions of 00_start collected")
    assert not (course / "submitted").exists() and not (course / "collected").exists()


@pytest.mark.parametrize(("text", "says"), [
    ("name,group\nAda,1\n", "has no column that names a student"),
    ("student_id,name\nada,Ada\nada,Eve\n", "has two students 'ada'"),
    ("student_id,name\n,Ada\n", "line 2: the student has no student_id"),
    ("student_id\n", "has no students"),
])
def test_a_roster_that_cannot_be_used_says_why(course, run, text, says):
    path = course / "bad.csv"
    path.write_text(text)
    status, said = run("collect", AREA, course, "--roster", path)
    assert status == 1 and says in said


@pytest.mark.parametrize("text", [
    'Student,ID,SIS User ID,SIS Login ID,Section,Lab (77)\n    Points Possible,,,,,2.00\n"Lovelace, Ada",501,s1,ada,A,',
    "First name,Last name,ID number,Email address\nAda,Lovelace,ada,ada@example.edu",
    "First name,Last name,ID number\nAda,Lovelace,ada,one,cell,too,many",
    "First name;Surname;ID number;Email address\nAda;Lovelace;ada;ada@example.edu",
    '"Last Name"\t"First Name"\t"Username"\t"Student ID"\n"Lovelace"\t"Ada"\t"ada"\t"501"',
    "\ufeffstudent_id,name\nada,Ada Lovelace",
])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_roster_of_each_system_is_read(tmp_path, text, encoding):
    path = tmp_path / "roster.csv"
    path.write_bytes(text.encode(encoding))
    person, = classroom.roster(path)
    assert "ada" in person.keys and (person.first, person.last) == ("Ada", "Lovelace")


@pytest.mark.parametrize(("words", "says"), [
    (["collect", "99_none", "x"], "There is no released lab '99_none'; there are 00_start."),
    (["collect", AREA, "/nowhere"], "There is no /nowhere."),
    (["collect", AREA, ".", "--roster", "/nowhere.csv"], "There is no roster /nowhere.csv."),
    (["autograde", AREA], "Nobody has handed in 00_start: run `collect` first."),
])
def test_what_is_missing_is_said_in_one_sentence(run, words, says):
    assert run(*words) == (1, says)
