"""The built book as files: links, figures, headings, weight, quizzes without a script."""

import functools
import gzip
import json
import os
import re
import subprocess
import time
import tomllib
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import readme_pictures
import yaml
from bs4 import BeautifulSoup
from packaging.specifiers import SpecifierSet

from mlelab.check import open_lab
from mlelab.check.misconceptions import MISCONCEPTIONS
from mlelab.exam import read
from tests.book.conftest import build
from tests.wrong_answers import answers

ROOT = Path(__file__).resolve().parents[2]
BUDGET = 600_000  # bytes of a page with everything it loads, gzipped
LOADED = {"script": "src", "link": "href", "img": "src", "source": "src", "iframe": "src", "video": "src",
          "embed": "src", "object": "data"}


@functools.cache
def parsed(page: Path) -> BeautifulSoup:
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


@pytest.fixture(scope="session")
def pages(book) -> list[Path]:
    return sorted(book.glob("book/**/*.html"))


def is_elsewhere(address: str) -> bool:
    return bool(urlsplit(address).netloc)


def loads(page: Path) -> list[str]:
    """The addresses of all that a page loads."""
    return [tag[attribute] for name, attribute in LOADED.items() for tag in parsed(page).find_all(name)
            if tag.get(attribute) and not (name == "link" and {"next", "prev", "search", "index"} & set(tag["rel"]))]


def broken_links(folder: Path) -> list[str]:
    """Links whose page, file or anchor does not exist below `folder`."""
    broken = []
    for page in sorted(folder.rglob("*.html")):
        for tag in parsed(page).find_all("a", href=True):
            parts = urlsplit(tag["href"])
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not target.is_file():
                broken.append(f"{page.name}: {tag['href']} does not exist")
            elif parts.fragment and target.suffix == ".html" and not parsed(target).find(id=unquote(parts.fragment)):
                broken.append(f"{page.name}: {tag['href']} has no such anchor")
    return broken


def heading_faults(page: Path) -> list[str]:
    levels = [int(tag.name[1]) for tag in parsed(page).find("main").find_all(re.compile("^h[1-6]$"))]
    faults = [] if levels.count(1) == 1 and levels[0] == 1 else [f"{levels.count(1)} headings of level 1"]
    return faults + [f"h{below} after h{above}" for above, below in zip(levels, levels[1:]) if below > above + 1]


def figure_faults(page: Path) -> list[str]:
    main = parsed(page).find("main")
    faults = [str(tag)[:80] for tag in main.find_all("img")
              if not tag.get("alt", "").strip() or "/" in tag["alt"] or tag["alt"].endswith((".png", ".svg"))]
    for tag in main.find_all("svg"):
        if tag.get("aria-hidden") != "true" and (tag.get("role") != "img" or len(tag.get("aria-label", "")) < 20):
            faults.append(str(tag)[:80])
    return faults


def test_every_page_of_the_table_of_contents_is_built(book):
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    files = [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]
    sources = {str(path.relative_to(ROOT).with_suffix("")) for path in (ROOT / "book").rglob("*.md")}
    assert sources == set(files), "pages and _toc.yml name different files"
    assert [name for name in files if not (book / f"{name}.html").exists()] == []


def test_nothing_is_loaded_from_elsewhere(book, pages):
    found = [f"{page.name}: {address}" for page in pages for address in loads(page) if is_elsewhere(address)]
    for sheet in book.rglob("*.css"):
        found += [f"{sheet.name}: {address}" for address in
                  re.findall(r"(?:@import|url\()\s*[\"']?((?:https?:)?//[^\"')]+)", sheet.read_text(encoding="utf-8"))]
    for page in pages:
        found += [f"{page.name}: inline script with {address}" for tag in parsed(page).find_all("script")
                  for address in re.findall(r"https?://\S+", tag.string or "")]
    assert found == []


def test_what_a_page_loads_exists(pages):
    missing = [f"{page.name}: {address}" for page in pages for address in loads(page)
               if not (page.parent / urlsplit(address).path).exists()]
    assert missing == []


def test_internal_links_and_anchors_resolve(book):
    assert broken_links(book) == []


def test_sections_that_checks_send_readers_to_exist(book):
    for source in sorted((ROOT / "solutions").glob("*/lab.py")):
        page = parsed(book / "book" / f"{source.parent.name}.html")
        exercises = open_lab(source.parent.name).exercises.values()
        assert exercises
        assert [exercise.section for exercise in exercises if not page.find(id=exercise.section)] == []


def test_anchors_of_sections_last(pages):
    """No numbered anchor: it would move when a heading above it comes or goes."""
    sections = [(page.name, tag["id"]) for page in pages for tag in parsed(page).find_all("section", id=True)]
    assert [f"{page}#{anchor}" for page, anchor in sections if re.fullmatch(r"id\d+", anchor)] == []


def test_figures_say_what_they_show(pages):
    assert {page.name: faults for page in pages if (faults := figure_faults(page))} == {}


def test_one_title_and_headings_in_order(pages):
    assert {page.name: faults for page in pages if (faults := heading_faults(page))} == {}


def test_tables_have_no_empty_headers(pages):
    assert [str(tag.find_parent("table"))[:120] for page in pages for tag in parsed(page).find_all("th")
            if not tag.get_text(strip=True)] == []


def test_weight_of_each_page_with_everything(book, pages, budget):
    weights = {}
    for page in pages:
        files = {page, *(page.parent / urlsplit(address).path for address in loads(page))}
        weights[str(page.relative_to(book))] = sum(len(gzip.compress(path.read_bytes(), 6)) for path in files)
    budget("page with everything it loads, gzipped", [f"{weight / 1000:6.0f} kB of {BUDGET / 1000:.0f}  {page}"
                                  for page, weight in sorted(weights.items(), key=lambda item: -item[1])])
    assert {page: weight for page, weight in weights.items() if weight > BUDGET} == {}


def test_after_an_edit_of_one_page_only_that_page_is_built_again(book, budget):
    """The seconds are printed, because they depend on the machine; what is read again does not."""
    page = ROOT / "book" / "01_lifecycle.md"
    page.touch()
    begun = time.time()
    built = build(ROOT, book.parents[1])
    seconds = time.time() - begun
    assert built.returncode == 0, built.stderr[-3000:]
    said = re.sub(r"\x1b\[[\d;]*m", "", built.stdout + built.stderr)
    read = set(re.findall(r"reading sources\.+ \[ *\d+%\] (\S+)", said))
    budget("book after an edit of one page", [f"{seconds:6.1f} s of 30"])
    assert "book/01_lifecycle" in read and len(read) <= 12, read  # some pages are made from others
    assert "Using cached notebook" in said and "Executing notebook" not in said


def test_quizzes_can_be_read_without_a_script(book):
    quizzes = sorted((ROOT / "book" / "quiz").glob("*.yml"))
    assert quizzes
    for path in quizzes:
        page = parsed(book / "book" / f"{path.stem}.html")
        questions = page.select(f'[data-quiz="{path.stem}"] [data-question]')
        assert [tag["data-question"] for tag in questions] == [question.id for question in read(path).questions]
        for tag, question in zip(questions, read(path).questions):
            assert page.find(id=tag["aria-labelledby"])
            shown = tag.select("ol.quiz-options > li")
            assert sorted(int(item["data-option"]) for item in shown) == list(range(len(question.options)))
            answer = tag.select_one("details")
            assert answer.select_one("summary").get_text(strip=True)
            verdicts = [item["data-key"] == "true" for item in answer.select("ul.quiz-reasons > li")]
            assert verdicts == [question.options[int(item["data-option"])].key for item in shown]


def test_labs_can_be_downloaded(book):
    for lab in ROOT.glob("labs/*/lab.ipynb"):
        area = lab.parent.name
        [link] = parsed(book / "book" / f"{area}.html").select(f'.lab-box a[href$="_downloads/{area}.ipynb"]')
        copy = (book / "book" / link["href"]).resolve()
        assert json.loads(copy.read_text(encoding="utf-8")) == json.loads(lab.read_text(encoding="utf-8"))


def test_repository_links_come_from_the_one_setting(book):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    repository = project["urls"]["Repository"]
    page = parsed(book / "book" / "01_lifecycle.html")
    assert page.select_one(".article-header-buttons a")["href"] == repository
    colab = page.select_one('.lab-box a[href^="https://colab.research.google.com/"]')["href"]
    slug = repository.removeprefix("https://github.com/")
    assert colab == f"https://colab.research.google.com/github/{slug}/blob/main/labs/01_lifecycle/lab.ipynb"
    binder = page.select_one('.lab-box a[href^="https://mybinder.org/"]')["href"]
    assert binder == f"https://mybinder.org/v2/gh/{slug}/main?labpath=labs%2F01_lifecycle%2Flab.ipynb"
    guide = parsed(book / "book" / "instructors" / "index.html").get_text()
    hub = urlsplit(re.search(r"https://YOUR-HUB\S+", guide)[0])
    assert hub.path == "/hub/user-redirect/git-pull"
    assert parse_qs(hub.query) == {"repo": [repository], "branch": ["main"],
                                   "urlpath": [f"lab/tree/{slug.split('/')[1]}/labs/00_start/lab.ipynb"]}
    sources = [*ROOT.glob("book/**/*.*"), ROOT / "_config.yml", ROOT / "_toc.yml"]
    written = [path.name for path in sources if path.suffix in {".md", ".yml", ".py", ".html"}
               and slug in path.read_text(encoding="utf-8")]
    assert written == []


def test_binder_installs_what_is_locked():
    """repo2docker reads .binder/ and nothing else there; what it runs is the lock file and the package."""
    folder = ROOT / ".binder"
    assert {path.name for path in folder.iterdir()} == {"runtime.txt", "requirements.txt", "postBuild"}
    python = (folder / "runtime.txt").read_text().strip().removeprefix("python-")
    supported = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    assert SpecifierSet(supported).contains(f"{python}.0")
    [line] = (folder / "requirements.txt").read_text().split("\n")[:-1]
    assert (folder / line.removeprefix("-r ")).resolve() == ROOT / "requirements.txt"
    assert os.access(folder / "postBuild", os.X_OK)
    assert subprocess.run(["bash", "-n", folder / "postBuild"]).returncode == 0


def test_every_misconception_is_explained(book):
    page = parsed(book / "book" / "reference" / "misconceptions.html")
    for code, known in MISCONCEPTIONS.items():
        term = page.find(id=code.lower())
        assert known.name in term.get_text()
        assert known.why in term.find_next("dd").get_text().replace("’", "'")


def test_misconceptions_link_to_where_they_bite(book):
    page = parsed(book / "book" / "reference" / "misconceptions.html")
    expected = {code: set() for code in MISCONCEPTIONS}
    for path in sorted((ROOT / "book" / "quiz").glob("*.yml")):
        for question in read(path).questions:
            for option in question.options:
                if option.misconception:
                    expected[option.misconception].add(f"quiz-{question.id}")
    for source in ROOT.glob("solutions/*/lab.py"):
        for answer in answers(source.parent.name):
            if answer.misconception:
                expected[answer.misconception].add(f"exercise-{answer.exercise.replace('.', '-')}")
    for code, anchors in expected.items():
        links = [tag["href"].split("#")[1] for tag in page.find(id=code.lower()).find_next("dd").find_all("a")]
        assert sorted(links) == sorted(anchors), code


def test_index_names_every_exercise(book):
    rows = parsed(book / "book" / "reference" / "exercises.html").select("table.exercises tbody tr")
    shown = {row.find("strong").get_text(): [tag["href"].split("#")[1] for tag in row.find_all("a")] for row in rows}
    labs = [open_lab(source.parent.name) for source in sorted((ROOT / "solutions").glob("*/lab.py"))]
    read_first = {number: exercise.section for lab in labs for number, exercise in lab.exercises.items()}
    assert list(shown) == list(read_first)
    assert [lab for _, lab in shown.values()] == [f"lab-{number.split('.')[0]}" for number in read_first]


def test_index_names_every_figure(book, pages):
    page = book / "book" / "reference" / "figures.html"
    listed = {tag["href"]: tag.find_parent("dt").find_next("dd").get_text(strip=True)
              for tag in parsed(page).select("dl.figures dt a")}
    drawn = {f"../{found.relative_to(book / 'book')}#{tag['id']}": tag.find("svg")["aria-label"]
             for found in pages for tag in parsed(found).select("figure.mlelab-figure")}
    assert listed == drawn
    assert drawn


def test_every_dataset_has_its_card(book):
    text = parsed(book / "book" / "reference" / "datasets.html").get_text()
    for entry in json.loads((ROOT / "datasets" / "MANIFEST.json").read_text(encoding="utf-8")):
        card = (ROOT / "datasets" / f"{entry['table']}.md").read_text(encoding="utf-8")
        assert f"{card.splitlines()[0].removeprefix('# ')}#" in text, "its heading with the anchor sign"
        assert f"{entry['rows']:,} rows" in text


def test_every_product_name_is_in_the_table(book):
    names = yaml.safe_load((ROOT / "book" / "reference" / "gcp-names.yml").read_text(encoding="utf-8"))
    page = parsed(book / "book" / "reference" / "gcp-names.html")
    assert names["as_of"].strftime("%B %Y") in page.get_text() and "release notes" in page.get_text()
    for key, product in names["products"].items():
        row = page.find(id=f"gcp-{key}").find_parent("tr").get_text()
        assert all(name in row for name in [product["name"], *product.get("former", [])])


def test_the_map_names_every_chapter_and_links_those_that_exist(book):
    chapters = yaml.safe_load((ROOT / "book" / "chapters.yml").read_text(encoding="utf-8"))
    rows = parsed(book / "book" / "index.html").select("table.chapters tbody tr")
    assert len(rows) == len(chapters)
    for row, chapter in zip(rows, chapters):
        assert chapter["title"] in row.get_text()
        exists = (ROOT / "book" / f"{chapter['area']}.md").exists()
        assert ("planned" in row.get_text()) is not exists
        assert [tag["href"] for tag in row.find_all("a")] == ([f"{chapter['area']}.html"] if exists else [])
        if exists:
            assert len(open_lab(chapter["area"]).exercises) == chapter["exercises"]


def test_assistants_of_readers_are_told_to_hint(book, pages):
    told = (book / "llms.txt").read_text(encoding="utf-8")
    assert "Hint, never solve." in told
    assert all(f"/{page.relative_to(book)})" in told for page in pages)


def test_the_landing_page_shows_what_the_course_is(book):
    """A wrong answer and what a check says of it, the case, and the map of the chapters."""
    main = parsed(book / "book" / "index.html").find("main")
    card = main.select_one('[role="status"]').get_text(" ", strip=True)
    assert "late_share : wrong" in card and f"M08 {MISCONCEPTIONS['M08'].name}" in card
    assert len(main.select("figure.mlelab-figure svg")) == 2
    drawn = {text.get_text().split()[0] for text in main.select("figure.mlelab-figure svg")[-1].select("text")}
    pages = {str(int(area.parent.name[:2])) for area in ROOT.glob("solutions/*/lab.py")} - {"0"}
    assert drawn == pages


def test_the_pictures_of_the_readme_are_those_of_this_build(book):
    """If not: `make book`, then `python tools/readme_pictures.py`."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    made = readme_pictures.pictures((book / "book" / "index.html").read_text(encoding="utf-8"))
    assert len(made) == len(readme_pictures.NAMES)
    for name, svg in made.items():
        assert (ROOT / "book" / "_static" / name).read_text(encoding="utf-8") == svg, name
        alt = BeautifulSoup(svg, "html.parser").svg["aria-label"]
        assert f"![{alt}](book/_static/{name})" in readme


def test_chapters_have_their_numbers(book):
    links = parsed(book / "book" / "index.html").select("nav.bd-links a")
    for source in sorted((ROOT / "solutions").glob("*/lab.py")):
        area, number = source.parent.name, f"{int(source.parent.name[:2])}. "
        page = parsed(book / "book" / f"{area}.html")
        [link] = [link for link in links if link["href"] == f"{area}.html"]
        for text in (page.h1.get_text(), page.title.get_text(), link.get_text(strip=True)):
            assert text.strip().startswith(number), text


@pytest.mark.parametrize(("fault", "find"), [
    ('<a href="gone.html">x</a>', broken_links),
    ('<a href="#gone">x</a>', broken_links),
    ("<h3>too deep</h3>", heading_faults),
    ("<h1>second title</h1>", heading_faults),
    ('<img src="a.png"/>', figure_faults),
    ('<img src="a.png" alt="figures/a.png"/>', figure_faults),
    ('<svg role="img" aria-label="short"></svg>', figure_faults),
])
def test_the_finders_find(tmp_path, fault, find):
    page = tmp_path / "page.html"
    page.write_text(f"<main><h1>Title</h1>{fault}</main>")
    assert find(tmp_path if find is broken_links else page)
