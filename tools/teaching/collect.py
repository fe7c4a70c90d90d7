"""Collect what a class handed in, from a folder, a zip file or the download of Canvas, Moodle or Blackboard.

Each lab lands in submitted/STUDENT/AREA/lab.ipynb, and beside it the student's own helpers and tables. Whose it is
follows from the file's name and the roster: a table with student_id and, if you have them, first_name, last_name,
email; or the gradebook that the LMS exports; or Moodle's grading worksheet, which also says when. Of several attempts
the newest one counts. collected/AREA.csv lists every file with what became of it; nothing is lost.
"""

import hashlib
import importlib.util
import io
import re
import shutil
import sys
import zipfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath

import nbformat

from teaching import classroom, results

MEMBER, TOTAL, MEMBERS = 400e6, 4e9, 50_000  # bytes of a file, bytes and files of an archive
HEADS = ["file", "status", "student", "family", "attempt", "late", "says"]
SKIPPED = ("__MACOSX", ".ipynb_checkpoints", ".DS_Store", "Thumbs.db", "desktop.ini")


def arguments(parser) -> None:
    parser.add_argument("area", help="the lab, such as 01_lifecycle")
    parser.add_argument("source", type=Path, help="a folder, a zip file, or one notebook")
    parser.add_argument("--roster", type=Path, metavar="CSV", help="who is in the class; without it, names are taken "
                        "from the files as they are")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be collected")


def run(arguments) -> int:
    course = classroom.course(arguments)
    area = classroom.released(course, arguments.area)
    people = classroom.roster(arguments.roster) if arguments.roster else None
    if not arguments.source.exists():
        classroom.refuse(f"There is no {arguments.source}.")
    rows, chosen = sort_out(arguments.source, area, course / "labs", people)
    for number, (student, files) in enumerate(sorted(chosen.items()), start=1):
        classroom.progress(number, len(chosen), student)
        row = next(row for row in rows if row["status"] == "collected" and row["student"] == student)
        newer, says = _store(course, area, student, files, arguments.dry_run)
        row.update(status="older" if newer else "collected", says=f"{row['says']} {says}".strip())
    said = {"older": "older attempt", "unmatched": "not matched", "refused": "refused", "left": "left out"}
    for row in rows:
        if row["status"] in said or row["says"]:
            about = said.get(row["status"], f"collected for {row['student']}")
            print(classroom.one_line(f"{row['file']}: {about}" + (f": {row['says']}" if row["says"] else ".")))
    if not arguments.dry_run:
        table = classroom.as_csv([[row[head] for head in HEADS] for row in rows], HEADS)
        listing = classroom.save(course / "collected" / f"{area}.csv", table)
    count = {status: sum(row["status"] == status for row in rows) for status in (*said, "collected", "along")}
    print(f"{count['collected']} submissions of {area} collected"
          + (f" with {count['along']} more files" if count["along"] else "")
          + f", {count['older']} older attempts, {count['unmatched']} files not matched, {count['refused']} refused"
          + ("." if arguments.dry_run else f": see {listing.relative_to(course)}."))
    if people and (absent := sorted({person.id for person in people} - set(chosen))):
        shown = ", ".join(absent[:20]) + (f" and {len(absent) - 20} more" if len(absent) > 20 else "")
        print(f"{len(absent)} of {len(people)} have handed in nothing: {shown}.")
    if without := sorted(student for student, (lab, *_) in chosen.items() if lab is None):
        print(f"{len(without)} have handed in no notebook: {', '.join(without)}.")
    return 1 if count["unmatched"] or count["refused"] or without else 0


def sort_out(source: Path, area: str, labs: Path, people: list | None) -> tuple[list[dict], dict[str, list]]:
    """A row for each file with what becomes of it, and by student the lab that counts (or None) and what comes along.

    Of a student's files a notebook of this lab is the lab, or else a Python file of it, or else another notebook.
    """
    refused: list[tuple[str, str]] = []
    words = _words(labs / area / "lab.ipynb")
    found = [(path, again, changed, _fits(content, words)) for path, content, changed, again in _files(source, refused)]
    outer = _outer([path for path, *_ in found]) if people is None else 0
    rows, by_student = [], {}
    for path, again, changed, fits in found:
        row = dict.fromkeys(HEADS, "") | {"file": path, "status": "unmatched"}
        rows.append(row)
        handed = Handed("/".join(path.split("/")[outer:]), again, changed, fits)
        row.update(family=handed.family, late="late" if handed.late else "")
        if handed.receipt:
            row.update(status="receipt", attempt=handed.time)
            continue
        fitting = handed.owners(people) if people is not None else [handed.own_name()]
        if len(fitting) != 1 or fitting[0] is None:
            row["says"] = ("The name of the file does not say whose it is." if people is None else
                           "Nobody in the roster fits the name of the file." if not fitting else
                           f"It fits {' and '.join(person.id for person in fitting)}."
                           + " Name Moodle's grading worksheet as the roster: it tells them apart." * (
                               handed.family == "Moodle"))
            continue
        student = fitting[0]
        if people is not None:
            handed.time, student = handed.time or student.handed_in, student.id
        row.update(status="left", student=student, attempt=handed.time)
        by_student.setdefault(student, []).append((handed, row))
    chosen = {}
    for student, files in by_student.items():
        attempts = [one for one in files if one[0].is_lab]
        others = sorted((one for one in files if not one[0].is_lab), key=lambda one: one[0].order)
        best = max(attempts, key=lambda one: one[0].order, default=None)
        for one, row in attempts:
            row.update(status="collected" if one is best[0] else "older")
            row["says"] = "" if one.fits else f"It holds no function of {area}."
        if best and len(attempts) > 1:
            best[1]["says"] = (best[1]["says"] + f" The newest of {len(attempts)} files of {student}.").strip()
        along = {}
        for one, row in others:
            row["says"] = one.unwanted() if best else "It is no notebook."
            row["status"] = "left" if row["says"] else "along"
            if row["status"] == "along":
                along[one.beside(best[0])] = one
        if not best:  # it is kept, and graded as what it is
            others[-1][1]["status"] = "collected"
            along = {others[-1][0].name: others[-1][0]}
        chosen[student] = [best[0] if best else None, along]
    rows += [dict.fromkeys(HEADS, "") | {"file": path, "status": "refused", "says": why} for path, why in refused]
    return rows, chosen


class Handed:
    """One file: what its name says about whose it is and which attempt."""

    def __init__(self, path: str, read, changed: str, fits: bool = True):
        self.path, self.read, self.changed, self.fits = path, read, changed, fits
        self.is_lab = path.lower().endswith(".ipynb") or fits and path.lower().endswith((".json", ".py"))
        self.family, self.time, self.late, self.receipt = "", "", False, False
        self.keys: list[str] = []
        self.names: list[str] = []
        self.words: list[str] = []
        self.attempt: tuple = ()
        pieces = path.split("/")
        file = self.name = pieces[-1]
        moodle = next((m for piece in pieces if (m := re.match(
            r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)(?:_(?P<file>.*))?$", piece))), None)
        blackboard = re.match(r"(?P<who>.+)_attempt_(?P<time>\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d)(?:_(?P<file>.+)|\.txt)$",
                              file)
        canvas = re.match(r"(?P<name>.+?)_(?P<late>LATE_)?(?P<id>\d+)_(?P<sub>\d+)_(?P<file>.+)$", file)
        copy = re.search(r"(?:\((\d+)\)|-(\d+))\.\w+$", file)
        self.copy = int(copy[1] or copy[2]) if copy and len(copy[1] or copy[2]) < 5 else 0
        if moodle:
            self.family, self.names = "Moodle", [moodle["name"]]
            self.keys = [f"Participant {moodle['id']}"]  # what a grading worksheet calls a student
            self.plain = f"{moodle['name'][:40]}-{moodle['id']}"
            self.receipt = file.startswith("onlinetext")
            self.name = (moodle["file"] or file) if moodle[0] == file else file
        elif blackboard:
            self.family = "Blackboard"
            day, clock = blackboard["time"][:10], blackboard["time"][11:].replace("-", ":")
            self.time = f"{day} {clock}"
            self.receipt, self.name = blackboard["file"] is None, blackboard["file"] or file
            # The title before the user's name may hold underscores, and so may the user's name: longest first.
            parts = blackboard["who"].split("_")
            self.keys = ["_".join(parts[start:]) for start in range(1, len(parts))] or parts
            self.plain = self.keys[0]
            self.attempt = (self.time,)
        elif canvas:
            self.family, self.names, self.late = "Canvas", [canvas["name"]], bool(canvas["late"])
            self.name = canvas["file"]
            self.keys = [canvas["id"]]
            self.plain = f"{canvas['name'][:40]}-{canvas['id']}"
            self.attempt = (canvas["sub"].zfill(20),)
        else:  # folders and files that people name: STUDENT/lab.ipynb, STUDENT/NN_area/lab.ipynb, lab-STUDENT.ipynb
            stem = re.sub(r"\s*\(\d+\)$", "", file.rsplit(".", 1)[0])
            stem = re.sub(r"(?i)^lab[-_ ]*\d\d?$", "lab", stem)  # the number of a lab, and nobody's
            trimmed = re.sub(r"(?i)^(lab|\d\d_[a-z_]+?)[-_ ]+|[-_ ]+(lab|submission)$", "", stem)
            self.keys = self.names = [*pieces[:-1], stem, trimmed]
            self.words = re.split(r"[_\s]+", stem)
            alone = trimmed if self.is_lab and trimmed.lower() != "lab" else None
            self.plain = pieces[0] if len(pieces) > 1 else alone

    @property
    def order(self) -> tuple:
        """Files that hold the lab first, notebooks first, then attempts, copies and times in their order."""
        notebook = self.path.lower().endswith(".ipynb")
        return (self.fits, notebook, self.attempt, self.copy, self.changed, self.path)

    def unwanted(self) -> str:
        """Why this file does not come along with the lab, or nothing."""
        stem, ending = Path(self.name).stem, Path(self.name).suffix.lower()
        if ending not in results.ALONG:
            return "It is no notebook, helper or table."
        if self.name in results.OURS or not re.fullmatch(r"\w[\w .()-]*", self.name):
            return "It has a name that we do not use."
        if ending == ".py" and (stem in sys.stdlib_module_names or importlib.util.find_spec(stem.split(".")[0])):
            return f"It would stand in the way of the module {stem}."
        return "" if len(self.read()) <= results.LARGEST else f"It is larger than {results.LARGEST / 1e6:.0f} MB."

    def beside(self, lab: "Handed") -> str:
        """The name that the student's code knows it by: Canvas numbers all files of a later attempt."""
        again = lab.family == "Canvas" and lab.copy and lab.copy == self.copy
        return re.sub(r"-\d+(?=\.\w+$)", "", self.name) if again else self.name

    def owners(self, people: list) -> list:
        """Everybody whom the file's name fits; single words of it count only where nothing longer fits."""
        if self.family == "Blackboard":
            return next(filter(None, (classroom.find(people, keys=[key]) for key in self.keys)), [])
        return classroom.find(people, keys=self.keys, names=self.names) or classroom.find(people, keys=self.words)

    def own_name(self) -> str | None:
        """The student's name where there is no roster: with the system's number, for two may have one name."""
        return classroom.folder_name(self.plain) if self.plain else None


def _files(source: Path, refused: list[tuple[str, str]]):
    """(path, bytes, time of change, how to read it again) of each file of a folder or archive, archives included."""
    if source.is_file():
        if source.suffix.lower() == ".zip":
            yield from _archive(source, "", refused, depth=0)
        else:
            yield source.name, source.read_bytes(), "", source.read_bytes
        return
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source).as_posix()
        if any(part in SKIPPED for part in path.parts):
            continue
        if path.is_symlink():
            refused.append((name, "A link is not followed."))
        elif path.is_file():
            if path.stat().st_size > MEMBER:
                refused.append((name, f"It is larger than {MEMBER / 1e6:.0f} MB."))
            elif path.suffix.lower() == ".zip":
                yield from _archive(path, name, refused, depth=1)
            else:
                changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                yield name, path.read_bytes(), f"{changed:%Y-%m-%d %H:%M:%S}", path.read_bytes


def _archive(source, name: str, refused: list[tuple[str, str]], depth: int):
    """The files of a zip archive, none of them written to disk. One that is not what it seems is refused as a whole."""
    def no(why: str) -> None:
        refused.append((name or "the archive", why))

    try:
        archive = zipfile.ZipFile(source)
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return no("It is not a zip file, or it is damaged.")
    members = [member for member in archive.infolist() if not member.is_dir()]
    paths = [PurePosixPath(_name(member).replace("\\", "/")) for member in members]
    if any(path.is_absolute() or ".." in path.parts or ":" in path.parts[0] for path in paths if path.parts):
        return no("A name in it points out of the archive; none of its files is taken.")
    if len(members) > MEMBERS or sum(member.file_size for member in members) > TOTAL:
        return no(f"It unpacks to more than {TOTAL / 1e9:.0f} GB or {MEMBERS} files; none of its files is taken.")
    budget = TOTAL
    for member, path in zip(members, paths):
        inner = f"{name}/{path}" if name else str(path)
        if any(part in SKIPPED for part in path.parts):
            continue
        if member.file_size > MEMBER:
            refused.append((inner, f"It is larger than {MEMBER / 1e6:.0f} MB."))
            continue
        try:
            with archive.open(member) as file:
                content = file.read(int(MEMBER) + 1)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError, ValueError) as error:
            locked = "password" in str(error)
            refused.append((inner, "It is locked by a password." if locked else "It is damaged in the archive."))
            continue
        except Exception as error:  # zlib's own, which no base class names
            refused.append((inner, f"It is damaged in the archive ({type(error).__name__})."))
            continue
        budget -= len(content)
        if len(content) > MEMBER or budget < 0:
            return no(f"It unpacks to more than it says; files after {path} are not taken.")
        if path.suffix.lower() == ".zip":
            if depth:
                refused.append((inner, "An archive in an archive in an archive is not opened."))
            else:
                yield from _archive(io.BytesIO(content), inner, refused, depth + 1)
        else:
            year, month, day, *clock = member.date_time
            changed = f"{year:04}-{month:02}-{day:02} {':'.join(f'{part:02}' for part in clock)}"
            yield inner, content, changed, partial(archive.read, member)
    return None


def _name(member) -> str:
    """A name in an archive; macOS writes UTF-8 and does not say so."""
    if not member.flag_bits & 0x800:
        try:
            return member.filename.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass
    return member.filename


def _outer(paths: list[str]) -> int:
    """How many folders stand around all students' folders, such as the one that a zip file was made of."""
    pieces = [path.split("/") for path in paths]
    depth = 0
    while pieces and all(len(parts) > depth + 2 for parts in pieces) and len({parts[depth] for parts in pieces}) == 1 \
            and len({parts[depth + 1] for parts in pieces}) > 1:
        depth += 1
    return depth


def _words(lab: Path) -> list[str]:
    """What tells this lab from others: its first cell's area, its exercises' functions."""
    cells = nbformat.read(lab, as_version=4).cells
    return [f"def {found[1]}(" for cell in cells if cell.metadata.get("nbgrader", {}).get("solution")
            if (found := re.search(r"^def (\w+)", cell.source, re.M))]


def _fits(content: bytes, words: list[str]) -> bool:
    text = content.replace(b"\0", b"")  # UTF-16 of plain letters is readable that way
    return any(word.encode() in text for word in words)


def _store(course: Path, area: str, student: str, files: list, dry_run: bool) -> tuple[bool, str]:
    """Write the submission: whether one that lies there is newer and stays, and what became of it, which is kept."""
    handed, along = files
    folder = course / "submitted" / student / area
    stamp = folder / "timestamp.txt"
    fresh = ({"lab.ipynb": handed.read()} if handed else {}) | {name: one.read() for name, one in along.items()}
    handed = handed or next(iter(along.values()))
    time = classroom.moment(handed.time)  # the system's clock is taken for this machine's
    says = ""
    there = {path.name: path.read_bytes() for path in sorted(folder.glob("*")) if path.is_file()}
    before = there.get("lab.ipynb.before", there.get("lab.ipynb"))
    was = {name: data for name, data in there.items() if name not in results.OURS} | (
        {"lab.ipynb": before} if before is not None else {})
    if was == fresh:
        return False, ""
    if was:
        known = classroom.stamp(stamp)
        if known and time and time < known:
            return True, f"What {student} handed in at {known:%Y-%m-%d %H:%M} is newer and stays."
        name = next(iter(was))
        mark = hashlib.sha256(b"".join(was.values())).hexdigest()[:8]
        kept = course / "collected" / area / "replaced" / f"{student}-{mark}"
        says = f"It replaces what was collected before, kept as {kept.relative_to(course)}/{name}."
        if stamp.exists() and not time:
            says += " Its time is not known; write it into timestamp.txt if it counts."
        if not dry_run:
            for name, data in was.items():
                classroom.save(kept / name, data)
            if stamp.exists():
                classroom.save(kept / stamp.name, stamp.read_bytes())
            shutil.rmtree(folder)
    if not dry_run:
        for name, data in fresh.items():
            classroom.save(folder / name, data)
        classroom.save(folder / "came.txt", handed.path + "\n")
        if time:
            classroom.save(stamp, f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC\n")
        elif handed.late:
            classroom.save(folder / "late.txt", "Canvas says LATE, and not since when.\n")
    return False, says
