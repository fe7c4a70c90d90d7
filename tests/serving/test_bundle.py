"""What is loaded is what was saved, or nothing."""

import json
import os
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest

from mlelab.serving import bundle


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_scores_are_those_of_the_model(folder, model, flights, rows):
    loaded = bundle.load(folder)
    np.testing.assert_allclose(loaded.score(flights), model.predict_proba(flights)[:, 1], atol=1e-6)
    np.testing.assert_allclose(loaded.score(rows), model.predict_proba(flights.head(10))[:, 1], atol=1e-6)
    assert loaded.score([]).shape == (0,)


def test_the_same_model_gives_the_same_bytes_in_every_process(tmp_path):
    """Python orders a set of texts anew in each process, unless told otherwise."""
    code = """if True:
        import sys
        import pandas as pd
        from mlelab import case
        from mlelab.serving import bundle
        rows = pd.DataFrame({"hour": range(200), "carrier": ["a", "b"] * 100})
        model = case.linear_model(["hour"], ["carrier"]).fit(rows, [0, 1, 1, 0] * 50)
        print(bundle.save(model, sys.argv[1], version="1", columns=bundle.contract(rows, ["hour"], ["carrier"])))
    """
    digests = {subprocess.run([sys.executable, "-W", "ignore", "-c", code, tmp_path / seed], check=True, text=True,
                              capture_output=True, env={**os.environ, "PYTHONHASHSEED": seed}).stdout
               for seed in ("1", "3", "5")}
    assert len(digests) == 1


def test_a_missing_seat_count_and_an_unknown_carrier_are_scored(folder, model, flights):
    odd = flights.head(1).assign(seats=np.nan, carrier="new")
    np.testing.assert_allclose(bundle.load(folder).score(odd), model.predict_proba(odd)[:, 1], atol=1e-6)


def test_a_changed_byte_is_refused(copy):
    content = bytearray((copy / bundle.MODEL).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / bundle.MODEL).write_bytes(content)
    with pytest.raises(bundle.Refused, match="sha256 differs"):
        bundle.load(copy)


@pytest.mark.parametrize("spoil", ["format", "no file", "no json", "half"])
def test_what_is_not_a_bundle_is_refused_in_a_sentence(copy, spoil):
    meta = json.loads((copy / bundle.META).read_text())
    if spoil == "format":
        (copy / bundle.META).write_text(json.dumps(meta | {"format": 99}))
    elif spoil == "no file":
        (copy / bundle.META).unlink()
    elif spoil == "no json":
        (copy / bundle.META).write_bytes(b"{")
    else:
        (copy / bundle.MODEL).unlink()
    with pytest.raises(bundle.Refused) as refused:
        bundle.load(copy)
    assert "\n" not in str(refused.value)


def test_a_consistent_forgery_is_caught_by_the_registered_digest(folder, copy, model, columns):
    registered = bundle.load(folder).digest
    bundle.save(model, copy, version="7", columns=columns, rows=4_000)
    bundle.load(copy)
    with pytest.raises(bundle.Refused, match="another bundle"):
        bundle.load(copy, registered)


def test_nothing_in_a_bundle_is_executed(copy):
    class Bomb:
        def __reduce__(self):
            return exec, ("raise SystemExit('executed')",)

    (copy / bundle.MODEL).write_bytes(pickle.dumps(Bomb()))
    meta = json.loads((copy / bundle.META).read_text())
    meta["files"][bundle.MODEL] = bundle._sha256((copy / bundle.MODEL).read_bytes())
    (copy / bundle.META).write_text(json.dumps(meta))
    with pytest.raises(Exception, match=r"(?i)protobuf|onnx|parse"):
        bundle.load(copy).score([{}])


@pytest.mark.parametrize(("change", "says"), [
    ({"hour": None}, "'hour' is missing"), ({"hour": float("nan")}, "'hour' must be a finite number"),
    ({"hour": "7"}, "'hour' must be a finite number"), ({"hour": True}, "'hour' must be a finite number"),
    ({"carrier": 7}, "'carrier' must be a text"), ({"tail": "N1"}, "'tail' is not a column"),
])
def test_what_breaks_the_contract_is_named(folder, rows, change, says):
    found = bundle.load(folder).problems([rows[0], rows[1] | change])
    assert len(found) == 1 and says in found[0] and found[0].startswith("instances[1]")


def test_what_may_be_missing_may_be_missing(folder, rows):
    assert not bundle.load(folder).problems([rows[0] | {"seats": None, "carrier": "new"}])


@pytest.mark.parametrize("content", ["[]", '{"format": 1}', "3"])
def test_a_manifest_that_describes_no_bundle_is_refused(folder, tmp_path, content):
    (tmp_path / bundle.MODEL).write_bytes((folder / bundle.MODEL).read_bytes())
    (tmp_path / bundle.META).write_text(content)
    with pytest.raises(bundle.Refused, match="does not describe a bundle"):
        bundle.load(tmp_path)
    with pytest.raises(bundle.Refused, match="cannot be read"):
        bundle.load(tmp_path / bundle.META)
