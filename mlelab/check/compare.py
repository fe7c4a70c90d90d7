"""One comparison for all checks: shape before value, missing equals missing, and a word for what differs."""

import contextlib
import datetime
import math
import numbers
from collections.abc import Mapping, Set
from dataclasses import dataclass

import numpy as np
import pandas as pd

TIMES = (datetime.datetime, datetime.timedelta, np.datetime64, np.timedelta64)


class Odd:
    """In place of a result of another process that is no plain data: it has not the shape that the docstring gives."""

    def __init__(self, text: str):
        self.text = text


@dataclass(frozen=True)
class Difference:
    """The first place where two values differ: `kind` is "shape" or "value", `where` a path such as `['cost']`."""

    kind: str
    where: str
    expected: object
    got: object

    def says(self) -> str:
        """What is wrong with the shape, in one sentence."""
        place = f"At `{self.where}`, the" if self.where else "The"
        return f"{place} answer is {described(self.expected)}; this is {described(self.got)}."


def difference(expected, got, rtol: float = 1e-6, atol: float = 1e-9, where: str = "") -> Difference | None:
    """Where `got` differs from `expected`, or None.

    What is lenient: any spelling of missing in a table, numpy's numbers for Python's, a list for a tuple, an array
    for a list, a frozenset for a set, bool for 0 and 1 in a table.
    What is not: index, columns and their order, shape, keys.
    """
    return _Comparison(rtol, atol).any(expected, got, where)


class _Comparison:
    def __init__(self, rtol: float, atol: float):
        self.rtol, self.atol = rtol, atol

    def any(self, expected, got, where: str) -> Difference | None:
        for kinds, compare in (
            ((pd.DataFrame,), self.frame), ((pd.Series,), self.series), ((pd.Index,), self.index),
            ((np.ndarray,), self.array), ((bool, np.bool_), self.truth), ((numbers.Number,), self.number),
            ((str, bytes), self.text), (TIMES, self.time), ((list, tuple), self.sequence), ((Set,), self.set),
            ((Mapping,), self.mapping),
        ):
            if isinstance(expected, kinds) and expected is not pd.NaT:
                return compare(expected, got, where)
        if expected is None:
            return None if got is None else Difference("shape", where, expected, got)
        if is_missing(expected):
            return None if is_missing(got) and got is not None else Difference("value", where, expected, got)
        if type(expected) is type(got) and hasattr(expected, "__dict__") and not callable(expected):
            return self.any(vars(expected), vars(got), where)
        same = type(expected) is type(got) and bool(expected == got)
        return None if same else Difference("value", where, expected, got)

    def truth(self, expected, got, where):
        if not isinstance(got, (bool, np.bool_)):
            return Difference("shape", where, bool(expected), got)
        return None if bool(expected) == bool(got) else Difference("value", where, bool(expected), got)

    def number(self, expected, got, where):
        if isinstance(got, np.ndarray) and got.ndim == 0:
            got = got[()]
        if not isinstance(got, numbers.Number) or isinstance(got, (bool, np.bool_)):
            return Difference("shape", where, expected, got)
        return None if self.close(expected, got) else Difference("value", where, expected, got)

    def close(self, expected, got) -> bool:
        if is_missing(expected) or is_missing(got):
            return is_missing(expected) and is_missing(got)
        if isinstance(expected, complex) or isinstance(got, complex):
            return bool(np.isclose(got, expected, self.rtol, self.atol))
        return expected == got or math.isclose(expected, got, rel_tol=self.rtol, abs_tol=self.atol)

    def text(self, expected, got, where):
        if not isinstance(got, str if isinstance(expected, str) else bytes):
            return Difference("shape", where, expected, got)
        return None if expected == got else Difference("value", where, expected, got)

    def time(self, expected, got, where):
        kind = pd.Timedelta if isinstance(expected, (datetime.timedelta, np.timedelta64)) else pd.Timestamp
        if not isinstance(got, TIMES):
            return Difference("shape", where, expected, got)
        try:
            same = kind(expected) == kind(got)
        except (TypeError, ValueError):  # one with a time zone, one without
            return Difference("shape", where, expected, got)
        return None if same else Difference("value", where, expected, got)

    def sequence(self, expected, got, where):
        several = isinstance(got, (list, tuple)) or isinstance(got, np.ndarray) and got.ndim > 0
        if not several or len(got) != len(expected):
            return Difference("shape", where, expected, got)
        pairs = ((i, self.any(a, b, f"{where}[{i}]")) for i, (a, b) in enumerate(zip(expected, got)))
        return next((found for _, found in pairs if found), None)

    def set(self, expected, got, where):
        if not isinstance(got, Set):
            return Difference("shape", where, expected, got)
        return None if set(expected) == set(got) else Difference("value", where, expected, got)

    def mapping(self, expected, got, where):
        if not isinstance(got, Mapping) or set(got) != set(expected):
            return Difference("shape", where, expected, got)
        pairs = (self.any(expected[key], got[key], f"{where}[{key!r}]") for key in expected)
        return next((found for found in pairs if found), None)

    def index(self, expected, got, where):
        if not isinstance(got, (pd.Index, np.ndarray, list, tuple)) or isinstance(got, np.ndarray) and got.ndim != 1 \
                or len(got) != len(expected):
            return Difference("shape", where, expected, got)
        labels = got if isinstance(got, pd.Index) else pd.Index(got)
        return None if same_labels(expected, labels) else Difference("value", where, expected, got)

    def array(self, expected, got, where):
        try:
            values = got.to_numpy() if isinstance(got, (pd.DataFrame, pd.Series)) else np.asarray(got)
        except Exception:  # rows of unequal length, and whatever else a learner may return
            return Difference("shape", where, expected, got)
        if values.shape != expected.shape or (expected.dtype.kind == "b") != (values.dtype.kind == "b"):
            return Difference("shape", where, expected, got)
        return self.values(expected.ravel(), values.ravel(), where, lambda i: np.unravel_index(i, expected.shape))

    def series(self, expected, got, where):
        if not isinstance(got, pd.Series) or len(got) != len(expected) or not same_labels(expected.index, got.index):
            return Difference("shape", where, expected, got)
        return self.values(expected.array, got.array, where, lambda i: expected.index[i])

    def frame(self, expected, got, where):
        if (not isinstance(got, pd.DataFrame) or list(got.columns) != list(expected.columns)
                or len(got) != len(expected) or not same_labels(expected.index, got.index)):
            return Difference("shape", where, expected, got)
        if expected.shape[1] > 50 and self.same_numbers(expected, got):  # column by column takes long
            return None
        for place, name in enumerate(expected.columns):
            found = self.values(expected.iloc[:, place].array, got.iloc[:, place].array, f"{where}[{name!r}]",
                                lambda i: expected.index[i])
            if found:
                return found
        return None

    def same_numbers(self, expected, got) -> bool:
        """Whether two wide frames hold nothing but numbers, and these are alike."""
        if any(dtype.kind not in "iufb" for frame in (expected, got) for dtype in set(frame.dtypes)):
            return False
        return np.allclose(got.to_numpy(float), expected.to_numpy(float), self.rtol, self.atol, equal_nan=True)

    def values(self, expected, got, where, label):
        """Two flat arrays of one length; `label` turns a place into what is shown."""
        numeric = [_numbers(expected), _numbers(got)]
        if all(values is not None for values in numeric):
            differs = ~np.isclose(numeric[1], numeric[0], self.rtol, self.atol, equal_nan=True)
        elif numeric[0] is not None and expected.dtype.kind in "iufb" and len(got) and not _is_objects(got):
            return Difference("shape", where, expected, got)  # texts or times for numbers
        else:
            differs = ~_equal(expected, got)
            for place in np.flatnonzero(differs):
                differs[place] = not self.cell(expected[place], got[place])
        if not differs.any():
            return None
        place = int(differs.argmax())
        shown = label(place)
        shown = tuple(map(int, shown)) if isinstance(shown, tuple) and not isinstance(shown, str) else shown
        return Difference("value", f"{where}[{plain(shown)!r}]", expected[place], got[place])

    def cell(self, expected, got) -> bool:
        if is_missing(expected) or is_missing(got):
            return is_missing(expected) and is_missing(got)
        if isinstance(expected, numbers.Number) and isinstance(got, numbers.Number):
            return self.close(expected, got)
        return self.any(expected, got, "") is None


def _equal(expected, got) -> np.ndarray:
    """Where two arrays of one type are equal at first sight; nowhere if that cannot be asked of all at once."""
    with contextlib.suppress(Exception):  # pd.NA among objects, arrays in arrays
        if expected.dtype == got.dtype:
            same = expected == got
            return same.to_numpy(bool, na_value=False) if hasattr(same, "to_numpy") else np.array(same, bool)
    return np.zeros(len(expected), bool)


def _is_objects(values) -> bool:
    return getattr(getattr(values, "dtype", None), "kind", "") == "O"


def _numbers(values) -> np.ndarray | None:
    """A flat array of numbers as float, missing as nan; None if it holds something else."""
    dtype = values.dtype
    if getattr(dtype, "kind", "O") in "iufb" or isinstance(dtype, pd.SparseDtype):
        try:
            return pd.array(values).to_numpy(float, na_value=np.nan) if pd.api.types.is_extension_array_dtype(dtype) \
                else np.asarray(values, float)
        except (TypeError, ValueError):
            return None
    return None


def is_missing(value) -> bool:
    """None, nan, pd.NA and NaT; never an array."""
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(value))
    return isinstance(value, numbers.Number) and bool(value != value)


def same_labels(one: pd.Index, other: pd.Index) -> bool:
    """Whether two indexes hold the same labels in the same order; names and kinds of numbers do not matter."""
    return len(one) == len(other) and one.nlevels == other.nlevels and all(
        a == b or is_missing(a) and is_missing(b) for a, b in zip(one, other))


def unchanged(before, after) -> bool:
    """Whether an argument is what it was before the call, to the last digit, order of columns and kinds included."""
    if isinstance(before, (pd.DataFrame, pd.Series, pd.Index)):
        return type(before) is type(after) and before.equals(after) and (
            not isinstance(before, pd.DataFrame) or before.columns.equals(after.columns)) and (
            isinstance(before, pd.Index) or before.index.equals(after.index))
    if isinstance(before, np.ndarray):
        return isinstance(after, np.ndarray) and before.shape == after.shape and all(
            unchanged(a, b) for a, b in zip(before.ravel(), after.ravel())) if before.dtype == object else \
            np.array_equal(before, after, equal_nan=before.dtype.kind in "fcmM")
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and all(map(unchanged, before, after))
    if isinstance(before, dict):
        return list(before) == list(after) and all(unchanged(before[key], after[key]) for key in before)
    if is_missing(before):
        return is_missing(after)
    return before is after or type(before).__eq__ is object.__eq__ or bool(before == after)


def plain(value):
    """A number of numpy as Python's, also inside lists, dicts and sets: what a beginner should read."""
    if isinstance(value, np.generic):
        value = str(value) if isinstance(value, (np.datetime64, np.timedelta64)) else value.item()
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.6g}")
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return type(value)(map(plain, value)) if type(value) in (list, tuple) else [plain(v) for v in value]
    if isinstance(value, (set, frozenset)):
        return {plain(v) for v in value}
    if isinstance(value, dict):
        return {plain(key): plain(v) for key, v in value.items()}
    return value


def shown(value, width: int = 300):
    """A value for the card: frames as they are up to five rows, everything else as short text."""
    if isinstance(value, pd.DataFrame):
        return value.head(5)
    if isinstance(value, pd.Series):
        value = value.to_dict() if value.index.is_unique and len(value) <= 8 else value.tolist()
    if isinstance(value, pd.Index):
        value = value.tolist()
    if isinstance(value, (set, frozenset)) and value:
        text = "{" + ", ".join(sorted(map(repr, plain(value)))) + "}"
    else:
        text = repr(plain(value)) if not isinstance(value, str) else repr(value)
    return text if len(text) <= width else text[:width - 2] + " …"


def described(value) -> str:
    """The shape of a value in words: "a frame with the columns a and b and 3 rows"."""
    if isinstance(value, pd.DataFrame):
        names = ", ".join(map(str, value.columns[:12])) + (", …" if value.shape[1] > 12 else "")
        return (f"a frame of {len(value)} rows with the columns {names or '(none)'} and the index "
                f"{shown(value.index, 60)}")
    if isinstance(value, pd.Series):
        return f"a series of {len(value)} values with the index {shown(value.index, 60)}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}, {'bool' if value.dtype.kind == 'b' else value.dtype}"
    if isinstance(value, (bool, np.bool_)):
        return f"True or False ({bool(value)})" if isinstance(value, np.bool_) else f"a bool ({value})"
    if isinstance(value, str):
        return f"a text ({shown(value, 60)})"
    if isinstance(value, numbers.Number):
        return f"a number ({shown(value, 40)})"
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {len(value)} ({shown(value, 80)})"
    if isinstance(value, Mapping):
        return f"a dict with the keys {', '.join(map(repr, list(value)[:12])) or '(none)'}"
    if isinstance(value, (set, frozenset)):
        return f"a set of {len(value)}"
    if value is None:
        return "None"
    if isinstance(value, Odd):
        return value.text
    if callable(value):
        return "a function"
    return f"a {type(value).__name__}"
