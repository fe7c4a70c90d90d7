"""Wrong (and differently written right) answers of lab 3."""

import hashlib
import json

import numpy as np
import pandas as pd

from tests.wrong_answers import right, wrong

# 3.1 fit_scaler


# 3.2 fit_encoder


def onehot(values, kept):
    names = values.where(values.isin(kept), "other").where(values.notna(), "missing")
    return pd.get_dummies(names, dtype=int).reindex(columns=[*kept, "other", "missing"], fill_value=0)


@wrong("3.2", "M46")
def dummies_of_each_batch(train, min_count):
    counts = train.value_counts()
    kept = list(counts.index[counts >= min_count])
    return lambda values: pd.get_dummies(
        values.where(values.isin(kept), "other").where(values.notna(), "missing"), dtype=int)


@wrong("3.2", "M48")
def unseen_is_the_first_level(train, min_count):
    counts = train.value_counts()
    kept = sorted(counts.index[counts >= min_count])
    return lambda values: onehot(values.where(values.isin(train) | values.isna(), kept[0]), kept)


@wrong("3.2", "M49")
def codes_in_one_column(train, min_count):
    codes = {value: code for code, value in enumerate(sorted(train.dropna().unique()))}
    return lambda values: values.map(codes).fillna(-1).to_frame("code")


@wrong("3.2", "M16")
def rare_values_are_kept(train, min_count):
    kept = sorted(train.dropna().unique())
    return lambda values: onehot(values, kept)


@wrong("3.2", "M08")
def missing_is_other(train, min_count):
    counts = train.value_counts()
    kept = sorted(counts.index[counts >= min_count])
    return lambda values: onehot(values.fillna("?"), kept)


@wrong("3.2", "M31")
def exactly_at_the_limit_is_rare(train, min_count):
    counts = train.value_counts()
    kept = sorted(counts.index[counts > min_count])
    return lambda values: onehot(values, kept)


@wrong("3.2", "M48")
def unseen_is_a_row_of_zeros(train, min_count):
    counts = train.value_counts()
    kept = sorted(counts.index[counts >= min_count])
    return lambda values: onehot(values, kept).where(values.isin(train) | values.isna(), 0)


@right("3.2")
def encoder_with_comparisons(train, min_count):
    counts = train.value_counts()
    kept = sorted(value for value, count in counts.items() if count >= min_count)

    def encode(values):
        columns = {value: values == value for value in kept}
        columns["other"] = ~values.isin(kept) & values.notna()
        columns["missing"] = values.isna()
        return pd.DataFrame(columns).astype(float)

    return encode


# 3.3 cyclic


# 3.4 target_encode


def smoothed(keys, y, source, m, prior=None):
    prior = y[source].mean() if prior is None else prior
    groups = y[source].groupby(keys[source]).agg(["sum", "count"])
    return keys.map((groups["sum"] + m * prior) / (groups["count"] + m)).fillna(prior)


def by_fold(keys, y, folds, encode):
    encoded = pd.Series(np.nan, index=keys.index)
    for fold in folds.unique():
        here = folds == fold
        encoded[here] = encode((folds >= 0) & ~here)[here]
    return encoded


@wrong("3.4", "M03")
def in_sample_means(keys, y, folds, m):
    return smoothed(keys, y, folds >= 0, m)


@wrong("3.4", "M03")
def prior_with_the_own_label(keys, y, folds, m):
    prior = y[folds >= 0].mean()
    return by_fold(keys, y, folds, lambda source: smoothed(keys, y, source, m, prior))


@wrong("3.4", "M02")
def learns_from_hold_out_labels(keys, y, folds, m):
    encoded = pd.Series(np.nan, index=keys.index)
    for fold in folds.unique():
        here = folds == fold
        source = ~here if fold >= 0 else here | ~here
        encoded[here] = smoothed(keys, y, source, m)[here]
    return encoded


@wrong("3.4", "M02")
def hold_out_is_a_fold_like_any_other(keys, y, folds, m):
    encoded = pd.Series(np.nan, index=keys.index)
    for fold in folds.unique():
        encoded[folds == fold] = smoothed(keys, y, folds != fold, m)[folds == fold]
    return encoded


@wrong("3.4", "M38")
def unseen_keys_get_nothing(keys, y, folds, m):
    def encode(source):
        groups = y[source].groupby(keys[source]).agg(["sum", "count"])
        return keys.map((groups["sum"] + m * y[source].mean()) / (groups["count"] + m))

    return by_fold(keys, y, folds, encode)


@wrong("3.4", "M16")
def no_smoothing(keys, y, folds, m):
    return by_fold(keys, y, folds, lambda source: smoothed(keys, y, source, 0))


@wrong("3.4", "M12")
def leaves_out_the_row_only(keys, y, folds, m):
    alone = pd.Series(np.arange(len(keys)), index=keys.index).where(folds >= 0, -1)
    return by_fold(keys, y, alone, lambda source: smoothed(keys, y, source & (folds >= 0), m))


@wrong("3.4", "M07")
def prior_is_a_mean_of_means(keys, y, folds, m):
    return by_fold(keys, y, folds, lambda source: smoothed(
        keys, y, source, m, y[source].groupby(keys[source]).mean().mean()))


@right("3.4")
def row_by_row(keys, y, folds, m):
    encoded = []
    for key, fold in zip(keys, folds):
        source = y[(folds >= 0) & (folds != fold)]
        same = source[keys[source.index] == key]
        encoded.append((same.sum() + m * source.mean()) / (len(same) + m))
    return pd.Series(encoded, index=keys.index)


# 3.5 asof_mean


def mean_where(events, queries, chosen):
    means = [events["dep_delay"][chosen(query)].mean() for query in queries.itertuples()]
    return pd.Series(means, index=queries.index, dtype=float)


@wrong("3.5", "M01")
def mean_of_the_day(events, queries, window):
    day = events["scheduled"].dt.date
    return mean_where(events, queries, lambda query: (
        (events["origin"] == query.origin) & (day == query.decision_time.date())))


@wrong("3.5", "M03")
def mean_of_the_flights_own_hour(events, queries, window):
    hour = events["scheduled"].dt.floor("h")
    return mean_where(events, queries, lambda query: (
        (events["origin"] == query.origin) & (hour == (query.decision_time + pd.Timedelta("2h")).floor("h"))))


@wrong("3.5", "M10")
def by_the_planned_time(events, queries, window):
    return mean_where(events, queries, lambda query: (
        (events["origin"] == query.origin) & (events["scheduled"] > query.decision_time - window)
        & (events["scheduled"] <= query.decision_time)))


@wrong("3.5", "M01")
def window_around_the_decision(events, queries, window):
    return mean_where(events, queries, lambda query: (
        (events["origin"] == query.origin) & (events["departed"] > query.decision_time - window)
        & (events["departed"] <= query.decision_time + window)))


@wrong("3.5", "M01")
def window_ahead_of_the_decision(events, queries, window):
    return mean_where(events, queries, lambda query: (
        (events["origin"] == query.origin) & (events["departed"] > query.decision_time)
        & (events["departed"] <= query.decision_time + window)))


@wrong("3.5", "M08")
def empty_window_is_zero(events, queries, window):
    return mean_where(events, queries, lambda query: (
        (events["origin"] == query.origin) & (events["departed"] > query.decision_time - window)
        & (events["departed"] <= query.decision_time))).fillna(0)


@wrong("3.5", "M31")
def now_does_not_count(events, queries, window):
    return mean_where(events, queries, lambda query: (
        (events["origin"] == query.origin) & (events["departed"] > query.decision_time - window)
        & (events["departed"] < query.decision_time)))


@wrong("3.5", "M32")
def any_airport(events, queries, window):
    known = mean_where(events, queries, lambda query: (
        (events["departed"] > query.decision_time - window) & (events["departed"] <= query.decision_time)))
    return known.where(queries["origin"].isin(events["origin"]))


@wrong("3.5", "M09")
def answers_in_the_order_of_time(events, queries, window):
    ordered = queries.sort_values(["origin", "decision_time"])
    if ordered.index.equals(queries.index):
        ordered = ordered[::-1]
    return mean_where(events, ordered, lambda query: (
        (events["origin"] == query.origin) & (events["departed"] > query.decision_time - window)
        & (events["departed"] <= query.decision_time)))


@right("3.5")
def query_by_query(events, queries, window):
    return mean_where(events, queries, lambda query: (
        (events["origin"] == query.origin) & (events["departed"] <= query.decision_time)
        & (events["departed"] > query.decision_time - window)))


# 3.6 fit_imputer


def filled(rows, columns, values):
    gaps = rows[columns].isna().astype(int).add_suffix("_missing")
    return pd.concat([rows[columns].fillna(values), gaps], axis=1)


@wrong("3.6", "M09")
def drops_rows_with_gaps(df, is_train, columns):
    median = df.loc[is_train, columns].median()
    return lambda rows: filled(rows.dropna(subset=columns), columns, median)


@wrong("3.6", "M02")
def median_of_all_rows(df, is_train, columns):
    median = df[columns].median()
    return lambda rows: filled(rows, columns, median)


@wrong("3.6", "M46")
def median_of_each_batch(df, is_train, columns):
    return lambda rows: filled(rows, columns, rows[columns].median())


@wrong("3.6", "M08")
def no_marks(df, is_train, columns):
    median = df.loc[is_train, columns].median()
    return lambda rows: rows[columns].fillna(median)


@wrong("3.6", "M08")
def marks_made_too_late(df, is_train, columns):
    median = df.loc[is_train, columns].median()
    return lambda rows: filled(rows[columns].fillna(median), columns, median)


@wrong("3.6", "M08")
def zero_for_missing(df, is_train, columns):
    return lambda rows: filled(rows, columns, 0.0)


@wrong("3.6", "M46")
def marks_only_where_gaps_are(df, is_train, columns):
    median = df.loc[is_train, columns].median()

    def apply(rows):
        both = filled(rows, columns, median)
        return both.drop(columns=[f"{column}_missing" for column in columns if rows[column].notna().all()])

    return apply


@wrong("3.6", "M32")
def mean_for_median(df, is_train, columns):
    mean = df.loc[is_train, columns].mean()
    return lambda rows: filled(rows, columns, mean)


@right("3.6")
def imputer_with_numpy(df, is_train, columns):
    median = {column: np.nanmedian(df[column][is_train]) for column in columns}

    def apply(rows):
        values = {column: np.where(rows[column].isna(), median[column], rows[column]) for column in columns}
        marks = {f"{column}_missing": rows[column].isna().to_numpy() for column in columns}
        return pd.DataFrame(values | marks, index=rows.index)

    return apply


# 3.7 rebalance


def balanced(y, rows, seed):
    late = rows[y[rows] == 1]
    return np.concatenate([rows, np.random.default_rng(seed).choice(late, len(rows) - 2 * len(late))])


def way_back(share):
    return lambda p: p * share / (p * share + (1 - p) * (1 - share))


@wrong("3.7", "M02")
def repeats_before_the_split(y, is_train, seed):
    rows = balanced(y, np.arange(len(y)), seed)
    return rows[: int(0.75 * len(rows))], way_back(y[is_train].mean())


@wrong("3.7", "M02")
def repeats_late_rows_of_the_hold_out(y, is_train, seed):
    rows = np.flatnonzero(is_train)
    again = np.random.default_rng(seed).choice(np.flatnonzero((y == 1) & ~is_train), len(rows) - 2 * y[rows].sum())
    return np.concatenate([rows, again]), way_back(y[rows].mean())


@wrong("3.7", "M02")
def share_of_the_hold_out(y, is_train, seed):
    return balanced(y, np.flatnonzero(is_train), seed), way_back(y[~is_train].mean())


@wrong("3.7", "M50")
def scores_are_chances(y, is_train, seed):
    return balanced(y, np.flatnonzero(is_train), seed), lambda p: p


@wrong("3.7", "M36")
def chances_are_multiplied(y, is_train, seed):
    share = y[is_train].mean()
    return balanced(y, np.flatnonzero(is_train), seed), lambda p: p * share / 0.5


@wrong("3.7", "M09")
def other_flights_thrown_away(y, is_train, seed):
    rows = np.flatnonzero(is_train)
    late, other = rows[y[rows] == 1], rows[y[rows] == 0]
    few = np.random.default_rng(seed).choice(other, len(late), replace=False)
    return np.concatenate([late, few]), way_back(y[rows].mean())


@wrong("3.7", "M40")
def corrected_in_the_wrong_direction(y, is_train, seed):
    return balanced(y, np.flatnonzero(is_train), seed), way_back(1 - y[is_train].mean())


@wrong("3.7", "M36")
def as_many_copies_as_other_flights(y, is_train, seed):
    rows = np.flatnonzero(is_train)
    late = rows[y[rows] == 1]
    again = np.random.default_rng(seed).choice(late, len(rows) - len(late))
    return np.concatenate([rows, again]), way_back(y[rows].mean())


@right("3.7")
def with_odds(y, is_train, seed):
    rows = np.flatnonzero(is_train)
    late, other = rows[y[rows] == 1], rows[y[rows] == 0]
    copies = np.resize(late, len(other))
    ratio = len(late) / len(other)

    def restore(p):
        with np.errstate(divide="ignore"):
            odds = ratio * p / (1 - p)
            return 1 - 1 / (1 + odds)

    return np.concatenate([other, copies]), restore


# 3.8 fit_bundle


def bundle(train, schema, *, zone="America/New_York", online=None, checked=True):
    """The right bundle, with one part replaced."""
    numbers = [column for column in schema if column != "decision_time"]
    mean, spread = train[numbers].mean(), train[numbers].std()
    schema_hash = hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()

    def batch(df, mean=mean, spread=spread, zone=zone):
        values = df[numbers].astype(float)
        angle = 2 * np.pi * df["decision_time"].dt.tz_convert(zone).dt.hour / 24
        clock = pd.DataFrame({"hour_sin": np.sin(angle), "hour_cos": np.cos(angle)})
        return pd.concat([((values - mean) / spread).fillna(0),
                          values.isna().astype(float).add_suffix("_missing"), clock], axis=1)

    def one(row, sent_hash):
        if checked and (sent_hash != schema_hash or set(row) != set(schema)):
            raise ValueError("another schema")
        df = pd.DataFrame([row])
        return (online(df, batch, numbers) if online else batch(df)).iloc[0].to_dict()

    return batch, one, schema_hash


@wrong("3.8", "M11")
def defaults_written_again(train, schema):
    return bundle(train, schema, online=lambda df, batch, numbers: batch(
        df.assign(**{name: df[name].astype(float).fillna(0) for name in numbers})))


@wrong("3.8", "M10")
def utc_hour_online(train, schema):
    return bundle(train, schema, online=lambda df, batch, numbers: batch(df, zone="UTC"))


@wrong("3.8", "M10")
def utc_hour_everywhere(train, schema):
    return bundle(train, schema, zone="UTC")


@wrong("3.8", "M46")
def statistics_of_the_request(train, schema):
    return bundle(train, schema, online=lambda df, batch, numbers: batch(
        df, df[numbers].astype(float).mean(), df[numbers].astype(float).std()))


@wrong("3.8", "M46")
def statistics_learn_while_serving(train, schema):
    served = [train]

    def batch(df):
        return bundle(pd.concat(served), schema)[0](df)

    def online(row, sent_hash):
        answer = bundle(train, schema)[1](row, sent_hash)
        served.append(pd.DataFrame([row]).astype({name: float for name in schema if name != "decision_time"}))
        return answer

    return batch, online, bundle(train, schema)[2]


@wrong("3.8", "M10")
def nobody_asks_for_the_unit(train, schema):
    return bundle(train, schema, checked=False)


@wrong("3.8", "M08")
def missing_column_is_made_up(train, schema):
    batch, online, schema_hash = bundle(train, schema)

    def lenient(row, sent_hash):
        return online({name: row.get(name, pd.Timestamp("2013-01-01", tz="UTC") if name == "decision_time" else None)
                       for name in schema}, sent_hash)

    return batch, lenient, schema_hash


@wrong("3.8", "M34")
def columns_in_alphabetical_order(train, schema):
    batch, online, schema_hash = bundle(train, schema)
    return batch, lambda row, sent_hash: dict(sorted(online(row, sent_hash).items())), schema_hash


@right("3.8")
def row_first(train, schema):
    numbers = [column for column in schema if column != "decision_time"]
    state = {name: (train[name].mean(), train[name].std()) for name in numbers}
    schema_hash = hashlib.sha256(json.dumps(dict(sorted(schema.items()))).encode()).hexdigest()

    def one(row):
        gaps = {name: row[name] is None or row[name] != row[name] for name in numbers}
        values = {name: 0.0 if gaps[name] else (row[name] - state[name][0]) / state[name][1] for name in numbers}
        hour = pd.Timestamp(row["decision_time"]).tz_convert("America/New_York").hour
        return (values | {f"{name}_missing": float(gap) for name, gap in gaps.items()}
                | {"hour_sin": np.sin(np.pi * hour / 12), "hour_cos": np.cos(np.pi * hour / 12)})

    def batch(df):
        return pd.DataFrame([one(row) for row in df.to_dict("records")], index=df.index)

    def online(row, sent_hash):
        if sent_hash != schema_hash or sorted(row) != sorted(schema):
            raise ValueError("another schema")
        return one(row)

    return batch, online, schema_hash
