"""No tracked file holds a secret, and a planted one is found. Every token here is made up while the test runs."""

import base64
import json
import random
import string

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tools import find_secrets
from tools.find_secrets import ALLOWED, ROOT, found_in, scan, tracked

RNG = random.Random(7)


def token(length: int, letters: str = string.ascii_letters + string.digits) -> str:
    return "".join(RNG.choice(letters) for _ in range(length))


PLANTED = {
    "AWS Access Key": 'key = "AKIA' + token(16, string.ascii_uppercase + string.digits) + '"',
    "GitHub Token": 'token = "ghp_' + token(36) + '"',
    "Private Key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "Basic Auth Credentials": "url = 'https://reader:" + token(12) + "@store.example/flights'",
    "Secret Keyword": "pass" + 'word = "' + token(14) + '"',
    "Hex High Entropy String": 'salt = "' + token(40, "0123456789abcdef") + '"',
    "Base64 High Entropy String": 'blob = "' + base64.b64encode(RNG.randbytes(45)).decode() + '"',
}


def test_no_tracked_file_holds_a_secret():
    assert scan(tracked()) == []


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_secret_turns_it_red(kind, tmp_path):
    clean = (ROOT / "mlelab" / "case.py").read_text(encoding="utf-8")
    copy = tmp_path / "case.py"
    copy.write_text(clean, encoding="utf-8")
    assert scan([copy]) == []
    copy.write_text(f"{clean}\n{PLANTED[kind]}\n", encoding="utf-8")
    line = clean.count("\n") + 2
    assert any(hit.endswith(f":{line}: {kind}") for hit in scan([copy]))


@pytest.mark.parametrize("place", ["source", "printed", "shown"])
def test_a_notebook_is_read_in_all_its_parts(place, tmp_path):
    cell = new_code_cell("print(1)")
    if place == "source":
        cell.source = PLANTED["Secret Keyword"]
    elif place == "printed":
        cell.outputs = [new_output("stream", text=PLANTED["GitHub Token"])]
    else:
        cell.outputs = [new_output("display_data", {"text/plain": PLANTED["AWS Access Key"]})]
    nbformat.write(new_notebook(cells=[cell]), tmp_path / "lab.ipynb")
    assert len(scan([tmp_path / "lab.ipynb"])) >= 1


def test_digests_in_tables_and_metadata_are_none(tmp_path):
    digest = token(64, "0123456789abcdef")
    (tmp_path / "oracle.json").write_text(json.dumps({"sha256": digest}), encoding="utf-8")
    cell = new_code_cell("1")
    cell.metadata["nbgrader"] = {"checksum": digest}
    nbformat.write(new_notebook(cells=[cell]), tmp_path / "lab.ipynb")
    assert scan([tmp_path / "oracle.json", tmp_path / "lab.ipynb"]) == []


def test_what_is_allowed_is_still_there():
    for name, kind in ALLOWED:
        assert kind in {hit[1] for hit in found_in(ROOT / name, name)}


def test_the_report_names_the_place_and_not_the_secret(tmp_path, monkeypatch, capsys):
    file = tmp_path / "settings.py"
    file.write_text(PLANTED["Secret Keyword"], encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["find_secrets.py", str(file)])
    assert find_secrets.main() == 1
    said = capsys.readouterr().out
    assert "settings.py:1: Secret Keyword" in said and PLANTED["Secret Keyword"].split('"')[1] not in said
