"""What a check says: one outcome, as HTML where that is shown and as plain text elsewhere."""

import os
import re
import sys
from dataclasses import dataclass
from html import escape

import pandas as pd

from mlelab.check.misconceptions import Misconception

RIGHT, WRONG, NOT_ATTEMPTED = "right", "wrong", "not attempted"
MARKS = {RIGHT: ("✔", "#2e8b57"), WRONG: ("✘", "#d55e00"), NOT_ATTEMPTED: ("○", "#808080")}
WIDE = "float:none;width:auto"  # JupyterLab lays a dl out in two narrow columns


@dataclass(frozen=True)
class Outcome:
    """What one check found. `says` is one sentence: the figure unlocked, or the property violated."""

    exercise: str
    name: str
    verdict: str
    says: str
    call: str | None = None
    example: pd.DataFrame | None = None
    expected: object = None
    got: object = None
    misconception: Misconception | None = None
    read: str | None = None
    seed: int | None = None
    again: str | None = None
    printed: str | None = None

    @property
    def headline(self) -> str:
        return f"{MARKS[self.verdict][0]} {self.exercise} {self.name}: {self.verdict}"

    def details(self) -> list[tuple[str, object]]:
        """What stands below the sentence, as (label, content), smallest counter-example first."""
        named = self.misconception
        pairs = [
            ("Call", self.call),
            ("Smallest counter-example", self.example),
            ("Expected", self.expected),
            ("Got", self.got),
            (f"{named.code} {named.name}" if named else "", named.why if named else None),
            ("Your function printed", self.printed),
            ("Read", self.read),
            ("Try the same input again", self.again),
        ]
        return [(label, content) for label, content in pairs if content is not None]

    def __repr__(self) -> str:
        lines = [self.headline, f"  {self.says}"]
        for label, content in self.details():
            text = content.to_string() if isinstance(content, pd.DataFrame) else str(content)
            lines += [f"  {label}:"] + [f"    {line}" for line in text.splitlines()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """No background and no text colour of our own: readable in any theme; the verdict is also a word."""
        mark, colour = MARKS[self.verdict]
        details = "".join(f"<dt style='{WIDE}'><strong>{escape(label)}</strong></dt>"
                          f"<dd style='{WIDE};margin:0 0 .5em 1em'>{_html(content)}</dd>"
                          for label, content in self.details())
        return (f"<div role='status' style='border-left:4px solid {colour};padding:.2em .8em'>"
                f"<p style='margin:.2em 0'><strong><span aria-hidden='true'>{mark}</span> {self.exercise} "
                f"<code>{escape(self.name)}</code>: {self.verdict}</strong></p>"
                f"<p style='margin:.2em 0'>{_inline(self.says)}</p><dl style='margin:.4em 0 0'>{details}</dl></div>")


class NotRight(AssertionError):
    """Ends a check cell whose answer is wrong or not attempted; a notebook shows no traceback of ours."""

    def __init__(self, outcome: Outcome):
        super().__init__(repr(outcome))
        self.outcome = outcome

    def _render_traceback_(self):
        why = " The box above says why." if self.outcome.verdict == WRONG else ""
        return [f"{self.outcome.headline}.{why}"]


def report(outcome: Outcome) -> None:
    """Show an outcome, and raise `NotRight` unless it is right.

    On Colab nothing is raised: whether it goes on after an expected error is not known. Under nbgrader it always is.
    """
    if _in_notebook():
        show(outcome)
    elif outcome.verdict == RIGHT:
        print(outcome)
    on_colab = "google.colab" in sys.modules and "NBGRADER_EXECUTION" not in os.environ
    if outcome.verdict != RIGHT and not on_colab:
        raise NotRight(outcome)


def show(value: object) -> None:
    """Show a value as a notebook shows a cell's result; as text where there is no notebook."""
    if _in_notebook():
        from IPython.display import display

        display(value)
    else:
        print(value)


def show_text(markdown: str) -> None:
    """Show a text that holds code and emphasis."""
    if _in_notebook():
        from IPython.display import Markdown

        show(Markdown(markdown))
    else:
        print(markdown)


def _in_notebook() -> bool:
    """Whether an IPython shell runs; where nobody has imported IPython, as in a page, none does."""
    return "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None


def _html(content: object) -> str:
    if isinstance(content, pd.DataFrame):
        return content.to_html(border=0).replace("<table ", "<table style='margin:0' ", 1)
    text = escape(str(content))
    if text.startswith("https://"):
        return f"<a href='{text}'>{text}</a>"
    is_code = re.search(r"\n|\w\(|^[\[{]", text)
    return f"<code style='white-space:pre-wrap'>{text}</code>" if is_code else _inline(str(content))


def _inline(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
