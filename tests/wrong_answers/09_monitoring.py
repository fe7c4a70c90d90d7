"""Wrong (and differently written right) answers of lab 9."""

import json

import numpy as np
from scipy import stats
from sklearn.metrics import roc_auc_score

from tests.wrong_answers import right, wrong

# 9.1 psi


def counts(values, edges):
    known = values[~np.isnan(values)]
    found = np.bincount(np.searchsorted(edges, known, side="right"), minlength=len(edges) + 1)
    return np.append(found, np.isnan(values).sum()).astype(float)


def quantiles(values):
    return np.unique(np.nanquantile(values, np.linspace(0, 1, 11)[1:-1]))


def distance(p, q, eps=1e-4):
    p, q = np.maximum(p, eps), np.maximum(q, eps)
    return float(((q - p) * np.log(q / p)).sum())


# 9.2 drifted


def gaps(reference, window):
    return {name: stats.ks_2samp(reference[name].dropna(), window[name].dropna()) for name in reference}


@wrong("9.2", "M13")
def by_p_value(reference, window, limit):
    return {name: found.statistic for name, found in gaps(reference, window).items() if found.pvalue < 0.05}


@wrong("9.2", "M13")
def by_corrected_p_value(reference, window, limit):
    return {name: found.statistic for name, found in gaps(reference, window).items()
            if found.pvalue < 0.05 / len(reference.columns)}


@wrong("9.2", "M32")
def the_mean_only(reference, window, limit):
    shift = (window.mean() - reference.mean()).abs() / reference.std()
    return {name: gaps(reference, window)[name].statistic for name in shift[shift > limit].index}


@wrong("9.2", "M16")
def every_column(reference, window, limit):
    return {name: found.statistic for name, found in gaps(reference, window).items() if name != "tiny"}


@right("9.2")
def cumulative_shares(reference, window, limit):
    found = {}
    for name in reference.columns:
        a, b = (np.sort(frame[name].dropna().to_numpy()) for frame in (reference, window))
        at = np.concatenate([a, b])
        gap = np.abs(np.searchsorted(a, at, "right") / len(a) - np.searchsorted(b, at, "right") / len(b)).max()
        if gap > limit:
            found[name] = float(gap)
    return found


# 9.3 diagnose


def told(train, recent, served, recomputed):
    if (served != recomputed).mean() > 0.01:
        return "skew"
    then, now = (frame.groupby("group")["late"].mean() for frame in (train, recent))
    shares = [frame["group"].value_counts(normalize=True) for frame in (train, recent)]
    if (then - now).abs().max() < 0.05:
        return "data" if (shares[0] - shares[1]).abs().max() >= 0.05 else "none"
    moved = np.log(now / (1 - now)) - np.log(then / (1 - then))
    return "label" if moved.max() - moved.min() < 0.3 else "concept"


# 9.4 performance_asof


def joined(log, labels, now):
    both = log.merge(labels, on="id")
    return both[both["made"] <= now]


def asof(due, now):
    due = due[~due["cancelled"]]
    known = due["arrived"] <= now
    return {"late_share": due.loc[known, "late"].mean(), "coverage": known.mean(), "mature": known.mean() >= 0.95}


@wrong("9.4", "M01")
def labels_of_the_future(log, labels, now):
    due = joined(log, labels, now)
    return asof(due, now) | {"late_share": due["late"].mean()}


@wrong("9.4", "M08")
def pending_is_on_time(log, labels, now):
    due = joined(log, labels, now)
    due = due[~due["cancelled"]]
    return asof(due, now) | {"late_share": due["late"].where(due["arrived"] <= now, 0).mean()}


@wrong("9.4", "M83")
def always_mature(log, labels, now):
    return asof(joined(log, labels, now), now) | {"mature": True}


@wrong("9.4", "M83")
def mature_with_half(log, labels, now):
    found = asof(joined(log, labels, now), now)
    return found | {"mature": found["coverage"] >= 0.1}


@wrong("9.4", "M36")
def cancelled_count_as_on_time(log, labels, now):
    due = joined(log, labels, now)
    known = (due["arrived"] <= now) | due["cancelled"]
    return asof(due, now) | {"late_share": due.loc[known, "late"].fillna(0).mean()}


@wrong("9.4", "M36")
def cancelled_stay_pending(log, labels, now):
    due = joined(log, labels, now)
    return asof(due, now) | {"coverage": (due["arrived"] <= now).mean()}


@right("9.4")
def with_an_index(log, labels, now):
    table = labels.set_index("id").loc[log["id"]]
    due = (log["made"].to_numpy() <= now) & ~table["cancelled"].to_numpy()
    known = due & (table["arrived"].to_numpy() <= now)
    coverage = known.sum() / due.sum()
    return {"late_share": float(table["late"].to_numpy()[known].mean()), "coverage": coverage,
            "mature": not coverage < 0.95}


# 9.5 prediction_moved


def ratio(reference, window):
    expected = window["hour"].map(reference.groupby("hour")["p"].mean()).mean()
    return window["p"].mean() / expected - 1


@wrong("9.5", "M84")
def by_auc(reference, window, tolerance):
    auc = [roc_auc_score(rows["late"], rows["p"]) for rows in (reference, window)]
    return bool(auc[1] < auc[0] - 0.15)


@wrong("9.5", "M85")
def any_hours(reference, window, tolerance):
    return bool(abs(window["p"].mean() / reference["p"].mean() - 1) > tolerance)


@wrong("9.5", "M16")
def any_difference(reference, window, tolerance):
    return bool(abs(ratio(reference, window)) > 0)


@wrong("9.5", "M40")
def downwards_only(reference, window, tolerance):
    return bool(ratio(reference, window) < -tolerance)


@right("9.5")
def with_hourly_weights(reference, window, tolerance):
    by_hour = reference.groupby("hour")["p"].mean()
    weights = window["hour"].value_counts(normalize=True)
    expected = float((by_hour.reindex(weights.index) * weights).sum())
    return not (1 - tolerance) * expected <= window["p"].mean() <= (1 + tolerance) * expected


# 9.6 log_line


def entry(request, version, p, columns):
    return {"request_id": request["request_id"], "model_version": version, "p": p,
            "features": {name: request["features"][name] for name in columns}}


@wrong("9.6", "M30")
def the_whole_request(request, version, p, columns):
    return json.dumps(entry(request, version, p, columns) | {"request": request})


@wrong("9.6", "M65")
def without_the_version(request, version, p, columns):
    return json.dumps({k: v for k, v in entry(request, version, p, columns).items() if k != "model_version"})


@wrong("9.6", "M65")
def time_as_a_name(request, version, p, columns):
    return json.dumps(entry(request, version, p, columns) | {"request_id": request["at"]})


@wrong("9.6", "M41")
def rounded(request, version, p, columns):
    return json.dumps(entry(request, version, round(p, 3), columns))


@wrong("9.6", "M41")
def all_as_text(request, version, p, columns):
    kept = entry(request, version, p, columns)
    return json.dumps(kept | {"features": {name: str(value) for name, value in kept["features"].items()}})


@wrong("9.6", "M65")
def without_the_features(request, version, p, columns):
    return json.dumps({k: v for k, v in entry(request, version, p, columns).items() if k != "features"})


@right("9.6")
def field_by_field(request, version, p, columns):
    line = {"at": request["at"], "request_id": request["request_id"], "model_version": version, "p": p, "features": {}}
    for name in columns:
        line["features"][name] = request["features"][name]
    return json.dumps(line, separators=(",", ":")) + "\n"


# 9.7 alerts


def fired(values, volumes, threshold, for_windows, min_n, cooldown, *, silence=True):
    found, bad, quiet_until = [], 0, -1
    for i, (value, n) in enumerate(zip(values, volumes)):
        if not n and not silence or 0 < n < min_n:
            continue
        bad = bad + 1 if not n or value > threshold else 0
        if bad >= for_windows and i > quiet_until:
            found.append(i)
            quiet_until = i + cooldown
    return found


@wrong("9.7", "M86")
def at_the_first_bad_window(values, volumes, threshold, for_windows, min_n, cooldown):
    return fired(values, volumes, threshold, 1, min_n, cooldown)


@wrong("9.7", "M86")
def each_window_again(values, volumes, threshold, for_windows, min_n, cooldown):
    return fired(values, volumes, threshold, for_windows, min_n, 0)


@wrong("9.7", "M16")
def three_requests_are_enough(values, volumes, threshold, for_windows, min_n, cooldown):
    return fired(values, volumes, threshold, for_windows, 1, cooldown)


@wrong("9.7", "M87")
def no_data_is_fine(values, volumes, threshold, for_windows, min_n, cooldown):
    return fired(values, volumes, threshold, for_windows, min_n, cooldown, silence=False)


@wrong("9.7", "M87")
def no_data_is_zero(values, volumes, threshold, for_windows, min_n, cooldown):
    values, volumes = [value or 0.0 for value in values], [n or min_n for n in volumes]
    return fired(values, volumes, threshold, for_windows, min_n, cooldown)


@wrong("9.7", "M16")
def a_thin_window_is_a_good_one(values, volumes, threshold, for_windows, min_n, cooldown):
    values = [value if n >= min_n or not n else 0.0 for value, n in zip(values, volumes)]
    volumes = [n if n >= min_n or not n else min_n for n in volumes]
    return fired(values, volumes, threshold, for_windows, min_n, cooldown)


@wrong("9.7", "M31")
def one_window_later(values, volumes, threshold, for_windows, min_n, cooldown):
    return fired(values, volumes, threshold, for_windows + 1, min_n, cooldown)


@right("9.7")
def with_a_list_of_verdicts(values, volumes, threshold, for_windows, min_n, cooldown):
    verdicts = [(i, n == 0 or value > threshold) for i, (value, n) in enumerate(zip(values, volumes))
                if n == 0 or n >= min_n]
    found = []
    for k in range(for_windows - 1, len(verdicts)):
        i = verdicts[k][0]
        if all(bad for _, bad in verdicts[k - for_windows + 1:k + 1]) and (not found or i - found[-1] > cooldown):
            found.append(i)
    return found


# 9.8 findings


def found_in(e):
    said = []
    if abs(e["temp_mean"] - (e["temp_mean_reference"] - 32) * 5 / 9) < 6:
        said.append(("unit change", "temp_mean", "convert at the source"))
    if e["feature_age_h"] > e["feature_age_limit_h"]:
        said.append(("stale feature", "feature_age_h", "restart the feed"))
    if 0.05 < e["version_share"] < 0.95:
        said.append(("half-rolled version", "version_share", "finish or undo the rollout"))
    if e["unseen_share"] > 0.05:
        said.append(("renamed category", "unseen_share", "map the new name"))
    return said


@wrong("9.8", "M22")
def retrain_first(evidence):
    return [(fault, why, "retrain the model") for fault, why, _ in found_in(evidence)]


@wrong("9.8", "M54")
def blames_the_weather(evidence):
    storm = evidence["wind_mph"] > 25
    return found_in(evidence) + ([("storm", "wind_mph", "wait")] if storm else [])


@wrong("9.8", "M33")
def the_first_fault_only(evidence):
    return found_in(evidence)[:1]


@wrong("9.8", "M27")
def one_evidence_for_all(evidence):
    return [(fault, "temp_mean", "convert at the source") for fault, _, _ in found_in(evidence)]


@wrong("9.8", "M14")
def sees_faults_everywhere(evidence):
    said = found_in(evidence)
    if not any(fault == "unit change" for fault, _, _ in said):
        said.append(("unit change", "temp_mean", "convert at the source"))
    return said


@wrong("9.8", "M14")
def cold_is_a_unit_change(evidence):
    said = [finding for finding in found_in(evidence) if finding[0] != "unit change"]
    cold = evidence["temp_mean"] < evidence["temp_mean_reference"] - 20
    return said + ([("unit change", "temp_mean", "convert at the source")] if cold else [])


@right("9.8")
def with_a_table(evidence):
    e = evidence
    tests = {"unit change": ("temp_mean", "convert at the source", e["temp_mean"] < e["temp_mean_reference"] / 2),
             "stale feature": ("feature_age_h", "restart the feed", e["feature_age_h"] > e["feature_age_limit_h"]),
             "half-rolled version": ("version_share", "finish or undo the rollout", 0.1 < e["version_share"] < 0.9),
             "renamed category": ("unseen_share", "map the new name", e["unseen_share"] >= 0.1)}
    return [(fault, why, action) for fault, (why, action, holds) in tests.items() if holds]


# 9.9 runbook


def sound():
    return {"alarm": "mean chance more than 15 % from that of the same hours, 3 windows in a row",
            "first_look": "input data of today against yesterday, then which versions answer",
            "roll_back_if": "a version younger than 48 h answers and the mean is still off after 30 minutes",
            "meanwhile": "the desk uses the carrier table of chapter 1", "decides": "head of the desk",
            "reach": "the on-call phone, then the platform team",
            "over_when": "3 windows within 5 % of the expected mean"}


@wrong("9.9", "M22")
def trains_first():
    return sound() | {"first_look": "retrain on the data of today"}


@wrong("9.9", "M22")
def restarts_first():
    return sound() | {"first_look": "restart the service and look whether the data is fine"}


@wrong("9.9", "M22")
def rolls_back_first():
    return sound() | {"first_look": "Roll back, then look at the inputs"}


@wrong("9.9", "M38")
def nobody_decides():
    return sound() | {"decides": ""}


@wrong("9.9", "M38")
def nothing_meanwhile():
    return {name: text for name, text in sound().items() if name != "meanwhile"}


@wrong("9.9", "M37")
def over_when_it_looks_fine():
    return sound() | {"over_when": "it looks fine again"}


@right("9.9")
def another_runbook():
    return {"alarm": "no request for 10 minutes", "first_look": "are features arriving, and from when are they?",
            "roll_back_if": "the error share stays above 1 % for 10 minutes", "meanwhile": "no alerts; desks are told",
            "decides": "the shift lead", "reach": "shift phone", "over_when": "100 requests without an error"}


@right("9.9")
def looks_at_units():
    return sound() | {"first_look": "Units and age of the weather feed, unseen carriers"}


@right("9.9")
def says_what_not_to_do():
    return sound() | {"first_look": "Inputs and versions; do not retrain"}
