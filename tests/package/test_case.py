"""The case's two ways to resample days give what scikit-learn gives for the same weights."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from mlelab import case


@pytest.fixture
def scored():
    """60 flights of 6 days, scores with ties."""
    rng = np.random.default_rng(0)
    late = pd.Series(rng.integers(0, 2, 60))
    return late, (late + rng.normal(0, 1, 60)).round(1).to_numpy(), pd.Series(rng.integers(0, 6, 60))


def test_weighted_auc(scored):
    late, score, _ = scored
    weight = np.random.default_rng(1).integers(0, 4, 60)
    expected = roc_auc_score(late, score, sample_weight=weight)
    assert case.weighted_auc(late.to_numpy(), score, weight) == pytest.approx(expected)


def test_auc_by_days(scored):
    late, score, days = scored
    draws = case.auc_by_days(late, {"one": score, "two": -score}, days, draws=5)
    drawn = np.random.default_rng(0).multinomial(6, np.full(6, 1 / 6), size=5)
    weights = drawn[:, pd.factorize(days)[0]]
    assert draws["one"].tolist() == pytest.approx([roc_auc_score(late, score, sample_weight=w) for w in weights])
    assert draws["two"].tolist() == pytest.approx((1 - draws["one"]).tolist())
