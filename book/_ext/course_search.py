"""The search: one entry for each section, glossary term, misconception, exercise and product name of the book.

Sphinx's own index knows pages; here a result is the place on the page. The entries are written as a script, because a
page opened from a folder may load a script and nothing else. book/_static/search.js ranks them. book/search.yml adds
what others call the subject of a section. Beside them stands llms.txt, for readers' assistants.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import yaml
from course_site import element, project
from docutils import nodes
from sphinx import addnodes
from sphinx.errors import ExtensionError

ENTRIES = "search-entries.js"
PLACES = (nodes.section, nodes.definition_list_item, nodes.row)


def entries(document: nodes.document, page: str) -> Iterator[dict]:
    """The places of a page: anchor, text, stressed words, titles (its own, labels, index entries, former names)."""
    title = document.next_node(nodes.title).astext()
    for node in document.findall(lambda node: isinstance(node, PLACES)):
        if anchor := _anchor(node):
            place = {"page": page, "in": title, "titles": _titles(node), "stressed": [], "text": []}
            _collect(node, place, start=True)
            place["anchor"] = "" if isinstance(node.parent, nodes.document) else anchor
            yield place | {"text": " ".join(" ".join(place["text"]).split()), "stressed": " ".join(place["stressed"])}


def _anchor(node: nodes.Element) -> str | None:
    if isinstance(node, nodes.section):
        return node["ids"][0]
    marked = next((child for child in node.findall(nodes.Element) if child.get("ids")), None)
    return marked["ids"][-1] if marked else None


def _titles(node: nodes.Element) -> list[str]:
    if isinstance(node, nodes.row):
        return [node[0].astext().strip(), *node[1].astext().split(", "), _anchor(node).replace("-", " ")]
    if isinstance(node, nodes.definition_list_item):
        return [node.next_node(nodes.term).astext()]
    return [node.next_node(nodes.title).astext(), *(name.replace("-", " ") for name in node["names"])]


def _collect(node: nodes.Node, place: dict, *, start: bool = False) -> None:
    """Gather the text below a node, and the further titles of the place."""
    if isinstance(node, addnodes.index):
        place["titles"] += [entry[1] for entry in node["entries"]]
    elif isinstance(node, nodes.Text):
        place["text"].append(node.astext())
    elif start or not _is_elsewhere(node):
        if isinstance(node, nodes.strong):
            place["stressed"].append(node.astext())
        for child in node.children:
            _collect(child, place)


def _is_elsewhere(node: nodes.Node) -> bool:
    """Is it a place of its own, no text, or apparatus (the lab's box, the map, the quiz and its answers)?"""
    if isinstance(node, PLACES):
        return bool(_anchor(node))
    apparatus = isinstance(node, element) and any(name.startswith("data-") for name in node.get("html", {}))
    return apparatus or isinstance(node, (nodes.title, nodes.raw, nodes.comment))


def no_sphinx_search(app) -> None:
    """Sphinx's index would be written, and loaded, beside ours."""
    app.builder.search = False


def search_page(app) -> list[tuple]:
    return [("search", {}, "search.html")] if app.builder.name == "html" else []


def write_entries(app, error) -> None:
    if error is None and app.builder.name == "html":
        found = [entry for page in sorted(app.env.found_docs) for entry in entries(app.env.get_doctree(page), page)]
        name_otherwise(found, Path(app.srcdir) / "book" / "search.yml")
        script = f"const ENTRIES = {json.dumps(found, ensure_ascii=False, separators=(',', ':'))};\n"
        (Path(app.outdir) / ENTRIES).write_text(script, encoding="utf-8")


def write_for_assistants(app, error) -> None:
    """llms.txt: how an assistant helps a reader, and the pages with their addresses."""
    if error is None and app.builder.name == "html":
        home = project(Path(app.srcdir))["urls"]["Documentation"]
        pages = [f"* [{app.env.titles[page].astext()}]({home}/{page}.html)" for page in sorted(app.env.found_docs)]
        tutor = (Path(__file__).parent / "tutor.txt").read_text(encoding="utf-8")
        lines = [f"# {app.config.html_title}", "", tutor, "## Pages", "", *pages, ""]
        (Path(app.outdir) / "llms.txt").write_text("\n".join(lines), encoding="utf-8")


def name_otherwise(found: list[dict], path: Path) -> None:
    """Give entries the further titles of `path`. Raises ExtensionError for a section that is not there."""
    places = {f"{Path(entry['page']).name}#{title.replace(' ', '-')}": entry for entry in found
              for title in (*entry["titles"], entry["anchor"])}
    for place, names in (yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}).items():
        if place not in places:
            raise ExtensionError(f"{path.name} names {place}, and there is no such section")
        places[place]["titles"] += names


def setup(app):
    app.connect("builder-inited", no_sphinx_search)
    app.connect("html-collect-pages", search_page)
    app.connect("build-finished", write_entries)
    app.connect("build-finished", write_for_assistants)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
