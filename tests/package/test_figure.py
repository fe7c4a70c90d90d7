"""Figures: accessible, the same bytes each time, legible on light and on dark, and many on one page."""

import re
from graphlib import CycleError
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import pytest

from mlelab import figure

ALT = "A line that goes up and then down again."


@pytest.fixture
def shown(monkeypatch):
    """What `figure` displays, as a list of MIME bundles."""
    bundles = []
    monkeypatch.setattr(figure, "display", lambda bundle, raw: bundles.append(bundle))
    yield bundles
    plt.close("all")


def draw() -> plt.Figure:
    fig, ax = plt.subplots()
    ax.plot([1, 2, 3], [0.1234567, 0.4, 0.2], marker="o", label="one")
    ax.plot([1, 2, 3], [0.2, 0.1, 0.3], "--", label="other")
    ax.axvline(2, color="black")
    ax.set(xlabel="month", ylabel="share $x^2$")
    ax.legend()
    return fig


def svg(bundle: dict) -> ElementTree.Element:
    return ElementTree.fromstring(re.search(r"<svg.*</svg>", bundle["text/html"], re.S)[0])


def test_alt_text_stands_in_both_outputs_and_caption_is_escaped(shown):
    figure.show(draw(), alt='It says "up",\n  then down again.', caption="a < b")
    html = shown[0]["text/html"]
    assert svg(shown[0]).get("aria-label") == 'It says "up", then down again.' == shown[0]["text/plain"]
    assert svg(shown[0]).get("role") == "img"
    assert "<figcaption>a &lt; b</figcaption>" in html
    assert html.startswith('<figure class="mlelab-figure"')


@pytest.mark.parametrize("alt", ["", "too short", "figures/late_share_by_month.png", None])
def test_what_is_no_sentence_is_refused_in_one_sentence(shown, alt):
    with pytest.raises(ValueError, match="Give the figure an alt text") as refusal:
        figure.show(draw(), alt=alt)
    assert "\n" not in str(refusal.value)
    assert not shown
    assert plt.get_fignums(), "a refused figure is kept, so that nothing is lost"


def test_a_shown_figure_is_closed(shown):
    figure.show(draw(), alt=ALT)
    assert not plt.get_fignums()


def test_same_figure_same_bytes_and_no_date(shown):
    for _ in range(2):
        figure.show(draw(), alt=ALT)
    assert shown[0] == shown[1]
    assert not re.search(r"20\d\d-\d\d-\d\d|metadata|<style", shown[0]["text/html"])


def test_coordinates_are_short(shown):
    figure.show(draw(), alt=ALT)
    numbers = re.findall(r"\d+\.(\d+)", re.sub(r">[^<]*<", "><", shown[0]["text/html"]))
    assert numbers and max(map(len, numbers)) <= 2


def test_text_axes_and_black_follow_the_theme_and_nothing_is_painted_behind(shown):
    figure.show(draw(), alt=ALT)
    html = shown[0]["text/html"]
    colours = set(re.findall(r"(?<=: )#[0-9a-f]{6}", html))
    assert colours == set(figure.PALETTE[:2])
    assert "currentColor" in html
    assert "DejaVu" not in html, "text takes the font of the page"


def test_text_stays_text(shown):
    figure.show(draw(), alt=ALT)
    assert "month" in {"".join(text.itertext()) for text in svg(shown[0]).iter("{http://www.w3.org/2000/svg}text")}


def test_size_is_given_and_shrinks_on_small_screens(shown):
    figure.show(draw(), alt=ALT)
    root = svg(shown[0])
    assert (root.get("width"), root.get("viewBox").split()[2]) == ("576", "432")
    assert "max-width:100%" in root.get("style")


def test_ids_of_two_figures_differ_and_every_reference_resolves(shown):
    figure.show(draw(), alt=ALT)
    other = draw()
    other.axes[0].set_ylim(0, 3)
    figure.show(other, alt=ALT)
    ids = [{element.get("id") for element in svg(bundle).iter()} - {None} for bundle in shown]
    assert ids[0] and not ids[0] & ids[1]
    for bundle, own in zip(shown, ids):
        referred = set(re.findall(r"url\(#([^)]+)\)", bundle["text/html"]))
        referred |= set(re.findall(r'href="#([^"]+)"', bundle["text/html"]))
        assert referred == own


def luminance(colour: str) -> float:
    channels = [int(colour[start:start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("ground", ["#ffffff", "#14181e"])
@pytest.mark.parametrize("colour", figure.PALETTE)
def test_every_colour_has_contrast_on_light_and_on_dark(colour, ground):
    light, dark = sorted((luminance(colour), luminance(ground)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3


GRAPH = {"a": [], "b": ["a"], "c": ["b"], "d": ["a", "c"]}


def test_flow_names_every_box_and_fills_the_highlighted_ones(shown):
    figure.flow(GRAPH, alt="Four boxes below each other.", highlight=["c"])
    root = svg(shown[0])
    texts = {"".join(text.itertext()): text.get("style") for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert set(texts) == set(GRAPH)
    assert {name for name, style in texts.items() if "#ffffff" in style} == {"c"}


def test_flow_puts_each_thing_below_what_it_is_made_from_and_lines_around_boxes(shown):
    places, edges = figure._layers(GRAPH)
    assert all(places[source][1] < places[name][1] for name, sources in GRAPH.items() for source in sources)
    assert sorted((route[0], route[-1]) for route in edges) == [("a", "b"), ("a", "d"), ("b", "c"), ("c", "d")]
    assert len(set(places.values())) == len(places), "no two stops share a place"


def test_flow_refuses_a_circle(shown):
    with pytest.raises(CycleError):
        figure.flow({"a": ["b"], "b": ["a"]}, alt="Two boxes in a circle, which cannot be drawn.")
