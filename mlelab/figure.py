"""The one style of the course's figures, for pages and labs alike: `figure.show(fig, alt="…")`.

Importing this module sets matplotlib's defaults. Figures are shown as inline SVG on a transparent ground, and whatever
is black in them takes the colour of the text around: light and dark themes are both legible.
"""

import hashlib
import io
import re
from collections.abc import Collection, Mapping
from graphlib import TopologicalSorter
from html import escape
from itertools import pairwise
from xml.etree import ElementTree

import matplotlib as mpl
import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path

# Okabe and Ito's colours that colour-blind readers tell apart, the light ones darkened: each has a contrast of 3 or
# more to white and to the book's dark ground.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#c46f9f", "#a97c00", "#808080")

mpl.rcParams.update({
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.prop_cycle": mpl.cycler(color=PALETTE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": "medium",
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "figure.figsize": (6, 3.4),
    "font.size": 11,
    "grid.alpha": 0.15,
    "grid.color": "black",
    "grid.linewidth": 0.8,
    "image.cmap": "cividis",
    "legend.frameon": False,
    "lines.linewidth": 2,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
})

_SVG, _XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
_PIXELS = 4 / 3  # CSS pixels to a point
_MIN_ALT = 20


def show(fig: plt.Figure, alt: str, caption: str | None = None) -> None:
    """Display a figure and close it.

    alt: a sentence that says what the figure shows, for those who do not see it; 20 characters or more.
    caption: plain text below the figure, for those who do.
    Raises ValueError if `alt` is no such sentence.
    """
    if not isinstance(alt, str) or len(alt.strip()) < _MIN_ALT or " " not in alt.strip():
        raise ValueError(f"Give the figure an alt text, a sentence of at least {_MIN_ALT} characters that says what it "
                         f"shows; this is {alt!r}.")
    alt = " ".join(alt.split())
    svg = _svg(fig, alt)
    plt.close(fig)
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    html = f'<figure class="mlelab-figure" style="margin:1em 0">{svg}{below}</figure>'
    display({"text/html": html, "text/plain": alt}, raw=True)


def flow(made_from: Mapping[str, Collection[str]], alt: str, highlight: Collection[str] = (),
         caption: str | None = None) -> None:
    """Display a graph without circles, top to bottom: an arrow from each thing to what is made from it.

    made_from: for each name the names that it is made from.
    highlight: names whose boxes are filled.
    alt, caption: as in `show`. Raises graphlib.CycleError on a circle, ValueError on a missing alt text.
    """
    places, edges = _layers(made_from)
    columns = max(x for x, _ in places.values()) - min(x for x, _ in places.values()) + 1
    rows = max(y for _, y in places.values()) + 1
    fig, ax = plt.subplots(figsize=(1.45 * columns, 0.72 * rows))
    ax.axis("off")
    for route in edges:
        _arrow(ax, [places[stop] for stop in route])
    for name in made_from:
        x, y = places[name]
        filled = name in highlight
        ax.add_patch(FancyBboxPatch((x - 0.42, y - 0.24), 0.84, 0.48, boxstyle="round,pad=0,rounding_size=0.08",
                                    facecolor=PALETTE[0] if filled else "none", edgecolor=PALETTE[0], linewidth=1.4))
        ax.text(x, y, name, ha="center", va="center", color="white" if filled else "black", fontsize=10)
    middle = [x for x, _ in places.values()]
    ax.set(xlim=(min(middle) - 0.5, max(middle) + 0.5), ylim=(rows - 0.6, -0.4))
    show(fig, alt, caption)


def _layers(made_from: Mapping[str, Collection[str]]) -> tuple[dict, list[list]]:
    """(x, y) of each name, and each edge as the stops on its way: one in every row, so that it passes between boxes."""
    order = list(TopologicalSorter(made_from).static_order())
    row = {}
    for name in order:
        row[name] = max((row[source] + 1 for source in made_from[name]), default=0)
    for name in reversed(order):  # what nothing is made from later may come down to its first use
        uses = [row[other] for other in made_from if name in made_from[other]]
        row[name] = min(uses) - 1 if uses else row[name]
    edges = [[source, *((source, name, y) for y in range(row[source] + 1, row[name])), name]
             for name in made_from for source in made_from[name]]
    layers = [[] for _ in range(max(row.values()) + 1)]
    for name in order:
        layers[row[name]].append(name)
    for route in edges:
        for stop in route[1:-1]:
            layers[stop[2]].append(stop)
    near = {}  # the stops above and below each stop
    for route in edges:
        for above, below in pairwise(route):
            near.setdefault(below, []).append(above)
            near.setdefault(above, []).append(below)
    places = {}
    for _ in range(12):  # move each stop below the middle of its neighbours, until the rows no longer change
        for y, layer in enumerate(layers):
            wanted = {stop: [places[other][0] for other in near.get(stop, ()) if other in places] for stop in layer}
            layer.sort(key=lambda stop: sum(wanted[stop]) / len(wanted[stop]) if wanted[stop] else 0.0)
            widths = [1.0 if stop in row else 0.35 for stop in layer]
            left = -sum(widths) / 2
            for stop, width in zip(layer, widths):
                places[stop] = (left + width / 2, y)
                left += width
    return places, edges


def _arrow(ax: plt.Axes, stops: list[tuple[float, float]]) -> None:
    """A smooth line through the stops, from below the first box to an arrow head above the last."""
    (x, y), points, codes = stops[0], [], [Path.MOVETO]
    points.append((x, y + 0.24))
    for position, (x2, y2) in enumerate(stops[1:], start=1):
        end = y2 - 0.33 if position == len(stops) - 1 else y2
        start = points[-1]
        bend = (start[1] + end) / 2
        points += [(start[0], bend), (x2, bend), (x2, end)]
        codes += [Path.CURVE4] * 3
    ax.add_patch(PathPatch(Path(points, codes), facecolor="none", edgecolor=PALETTE[-1], linewidth=1.2))
    ax.fill([x2 - 0.05, x2 + 0.05, x2], [end - 0.02, end - 0.02, end + 0.09], color=PALETTE[-1], linewidth=0)


def _svg(fig: plt.Figure, alt: str) -> str:
    """The figure as one `<svg>` element for an HTML page, the same bytes for the same figure."""
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "mlelab"}):
        fig.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(buffer.getvalue())
    for parent in reversed(list(root.iter())):  # children first
        for child in list(parent):
            if _is_idle(child):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        element.attrib = {name.removeprefix(_XLINK): value if "href" in name else _tidy(value)
                          for name, value in element.attrib.items()}
    _own_ids(root, hashlib.sha256(ElementTree.tostring(root) + alt.encode()).hexdigest()[:8])
    width, height = (float(side) for side in root.get("viewBox").split()[2:])
    root.attrib = {
        "xmlns": _SVG[1:-1], "role": "img", "aria-label": alt, "viewBox": root.get("viewBox"),
        "width": f"{width * _PIXELS:.0f}", "height": f"{height * _PIXELS:.0f}",
        # no fill is matplotlib's way to say black
        "style": "max-width:100%;height:auto;fill:currentColor;stroke-linejoin:round;stroke-linecap:butt",
    }
    return re.sub(r">\s+<", "><", ElementTree.tostring(root, encoding="unicode"))


def _is_idle(element: ElementTree.Element) -> bool:
    """Whether an element draws nothing: matplotlib's metadata, empty groups, paths without line and fill.

    Its style sheet counts too, because within a page it would reach all of the page.
    """
    name = element.tag.removeprefix(_SVG)
    return (not element.tag.startswith(_SVG) or name in ("metadata", "style")
            or (name in ("g", "defs") and len(element) == 0)
            or (name == "path" and element.get("style") == "fill: none"))


def _tidy(value: str) -> str:
    """An attribute with black as the colour of the text, the font of the page, and numbers of at most two decimals."""
    value = value.replace("#000000", "currentColor")
    value = re.sub(r"font: (.*?)([\d.]+px) [^;]*", r"\1font-size: \2", value)  # matplotlib 3.9 in one declaration
    value = re.sub(r"font-family: [^;]*(; )?", "", value)
    return re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), value)


def _own_ids(root: ElementTree.Element, prefix: str) -> None:
    """Keep only the ids that something refers to, with a prefix, so that many figures fit on one page."""
    reference = re.compile(r"(?<=#)[\w.-]+")
    used = {found for element in root.iter() for name, value in element.attrib.items()
            if "href" in name or "url(" in value for found in reference.findall(value)}
    for element in root.iter():
        if element.get("id") in used:
            element.set("id", f"f{prefix}-{element.get('id')}")
        else:
            element.attrib.pop("id", None)
        for name, value in element.attrib.items():
            if ("href" in name and value.startswith("#")) or "url(#" in value:
                element.set(name, reference.sub(lambda found: f"f{prefix}-{found[0]}", value))
