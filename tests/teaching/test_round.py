"""The round of a lab for a class of six, as the pages say it: nothing is lost, and everybody gets their feedback back.

Two of them have one name, one is late, one needs a helper of their own, one handed in twice, one a PDF and no notebook.
"""

import csv
import zipfile

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from teaching import classroom, results

from tests import sampled
from tests.journeys.students import UNSOLVED, handed_in
from tests.submissions import HIDDEN
from tests.teaching.conftest import AREA
from tests.wrong_answers import answers

PEOPLE = [("Ada", "Lee"), ("Ada", "Lee"), ("Grace", "Hopper"), ("José", "Núñez Ortega"), ("Mary Ann", "O'Neill"),
          ("Linus", "Pauling")]
HELPER = "def share(delays, threshold):\n    return (delays[delays == delays] >= threshold).mean()\n"
LATE = 2  # Grace, by a bit more than a day
MOODLE = ["Identifier", "Full name", "Email address", "Status", "Grade", "Maximum Grade", "Grade can be changed",
          "Last modified (submission)", "Last modified (grade)", "Feedback comments"]
CANVAS = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Lab 0 (7781)"]
POINTS = [4, 3, 2.25, 3, 4, 0]  # a quarter of Grace's three is the price of a day


def notebook(**answered) -> bytes:
    return nbformat.writes(handed_in(AREA, {number.replace("_", "."): answer
                                            for number, answer in answered.items()})).encode()


def handed() -> list[dict[str, bytes]]:
    """By student, what they hand in."""
    wrong = next(answer.function.__name__ for answer in answers(AREA) if answer.function.__name__ ==
                 "missing_counts_as_on_time")
    with_helper = handed_in(AREA, {})
    own = next(cell for cell in with_helper.cells if cell.id == "exercise-0-2")
    own.source = ("import numpy as np\nimport pandas as pd\nfrom my_helper import share\nkept = pd.read_csv('rows.csv')"
                  "\ndef late_share(delays, threshold):\n    known = delays[~np.isnan(delays)]\n"
                  "    return share(known, threshold) if len(known) else kept['nothing'].iloc[0]")
    return [{"lab.ipynb": notebook()}, {"lab.ipynb": notebook(**{"0_1": UNSOLVED})},
            {"lab.ipynb": notebook(**{"0_2": wrong})}, {"lab.ipynb": notebook(**{"0_1": UNSOLVED})},
            {"lab.ipynb": nbformat.writes(with_helper).encode(), "my_helper.py": HELPER.encode(),
             "rows.csv": b"nothing\nNaN\n"}, {"lab.pdf": b"%PDF-1.7"}]


def files(system: str) -> dict[str, bytes]:
    """The download of the assignment; José's first attempt is empty."""
    found = {}
    for number, ((first, last), work) in enumerate(zip(PEOPLE, handed())):
        letters = "".join(filter(str.isalpha, f"{last}{first}".casefold()))
        for place, (name, content) in enumerate(work.items()):
            found[f"{first} {last}_{100 + number}_assignsubmission_file_/{name}" if system == "moodle" else
                  f"{letters}_{'LATE_' * (number == LATE)}{500 + number}_{900 + 10 * number + place}_{name}"] = content
    return found | ({"nunezortegajose_503_800_lab.ipynb": notebook(**{"0_1": UNSOLVED, "0_2": UNSOLVED})}
                    if system == "canvas" else {})


def roster(system: str) -> tuple[list[str], list[list[str]]]:
    """The heads and rows of the table that the system exports."""
    days = ["Monday, 1 February 2027, 11:30 AM"] * len(PEOPLE)
    days[LATE] = "Tuesday, 2 February 2027, 11:30 AM"
    if system == "moodle":
        return MOODLE, [[f"Participant {100 + number}", f"{first} {last}", f"s{number}@example.edu", "Submitted", "",
                         "4.00", "Yes", days[number], "-", ""] for number, (first, last) in enumerate(PEOPLE)]
    return CANVAS, [[f"{last}, {first}", str(500 + number), f"S{number}", f"s{number}", "MLE", ""]
                    for number, (first, last) in enumerate(PEOPLE)]


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("system", sampled(["moodle", "canvas"], ["moodle"]))
def test_a_class_of_six(system, tmp_path, run, browser):
    term, table, inbox = tmp_path / "term", tmp_path / "roster.csv", tmp_path / "download.zip"
    heads, rows = roster(system)
    classroom.save(table, classroom.as_csv(rows, heads, ours=False))
    inbox.write_bytes(classroom.zipped(files(system)))
    classroom.save(tmp_path / "hidden" / f"{AREA}.py", HIDDEN)
    words = ("--course", term)
    assert run("release", AREA, *words, "--hidden", tmp_path / "hidden", "--due", "2027-02-01 12:00")[0] == 0
    with open(term / "nbgrader_config.py", "a", encoding="utf-8") as config:
        config.write("c.LateWork.per_day = 25\n")
    run("collect", AREA, inbox, *words, "--roster", table)
    status, said = run("autograde", AREA, *words)
    assert status == 1 and "There is no notebook" in said  # of Linus; the others are graded
    people = classroom.roster(table)
    found = {one.student: one for one in results.results(term, AREA)}
    assert [found[person.id].total for person in people] == POINTS
    assert found[people[LATE].id].checks[1].misconception == "M08"

    classroom.save(tmp_path / "sheet.csv", f"student,check,points,extra,comment\n{people[3].id},0.2,,,Well named.\n")
    assert run("points", AREA, tmp_path / "sheet.csv", *words)[0] == 0
    assert run("feedback", AREA, *words)[0] == 0
    with zipfile.ZipFile(term / "feedback" / f"{AREA}-{system}.zip") as archive:
        pages = {name: archive.read(name).decode() for name in archive.namelist()}
    assert not (term / "feedback" / f"{AREA}-others.zip").exists()
    for number, (person, due) in enumerate(zip(people, POINTS)):
        key = f"_{100 + number}_assignsubmission_file_" if system == "moodle" else f"_{500 + number}_"
        page, = (text for name, text in pages.items() if key in name)
        assert f"for {person.id}" in page and "CANARY" not in page and "<script" not in page
        assert f"<strong>{due:g} of 4 points" in page or number == 5 and "There is no notebook" in page
        assert ("Comment: Well named." in page) == (number == 3) and ("<p>It came " in page) == (number == LATE)

    assert run("grades", *words, "--format", system, "--roster", table)[0] == 0
    with open(term / "exports" / f"grades-{system}.csv", encoding="utf-8-sig", newline="") as file:
        exported = list(csv.DictReader(file))
    column = "Grade" if system == "moodle" else "Lab 0 (7781)"
    assert [float(row[column]) for row in exported if "Points Possible" not in str(row)] == POINTS
    assert run("report", AREA, *words)[0] == 0
    for path in (next(term.glob(f"feedback/*/{AREA}/lab.html")), term / "reports" / AREA / "index.html"):
        page = browser.new_page()
        page.goto(path.as_uri())
        seen = Axe().run(page)
        assert seen.violations_count == 0, seen.generate_report()
        page.close()
