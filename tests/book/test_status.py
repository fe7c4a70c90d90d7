"""The status page says what the records say."""

import json
import sys

import pytest
import yaml

from tests.book.conftest import ROOT
from tests.book.test_book import parsed

sys.path.insert(0, str(ROOT / "book" / "_ext"))

from course_index import NightlyDirective, StatusDirective  # noqa: E402

LABS = sorted(path.parent.name for path in ROOT.glob("solutions/*/lab.py"))
RECORDS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(ROOT.glob("book/status/*.json"))}


@pytest.mark.parametrize(("entry", "says"), [
    (None, "not run"),
    ({"says": "", "green": "2026-01-02", "ran": "2026-01-02", "source": "a"}, "green on 2026-01-02"),
    ({"says": "", "green": "2026-01-02", "ran": "2026-01-02", "source": "b"}, "changed since 2026-01-02"),
    ({"says": "Oh.", "green": "2026-01-02", "ran": "2026-01-03", "source": "a"}, "failed on 2026-01-03: Oh."),
])
def test_a_cell_is_never_greener_than_its_record(entry, says):
    assert StatusDirective.cell(entry, "a") == says


def test_the_table_has_a_row_for_each_lab_and_a_column_for_each_record(book):
    table = parsed(book / "book" / "reference" / "status.html").select_one("table.status")
    assert [head.get_text(strip=True) for head in table.select("thead th")] == ["Lab", *RECORDS]
    rows = [[cell.get_text(strip=True) for cell in row.select("td")] for row in table.select("tbody tr")]
    assert len(rows) == len(LABS)
    for area, row in zip(LABS, rows):
        for record, cell in zip(RECORDS.values(), row[1:]):
            assert (area in record) == (cell != "not run"), (area, cell)


@pytest.mark.parametrize(("entry", "says"), [
    (None, "not run"),
    ({"ran": "2026-01-03", "green": "2026-01-03"}, "green on 2026-01-03"),
    ({"ran": "2026-01-03", "green": "2026-01-02"}, "failed on 2026-01-03, green on 2026-01-02"),
    ({"ran": "2026-01-03", "green": None}, "failed on 2026-01-03"),
])
def test_a_night_is_never_greener_than_its_record(entry, says):
    assert NightlyDirective.cell(entry) == says


def test_the_nightly_table_has_a_row_for_each_step(book):
    table = parsed(book / "book" / "reference" / "status.html").select_one("table.nightly")
    rows = [[cell.get_text(strip=True) for cell in row.select("td")] for row in table.select("tbody tr")]
    steps = yaml.safe_load((ROOT / "tools" / "nightly.yml").read_text(encoding="utf-8"))
    assert [row[0] for row in rows] == [step["name"] for step in steps]
    for row in rows:
        record = ROOT / "book" / "status" / "nightly" / f"{row[0]}.json"
        assert record.exists() == (row[2] != "not run"), row
