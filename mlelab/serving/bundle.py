"""A bundle: the model with its preprocessing, its contract and its version, in one folder that can be checked.

    FOLDER/model.onnx    the whole pipeline, from raw columns to the chance; ONNX holds numbers and operators, no code
    FOLDER/bundle.json   format, version, the columns that are asked for, where it was made, sha256 of each file

`load` refuses what is not as it was saved. It executes nothing from the folder, so that a bundle from a stranger can
at worst predict badly; a pickle from a stranger can do anything.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

FORMAT = 1
MODEL, META = "model.onnx", "bundle.json"
MISSING = "missing"  # what stands for a category that is not known


class Refused(ValueError):
    """Why a bundle is not loaded, in one sentence."""


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle. `columns`: for each column its `kind` (number or category) and whether it is `required`."""

    version: str
    columns: dict[str, dict]
    about: dict
    digest: str
    model: bytes

    @cached_property
    def _session(self):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(self.model, options, providers=["CPUExecutionProvider"])

    def problems(self, instances: object) -> list[str]:
        """What breaks the contract, one sentence each; empty if all is well.

        instances: a list of objects, one a flight. A category that training never saw is no problem.
        """
        if not isinstance(instances, list):
            return ["`instances` must be a list of objects, one for each flight."]
        return [f"instances[{row}]: {says}" for row, instance in enumerate(instances) for says in self._row(instance)]

    def _row(self, instance: object) -> list[str]:
        if not isinstance(instance, dict):
            return ["must be an object with the columns of the contract."]
        found = [f"{name!r} is not a column of this model." for name in instance if name not in self.columns]
        for name, column in self.columns.items():
            value = instance.get(name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if value is None:
                if column["required"]:
                    found.append(f"{name!r} is missing.")
            elif column["kind"] == "number" and not (number and math.isfinite(value)):
                found.append(f"{name!r} must be a finite number.")
            elif column["kind"] == "category" and not isinstance(value, str):
                found.append(f"{name!r} must be a text.")
        return found

    def score(self, rows: pd.DataFrame | Sequence[dict]) -> np.ndarray:
        """The chance of late for each row, shape (rows,). Rows must keep the contract; see `problems`."""
        if not len(rows):
            return np.empty(0)
        by_name = rows.to_dict("list") if isinstance(rows, pd.DataFrame) else None
        feed = {}
        for name, column in self.columns.items():
            values = by_name[name] if by_name else [row.get(name) for row in rows]
            if column["kind"] == "number":
                feed[name] = np.array(values, dtype=np.float32).reshape(-1, 1)  # None becomes nan
            else:
                known = [value if isinstance(value, str) else MISSING for value in values]
                feed[name] = np.array(known, dtype=object).reshape(-1, 1)
        return self._session.run(["probabilities"], feed)[0][:, 1].astype(float)


def contract(rows: pd.DataFrame, numbers: Sequence[str], categories: Sequence[str]) -> dict[str, dict]:
    """The columns of a model trained on `rows`. A number that is missing in some of them may be missing later too."""
    return {name: {"kind": "number", "required": bool(rows[name].notna().all())} for name in numbers} | {
        name: {"kind": "category", "required": True} for name in categories}


def save(model, folder: Path | str, *, version: str, columns: dict[str, dict], **about) -> str:
    """Write a fitted scikit-learn classifier, preprocessing included, as a bundle; return the bundle's digest.

    columns: as `contract` gives it; about: what a reader should know (data, split, author), as JSON.
    """
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    kinds = {"number": FloatTensorType, "category": StringTensorType}
    inputs = [(name, kinds[column["kind"]]([None, 1])) for name, column in columns.items()]
    graph = to_onnx(model, initial_types=inputs, options={"zipmap": False})
    graph.opset_import.sort(key=lambda opset: opset.domain)  # a set, else in another order in another process
    made = graph.SerializeToString()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL).write_bytes(made)
    meta = {"format": FORMAT, "version": version, "columns": columns, "about": about, "files": {MODEL: _sha256(made)}}
    (folder / META).write_text(json.dumps(meta, indent=1), encoding="utf-8")
    return _sha256((folder / META).read_bytes())


def load(folder: Path | str, digest: str | None = None) -> Bundle:
    """Read a bundle. digest: what `save` returned, where you know it from a place that others cannot write to.

    Raises Refused if a file is missing or changed, the format is another one, or the digest is not the expected one.
    """
    folder = Path(folder)
    try:
        raw = (folder / META).read_bytes()
        meta, model = json.loads(raw), (folder / MODEL).read_bytes()
    except OSError as missing:
        raise Refused(f"{missing.filename} cannot be read: this is not a bundle, or half of one.") from None
    except ValueError:
        raise Refused(f"{folder / META} is not JSON: it was changed or cut off.") from None
    if not isinstance(meta, dict) or not {"format", "version", "columns", "about", "files"} <= set(meta):
        raise Refused(f"{folder / META} does not describe a bundle: save it again.")
    if meta["format"] != FORMAT:
        raise Refused(f"The bundle has format {meta['format']!r} and this code reads {FORMAT}: save it again, or "
                      "use the code that it was made with.")
    if meta["files"].get(MODEL) != _sha256(model):
        raise Refused(f"{MODEL} is not the file that was saved: its sha256 differs from the one in {META}.")
    if digest and digest != _sha256(raw):
        raise Refused("This is another bundle than the one that was registered: its digest differs.")
    return Bundle(meta["version"], meta["columns"], meta["about"], _sha256(raw), model)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
