"""Checks of lab 9: PSI, drift, diagnosis, as-of performance, prediction sensor, log, alerts, incident, runbook."""

import functools
import json
import re

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import roc_auc_score

from mlelab import case, data
from mlelab.check.lab import Lab, Trial

from . import _real

lab = Lab("09_monitoring")
EPS = 1e-4


@lab.exercise(
    "9.2",
    section="significance-is-not-importance",
    hints=(
        "What would you say of the same shares in a sample of 500, and of 500,000? The answer must not change.",
        "For each column drop nan and take `scipy.stats.ks_2samp(...).statistic`. Keep the columns whose distance "
        "exceeds the limit. The p-value has no part in it.",
    ),
)
def drifted(trial: Trial, answer) -> str:
    grid = (np.arange(500) + 0.5) / 500
    base = stats.norm.ppf(grid)
    shift = float(trial.rng.uniform(0.03, 0.06))
    reference = pd.DataFrame({"steady": base, "tiny": base, "moved": base, "wider": base, "holes": base})
    window = pd.DataFrame({"steady": base, "tiny": base + shift, "moved": base + 0.6, "wider": base * 2, "holes": base})
    window.loc[::4, "holes"] = np.nan
    right = {"moved", "wider"}
    for times, what in ((1, "500"), (60, "30,000")):
        call = f"drifted(reference, window of {what} rows, limit=0.1)"
        got = trial.call(
            answer,
            pd.concat([reference] * times, ignore_index=True),
            pd.concat([window] * times, ignore_index=True),
            0.1,
        )
        trial.require(isinstance(got, dict), "The answer is a dict of column and distance.", call=call, got=got)
        names = set(got)
        trial.require(
            "tiny" not in names,
            "A shift too small to matter is no drift, however many rows prove it.",
            call=call,
            expected=sorted(right),
            got=sorted(names),
            mistake="M13",
        )
        trial.require(
            "wider" in names,
            "A column that spreads twice as far has drifted, although its mean has not moved.",
            call=call,
            expected=sorted(right),
            got=sorted(names),
            mistake="M32",
        )
        trial.require(
            names == right,
            "The drifted columns are those whose distance exceeds the limit.",
            call=call,
            expected=sorted(right),
            got=sorted(names),
            mistake="M16",
        )
        distance = stats.ks_2samp(reference["moved"], window["moved"]).statistic
        trial.require(
            abs(got["moved"] - distance) < 1e-6,
            "The value is the largest gap between the two cumulative shares.",
            call=call,
            expected=round(distance, 3),
            got=got["moved"],
            mistake="M32",
        )
    flights = _real.flights()
    columns = ["distance", "hour", "temp", "dewp", "origin_delay_3h"]
    found = answer(flights.loc[flights["month"] <= 8, columns], flights.loc[flights["month"] == 9, columns], 0.1)
    distance, p = _distance()
    return (
        f"In September {', '.join(found)} moved by more than 0.1. Distance moved by {distance:.2f}, with a p-value of "
        f"{p:.0e}."
    )


@functools.cache
def _distance() -> tuple[float, float]:
    """How far the distance of September's flights is from those before, and how surely: from all flights."""
    flights = data.load("features").dropna(subset="arr_delay")
    found = stats.ks_2samp(
        flights.loc[flights["month"] <= 8, "distance"], flights.loc[flights["month"] == 9, "distance"]
    )
    return float(found.statistic), float(found.pvalue)


@lab.exercise(
    "9.4",
    section="labels-come-late",
    hints=(
        "Draw the time line of one flight: predicted, due, arrived. What is known at `now`, and about whom?",
        "Take predictions made until now, without the cancelled ones. Known are those with `arrived` <= now. coverage "
        "= known / all of these; late_share over the known; mature if coverage is at least 0.95.",
    ),
)
def performance_asof(trial: Trial, answer) -> str:
    rng, n = trial.rng, 60
    made = np.sort(rng.uniform(0, 20, n)).round(2)
    late = (rng.random(n) < 0.4).astype(float)
    arrived = made + 4 + 4 * late + rng.uniform(0, 1, n).round(2)
    cancelled = rng.choice(n, 6, replace=False)
    late[cancelled], arrived[cancelled] = np.nan, np.nan
    log = pd.DataFrame({"id": [f"r{i}" for i in range(n)], "made": made})
    labels = pd.DataFrame({"id": log["id"], "arrived": arrived, "late": late}).sample(
        frac=1, random_state=int(rng.integers(1_000)), ignore_index=True
    )
    labels["cancelled"] = labels["late"].isna()
    for now in (14.0, 60.0):
        call = f"performance_asof(log of {n} predictions from 0 h to 20 h, labels, now={now:g})"
        got = trial.call(answer, log, labels, now)
        trial.require(
            isinstance(got, dict) and {"late_share", "coverage", "mature"} <= set(got),
            "The answer is a dict with late_share, coverage and mature.",
            call=call,
            got=got,
        )
        right = _asof(log, labels, now)
        both = log.merge(labels, on="id")
        due = both[both["made"] <= now]
        wrong = {
            "M01": due.loc[~due["cancelled"], "late"].mean(),
            "M08": (due["late"].fillna(0) * (due["arrived"] <= now)).sum() / max((~due["cancelled"]).sum(), 1),
            "M36": due.loc[due["arrived"] <= now, "late"].sum()
            / max(len(due[(due["arrived"] <= now) | due["cancelled"]]), 1),
        }
        close = [code for code, value in wrong.items() if np.isclose(got["late_share"], value)]
        trial.require(
            bool(np.isclose(got["late_share"], right["late_share"])),
            "The late share is that of the flights whose outcome had arrived by now.",
            call=call,
            expected=round(right["late_share"], 3),
            got=got["late_share"],
            mistake=close[0] if close else None,
        )
        trial.require(
            bool(np.isclose(got["coverage"], right["coverage"])),
            "Coverage is the share of the predictions so far whose outcome is known, cancelled flights left out.",
            call=call,
            expected=round(right["coverage"], 3),
            got=got["coverage"],
            mistake="M36",
        )
        trial.require(
            bool(got["mature"]) == right["mature"],
            "Until nearly all outcomes are there, the number is not mature: on time comes first.",
            call=call,
            expected=right["mature"],
            got=got["mature"],
            mistake="M83",
        )
    night = _july_night(answer)
    return (
        f"Departures of six hours in July, seen at their end: {night['late_share']:.1%} late among the "
        f"{night['coverage']:.0%} that are known; in the end it is {night['truth']:.1%}."
    )


def _asof(log, labels, now) -> dict:
    both = log.merge(labels, on="id")
    due = both[(both["made"] <= now) & ~both["cancelled"]]
    known = due[due["arrived"] <= now]
    coverage = len(known) / len(due)
    return {"late_share": known["late"].mean(), "coverage": coverage, "mature": coverage >= 0.95}


def _july_night(answer) -> dict:
    """Flights due to leave in the six hours before 22:00 UTC, all days of July, as they are known at that time."""
    log, labels = _july()
    got = answer(log, labels, 0.0)
    return got | {"truth": labels.loc[~labels["cancelled"], "late"].mean()}


@functools.cache
def _july() -> tuple[pd.DataFrame, pd.DataFrame]:
    flights = data.load("flights").query("month == 7").reset_index(drop=True)
    hours = case.arrival_hours(flights, data.load("airports")).reindex(flights.index)
    departure = flights["time_hour"] + pd.to_timedelta(flights["minute"], unit="min")
    # Hours before the next 22:00 UTC of the scheduled departure.
    clock = (departure.dt.hour + departure.dt.minute / 60 - 22) % 24 - 24
    within = (clock >= -6) & (clock < 0)
    log = pd.DataFrame({"id": flights.index.astype(str), "made": clock})[within]
    labels = pd.DataFrame(
        {
            "id": flights.index.astype(str),
            "arrived": clock + hours,
            "late": (flights["arr_delay"] >= case.LATE_MINUTES).astype(float),
        }
    )[within]
    labels["cancelled"] = flights["arr_delay"].isna()[within]
    labels.loc[labels["cancelled"], "late"] = np.nan
    return log, labels


@lab.exercise(
    "9.5",
    section="predictions-as-a-sensor",
    hints=(
        "Predictions are there at once, labels are not. But mornings are calm and evenings are not: compare like with "
        "like.",
        "Mean p of the reference by hour; weight it with the window's shares of hours; that is what to expect. Flag if "
        "the window's mean differs by more than `tolerance` of it, up or down.",
    ),
)
def prediction_moved(trial: Trial, answer) -> str:
    rng = trial.rng
    hours = np.arange(6, 22)
    curve = 0.05 + 0.015 * (hours - 6)

    def rows(weights, factor=1.0, each=40):
        hour = np.repeat(hours, (each * np.asarray(weights)).astype(int))
        p = np.clip(curve[hour - 6] * factor * rng.uniform(0.8, 1.2, len(hour)), 0, 1)
        return pd.DataFrame({"hour": hour, "p": p, "late": (rng.random(len(hour)) < p).astype(int)})

    flat = np.ones(16)
    evening, morning = np.where(hours >= 16, 3, 0.3), np.where(hours < 12, 3, 0.3)
    reference = rows(flat, each=200)
    worlds = [
        (rows(flat), False, "like the reference", "M16"),
        (rows(evening), False, "an evening, and nothing else", "M85"),
        (rows(morning), False, "a morning, and nothing else", "M85"),
        (rows(flat, 0.72), True, "28 % lower, in the same order", "M84"),
        (rows(evening, 0.72), True, "an evening, and 28 % lower", "M85"),
        (rows(morning, 1.35), True, "a morning, and 35 % higher", "M40"),
        (rows(flat, 1.35), True, "35 % higher", "M40"),
    ]
    for window, moved, what, mistake in worlds:
        got = trial.call(answer, reference, window, 0.15)
        trial.require(
            bool(got) == moved,
            f"A window that is {what}: {'moved' if moved else 'not moved'}.",
            call="prediction_moved(reference, window, tolerance=0.15)",
            expected=moved,
            got=bool(got),
            example=window.groupby("hour")["p"].mean().round(3).reset_index().head(3),
            mistake=mistake,
        )
    return _celsius(answer)


@functools.cache
def _autumn() -> tuple:
    flights = _real.flights()
    train, test = flights[flights["month"] <= 8], flights[flights["month"] >= 11]
    model = case.linear_model().fit(train, train["late"])
    return model, train, test


def _celsius(answer) -> str:
    model, _, test = _autumn()
    cold = test.assign(temp=(test["temp"] - 32) * 5 / 9, dewp=(test["dewp"] - 32) * 5 / 9)
    frames = [
        pd.DataFrame({"hour": rows["hour"], "p": model.predict_proba(rows)[:, 1], "late": rows["late"]})
        for rows in (test, cold)
    ]
    auc, level = (
        [float(f(frame)) for frame in frames]
        for f in (lambda frame: roc_auc_score(frame["late"], frame["p"]), lambda frame: frame["p"].mean())
    )
    return (
        f"Celsius for Fahrenheit: AUC {auc[0]:.4f} to {auc[1]:.4f}, mean prediction {level[1] / level[0] - 1:+.0%}; "
        f"your sensor says {'moved' if answer(frames[0], frames[1], 0.15) else 'not moved'}."
    )


@lab.exercise(
    "9.6",
    section="a-prediction-can-be-traced",
    hints=(
        "In a year somebody asks about one prediction. What must the line hold so that you can compute it again? And "
        "what must it not hold, whoever reads it?",
        "A dict with request_id, model_version, features (only the columns that the model uses) and p, as it is, "
        "through json.dumps.",
    ),
)
def log_line(trial: Trial, answer) -> str:
    columns = ["hour", "temp", "carrier"]
    p = float(trial.rng.random()) / 3
    request = {
        "request_id": f"r-{trial.rng.integers(10**9)}",
        "at": "2013-09-01T10:00:00Z",
        "features": {
            "hour": int(trial.rng.integers(5, 23)),
            "temp": float(trial.rng.normal(50, 9)),
            "carrier": "UA",
            "name": "Ada L.",
            "email": "ada@example.org",
            "seat": "12F",
        },
    }
    call = f"log_line({request}, version='7', p={p!r}, columns={columns})"
    line = trial.call(answer, request, "7", p, columns)
    trial.require(
        isinstance(line, str) and "\n" not in line.strip("\n"),
        "A line of the log is one line of text.",
        call=call,
        got=line,
    )
    leaked = [word for word in ("ada@example.org", "Ada L.", "12F") if word in line]
    trial.require(
        not leaked,
        "The log holds what the model used, and nothing about the passenger.",
        call=call,
        expected=f"only {columns}",
        got=f"also {leaked}",
        mistake="M30",
    )
    try:
        entry = json.loads(line)
    except ValueError:
        trial.wrong("A line of the log is JSON, so that a program can read it.", call=call, got=line)
    for field, value in {"request_id": request["request_id"], "model_version": "7"}.items():
        trial.require(
            entry.get(field) == value,
            f"The line names the {field.replace('_', ' ')}: without it nobody finds the prediction or the model again.",
            call=call,
            expected=value,
            got=entry.get(field),
            mistake="M65",
        )
    kept = {name: request["features"][name] for name in columns}
    trial.require(
        entry.get("features") == kept,
        "All columns of the model are there, as they were served.",
        call=call,
        expected=kept,
        got=entry.get("features"),
        mistake="M65" if not entry.get("features") else "M41",
    )
    trial.require(
        entry.get("p") == p,
        "The chance is logged to the last digit: a replay must reproduce it.",
        call=call,
        expected=p,
        got=entry.get("p"),
        mistake="M41",
    )
    return "From such lines the lab computes predictions again, to the last digit that the service gave."


@lab.exercise(
    "9.7",
    section="alerts-that-people-keep-on",
    hints=(
        "Sort the windows into three kinds first: bad, good, and too few requests to say. Which kind is a window "
        "without any?",
        "bad: count == 0, or count >= min_n and value > threshold. Skip windows with 0 < count < min_n. Count bad "
        "windows in a row; at for_windows of them fire, unless the last alert was `cooldown` windows ago or less.",
    ),
)
def alerts(trial: Trial, answer) -> str:
    rng = trial.rng
    base = list(rng.uniform(0.0, 0.4, 24))
    full = [200] * 24
    start = int(rng.integers(8, 12))
    spike, fault, thin, silent = (list(base) for _ in range(4))
    spike[start] = 0.9
    few = list(full)
    for i in range(start, start + 6):
        fault[i] = thin[i] = 0.9
        few[i] = 3
    none = list(full)
    for i in range(start, start + 6):
        silent[i], none[i] = None, 0
    gap = list(fault)
    few_gap = list(full)
    gap[start + 1], few_gap[start + 1] = 0.0, 2
    worlds = [
        (spike, full, [], "one bad window", "M86"),
        (thin, few, [], "bad windows with three requests each", "M16"),
        (fault, full, [start + 2], "six bad windows", "M86"),
        (silent, none, [start + 2], "six windows without a request", "M87"),
        (gap, few_gap, [start + 3], "bad windows with one between them that is too thin to say", "M16"),
    ]
    for values, counts, right, what, mistake in worlds:
        call = (
            f"alerts({[None if v is None else round(v, 1) for v in values[start - 1 : start + 7]]} from window "
            f"{start - 1}, counts {counts[start - 1 : start + 7]}, threshold=0.5, for_windows=3, min_n=50, cooldown=6)"
        )
        try:
            got = answer(list(values), list(counts), 0.5, 3, 50, 6)
        except NotImplementedError:
            trial.call(answer, values, counts, 0.5, 3, 50, 6)
        except Exception as error:
            trial.wrong(
                f"Your function stopped with {type(error).__name__}: {error}.",
                call=call,
                mistake="M87" if values is silent else None,
            )
        got = [int(i) for i in got]
        trial.require(
            got == right,
            f"With {what}, alerts fire at {right}.",
            call=call,
            expected=right,
            got=got,
            mistake="M31" if what == "six bad windows" and got == [start + 3] else mistake,
        )
    long = [0.9] * 24
    got = [int(i) for i in answer(long, full, 0.5, 3, 50, 6)]
    trial.require(
        got == [2, 9, 16, 23],
        "While a fault lasts, the alert comes back after the cool-down, not each window.",
        call="alerts(24 bad windows, cooldown=6)",
        expected=[2, 9, 16, 23],
        got=got,
        mistake="M86",
    )
    quiet = sum(len(answer(list(rng.uniform(0, 0.49, 60)), [200] * 60, 0.5, 3, 50, 6)) for _ in range(3))
    trial.require(
        quiet == 0,
        "On quiet days nothing fires.",
        call="alerts(60 quiet windows)",
        expected=0,
        got=quiet,
        mistake="M16",
    )
    return f"In {60 * 3} quiet windows nothing fires, and a fault that stays fires at window {got[0] + 1} of its life."


_FAULTS = {
    "unit change": ("temp_mean", "convert at the source"),
    "stale feature": ("feature_age_h", "restart the feed"),
    "half-rolled version": ("version_share", "finish or undo the rollout"),
    "renamed category": ("unseen_share", "map the new name"),
}


@lab.exercise(
    "9.8",
    section="an-incident",
    hints=(
        "For each number: what did the reference say, and what could move it so far? What does *not* move in a storm?",
        "unit change: temp_mean is within 5 of (reference - 32) * 5 / 9; merely cold is no fault. stale "
        "feature: feature_age_h above its limit. "
        "half-rolled version: version_share between 0.05 and 0.95. renamed category: unseen_share above 0.05. "
        "Cancellations with much wind are weather. For each fault found give its own evidence and first action.",
    ),
)
def findings(trial: Trial, answer) -> str:
    names = list(_FAULTS)
    for count in (0, 1, 2, 4):
        planted = set(trial.rng.choice(names, count, replace=False))
        storm = bool(trial.rng.random() < 0.5) or count == 0
        # A snow storm is cold: far below the reference in °F, and still far from the reference in °C.
        cold = storm and (count == 0 or bool(trial.rng.random() < 0.5))
        temperature = (33.0 if cold else 55.0) + float(trial.rng.uniform(-2, 2))
        evidence = {
            "temp_mean": 13.5 if "unit change" in planted else temperature,
            "temp_mean_reference": 56.0,
            "feature_age_h": 30.0 if "stale feature" in planted else 1.0,
            "feature_age_limit_h": 3.0,
            "version_share": 0.5 if "half-rolled version" in planted else 1.0,
            "unseen_share": 0.2 if "renamed category" in planted else 0.001,
            "cancelled_share": 0.45 if storm else 0.02,
            "wind_mph": 35.0 if storm else 9.0,
        }
        call = f"findings({ {k: round(v, 2) for k, v in evidence.items()} })"
        got = trial.call(answer, evidence)
        shaped = isinstance(got, list) and all(isinstance(f, tuple) and len(f) == 3 for f in got)
        trial.require(shaped, "The answer is a list of triples: fault, evidence, first action.", call=call, got=got)
        found = {fault: (why, action) for fault, why, action in got}
        trial.require(
            not any("weather" in f or "storm" in f for f in found),
            "A storm is weather, not a fault of ours: no finding.",
            call=call,
            expected=sorted(planted),
            got=sorted(found),
            mistake="M54",
        )
        retrain = [f for f, (_, action) in found.items() if "train" in action]
        trial.require(
            not retrain,
            "Training again on broken inputs makes a broken model. First the cause.",
            call=call,
            expected="the cause first",
            got=found.get(retrain[0]) if retrain else None,
            mistake="M22",
        )
        trial.require(
            set(found) == planted,
            "Each planted fault is found, and nothing else.",
            call=call,
            expected=sorted(planted),
            got=sorted(found),
            mistake="M33" if set(found) < planted else "M14",
        )
        for fault in sorted(planted):
            trial.require(
                found[fault] == _FAULTS[fault],
                "Each finding has its own evidence and its own first action.",
                call=call,
                expected=(fault, *_FAULTS[fault]),
                got=(fault, *found[fault]),
                mistake="M27",
            )
    storm = data.load("flights").query("month == 2 and day in (8, 9)")
    return (
        f"On 8 and 9 February 2013 {storm['dep_time'].isna().sum()} flights were cancelled in a snow storm. Nothing "
        "was broken."
    )


@lab.exercise(
    "9.9",
    section="an-incident",
    hints=(
        "Write it for a colleague at three in the morning who has not seen this service before.",
        "First look at data and versions; a rollback with a condition that can be measured; somebody who decides and "
        "can be reached; what the desk does meanwhile; and when it is over, in numbers.",
    ),
)
def runbook(trial: Trial, answer) -> str:
    book = trial.call(answer)
    fields = ["alarm", "first_look", "roll_back_if", "meanwhile", "decides", "reach", "over_when"]
    trial.require(isinstance(book, dict), "A runbook is a dict.", call="runbook()", got=type(book).__name__)
    missing = [name for name in fields if not str(book.get(name, "")).strip()]
    nobody = {"decides", "reach", "meanwhile"} & set(missing)
    trial.require(
        not missing,
        "Each field says something.",
        call="runbook()",
        expected=fields,
        got=f"missing: {missing}",
        mistake="M38" if nobody else "M37",
    )
    acts = re.match(r"\s*(please )?(re-?train|train|re-?start|roll[ -]?back)\b", str(book["first_look"]), re.I)
    trial.require(
        not acts,
        "First look, then act: the first look begins neither with training nor with a restart or a rollback.",
        call="runbook()['first_look']",
        got=book["first_look"],
        mistake="M22",
    )
    for name in ("alarm", "roll_back_if", "over_when"):
        trial.require(
            any(char.isdigit() for char in str(book[name])),
            f"`{name}` can be measured: it has a number.",
            call=f"runbook()['{name}']",
            got=book[name],
            mistake="M37",
        )
    return "Your runbook can be followed by somebody who was not there when it was written."


lab.read(__name__, __path__)
