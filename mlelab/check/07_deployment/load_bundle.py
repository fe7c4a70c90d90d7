"""7.1 load_bundle: a model from a folder that may have been changed. The folder is made anew for each run."""

import hashlib
import json
import math
import pickle
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from mlelab.check import draw
from mlelab.check.port import Stopped

from . import _real, lab

FAULTS = ("none", "none", "none", "bytes", "space", "gone", "forged", "manifest", "digest", "older", "newer", "code",
          "listed")


@lab.exercise("7.1", section="the-bundle", hints=(
    "Three questions before you use a byte: is the manifest the registered one, is the schema yours, is each file the "
    "one that the manifest names?",
    "sha256 of the raw bytes of bundle.json against `digest`; `schema` against the manifest's; then for every name in "
    "`files` the sha256 of folder / name. Return a function that first fills missing values with `fill`, subtracts "
    "`mean`, divides by `scale`, and then applies weights, intercept and the logistic function."))
class load_bundle:
    rule = ("A bundle that is as registered gives the scores of the model that was saved, preprocessing included; any "
            "other is refused with a ValueError.")
    rtol, atol = 1e-4, 1e-5  # also in single precision

    def inputs(d):
        n = d.int(1, 4)
        transform = {"mean": [d.num(20, 60) for _ in range(n)], "scale": [d.num(5, 20) for _ in range(n)],
                     "fill": [d.num(20, 60) for _ in range(n)]}
        model = {"weights": [d.num(-1, 1, 2) for _ in range(n)], "intercept": d.num(-1, 1), "calibrated": False}
        extra = d.pick(["", "notes.txt", "model.pkl"])
        names = d.order(["transform.json", "model.json", *([extra] if extra else [])])
        rows = [[None if d.flag(0.2) else d.num(10, 80) for _ in range(n)] for _ in range(d.int(1, 3))]
        if d.flag(0.3):  # one value far out: a score that exp() cannot take
            d.pick(rows)[d.int(0, n - 1)] = d.pick([-1e5, 1e5])
        fault = d.pick(FAULTS)
        at = d.pick([*names, "bundle.json"] if fault == "gone" else names)
        return dict(transform=transform, model=model, names=names, schema=d.int(1, 5), fault=fault, at=at,
                    rows=np.array(rows, dtype=float))

    def run(load_bundle, transform, model, names, schema, fault, at, rows):
        with tempfile.TemporaryDirectory() as scratch:
            folder, marker = Path(scratch) / "moved" / "bundle", Path(scratch) / "executed"
            digest = _write(folder, transform, model, names, schema, marker)
            _spoil(folder, fault, at, marker)
            if fault == "listed":  # the manifest is the registered one, and no file has the digest in it
                digest = _sha256((folder / "bundle.json").read_bytes())
            asked = schema + {"older": 1, "newer": -1}.get(fault, 0)
            digest = digest[:-1] + ("0" if digest[-1] != "0" else "1") if fault == "digest" else digest
            try:
                predict = load_bundle(folder, asked, digest)
            except Stopped as stopped:
                if not issubclass(stopped.kind, ValueError):
                    raise
                return {"refused with a ValueError": True, "code was executed": marker.exists()}
            _write(folder, transform, model | {"intercept": 5.0}, names, schema, marker)  # too late to matter
            chances = [np.asarray(predict(part), float) for part in (rows, rows[:1])]
            return {"refused with a ValueError": False, "code was executed": marker.exists(), "chances": chances}

    def real():
        return draw.draw(load_bundle.body.inputs)[0]

    def figure(got, **_):
        kept, pickled, gap = _real.bundle_sizes()
        return (f"The real pipeline takes {kept / 1024:.1f} KiB as ONNX and {pickled / 1024:.1f} KiB as a pickle. "
                f"Their chances differ by less than {gap:.0e}.")

    def shows(transform, model, names, schema, fault, at, rows):
        what = {"none": "everything is as registered", "bytes": f"a value in {at} was changed",
                "space": f"a space was added to {at}", "gone": f"{at} was not copied along",
                "forged": f"{at} was replaced and bundle.json adapted to it",
                "manifest": "a space was added to bundle.json", "digest": "the registered digest is another one",
                "older": f"the bundle has schema {schema}, and the code asks for {schema + 1}",
                "listed": f"bundle.json gives {at} a digest whose last digit is another one",
                "newer": f"the bundle has schema {schema}, and the code asks for {schema - 1}",
                "code": f"{at} was replaced by Python code"}[fault]
        listed = f"load_bundle(folder, schema, digest), files {', '.join(names)}; {what}"
        return listed if fault != "none" else f"{listed}; then predict({rows.tolist()})", None


class Pickled:
    """What a stranger could put into a pickle: opening it makes a file."""

    def __init__(self, marker: Path):
        self.marker = str(marker)

    def __reduce__(self):
        return open, (self.marker, "w")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(folder: Path, transform: dict, model: dict, names: list[str], schema: int, marker: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    content = {"transform.json": json.dumps(transform).encode(), "model.json": json.dumps(model).encode(),
               "notes.txt": b"trained on a Monday", "model.pkl": pickle.dumps(Pickled(marker))}
    for name in names:
        (folder / name).write_bytes(content[name])
    manifest = {"schema": schema, "saved_in": "/nowhere/bundle", "files": {n: _sha256(content[n]) for n in names}}
    (folder / "bundle.json").write_text(json.dumps(manifest, indent=1))
    return _sha256((folder / "bundle.json").read_bytes())


def _spoil(folder: Path, fault: str, at: str, marker: Path) -> None:
    path, manifest = folder / at, folder / "bundle.json"
    if fault in ("bytes", "forged"):
        path.write_bytes(path.read_bytes().replace(b"0", b"1").replace(b".", b".3") + b" ")
    if fault == "space":
        path.write_bytes(path.read_bytes() + b" ")
    if fault == "code":
        path.write_text(f"open({str(marker)!r}, 'w')")
    if fault == "gone":
        path.unlink()
    if fault in ("forged", "listed"):
        table, found = json.loads(manifest.read_text()), _sha256(path.read_bytes())
        table["files"][at] = found if fault == "forged" else found[:-1] + ("0" if found[-1] != "0" else "1")
        manifest.write_text(json.dumps(table, indent=1))
    if fault == "manifest":
        manifest.write_bytes(manifest.read_bytes() + b" ")


# Answers: wrong ones with their misconceptions, and right ones written differently.


def sound(folder, schema, digest, names=None, error=ValueError, digits=64):
    path = folder / "bundle.json"
    raw = path.read_bytes() if path.exists() else b"{}"
    manifest = json.loads(raw)
    if digest != _sha256(raw) or manifest["schema"] != schema:
        raise error("not this bundle")
    for name in manifest["files"] if names is None else names:
        if not (folder / name).exists() or _sha256((folder / name).read_bytes())[:digits] != manifest[
                "files"][name][:digits]:
            raise error(f"{name} was changed")
    return manifest


def logistic(score):
    return 1 / (1 + np.exp(-score))


def predictor(folder, read=json.loads, prepare=True, columns=None, fill=True, chance=logistic):
    transform, model = (read((folder / name).read_text()) for name in ("transform.json", "model.json"))

    def predict(rows):
        x = np.where(np.isnan(rows), transform["fill"] if fill else 0.0, rows)
        x = (x - transform["mean"]) / transform["scale"] if prepare else rows
        weights = np.array(model["weights"])
        return chance(x[:, :columns] @ weights[:columns] + model["intercept"])

    return predict


def manifest_of(folder):
    path = folder / "bundle.json"
    return json.loads(path.read_text()) if path.exists() else {}


def told(folder, schema, digest, look=sound, **how):
    look(folder, schema, digest)
    return predictor(folder, **how)


load_bundle.variants(told,
    the_estimator_only=("M61", "Rows are filled and standardised before the weights are applied.",
        dict(prepare=False)),
    missing_is_zero=("M08", "A missing value becomes the `fill` of its column.", dict(fill=False)),
    takes_what_is_there=("M62", "A bundle that is not what was registered is refused with a ValueError.",
        dict(look=lambda *_: None)),
    the_model_file_only=("M62", "Every file that the manifest names is compared with its digest.",
        dict(look=partial(sound, names=["model.json"]))),
    the_two_files_only=("M62", "Every file that the manifest names is compared, also one that you do not need.",
        dict(look=partial(sound, names=["transform.json", "model.json"]))),
    any_schema=("M62", "Your code reads one schema; a bundle of another one is refused.",
        dict(look=lambda folder, _, digest: sound(folder, manifest_of(folder).get("schema"), digest))),
    newer_schemas_only=("M62", "An older schema is another one, too.", dict(
        look=lambda folder, schema, digest: sound(folder, min(manifest_of(folder).get("schema", 0), schema), digest))),
    eight_digits=("M62", "A digest is compared whole: its first digits are not enough.",
        dict(look=partial(sound, digits=8))),
    infinity_by_infinity=("M61", "A large score has the chance 1: exp() of it is infinite, and infinite / infinite is "
        "nan.", dict(chance=lambda score: np.exp(score) / (1 + np.exp(score)))),
    fails_with_an_assertion=("M62", "A refusal is a ValueError: whoever calls catches nothing else.",
        dict(look=partial(sound, error=AssertionError))),
    evaluates=("M63", "JSON is no Python: `false` is no name there, and `eval` executes what it reads.",
        dict(read=eval)),
    three_columns=("M27", "The number of columns is that of the bundle.", dict(columns=3)))


@load_bundle.mistake("M62", "The manifest itself may have been changed: only the registered digest can tell.")
def believes_the_manifest(folder, schema, digest):
    path = folder / "bundle.json"
    sound(folder, schema, _sha256(path.read_bytes()) if path.exists() else "")
    return predictor(folder)


@load_bundle.mistake("M62", "A file that is missing is not as registered either: a ValueError.")
def half_a_copy_is_a_surprise(folder, schema, digest):
    for name in ("bundle.json", "transform.json", "model.json"):
        (folder / name).read_bytes()
    sound(folder, schema, digest)
    return predictor(folder)


@load_bundle.mistake("M62", "What predicts is what was checked: read the files once.")
def reads_again_at_each_prediction(folder, schema, digest):
    sound(folder, schema, digest)
    return lambda rows: predictor(folder)(rows)


@load_bundle.mistake("M63", "Nothing in the folder is executed, also what was registered.")
def opens_the_pickle(folder, schema, digest):
    sound(folder, schema, digest)
    if (folder / "model.pkl").exists():
        pickle.loads((folder / "model.pkl").read_bytes()).close()
    return predictor(folder)


@load_bundle.mistake("M63", "Nothing in the folder is executed, and nothing is opened before its digest is compared.")
def opens_the_pickle_before_it_looks(folder, schema, digest):
    for path in Path(folder).glob("*.pkl"):
        if path.read_bytes().startswith(b"\x80"):
            pickle.loads(path.read_bytes()).close()
    sound(folder, schema, digest)
    return predictor(folder)


@load_bundle.mistake("M63", "JSON is read with `json.loads`: `eval` executes what a stranger wrote.")
def evaluates_before_it_looks(folder, schema, digest):
    for name in ("transform.json", "model.json"):
        if (folder / name).exists():
            value = eval((folder / name).read_text(), {"false": False, "open": open})
            getattr(value, "close", int)()
    sound(folder, schema, digest)
    return predictor(folder)


@load_bundle.right
def with_a_loop_over_the_rows(folder, schema, digest):
    manifest = sound(folder, schema, digest)
    parts = {name: json.loads((Path(folder) / name).read_text()) for name in manifest["files"] if name.endswith("json")}
    transform, model = parts["transform.json"], parts["model.json"]

    def predict(rows):
        chances = []
        for row in rows:
            score = model["intercept"]
            for value, fill, mean, scale, weight in zip(row, transform["fill"], transform["mean"], transform["scale"],
                                                        model["weights"]):
                score += weight * ((fill if math.isnan(value) else value) - mean) / scale
            chances.append((1 + math.tanh(score / 2)) / 2)
        return chances

    return predict


@load_bundle.right
def in_single_precision(folder, schema, digest):
    try:
        sound(folder, schema, digest, error=KeyError)
    except (KeyError, OSError) as error:
        raise ValueError("not as registered") from error
    predict = predictor(folder)
    return lambda rows: predict(np.asarray(rows, np.float32)).astype(np.float32)
