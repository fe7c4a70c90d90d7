"""Wrong (and differently written right) answers of lab 1."""

import graphlib

import numpy as np
import pandas as pd

from tests.wrong_answers import right, wrong

# 1.1 make_label


@wrong("1.1", "M08")
def missing_counts_as_on_time(flights, minutes=30):
    return pd.DataFrame({"late": flights["arr_delay"].fillna(0) >= minutes, "eligible": True})


@wrong("1.1", "M08")
def eligible_but_late_is_false(flights, minutes=30):
    return pd.DataFrame({"late": flights["arr_delay"] >= minutes, "eligible": flights["arr_delay"].notna()})


@wrong("1.1", "M32")
def late_at_departure(flights, minutes=30):
    eligible = flights["arr_delay"].notna()
    late = flights["dep_delay"] >= minutes
    return pd.DataFrame({"late": late.astype("boolean").where(eligible), "eligible": eligible})


@wrong("1.1", "M09")
def drops_rows_without_arrival(flights, minutes=30):
    arrived = flights.dropna(subset="arr_delay")
    return pd.DataFrame({"late": arrived["arr_delay"] >= minutes, "eligible": True})


@wrong("1.1", "M09")
def loses_the_index(flights, minutes=30):
    delay = flights["arr_delay"].reset_index(drop=True)
    return pd.DataFrame({"late": (delay >= minutes).astype("boolean").where(delay.notna()), "eligible": delay.notna()})


@wrong("1.1", "M31")
def exactly_at_the_limit_is_on_time(flights, minutes=30):
    eligible = flights["arr_delay"].notna()
    late = flights["arr_delay"] > minutes
    return pd.DataFrame({"late": late.astype("boolean").where(eligible), "eligible": eligible})


@wrong("1.1", "M27")
def thirty_whatever_was_asked(flights, minutes=30):
    eligible = flights["arr_delay"].notna()
    late = flights["arr_delay"] >= 30
    return pd.DataFrame({"late": late.astype("boolean").where(eligible), "eligible": eligible})


@right("1.1")
def with_floats_and_numpy(flights, minutes=30):
    delay = flights["arr_delay"].to_numpy(dtype=float)
    late = np.where(np.isnan(delay), np.nan, delay >= minutes)
    return pd.DataFrame({"eligible": ~np.isnan(delay), "late": late}, index=flights.index)


# 1.2 available_columns


@wrong("1.2", "M01")
def everything_but_the_label(spec, lead_hours):
    return set(spec["column"]) - {"arr_delay"}


@wrong("1.2", "M01")
def departure_is_in_the_table(spec, lead_hours):
    return set(spec["column"][spec["event"] != "arrival"])


@wrong("1.2", "M01")
def weather_of_the_departure_hour(spec, lead_hours):
    past = spec["event_hours"] + spec["delay_hours"] <= -lead_hours
    return set(spec["column"][past | (spec["event"] == "weather reading")])


@wrong("1.2", "M01")
def publication_delay_ignored(spec, lead_hours):
    return set(spec["column"][spec["event_hours"] <= -lead_hours])


@wrong("1.2", "M01")
def drops_what_correlates_too_well(spec, lead_hours):
    rng = np.random.default_rng(0)
    correlation = pd.Series(rng.uniform(0, 0.6, len(spec)), spec.index)  # none of these columns is suspicious
    return set(spec["column"][correlation.abs() < 0.9])


@wrong("1.2", "M31")
def exactly_in_time_is_too_late(spec, lead_hours):
    return set(spec["column"][spec["event_hours"] + spec["delay_hours"] < -lead_hours])


@wrong("1.2", "M27")
def list_learned_by_heart(spec, lead_hours):
    return {"month", "day", "hour", "carrier", "origin", "dest", "distance", "sched_dep_time"}


@right("1.2")
def row_by_row(spec, lead_hours):
    return {row.column for row in spec.itertuples() if -(row.event_hours + row.delay_hours) >= lead_hours}


# 1.3 temporal_split


@wrong("1.3", "M04")
def random_parts(df, time_col, t1, t2):
    shuffled = df.sample(frac=1, random_state=0)
    first, second = int(0.6 * len(df)), int(0.8 * len(df))
    return shuffled[:first], shuffled[first:second], shuffled[second:]


@wrong("1.3", "M34")
def slices_of_the_file(df, time_col, t1, t2):
    first, second = int((df[time_col] < t1).sum()), int((df[time_col] < t2).sum())
    return df.iloc[:first], df.iloc[first:second], df.iloc[second:]


@wrong("1.3", "M31")
def limits_on_both_sides(df, time_col, t1, t2):
    time = df[time_col]
    return df[time <= t1], df[(time >= t1) & (time <= t2)], df[time >= t2]


@wrong("1.3", "M31")
def limits_on_neither_side(df, time_col, t1, t2):
    time = df[time_col]
    return df[time < t1], df[(time > t1) & (time < t2)], df[time > t2]


@wrong("1.3", "M32")
def by_the_time_of_the_label(df, time_col, t1, t2):
    time = df["arrival_time"]
    return df[time < t1], df[(time >= t1) & (time < t2)], df[time >= t2]


@wrong("1.3", "M09")
def gap_of_a_week_before_each_limit(df, time_col, t1, t2):
    time, week = df[time_col], pd.Timedelta(days=30)
    return df[time < t1 - week], df[(time >= t1) & (time < t2 - week)], df[time >= t2]


@right("1.3")
def with_sorting_and_searching(df, time_col, t1, t2):
    ordered = df.sort_values(time_col)
    first, second = ordered[time_col].searchsorted(pd.Series([t1, t2], dtype=ordered[time_col].dtype), side="left")
    return ordered.iloc[:first], ordered.iloc[first:second], ordered.iloc[second:]


# 1.4 fit_rate_baseline


def lookup(rate, keys, overall):
    def predict(df):
        found = df[keys].merge(rate.rename("rate").reset_index(), on=keys, how="left")["rate"]
        return found.fillna(overall).to_numpy()

    return predict


def smoothed(frame, keys, smoothing, overall):
    groups = frame.groupby(keys, observed=True)["late"].agg(["sum", "count"])
    return (groups["sum"] + smoothing * overall) / (groups["count"] + smoothing)


@wrong("1.4", "M02")
def rates_from_all_rows(train, keys, smoothing):
    def predict(df):
        every = pd.concat([train, df])
        overall = every["late"].mean()
        return lookup(smoothed(every, keys, smoothing, overall), keys, overall)(df)

    return predict


@wrong("1.4", "M02")
def looks_at_the_labels_it_scores(train, keys, smoothing):
    overall = train["late"].mean()
    rate = smoothed(train, keys, smoothing, overall)

    def predict(df):
        assert df["late"].notna().all()
        return lookup(rate, keys, overall)(df)

    return predict


@wrong("1.4", "M38")
def no_answer_for_unseen_keys(train, keys, smoothing):
    rate = smoothed(train, keys, smoothing, train["late"].mean())
    return lookup(rate, keys, np.nan)


@wrong("1.4", "M07")
def mean_of_group_means(train, keys, smoothing):
    overall = train.groupby(keys, observed=True)["late"].mean().mean()
    return lookup(smoothed(train, keys, smoothing, overall), keys, overall)


@wrong("1.4", "M16")
def tiny_groups_taken_at_their_word(train, keys, smoothing):
    return lookup(train.groupby(keys, observed=True)["late"].mean(), keys, train["late"].mean())


@wrong("1.4", "M09")
def inner_join_loses_unseen_rows(train, keys, smoothing):
    rate = smoothed(train, keys, smoothing, train["late"].mean())
    return lambda df: df[keys].merge(rate.rename("rate").reset_index(), on=keys)["rate"].to_numpy()


@right("1.4")
def with_a_dict(train, keys, smoothing):
    overall = train["late"].sum() / len(train)
    rates = {}
    for key, group in train.groupby(keys, observed=True):
        rates[key] = (group["late"].sum() + smoothing * overall) / (len(group) + smoothing)
    return lambda df: pd.Series([rates.get(tuple(row), overall) for row in df[keys].to_numpy()], df.index)


# 1.5 expected_cost


@wrong("1.5", "M35")
def errors_swapped(y, p, threshold, c_fn=5.0, c_fp=1.0):
    alert = p >= threshold
    return (c_fp * (~alert & (y == 1)) + c_fn * (alert & (y == 0))).mean()


@wrong("1.5", "M36")
def per_alert(y, p, threshold, c_fn=5.0, c_fp=1.0):
    alert = p >= threshold
    return (c_fn * (~alert & (y == 1)) + c_fp * (alert & (y == 0))).sum() / max(alert.sum(), 1)


@wrong("1.5", "M06")
def error_rate(y, p, threshold, c_fn=5.0, c_fp=1.0):
    return float(((p >= threshold) != y).mean())


@wrong("1.5", "M06")
def accuracy(y, p, threshold, c_fn=5.0, c_fp=1.0):
    return float(((p >= threshold) == y).mean())


@wrong("1.5", "M31")
def exactly_at_the_threshold_is_silent(y, p, threshold, c_fn=5.0, c_fp=1.0):
    alert = p > threshold
    return (c_fn * (~alert & (y == 1)) + c_fp * (alert & (y == 0))).mean()


@wrong("1.5", "M27")
def one_half_whatever_was_asked(y, p, threshold, c_fn=5.0, c_fp=1.0):
    alert = p >= 0.5
    return (c_fn * (~alert & (y == 1)) + c_fp * (alert & (y == 0))).mean()


@right("1.5")
def with_a_loop(y, p, threshold, c_fn=5.0, c_fp=1.0):
    total = 0.0
    for late, score in zip(y, p):
        total += c_fn if late and score < threshold else c_fp if not late and score >= threshold else 0.0
    return total / len(y)


# 1.6 problem_card


GOOD_CARD = {
    "metric": "missed connections per thousand passengers", "baseline": 12, "target": 9.5, "better": "lower",
    "cost_missed": 5, "cost_needless": 1, "decision": "alert this flight or not", "label": "late by half an hour",
    "prediction_hours": -2, "action_hours": -1.5, "label_hours": 3, "user": "duty manager", "action": "hold the gate",
    "owner": "network operations", "fallback": "the old rule of thumb", "stop_rule": "a week worse than silence",
}


@wrong("1.6", "M37", "measure")
def improve_accuracy():
    return GOOD_CARD | {"metric": "improve accuracy", "baseline": None, "target": None}


@wrong("1.6", "M37", "measure")
def target_below_baseline():
    return GOOD_CARD | {"target": 14}


@wrong("1.6", "M37", "measure")
def needless_alerts_are_free():
    return GOOD_CARD | {"cost_needless": 0}


@wrong("1.6", "M39", "label")
def label_known_before_the_action():
    return GOOD_CARD | {"label": "the crew is late", "label_hours": -3}


@wrong("1.6", "M39", "label")
def label_never_known():
    return GOOD_CARD | {"label": "the passenger was unhappy", "label_hours": float("inf")}


@wrong("1.6", "M39", "label")
def predicts_after_the_action():
    return GOOD_CARD | {"prediction_hours": 0}


@wrong("1.6", "M38", "way out")
def no_fallback():
    return {name: value for name, value in GOOD_CARD.items() if name != "fallback"}


@wrong("1.6", "M38", "way out")
def owner_to_be_decided():
    return GOOD_CARD | {"owner": "TBD"}


@right("1.6", "measure")
@right("1.6", "label")
@right("1.6", "way out")
def another_card():
    return GOOD_CARD


# 1.7 stale


@wrong("1.7", "M33")
def direct_dependents_only(made_from, changed):
    order = list(graphlib.TopologicalSorter(made_from).static_order())
    return [name for name in order if changed in made_from[name]]


@wrong("1.7", "M40")
def ancestors_as_well(made_from, changed):
    order = list(graphlib.TopologicalSorter(made_from).static_order())
    related, size = {changed}, 0
    while len(related) > size:
        size = len(related)
        related |= {name for name in order if related & set(made_from[name])}
        related |= {source for name in related for source in made_from[name]}
    return [name for name in order if name in related - {changed}]


@wrong("1.7", "M34")
def in_alphabetical_order(made_from, changed):
    found = set()
    for name in graphlib.TopologicalSorter(made_from).static_order():
        if changed in made_from[name] or found & set(made_from[name]):
            found.add(name)
    return sorted(found)


@wrong("1.7", "M34")
def circles_go_unnoticed(made_from, changed):
    found, size = {changed}, 0
    while len(found) > size:
        size = len(found)
        found |= {name for name, inputs in made_from.items() if found & set(inputs)}
    depth = dict.fromkeys(found, 0)
    for _ in made_from:
        depth = {name: 1 + max((depth[i] for i in made_from[name] if i in found), default=0) for name in found}
    return sorted(found - {changed}, key=depth.get)


@right("1.7")
def by_repeated_sweeps(made_from, changed):
    order = list(graphlib.TopologicalSorter(made_from).static_order())
    below = {changed}
    for _ in order:
        below |= {name for name in order if below & set(made_from[name])}
    return [name for name in order if name in below and name != changed]
