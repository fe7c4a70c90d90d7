# %% [markdown]
# # Lab 3: feature engineering
#
# A feature is a value that the model reads. It is computed twice: from a table when you train, and from one request
# when the desk asks. You write eight features-to-be by hand, each followed by the tool that does the same at work,
# and end with one model that carries its own preprocessing.
#
# You choose on the validation months, September and October. The test months stay shut in this lab.

# %%
import hashlib
import json
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from xgboost import XGBClassifier

from mlelab import case, data, figure

features = data.load("features").dropna(subset="arr_delay").reset_index(drop=True)
features["late"] = (features["arr_delay"] >= case.LATE_MINUTES).astype(int)
train, validation, _ = case.split(features)
is_train = features["decision_time"] < case.VALIDATION_START
learn = train.sample(60_000, random_state=0)  # enough for every comparison below, and quick

# %% [markdown]
# Two models judge your features all along: a linear one, which believes the numbers it gets, and boosted trees
# (XGBoost), which only ask whether a number is above or below a cut.

# %%
def linear_auc(learn_x, judge_x) -> float:
    model = LogisticRegression(max_iter=300).fit(learn_x, learn["late"])
    return roc_auc_score(validation["late"], model.predict_proba(judge_x)[:, 1])


def trees() -> XGBClassifier:
    return XGBClassifier(n_estimators=80, max_depth=4, learning_rate=0.12, enable_categorical=True, n_jobs=1)

# %% [markdown]
# ## 1. Numbers
#
# `pressure` is about 1,017 and `precip` about 0.005. A linear model with a penalty treats both alike only if both have
# the same spread. *Standardising* subtracts the mean and divides by the standard deviation. A worked example, one
# request on a July evening:

# %%
mean, spread = train["temp"].mean(), train["temp"].std()
print(f"training rows: mean {mean:.1f} °F, standard deviation {spread:.1f} °F")
print(f"a request with 88 °F becomes {(88 - mean) / spread:+.2f}")

# %%
# claim: `pressure` is about 1,017 and `precip` about 0.005
assert abs(train["pressure"].mean() - 1_017) < 1 and abs(train["precip"].mean() - 0.005) < 0.001

# %% [markdown]
# The two numbers are *state*: learned once, from training rows, and kept. The request itself cannot give them. It is
# one row, and one row has no spread.
#
# ### Exercise 3.1: a scaler with memory (1 point)
#
# Write `fit_scaler`. It learns from the training rows of `df` and returns a function that scales any other rows.

# %% exercise="3.1"
def fit_scaler(df: pd.DataFrame, is_train: pd.Series, columns: list[str]
               ) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Standardise numeric columns with what the training rows say.

    df: all rows; is_train: bool for each row of df, with its index; columns: the
    numeric columns to scale, each with two known training values or more.
    Returns apply(rows) -> a new frame with the index of `rows` and `columns` alone:
    (value - mean) / standard deviation (of the sample, ddof=1). A column whose training
    values are all equal becomes value - mean. A missing value stays missing.
    apply works on a single row.
    """
    ### BEGIN SOLUTION
    train = df.loc[is_train, columns]
    mean = train.mean()
    # .std() of equal values may be 1e-17
    spread = train.std().where(train.max() > train.min(), 1)

    def apply(rows: pd.DataFrame) -> pd.DataFrame:
        return (rows[columns] - mean) / spread

    return apply
    ### END SOLUTION

# %% check="3.1" points=1
check.fit_scaler(fit_scaler)

# %% [markdown]
# **What you should have seen.** A scaler that also looked at the validation rows has seen what it must not see.
# **Predict:** how much better does the AUC get by cheating?

# %%
numbers = ["hour", "temp", "dewp", "humid", "wind_speed", "precip", "visib"]
for name, rows in {"training rows": is_train, "all rows": is_train | True}.items():
    apply = fit_scaler(features, rows, numbers)
    auc = linear_auc(apply(learn).fillna(0), apply(validation).fillna(0))
    print(f"fitted on {name:14} AUC {auc:.3f}")

# %% [markdown]
# Not at all. So no metric will ever tell you. The check looked at the rows instead of the result.
#
# **At work:** scikit-learn's `StandardScaler` in a `Pipeline`. The state has names that end in an underscore, and
# `fit` of the pipeline is the only place where it changes.

# %%
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(train[["hour", "distance"]], train["late"])
scaler = pipeline[0]
print("mean_ ", scaler.mean_.round(2), " scale_", scaler.scale_.round(2))

# %%
yours = fit_scaler(features, is_train, ["hour", "distance"])(validation)
apart = np.abs(yours.to_numpy() - scaler.transform(validation[["hour", "distance"]])).max()
print(f"largest difference to yours below 0.0001: {apart < 1e-4}")

# %% [markdown]
# Not zero, because scikit-learn divides by n and you by n - 1. Nobody can see that in the result either. It becomes a
# bug on the day when one is used in training and the other at serving.
#
# ## 2. Categories
#
# A model wants numbers and `dest` is a code of an airport. *One-hot* gives each code a column of its own. A worked
# example of how not to: `pd.get_dummies` on two days, each by itself.

# %%
day = train["month"].astype(str) + "-" + train["day"].astype(str)
columns = {name: set(pd.get_dummies(train.loc[day == name, "dest"])) for name in ("2-9", "7-9")}
print({name: len(found) for name, found in columns.items()}, "columns,",
      len(columns["2-9"] ^ columns["7-9"]), "of them on one day only")

# %% [markdown]
# The columns depend on the rows that happen to be there. A request has one row, hence one column. The list of columns
# is state too. And two kinds of value need a place that training must reserve: those it never saw, and those it saw
# too rarely to learn from.
#
# ### Exercise 3.2: an encoder with a place for everything (1 point)
#
# Write `fit_encoder`. Rare and unseen values share the column `other`; a missing value has a column of its own.

# %% exercise="3.2"
def fit_encoder(train: pd.Series, min_count: int
                ) -> Callable[[pd.Series], pd.DataFrame]:
    """One-hot columns that are the same for any rows.

    train: text values of the training rows, some missing; min_count: a value with at
    least so many training rows is kept. No value is "other" or "missing" itself; any
    other text is a value, such as "nan". Two texts are one value only if they are equal.
    Returns encode(values) -> a frame with the index of `values` and a column for each
    kept value, as Python sorts them, then `other` (rare or unseen), then `missing`. Each row has a
    single 1, the rest is 0.
    """
    ### BEGIN SOLUTION
    counts = train.value_counts()
    kept = sorted(counts.index[counts >= min_count])
    columns = [*kept, "other", "missing"]

    def encode(values: pd.Series) -> pd.DataFrame:
        names = values.where(values.isin(kept), "other")
        names = names.where(values.notna(), "missing")
        return pd.get_dummies(names, dtype=int).reindex(columns=columns, fill_value=0)

    return encode
    ### END SOLUTION

# %% check="3.2" points=1
check.fit_encoder(fit_encoder)

# %% [markdown]
# **What you should have seen.** Aircraft, from common to rare. **Predict:** how many of the validation flights are
# flown by an aircraft with fewer than 50 training flights?

# %%
for key in ("dest", "tailnum"):
    encoded = fit_encoder(train[key], min_count=50)(validation[key])
    print(f"{key:8} {train[key].nunique():5} values, {encoded.shape[1]:5} columns, "
          f"other: {encoded['other'].mean():5.1%} of the validation flights")

# %% [markdown]
# **At work:** `OneHotEncoder`. Two of its options are your `other`: `min_frequency` for the rare, and
# `handle_unknown="infrequent_if_exist"` for the unseen. (Without the latter it raises, or writes a row of zeros.)

# %%
from sklearn.preprocessing import OneHotEncoder

encoder = OneHotEncoder(min_frequency=50, handle_unknown="infrequent_if_exist", sparse_output=False)
encoder.fit(train[["dest"]])
theirs = encoder.transform(validation[["dest"]])
print("its last column:", encoder.get_feature_names_out()[-1])

# %%
yours = fit_encoder(train["dest"], 50)(validation["dest"])
print("yours without `missing` is the same:", np.array_equal(theirs, yours.drop(columns="missing")))

# %% [markdown]
# ## 3. Time of day
#
# To a linear model, eleven in the evening and midnight are far apart. A worked example: late share by hour of the
# training flights. **Predict:** does the line close to a circle?

# %%
by_hour = train.groupby("hour")["late"].agg(["mean", "size"])
fig, ax = plt.subplots()
ax.plot(by_hour.index, by_hour["mean"] * 100, "o-")
ax.set(xlabel="scheduled hour, New York", ylabel="late share (%)", xlim=(0, 24), xticks=range(0, 25, 3))
figure.show(fig, alt=f"Late share by scheduled hour. It rises from {by_hour['mean'].min():.0%} at "
            f"{by_hour['mean'].idxmin()} o'clock to {by_hour['mean'].max():.0%} at {by_hour['mean'].idxmax()} o'clock. "
            f"There are no flights between midnight and {by_hour.index.min()} o'clock.")

# %% [markdown]
# Put the clock on a circle: each hour becomes a point with two coordinates, sine and cosine of its angle. Midnight and
# eleven in the evening are neighbours again.
#
# ### Exercise 3.3: a clock without a seam (1 point)

# %% exercise="3.3"
def cyclic(x: pd.Series, period: float) -> np.ndarray:
    """A point on the unit circle for each value, once around in one `period`.

    x: shape (n,), int64 or float64, in the unit of `period`: hours with period 24, days
    of the year with period 365.25.
    Returns shape (n, 2), a row for each value. Equal steps of x are equal distances
    anywhere on the circle; x and x + period are one point.
    """
    ### BEGIN SOLUTION
    angle = 2 * np.pi * np.asarray(x, dtype=float) / period
    return np.column_stack([np.sin(angle), np.cos(angle)])
    ### END SOLUTION

# %% check="3.3" points=1
check.cyclic(cyclic)

# %% [markdown]
# **What you should have seen.** The hours of the day in their new place, and what the linear model makes of them, with
# the tools that people use at work: one-hot columns, and scikit-learn's periodic splines, smooth bumps around the
# clock.

# %%
points = cyclic(pd.Series(range(24)), 24)
fig, ax = plt.subplots(figsize=(3.6, 3.6))
ax.plot(*points.T, "o")
for hour in range(0, 24, 3):
    ax.annotate(f"{hour} h", points[hour] * 0.8, ha="center", va="center")
ax.set(aspect="equal", xlabel="sine", ylabel="cosine")
figure.show(fig, alt="The 24 hours as points on a circle, evenly spaced; 23 o'clock lies next to 0 o'clock.")

# %%
from sklearn.preprocessing import SplineTransformer

spline = SplineTransformer(knots=np.linspace(0, 24, 9)[:, None], extrapolation="periodic").fit(learn[["hour"]])
onehot = OneHotEncoder(handle_unknown="ignore").fit(learn[["hour"]])
ways = {"raw hour": lambda rows: rows[["hour"]] / 24, "sine and cosine": lambda rows: cyclic(rows["hour"], 24),
        "one-hot": lambda rows: onehot.transform(rows[["hour"]]),
        "periodic spline": lambda rows: spline.transform(rows[["hour"]])}
for name, make in ways.items():
    print(f"{name:16} AUC of the hour alone {linear_auc(make(learn), make(validation)):.3f}")

# %% [markdown]
# The circle wins little here, and the raw hour is not bad. Nobody flies at three in the morning, so the seam lies where
# there is no traffic. Know your data before you repeat what every tutorial does.
#
# ## 4. Keys with thousands of values
#
# Carrier, flight number and destination make one key: *this* flight, every day. One-hot would need thousands of
# columns. *Target encoding* replaces a key by the late rate of its rows, one column. A worked example of the trap in
# it: a key that occurs once.

# %%
key = features["carrier"] + features["flight"].astype(str) + "-" + features["dest"].astype(str)
counts = key[is_train].value_counts()
once = key[is_train].isin(counts.index[counts == 1])
own_mean = train["late"].groupby(key[is_train]).transform("mean")
print(f"{len(counts):,} keys; {once.sum():,} training rows are the only one of their key.")
print(f"For these the mean of the key equals the label: {(own_mean[once] == train.loc[once, 'late']).mean():.0%}")
print(f"Validation flights whose key training never saw: {(~key[~is_train].isin(counts.index)).mean():.1%}")

# %% [markdown]
# The label has become a feature. The model learns to copy it, and is lost where there is nothing to copy.
#
# The remedy: put the training rows into *folds*. Each row is encoded from the other folds, as if it were new. Whole
# days go into one fold, because flights of one stormy day are alike.
#
# ### Exercise 3.4: target encoding that does not cheat (2 points)
#
# Smoothing is that of lab 1: `m` imagined flights with the overall rate.

# %% exercise="3.4"
def target_encode(keys: pd.Series, y: pd.Series, folds: pd.Series, m: float
                  ) -> pd.Series:
    """Smoothed rate of each row's key, from rows that the row is not judged by.

    keys (none missing), y (0 or 1), folds: one index. folds: the fold of a training
    row, 0 or more; -1 for a hold-out row. There are two folds of training rows or more.
    m: above 0.
    For a row of fold f the source is the training rows of all other folds; for a
    hold-out row it is all training rows.
    Returns, with that index, (sum + m * prior) / (count + m) over the source rows with
    the same key. prior is the mean of y over all source rows, and the answer for a key
    that the source does not have.
    """
    ### BEGIN SOLUTION
    encoded = pd.Series(np.nan, index=keys.index)
    for fold in folds.unique():
        source = (folds >= 0) & (folds != fold)
        prior = y[source].mean()
        groups = y[source].groupby(keys[source]).agg(["sum", "count"])
        rate = (groups["sum"] + m * prior) / (groups["count"] + m)
        here = folds == fold
        encoded[here] = keys[here].map(rate).fillna(prior)
    return encoded
    ### END SOLUTION

# %% check="3.4" points=2
check.target_encode(target_encode)

# %% [markdown]
# **What you should have seen.** Boosted trees on the schedule alone, with and without an encoded key. **Predict** the
# order of the four.

# %%
folds = (features["decision_time"].dt.day_of_year % 5).where(is_train, -1)
right = target_encode(key, features["late"], folds, m=20)
overall = train["late"].mean()
in_sample = key.map(features["late"][is_train].groupby(key[is_train]).mean()).fillna(overall)
on_all = key.map(features["late"].groupby(key).mean())
encodings = {"no encoding": None, "in-sample mean": in_sample, "out-of-fold": right, "mean over all rows": on_all}

# %%
for name, encoded in encodings.items():
    x = features[case.SCHEDULE].assign(**({} if encoded is None else {"key": encoded}))
    model = trees().fit(x.loc[learn.index], learn["late"])
    auc = {part: roc_auc_score(rows["late"], model.predict_proba(x.loc[rows.index])[:, 1])
           for part, rows in {"its own rows": learn, "validation": validation}.items()}
    print(f"{name:20}", "  ".join(f"{part} {value:.3f}" for part, value in auc.items()))

# %% [markdown]
# In-sample means shine on the rows they were made from and lose on new ones. Means over all rows shine where you judge,
# and only there: the labels of the validation months are in them. Done right, the encoding does little harm, and it
# still does not help: a flight number changes its meaning from season to season. That is an honest result too.
#
# **At work:** scikit-learn's `TargetEncoder` cross-fits in `fit_transform`, with your folds if you pass them. Its
# `transform` uses all training rows. Calling `fit(train).transform(train)` instead is the in-sample mistake.

# %%
from sklearn.model_selection import PredefinedSplit
from sklearn.preprocessing import TargetEncoder

tool = TargetEncoder(smooth=20, target_type="continuous", cv=PredefinedSplit(folds[is_train]))
crossed = tool.fit_transform(key[is_train].to_frame(), train["late"])[:, 0]
later = tool.transform(key[validation.index].to_frame())[:, 0]
print("training rows agree:  ", np.allclose(crossed, right[is_train]))
print("validation rows agree:", np.allclose(later, right[validation.index]))

# %% [markdown]
# ## 5. What was going on at the airport
#
# Delays spread. The mean delay of the departures of the last three hours tells a lot about the next ones, *as far as
# they have happened when the desk decides*. A worked example, one evening at Newark: each dot is a flight, at the time
# it was planned and with the delay it had in the end.

# %%
flights = data.load("flights")
planned = flights["time_hour"] + pd.to_timedelta(flights["minute"], unit="min")
events = flights.assign(scheduled=planned, departed=planned + pd.to_timedelta(flights["dep_delay"], unit="min"))
events = events.dropna(subset="dep_delay")[["origin", "scheduled", "departed", "dep_delay"]]
asked = pd.Timestamp("2013-07-10 22:00", tz="UTC")  # 18:00 in New York
newark = events[(events["origin"] == "EWR") & ((events["scheduled"] - asked).abs() <= pd.Timedelta("3h"))]
gone = newark["departed"] <= asked

# %%
fig, ax = plt.subplots()
for rows, name, mark in ((newark[gone], "has left", "o"), (newark[~gone], "has not left when the desk decides", "x")):
    ax.plot((rows["scheduled"] - asked) / pd.Timedelta("1h"), rows["dep_delay"], mark, markersize=4, label=name)
ax.axvline(0, linestyle="--")
ax.set(xlabel="planned departure, hours from the decision", ylabel="delay in the end (min)")
ax.legend(loc="upper left")
waiting = (~gone & (newark["scheduled"] <= asked)).sum()
figure.show(fig, alt=f"Planned departure and delay of flights from Newark around a decision. {waiting} flights were "
            "planned before the decision and have not left yet: the long delays are among them.")

# %% [markdown]
# The crosses to the left of the line are the point. Their planned time lies in the past, their delay in the future. An
# event counts from the moment it *happened*.
#
# ### Exercise 3.5: an as-of mean (2 points)

# %% exercise="3.5"
def asof_mean(events: pd.DataFrame, queries: pd.DataFrame, window: pd.Timedelta
              ) -> pd.Series:
    """Mean departure delay at the origin in the window before each query.

    Only what had happened by then counts.
    events: flights that left, with `origin`, `scheduled`, `departed` (both UTC) and
    `dep_delay` (min), in any order.
    queries: `origin` and `decision_time` (UTC), in any order, an index of their own.
    Returns, with the index of queries, the mean dep_delay of the events at the same
    origin with decision_time - window < departed <= decision_time; missing where there
    is none.
    """
    ### BEGIN SOLUTION
    means = np.full(len(queries), np.nan)
    for origin, places in queries.groupby("origin").indices.items():
        past = events[events["origin"] == origin].sort_values("departed")
        total = np.concatenate([[0.0], past["dep_delay"].cumsum()])
        left, now = past["departed"], queries["decision_time"].iloc[places]
        last = left.searchsorted(now, side="right")
        first = left.searchsorted(now - window, side="right")
        count = last - first
        sums = np.where(count > 0, total[last] - total[first], np.nan)
        means[places] = sums / np.maximum(count, 1)
    return pd.Series(means, index=queries.index)
    ### END SOLUTION

# %% check="3.5" points=2
check.asof_mean(asof_mean)

# %% [markdown]
# **What you should have seen.** You have rebuilt the column `origin_delay_3h` of `features`. One week in July, row for
# row:

# %%
week = features[(features["month"] == 7) & features["day"].between(8, 14)]
by_hand = asof_mean(events, week, pd.Timedelta("3h"))
print(f"{len(week):,} flights, {by_hand.isna().sum()} without a departure in the window")
print("same as the feature table:", np.allclose(by_hand, week["origin_delay_3h"], equal_nan=True))

# %% [markdown]
# **At work, first way: SQL.** An `ASOF JOIN` finds, for each query, the last event at or before its time. Make the
# events *running totals*, and the window is a difference: total at the decision minus total three hours earlier.

# %%
totals = events.groupby(["origin", "departed"])["dep_delay"].agg(["sum", "count"]).groupby("origin").cumsum()
totals = totals.astype(int).set_axis(["minutes", "departures"], axis=1).reset_index()
totals = totals[totals["departed"].between(week["decision_time"].min() - pd.Timedelta("1D"),
                                           week["decision_time"].max())]
totals.tail(3)

# %%
import duckdb

query = """
SELECT (now.minutes - COALESCE(before.minutes, 0)) / NULLIF(now.departures - COALESCE(before.departures, 0), 0) AS mean
FROM (SELECT row_number() OVER () AS n, origin, decision_time FROM week) AS q
ASOF LEFT JOIN totals AS now ON q.origin = now.origin AND q.decision_time >= now.departed
ASOF LEFT JOIN totals AS before ON q.origin = before.origin AND q.decision_time - INTERVAL 3 HOURS >= before.departed
ORDER BY n
"""
by_sql = duckdb.sql(query).df()["mean"].set_axis(week.index)
print("DuckDB agrees in every row:", np.allclose(by_sql, by_hand, equal_nan=True))

# %% [markdown]
# **At work, second way: a feature store.** It keeps each value with its entity (the airport) and its time. A training
# read asks for the values *as of* each row's timestamp, an online read for the latest. Below are Google's own
# libraries; on your machine they talk to the local stand-in.

# %%
from mlelab import vertex

vertex.connect(ephemeral=True)

# %% tags=["nbval-ignore-output"]
import logging
import os
import warnings

from google.cloud import aiplatform, bigquery
from vertexai.resources.preview import FeatureGroup, FeatureOnlineStore, feature_store

# %%
logging.disable(logging.INFO)  # the library reports each step
project = os.environ["GOOGLE_CLOUD_PROJECT"]
aiplatform.init(project=project, location="us-central1")
warnings.filterwarnings("ignore", message="Loading pandas DataFrame")  # names a package that nothing here needs
warehouse = bigquery.Client(project=project)
_ = warehouse.create_dataset("desk")

# %% [markdown]
# History lives in BigQuery: a table with the entity in one column, the time from which a row is true in another, and a
# column for each feature. A **feature group** registers that table, so that others find its features by name.

# %%
history = totals.rename(columns={"origin": "entity_id", "departed": "feature_timestamp"})
_ = warehouse.load_table_from_dataframe(history, "desk.airport").result()
source = feature_store.utils.FeatureGroupBigQuerySource(uri=f"bq://{project}.desk.airport",
                                                        entity_id_columns=["entity_id"])
group = FeatureGroup.create("airport", source)
print("features:", [group.create_feature(name).name for name in ("minutes", "departures")])

# %% [markdown]
# A training set asks that table, for each flight, for the latest row at or before a moment: a **point-in-time join**.
# BigQuery has no `ASOF JOIN`. The usual way numbers the rows that qualify, the latest first, and keeps number 1. (Its
# function `ML.ENTITY_FEATURES_AT_TIME` writes that query for you.) Each flight asks twice: as of its decision, and as
# of three hours before.

# %%
asked = pd.DataFrame({"row": range(len(week)), "origin": week["origin"], "moment": week["decision_time"]})
_ = warehouse.load_table_from_dataframe(asked, "desk.asked").result()
as_of = """
SELECT asked.row, minutes, departures
FROM desk.asked AS asked
LEFT JOIN desk.airport AS known ON known.entity_id = asked.origin
  AND known.feature_timestamp <= TIMESTAMP_SUB(asked.moment, INTERVAL @hours HOUR)
QUALIFY ROW_NUMBER() OVER (PARTITION BY asked.row ORDER BY known.feature_timestamp DESC) = 1
ORDER BY asked.row
"""


def read_as_of(hours: int) -> pd.DataFrame:
    before = bigquery.QueryJobConfig(query_parameters=[bigquery.ScalarQueryParameter("hours", "INT64", hours)])
    rows = warehouse.query(as_of, before).to_arrow().to_pandas()
    return rows[["minutes", "departures"]].set_axis(week.index)

# %%
passed = read_as_of(0) - read_as_of(3).fillna(0)
by_store = passed["minutes"] / passed["departures"].where(passed["departures"] > 0)
print("the feature store agrees in every row:", np.allclose(by_store, by_hand, equal_nan=True))

# %% [markdown]
# Three ways, one number. A service must not wait for a warehouse. It reads from a **feature view** of an **online
# store**: a copy of the latest row of each entity, which a **sync** brings up to date. A view that nobody syncs goes
# stale, and answers all the same.

# %%
online = FeatureOnlineStore.create_bigtable_store("desk")
registered = feature_store.utils.FeatureViewRegistrySource(features=["airport.minutes", "airport.departures"])
view = online.create_feature_view("airport", registered)
_ = view.sync()
print("EWR now:", {feature["name"]: feature["value"] for feature in view.read(["EWR"]).to_dict()["features"]})

# %% [markdown]
# Then the store is deleted, because a real one is billed by the hour.

# %%
online.delete(force=True)
group.delete(force=True)
warehouse.delete_dataset("desk", delete_contents=True)

# %% [markdown]
# Now the leaks that an as-of join prevents. The same linear model with four versions of "delay at the airport".
# **Predict:** which looks best?

# %%
arrived = features.merge(flights[["year", "month", "day", "carrier", "flight", "origin", "dep_delay"]])
by_day, by_hour = ["month", "day", "origin"], ["month", "day", "hour", "origin"]
versions = {"no such feature": None, "as of the decision": features["origin_delay_3h"],
            "mean of the whole day": arrived.groupby(by_day)["dep_delay"].transform("mean"),
            "mean of the same hour, own row included": arrived.groupby(by_hour)["dep_delay"].transform("mean")}
for name, version in versions.items():
    x = features[["hour", "dow", "distance"]].assign(**({} if version is None else {"delay": version.fillna(0)}))
    x = (x - x[is_train].mean()) / x[is_train].std()
    print(f"{name:40} AUC {linear_auc(x.loc[learn.index], x.loc[validation.index]):.3f}")

# %% [markdown]
# Two of them nobody can have at the desk.
#
# ### What do the features buy, and what do the trees?
#
# One table for the whole chapter so far: schedule, then weather, then congestion, for a linear model and for boosted
# trees. Intervals come from resampling whole *days* of the validation months, since the flights of a day rise and fall
# together.

# %%
levels = {column: sorted(learn[column].unique()) for column in case.CATEGORIES}


def with_levels(rows: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The columns and the categories as XGBoost reads them; a code that training never saw is missing."""
    return rows[columns].assign(**{name: pd.Categorical(rows[name].where(rows[name].isin(known)), known)
                                   for name, known in levels.items()})

# %%
groups = {"schedule": case.SCHEDULE, "+ weather": case.SCHEDULE + case.WEATHER,
          "+ congestion": case.SCHEDULE + case.WEATHER + case.CONGESTION}
scores = {}
for name, columns in groups.items():
    linear = case.linear_model(columns).fit(learn, learn["late"])
    scores[f"linear, {name}"] = linear.predict_proba(validation)[:, 1]
    boosted = trees().fit(with_levels(learn, columns), learn["late"])
    scores[f"trees, {name}"] = boosted.predict_proba(with_levels(validation, columns))[:, 1]

# %%
days = validation["decision_time"].dt.tz_convert("America/New_York").dt.date
draws = case.auc_by_days(validation["late"], scores, days)
low, high = draws.quantile([0.025, 0.975]).to_numpy()
fig, ax = plt.subplots()
for place, name in enumerate(scores):
    auc = roc_auc_score(validation["late"], scores[name])
    ax.plot([low[place], high[place]], [-place, -place], color=f"C{place % 2}")
    ax.plot(auc, -place, "o", color=f"C{place % 2}")
ax.set(xlabel="AUC on the validation months, 95 % of the resampled days", yticks=range(0, -len(scores), -1),
       yticklabels=scores)
figure.show(fig, alt="Six AUC values with intervals by days: " + ", ".join(
    f"{name} {roc_auc_score(validation['late'], score):.3f}" for name, score in scores.items()))

# %% [markdown]
# The intervals overlap widely. That does *not* mean that nothing can be said: the same days are hard for both models,
# so look at the difference on the same days.

# %%
for name in groups:
    gain = draws[f"trees, {name}"] - draws[f"linear, {name}"]
    print(f"trees - linear, {name:13} {gain.mean():+.3f}   95 % interval "
          f"{gain.quantile(0.025):+.3f} to {gain.quantile(0.975):+.3f}")

# %% [markdown]
# ## 6. Missing for a reason
#
# `seats` comes from the aircraft register. A worked example: for whom is it missing?

# %%
missing = features["seats"].isna()
table = missing.groupby(features["carrier"]).mean().sort_values(ascending=False)
print(f"missing overall: {missing.mean():.1%}")
table.head(4).map("{:.1%}".format)

# %% [markdown]
# Two airlines report fleet numbers instead of registrations. Dropping rows would drop these airlines. And a missing
# `pressure` means bad weather at the station. **Predict** how different the late share is:

# %%
train.groupby(train["pressure"].isna())["late"].mean().rename({False: "pressure known", True: "missing"}).round(3)

# %% [markdown]
# So fill the gap, for the sake of the model, and say that there was one.
#
# ### Exercise 3.6: fill and tell (1 point)

# %% exercise="3.6"
def fit_imputer(df: pd.DataFrame, is_train: pd.Series, columns: list[str]
                ) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Fill missing numbers with the median of the training rows, and mark them.

    df: all rows; is_train: bool for each row of df, with its index; columns: the
    numeric columns to fill, each with a known value among the training rows.
    Returns apply(rows) -> a new frame with the index of `rows`: first all `columns`
    without missing values, then a mark for each of them in the same order,
    `<column>_missing`: 1 where the value was missing and 0 elsewhere. The columns are
    the same whether or not these rows have gaps.
    """
    ### BEGIN SOLUTION
    median = df.loc[is_train, columns].median()

    def apply(rows: pd.DataFrame) -> pd.DataFrame:
        gaps = rows[columns].isna().astype(int).add_suffix("_missing")
        return pd.concat([rows[columns].fillna(median), gaps], axis=1)

    return apply
    ### END SOLUTION

# %% check="3.6" points=1
check.fit_imputer(fit_imputer)

# %% [markdown]
# **What you should have seen.** The same weather, filled, without and with the marks:

# %%
filled = fit_imputer(features, is_train, case.WEATHER)(features)
scaled = ((filled - filled[is_train].mean()) / filled[is_train].std()).fillna(0)  # most are never missing
for name, columns in {"filled": case.WEATHER, "filled and marked": list(filled)}.items():
    print(f"{name:18} AUC {linear_auc(scaled.loc[learn.index, columns], scaled.loc[validation.index, columns]):.3f}")

# %% [markdown]
# **At work:** `SimpleImputer(strategy="median", add_indicator=True)`. One thing differs, and it is worth knowing:
# it marks only columns that had gaps *when it was fitted*.

# %%
from sklearn.impute import SimpleImputer

tool = SimpleImputer(strategy="median", add_indicator=True).fit(train[["seats", "distance"]])
print("its columns:", list(tool.get_feature_names_out()))
both = fit_imputer(features, is_train, ["seats", "distance"])(validation).drop(columns="distance_missing")
print("the same numbers as yours:", np.array_equal(tool.transform(validation[["seats", "distance"]]), both))

# %% [markdown]
# `distance` is never missing in training. On the day it is, the tool fills it and says nothing. Then a contract on the
# input (lab 2) must speak.
#
# ## 7. Late flights are the smaller part
#
# One flight in six is late. A popular recipe is to repeat the late ones until both kinds are equally many. Two things
# can go wrong. A worked example of the first: repeat, *then* split at random.

# %%
few = learn.sample(6_000, random_state=1)
late_rows = few[few["late"] == 1]
repeated = pd.concat([few, late_rows.sample(len(few) - 2 * len(late_rows), replace=True, random_state=1)])
parts = repeated.sample(frac=1, random_state=1)
cut = int(0.75 * len(parts))
copies = parts[cut:].index.isin(parts[:cut].index)
print(f"{copies[parts[cut:]['late'] == 1].mean():.0%} of the late rows that judge are also in training.")

# %% [markdown]
# The second: the model now believes that every other flight is late. Its *chances* are wrong, although its ranking may
# be fine. If a share $s$ of the rows it learned from was late and the true share is $t$, the odds must be multiplied
# by $\frac{t}{1-t} \big/ \frac{s}{1-s}$.
#
# ### Exercise 3.7: balance, and take it back (2 points)
#
# Write `rebalance`: which rows to train on, and a function that turns the model's chances back into true ones.

# %% exercise="3.7"
def rebalance(y: np.ndarray, is_train: np.ndarray, seed: int
              ) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Training rows with as many late as other flights, and the way back.

    y: shape (n,), 0 or 1; is_train: shape (n,), bool; of the training rows, ones are
    fewer, one at least. seed: for the draw with replacement.
    Returns (rows, restore). rows: positions in y, training rows only, in any order:
    each of them once, and then late ones drawn again at random until both kinds are
    equally many. The same seed draws the same rows.
    restore(p): chances of a model trained on `rows`, shape (k,), as chances at the late
    share of the training rows; 0 stays 0 and 1 stays 1.
    """
    ### BEGIN SOLUTION
    rows = np.flatnonzero(is_train)
    late = rows[y[rows] == 1]
    again = np.random.default_rng(seed).choice(late, len(rows) - 2 * len(late))
    share = len(late) / len(rows)

    def restore(p: np.ndarray) -> np.ndarray:
        return p * share / (p * share + (1 - p) * (1 - share))

    return np.concatenate([rows, again]), restore
    ### END SOLUTION

# %% check="3.7" points=2
check.rebalance(rebalance)

# %% [markdown]
# **What you should have seen.** A forest judged on copies of its own rows, and on rows of its own
# time. **Predict** both.

# %%
from sklearn.ensemble import RandomForestClassifier

numbers = case.SCHEDULE + case.WEATHER + case.CONGESTION


def forest_auc(learn_rows: pd.DataFrame, judge_rows: pd.DataFrame) -> float:
    forest = RandomForestClassifier(40, random_state=0).fit(learn_rows[numbers].fillna(-1), learn_rows["late"])
    return roc_auc_score(judge_rows["late"], forest.predict_proba(judge_rows[numbers].fillna(-1))[:, 1])


in_train = np.arange(len(few)) < 0.75 * len(few)
rows, restore = rebalance(few["late"].to_numpy(), in_train, seed=1)
print(f"repeated before the split: AUC {forest_auc(parts[:cut], parts[cut:]):.3f}")
print(f"repeated after the split:  AUC {forest_auc(few.iloc[rows], few[~in_train]):.3f}")

# %% [markdown]
# **At work** nobody copies rows: `class_weight="balanced"`, or `scale_pos_weight` in XGBoost, weights them. The
# chances are just as wrong, and your `restore` repairs them.

# %%
from sklearn.metrics import brier_score_loss

_, restore = rebalance(learn["late"].to_numpy(), np.full(len(learn), True), seed=0)
plain = case.linear_model().fit(learn, learn["late"]).predict_proba(validation)[:, 1]
weighted = case.linear_model().set_params(logisticregression__class_weight="balanced").fit(learn, learn["late"])
weighted = weighted.predict_proba(validation)[:, 1]
answers = {"plain": plain, "class_weight": weighted, "class_weight, restored": restore(weighted)}
pd.DataFrame({name: {"AUC": roc_auc_score(validation["late"], p), "mean chance": p.mean(),
                     "Brier score": brier_score_loss(validation["late"], p)} for name, p in answers.items()}).T.round(3)

# %% [markdown]
# The ranking hardly moves. Balancing bought nothing, and without `restore` the desk would alert at 1/6 for nearly
# everybody. If errors have different costs, move the threshold (chapter 1), not the data.
#
# ## 8. One definition, two callers
#
# All of the above must happen twice: in training, on a table, and at the desk, on one request. If two people write it,
# it will differ. A worked example: what does each column of the request *mean*? The schema says it (the file of
# `features`, version 1 of our feature table, carries its own), and a fingerprint of it can travel with each request.

# %%
wanted = ["decision_time", "temp", "origin_delay_3h", "seats"]
schema = data.describe("features").set_index("column")["unit"][wanted].to_dict()
print(schema)
print(hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()[:12], "...")

# %% [markdown]
# ### Exercise 3.8: one bundle, two callers (2 points)
#
# Write `fit_bundle`: everything in one place, with one way in for tables and one for requests. For numbers, do what you
# did in exercises 3.1 and 3.6, in this order: standardise, write 0 for a missing value (the mean), and mark it. The
# hour of the desk is New York local, wherever the server stands.

# %% exercise="3.8"
def fit_bundle(train: pd.DataFrame, schema: dict[str, str]
               ) -> tuple[Callable, Callable, str]:
    """Features of tables and of requests, from one definition.

    train: training rows with the columns of `schema`: `decision_time` (UTC timestamps,
    also in requests), the others are numbers, some missing, none constant. schema: for
    each column its unit.
    Returns (batch, online, schema_hash).
    batch(df) -> a frame with the index of df: each number, standardised (ddof=1), 0
    where missing; then `<column>_missing` for each; then `hour_sin`, `hour_cos` of the
    New York hour, a whole number. Numbers in the order of schema.
    online(row: dict, schema_hash: str) -> dict of the same features for one request, in
    the same order. Raises ValueError unless the hash is this bundle's and the row has
    exactly the columns of schema, in any order. A missing number is None or NaN.
    schema_hash: hexadecimal sha256 of json.dumps(schema, sort_keys=True).
    """
    ### BEGIN SOLUTION
    numbers = [column for column in schema if column != "decision_time"]
    mean, spread = train[numbers].mean(), train[numbers].std()
    text = json.dumps(schema, sort_keys=True)
    schema_hash = hashlib.sha256(text.encode()).hexdigest()

    def batch(df: pd.DataFrame) -> pd.DataFrame:
        values = df[numbers].astype(float)
        gaps = values.isna().astype(float).add_suffix("_missing")
        hour = df["decision_time"].dt.tz_convert("America/New_York").dt.hour
        angle = 2 * np.pi * hour / 24
        clock = pd.DataFrame({"hour_sin": np.sin(angle), "hour_cos": np.cos(angle)})
        return pd.concat([((values - mean) / spread).fillna(0), gaps, clock], axis=1)

    def online(row: dict, sent_hash: str) -> dict:
        if sent_hash != schema_hash or set(row) != set(schema):
            raise ValueError("This request was written for another schema.")
        return batch(pd.DataFrame([row])).iloc[0].to_dict()

    return batch, online, schema_hash
    ### END SOLUTION

# %% check="3.8" points=2
check.fit_bundle(fit_bundle)

# %% [markdown]
# **What you should have seen.** Some validation flights as a table and as requests, and a caller who still sends
# degrees Celsius:

# %%
batch, online, schema_hash = fit_bundle(train, schema)
some = validation[wanted].sample(500, random_state=0)
requests = pd.DataFrame([online(row, schema_hash) for row in some.to_dict("records")], index=some.index)
print("batch and online agree:", np.allclose(requests, batch(some)))
celsius = hashlib.sha256(json.dumps(schema | {"temp": "°C"}, sort_keys=True).encode()).hexdigest()
try:
    online(some.iloc[0].to_dict(), celsius)
except ValueError as refused:
    print("refused:", refused)

# %% [markdown]
# ### At work, in SQL: `TRANSFORM`
#
# BigQuery ML keeps the bundle with the model: what stands in `TRANSFORM` is learned in training and applied in every
# prediction. This is your bundle in BigQuery's dialect. Google's own library sends it; on your machine the local
# stand-in answers, with DuckDB and scikit-learn.

# %%
create_model = """
CREATE OR REPLACE MODEL `desk.late`
TRANSFORM(
  IFNULL(ML.STANDARD_SCALER(temp) OVER (), 0) AS temp,
  IFNULL(ML.STANDARD_SCALER(origin_delay_3h) OVER (), 0) AS origin_delay_3h,
  IFNULL(ML.STANDARD_SCALER(seats) OVER (), 0) AS seats,
  IF(temp IS NULL, 1.0, 0.0) AS temp_missing,
  IF(origin_delay_3h IS NULL, 1.0, 0.0) AS origin_delay_3h_missing,
  IF(seats IS NULL, 1.0, 0.0) AS seats_missing,
  SIN(2 * ACOS(-1) * EXTRACT(HOUR FROM decision_time AT TIME ZONE 'America/New_York') / 24) AS hour_sin,
  COS(2 * ACOS(-1) * EXTRACT(HOUR FROM decision_time AT TIME ZONE 'America/New_York') / 24) AS hour_cos,
  late)
OPTIONS(model_type = 'LOGISTIC_REG', input_label_cols = ['late'], data_split_method = 'NO_SPLIT')
AS SELECT decision_time, temp, origin_delay_3h, seats, late FROM desk.train
"""

# %%
from google.cloud import bigquery

warehouse = bigquery.Client()
warehouse.create_dataset("desk")
for name, part in {"train": train, "validation": validation}.items():
    table = part[[*wanted, "late"]]
    warehouse.load_table_from_dataframe(table, f"desk.{name}").result()
_ = warehouse.query(create_model).result()

# %% [markdown]
# `NO_SPLIT` trains on every row: you bring your own validation rows. Without it, BigQuery holds some of yours out. Is
# it the same bundle? `ML.TRANSFORM` gives what the model sees:

# %%
def rows(question: str) -> pd.DataFrame:
    return warehouse.query(question).to_arrow().to_pandas()


seen = rows("SELECT * FROM ML.TRANSFORM(MODEL desk.late, TABLE desk.validation)")
ours = batch(validation)
seen = np.sort(seen[list(ours)].astype(float), axis=0)  # a table in SQL has no order
same = np.allclose(seen, np.sort(ours, axis=0), atol=1e-9)
print(f"{len(ours):,} rows, {ours.shape[1]} features; BigQuery's TRANSFORM gives the same numbers: {same}")

# %% [markdown]
# Is it the same model? Train and score it once in SQL, where no row leaves the warehouse, and once in Python:

# %%
from sklearn.metrics import log_loss

python = LogisticRegression(C=np.inf, max_iter=1000).fit(batch(train), train["late"])
chance = python.predict_proba(ours)[:, 1]
in_python = {"roc_auc": roc_auc_score(validation["late"], chance),
             "log_loss": log_loss(validation["late"], chance)}
in_sql = rows("SELECT * FROM ML.EVALUATE(MODEL desk.late, TABLE desk.validation)").loc[0]
both = pd.DataFrame({"SQL": in_sql[list(in_python)], "Python": in_python})
both.round(3)

# %% [markdown]
# Both score the same. SQL is the shorter way where the rows are in the warehouse already and predictions go back there;
# the desk's single request still wants a service.

# %%
# claim: Both score the same
# unless: both = both.assign(SQL=0.5)
assert np.allclose(both["SQL"], both["Python"], atol=1e-3) and same

# %% [markdown]
# ### At work, inside the model: Keras preprocessing layers
#
# A sure way to have one definition is to ship it *in* the model: raw rows go in, chances come out. Take the
# course's pipeline, trained by scikit-learn, and write its preprocessing as Keras layers with the state it learned.
# (TensorFlow takes a while to import.)

# %%
loud = os.dup(2)
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # TensorFlow's C++ part greets on stderr
try:
    import keras
    import tensorflow as tf
finally:
    os.dup2(loud, 2)

# %%
pipeline = case.linear_model().fit(train, train["late"])
numbers = case.SCHEDULE + case.WEATHER + case.CONGESTION
imputer, scaler = pipeline[0].named_transformers_["pipeline"]
encoder, model = pipeline[0].named_transformers_["onehotencoder"], pipeline[-1]
raw, inputs = [], {}
for column, fill, mean, variance in zip(numbers, imputer.statistics_, scaler.mean_, scaler.var_):
    inputs[column] = keras.Input((1,), name=column)
    known = keras.ops.where(keras.ops.isnan(inputs[column]), float(fill), inputs[column])
    raw.append(keras.layers.Normalization(mean=[mean], variance=[variance])(known))

# %% [markdown]
# Categories: `StringLookup` is Keras's one-hot encoder. Its first column is for values it does not know. The encoder of
# the pipeline keeps its rare values in a last column, and gives unseen ones a row of zeros; so rare values enter the
# vocabulary under their own names, and share one weight.

# %%
weights, used = list(model.coef_[0][:len(numbers)]), len(numbers)
for column, levels, rare in zip(case.CATEGORIES, encoder.categories_, encoder.infrequent_categories_):
    common = [level for level in levels if rare is None or level not in rare]
    coefficients = dict(zip(common, model.coef_[0][used:]))
    used += len(common)
    if rare is not None:
        coefficients |= dict.fromkeys(rare, model.coef_[0][used])
        used += 1
    inputs[column] = keras.Input((1,), name=column, dtype="string")
    lookup = keras.layers.StringLookup(vocabulary=list(coefficients), output_mode="one_hot")
    raw.append(lookup(inputs[column]))
    weights += [0.0, *coefficients.values()]

# %%
import tempfile

chance = keras.layers.Dense(1, activation="sigmoid")
served = keras.Model(inputs, chance(keras.layers.Concatenate()(raw)))
chance.set_weights([np.array(weights)[:, None], model.intercept_])
folder = tempfile.TemporaryDirectory()
served.export(folder.name, verbose=False)
loaded = tf.saved_model.load(folder.name)


def ask(rows: pd.DataFrame) -> np.ndarray:
    """Send raw rows to the exported model: numbers as they are, categories as text."""
    sent = {column: tf.constant(rows[[column]].to_numpy(np.float32)) for column in numbers}
    sent |= {column: tf.constant(rows[[column]].to_numpy(str)) for column in case.CATEGORIES}
    return loaded.serve(sent).numpy()[:, 0]

# %%
rows = validation.sample(500, random_state=0)
apart = np.abs(ask(rows) - pipeline.predict_proba(rows)[:, 1]).max()
print(f"500 raw rows: SavedModel and scikit-learn agree to 0.0001: {apart < 1e-4}")

# %% [markdown]
# Nobody has to re-implement anything: the file carries mean, vocabulary and weights. But it cannot know what the caller
# *means* by a number. Break it on purpose, three times. **Predict:** which one would you notice in the AUC?

# %%
utc = validation["decision_time"] + pd.Timedelta(hours=case.LEAD_HOURS)
broken = {"as trained": {}, "°C sent for °F": {name: (validation[name] - 32) * 5 / 9 for name in ("temp", "dewp")},
          "UTC hour for local hour": {"hour": utc.dt.hour}, "congestion stuck at 0": {"origin_delay_3h": 0.0}}
skews = {}
for name, change in broken.items():
    p = ask(validation.assign(**change))
    skews[name] = {"AUC": roc_auc_score(validation["late"], p), "mean chance": p.mean(),
                   "alerts at 1/6": (p >= 1 / 6).mean()}
pd.DataFrame(skews).T.round(3)

# %% [markdown]
# Look at the second row. The wrong unit hardly harms the AUC, and changes how many passengers are alerted. A dashboard
# with AUC alone would stay green. The schema hash of exercise 3.8 stops it at the door; chapter 9 catches what slips
# through.

# %%
folder.cleanup()

# %% [markdown]
# ## 9. Review: code that you did not write
#
# A feature that looks into the future does not fail. It flatters the model, so nobody searches for the mistake. Reviews
# are where it is found. Do not ask whether code looks right. Ask for **one valid input** for which it
# breaks its docstring.
#
# ### Exercise 3.9: review three versions of asof_mean (3 points)
#
# A colleague hands in three versions of `asof_mean`. Their docstring is that of exercise 3.5.

# %%
def asof_mean_a(
    events: pd.DataFrame, queries: pd.DataFrame, window: pd.Timedelta
) -> pd.Series:
    means = []
    for query in queries.itertuples():
        here = events[events["origin"] == query.origin]
        start, end = query.decision_time - window, query.decision_time
        recent = here[here["departed"].between(start, end)]
        means.append(recent["dep_delay"].mean())
    return pd.Series(means, index=queries.index)

# %%
def asof_mean_b(
    events: pd.DataFrame, queries: pd.DataFrame, window: pd.Timedelta
) -> pd.Series:
    numbered = queries.assign(row=range(len(queries)))
    pairs = numbered.merge(events, on="origin")
    age = pairs["decision_time"] - pairs["departed"]
    recent = pairs[(age >= pd.Timedelta(0)) & (age < window)]
    sums = recent.groupby("row")["dep_delay"].agg(["sum", "count"])
    sums = sums.reindex(range(len(queries)), fill_value=0)
    return (sums["sum"] / sums["count"].clip(lower=1)).set_axis(queries.index)

# %%
def asof_mean_c(
    events: pd.DataFrame, queries: pd.DataFrame, window: pd.Timedelta
) -> pd.Series:
    def mean_before(query: pd.Series) -> float:
        here = events[events["origin"] == query["origin"]]
        known = here[here["scheduled"] <= query["decision_time"]]
        recent = known[known["departed"] > query["decision_time"] - window]
        return recent["dep_delay"].mean()

    return queries.apply(mean_before, axis=1)

# %% [markdown]
# A worked example of an input: one event and one query. A flight leaves JFK ten minutes late, an hour before the
# decision. On this input all three do what the docstring says.

# %%
decision = pd.Timestamp("2013-07-10 18:00", tz="UTC")
planned = decision - pd.Timedelta("70min")
one_event = pd.DataFrame({"origin": ["JFK"], "scheduled": [planned],
                          "departed": [planned + pd.Timedelta("10min")], "dep_delay": [10]})
one_query = pd.DataFrame({"origin": ["JFK"], "decision_time": [decision]})
for version in (asof_mean, asof_mean_a, asof_mean_b, asof_mean_c):
    print(f"{version.__name__:12} {version(one_event, one_query, pd.Timedelta('3h')).item()}")

# %% [markdown]
# Write `review_asof`: for each function one input on which it does not do what the docstring says, or `None` if it is
# right. The input must be valid by that docstring. A small input is easier to read, and earns no more.

# %% exercise="3.9"
def review_asof() -> dict[str, dict | None]:
    """For each version of `asof_mean` an input that exposes it, or None if it is right.

    Returns a dict with the keys "asof_mean_a", "asof_mean_b" and "asof_mean_c". Each
    value is None, or a dict with the arguments of `asof_mean`: `events` and `queries`,
    frames with the columns of its docstring and no others, `departed` being `scheduled`
    and `dep_delay` minutes; and `window`.
    """
    ### BEGIN SOLUTION
    def given(minutes: int, delay: int) -> dict:
        """One flight that left so many minutes after the decision."""
        now = pd.Timestamp("2013-07-10 18:00", tz="UTC")
        left = now + pd.Timedelta(minutes=minutes)
        event = {"origin": "JFK", "scheduled": left - pd.Timedelta(minutes=delay),
                 "departed": left, "dep_delay": delay}
        queries = pd.DataFrame([{"origin": "JFK", "decision_time": now}])
        return {"events": pd.DataFrame([event]), "queries": queries,
                "window": pd.Timedelta("3h")}

    return {
        "asof_mean_a": given(-180, delay=10),
        "asof_mean_b": given(-300, delay=10),
        "asof_mean_c": given(10, delay=30),
    }
    ### END SOLUTION

# %% check="3.9" part="asof_mean_a" points=1
check.review_asof(review_asof, "asof_mean_a")

# %% check="3.9" part="asof_mean_b" points=1
check.review_asof(review_asof, "asof_mean_b")

# %% check="3.9" part="asof_mean_c" points=1
check.review_asof(review_asof, "asof_mean_c")

# %% [markdown]
# **What you should have seen.** Each of the three is a mistake that this chapter has named: a limit on the wrong side,
# a missing value taken for 0, and a look into the future. The last one is the dear one: at the time of the decision
# nobody knows how late a flight will be that has not left.
# %% [markdown]
# ## Where you stand

# %%
check.progress()

# %% [markdown]
# You have scaled, encoded, aggregated as of a moment, filled, balanced and bundled, each by hand and with a tool. You
# also know which of them paid off here: congestion did, encoded keys and balancing did not. Chapter 4 asks how sure you
# may be of that.
