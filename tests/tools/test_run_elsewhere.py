"""Labs in other people's environments: what is served, what is counted, what is written down."""

import io
import json
import sys
import urllib.request
import zipfile
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import run_elsewhere  # noqa: E402


@pytest.fixture
def status(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(run_elsewhere, "STATUS", tmp_path / "status")
    return tmp_path / "status" / "newest.json"


def notebook(last: str) -> nbformat.NotebookNode:
    stream = nbformat.v4.new_output("stream", text=last)
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("check.progress()", outputs=[stream]),
                                           nbformat.v4.new_markdown_cell("The end.")])


def test_the_stand_in_gives_the_package_and_the_data():
    server = run_elsewhere.stand_in()
    address = f"http://127.0.0.1:{server.server_port}"
    with urllib.request.urlopen(f"{address}/archive/refs/tags/v0.1.0.zip") as answer:
        names = zipfile.ZipFile(io.BytesIO(answer.read())).namelist()
    assert {"course/pyproject.toml", "course/mlelab/__init__.py", "course/solutions/00_start/lab.py"} <= set(names)
    with urllib.request.urlopen(f"{address}/datasets/airlines.parquet") as answer:
        assert answer.read() == (ROOT / "datasets" / "airlines.parquet").read_bytes()
    server.shutdown()
    server.server_close()


def test_the_last_cell_is_believed_and_nothing_else():
    assert run_elsewhere.verdict(notebook("3 of 8 checks are right.\n")) == (3, 8)
    with pytest.raises(run_elsewhere.Failed, match="does not count"):
        run_elsewhere.verdict(notebook("all is well"))


def test_a_failure_keeps_the_last_green_day(status):
    run_elsewhere.record("newest", "00_start", "", {"numpy": "2"})
    green = json.loads(status.read_text())["00_start"]
    assert green["green"] == green["ran"] and green["says"] == ""
    run_elsewhere.record("newest", "00_start", "It broke.", {})
    red = json.loads(status.read_text())["00_start"]
    assert red["green"] == green["green"] and red["says"] == "It broke."


def test_a_lab_that_is_not_green_fails_the_run(status, monkeypatch, capsys):
    def broken(*_):
        raise run_elsewhere.Failed("1 of 2 checks are right.")

    monkeypatch.setattr(run_elsewhere, "run", broken)
    monkeypatch.setattr(sys, "argv", ["run_elsewhere.py", "--lab", "00_start", "--environment", "newest"])
    assert run_elsewhere.main() == 1
    assert "newest: 00_start 1 of 2 checks are right." in capsys.readouterr().out
    assert json.loads(status.read_text())["00_start"]["green"] is None


def test_every_committed_record_is_of_a_known_environment_and_lab():
    found = sorted(ROOT.glob("book/status/*.json"))
    assert {path.stem for path in found} <= set(run_elsewhere.ENVIRONMENTS) and found
    for path in found:
        for area, entry in json.loads(path.read_text(encoding="utf-8")).items():
            assert area in run_elsewhere.AREAS
            assert set(entry) == {"ran", "says", "green", "source", "python", "versions"}
