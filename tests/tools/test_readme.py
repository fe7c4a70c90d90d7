"""What the README promises is there: its figures, its files, its commands."""

import re
from pathlib import Path

from mlelab import data

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_number_of_flights():
    rows = data.tables().set_index("table")["rows"]
    assert f"{rows['flights']:,} flights" in README


def test_every_path_exists():
    folders = "book|labs|solutions|datasets|mlelab|tests|tools"
    for path in re.findall(rf"`((?:{folders})/[\w/.-]*|nbgrader_config\.py)`", README):
        assert (ROOT / path).exists(), path


def test_every_make_target_exists():
    targets = re.findall(r"^([\w ]+):", (ROOT / "Makefile").read_text(), re.M)
    for target in re.findall(r"`make (\w+)", README):
        assert target in " ".join(targets).split()
