"""How long a lab takes: one formula, a core path that fits, points that follow."""

import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import minutes  # noqa: E402

AREAS = sorted(path.parent.name for path in ROOT.glob("solutions/*/lab.py"))
SOURCE = '''\
# %% [markdown]
# # Lab
# {words}

# %%
import numpy

# %% [markdown]
# ## 1. A section
# {words}
# ### Exercise 9.1: write (2 points)

# %%
example = 1

# %% exercise="9.1"
def write():
    """{words}"""
    ### BEGIN SOLUTION
    first = 1

    return first
    ### END SOLUTION

# %% check="9.1" points=2
check.write(write)

# %%
# claim: never counted
assert True

# %% [markdown]
# ### Exercise 9.2: review (1 point)

# %% exercise="9.2"
def review_it():
    ### BEGIN SOLUTION
    return {{}}
    ### END SOLUTION

# %% check="9.2" part="a" points=1
check.review_it(review_it, "a")
'''


def test_the_formula():
    first, one, other = minutes._stretches(SOURCE.format(words="word " * 130), seconds=60)
    assert first.minutes == pytest.approx(1 + 1 / 130 + 0.5 + 1 / 6)  # the heading is a word, too
    assert (one.number, one.points, one.cells, one.lines, one.reviewed) == ("9.1", 2, 1, 2, 0)
    assert one.words == 260 + 5 and one.seconds == pytest.approx(30)
    assert (other.number, other.lines, other.reviewed, other.cells) == ("9.2", 1, 1, 0)
    assert other.minutes == pytest.approx(other.words / 130 + 1 + 3 + 20 / 60)


@pytest.mark.parametrize("area", AREAS)
def test_the_core_path_fits_and_is_of_this_lab(area):
    length = minutes.lab(area)
    assert set(length.path) <= set(length.exercises) and length.path
    assert sum(one.minutes for one in length.stretches if one.number in (None, *length.path)) <= minutes.CORE


@pytest.mark.parametrize("area", AREAS)
def test_points_follow_the_minutes(area):
    for one in minutes.lab(area).stretches:
        parts = (ROOT / "solutions" / area / "lab.py").read_text().count(f'# %% check="{one.number}" part=')
        if one.number:
            fewest, most = one.points_that_follow
            assert one.points == parts or fewest <= one.points <= most, one


def test_the_map_of_the_chapters_is_up_to_date():
    """`python tools/minutes.py --write`."""
    assert minutes.write() == (ROOT / "book" / "chapters.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("area", AREAS)
def test_the_lab_says_it(area):
    length = minutes.lab(area)
    notebook = nbformat.read(ROOT / "labs" / area / "lab.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert f"{length.points} points, about {length.total} minutes" in text
    for number, taken in length.exercises.items():
        path = "core" if number in length.path else "deeper"
        assert f"about {taken} minutes, {path}" in text.split(f"### Exercise {number}:", 1)[1].split("\n", 1)[0]
