"""Sentences are held by claims: the lint over the course, a planted offender for each rule, and changed data."""

import sys
from pathlib import Path

import jupytext
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import claims  # noqa: E402
import make_labs  # noqa: E402
from run_notebooks import run  # noqa: E402

LAB = """\
# %% [markdown]
# # A small lab
#
# July is the month with the largest late share.

# %%
from mlelab import case, data

flights = data.load("flights", columns=["month", "arr_delay"])
late = (flights["arr_delay"] >= case.LATE_MINUTES).groupby(flights["month"]).mean()

# %%
# claim: the largest late share
assert late.idxmax() == 7
"""


def lab(tmp_path: Path, source: str = LAB) -> claims.Text:
    path = tmp_path / "solutions" / "99_small" / "lab.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source, encoding="utf-8")
    return claims.Text(path, jupytext.read(path))


def page(tmp_path: Path, source: str = LAB) -> claims.Text:
    """The same as a page."""
    notebook = jupytext.reads(source, fmt="py:percent")
    notebook.metadata = nbformat.from_dict(make_labs.KERNEL)
    for cell in filter(claims.is_claim, notebook.cells):
        cell.metadata["tags"] = ["remove-cell"]
    path = tmp_path / "book" / "99_small.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    jupytext.write(notebook, path, fmt="md:myst")
    return claims.Text(path, jupytext.read(path))


def test_every_sentence_has_its_claim_or_is_on_the_list():
    faults = claims.lint()
    assert not faults, "\n".join(faults)


def test_the_list_names_a_sentence_once_and_in_order():
    assert claims.listed() == sorted(set(claims.listed()))


@pytest.mark.parametrize("place", [lab, page])
def test_a_claim_covers_its_sentence_in_a_lab_and_on_a_page(tmp_path, place):
    text = place(tmp_path)
    assert text.faults() == [] and text.uncovered() == []


@pytest.mark.parametrize("place", [lab, page])
def test_a_false_sentence_turns_the_run_red(tmp_path, place):
    """What CI runs: the solution as it is executed and kept, and each page as a notebook."""
    for text, is_right in ((LAB, True), (LAB.replace("July", "May").replace("== 7", "== 5"), False)):
        path = place(tmp_path, text).path
        if path.suffix == ".py":
            path = path.with_suffix(".ipynb")
            notebook = jupytext.reads(text, fmt="py:percent")
            notebook.metadata = nbformat.from_dict(make_labs.KERNEL)
            nbformat.write(notebook, path)
        assert run(path, cell_timeout=60)["ok"] is is_right


@pytest.mark.parametrize("sentence", [
    "July has the worst days.", "July is the most expensive month.", "July is later than May.",
    "The trees are better.", "The model gains 0.013 of AUC.", "It finds 41 of the late flights.", "It saves 8 %.",
    "It reads 33,000 rows.",
])
def test_a_sentence_that_states_something_is_named(tmp_path, sentence):
    assert sentence in lab(tmp_path, LAB.replace("# July is", f"# {sentence} July is")).uncovered()


@pytest.mark.parametrize("sentence", [
    "A flight is late from 30 minutes on.", "Keep at least one row.", "Read chapter 12 first.", "Which is the best?",
    "Set `max_iter=80` and run it.", "The year is 2013.", "Send a request to the nearest server.",
    "### Exercise 1.2: keep the best 20 (2 points)",
])
def test_a_sentence_that_states_nothing_is_left_alone(tmp_path, sentence):
    assert lab(tmp_path, LAB.replace("# July is", f"# {sentence}\n#\n# July is")).uncovered() == []


@pytest.mark.parametrize(("old", "new"), [
    ("# claim: the largest late share", "# claim: the smallest late share"),  # no such sentence
    ("July is the month with the largest late share", "It has the largest late share. Has it the largest late share"),
    ("assert late.idxmax() == 7", "late.idxmax() == 7"),
    ("# claim: the largest late share", "# claim: the largest late share\n# fact: July is the month"),
])
def test_a_mark_that_says_nothing_is_named(tmp_path, old, new):
    assert lab(tmp_path, LAB.replace(old, new)).faults()


def test_a_fact_has_its_reason(tmp_path):
    source = LAB.replace("# July is", "# A year has 365 days. July is")
    assert len(lab(tmp_path, source).uncovered()) == 1
    covered = source.replace("# claim: the", "# fact: A year has 365 days | the calendar\n# claim: the")
    assert lab(tmp_path, covered).uncovered() == lab(tmp_path, covered).faults() == []


def test_a_claim_on_a_page_is_not_shown(tmp_path):
    text = page(tmp_path)
    text.path.write_text(text.path.read_text().replace(":tags: [remove-cell]\n", ""))
    assert claims.Text(text.path, jupytext.read(text.path)).faults()


def test_labs_are_released_without_claims():
    solutions, labs = (list(ROOT.glob(f"{folder}/*/lab.ipynb")) for folder in ("solutions", "labs"))
    assert any(claims.is_claim(cell) for path in solutions for cell in nbformat.read(path, 4).cells)
    assert not any(mark in path.read_text() for path in labs for mark in ("# claim:", "# fact:", "# unless:"))


# On changed data


def test_claims_of_the_first_lab_fail_on_changed_data():
    """A sample of what runs every night: `tools/claims.py --perturb`."""
    text = next(text for text in claims.texts(["00_start"]) if text.path.name == "lab.py")
    assert text.claimed and claims.survivors(text) == []


@pytest.mark.parametrize("assertion", ["late.max() <= 1", "len(late) > 0", "True"])
def test_a_claim_that_cannot_fail_survives(tmp_path, assertion):
    text = lab(tmp_path, LAB.replace("late.idxmax() == 7", assertion))
    assert claims.survivors(text, kinds=("mirrored",)) == ["the largest late share"]


def test_each_claim_of_a_cell_is_judged_by_its_own_assertions(tmp_path):
    second = "\n# claim: with the largest\nassert True\n"
    assert claims.survivors(lab(tmp_path, LAB + second), kinds=("mirrored",)) == ["with the largest"]


def test_unless_says_what_makes_a_claim_false(tmp_path):
    source = LAB.replace("assert late.idxmax() == 7", "# unless: rate = 2\nassert rate == 1")
    source = source.replace("from mlelab import", "rate = 1\nfrom mlelab import")
    assert claims.survivors(lab(tmp_path, source), kinds=("mirrored",)) == []
    assert claims.survivors(lab(tmp_path, source.replace("rate = 2", "rate = 1")), kinds=("mirrored",))
