"""The instructors' pages add up to what the chapters and labs say, whichever labs there are."""

import re
import sys
from pathlib import Path

import pytest
import yaml

from mlelab.check import open_lab
from tests.book.conftest import ROOT
from tests.book.test_book import parsed
from tests.wrong_answers import answers

sys.path.insert(0, str(ROOT / "book" / "_ext"))

from course_teaching import spread  # noqa: E402

CHAPTERS = yaml.safe_load((ROOT / "book" / "chapters.yml").read_text(encoding="utf-8"))
LABS = sorted(path.parent.name for path in ROOT.glob("solutions/*/lab.py"))
POINTS = {area: sum(map(int, re.findall(r"^# %% check=.* points=(\d+)", source.read_text(encoding="utf-8"), re.M)))
          for area in LABS for source in [ROOT / "solutions" / area / "lab.py"]}


@pytest.mark.parametrize("slots", range(1, 30))
@pytest.mark.parametrize("core", [False, True])
def test_a_plan_holds_every_chapter_in_order(slots, core):
    chapters = [chapter for chapter in CHAPTERS if chapter["core"] or not core]
    plan = spread(chapters, slots)
    assert len(plan) == slots and all(plan)
    pieces = [piece for slot in plan for piece in slot]
    assert [chapter["area"] for chapter, part, _ in pieces if part == 1] == [chapter["area"] for chapter in chapters]
    for chapter in chapters:
        parts = [(part, parts) for other, part, parts in pieces if other is chapter]
        assert parts == [(part, len(parts)) for part in range(1, len(parts) + 1)]
    assert len(pieces) == max(slots, len(chapters))


def test_no_slot_could_be_shorter():
    """Against all ways to cut eight chapters in three."""
    chapters = [chapter for chapter in CHAPTERS if chapter["core"]]
    minutes = [chapter["page_minutes"] + chapter["lab_minutes"] for chapter in chapters]
    ways = [max(sum(minutes[:i]), sum(minutes[i:j]), sum(minutes[j:]))
            for i in range(1, len(minutes)) for j in range(i + 1, len(minutes))]
    longest = max(sum(chapter["page_minutes"] + chapter["lab_minutes"] for chapter, *_ in slot)
                  for slot in spread(chapters, 3))
    assert longest == min(ways)


def test_the_syllabi_add_up(book):
    tables = parsed(book / "book" / "instructors" / "syllabi.html").select("table.syllabus")
    for table, core, slots in zip(tables, (False, True, True), (14, 7, 3)):
        rows = [[cell.get_text(strip=True) for cell in row.find_all("td")] for row in table.select("tbody tr")]
        assert len(rows) == slots + 1
        chosen = [chapter for chapter in CHAPTERS if chapter["core"] or not core]
        total = rows.pop()
        assert int(total[2]) == sum(chapter["page_minutes"] for chapter in chosen) == sum(int(row[2]) for row in rows)
        assert int(total[3]) == sum(int(row[3]) for row in rows)
        assert abs(int(total[3]) - sum(chapter["lab_minutes"] for chapter in chosen)) <= slots
        areas = {chapter["area"] for chapter in chosen}
        assert int(total[4]) == sum(points for area, points in POINTS.items() if area in areas and area != "00_start")
        linked = {Path(tag["href"]).stem for tag in table.select("a")}
        assert linked == {area for area in areas if (ROOT / "book" / f"{area}.md").exists()}


def test_every_lab_has_its_notes(book):
    page = parsed(book / "book" / "instructors" / "labs.html")
    for area in LABS:
        section = page.find(id=f"teach-{int(area[:2])}")
        rows = [[cell.get_text(" ", strip=True) for cell in row.find_all("td")]
                for row in section.select("table.lab-notes tbody tr")]
        assert [row[0].split()[0] for row in rows] == list(open_lab(area).exercises)
        assert sum(int(row[1]) for row in rows) == POINTS[area]
        for row in rows:
            wrong = [answer for answer in answers(area) if answer.exercise == row[0].split()[0]
                     and answer.misconception]
            assert int(row[2]) == len(wrong)
            assert set(re.findall(r"M\d\d", row[3])) == {answer.misconception for answer in wrong}
        assert "Discuss." in section.get_text() and "Rubric" in section.get_text()
