"""The pictures of README.md, as the build of the book made them for its first page: light or dark like their reader.

    python tools/readme_pictures.py          after `make book`; tests/book compares them with each new build
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("case", "chapters")  # the figures of the first page, in its order
COLOURS = ("<style>svg{color:#1f2328;font-family:sans-serif}"
           "@media(prefers-color-scheme:dark){svg{color:#e6edf3}}</style>")


def pictures(page: str) -> dict[str, str]:
    """File names of the pictures and what is in them. page: the HTML of the book's first page."""
    figures = re.findall(r'<figure class="mlelab-figure"[^>]*>(<svg.*?>)(.*?</svg>)', page, re.S)
    return {f"readme_{name}.svg": opening + COLOURS + rest + "\n" for name, (opening, rest) in zip(NAMES, figures)}


if __name__ == "__main__":
    for name, svg in pictures((ROOT / "_build" / "html" / "book" / "index.html").read_text(encoding="utf-8")).items():
        (ROOT / "book" / "_static" / name).write_text(svg, encoding="utf-8")
