"""The course's own texts, as the checks of this lab use them."""

import functools
import re
from collections import Counter

import numpy as np

from mlelab import assistant


def words(text: str) -> list[str]:
    return re.findall("[a-z0-9]+", text.lower())


@functools.cache
def after_the() -> tuple[list[str], np.ndarray]:
    """The words that follow "the" in the policies, and the logarithm of how often each does."""
    counts: Counter[str] = Counter()
    for text in assistant.policies()["text"]:
        found = words(text)
        counts.update(after for before, after in zip(found, found[1:]) if before == "the")
    return sorted(counts), np.log([counts[word] for word in sorted(counts)])


PHRASES = ("ignore previous", "ignore all previous", "ignore your instructions", "disregard your instructions",
           "forget your rules", "system prompt", "you are now", "developer mode", "reveal your instructions")


@functools.cache
def embeddings() -> np.ndarray:
    """Rows of the embeddings that wordllama ships."""
    import importlib.util
    from pathlib import Path

    from safetensors import safe_open

    package = Path(importlib.util.find_spec("wordllama").origin).parent
    with safe_open(package / "weights" / "l2_supercat_256.safetensors", "np") as file:
        return file.get_slice(next(iter(file.keys())))[1_000:1_400].astype(float)
