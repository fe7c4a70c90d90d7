"""Random inputs that are recorded as whole numbers, so that they can be replayed, kept as cases, and shrunk.

An exercise's `inputs(d)` draws any valid input of its contract. Each draw is a choice among n possibilities, written
down as a number from 0 to n - 1; 0 is always the simplest one. A list of such numbers is a *case*.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

MISSING = (None, np.nan, pd.NA)


class Rejected(Exception):
    """The draw is not an input of the contract: draw again."""


class Draw:
    """One run of `inputs`: replays `recorded` choices, then draws with `rng`, or takes the simplest without one."""

    def __init__(self, recorded: Sequence[int] = (), rng: np.random.Generator | None = None):
        self._recorded, self._rng = list(recorded), rng
        self.choices: list[int] = []

    def _choose(self, n: int, edges: bool = False) -> int:
        place = len(self.choices)
        if place < len(self._recorded):
            value = min(self._recorded[place], n - 1)
        elif self._rng is None:
            value = 0
        elif edges and (u := self._rng.random()) < 0.2:
            value = 0 if u < 0.1 else n - 1
        else:
            value = int(self._rng.integers(n))
        self.choices.append(value)
        return value

    def need(self, holds: bool) -> None:
        """Go on only with inputs for which this holds."""
        if not holds:
            raise Rejected

    def int(self, low: int, high: int) -> int:
        """A whole number from low to high, both included; the limits come up often."""
        return low + self._choose(high - low + 1, edges=True)

    def num(self, low: float, high: float, digits: int = 1) -> float:
        """A number from low to high with so many decimals; the limits come up often."""
        return round(low + self._choose(round((high - low) * 10**digits) + 1, edges=True) / 10**digits, digits)

    def flag(self, chance: float = 0.5) -> bool:
        """True with this chance, in hundredths; the simplest is False."""
        return self._choose(100) >= 100 - round(100 * chance)

    def pick(self, options: Sequence):
        """One of the options; the first is the simplest."""
        return options[self._choose(len(options))]

    def some(self, options: Sequence, least: int = 0) -> list:
        """Different ones of the options, at least so many, in their order; fewer are simpler."""
        count = self.int(least, len(options))
        return [options[place] for place in sorted(self._places(len(options))[:count])]

    def order(self, options: Sequence) -> list:
        """The options in any order; as they came is the simplest."""
        return [options[place] for place in self._places(len(options))]

    def _places(self, n: int) -> list[int]:
        left = list(range(n))
        return [left.pop(self._choose(len(left))) for _ in range(n)]

    def list(self, low: int, high: int, make: Callable) -> list:
        """From low to high items, each made by `make()`."""
        return [make() for _ in range(self.int(low, high))]

    def index(self, n: int, name: str | None = None, repeats: bool = False) -> pd.Index:
        """Labels of n rows: 0, 1, 2 …, in another order, with gaps, or texts; with `repeats` some of them twice."""
        kind = self._choose(5 if repeats else 4)
        labels = {0: range(n), 1: range(n - 1, -1, -1), 2: range(7, 7 + 3 * n, 3), 3: [f"r{i}" for i in range(n)],
                  4: [2 * i // 3 for i in range(n)]}[kind]
        return pd.Index(self.order(labels) if kind in (2, 4) else labels, name=name)

    def frame(self, n: int, index: pd.Index | None = None, **columns: Callable) -> pd.DataFrame:
        """A frame of n rows; each column's values are made one by one by its function."""
        made = {name: [make() for _ in range(n)] for name, make in columns.items()}
        return pd.DataFrame(made, index=self.index(n) if index is None else index, columns=list(columns))

    def optional(self, **arguments) -> dict:
        """Arguments that have a default: all of them, or none, or the first few, as a caller may give them."""
        names = list(arguments)[:len(arguments) if self.flag(0.75) else self.int(0, len(arguments))]
        return {name: arguments[name] for name in names}

    def missing(self):
        """A missing value in one of its spellings: None, nan, pd.NA."""
        return self.pick(MISSING)

    def rng(self) -> np.random.Generator:
        """A generator for bulk data; the data is replayed with the case, but does not shrink."""
        return np.random.default_rng(self._choose(2**20))


def draw(inputs: Callable, choices: Sequence[int] = (), rng: np.random.Generator | None = None
         ) -> tuple[dict, list[int]]:
    """The inputs that the choices stand for, and the choices that were used. Without `rng`, may raise Rejected."""
    for _ in range(1_000 if rng is not None else 1):
        source = Draw(choices, rng)
        try:
            return inputs(source), source.choices
        except Rejected:
            if rng is None:
                raise
    raise RuntimeError("inputs() rejects a thousand draws in a row: draw valid inputs instead of rejecting others")


def shrink(choices: list[int], fails: Callable[[list[int]], bool], attempts: int = 250, seconds: float = 1.5
           ) -> list[int]:
    """A smaller case that still fails: pieces left out, choices brought to 0 or nearer to it."""
    end, left = time.monotonic() + seconds, attempts

    def still(shorter: list[int]) -> bool:
        nonlocal left
        left -= 1
        return left >= 0 and time.monotonic() < end and fails(shorter)

    best, better = list(choices), True
    while better and left > 0:
        better = False
        for size in (16, 8, 4, 2, 1):
            start = len(best) - size
            while start >= 0:
                shorter = best[:start] + best[start + size:]
                if still(shorter):
                    best, better = shorter, True
                start -= size
        for place in range(len(best)):
            step = best[place] if place < len(best) else 0
            while step:
                if best[place] >= step and still(best[:place] + [best[place] - step] + best[place + 1:]):
                    best[place], better = best[place] - step, True
                else:
                    step //= 2
    return best
