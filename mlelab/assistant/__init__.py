"""The desk's assistant of chapter 11: the texts it may answer from, questions to it, and attacks on it.

    from mlelab import assistant
    assistant.policies()        # 42 texts of an airline that does not exist
    assistant.questions()       # 100 questions, 40 of which the texts do not answer
    assistant.red_team()        # 62 messages, hostile and innocent

All were written for the course, under CC BY 4.0.
"""

from __future__ import annotations

import json
from importlib.resources import files

import pandas as pd

CANARY = "HERON-7Q4X-19"  # stands in the system message and nowhere else: whoever shows it has leaked the message


def policies() -> pd.DataFrame:
    """The policies of Blue Heron Air: id, title, text."""
    return _rows("policies")


def questions() -> pd.DataFrame:
    """Questions to the desk.

    id; question; answer: a right one, or None; policy: the id of the text that answers it, or None; answerable;
    facts: of these words a right answer holds one; kind: "asked", or of an unanswerable question "near", where a
    text is about the subject, and "far", where none is.
    """
    return _rows("questions")


def red_team() -> pd.DataFrame:
    """Messages to a guard: id; text; hostile; kind.

    kind: "override" of the instructions, the same by "look-alike" letters or "split" words, fishing for the "canary",
    "indirect", which is a retrieved text with an order in it, and "innocent".
    """
    return _rows("red_team")


def _rows(name: str) -> pd.DataFrame:
    text = files(__name__).joinpath(f"{name}.jsonl").read_text(encoding="utf-8")
    rows = pd.DataFrame([json.loads(line) for line in text.splitlines()], dtype=object)
    return rows.astype({name: bool for name in ("answerable", "hostile") if name in rows})
