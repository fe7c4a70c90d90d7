"""What runs on both sides, here and in the page: the verdicts of one exercise. In the page, tables are .npz files."""

import functools
import io

import numpy as np
import pandas as pd

from mlelab.check import open_lab
from mlelab.check.source import solution


def verdicts(area: str, number: str, seed: int = 1) -> list[list]:
    """[answer's name, verdict, misconception's code, figure] of our solution and of each answer beside the check."""
    exercise, found = open_lab(area).exercises[number], []
    answers = [(solution(area, number, exercise.name), None)]
    for function, part in answers + [(answer.function, answer.part) for answer in exercise.mistakes + exercise.rights]:
        outcome = exercise.outcome(function, part, seed)
        code = outcome.misconception.code if outcome.misconception else None
        found.append([function.__name__, outcome.verdict, code, outcome.says if outcome.verdict == "right" else None])
    return found


def packed(table: pd.DataFrame) -> bytes:
    """A table as .npz: a column of text becomes its values and codes, a time becomes UTC seconds and its zone."""
    arrays = {}
    for name, column in table.items():
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            arrays[f"zone {name}"] = np.array(str(column.dtype.tz))
            arrays[name] = column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[s]")
        elif column.dtype.kind in "iufb":
            arrays[name] = column.to_numpy()
        else:
            arrays[name], values = pd.factorize(column)
            arrays[f"text {name}"] = np.array([str(value) for value in values])
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


@functools.cache
def _unpacked(path: str) -> pd.DataFrame:
    with np.load(path) as arrays:
        columns = {}
        for name in arrays.files:
            if name.startswith(("zone ", "text ")):
                continue
            column = pd.Series(arrays[name])
            if f"zone {name}" in arrays:
                column = column.dt.tz_localize("UTC").dt.tz_convert(str(arrays[f"zone {name}"]))
            elif f"text {name}" in arrays:
                column = pd.Series(pd.Categorical.from_codes(arrays[name], arrays[f"text {name}"])).astype("str")
            columns[name] = column
    return pd.DataFrame(columns)


def load(name: str, columns: list[str] | None = None, folder: str = "/tables") -> pd.DataFrame:
    """In place of `mlelab.data.load`, which reads Parquet files with pyarrow: the page has none."""
    table = _unpacked(f"{folder}/{name}.npz")
    return table.copy() if columns is None else table[list(columns)].copy()
