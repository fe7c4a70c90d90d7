"""A lab can be left and resumed at any section: what stands above it comes from the course's own code."""

import subprocess
import sys
from pathlib import Path

import pytest

from mlelab.check.resume import SECTION, resume
from tests import sampled

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {path.parent.name: path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("solutions/*/lab.py"))}
PLACES = [(area, int(number)) for area, source in SOURCES.items() for number, _ in SECTION.findall(source)]
MIDDLE = [(area, section) for area, section in PLACES
          if section == max(number for other, number in PLACES if other == area) // 2 + 1]

PROGRAM = """
import sys
import matplotlib
matplotlib.use("Agg")
import mlelab
from mlelab.check.resume import cells
from mlelab.check.source import lab_source
_area, _section = sys.argv[1], int(sys.argv[2])
_below = [code for place, _, code in cells(lab_source(_area)) if place >= _section]
check = mlelab.start(_area)
check.resume(_section)
for _code in _below:
    exec(compile(_code, "below", "exec"), globals())
"""


@pytest.mark.parametrize(("area", "section"), sampled(MIDDLE, [("01_lifecycle", 4)]))
def test_what_stands_below_a_section_runs_after_resume(area, section, tmp_path):
    """In a fresh process; the nightly run takes the middle of every lab."""
    program = tmp_path / "resumed.py"
    program.write_text(PROGRAM)
    ran = subprocess.run([sys.executable, str(program), area, str(section)], cwd=ROOT / "solutions" / area,
                         capture_output=True, text=True, timeout=400)
    assert ran.returncode == 0, ran.stderr[-2_000:]
    assert f"You are at section {section}" in ran.stdout


def test_a_function_that_was_written_stays_and_a_stub_does_not():
    def make_label(flights, minutes=30):
        return "mine"

    def available_columns(spec, lead_hours):
        raise NotImplementedError

    names = {"make_label": make_label, "available_columns": available_columns, "__name__": "lab"}
    with pytest.raises(TypeError):  # a string is no table: it was called
        resume("01_lifecycle", 2, names)
    names = {"available_columns": available_columns, "__name__": "lab"}
    says = resume("01_lifecycle", 3, names)
    assert names["available_columns"] is not available_columns and "results of 1.1, 1.2" in says


def test_an_unknown_section_names_those_there_are():
    with pytest.raises(ValueError, match=r"sections 1, 2, .*no 99"):
        resume("01_lifecycle", 99, {})


def test_a_class_is_told_what_to_do(monkeypatch):
    monkeypatch.setattr("mlelab.check.resume.lab_source", lambda area: None)
    assert "Run All Above" in resume("01_lifecycle", 2, {})
