"""A class of thirty, from release to exported grades: expected against got, for each student. `make class` runs this.

Solved, half solved, wrong in each way that lab 0 catalogues, and hostile; handed in under the names that Canvas,
Moodle, Blackboard and people give to files. Then honest submissions once more, by ours and by plain nbgrader in one
process, one after the other on this machine; `--compare 200` does only that, with 200 of them.
"""

import argparse
import csv
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import nbformat
import numpy as np

from tests.journeys.students import ROOT, UNSOLVED, handed_in
from tests.submissions import AREA, CASES, HIDDEN, LIMITS
from tests.wrong_answers import answers

HALVES = [{"0.1": UNSOLVED}, {"0.2": UNSOLVED}, {"0.1": "def broken(:"}, {"0.2": UNSOLVED, "0.1": "deleted"}]
HALF_POINTS = [3, 1, 3, 0]
SOLVED = 4
SURNAMES = ["Lovelace", "Núñez Ortega", "O'Neill", "Turing", "Hopper", "Nakamura", "Okafor", "Šimić", "Þórsdóttir",
            "Liu"]
NAMES = [  # as {first}, {last}, {id}, {number} of a student, with what each way of handing in makes of it
    "{letters}_{number}_90{number}_lab.ipynb",
    "{first} {last}_{number}_assignsubmission_file_/lab (1).ipynb",
    "Lab 0_{id}_attempt_2027-02-01-13-00-00_lab.ipynb",
    "{id}/00_start/lab.ipynb",
    "lab-{id}.ipynb",
    "{last}, {first}.ipynb",
]
HONEST = 8  # submissions of the comparison


def main() -> int:
    sys.path.insert(0, str(ROOT / "tools"))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--compare", type=int, metavar="N", help="only grade N honest submissions in both ways")
    only = parser.parse_args().compare
    people, begun = students(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mlelab-class-") as folder:
        if only:
            compare(Path(folder), only)
            return 0
        course = Path(folder) / "course"
        got = term(Path(folder), course, people)
        wrong = table(people, got)
        print(f"From release to grades in {time.monotonic() - begun:.0f} s.\n", flush=True)
        compare(Path(folder), HONEST)
    return 1 if wrong else 0


def students() -> dict[str, tuple[str, float, object]]:
    """By name: what kind, the points that are due, and the builder of what is handed in."""
    work: list[tuple[str, float, object]] = [("solved", 4, lambda course: handed_in(AREA, {}))] * SOLVED
    work += [(f"half solved: {' and '.join(half)}", points, lambda course, half=half: handed_in(AREA, half))
             for half, points in zip(HALVES, HALF_POINTS)]
    wrong = {(answer.exercise, answer.misconception): answer for answer in answers(AREA) if answer.misconception}
    for answer in list(wrong.values())[::2]:
        given = {answer.exercise: answer.function.__name__}
        work.append((f"wrong: {answer.function.__name__}", 4 - lost(answer),
                     lambda course, given=given: handed_in(AREA, given)))
    names = [name for name, case in sorted(CASES.items(), key=lambda item: not item[1].sample)
             if name not in ("solved", "nothing_solved", "a_syntax_error")]
    work += [(name.replace("_", " "), CASES[name].points, CASES[name].build) for name in names[:30 - len(work)]]
    return {f"s{number:02}": one for number, one in enumerate(work, start=1)}


def lost(answer) -> float:
    """What a catalogued wrong answer costs: its check, and the hidden one if that sees it too."""
    if answer.exercise != "0.2":
        return 1
    return 1 if answer.function(np.array([31.0, 29.0]), 30) == 0.5 else 3


def term(folder: Path, course: Path, people: dict) -> dict[str, float]:
    """Release, collect, autograde, feedback, grades: the points in the exported table."""
    (folder / "hidden").mkdir()
    (folder / "hidden" / f"{AREA}.py").write_text(HIDDEN, encoding="utf-8")
    roster, inbox = folder / "roster.csv", folder / "download.zip"
    with open(roster, "w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["student_id", "first_name", "last_name", "ID"])
        rows.writerows([student, *name_of(number), 500 + number] for number, student in enumerate(people))
    run("release", AREA, "--course", course, "--hidden", folder / "hidden", "--due", "2027-02-01T23:59+00:00")
    with zipfile.ZipFile(inbox, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, (student, (_, _, build)) in enumerate(people.items()):
            first, last = name_of(number)
            letters = "".join(letter for letter in f"{last}{first}".lower() if letter.isalpha())
            name = NAMES[number % len(NAMES)].format(first=first, last=last, id=student, number=500 + number,
                                                     letters=letters)
            made = build(course)
            archive.writestr(name, made if isinstance(made, bytes) else nbformat.writes(made))
    run("collect", AREA, inbox, "--course", course, "--roster", roster)
    run("autograde", AREA, "--course", course, *(word for pair in LIMITS.items() for word in pair))
    run("feedback", AREA, "--course", course)
    run("grades", "--course", course, "--roster", roster)
    with open(course / "exports" / "grades-table.csv", encoding="utf-8-sig", newline="") as file:
        return {row["student"]: float(row["Lab 0"]) for row in csv.DictReader(file)
                if row["student"] in people and row["Lab 0"]}


def name_of(number: int) -> tuple[str, str]:
    return f"Ada{chr(ord('a') + number % 26)}{number}", SURNAMES[number % len(SURNAMES)]


def run(*words) -> None:
    """One command of teach.py, as an instructor types it."""
    print(f"$ teach.py {' '.join(map(str, words[:2]))}", flush=True)
    subprocess.run([sys.executable, ROOT / "tools" / "teach.py", *map(str, words)], cwd=ROOT)


def table(people: dict, got: dict[str, float]) -> int:
    """Print expected and got; how many differ."""
    print(f"\n{'':4} {'student':8} {'expected':>8} {'got':>5}  handed in")
    wrong = 0
    for student, (kind, expected, _) in people.items():
        same = got.get(student) == expected
        wrong += not same
        shown = f"{got[student]:g}" if student in got else "-"
        print(f"{'' if same else '✘':4} {student:8} {expected:>8g} {shown:>5}  {kind}")
    print(f"{len(people) - wrong} of {len(people)} as expected.")
    return wrong


def compare(folder: Path, honest: int) -> None:
    """Ours with one job for each core against plain nbgrader in one process, on the same honest submissions."""
    seconds = {}
    for way in ("ours", "plain nbgrader"):
        course = folder / way.replace(" ", "-")
        subprocess.run([sys.executable, ROOT / "tools" / "teach.py", "release", AREA, "--course", course],
                       capture_output=True, check=True)
        for number in range(honest):
            target = course / "submitted" / f"s{number}" / AREA
            target.mkdir(parents=True)
            nbformat.write(handed_in(AREA, {"0.1": UNSOLVED} if number % 2 else {}), target / "lab.ipynb")
        command = [sys.executable, ROOT / "tools" / "teach.py", "autograde", AREA, "--course", course]
        if way != "ours":
            command = [sys.executable, "-m", "nbgrader", "autograde", AREA]
        print(f"{way}: grading {honest} honest submissions...", flush=True)
        begun = time.monotonic()
        subprocess.run(command, cwd=course, capture_output=True, check=True)
        seconds[way] = time.monotonic() - begun
        shutil.rmtree(course)
    for way, spent in seconds.items():
        print(f"{way}: {honest} honest submissions in {spent:.1f} s, {spent / honest:.1f} s each.")
    print(f"Ours takes {seconds['ours'] / seconds['plain nbgrader']:.2f} of the time of plain nbgrader.")


if __name__ == "__main__":
    sys.exit(main())
