"""The book as one EPUB file: Sphinx's builder, and what its manifest and our pages lack for the standard.

    jupyter-book build . --builder custom --custom-builder epub
"""

import re
from pathlib import Path

from course_site import project
from sphinx.builders.epub3 import Epub3Builder

# What the standard wants to be told of a page that has it.
FEATURES = {"svg": "<svg", "mathml": "<math"}
# What the standard forbids and pandas, MyST-NB or the site's own look put on a page, and what stands there instead.
FORBIDDEN = {
    r"<style\b[^>]*>.*?</style>": "",
    r'<link rel="stylesheet"[^>]*/(?:mystnb|course|copybutton)\b[^>]*>': "",
    r'<p class="expanded admonition-title">.*?</p>': "",
    r'<p class="collapsed admonition-title">(.*?)</p>': r"\1",
    r"(<(?:table|tr|td|th)\b[^>]*?) (?:border|[vh]?align)=\"[^\"]*\"": r"\1",
}


class EpubBuilder(Epub3Builder):
    """Sphinx's, with pages that keep to XHTML and a manifest that says what is in them."""

    def build_content(self) -> None:
        downloads = f'href="{project(Path(self.srcdir))["urls"]["Documentation"]}/_downloads/'
        for path in Path(self.outdir).rglob("*.xhtml"):
            page = re.sub(r'href="(?:\.\./)+_downloads/', downloads, path.read_text(encoding="utf-8"))
            for pattern, instead in FORBIDDEN.items():
                page = re.sub(pattern, instead, page, flags=re.S)
            path.write_text(page, encoding="utf-8")
        super().build_content()

    def build_epub(self) -> None:
        manifest = Path(self.outdir) / "content.opf"

        def describe(item: re.Match) -> str:
            page = (Path(self.outdir) / item[1]).read_text(encoding="utf-8")
            found = " ".join(feature for feature, tag in FEATURES.items() if tag in page)
            return f'{item[0]} properties="{found}"' if found else item[0]

        text = manifest.read_text(encoding="utf-8")
        text = re.sub(r'href="([^"]+\.xhtml)" media-type="[^"]+"(?= />)', describe, text)
        manifest.write_text(text, encoding="utf-8")
        super().build_epub()


def configure(app, config) -> None:
    config.version = config.version or "1"
    config.epub_title = config.html_title or config.project
    config.epub_basename = "machine-learning-engineering"
    config.epub_uid = config.epub_identifier = "mlelab"
    config.epub_description = "A course with one chapter and one lab for each part of the work."
    config.epub_contributor = config.author
    config.epub_show_urls = "no"
    config.epub_exclude_files = ["index.html", "objects.inv", "_static/course.css", "_static/copybutton.css"]
    if Path(app.outdir).name == "epub":  # the builder is not known yet; the pages of an EPUB have no bar and no theme
        config.templates_path = []
        config.html_permalinks = False
        config.epub_css_files = [("reader.css", {})]


def setup(app):
    app.setup_extension("sphinx.builders.epub3")
    app.add_builder(EpubBuilder, override=True)
    app.connect("config-inited", configure, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
