"""The book as files to take along, in _build/: `python tools/course.py book --epub --pdf` calls this.

The EPUB is made by Sphinx's builder. The PDF is Chromium's print of all pages as one, with an outline and tags.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from course import JUPYTER_BOOK, ROOT

NAME = "machine-learning-engineering"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FOOT = '<div style="width: 100%; text-align: center; font-size: 8px"><span class="pageNumber"></span></div>'


def build(builder: str, output: Path) -> Path:
    """Build the book below `output` and return its folder; end with one sentence if it fails."""
    shutil.rmtree(output / "_build" / builder, ignore_errors=True)  # what an earlier build left would come along
    command = [sys.executable, "-c", JUPYTER_BOOK, "build", str(ROOT), "--path-output", str(output), "-W", "-n",
               "--keep-going", "--quiet", "--builder", "custom", "--custom-builder", builder]
    if subprocess.run(command).returncode:
        sys.exit(f"The book could not be built with the builder {builder}: see the warnings above.")
    return output / "_build" / builder


def write_epub(output: Path) -> Path:
    """Write the EPUB and return its path."""
    return Path(shutil.copy(build("epub", output) / f"{NAME}.epub", output / "_build"))


def write_pdf(output: Path) -> Path:
    """Print the book into one PDF and return its path; ends with one sentence where there is no Chromium."""
    from playwright.sync_api import sync_playwright

    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"The PDF is printed by Chromium and none is on PATH: install one of {', '.join(BROWSERS)}.")
    pages = build("singlehtml", output)
    page = Path(shutil.copy(pages / "book" / "index.html", pages / "index.html"))  # its addresses start at the top
    path = output / "_build" / f"{NAME}.pdf"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        tab = chromium.new_page(java_script_enabled=False, color_scheme="light")
        missing = []
        tab.on("requestfailed", lambda request: missing.append(request.url))
        tab.goto(page.as_uri())
        if missing:
            sys.exit(f"The page to print lacks what it loads, so nothing was printed: {', '.join(missing)}.")
        tab.pdf(path=path, format="A4", outline=True, tagged=True, print_background=True, display_header_footer=True,
                header_template="<span></span>", footer_template=FOOT,
                margin={"top": "18mm", "bottom": "18mm", "left": "16mm", "right": "16mm"})
        chromium.close()
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epub", action="store_true")
    parser.add_argument("--pdf", action="store_true")
    parser.add_argument("--output", type=Path, default=ROOT, help="the folder of _build/")
    arguments = parser.parse_args()
    for wanted, write in ((arguments.epub, write_epub), (arguments.pdf, write_pdf)):
        if wanted:
            path = write(arguments.output)
            print(f"· {path} ({path.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
