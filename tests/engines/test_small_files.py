"""The same rows in few and in many files: the answer is one, the bytes are not."""

import pytest

from mlelab import engines
from mlelab.pipelines import small_files


def test_many_files_hold_the_same_rows_in_more_bytes():
    few, many = small_files.compare((3, 300))
    assert few["answer"] == many["answer"] and few["answer"][0] == 336_776
    assert (few["files"], many["files"]) == (3, 300) and many["mb"] > few["mb"]


def test_a_lost_file_is_another_answer(monkeypatch):
    monkeypatch.setattr(small_files, "measure", lambda folder: {"answer": [len(list(folder.iterdir()))]})
    with pytest.raises(RuntimeError, match="differ"):
        small_files.compare((3, 4))


def test_the_committed_run_is_of_the_flights():
    few, many = engines.measured("small_files")["sizes"]
    assert few["answer"] == many["answer"] and few["answer"][0] == 336_776 and many["files"] == 10_000
