"""From logits to text: how the next token is chosen, and the loop around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from .model import Attention, Cache, Model, causal_attention


def greedy(logits: np.ndarray) -> int:
    """The token with the highest logit."""
    return int(np.argmax(logits))


def next_token(logits: np.ndarray, temperature: float, top_p: float, rng: np.random.Generator) -> int:
    """Draw a token from the nucleus: the fewest tokens whose chances together reach `top_p`.

    logits: (vocabulary,). temperature: divides the logits, above 1 flatter, below 1 sharper; 0 is the highest logit.
    top_p: above 0, up to 1; 1 leaves out nothing. Raises ValueError for values outside of these.
    """
    if temperature < 0 or not 0 < top_p <= 1:
        raise ValueError(f"temperature {temperature} must be at least 0, and top_p {top_p} above 0 and at most 1.")
    if temperature == 0:
        return greedy(logits)
    order = np.argsort(-logits, kind="stable")
    scaled = logits[order].astype(np.float64) / temperature
    chances = np.exp(scaled - scaled[0])
    chances /= chances.sum()
    size = 1 + np.searchsorted(np.cumsum(chances), top_p) if top_p < 1 else len(order)
    return int(rng.choice(order[:size], p=chances[:size] / chances[:size].sum()))


def generate(model: Model, tokens: Sequence[int], *, max_tokens: int = 64,
             choose: Callable[[np.ndarray], int] = greedy, attention: Attention = causal_attention,
             cached: bool = True) -> Iterator[int]:
    """The tokens that follow `tokens`, one by one, until the model ends its answer.

    choose: takes the logits, (vocabulary,), and returns a token: the place for sampling, and for a mask.
    cached: keep keys and values, or compute all tokens again for each new one: the same answer, slower.
    Raises ValueError where prompt and answer are longer than the model can look back.
    """
    cache, new, said = Cache(), list(tokens), 0
    while said < max_tokens:
        token = choose(model.logits(new, cache, attention=attention))
        if token == model.end:
            return
        yield token
        said += 1
        new, cache = ([token], cache) if cached else ([*new, token], Cache())


def pieces(model: Model, tokens: Iterable[int]) -> Iterator[str]:
    """The text of tokens as they come; a character of several tokens is held back until it is whole."""
    held: list[int] = []
    for token in tokens:
        held.append(token)
        if not (text := model.decode(held)).endswith("\N{REPLACEMENT CHARACTER}"):
            yield text
            held = []
    if held:
        yield model.decode(held)


def answer(model: Model, question: str, *, system: str | None = None, **how) -> str:
    """The model's answer to one question; `how` goes to `generate`."""
    messages = [("system", system)] if system is not None else []
    return model.decode(list(generate(model, model.chat([*messages, ("user", question)]), **how)))
