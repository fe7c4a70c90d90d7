"""What the commands share: the course's folders, the roster of a class, progress, and refusals in one sentence."""

import csv
import io
import os
import re
import sys
import unicodedata
import zipfile
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]
# By what we need, the headings under which rosters and exports of Canvas, Moodle and Blackboard have it.
HEADINGS = {
    "id": ("student_id", "sis login id", "username", "login", "student id", "id number", "sis user id",
           "email address", "email", "id", "identifier"),
    "first": ("first name", "first_name", "firstname", "given name"),
    "last": ("last name", "last_name", "lastname", "surname", "family name"),
    "name": ("student", "name", "full name", "student name"),
    "email": ("email address", "email", "e-mail"),
}
KEYS = ("student_id", "student id", "id", "identifier", "sis_id", "lms_id", "sis user id", "sis login id", "username",
        "login", "id number", "email address", "email", "e-mail")


def refuse(sentence: str) -> NoReturn:
    raise SystemExit(sentence)


def course(arguments) -> Path:
    """The course's folder; there must be a course in it."""
    folder = arguments.course.resolve()
    if not (folder / "nbgrader_config.py").exists():
        refuse(f"There is no nbgrader_config.py in {folder}: name the course's folder with --course.")
    return folder


def released(folder: Path, area: str) -> str:
    """The area, if its lab is released in this course."""
    areas = sorted(path.parent.name for path in folder.glob("labs/*/lab.ipynb"))
    if area not in areas:
        refuse(f"There is no released lab {area!r}; there are {', '.join(areas) or 'none: run `release` first'}.")
    return area


def submissions(folder: Path, area: str, students: list[str] | None = None) -> list[tuple[str, Path]]:
    """(student, folder of the submission) in the order of the alphabet."""
    found = {path.parent.name: path for path in sorted((folder / "submitted").glob(f"*/{area}")) if path.is_dir()}
    if not found:
        refuse(f"Nobody has handed in {area}: run `collect` first.")
    for student in students or ():
        if student not in found:
            refuse(f"There is no submission of {area} by {student!r}.")
    return [(student, path) for student, path in found.items() if not students or student in students]


def reach_nbgrader() -> None:
    """nbgrader starts `alembic` by name: it lies beside this Python."""
    here = str(Path(sys.executable).parent)
    if here not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = here + os.pathsep + os.environ["PATH"]


def progress(number: int, total: int, what: str) -> None:
    """One line that moves on a terminal; elsewhere one line for each tenth."""
    line = f"{number} of {total}: {what}"
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="\n" if number == total else "", file=sys.stderr, flush=True)
    elif total > 20 and (number == total or number % max(1, total // 10) == 0):
        print(line, file=sys.stderr, flush=True)


def save(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def zipped(files: dict[str, bytes]) -> bytes:
    """An archive whose bytes depend on nothing but its files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def way_back(came: str, name: str) -> tuple[str, str] | None:
    """The system that a file came from and the name under which it takes a file for that student, or None.

    Moodle: "Upload multiple feedback files in a zip" reads the number of the participant from the folder's name.
    Canvas: "Upload Submissions" reads the numbers of the user and of the file that was handed in.
    """
    for piece in came.split("/"):
        if found := re.match(r".+_\d+_assignsubmission_file(?=_|$)", piece):
            return "moodle", f"{found[0]}_/{name}"
    found = re.match(r".+?_(?:LATE_)?\d+_\d+_", came.split("/")[-1])
    return ("canvas", f"{found[0]}{name}") if found else None


def one_line(text: str) -> str:
    """What came from a student, in a sentence of ours: on one line, without control characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def moment(text: str) -> datetime | None:
    """A time, this machine's where it names no zone, as with `release --due`; None if it is none."""
    from dateutil.tz import gettz

    named = re.fullmatch(r"(.+) ([A-Za-z]\S*)", text)
    zone = gettz(named[2]) if named else None
    try:
        time = datetime.fromisoformat(named[1]).replace(tzinfo=zone) if zone else datetime.fromisoformat(text)
        return time if time.tzinfo else time.astimezone()
    except (ValueError, OverflowError):
        return None


def stamp(path: Path) -> datetime | None:
    """The time in a timestamp.txt; None if there is none, or it cannot be read."""
    time = moment(path.read_text(encoding="utf-8-sig", errors="replace").strip()) if path.exists() else None
    return time and time.astimezone()


def as_csv(rows: list[list], heads: list[str], ours: bool = True) -> str:
    """A CSV file. Ours is for a spreadsheet: with a byte order mark, which Excel needs to see UTF-8, and an apostrophe
    in front of a text that would be a formula. A system's own stays as it is: it would not know its students again.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([[_harmless(value) for value in row] for row in rows] if ours else rows)
    return "\ufeff" * ours + out.getvalue()


def _harmless(value):
    formula = isinstance(value, str) and value[:1] in tuple("=+@-\t\r") and not re.fullmatch(r"-?\d+(\.\d+)?", value)
    return f"'{value}" if formula else value


@dataclass
class Person:
    """One student: the name of the folder, the names, every key that a file may carry, the row of the roster."""

    id: str
    first: str = ""
    last: str = ""
    email: str = ""
    keys: set[str] = field(default_factory=set)
    row: dict[str, str] = field(default_factory=dict)

    @property
    def handed_in(self) -> str:
        """When Moodle's grading worksheet says that this student handed in, or nothing."""
        from dateutil import parser

        said = self.row.get("Last modified (submission)") or ""
        try:
            return f"{parser.parse(said):%Y-%m-%d %H:%M:%S}" if any(map(str.isdigit, said)) else ""
        except (ValueError, OverflowError):
            return ""

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}".strip() or self.id

    @cached_property
    def both_ways(self) -> set[str]:
        """First and last name in either order, as `plain` writes them."""
        return {plain(self.last + self.first), plain(self.first + self.last)} if self.last else set()


def read_csv(path: Path, what: str) -> csv.DictReader:
    """The rows of a table of yours or of a system's export, whatever its encoding and delimiter."""
    if not path.exists():
        refuse(f"There is no {what} {path}.")
    raw = path.read_bytes()
    mark = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        text = raw.decode("utf-16" if mark else "utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")
    text = text.lstrip("\ufeff")
    first_line = text.split("\n", 1)[0]
    return csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first_line.count))


def roster(path: Path) -> list[Person]:
    """The people of a class, from a table of yours or an export of Canvas, Moodle or Blackboard."""
    rows = read_csv(path, "roster")
    heads = {(head or "").strip().casefold(): head for head in rows.fieldnames or []}
    named = {what: next((heads[name] for name in names if name in heads), None) for what, names in HEADINGS.items()}
    if not named["id"]:
        refuse(f"{path.name} has no column that names a student; call one student_id.")
    people: list[Person] = []
    for number, row in enumerate(rows, start=2):
        cell = {what: (row.get(head) or "").strip() if head else "" for what, head in named.items()}
        ids = [(row[heads[name]] or "").strip() for name in HEADINGS["id"] if name in heads]
        cell["id"] = next(filter(None, ids), "")
        if cell["name"].startswith(("Points Possible", "Student, Test")) or not any(cell.values()):
            continue  # two rows that Canvas adds
        if not cell["id"]:
            refuse(f"{path.name}, line {number}: the student has no {named['id']}.")
        if cell["name"] and not cell["last"]:
            last, comma, first = cell["name"].partition(",")
            first, last = (first, last) if comma else (last.rpartition(" ")[0], last.rpartition(" ")[2])
            cell["first"], cell["last"] = first.strip(), last.strip()
        keys = {plain(row[heads[name]]) for name in KEYS if name in heads and row.get(heads[name])}
        keys |= {plain(row[heads[name]].split("@")[0]) for name in KEYS if name in heads and "@" in (row[heads[name]]
                                                                                                  or "")}
        people.append(Person(folder_name(cell["id"]), cell["first"], cell["last"], cell["email"], keys - {""}, row))
    twice = {person.id for person in people if sum(other.id == person.id for other in people) > 1}
    if twice:
        refuse(f"{path.name} has two students {sorted(twice)[0]!r}; each needs a name of their own.")
    if not people:
        refuse(f"{path.name} has no students.")
    return people


def find(people: list[Person], *, keys: list[str] = (), names: list[str] = ()) -> list[Person]:
    """Everybody who may be meant, by a key of the roster or by first and last name; where both say somebody, by both.

    A student's own name, letter by letter, means that student: `j.lee` is not `jlee`.
    """
    by_key, by_name = [], []
    for key in keys:
        letters = plain(key)
        found = [person for person in people if letters and letters in person.keys]
        exact = any(person.id == key for person in found)
        by_key += [person for person in found if not exact or person.id == key or plain(person.id) != letters]
    for name in map(plain, names):
        by_name += [person for person in people if name and name in person.both_ways]
    both = {person.id for person in by_key} & {person.id for person in by_name}
    meant = both or {person.id for person in by_key + by_name}
    return [person for person in people if person.id in meant]


def plain(text: str) -> str:
    """Letters and digits only, without accents: what file names of all systems have in common."""
    text = unicodedata.normalize("NFKD", text.replace("ß", "ss").replace("ø", "o").replace("Ø", "O").replace("ł", "l"))
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def folder_name(text: str) -> str:
    """A student's name as the name of a folder on any system."""
    name = re.sub(r"[^\w.@-]+", "-", unicodedata.normalize("NFC", text.strip())).strip("-.")
    return name[:64] or "nameless"
