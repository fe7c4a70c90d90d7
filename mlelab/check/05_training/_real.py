"""What several exercises of lab 5 read from the course's data, once a process and not to be changed."""

import functools

import numpy as np
import pandas as pd

from mlelab import case, data


@functools.cache
def flights() -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Some training and some validation flights with their label, and how many training flights there are."""
    flights = data.load("features").dropna(subset="arr_delay")
    flights["late"] = (flights["arr_delay"] >= case.LATE_MINUTES).astype(int)
    train, validation, _ = case.split(flights)
    return train.sample(20_000, random_state=5), validation.sample(4_000, random_state=5), len(train)


@functools.cache
def thousand() -> tuple[np.ndarray, np.ndarray]:
    """The first thousand of those training flights as numbers, and whether they were late."""
    some = flights()[0]
    X = case.linear_model()[0].fit(some).transform(some[:1_000])
    return np.asarray(X.todense() if hasattr(X, "todense") else X), some["late"][:1_000].to_numpy(dtype=float)


def slope(parameters, x, y) -> np.ndarray:
    """Gradient of the mean log loss of a logistic regression."""
    return x.T @ (1 / (1 + np.exp(-x @ parameters)) - y) / len(y)
