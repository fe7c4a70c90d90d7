"""The EPUB and the PDF, and the site that offers them."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from tests import missing
from tests.book.conftest import ROOT

CHROMIUM = any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")))
XHTML, OPF = "{http://www.w3.org/1999/xhtml}", "{http://www.idpf.org/2007/opf}"


@pytest.fixture(scope="module")
def made(book) -> Path:
    """The folder of the finished files; the pages' code has run for the site already."""
    output = book.parents[1]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, ROOT / "tools" / "take_along.py", "--epub", "--output", output]
    subprocess.run([*command, *(["--pdf"] if CHROMIUM else [])], check=True, env=environment)
    return output / "_build"


@pytest.fixture(scope="module")
def epub(made):
    with zipfile.ZipFile(made / "machine-learning-engineering.epub") as archive:
        yield archive


def test_epub_has_every_page_in_the_order_of_the_book(epub):
    package = ElementTree.fromstring(epub.read("content.opf"))
    items = {item.get("id"): item.get("href") for item in package.iter(f"{OPF}item")}
    spine = [items[item.get("idref")] for item in package.iter(f"{OPF}itemref")]
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    pages = [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]
    assert [page for page in spine if page.removesuffix(".xhtml") in pages] == [f"{page}.xhtml" for page in pages]
    assert epub.infolist()[0].filename == "mimetype"
    assert set(items.values()) <= set(epub.namelist())


def test_epub_says_what_its_pages_need_and_its_links_resolve(epub):
    package = ElementTree.fromstring(epub.read("content.opf"))
    pages = {item.get("href"): (item, ElementTree.fromstring(epub.read(item.get("href")).replace(b"&nbsp;", b" ")))
             for item in package.iter(f"{OPF}item") if item.get("href").endswith(".xhtml")}
    assert len(pages) > 5
    for name, (item, page) in pages.items():
        needs = {tag.tag.rpartition("}")[2] for tag in page.iter()}
        told = (item.get("properties") or "").replace("mathml", "math").split()
        assert {"svg", "math"} & needs == set(told) - {"nav"}, name
        assert "script" not in needs
        for link in page.iter(f"{XHTML}a"):
            address = link.get("href", "")
            target, _, anchor = address.partition("#")
            if re.match(r"\w+:", target):
                continue
            to = os.path.normpath(os.path.join(os.path.dirname(name), target)) if target else name
            assert to in pages, f"{name}: {address}"
            assert not anchor or any(tag.get("id") == anchor for tag in pages[to][1].iter()), f"{name}: {address}"


def test_epubcheck_finds_nothing(made):
    program = shutil.which("epubcheck")
    if program is None:
        missing("epubcheck is not installed: it is a Debian package")
    command = ["java", "-jar", program] if zipfile.is_zipfile(program) else [program]
    checked = subprocess.run([*command, made / "machine-learning-engineering.epub"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_pdf_has_pages_an_outline_and_tags(made):
    if not CHROMIUM:
        missing("no PDF here: it is printed by Chromium")
    content = (made / "machine-learning-engineering.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")
    for part in (b"/Outlines", b"/StructTreeRoot", b"/MarkInfo", b"/Lang"):
        assert part in content
    assert max(int(count) for count in re.findall(rb"/Count (\d+)", content)) > 20
