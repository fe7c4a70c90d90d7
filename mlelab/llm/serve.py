"""The model as the generator of the local cloud: `mlelab.vertex` finds it by its entry point and imports none of it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from mlelab.vertex.compute.generator import Candidate, Settings, Step

from .decoding import next_token
from .model import Cache, load
from .schema import Schema

TEMPERATURE, TOP_P = 0.2, 0.9  # what the model's card recommends
ROLES = {"model": "assistant"}


class SmolLM2:
    """SmolLM2-135M-Instruct. Raises ModelMissing where it is not installed."""

    name = "smollm2-135m-instruct"

    def __init__(self) -> None:
        self._model = load()
        self.context: int = self._model.context
        self._turn = threading.Lock()  # one token at a time: several answers come side by side
        self._texts = [self._model.decode([token]) for token in range(len(self._model.tokens))]
        places = {letter: place for place, letter in enumerate(_LETTERS)}
        whole = ["\N{REPLACEMENT CHARACTER}" not in text for text in self._texts]
        self._first = np.array([places.get(text[:1], -1) if ok else -1 for text, ok in zip(self._texts, whole)])

    def tokens(self, text: str) -> list[tuple[int, bytes]]:
        """The tokens of a text: id and bytes."""
        return [(token, bytes(_BYTES[letter] for letter in self._model.tokens[token]))
                for token in self._model.encode(text)]

    def prompt(self, messages: Sequence[tuple[str, str]]) -> list[int]:
        """The tokens of a conversation."""
        return self._model.chat([(ROLES.get(role, role), text) for role, text in messages])

    def generate(self, prompt: Sequence[int], settings: Settings) -> Iterator[Step]:
        """What follows. With a schema, top_p and top_k are not used, and a character is one token or is left out."""
        rng = np.random.default_rng(settings.seed)
        schema = None if settings.schema is None else Schema(settings.schema)
        said: Counter[int] = Counter()
        cache, new, text, held = Cache(), list(prompt), "", []
        while True:
            with self._turn:
                logits = self._model.logits(new, cache)
            chances = logits - logits.max()
            chances -= np.log(np.exp(chances).sum())
            for token, count in said.items():
                logits[token] -= settings.presence_penalty + settings.frequency_penalty * count
            token = self._allowed(logits, schema, text, settings, rng) if schema else self._free(logits, settings, rng)
            if token == self._model.end:
                return
            said[token] += 1
            new = [token]
            held.append(token)
            piece = self._model.decode(held)
            if piece.endswith("\N{REPLACEMENT CHARACTER}"):
                piece = ""
            else:
                text, held = text + piece, []
            best = np.argsort(-chances)[: settings.logprobs].tolist() if settings.logprobs else []
            yield Step(piece, self._candidate(chances, token), [self._candidate(chances, one) for one in best])
            if schema and schema.complete(text) and not any(self._next(schema, text)):
                return

    def _candidate(self, chances: np.ndarray, token: int) -> Candidate:
        return Candidate(token, self._texts[token], float(chances[token]))

    def _free(self, logits: np.ndarray, settings: Settings, rng: np.random.Generator) -> int:
        if settings.top_k:
            logits = np.where(logits < np.sort(logits)[-settings.top_k], -np.inf, logits)
        temperature = TEMPERATURE if settings.temperature is None else settings.temperature
        return next_token(logits, temperature, settings.top_p or TOP_P, rng)

    def _allowed(self, logits: np.ndarray, schema: Schema, text: str, settings: Settings,
                 rng: np.random.Generator) -> int:
        """The best token that the schema allows. At a temperature, noise of Gumbel's kind on each logit makes the best
        a draw from the chances of those that are allowed."""
        temperature = TEMPERATURE if settings.temperature is None else settings.temperature
        score = logits if temperature == 0 else logits / temperature + rng.gumbel(size=len(logits))
        fits = np.append(self._next(schema, text), False)[self._first]
        fits[self._model.end] = schema.complete(text)
        for token in np.argsort(-np.where(fits, score, -np.inf))[: fits.sum()].tolist():
            if token == self._model.end or schema.allows(text + self._texts[token]):
                return token
        return self._model.end

    def _next(self, schema: Schema, text: str) -> list[bool]:
        """Of each of _LETTERS, whether the text can go on with it."""
        return [schema.allows(text + letter) for letter in _LETTERS]


def _byte_letters() -> dict[str, int]:
    """The letter that byte-pair encoding writes for each byte: itself where it can be printed, else one from 256 on."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + n): byte for n, byte in enumerate(others)}


_BYTES = _byte_letters()
_LETTERS = [chr(code) for code in range(32, 127)] + ["é", "ö", "ü", "ñ", "°", "€"]  # what an answer in JSON is made of
