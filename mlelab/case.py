"""The running case, missed connections: its fixed numbers and the model that the chapters start from.

Two hours before scheduled departure a desk in New York decides whether to send a "tight connection" alert.
"""

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

LEAD_HOURS = 2  # the desk decides this long before scheduled departure
LATE_MINUTES = 30  # a flight is late from this arrival delay on
COST_MISSED, COST_NEEDLESS = 5, 1  # an assumption: missing a late flight costs five needless alerts
VALIDATION_START = pd.Timestamp("2013-09-01", tz="America/New_York")  # train: before, validation: September and October
TEST_START = pd.Timestamp("2013-11-01", tz="America/New_York")  # the sealed test: November and December

SCHEDULE = ["dow", "hour", "distance", "seats", "age"]
WEATHER = ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
CONGESTION = ["origin_delay_3h", "origin_flights_3h"]
CATEGORIES = ["carrier", "origin", "dest"]

# Which artefact of the case is made from which others: the lifecycle as a graph.
MADE_FROM = {
    "problem card": [],
    "flights": [],
    "weather": [],
    "labels": ["problem card", "flights"],
    "features": ["problem card", "flights", "weather"],
    "split": ["labels", "features"],
    "model": ["split"],
    "threshold": ["model", "problem card"],
    "evaluation": ["model", "threshold", "split"],
    "service": ["model", "threshold", "features"],
    "monitor": ["service", "evaluation"],
}


def split(flights: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Train, validation and test rows of a frame with `decision_time`, as everywhere in the course."""
    time = flights["decision_time"]
    return (flights[time < VALIDATION_START], flights[(time >= VALIDATION_START) & (time < TEST_START)],
            flights[time >= TEST_START])


def arrival_hours(flights: pd.DataFrame, airports: pd.DataFrame) -> pd.Series:
    """Hours from scheduled departure to arrival of each flight that arrived: when its label is known.

    The table has local clock times only, so the scheduled arrival is read off the clock of the destination.
    """
    arrived = flights.dropna(subset="arr_delay")
    departure = arrived["time_hour"] + pd.to_timedelta(arrived["minute"], unit="min")
    zones = arrived["dest"].map(airports.set_index("faa")["tzone"])
    hours = []
    for zone, group in arrived.groupby(zones):
        start = departure[group.index].dt.tz_convert(zone).dt.tz_localize(None)
        clock = pd.to_timedelta(group["sched_arr_time"] // 100 * 60 + group["sched_arr_time"] % 100, unit="min")
        end = start.dt.normalize() + clock
        end = end.where(end > start, end + pd.Timedelta(days=1)) + pd.to_timedelta(group["arr_delay"], unit="min")
        hours.append((end - start) / pd.Timedelta(hours=1))
    return pd.concat(hours).reindex(arrived.index)


def linear_model(numbers: list[str] = SCHEDULE + WEATHER + CONGESTION, categories: list[str] = CATEGORIES) -> Pipeline:
    """Logistic regression on standardised numbers (missing ones at the mean) and one-hot categories, unfitted."""
    scaled = make_pipeline(SimpleImputer(), StandardScaler())
    encoded = OneHotEncoder(handle_unknown="ignore", min_frequency=50)
    return make_pipeline(make_column_transformer((scaled, numbers), (encoded, categories)),
                         LogisticRegression(max_iter=300))


def auc_by_days(late: pd.Series, scores: dict[str, np.ndarray], days: pd.Series, draws: int = 1_000) -> pd.DataFrame:
    """AUC of several models on resampled days: flights of one day move together, so whole days are drawn.

    late: 0 or 1, shape (n,); scores: for each model its scores, shape (n,); days: the day of each flight, shape (n,).
    Returns one row for each draw, the same days for all models, and one column for each model.
    """
    days, late = pd.factorize(days)[0], late.to_numpy() == 1
    count = days.max() + 1
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=draws)
    pairs = (drawn @ np.bincount(days[late], minlength=count)) * (drawn @ np.bincount(days[~late], minlength=count))
    auc = {}
    for name, score in scores.items():
        above, below = ([np.sort(score[rows & (days == day)]) for day in range(count)] for rows in (late, ~late))
        # How often a late flight of one day scores above a flight of another day that is not late; a tie is half.
        wins = np.array([[(np.searchsorted(b, a, "left") + np.searchsorted(b, a, "right")).sum() / 2 for b in below]
                         for a in above])
        auc[name] = np.einsum("di,ij,dj->d", drawn, wins, drawn) / pairs
    return pd.DataFrame(auc)


def by_days(rows: pd.DataFrame, days: pd.Series, draws: int = 2_000) -> pd.DataFrame:
    """Totals of each column on resampled days: flights of one day move together, so whole days are drawn.

    rows: what to add up, numbers or true and false, one row for each flight; days: the day of each flight.
    Returns one row for each draw. Quotients and differences of its columns are draws of shares and their gaps.
    """
    totals = rows.astype(float).groupby(days.to_numpy()).sum()
    weights = np.random.default_rng(0).multinomial(len(totals), np.full(len(totals), 1 / len(totals)), size=draws)
    return pd.DataFrame(weights @ totals.to_numpy(), columns=rows.columns)


class Sealed:
    """Rows that are kept to judge. Opening them takes a question, and every opening is written down."""

    def __init__(self, rows):
        self._rows = rows
        self.openings: list[str] = []

    def open(self, question: str):
        self.openings.append(question)
        return self._rows


def weighted_auc(y: np.ndarray, p: np.ndarray, weight: np.ndarray) -> float:
    """AUC where each row counts `weight` times: one draw of a bootstrap without copying a row."""
    place = np.unique(p, return_inverse=True)[1]
    positive, negative = np.bincount(place, weight * y), np.bincount(place, weight * (1 - y))
    return float(positive @ (np.cumsum(negative) - negative / 2) / (positive.sum() * negative.sum()))


def evaluation_card(flights: pd.DataFrame, threshold: float, draws: int = 200, seed: int = 0) -> pd.DataFrame:
    """What each model of the case must show on the test months, with intervals by resampling days.

    flights: `date`, `origin`, `late` (0 or 1), `p` (the model's chance of late), `baseline` (that of the rule to beat).
    Returns one row for each requirement: value, low and high (95 %), needed, and whether all of the interval meets it.
    """
    late, p, baseline = (flights[column].to_numpy(float) for column in ("late", "p", "baseline"))
    missed, needless = COST_MISSED * late, COST_NEEDLESS * (1 - late)
    cost = np.where(p >= threshold, needless, missed)
    bins, place = np.minimum((p * 10).astype(int), 9), pd.factorize(flights["origin"])[0]

    def saving(weight: np.ndarray) -> np.ndarray:
        """What the alerts save per flight against the cheaper of alerting nobody and everybody, by airport."""
        silence, noise, own, n = (np.bincount(place, weight * x) for x in (missed, needless, cost, np.ones_like(p)))
        return (np.minimum(silence, noise) - own) / n

    requirements = {
        "AUC above the baseline's": (lambda w: weighted_auc(late, p, w) - weighted_auc(late, baseline, w), "> 0"),
        "saving per flight": (lambda w: min(w @ missed, w @ needless) / w.sum() - w @ cost / w.sum(), "> 0"),
        "saving at the worst airport": (lambda w: saving(w).min(), "> 0"),
        "calibration error": (lambda w: np.abs(np.bincount(bins, w * (late - p))).sum() / w.sum(), "< 0.05"),
    }
    day, days = pd.factorize(flights["date"])
    weights = np.random.default_rng(seed).multinomial(len(days), np.full(len(days), 1 / len(days)), draws)
    rows = {}
    for name, (measure, needed) in requirements.items():
        low, high = np.quantile([measure(weight[day]) for weight in weights], [0.025, 0.975])
        passes = low > 0 if needed == "> 0" else high < 0.05
        rows[name] = {"value": measure(np.ones(len(p))), "low": low, "high": high, "needed": needed, "passes": passes}
    return pd.DataFrame.from_dict(rows, orient="index")
