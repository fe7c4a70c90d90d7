"""Checks of lab 3: scaling, encoding, clock, target encoding, as-of aggregates, missing values, balance, one bundle."""

import functools
import hashlib
import json
from collections.abc import Callable

import numpy as np
import pandas as pd

from mlelab import case, data
from mlelab.check.lab import Lab, Trial, differing_rows

from ._real import flights

lab = Lab("03_features")


@lab.exercise("3.2", section="categories", hints=(
    "Count the training values first and fix the list of columns there and then. `encode` only looks values up.",
    "`values.where(values.isin(kept), \"other\").where(values.notna(), \"missing\")`, then `pd.get_dummies(...)` and "
    "`.reindex(columns=[*kept, \"other\", \"missing\"], fill_value=0)`."))
def fit_encoder(trial: Trial, answer) -> str:
    min_count = int(trial.rng.integers(4, 8))
    train, new = _codes(trial.rng, min_count)
    counts = train.value_counts()
    kept = sorted(counts.index[counts >= min_count])
    columns = [*kept, "other", "missing"]
    call = f"fit_encoder(train, min_count={min_count})(values)"
    encode = _returned(trial, answer, "fit_encoder", train, min_count)
    got = trial.call(encode, new)
    trial.require(isinstance(got, pd.DataFrame) and got.index.equals(new.index), "The answer is a frame with one row "
                  "for each value and the same index.", mistake="M09", call=call, expected=f"{len(new)} rows",
                  got=type(got).__name__ if not isinstance(got, pd.DataFrame) else f"{len(got)} rows")
    trial.require(got.shape[1] > 1, "Each kept value has a column of its own: codes have no order and no distance.",
                  mistake="M49", call=call, expected=columns, got=list(got.columns))
    extra = set(got.columns) - set(columns)
    rare = set(counts.index[counts < min_count])
    trial.require(not (extra & rare), f"A value with fewer than {min_count} training rows has no column of its own.",
                  mistake="M16", call=call, expected=columns, got=list(got.columns))
    trial.require(counts.index[counts == min_count][0] in got.columns or not set(kept) & set(got.columns),
                  f"A value with exactly {min_count} training rows is kept.", mistake="M31", call=call,
                  expected=columns, got=list(got.columns))
    trial.require("missing" in got.columns, "A missing value has a column of its own.", mistake="M08", call=call,
                  expected=columns, got=list(got.columns))
    for values in (new, new.head(1), new[new.isin(kept)]):
        shape = list(trial.call(encode, values).columns)
        trial.require(shape == columns, "The columns and their order are the same for any rows: they come from "
                      "training.", mistake="M46", call=call, example=values.to_frame("values").head(3),
                      expected=columns, got=shape)
    expected = _onehot(new, kept, columns)
    for rows, says, code in ((new.isna(), "A missing value is 1 in the column missing.", "M08"),
                             (~new.isin(train) & new.notna(), "A value that training never saw is 1 in the column "
                              "other, and in no other column.", "M48"),
                             (new.isin(rare), "A rare value is 1 in the column other.", "M16"),
                             (new.isin(kept), "A kept value is 1 in its own column and 0 elsewhere.", None)):
        wrong = (got[rows].astype(float) != expected[rows]).any(axis=1)
        place = wrong.idxmax() if wrong.any() else None
        trial.require(not wrong.any(), says, mistake=code, call=call,
                      example=new[rows][wrong].to_frame("value").head(1),
                      expected=expected.loc[place].to_dict() if place is not None else None,
                      got=got.loc[place].to_dict() if place is not None else None)

    real, real_train = flights()
    encoded = answer(real.loc[real_train, "tailnum"], 50)(real.loc[~real_train, "tailnum"][::20])
    return (f"With 50 flights as the limit, {encoded.shape[1] - 2:,} aircraft get a column. Of every twentieth flight "
            f"from September on, {encoded['other'].mean():.1%} fall under `other`.")


def _codes(rng: np.random.Generator, min_count: int) -> tuple[pd.Series, pd.Series]:
    """Training codes: one common, one exactly at the limit, one rare, missing ones; new ones with one unseen."""
    common, limit, rare, unseen = rng.choice(["ATL", "BOS", "CLT", "DEN", "EGE", "FLL", "GSO"], 4, replace=False)
    train = [common] * (min_count + 6) + [limit] * min_count + [rare] * (min_count - 1) + [None] * min_count
    new = [common, limit, rare, unseen, None, common, unseen]
    index = rng.choice(10_000, len(train) + len(new), replace=False)
    return (pd.Series(rng.permutation(np.array(train, object)), index=index[:len(train)], dtype=object),
            pd.Series(rng.permutation(np.array(new, object)), index=index[len(train):], dtype=object))


def _onehot(values: pd.Series, kept: list[str], columns: list[str]) -> pd.DataFrame:
    names = values.where(values.isin(kept), "other").where(values.notna(), "missing")
    return pd.DataFrame({column: (names == column).astype(float) for column in columns})


@lab.exercise("3.4", section="target-encoding", hints=(
    "Go through the folds, -1 among them. For each, which rows may speak, and which rows are answered?",
    "`source = (folds >= 0) & (folds != fold)`: for -1 that is every training row. Group `y[source]` by "
    "`keys[source]`, smooth with `y[source].mean()`, look up with `.map(...)` and fill what is not found."))
def target_encode(trial: Trial, answer) -> str:
    keys, y, folds = _keyed(trial.rng)
    m = float(trial.rng.choice([2.0, 5.0]))
    call = f"target_encode(keys, y, folds, m={m:g})"
    rows = pd.DataFrame({"key": keys, "y": y, "fold": folds})
    got = trial.call(answer, keys, y, folds, m)
    trial.require(isinstance(got, pd.Series) and got.index.equals(keys.index), "The answer is a Series with one value "
                  "for each row, in the same order and with the same index.", mistake="M09", call=call,
                  expected=f"{len(keys)} values", got=type(got).__name__)
    trial.require(got.notna().all(), "A key that the source rows do not have gets the prior: always an answer.",
                  mistake="M38", call=call, example=rows[got.isna()].head(1), expected="the prior", got="missing")
    got = got.astype(float)
    results = {None: _encoded(keys, y, folds, m), "M03": _from_all(keys, y, folds >= 0, m),
               "M16": _encoded(keys, y, folds, 0), "M12": _leave_one_out(keys, y, folds, m),
               "M07": _encoded(keys, y, folds, m, prior=_mean_of_means)}
    held = folds == -1
    trial.require(not (_matching(results, got) is None and _moves(trial, answer, keys, y, folds, m, held, got)),
                  "The label of a hold-out row changes nothing, in no row.", mistake="M02", call=call,
                  example=rows[held].head(1), expected="no value changes when this label does")
    differ = ~np.isclose(got, results[None])
    own = _own_label(trial, answer, keys, y, folds, m, got)
    trial.require(not differ.any(), "A row's value comes from the training rows of the other folds: (sum + m * prior) "
                  "/ (count + m), with the prior of these rows.", mistake=_matching(results, got) or own, call=call,
                  example=differing_rows(rows, results[None].round(4), got.round(4)))

    real, real_train = flights()
    real = real.sample(1_000, random_state=0)  # few, so that an answer row by row is quick as well
    real_key = real["carrier"] + real["flight"].astype(str) + "-" + real["dest"]
    fold = (real["decision_time"].dt.day_of_year % 5).where(real_train[real.index], -1)
    late = (real["arr_delay"] >= case.LATE_MINUTES).astype(int)
    spread = answer(real_key, late, fold, 20.0)[fold >= 0].std()
    raw = late[fold >= 0].groupby(real_key[fold >= 0]).transform("mean").std()
    return (f"On 1,000 flights the honest encoding of a flight number spreads by {spread:.3f}, the mean with the own "
            f"label in it by {raw:.3f}: the rest was copied.")


def _keyed(rng: np.random.Generator) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Thirty training rows of uneven folds and keys, one key in one fold only, and hold-out rows, two unseen."""
    folds = np.repeat([0, 1, 2, -1], [14, 9, 7, 6])
    keys = np.concatenate([rng.choice(["AA1", "UA2", "B63"], 30), rng.choice(["AA1", "UA2"], 4), ["ZZ9", "ZZ8"]])
    keys[[0, 1]], keys[[2, 15]] = "EV4", "DL5"  # EV4 in fold 0 alone; DL5 once in each of two folds
    y = (rng.random(36) < np.where(folds == 0, 0.7, np.where(folds < 0, 0.5, 0.2))).astype(int)
    y[[0, 1, 15, 30, 31]], y[[2, 14, 23, 32]] = 1, 0
    order = rng.permutation(36)
    index = pd.Index(rng.choice(10_000, 36, replace=False), name="flight_id")
    return (pd.Series(keys[order], index=index), pd.Series(y[order], index=index),
            pd.Series(folds[order], index=index))


def _encoded(keys, y, folds, m, prior: Callable = lambda keys, y: y.mean()) -> pd.Series:
    encoded = pd.Series(np.nan, index=keys.index)
    for fold in folds.unique():
        source, here = (folds >= 0) & (folds != fold), folds == fold
        overall = prior(keys[source], y[source])
        groups = y[source].groupby(keys[source]).agg(["sum", "count"])
        rate = (groups["sum"] + m * overall) / (groups["count"] + m)
        encoded[here] = keys[here].map(rate).fillna(overall)
    return encoded


def _mean_of_means(keys, y) -> float:
    return y.groupby(keys).mean().mean()


def _from_all(keys, y, source, m) -> pd.Series:
    prior = y[source].mean()
    groups = y[source].groupby(keys[source]).agg(["sum", "count"])
    return keys.map((groups["sum"] + m * prior) / (groups["count"] + m)).fillna(prior)


def _leave_one_out(keys, y, folds, m) -> pd.Series:
    alone = pd.Series(np.arange(len(keys)), index=keys.index).where(folds >= 0, -1)
    return _encoded(keys, y, alone, m)


def _moves(trial, answer, keys, y, folds, m, rows, before) -> bool:
    """Whether any value changes when the labels of `rows` all become 1."""
    return not np.allclose(trial.call(answer, keys, y.where(~rows, 1), folds, m).astype(float), before)


def _own_label(trial, answer, keys, y, folds, m, before) -> str | None:
    """M03 if some training row's value moves with its own label."""
    for place in keys.index[folds >= 0][:6]:
        flipped = y.where(y.index != place, 1 - y)
        if not np.isclose(float(trial.call(answer, keys, flipped, folds, m)[place]), before[place]):
            return "M03"
    return None


_NOW = pd.Timedelta(0)


@lab.exercise("3.5", section="as-of-aggregates", hints=(
    "For one query, which events may be counted? Write the four conditions down: same origin, departed, not later than "
    "the decision, not earlier than the window.",
    "Per origin: sort events by `departed`, make a running total, and find both ends of the window with "
    "`searchsorted(..., side=\"right\")`. Mean = difference of totals / difference of positions."))
def asof_mean(trial: Trial, answer) -> str:
    window = pd.Timedelta(hours=int(trial.rng.integers(2, 5)))
    events, queries = _timeline(trial.rng, window)
    call = f"asof_mean(events, queries, window={window / pd.Timedelta('1h'):g} h)"
    got = trial.call(answer, events, queries, window)
    trial.require(isinstance(got, pd.Series) and got.index.equals(queries.index), "The answer is a Series with the "
                  "index of queries, in the same order.", mistake="M09", call=call, expected=f"{len(queries)} values",
                  got=type(got).__name__ if not isinstance(got, pd.Series) else f"{len(got)} values")
    got = got.astype(float)
    expected = _asof(events, queries, window)
    empty = expected.isna()
    trial.require(got[empty].isna().all(), "No departure in the window is no mean: missing, not 0.", mistake="M08",
                  call=call, example=queries[empty].head(1), expected="missing", got=got[empty].iloc[0])
    day = pd.Timedelta("1D")
    variants = {
        "M10": _asof(events, queries, window, clock="scheduled"),
        "M32": _asof(events, queries, window, here=False).where(~empty),
        "M31": [_asof(events, queries, window, right="<"), _asof(events, queries, window, left=">="),
                _asof(events, queries, window, left=">=", right="<")],
        "M01": [_asof(events, queries, window, ahead=window), _asof(events, queries, window, ahead=window / 2),
                _same(events, queries, "D"), _asof(events, queries, day, ahead=day),
                _asof(events, queries, _NOW, ahead=window)],
        "M03": _same(events, queries, "h"),
    }
    mistake = next((code for code, answers in variants.items() for values in
                    (answers if isinstance(answers, list) else [answers])
                    if np.allclose(values, got, equal_nan=True)), None)
    differ = ~np.isclose(got, expected, equal_nan=True)
    if differ.any() and mistake is None and _uses_the_future(trial, answer, events, queries, window, got):
        mistake = "M01"
    example = pd.DataFrame()
    if differ.any():
        query = queries[differ].iloc[0]
        near = events[events["origin"] == query["origin"]].sort_values("departed")
        example = near[(near["departed"] - query["decision_time"]).abs() <= window + pd.Timedelta("1h")].head(5)
    trial.require(not differ.any(), "Each query gets the mean delay of the flights that had left its origin by then, "
                  "and not longer ago than the window.", mistake=mistake, call=f"{call}, for one query at "
                  f"{queries[differ].iloc[0]['origin'] if differ.any() else ''} "
                  f"{queries[differ].iloc[0]['decision_time'] if differ.any() else ''}", example=example,
                  expected=expected[differ].round(3).iloc[0] if differ.any() else None,
                  got=got[differ].round(3).iloc[0] if differ.any() else None)

    left, asked = _july()
    means = answer(left, asked, pd.Timedelta("3h"))
    return (f"On the evening of 10 July the desk looked back on departures that were {means.max():.0f} minutes late on "
            "average, at the worst airport.")


@functools.cache
def _july() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Departures of four days in July, and the last decisions of 10 July."""
    flights = data.load("flights", ["month", "day", "origin", "time_hour", "minute", "dep_delay"])
    flights = flights[(flights["month"] == 7) & flights["day"].between(7, 10)]
    planned = flights["time_hour"] + pd.to_timedelta(flights["minute"], unit="min")
    left = flights.assign(scheduled=planned, departed=planned + pd.to_timedelta(flights["dep_delay"], unit="min"))
    asked = left[left["day"] == 10].assign(decision_time=planned - pd.Timedelta(hours=case.LEAD_HOURS)).tail(300)
    return (left.dropna(subset="dep_delay")[["origin", "scheduled", "departed", "dep_delay"]],
            asked[["origin", "decision_time"]])


def _timeline(rng: np.random.Generator, window: pd.Timedelta) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Events around each query: on both edges, inside, outside, planned before and left after, elsewhere."""
    day = pd.Timestamp("2013-07-10", tz="UTC") + pd.Timedelta(days=int(rng.integers(0, 90)))
    hour, minute = pd.Timedelta("1h"), pd.Timedelta("1min")
    events, queries = [], []
    for origin, at in (("EWR", 14), ("JFK", 15), ("EWR", 19), ("LGA", 16)):
        now = day + at * hour + int(rng.integers(1, 50)) * minute
        queries.append((origin, now))
        if origin == "LGA":
            continue  # nothing ever leaves from here
        for left, waited in ((now, 20), (now - window, 35), (now - window + minute, 5), (now - window / 2, 50),
                             (now - 30 * minute, 12), (now + minute, 170), (now + 70 * minute, 95),
                             (now + 2 * hour, 8), (now - window - 20 * minute, 3)):
            delay = waited + int(rng.integers(0, 9))
            events.append((origin, left - delay * minute, left, delay))
    frame = pd.DataFrame(events, columns=["origin", "scheduled", "departed", "dep_delay"])
    asked = pd.DataFrame(queries, columns=["origin", "decision_time"])
    asked.index = pd.Index(rng.choice(10_000, len(asked), replace=False), name="flight_id")
    return frame.sample(frac=1, random_state=rng).reset_index(drop=True), asked.sample(frac=1, random_state=rng)


def _asof(events, queries, window, clock="departed", left=">", right="<=", ahead=_NOW, here=True):
    after = {">": np.greater, ">=": np.greater_equal}[left]
    before = {"<": np.less, "<=": np.less_equal}[right]
    means = [events["dep_delay"][after(events[clock], query.decision_time - window)
                                 & before(events[clock], query.decision_time + ahead)
                                 & ((events["origin"] == query.origin) | (not here))].mean()
             for query in queries.itertuples()]
    return pd.Series(means, index=queries.index, dtype=float)


def _same(events, queries, unit: str) -> pd.Series:
    """The mean of the whole day of the query, or of the hour of the flight that the query is about."""
    lead = pd.Timedelta(hours=case.LEAD_HOURS if unit == "h" else 0)
    bucket = (queries["decision_time"] + lead).dt.floor(unit)
    means = events.groupby(["origin", events["scheduled"].dt.floor(unit)])["dep_delay"].mean()
    return pd.Series([means.get((origin, time), np.nan) for origin, time in zip(queries["origin"], bucket)],
                     index=queries.index)


def _uses_the_future(trial, answer, events, queries, window, before) -> bool:
    """Whether delays of events after the last decision change any answer."""
    later = events["departed"] > queries["decision_time"].max()
    changed = events.assign(dep_delay=events["dep_delay"].where(~later, events["dep_delay"] + 500))
    return not np.allclose(trial.call(answer, changed, queries, window).astype(float), before, equal_nan=True)


@lab.exercise("3.6", section="missing-for-a-reason", hints=(
    "Two things come out: the filled columns and the marks. Make the marks before you fill.",
    "`df.loc[is_train, columns].median()` once; in `apply`, `rows[columns].isna().astype(int).add_suffix("
    "\"_missing\")` beside `rows[columns].fillna(median)`."))
def fit_imputer(trial: Trial, answer) -> str:
    df, is_train, columns = _gappy(trial.rng)
    call = f"fit_imputer(df, is_train, {columns})(rows)"
    apply = _returned(trial, answer, "fit_imputer", df, is_train, columns)
    rows = df[~is_train]
    got = trial.call(apply, rows)
    trial.require(isinstance(got, pd.DataFrame) and got.index.equals(rows.index), "No row is lost: the answer has the "
                  "index of the rows.", mistake="M09", call=call, example=rows[columns].head(3),
                  expected=f"{len(rows)} rows", got=f"{len(got)} rows" if hasattr(got, "__len__") else got)
    marks = [f"{column}_missing" for column in columns]
    trial.require(bool(set(marks) & set(got.columns)), "Each column has a mark beside it that says where a value was "
                  "missing.", mistake="M08", call=call, expected=[*columns, *marks], got=list(got.columns))
    complete = rows.dropna().head(1)
    for given in (rows, complete):
        shape = list(trial.call(apply, given).columns)
        trial.require(shape == [*columns, *marks], "The columns are the same for any rows, whether or not these have "
                      "gaps.", mistake="M46", call=call, example=given[columns].head(3), expected=[*columns, *marks],
                      got=shape)
    gaps = rows[columns].isna()
    trial.require(np.array_equal(got[marks].astype(float), gaps.astype(float)), "A mark is 1 where the value was "
                  "missing, and 0 elsewhere.", mistake="M08", call=call,
                  example=rows[gaps.any(axis=1)][columns].head(2), expected=gaps.sum().to_dict(),
                  got=got[marks].sum().to_dict())
    trial.require(got[columns].notna().all(axis=None), "No value is missing afterwards.", mistake="M08", call=call,
                  example=rows[columns].head(3))
    filled = {None: df[is_train].median(), "M02": df.median(), "M46": rows.median(), "M32": df[is_train].mean(),
              "M08": pd.Series(0.0, index=df.columns)}
    filled = {code: rows[columns].fillna(value[columns]) for code, value in filled.items()}
    trial.require(np.allclose(got[columns].astype(float), filled[None]), "A gap is filled with the median of the "
                  "training rows, and nothing else changes.", mistake=_matching(filled, got[columns]), call=call,
                  example=rows[gaps.any(axis=1)][columns].head(2),
                  expected=df[is_train][columns].median().round(3).to_dict(),
                  got=got[columns][gaps.any(axis=1)].head(1).to_dict("records"))
    single = trial.call(apply, rows[gaps.any(axis=1)].head(1))
    trial.require(single.notna().all(axis=None), "One row alone is filled as well.", mistake="M46", call=call,
                  got=single.to_dict("records"))

    real, real_train = flights()
    marked = answer(real, real_train, ["seats"])(real)["seats_missing"].groupby(real["carrier"]).mean()
    return (f"{marked['MQ']:.1%} of the flights of MQ and {marked['AA']:.1%} of AA have no `seats`, and they are all "
            "still there.")


def _gappy(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.Series, list[str]]:
    """Two columns with gaps in both parts and an outlier in training; hold-out values lie elsewhere."""
    size, columns = 21, ["seats", "pressure"]
    is_train = np.arange(size) < 12
    df = pd.DataFrame({"seats": rng.normal(150, 20, size) + 90 * ~is_train,
                       "pressure": rng.normal(1015, 4, size) - 15 * ~is_train})
    df.iloc[0, 0], df.iloc[1, 1] = 5_000, 9_999
    df.iloc[[3, 14, 15], 0] = np.nan
    df.iloc[[4, 15, 17], 1] = np.nan
    order = rng.permutation(size)
    df = df.iloc[order].set_index(pd.Index(rng.choice(10_000, size, replace=False), name="flight_id"))
    return df, pd.Series(is_train[order], index=df.index), columns


@lab.exercise("3.7", section="imbalance", hints=(
    "First the positions of training rows, then among these the late ones. How many more late ones are needed?",
    "`rng.choice(late, len(rows) - 2 * len(late))` draws them. With `t` the late share of the training rows and 1/2 "
    "that of the balanced ones, `restore` is `p * t / (p * t + (1 - p) * (1 - t))`."))
def rebalance(trial: Trial, answer) -> str:
    y, is_train = _few_late(trial.rng)
    seed = int(trial.rng.integers(1_000))
    call = f"rebalance(y, is_train, {seed=}) with {y[is_train].sum()} late of {is_train.sum()} training rows"
    result = trial.call(answer, y, is_train, seed)
    trial.require(isinstance(result, tuple) and len(result) == 2 and callable(result[1]), "rebalance returns two "
                  "things: positions and a function.", call=call, got=type(result).__name__)
    rows, restore = np.asarray(result[0]), result[1]
    outside = rows[~is_train[rows]]
    trial.require(len(outside) == 0, "Only training rows are drawn: a copy of a hold-out row would judge itself.",
                  mistake="M02", call=call, expected="positions with is_train", got=f"position {outside[:3]}")
    lost = np.setdiff1d(np.flatnonzero(is_train), rows)
    trial.require(len(lost) == 0, "Each training row is there at least once.", mistake="M09", call=call,
                  expected="every training row", got=f"without positions {lost[:3]}")
    counts = np.bincount(y[rows], minlength=2)
    again = np.bincount(rows, minlength=len(y))
    trial.require(counts[0] == counts[1] and (again[is_train & (y == 0)] == 1).all(), "Late flights are drawn again "
                  "until both kinds are equally many; the others occur once.", mistake="M36", call=call,
                  expected={"late": int((y[is_train] == 0).sum()), "other": int((y[is_train] == 0).sum())},
                  got={"late": int(counts[1]), "other": int(counts[0])})
    p = np.array([0.0, 0.1, 0.5, 0.8, 1.0])
    got = np.asarray(trial.call(restore, p), dtype=float)
    trial.require(got.shape == p.shape, "restore gives one chance for each.", call="restore(p)", got=got.shape)
    share = y[is_train].mean()
    results = {None: _restored(p, share), "M50": p, "M36": p * share / 0.5, "M02": _restored(p, y[~is_train].mean()),
               "M40": _restored(p, 1 - share), "M27": _restored(p, 0.1613)}
    results["M02 "] = _restored(p, y.mean())
    mistake = _matching(results, got)
    trial.require(np.allclose(got, results[None]), f"A model that learned from half late rows says 0.5 where the true "
                  f"chance is {share:.3f}, the late share of the training rows; odds are multiplied, chances are not.",
                  mistake=mistake and mistake.strip(), call=f"restore({p.tolist()})", expected=results[None].round(4),
                  got=got.round(4))

    real, real_train = flights()
    late = (real["arr_delay"] >= case.LATE_MINUTES).astype(int).to_numpy()
    rows, restore = answer(late, real_train.to_numpy(), 0)
    return (f"To balance the training flights {len(rows) - real_train.sum():,} copies are needed, and a chance of 0.5 "
            f"then means {restore(np.array([0.5]))[0]:.3f}.")


def _few_late(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Training rows with a small late share, hold-out rows with another one."""
    late = int(rng.integers(5, 9))
    y = np.concatenate([np.ones(late, int), np.zeros(40 - late, int), np.ones(9, int), np.zeros(11, int)])
    order = rng.permutation(len(y))
    return y[order], (np.arange(len(y)) < 40)[order]


def _restored(p: np.ndarray, share: float) -> np.ndarray:
    return p * share / (p * share + (1 - p) * (1 - share))


@lab.exercise("3.8", section="one-definition", hints=(
    "Write `batch` first, for a table. `online` should not contain a single formula.",
    "`online` makes a frame of one row, `pd.DataFrame([row])`, gives it to `batch` and returns `.iloc[0].to_dict()`. "
    "Before that it compares the hash and the set of names, and raises ValueError."))
def fit_bundle(trial: Trial, answer) -> str:
    train, rows, schema = _requests(trial.rng)
    result = trial.call(answer, train, schema)
    trial.require(isinstance(result, tuple) and len(result) == 3 and callable(result[0]) and callable(result[1]),
                  "fit_bundle returns three things: batch, online, schema_hash.", got=type(result).__name__)
    batch, online, schema_hash = result
    got = trial.call(batch, rows)
    numbers = [column for column in schema if column != "decision_time"]
    columns = [*numbers, *(f"{column}_missing" for column in numbers), "hour_sin", "hour_cos"]
    trial.require(isinstance(got, pd.DataFrame) and list(got.columns) == columns and got.index.equals(rows.index),
                  "batch has the index of its rows and the features in the order of schema.", mistake="M34",
                  call="batch(df)", expected=columns, got=list(getattr(got, "columns", [type(got).__name__])))
    results = {None: _bundled(train, rows, numbers), "M46": _bundled(rows, rows, numbers),
               "M10": _bundled(train, rows, numbers, zone="UTC")}
    differ = (~np.isclose(got.astype(float), results[None])).any(axis=1)
    trial.require(not differ.any(), "Numbers are scaled as in training, gaps are 0 and marked, and the hour is that of "
                  "New York.", mistake=_matching(results, got), call="batch(df)", example=rows[differ].head(1),
                  expected=results[None][differ].head(1).round(3).to_dict("records"),
                  got=got[differ].head(1).round(3).to_dict("records"))
    for row, expected in zip(rows.to_dict("records"), results[None].to_dict("records")):
        order = trial.rng.permutation(list(row))
        request = {str(name): None if row[name] != row[name] else row[name] for name in order}
        one = trial.call(online, request, schema_hash)
        trial.require(isinstance(one, dict) and list(one) == columns, "online gives the features of batch, in its "
                      "order, in whatever order the request comes.", mistake="M34",
                      call=f"online({request}, schema_hash)", expected=columns,
                      got=list(one) if isinstance(one, dict) else type(one).__name__)
        alone = _bundled(pd.DataFrame([row]), pd.DataFrame([row]), numbers).iloc[0].to_dict()
        utc = _bundled(train, pd.DataFrame([row]), numbers, zone="UTC").iloc[0].to_dict()
        values = {code: np.array(list(value.values())) for code, value in
                  {None: expected, "M46": alone, "M10": utc}.items()}
        same = np.allclose(list(one.values()), values[None])
        trial.require(same, "A request gets what the same row gets in a table.", mistake=None if same else
                      _matching(values, list(one.values())) or "M11", call=f"online({request}, schema_hash)",
                      expected={name: round(value, 3) for name, value in expected.items()},
                      got={name: round(value, 3) for name, value in one.items()})
    trial.require(np.allclose(trial.call(batch, rows).astype(float), got), "Serving changes nothing: batch says after "
                  "the requests what it said before.", mistake="M46", call="batch(df), again")
    trial.require(schema_hash == _hash(schema), "schema_hash is the sha256 of the schema as JSON with sorted keys.",
                  mistake="M20", expected=_hash(schema)[:16] + "...", got=str(schema_hash)[:19])
    row = rows.iloc[0].to_dict()
    other = _hash(schema | {numbers[0]: "°C"})
    _require_refusal(trial, online, row, other, "The caller's schema has another unit: raise ValueError.", "M10")
    _require_refusal(trial, online, {name: row[name] for name in list(row)[:-1]}, schema_hash,
                     "A column is not in the request: raise ValueError, because a gap would be made up.", "M08")

    real, real_train = flights()
    wanted = ["decision_time", "temp", "seats"]
    units = data.describe("features").set_index("column")["unit"][wanted].to_dict()
    _, online, schema_hash = answer(real.loc[real_train, wanted], units)
    one = online(real[wanted].iloc[0].to_dict(), schema_hash)
    return (f"The first decision of the year, as a request: the temperature becomes {one['temp']:+.2f}, and the hash "
            f"begins with {schema_hash[:8]}.")


def _requests(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, str]]:
    """Training rows, rows to serve on either side of a clock change, and a schema with names of its own order."""
    names = [str(name) for name in rng.permutation(["temp", "seats", "wind_speed"])]
    schema = {names[0]: "°F", "decision_time": "UTC", names[1]: "count", names[2]: "mile/h"}
    hours = rng.choice(365 * 24, 24, replace=False)
    df = pd.DataFrame({"decision_time": pd.Timestamp("2013-01-01", tz="UTC") + pd.to_timedelta(hours, unit="h"),
                       **{name: rng.normal(60 * place + 50, 10, 24) for place, name in enumerate(names)}})[list(schema)]
    df.loc[df.index % 4 == 3, names[1]] = np.nan
    df.index = pd.Index(rng.choice(10_000, len(df), replace=False), name="flight_id")
    return df.iloc[:14], df.iloc[14:].assign(**{names[0]: lambda rows: rows[names[0]] + 30}), schema


def _bundled(train, rows, numbers, zone="America/New_York") -> pd.DataFrame:
    values = rows[numbers].astype(float)
    scaled = ((values - train[numbers].astype(float).mean()) / train[numbers].astype(float).std()).fillna(0)
    angle = 2 * np.pi * rows["decision_time"].dt.tz_convert(zone).dt.hour / 24
    return pd.concat([scaled, values.isna().astype(float).add_suffix("_missing"),
                      pd.DataFrame({"hour_sin": np.sin(angle), "hour_cos": np.cos(angle)})], axis=1)


def _hash(schema: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()


def _require_refusal(trial, online, row, sent_hash, says, mistake) -> None:
    try:
        got = online(dict(row), sent_hash)
    except ValueError:
        return
    except Exception as error:  # any other end of the call is the learner's to hear of
        got = f"{type(error).__name__}: {error}"
    trial.wrong(says, mistake=mistake, call=f"online({list(row)}, {sent_hash[:8]}...)", expected="ValueError",
                got=str(got)[:80])


def _returned(trial: Trial, answer, name: str, *args):
    function = trial.call(answer, *args)
    trial.require(callable(function), f"{name} returns a function.", got=type(function).__name__)
    return function


def _frame(trial: Trial, apply, rows: pd.DataFrame, columns: list[str], call: str) -> pd.DataFrame:
    got = trial.call(apply, rows)
    trial.require(isinstance(got, pd.DataFrame) and list(got.columns) == columns and got.index.equals(rows.index),
                  "The answer is a frame with the given columns and the index of the rows.", mistake="M09", call=call,
                  expected=f"{len(rows)} rows, {columns}", got=getattr(got, "shape", type(got).__name__))
    return got.astype(float)


def _matching(results: dict[str | None, object], got) -> str | None:
    """The mistake whose result is what the learner got; None if it is none of them, or the right one."""
    got = np.asarray(got, dtype=float)
    for mistake, values in results.items():
        values = np.asarray(values, dtype=float)
        if mistake and values.shape == got.shape and np.allclose(values, got, equal_nan=True):
            return mistake
    return None


lab.read(__name__, __path__)
