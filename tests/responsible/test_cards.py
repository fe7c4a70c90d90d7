"""Cards are made from the artefacts, and a card with a gap is not made."""

import numpy as np
import pandas as pd
import pytest

from mlelab import case, data
from mlelab.responsible import cards
from mlelab.serving import bundle

SAID = {"purpose": "warn", "owner": "desk", "contact": "the lead", "limits": ["2013"], "not_for": ["pricing"],
        "decisions": ["one threshold"]}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    flights = data.load("features").dropna(subset="arr_delay").sample(6_000, random_state=0)
    flights["late"] = (flights["arr_delay"] >= case.LATE_MINUTES).astype(int)
    flights["date"] = pd.to_datetime(flights[["year", "month", "day"]])
    return flights.sort_values("date")


@pytest.fixture(scope="module")
def folder(rows, tmp_path_factory):
    made = tmp_path_factory.mktemp("bundle")
    columns = bundle.contract(rows, case.SCHEDULE + case.WEATHER + case.CONGESTION, case.CATEGORIES)
    bundle.save(case.linear_model().fit(rows[:4_000], rows["late"][:4_000]), made, version="7", columns=columns)
    return made


def card(folder, rows, **changed):
    threshold, group, least = (changed.pop(*pair) for pair in (("threshold", 1 / 6), ("group", "origin"), ("least", 0)))
    return cards.model_card(folder, rows[:4_000], rows[4_000:], threshold, group, SAID | changed, least, draws=20)


def test_numbers_come_from_the_artefacts(folder, rows):
    made = card(folder, rows)
    assert made["version"] == "7" and made["sha256"] == bundle.load(folder).digest
    assert made["trained on"].startswith("4,000 flights, ") and made["tested on"].startswith("2,000 flights, ")
    assert made["by origin"]["rows"].sum() == 2_000 and list(made["by origin"].index) == ["EWR", "JFK", "LGA"]


@pytest.mark.parametrize(("changed", "fields"), [
    ({"threshold": 0.5}, {"threshold", "by origin"}), ({"owner": "somebody else"}, {"owner"})])
def test_a_change_shows_in_its_field_and_in_no_other(folder, rows, changed, fields):
    before, after = card(folder, rows), card(folder, rows, **changed)
    same = {name for name in before if str(before[name]) == str(after[name])}
    assert set(before) - same == fields


def test_another_test_set_changes_the_card(folder, rows):
    before, after = card(folder, rows), card(folder, rows[:-500])
    assert {name for name in before if str(before[name]) != str(after[name])} == {"tested on", "metrics", "by origin"}


def test_a_changed_bundle_has_no_card(folder, rows, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    model = tmp_path / bundle.MODEL
    model.write_bytes(model.read_bytes() + b" ")
    with pytest.raises(bundle.Refused):
        card(tmp_path, rows)


@pytest.mark.parametrize("field", cards.SAID)
@pytest.mark.parametrize("empty", ["", [], None])
def test_a_gap_is_refused_by_name(folder, rows, field, empty):
    with pytest.raises(cards.Incomplete, match=rf"nobody said: {field}\."):
        card(folder, rows, **{field: empty})


def test_a_data_card_counts_the_file():
    made = cards.data_card("adult", SAID, "sex", "over_50k")
    assert made["rows"] == "48,842" and made["licence"] == "CC-BY-4.0"
    assert made["over_50k by sex"]["rows"].sum() == 48_842
    assert set(made["missing"]) == {"workclass", "occupation", "native_country"}


def test_markdown_has_every_field_once(folder, rows):
    made = card(folder, rows)
    page = cards.markdown(made)
    for field in made:
        title = f"**{made['name']}**" if field == "name" else f"**{field[0].upper()}{field[1:].replace('_', ' ')}.**"
        assert page.count(title) == 1, field
    assert "| origin | rows | positive | chosen | TPR | TPR, 95 % | FPR |" in page and "* pricing" in page


def test_small_groups_are_counted_together(folder, rows):
    each, pooled = (card(folder, rows, group="carrier", least=least)["by carrier"] for least in (0, 150))
    small = each[each["rows"] < 150]
    assert len(small) > 2 and list(pooled.index) == [*each.index[each["rows"] >= 150], "smaller"]
    assert pooled.loc["smaller", "rows"] == small["rows"].sum() and pooled["rows"].sum() == 2_000
    assert pooled.iloc[:-1].equals(each.loc[pooled.index[:-1]])


def test_an_interval_holds_its_rate_and_is_wider_for_fewer_rows():
    n = 4_000
    rng, days = np.random.default_rng(0), pd.Series(np.arange(n) % 60)
    group = pd.Series(np.where(np.arange(n) < 200, "few", "many"), name="g")
    chosen = rng.random(n) < 0.6
    made = cards.by_group(pd.Series(np.ones(n, int)), chosen, group, days)
    ends = made["TPR, 95 %"].str.split(" to ", expand=True).astype(float)
    assert (ends[0] <= made["TPR"]).all() and (made["TPR"] <= ends[1]).all()
    width = ends[1] - ends[0]
    assert width["few"] == pytest.approx(2 * 1.96 * (0.24 / 200) ** 0.5, rel=0.3) and width["few"] > 2 * width["many"]
    together = cards.by_group(pd.Series(np.ones(n, int)), (days % 5 < 3).to_numpy(), group, days)
    spread = together["TPR, 95 %"].str.split(" to ", expand=True).astype(float)
    assert (spread[1] - spread[0])["many"] > 3 * width["many"], "flights of a day that move together tell less"


def test_a_group_without_positives_has_no_rate():
    label = pd.Series([0, 0, 1, 1])
    made = cards.by_group(label, np.array([1, 0, 1, 0]), pd.Series(list("aabb"), name="g"), pd.Series([1, 2, 1, 2]))
    assert made.loc["a", ["TPR", "TPR, 95 %"]].isna().all() and made.loc["b", "TPR"] == 0.5
