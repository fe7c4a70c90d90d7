"""Plain data as JSON and back, without pickle: what crosses between a check and a function in another process.

None, bool, numbers, texts, bytes, lists, tuples, sets, dicts; times and durations; every spelling of missing; arrays,
series, frames and indexes with their kinds; Python's own exceptions by name; numpy's default generator with its state.
A function crosses as a handle, through `keep`; nothing else crosses.
"""

import base64
import builtins
import datetime
import math
from collections.abc import Callable

import numpy as np
import pandas as pd

EXCEPTIONS = {name: kind for name, kind in vars(builtins).items()
              if isinstance(kind, type) and issubclass(kind, Exception)}


class CannotCross(TypeError):
    """A value that is no plain data."""


def encode(value, keep: Callable[[Callable], int] | None = None):
    """JSON for a value. `keep` gives a function's handle; CannotCross for what is neither plain data nor a function."""
    return _Encoder(keep).any(value)


def decode(data, find: Callable[[int], Callable] | None = None):
    """The value that `encode` was given; `find` gives the function of a handle. ValueError for other JSON."""
    if data is None or isinstance(data, (bool, int, str)):
        return data
    try:
        (tag, content), = data.items()
        return _DECODERS[tag](content, find)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"this is not encoded data: {str(data)[:80]}") from error


class _Encoder:
    def __init__(self, keep):
        self.keep = keep

    def any(self, value):
        if value is None or type(value) in (bool, int, str):
            return value
        for kind, tag, encoded in (
            (float, "float", lambda: value.hex() if math.isfinite(value) else str(value)),
            (list, "list", lambda: [self.any(item) for item in value]),
            (tuple, "tuple", lambda: [self.any(item) for item in value]),
            (set, "set", lambda: [self.any(item) for item in value]),
            (frozenset, "frozenset", lambda: [self.any(item) for item in value]),
            (dict, "dict", lambda: [[self.any(key), self.any(item)] for key, item in value.items()]),
            (bytes, "bytes", lambda: base64.b64encode(value).decode()),
            (complex, "complex", lambda: [value.real, value.imag]),
        ):
            if type(value) is kind:
                return {tag: encoded()}
        return self.special(value)

    def special(self, value):
        if value is pd.NA or value is pd.NaT:
            return {"missing": "NA" if value is pd.NA else "NaT"}
        if isinstance(value, pd.DataFrame):
            return {"frame": [self.any(value.columns), self.any(value.index),
                              [self.values(value.iloc[:, i].array) for i in range(value.shape[1])]]}
        if isinstance(value, pd.Series):
            return {"series": [self.any(value.name), self.any(value.index), self.values(value.array)]}
        if isinstance(value, pd.RangeIndex):
            return {"range": [value.start, value.stop, value.step, self.any(value.name)]}
        if isinstance(value, pd.MultiIndex):
            return {"levels": [[self.any(name) for name in value.names],
                               [self.any(value.get_level_values(level)) for level in range(value.nlevels)]]}
        if isinstance(value, pd.Index):
            return {"index": [self.any(value.name), self.values(value.array)]}
        if isinstance(value, np.generic):
            return {"scalar": [value.dtype.str, self.any(np.asarray(value)[None])]}
        if isinstance(value, np.ndarray):
            return {"array": [list(value.shape), self.flat(value.ravel())]}
        if isinstance(value, (datetime.datetime, datetime.timedelta)):
            stamp = isinstance(value, datetime.datetime)
            kind = type(value).__module__.split(".")[0] == "pandas"
            made = pd.Timestamp(value) if stamp else pd.Timedelta(value)
            zone = str(made.tz) if stamp and made.tz is not None else None
            return {"time" if stamp else "duration": [kind, int(made.as_unit("ns").value), zone]}
        if isinstance(value, (datetime.date,)):
            return {"date": value.isoformat()}
        if callable(value) and self.keep is not None and not isinstance(value, type):  # a class is more than its call
            return {"function": self.keep(value)}
        if type(value) is np.random.Generator and type(value.bit_generator) is np.random.PCG64:
            return {"generator": value.bit_generator.state}
        if isinstance(value, type) and EXCEPTIONS.get(value.__name__) is value:
            return {"exception": value.__name__}
        if isinstance(value, (dict, list, tuple, set)):  # a subclass: its content is plain data
            return self.any(next(kind for kind in (dict, list, tuple, set) if isinstance(value, kind))(value))
        raise CannotCross(f"a {type(value).__name__}, which is no plain data")

    def values(self, array):
        """The values of a column or an index, with their kind."""
        dtype = array.dtype
        if isinstance(dtype, pd.CategoricalDtype):
            return {"category": [self.any(dtype.categories), dtype.ordered, array.codes.tolist()]}
        if isinstance(dtype, pd.SparseDtype):
            return self.values(pd.array(np.asarray(array)))
        if isinstance(dtype, np.dtype) or isinstance(array, pd.arrays.NumpyExtensionArray):
            return {"flat": self.flat(np.asarray(array))}
        if isinstance(dtype, pd.DatetimeTZDtype):
            return {"zoned": [str(dtype.tz), dtype.unit, self.flat(array.asi8)]}
        if isinstance(dtype, pd.StringDtype):
            return {"text": [str(dtype), [None if item is dtype.na_value or item != item else item for item in array]]}
        return {"typed": [str(dtype), [self.any(item) for item in array]]}

    def flat(self, array: np.ndarray):
        if array.dtype.kind == "O" and all(item is None or type(item) is str for item in array):
            return ["T", array.tolist()]
        if array.dtype.kind == "O":
            return ["O", [self.any(item) for item in array]]
        if array.dtype.kind in "biufcmMSU":
            return [array.dtype.str, base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()]
        raise CannotCross(f"an array of {array.dtype} is no plain data")


def _flat(content, find) -> np.ndarray:
    kind, items = content
    if kind in ("O", "T"):
        array = np.empty(len(items), object)
        array[:] = [decode(item, find) for item in items] if kind == "O" else items
        return array
    dtype = np.dtype(kind)
    if dtype.kind not in "biufcmMSU":
        raise ValueError(f"an array of {kind} is no plain data")
    return np.frombuffer(base64.b64decode(items), dtype).copy()


def _values(content, find):
    (tag, items), = content.items()
    if tag == "category":
        categories, ordered, codes = items
        return pd.Categorical.from_codes(codes, decode(categories, find), ordered=ordered)
    if tag == "zoned":
        zone, unit, numbers = items
        return pd.arrays.DatetimeArray._from_sequence(
            pd.DatetimeIndex(_flat(numbers, find).view(f"M8[{unit}]"), tz="UTC").tz_convert(zone))
    if tag == "text":
        return pd.array(items[1], dtype=items[0])
    if tag == "typed":
        return pd.array([decode(item, find) for item in items[1]], dtype=items[0])
    return _flat(items, find)


def _frame(content, find) -> pd.DataFrame:
    columns, index, values = content
    columns, index = decode(columns, find), decode(index, find)
    frame = pd.DataFrame({place: pd.Series(_values(column, find), index=index) for place, column in enumerate(values)},
                         index=index)
    frame.columns = columns
    return frame


def _series(content, find) -> pd.Series:
    name, index, values = content
    return pd.Series(_values(values, find), index=decode(index, find), name=decode(name, find))


def _index(content, find) -> pd.Index:
    name, values = content
    values = _values(values, find)
    return pd.Index(values, name=decode(name, find), dtype=object if getattr(values, "dtype", None) == "O" else None)


def _time(content, find):
    is_pandas, nanoseconds, zone = content
    stamp = pd.Timestamp(nanoseconds, unit="ns", tz="UTC" if zone else None)
    stamp = stamp.tz_convert(zone) if zone else stamp
    return stamp if is_pandas else stamp.to_pydatetime()


def _generator(content, find) -> np.random.Generator:
    generator = np.random.Generator(np.random.PCG64())
    generator.bit_generator.state = content
    return generator


def _function(content, find):
    if find is None:
        raise ValueError("a function cannot cross here")
    return find(content)


_DECODERS = {
    "float": lambda content, find: float.fromhex(content) if content not in ("nan", "inf", "-inf") else float(content),
    "list": lambda content, find: [decode(item, find) for item in content],
    "tuple": lambda content, find: tuple(decode(item, find) for item in content),
    "set": lambda content, find: {decode(item, find) for item in content},
    "frozenset": lambda content, find: frozenset(decode(item, find) for item in content),
    "dict": lambda content, find: {decode(key, find): decode(item, find) for key, item in content},
    "bytes": lambda content, find: base64.b64decode(content),
    "complex": lambda content, find: complex(*content),
    "missing": lambda content, find: {"NA": pd.NA, "NaT": pd.NaT}[content],
    "frame": _frame,
    "series": _series,
    "range": lambda content, find: pd.RangeIndex(*content[:3], name=decode(content[3], find)),
    "levels": lambda content, find: pd.MultiIndex.from_arrays(
        [decode(labels, find) for labels in content[1]], names=[decode(name, find) for name in content[0]]),
    "index": _index,
    "scalar": lambda content, find: decode(content[1], find)[0],
    "array": lambda content, find: _flat(content[1], find).reshape(content[0]),
    "time": _time,
    "duration": lambda content, find: pd.Timedelta(content[1], unit="ns") if content[0] else
    datetime.timedelta(microseconds=content[1] / 1000),
    "date": lambda content, find: datetime.date.fromisoformat(content),
    "function": _function,
    "generator": _generator,
    "exception": lambda content, find: EXCEPTIONS[content],
}
