"""What an answer is worth, by rule: right, wrong or refused; and the rule outside the model that cites or refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

REFUSAL = "I do not know."
SHARE = 0.75  # fixed before an answer was seen
_REFUSED = re.compile(
    r"\bnot (?:in the (?:\w+ )?(?:policy|text)|(?:specif|mention|provid|stat|giv)\w*)\b|"
    r"\b(?:does|do|did)(?: not|n't) (?:\w+ )?(?:say|specify|provide|mention|contain|state|give|know|include|answer|"
    r"have (?:access|(?:any |enough |that )?information))\b|"
    r"\b(?:cannot|can't|can not|unable to) (?:answer|provide|find|say|determine|tell)\b|"
    r"\bno (?:specific )?information\b|\bsorry\b|\bapologi[sz]e\b|\bi do not know\b", re.I)


def refused(text: str) -> bool:
    """Whether an answer says, in one of the usual ways, that it has none."""
    return not text.strip() or _REFUSED.search(text) is not None


def outcome(text: str, facts: list[str]) -> str:
    """An answer's outcome: "refused"; "right", where it holds one of the facts; otherwise "wrong".

    facts: empty for a question without an answer. It is a rule: a number in the wrong place counts as right.
    """
    if refused(text):
        return "refused"
    found = any(re.search(rf"(?<![\w,.]){re.escape(fact)}(?!\w|[.,]\d)", text, re.I) for fact in facts)
    return "right" if found else "wrong"


def words(text: str) -> set[str]:
    """The words that count: of four characters or more, or with a digit; in lower case."""
    return {word for word in re.findall(r"[a-z0-9]+", text.lower()) if len(word) >= 4 or re.search(r"\d", word)}


def cite_or_refuse(text: str, passages: Mapping[str, str], share: float = SHARE) -> str:
    """The answer with the id of the passage that carries it, or REFUSAL.

    passages: what was retrieved, by id. The passage is the one that shares the most words with the answer. It carries
    the answer if it holds each of its words with a digit, and at least `share` of all its words.
    """
    said = words(text)
    if refused(text) or not said:
        return REFUSAL
    source = max(passages, key=lambda one: len(said & words(passages[one])))
    known = words(passages[source])
    carried = len(said & known) >= share * len(said) and {w for w in said if re.search(r"\d", w)} <= known
    return f"{text} [{source}]" if carried else REFUSAL


def drawn_again(table: pd.DataFrame, draws: int = 4_000, seed: int = 0) -> pd.DataFrame:
    """Means of columns over rows drawn again, (draws, columns): the same rows for all columns, so they are paired."""
    values = table.to_numpy(float)
    rows = np.random.default_rng(seed).integers(0, len(values), (draws, len(values)))
    return pd.DataFrame(values[rows].mean(axis=1), columns=table.columns)
