"""What the README promises is there: its figures, its files, its commands."""

import re
from pathlib import Path

from mlelab import data
from mlelab.check import open_lab

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


def test_the_card_is_what_the_check_says():
    def late_share(delays, threshold):
        return (delays >= threshold).mean()

    said = str(open_lab("00_start").exercises["0.2"].outcome(late_share, seed=0)).splitlines()
    shown = re.search(r"```text\n(.*?)```", README, re.S)[1].splitlines()
    assert [line for line in shown if line not in said] == []
