"""The linear model as C++, Java and R gives the chances of scikit-learn."""

import numpy as np
import pytest

from mlelab import case, data, engines
from mlelab.serving import plain
from tests.engines.conftest import WHOLE


@pytest.fixture(scope="module")
def flights():
    return data.load("features").dropna(subset="arr_delay").sample(4_000, random_state=0)


@pytest.fixture(scope="module")
def model(flights):
    return case.linear_model().fit(flights[:3_000], flights["arr_delay"][:3_000] >= case.LATE_MINUTES)


@pytest.fixture(scope="module")
def asked(flights):
    """Rows with missing numbers, with a rare category and with one that nobody has seen."""
    rows = flights[3_000:3_200].copy()
    rows.loc[rows.index[:5], "temp"] = np.nan
    rows.loc[rows.index[5], "carrier"] = "OO"
    rows.loc[rows.index[6], "dest"] = "XXX"
    return rows


def test_the_table_of_weights_is_the_model(model, asked):
    found = plain.weights(model)
    total = np.full(len(asked), found["intercept"])
    for name, (mean, slope) in found["numbers"].items():
        total += slope * asked[name].fillna(mean).to_numpy(float)
    for name, levels in found["categories"].items():
        total += asked[name].map(levels).fillna(0).to_numpy(float)
    np.testing.assert_allclose(1 / (1 + np.exp(-total)), model.predict_proba(asked)[:, 1], atol=1e-9)


@pytest.mark.parametrize("language", plain.LANGUAGES)
def test_another_language_scores_the_same(language, model, asked):
    if absent := plain.missing(language):
        (pytest.fail if WHOLE else pytest.skip)(f"{' and '.join(absent)} not here; `make score` says what to install")
    found = plain.score(model, asked, language)
    np.testing.assert_allclose(found, model.predict_proba(asked)[:, 1], atol=1e-6)


def test_the_committed_run_had_all_three_to_six_digits():
    measured = engines.measured("score")
    assert set(measured["languages"]) == set(plain.LANGUAGES) and measured["date"]
    assert all(what["largest_difference"] < 1e-6 for what in measured["languages"].values())
