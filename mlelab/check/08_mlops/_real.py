"""What several exercises of lab 8 read from the course's data, once a process and not to be changed."""

import functools

import pandas as pd
from sklearn.metrics import roc_auc_score

from mlelab import case, data


@functools.cache
def flights(n: int) -> pd.DataFrame:
    """A sample of so many flights with a label, `late` among the columns."""
    flights = data.load("features").dropna(subset="arr_delay").sample(n, random_state=0)
    return flights.assign(late=(flights["arr_delay"] >= case.LATE_MINUTES).astype(int))


@functools.cache
def by_month() -> dict[int, pd.DataFrame]:
    return {int(month): rows for month, rows in flights(24_000).groupby("month")}


@functools.cache
def small_model(months: tuple[int, ...]):
    """A model of three numbers and the carrier, fitted on these months."""
    rows = pd.concat([by_month()[month] for month in months])
    return case.linear_model(["hour", "origin_delay_3h", "temp"], ["carrier"]).fit(rows, rows["late"])


@functools.cache
def alert_cost(months: tuple[int, ...], month: int) -> float:
    """What the alerts of a model of these months cost a flight in another month."""
    rows = by_month()[month]
    alert, late = small_model(months).predict_proba(rows)[:, 1] >= 1 / 6, rows["late"] == 1
    return float((case.COST_MISSED * (~alert & late) + case.COST_NEEDLESS * (alert & ~late)).mean())


@functools.cache
def tested() -> tuple:
    """The case's model, its training rows and its validation rows."""
    train, held_out, _ = case.split(flights(20_000))
    return case.linear_model().fit(train, train["late"]), train, held_out


def auc() -> float:
    model, _, held_out = tested()
    return float(roc_auc_score(held_out["late"], model.predict_proba(held_out)[:, 1]))
