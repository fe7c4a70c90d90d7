"""What several exercises of lab 10 read from the loan applications, once a process and not to be changed."""

import functools

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlelab.responsible import loans


def model():
    return make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(max_iter=1000))


def unseen(rows: pd.DataFrame, label, seed: int = 0) -> np.ndarray:
    """The chance of 1 for each row, from a model that has not seen it."""
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    return cross_val_predict(model(), rows, label, cv=folds, method="predict_proba")[:, 1]


@functools.cache
def applications() -> tuple[pd.DataFrame, np.ndarray]:
    """The applications, and for each the chance of approval."""
    table = loans.load(caveats=False)
    return table, unseen(table[loans.INPUTS], table["approved"])
