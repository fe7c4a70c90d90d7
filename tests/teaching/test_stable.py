"""A class stays on a release: the name of an exercise means the same for ever, in stored points and in comments."""

import csv
import re

import nbformat

from tests.teaching.conftest import ROOT

# All exercises that there ever were. A row is added with a new exercise, and none is changed or removed.
KNOWN = ROOT / "tests" / "teaching" / "exercises.csv"


def test_a_number_means_one_exercise_for_ever():
    with open(KNOWN, encoding="utf-8", newline="") as file:
        known = {(row["area"], row["exercise"]): row["function"] for row in csv.DictReader(file)}
    for path in sorted(ROOT.glob("labs/*/lab.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.metadata.get("nbgrader", {}).get("solution"):
                number = ".".join(cell.id.split("-")[1:3])
                function = re.findall(r"^(?:def|class) (\w+)", cell.source, re.M)[-1]
                assert known.get((path.parent.name, number)) == function, (
                    f"{path.parent.name} {number}: a number is never used again, and a new exercise gets a row in "
                    f"{KNOWN.name}")


