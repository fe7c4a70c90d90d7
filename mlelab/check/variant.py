"""Inputs of a student's own: the same on every run, others for every student.

A lab that was opened for a student, `mlelab.start("00_start", student="ada")`, also runs each right answer on inputs
drawn for this student alone, and prints the number that belongs to them. Two students who are both right see two
numbers; an instructor knows both. A number proves nothing by itself: it shows whose output a copied output was.
"""

import hashlib


def seed_of(student: str, area: str, exercise: str, part: str | None = None) -> int:
    """The seed of a student's own inputs for one check, 32 bits."""
    return _digest(student, area, exercise, part) >> 32


def number_of(student: str, area: str, exercise: str, part: str | None = None) -> int:
    """The number that belongs to these inputs, six digits."""
    return 100_000 + _digest(student, area, exercise, part) % 2**32 % 900_000


def _digest(*words: str | None) -> int:
    return int.from_bytes(hashlib.sha256("/".join(word or "" for word in words).encode()).digest()[:8], "big")
