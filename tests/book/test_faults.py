"""Broken pages break the build: a small book with one fault of each kind, and one without any."""

import shutil
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup

from tests.book.conftest import ROOT, build

HEAD = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
# Page

"""
GOOD = HEAD + """```{lab} 01_lifecycle
```

(label-and-eligibility)=
## Label

You use {gcp}`vertex-ai` on {rows}`flights` flights, and beware of {misconception}`M09`. $p \\ge \\frac{1}{6}$

```{code-cell} ipython3
import pandas as pd
from myst_nb import glue

glue("evidence", pd.DataFrame({"late": [0.5, 0.25]}, index=["train", "test"]), display=False)
```

```{admonition} Instructor note
:class: instructor-note dropdown
Hidden at first.
```

```{quiz} sample
```

```{take-along}
```

```{misconceptions}
```

```{gcp-names}
```

```{nightly}
```
"""
FAULTS = {
    "```{lab} 99_gone\n```": "there is no labs/99_gone/lab.ipynb",
    "```{quiz} 99_gone\n```": "there is no book/quiz/99_gone.yml",
    "{gcp}`vertex`": "there is no product 'vertex'",
    "{misconception}`M00`": "there is no misconception 'M00'",
    "{rows}`trains`": "there is no dataset 'trains'",
    "{term}`gone`": "gone",
    "{ref}`gone-label`": "gone-label",
    "{cite}`gone2020`": "gone2020",
    "$\\gone$": "cannot write this formula as MathML",
    "{doc}`gone`": "gone",
}


@pytest.fixture
def small_book(tmp_path) -> Path:
    """A book of one page with the settings, the extension and the data of the course."""
    for name in ("_config.yml", "pyproject.toml", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("book/_ext", "book/_static", "book/_templates", "labs/01_lifecycle", "datasets"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("book/reference/gcp-names.yml", "book/references.bib", "tools/nightly.yml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "book" / "quiz").mkdir()
    shutil.copy(ROOT / "tests" / "book" / "sample.yml", tmp_path / "book" / "quiz" / "sample.yml")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/index\n")
    (tmp_path / "book" / "index.md").write_text(GOOD)
    (tmp_path / "_build").mkdir()
    (tmp_path / "_build" / "machine-learning-engineering.epub").write_bytes(b"made before" * 20_000)
    return tmp_path


def test_a_sound_page_builds_and_shows_everything(small_book):
    built = build(small_book, small_book)
    assert built.returncode == 0, (built.stdout + built.stderr)[-3000:]
    page = BeautifulSoup((small_book / "_build" / "html" / "book" / "index.html").read_text(), "html.parser")
    text = page.find("main").get_text()
    assert "Gemini Enterprise Agent Platform (formerly Vertex AI)" in text
    assert "336,776 flights" in text
    assert page.find("math").find("mfrac")
    assert page.select_one("table.nightly tbody tr").get_text(" ", strip=True).startswith("sweeps What the tests")
    assert page.find("a", href="../_downloads/machine-learning-engineering.epub").get_text() == "EPUB, 0.2 MB"
    assert (small_book / "_build" / "html" / "_downloads" / "machine-learning-engineering.epub").exists()
    assert page.select_one("details.instructor-note > summary").get_text() == "Instructor note"
    pasted = page.select_one(".quiz-evidence table")
    assert pasted.get_text(" ", strip=True) == "late train 0.50 test 0.25"
    assert page.select_one('[data-question="sample-three-parts"]')["data-choose"] == "2"
    assert page.select_one('.quiz-reasons a[href="#m08"]')
    assert not page.find("script", src=lambda source: source and "mathjax" in source.lower())


def test_every_fault_is_reported_and_fails_the_build(small_book):
    page = GOOD + "\n" + "\n\n".join(FAULTS) + "\n\n```{quiz} other\n```\n"
    (small_book / "book" / "index.md").write_text(page)
    quiz = small_book / "book" / "quiz" / "sample.yml"
    other = yaml.safe_load(quiz.read_text())["questions"][1]
    other |= {"id": "other", "stem": "a b c d e " * 4, "evidence": {"title": "Gone", "glue": "gone_evidence"}}
    quiz.with_name("other.yml").write_text(yaml.safe_dump({"questions": [other]}))
    quiz.write_text(quiz.read_text().replace("M16", "M00"))
    built = build(small_book, small_book)
    assert built.returncode != 0
    said = built.stdout + built.stderr
    assert [fault for fault, warning in FAULTS.items() if warning not in said] == []
    assert "sample-three-parts: option 3 is wrong and needs a misconception" in said
    assert "gone_evidence" in said


def test_a_failing_cell_fails_the_build(small_book):
    (small_book / "book" / "index.md").write_text(GOOD + "\n```{code-cell} ipython3\nplanted = 1 / 0\n```\n")
    built = build(small_book, small_book)
    assert built.returncode != 0
    assert "ZeroDivisionError" in built.stdout + built.stderr
