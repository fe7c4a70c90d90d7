"""The book as a Sphinx extension: links made from the one repository setting, the course's own directives and roles,
math as MathML, and the stock theme made light, quiet and accessible.

  {lab} 01_lifecycle    the box that opens a chapter's lab
  {quiz} 01_lifecycle   the questions of book/quiz/01_lifecycle.yml (course_quiz.py)
  {hub-link}            the link that opens the labs on a JupyterHub
  {chapters}            the map of the chapters, from book/chapters.yml
  {take-along}          the book as one file, where tools/take_along.py has made it before this build
  {misconception}`M01`  the code and the name of a misconception, with a link;  course_index.py has the lists of
                        {misconceptions}, {exercises}, {figures} and {status}
  {gcp-names}           the product names of book/reference/gcp-names.yml;  {gcp}`vertex-ai` writes both names,
                        {gcp-ending}`explainable-ai` the day on which a product ends
  {rows}`flights`       the number of rows of a dataset
  {syllabus}, {lab-notes}  what instructors read (course_teaching.py)

Whatever is not found is a warning, and the book is built with warnings as errors.
"""

import hashlib
import json
import re
import shutil
import tomllib
from pathlib import Path
from urllib.parse import quote, urlencode

import yaml
from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx import addnodes
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole
from sphinx.util.math import get_node_equation_number

from mlelab.check.misconceptions import MISCONCEPTIONS

logger = logging.getLogger(__name__)


# Settings that are not written twice


def project(root: Path) -> dict:
    """The [project] table of pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def repository(root: Path) -> str:
    """The address of the repository, from the one place where it stands."""
    return project(root)["urls"]["Repository"]


def configure(app, config) -> None:
    root = Path(app.srcdir)
    config.html_theme_options.update(repository_url=repository(root), repository_branch="main", path_to_docs="")
    # The cache of executed pages looks at code alone: give each state of packages, data and mlelab a cache of its own.
    state = hashlib.sha256()
    sources = [root / "requirements.txt", root / "datasets" / "MANIFEST.json", *sorted((root / "mlelab").rglob("*.py"))]
    for path in sources:
        state.update(path.read_bytes())
    config.nb_execution_cache_path = str(root / "_build" / ".jupyter_cache" / state.hexdigest()[:12])


# Nodes


class element(nodes.General, nodes.Element):  # noqa: N801, docutils names nodes so
    """Any HTML element, `element(tag="details", html={"data-quiz": "01_lifecycle"})`; elsewhere its children."""


def visit_element(translator, node) -> None:
    translator.body.append(translator.starttag(node, node["tag"], "", **node.get("html", {})))


def depart_element(translator, node) -> None:
    translator.body.append(f"</{node['tag']}>\n")


def skip(translator, node) -> None:
    """Other builders show an element's children."""


def link(text: str, url: str, *classes: str) -> nodes.reference:
    return nodes.reference("", text, refuri=url, internal=not url.startswith("https://"), classes=list(classes))


def to_label(label: str, *content: nodes.Node) -> addnodes.pending_xref:
    """A link to a label anywhere in the book, with the title of its section unless there is content.

    A label that does not exist is a warning.
    """
    return addnodes.pending_xref("", nodes.inline("", "", *content), refdomain="std", reftype="ref", reftarget=label,
                                 refexplicit=bool(content), refwarn=True)


class CourseDirective(SphinxDirective):
    """A directive that reads files of the repository."""

    @property
    def root(self) -> Path:
        return Path(self.env.srcdir)

    def file(self, *parts: str) -> Path:
        """A file of the repository; the page is built anew when it changes."""
        path = self.root.joinpath(*parts)
        self.env.note_dependency(str(path))
        return path

    def warn(self, message: str) -> list[nodes.Node]:
        logger.warning(message, location=self.get_location())
        return []

    def label(self, node: nodes.Element, label: str, title: str) -> None:
        """Let {ref} and `to_label` find this node."""
        node["ids"].append(label)
        self.env.get_domain("std").note_hyperlink_target(label, self.env.docname, label, title)

    def prose(self, text: str, *, inline: bool = False) -> list[nodes.Node]:
        """The nodes of a piece of MyST Markdown; `inline` leaves out the paragraph around a single one."""
        parent = nodes.Element()
        self.state.nested_parse(text.splitlines(), self.content_offset, parent)
        if inline and len(parent.children) == 1 and isinstance(parent[0], nodes.paragraph):
            return parent[0].children
        return parent.children


# Labs


class LabDirective(CourseDirective):
    """The box that opens the lab of a chapter."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        area = self.arguments[0]
        if not (self.root / "labs" / area / "lab.ipynb").exists():
            return self.warn(f"there is no labs/{area}/lab.ipynb for this {{lab}}: make it with `make labs`")
        slug = repository(self.root).removeprefix("https://github.com/")
        colab = f"https://colab.research.google.com/github/{slug}/blob/main/labs/{area}/lab.ipynb"
        up = "../" * self.env.docname.count("/")
        title = nodes.paragraph("", "Open the lab", classes=["lab-title"])
        binder = f"https://mybinder.org/v2/gh/{slug}/main?labpath={quote(f'labs/{area}/lab.ipynb', safe='')}"
        ways = nodes.paragraph("", "", link("Open in Colab", colab, "lab-button"), nodes.Text(" "),
                               link("Open in Binder", binder, "lab-button"), nodes.Text(" "),
                               link("Download the notebook", f"{up}_downloads/{area}.ipynb", "lab-button"))
        local = nodes.paragraph("", "", nodes.Text("In a clone of the repository: run "), nodes.literal("", "make lab"),
                                nodes.Text(", then open "), nodes.literal("", f"{area}/lab.ipynb"), nodes.Text("."))
        box = element("", title, ways, local, tag="aside", html={"aria-label": "Lab", "data-lab": area},
                      classes=["lab-box"])
        self.label(box, f"lab-{int(area[:2])}", f"Lab {int(area[:2])}")
        return [box]


def copy_downloads(app, error) -> None:
    if error is None and app.builder.name == "html":
        downloads = Path(app.outdir) / "_downloads"
        downloads.mkdir(exist_ok=True)
        for made in filter(Path.exists, (Path(app.srcdir) / "_build" / name for name in FILES.values())):
            shutil.copy(made, downloads)
        for lab in (Path(app.srcdir) / "labs").glob("*/lab.ipynb"):
            shutil.copyfile(lab, downloads / f"{lab.parent.name}.ipynb")


# The book as one file

FILES = {"EPUB": "machine-learning-engineering.epub", "PDF": "machine-learning-engineering.pdf"}


class TakeAlongDirective(CourseDirective):
    """Links to the EPUB and the PDF that lie in _build/, or the command that makes them."""

    def run(self) -> list[nodes.Node]:
        made = {kind: name for kind, name in FILES.items() if self.file("_build", name).exists()}
        if not made:
            return self.prose("Make it yourself: `python tools/course.py book --epub --pdf`.")
        up = "../" * self.env.docname.count("/")
        sizes = {kind: (self.root / "_build" / name).stat().st_size / 1e6 for kind, name in made.items()}
        links = [link(f"{kind}, {sizes[kind]:.1f} MB", f"{up}_downloads/{name}", "lab-button")
                 for kind, name in made.items()]
        return [nodes.paragraph("", "", *(part for each in links for part in (each, nodes.Text(" "))))]


# Chapters


class HubLinkDirective(CourseDirective):
    """The link with which students open the labs on a JupyterHub: it clones the repository there (nbgitpuller)."""

    def run(self) -> list[nodes.Node]:
        address = repository(self.root)
        query = urlencode({"repo": address, "branch": "main",
                           "urlpath": f"lab/tree/{address.rpartition('/')[2]}/labs/00_start/lab.ipynb"})
        text = f"https://YOUR-HUB/hub/user-redirect/git-pull?{query}"
        return [nodes.literal_block(text, text, language="none")]


class ChaptersDirective(CourseDirective):
    """The map of the chapters: those that have a page are links, the others are planned."""

    def run(self) -> list[nodes.Node]:
        chapters = yaml.safe_load(self.file("book", "chapters.yml").read_text(encoding="utf-8"))
        rows = []
        for number, chapter in enumerate(chapters):
            page = f"book/{chapter['area']}"
            exists = page in self.env.found_docs
            title = nodes.Text(chapter["title"])
            if exists:
                title = addnodes.pending_xref("", nodes.inline("", "", title), refdomain="std", reftype="doc",
                                              refexplicit=True, reftarget=f"/{page}", refwarn=True)
            kind = "core" if chapter["core"] else "extension"
            rows.append((str(number), title, kind if exists else f"{kind}, planned",
                         f"{chapter['page_minutes']} + {chapter['lab_minutes']}", str(chapter["exercises"])))
        heads = ("No.", "Chapter", "Kind", "Minutes", "Exercises")
        chapters = table(heads, rows, ["chapters"], ["planned" if "planned" in row[2] else "" for row in rows])
        return [element("", chapters, tag="div", html={"data-chapters": ""})]


def table(heads, rows, classes=(), row_classes=None) -> nodes.table:
    """A table whose cells are texts, nodes, or lists of blocks."""
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in heads), cols=len(heads))

    def row(cells, classes=()):
        made = nodes.row("", classes=[name for name in classes if name])
        for cell in cells:
            if isinstance(cell, str):
                cell = nodes.Text(cell)
            made += nodes.entry("", *(cell if isinstance(cell, list) else [nodes.paragraph("", "", cell)]))
        return made

    group += nodes.thead("", row(heads))
    group += nodes.tbody("", *(row(cells, [name]) for cells, name in zip(rows, row_classes or [""] * len(rows))))
    return nodes.table("", group, classes=["colwidths-auto", *classes])


# Misconceptions


class MisconceptionRole(SphinxRole):
    """The code and the name of a misconception, with a link to its explanation."""

    def run(self):
        if self.text not in MISCONCEPTIONS:
            logger.warning(f"there is no misconception {self.text!r}", location=self.get_location())
            return [], []
        return [misconception(self.text)], []


def misconception(code: str) -> addnodes.pending_xref:
    return to_label(code.lower(), nodes.Text(f"{code} {MISCONCEPTIONS[code].name}"))


# Product names


def product_names(root: Path) -> dict:
    """The data of book/reference/gcp-names.yml: `as_of`, and `products` by key."""
    return yaml.safe_load((root / "book" / "reference" / "gcp-names.yml").read_text(encoding="utf-8"))


class ProductNamesDirective(CourseDirective):
    """The table of product names: today's, former ones, what the product is for."""

    def run(self) -> list[nodes.Node]:
        self.file("book", "reference", "gcp-names.yml")
        names = product_names(self.root)
        rows = []
        for key, product in names["products"].items():
            now = nodes.paragraph("", product["name"])
            self.label(now, f"gcp-{key}", product["name"])
            note = self.prose(product["note"]) if "note" in product else []
            ends = [nodes.paragraph("", f"Ends on {written(product['ends'])}.")] if "ends" in product else []
            rows.append(([now], ", ".join(product.get("former", [])) or "(not renamed)",
                         [*self.prose(product["what"]), *ends, *note]))
        as_of = nodes.paragraph("", "", nodes.Text("Names as of "), nodes.strong("", written(names["as_of"])),
                                nodes.Text("."))
        read = self.prose(f"Read in {names['read']}") if "read" in names else []
        return [as_of, *read, table(("Name", "Former name", "What it is for"), rows, ["gcp-names"])]


def written(day) -> str:
    """A date as prose has it: 16 March 2027."""
    return f"{day.day} {day:%B %Y}"


class ProductNameRole(SphinxRole):
    """A product's name and its former one, or the day on which it ends."""

    def run(self):
        self.env.note_dependency("book/reference/gcp-names.yml")
        product = product_names(Path(self.env.srcdir))["products"].get(self.text)
        if product is None:
            logger.warning(f"there is no product {self.text!r} in gcp-names.yml", location=self.get_location())
            return [], []
        found = [to_label(f"gcp-{self.text}", nodes.Text(product["name"]))]
        if self.name == "gcp-ending":
            if "ends" not in product:
                logger.warning(f"no end of {self.text!r} in gcp-names.yml", location=self.get_location())
                return [], []
            found.append(nodes.Text(f" (ends on {written(product['ends'])})"))
        elif "former" in product:
            found.append(nodes.inline("", f" (formerly {product['former'][0]})", classes=["former-name"]))
        return found, []


# Numbers of the datasets


class RowsRole(SphinxRole):
    """The number of rows of a dataset, from datasets/MANIFEST.json."""

    def run(self):
        manifest = Path(self.env.srcdir) / "datasets" / "MANIFEST.json"
        self.env.note_dependency(str(manifest))
        tables = json.loads(manifest.read_text(encoding="utf-8"))
        rows = {table["table"]: table["rows"] for table in tables}.get(self.text)
        if rows is None:
            logger.warning(f"there is no dataset {self.text!r}", location=self.get_location())
            return [], []
        return [nodes.Text(f"{rows:,}")], []


# Math without a script


def visit_math(translator, node) -> None:
    translator.body.append(mathml(node, False))
    raise nodes.SkipNode


def visit_math_block(translator, node) -> None:
    wide = {"tabindex": "0", "role": "group", "aria-label": "Formula"}  # on a phone it scrolls
    translator.body.append(translator.starttag(node, "div", "", CLASS="math", **wide))
    if node["number"]:
        translator.body.append(f'<span class="eqno">({get_node_equation_number(translator, node)})</span>')
    translator.body.append(f"{mathml(node, True)}</div>\n")
    raise nodes.SkipNode


def mathml(node: nodes.Element, block: bool) -> str:
    """A formula as MathML, which every current browser draws by itself."""
    try:
        return tex2mathml(node.astext(), as_block=block).replace("&ApplyFunction;", "&#x2061;")  # XHTML lacks its name
    except MathError as error:
        logger.warning(f"cannot write this formula as MathML: {error}", location=node)
        return ""


# What the stock pages lack


class NameSections(SphinxTransform):
    """An anchor that lasts for a heading that occurs twice on a page: `flights-columns` where docutils writes `id1`."""

    default_priority = 700

    def apply(self) -> None:
        for section in self.document.findall(nodes.section):
            # A label that is the heading's own word is no repetition.
            first = section["names"] + section["dupnames"]
            repeated = set(section["dupnames"]) - set(section["names"])
            if first and repeated and isinstance(section.parent, nodes.section):
                section["ids"] = [f"{section.parent['ids'][0]}-{nodes.make_id(section[0].astext())}"]


class NumberChapters(SphinxTransform):
    """The chapter's number, in its heading, in the window's title and in the sidebar: the file's number."""

    default_priority = 720

    def apply(self) -> None:
        chapter = re.fullmatch(r"book/((\d\d)_\w+)", self.env.docname)
        chapters = Path(self.env.srcdir, "book", "chapters.yml")
        if chapter and f"area: {chapter[1]}," in chapters.read_text(encoding="utf-8"):
            title = self.document.next_node(nodes.title)
            title.insert(0, nodes.Text(f"{int(chapter[2])}. "))


def improve(app, doctree, docname) -> None:
    """Tables of pandas without empty header cells, and admonitions of class "dropdown" that open without a script."""
    for raw in list(doctree.findall(nodes.raw)):
        if "<table" in raw.astext() and "html" in raw.get("format", ""):
            html = re.sub(r"<th\b([^>]*)>(?:\s|&nbsp;)*</th>", r"<td\1></td>", raw.astext())
            opening = '<div class="table-scroll" tabindex="0" role="group" aria-label="Table">'
            raw.replace_self(nodes.raw("", f"{opening}{html}</div>", format="html"))
    for box in list(doctree.findall(nodes.admonition)):
        if "dropdown" in box["classes"]:
            classes = ["admonition", *(name for name in box["classes"] if name != "dropdown")]
            title = element("", *box[0].children, tag="summary", classes=["admonition-title"])
            box.replace_self(element("", title, *box.children[1:], tag="details", classes=classes, ids=box["ids"]))


def visit_citation(translator, node) -> None:
    """A work in the bibliography as an item of a list; the stock roles are deprecated."""
    if not isinstance(node.parent[max(node.parent.index(node) - 1, 0)], nodes.citation) or node.parent[0] is node:
        translator.body.append('<div class="citation-list" role="list">')
    translator.body.append(translator.starttag(node, "div", "", CLASS="citation", ROLE="listitem"))


def depart_citation(translator, node) -> None:
    translator.body.append("</div>\n")
    if not isinstance(node.next_node(descend=False, siblings=True), nodes.citation):
        translator.body.append("</div>\n")


UNUSED_SCRIPTS = ("scripts/sphinx-book-theme.js",)  # full screen, thebe, and taking the focus from buttons
UNUSED_FILES = ("scripts/fontawesome.js*", "scripts/bootstrap.js*", "scripts/sphinx-book-theme.js*",
                "vendor/fontawesome", "**/*.map", "images/logo_*", "searchtools.js", "language_data.js")


OWN_SCRIPTS = {"progress.js": ("data-lab", "data-chapters", "data-quiz"), "quiz.js": ("data-quiz",), "search.js": ()}


def trim_page(app, pagename, templatename, context, doctree) -> None:
    """Only the scripts that the page needs. Jupyter Book would load each of ours on every page, and at once."""
    marks = {mark for node in doctree.findall(element) for mark in node.get("html", {})} if doctree else set()
    for script, needed_by in OWN_SCRIPTS.items():
        if marks.intersection(needed_by):
            app.add_js_file(script, loading_method="defer")

    def is_used(script) -> bool:
        name = str(getattr(script, "filename", script))
        return "defer" in script.attributes or not name.endswith((*UNUSED_SCRIPTS, *OWN_SCRIPTS))

    context["script_files"] = list(filter(is_used, context["script_files"]))
    for script in context["script_files"]:  # paint first; an inline script uses the options at once
        if script.filename and not str(script.filename).endswith("documentation_options.js"):
            script.attributes.setdefault("defer", "defer")


def trim_files(app, error) -> None:
    if error is None and app.builder.format == "html":
        for pattern in UNUSED_FILES:
            for path in (Path(app.outdir) / "_static").glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def setup(app):
    app.add_node(element, html=(visit_element, depart_element), latex=(skip, skip), text=(skip, skip))
    app.add_node(nodes.citation, override=True, html=(visit_citation, depart_citation))
    app.add_directive("lab", LabDirective)
    app.add_directive("hub-link", HubLinkDirective)
    app.add_directive("chapters", ChaptersDirective)
    app.add_directive("take-along", TakeAlongDirective)
    app.add_directive("gcp-names", ProductNamesDirective)
    app.add_role("misconception", MisconceptionRole())
    app.add_role("gcp", ProductNameRole())
    app.add_role("gcp-ending", ProductNameRole())
    app.add_role("rows", RowsRole())
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    app.add_transform(NameSections)
    app.add_transform(NumberChapters)
    app.setup_extension("course_epub")
    app.setup_extension("course_index")
    app.setup_extension("course_quiz")
    app.setup_extension("course_search")
    app.setup_extension("course_teaching")
    app.connect("config-inited", configure)
    app.connect("doctree-resolved", improve)
    app.connect("html-page-context", trim_page, priority=900)
    app.connect("build-finished", copy_downloads)
    app.connect("build-finished", trim_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
