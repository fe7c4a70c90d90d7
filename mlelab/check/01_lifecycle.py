"""Checks of lab 1: label, prediction time, temporal split, baseline, cost, problem card, lineage."""

import functools
import graphlib
from numbers import Real

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from mlelab import case, data
from mlelab.check.lab import Lab, Trial, differing_rows
from mlelab.check.spy import CountedDict, SpyFrame

lab = Lab("01_lifecycle")


@lab.exercise("1.1", section="label-and-eligibility", hints=(
    "Two questions, two columns: may this flight be labelled at all, and if so, was it late? Answer the first one "
    "before the second.",
    "`eligible` is `flights[\"arr_delay\"].notna()`. A comparison with a missing value gives False, so blank it "
    "afterwards: `.astype(\"boolean\").where(eligible)`."))
def make_label(trial: Trial, answer) -> str:
    minutes = int(trial.rng.choice([15, 20, 45, 60]))
    flights = _flights(trial.rng, minutes)
    delays = flights[["dep_delay", "arr_delay"]]
    call = f"make_label(flights, minutes={minutes})"
    labels = trial.call(answer, flights, minutes=minutes)
    trial.require(isinstance(labels, pd.DataFrame) and {"late", "eligible"} <= set(labels.columns),
                  "The answer is a DataFrame with the columns late and eligible.", call=call, got=type(labels).__name__)
    trial.require(labels.index.equals(flights.index), "The answer has one row for each flight, in the same order and "
                  "with the same index, so that predictions can be joined to it.", mistake="M09", call=call,
                  expected=f"{len(flights)} rows", got=f"{len(labels)} rows")
    eligible = flights["arr_delay"].notna()
    unlabelled = labels.loc[~eligible, ["late", "eligible"]]
    trial.require(not unlabelled["eligible"].any() and unlabelled["late"].isna().all(),
                  "A flight without an arrival has no label: eligible is False and late is missing, not 0.",
                  mistake="M08", call=call, example=delays[~eligible].join(unlabelled).head(3))
    got = labels["late"][eligible].astype(float)
    late = {None: delays["arr_delay"] >= minutes, "M31": delays["arr_delay"] > minutes,
            "M32": delays["dep_delay"] >= minutes, "M27": delays["arr_delay"] >= case.LATE_MINUTES}
    late = {mistake: values[eligible].astype(float) for mistake, values in late.items()}
    trial.require(got.equals(late[None]), f"A flight is late when it arrives {minutes} minutes late or more.",
                  mistake=_matching(late, got), call=call, example=differing_rows(delays[eligible], late[None], got))
    trial.require(labels["eligible"][eligible].all(), "Each flight that arrived is eligible.", mistake="M09", call=call)

    real = answer(trial.table("flights"))
    known = real["eligible"].astype(bool)
    return (f"In 2013, {known.sum():,} of {len(real):,} flights can be labelled, and "
            f"{real['late'][known].astype(float).mean():.2%} of them arrived {case.LATE_MINUTES} minutes late or more.")


def _flights(rng: np.random.Generator, minutes: int) -> pd.DataFrame:
    """Nine flights with an index of their own: at, below and above the limit, never departed, never arrived."""
    arrive = np.array([minutes, minutes - 1, minutes + 1, case.LATE_MINUTES + 1, case.LATE_MINUTES - 1, np.nan, np.nan,
                       minutes + 20, minutes - 20], dtype=float)
    depart = np.array([0, minutes + 5, 0, 0, minutes + 5, np.nan, minutes + 9, -3, minutes + 1], dtype=float)
    order = rng.permutation(len(arrive))
    index = pd.Index(rng.choice(10_000, len(arrive), replace=False), name="flight_id")
    return pd.DataFrame({"carrier": rng.choice(["AA", "UA", "EV"], len(arrive)), "dep_delay": depart[order],
                         "arr_delay": arrive[order]}, index=index)


@lab.exercise("1.2", section="what-is-known-when", hints=(
    "Give each column one number: the hour, counted from scheduled departure, at which its value can first be read.",
    "That hour is `event_hours + delay_hours`. You decide at `-lead_hours`. Keep a column whose hour is not later."))
def available_columns(trial: Trial, answer) -> str:
    lead = float(trial.rng.choice([1.0, 3.0, 6.0]))
    spec = _columns(trial.rng, lead)
    call = f"available_columns(spec, lead_hours={lead:g})"
    got = trial.call(answer, spec, lead)
    trial.require(isinstance(got, (set, frozenset)), "The answer is a set of column names.", call=call,
                  got=type(got).__name__)
    spec["known_at"] = spec["event_hours"] + spec["delay_hours"]
    expected = set(spec["column"][spec["known_at"] <= -lead])
    future = spec[spec["column"].isin(got - expected)]
    trial.require(future.empty, f"A column is kept only if its value exists {lead:g} hours before scheduled departure.",
                  mistake="M01", call=call, example=future.head(3), expected="left out", got="kept")
    missing = spec[spec["column"].isin(expected - got)]
    exact = (missing["known_at"] == -lead).all()
    trial.require(missing.empty, "A value that appears exactly when you decide is there." if exact else
                  "Every column whose value exists in time is kept, whatever it is called.",
                  mistake="M31" if exact else "M27", call=call, example=missing.head(3), expected="kept",
                  got="left out")
    trial.require(got == expected, "The answer names columns of spec only.", mistake="M27", call=call,
                  got=sorted(got - expected))

    described = data.describe("flights")
    kept = answer(described, case.LEAD_HOURS)
    return f"{len(kept)} of the {len(described)} columns of flights exist {case.LEAD_HOURS} hours before departure."


def _columns(rng: np.random.Generator, lead: float) -> pd.DataFrame:
    """A table like data.describe's, with made-up names: for each event a column in time, too late, or just in time."""
    rows = [("registry", -8760.0, 24.0), ("schedule", -2160.0, 0.0), ("weather reading", 0.0, 0.0),
            ("weather reading", -lead, 0.0), ("weather reading", -lead - 0.5, 1.0),
            ("weather reading", -lead - 1, 0.25),
            ("departure", 0.0, 0.0), ("arrival", 2.5, 0.0), ("monthly report", -lead - 24, 720.0)]
    names = [f"column_{number}" for number in rng.choice(900, len(rows), replace=False) + 100]
    spec = pd.DataFrame(rows, columns=["event", "event_hours", "delay_hours"])
    spec.insert(0, "column", names)
    return spec.sample(frac=1, random_state=rng).reset_index(drop=True)


@lab.exercise("1.3", section="split-by-time", hints=(
    "Rows are in no useful order. Ask of each row alone: is its time before `t1`, before `t2`, or later?",
    "Three masks on `df[time_col]`: `< t1`, `>= t1` and `< t2`, `>= t2`. Each row satisfies exactly one."))
def temporal_split(trial: Trial, answer) -> str:
    flights, t1, t2 = _timed_flights(trial.rng)
    call = f"temporal_split(flights, \"decision_time\", t1={t1:%Y-%m-%d}, t2={t2:%Y-%m-%d})"
    parts = trial.call(answer, flights, "decision_time", t1, t2)
    trial.require(isinstance(parts, tuple) and len(parts) == 3 and all(isinstance(p, pd.DataFrame) for p in parts),
                  "The answer is a tuple of three DataFrames: train, validation, test.", call=call)
    edge = flights["decision_time"].isin([t1, t2])
    times = flights[["decision_time", "arrival_time"]]
    count = pd.concat(parts).index.value_counts().reindex(flights.index, fill_value=0)
    trial.require((count == 1).all(), "Each row is in exactly one part.", call=call,
                  mistake="M31" if edge[count != 1].all() else "M09",
                  example=times.assign(parts=count)[count != 1].head(3), expected="1 part")
    got = pd.concat([pd.Series(name, part.index) for name, part in zip(_PARTS, parts)]).reindex(flights.index)
    expected = _part(flights["decision_time"], t1, t2)
    wrong = got != expected
    if wrong.any():
        by_label = got.equals(_part(flights["arrival_time"], t1, t2))
        slices = (got != got.shift()).sum() <= 3
        mistake = "M31" if edge[wrong].all() else "M32" if by_label else "M34" if slices else "M04"
        trial.wrong("Train is earlier than t1, validation runs from t1 to before t2, and test starts at t2.",
                    mistake=mistake, call=call, example=times.assign(expected=expected, got=got)[wrong].head(3))

    real = trial.table("features").dropna(subset="arr_delay")
    train, validation, test = answer(real, "decision_time", case.VALIDATION_START, case.TEST_START)
    return (f"Train {len(train):,} flights, validation {len(validation):,}, test {len(test):,}, and no flight of the "
            "future in train.")


_PARTS = ("train", "validation", "test")


def _part(time: pd.Series, t1: pd.Timestamp, t2: pd.Timestamp) -> pd.Series:
    return pd.Series(np.select([time < t1, time < t2], _PARTS[:2], _PARTS[2]), time.index)


def _timed_flights(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.Timestamp, pd.Timestamp]:
    """Sixty flights in the order of months as text (1, 10, 11, 12, 2, …), two of them exactly at t1 and at t2."""
    t1, t2 = pd.Timestamp(2013, int(rng.integers(4, 8)), 1), pd.Timestamp(2013, int(rng.integers(9, 12)), 1)
    times = pd.to_datetime(rng.integers(0, 363 * 24, 60), unit="h", origin="2013-01-01")
    times = times.to_series().reset_index(drop=True).astype("datetime64[ns]")
    times.iloc[:4] = [t1, t1, t2, t2]
    # Two long flights that decide before t1 and arrive after it, so that the two clocks give two splits.
    times.iloc[4:6] = [t1 - pd.Timedelta(hours=1), t2 - pd.Timedelta(hours=2)]
    flights = pd.DataFrame({"decision_time": times, "arrival_time": times + pd.Timedelta(hours=7)})
    flights = flights.iloc[np.argsort(times.dt.month.astype(str).to_numpy(), kind="stable")]
    flights.index = pd.Index(rng.choice(10_000, len(flights), replace=False), name="flight_id")
    return flights, t1, t2


@lab.exercise("1.4", section="a-baseline-first", hints=(
    "Everything that is learned is learned from `train`: one overall rate, and for each group a count and a number "
    "of late flights. `predict` only looks things up.",
    "A group's rate is `(late + smoothing * overall) / (count + smoothing)`. Look keys up with a left join and give "
    "`overall` to those that are not found."))
def fit_rate_baseline(trial: Trial, answer) -> str:
    keys = [["carrier"], ["carrier", "hour"]][trial.rng.integers(2)]
    smoothing = float(trial.rng.choice([5.0, 20.0]))
    train, new = _rates(trial.rng)
    call = f"fit_rate_baseline(train, keys={keys}, smoothing={smoothing:g})(new)"
    predict = trial.call(answer, train, keys, smoothing)
    trial.require(callable(predict), "fit_rate_baseline returns a function, predict(df).", got=type(predict).__name__)
    spy = SpyFrame(new)
    got = np.asarray(trial.call(predict, spy), dtype=float)
    trial.require(got.shape == (len(new),), "predict gives one probability for each row, in the order of the rows.",
                  mistake="M09", call=call, expected=f"{len(new)} values", got=f"shape {got.shape}")
    unseen = ~new["carrier"].isin(train["carrier"])
    overall = train["late"].mean()
    trial.require(np.isfinite(got[unseen]).all(), "A key that training never saw gets the overall rate: there is "
                  "always an answer.", mistake="M38", call=call, expected=f"{overall:.4f}", got=got[unseen][0],
                  example=new.loc[unseen, keys].head(1))
    mean_of_means = train.groupby(keys)["late"].mean().mean()
    rates = {None: _smoothed(train, new, keys, smoothing, overall),
             "M07": _smoothed(train, new, keys, smoothing, mean_of_means),
             "M16": _smoothed(train, new, keys, 0, overall),
             "M02": _smoothed(pd.concat([train, new]), new, keys, smoothing, pd.concat([train, new])["late"].mean())}
    trial.require(np.allclose(got, rates[None]), "A group's rate is its late flights plus smoothing times the overall "
                  "rate, divided by its flights plus smoothing, all counted on train.",
                  mistake=_matching(rates, got), call=call,
                  example=differing_rows(new[keys], rates[None].round(4), got.round(4)))
    trial.require("late" not in spy.columns_read, "predict does not read the label of the rows it scores.",
                  mistake="M02", call=call)

    real = trial.table("features").dropna(subset="arr_delay")
    real["late"] = (real["arr_delay"] >= case.LATE_MINUTES).astype(int)
    train, validation, _ = case.split(real)
    score = answer(train, ["carrier", "hour"], 20.0)(validation)
    return (f"A table of rates by carrier and hour, no model at all, reaches AUC "
            f"{roc_auc_score(validation['late'], score):.3f} on September and October.")


def _rates(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training rows of one large, one middling and one tiny group, and rows to score, some of an unseen carrier."""
    sizes = {"AA": 300, "UA": 60, "EV": 3}
    chance = dict(zip(sizes, rng.permutation([0.15, 0.45, 0.8])))
    train = pd.DataFrame([(name, hour, int(rng.random() < chance[name])) for name, size in sizes.items()
                          for hour in (6, 18) for _ in range(size)], columns=["carrier", "hour", "late"])
    new = pd.DataFrame({"carrier": rng.permutation([*sizes, *sizes, "ZZ", "ZZ"]), "hour": 18, "late": 1},
                       index=rng.choice(1_000, 8, replace=False))
    return train.sample(frac=1, random_state=rng), new


def _smoothed(train, new, keys, smoothing, overall) -> np.ndarray:
    groups = train.groupby(keys)["late"].agg(["sum", "count"])
    found = new[keys].join(groups, on=keys).fillna(0)
    count = found["count"] + smoothing
    return ((found["sum"] + smoothing * overall) / count.where(count > 0)).fillna(overall).to_numpy()


@lab.exercise("1.5", section="expected-cost", hints=(
    "Alert when `p >= threshold`. Two kinds of flight cost something; all the others cost nothing.",
    "`c_fn` for late flights without an alert, `c_fp` for alerts on flights that are not late; add up, divide by the "
    "number of flights."))
def expected_cost(trial: Trial, answer) -> str:
    threshold = float(trial.rng.choice([0.25, 0.375, 0.625]))
    c_fn, c_fp = float(trial.rng.choice([4.3, 5.9, 7.1])), float(trial.rng.choice([1.1, 1.7]))
    y = np.array([1, 0, 1, 0, 0, 1, 0, 0])
    p = np.array([threshold, threshold, threshold - 0.2, 0.9, threshold - 0.1, 0.95, threshold + 0.01, 0.01])
    order = trial.rng.permutation(len(y))
    y, p = y[order], p[order]
    call = f"expected_cost(y={y.tolist()}, p={p.round(3).tolist()}, {threshold=}, {c_fn=}, {c_fp=})"
    got = trial.call(answer, y, p, threshold, c_fn, c_fp)
    trial.require(isinstance(got, Real) and np.isfinite(got), "The answer is one number.", call=call, got=got)
    alert = p >= threshold
    costs = {None: _cost(y, alert, c_fn, c_fp), "M35": _cost(y, alert, c_fp, c_fn),
             "M36": _cost(y, alert, c_fn, c_fp) * len(y) / alert.sum(), "M06": np.mean(alert != y),
             "M31": _cost(y, p > threshold, c_fn, c_fp), "M27": _cost(y, p >= 0.5, c_fn, c_fp)}
    mistake = _matching(costs, got)
    if mistake is None:
        mistake = "M06" if np.isclose(got, np.mean(alert == y)) else None
    trial.require(np.isclose(got, costs[None]), f"A late flight without an alert costs {c_fn:g}, an alert on a flight "
                  f"that is not late costs {c_fp:g}, and the sum is divided by all {len(y)} flights.",
                  mistake=mistake, call=call, expected=round(costs[None], 4), got=round(float(got), 4))
    for limit, says, cost in ((2.0, "Alert nobody: only late flights cost.", c_fn * y.mean()),
                              (0.0, "Alert everybody: only flights that are not late cost.", c_fp * (1 - y.mean()))):
        got = trial.call(answer, y, p, limit, c_fn, c_fp)
        trial.require(np.isclose(got, cost), says, call=f"threshold={limit:g}", expected=round(cost, 4), got=got)

    real = trial.table("flights")["arr_delay"].dropna()
    late = (real >= case.LATE_MINUTES).astype(int).to_numpy()
    nobody, everybody = (answer(late, np.full(len(late), 0.5), t, case.COST_MISSED, case.COST_NEEDLESS) for t in (2, 0))
    return f"Over 2013, alerting nobody costs {nobody:.3f} a flight and alerting everybody {everybody:.3f}."


def _cost(y: np.ndarray, alert: np.ndarray, c_fn: float, c_fp: float) -> float:
    return float((c_fn * (~alert & (y == 1)) + c_fp * (alert & (y == 0))).mean())


@lab.exercise("1.6", section="the-problem-card", parts=("measure", "label", "way out"), hints=(
    "Write each field for the desk, not for you: who acts on it, by when, and what happens on a bad day.",
    "A metric needs today's value (baseline) and the value to reach (target). Hours are counted from scheduled "
    "departure, so two hours before is -2. A flight arrives some hours *after* departure."))
def problem_card(trial: Trial, answer, part: str) -> str:
    card = trial.call(answer)
    trial.require(isinstance(card, dict), "The card is a dict.", got=type(card).__name__)
    missing = [name for name, kind in _CARD[part].items() if not isinstance(card.get(name), kind)]
    code = {"measure": "M37", "label": "M39", "way out": "M38"}[part]
    trial.require(not missing, "The card has each field of the template, with the right type.", mistake=code,
                  expected={name: _kinds(_CARD[part][name]) for name in missing},
                  got={name: card.get(name) for name in missing})
    for name, kind in _CARD[part].items():
        trial.require(kind is not str or name == "better" or len(card[name].split()) >= 2,
                      f"`{name}` says it in a few words, so that a stranger understands it.", mistake=code,
                      expected="two words or more", got=card[name])
    if part == "measure":
        gain = card["target"] - card["baseline"]
        trial.require(card["better"] in ("lower", "higher"), "`better` says which way is up: lower or higher.",
                      mistake=code, got=card["better"])
        trial.require(gain * (1 if card["better"] == "higher" else -1) > 0, "The target is better than the baseline.",
                      mistake=code, expected=f"{card['better']} than {card['baseline']}", got=card["target"])
        trial.require(card["cost_missed"] > 0 and card["cost_needless"] > 0, "Both kinds of error cost something.",
                      mistake=code, got=(card["cost_missed"], card["cost_needless"]))
        return f"The card promises {card['metric']} from {card['baseline']:g} to {card['target']:g}: it can be refuted."
    if part == "label":
        trial.require(card["prediction_hours"] <= card["action_hours"], "You predict before anybody acts.",
                      mistake=code, expected=f"at most {card['action_hours']:g}", got=card["prediction_hours"])
        trial.require(card["action_hours"] < card["label_hours"] < np.inf, "The label is observed, and only after the "
                      "action: earlier there is nothing to predict, never means nothing to learn from.", mistake=code,
                      expected=f"more than {card['action_hours']:g}, and finite", got=card["label_hours"])
        return _label_wait()
    return "Somebody owns the alert, somebody is told when it fails, and the desk can work without it."


_CARD = {
    "measure": {"metric": str, "baseline": Real, "target": Real, "better": str, "cost_missed": Real,
                "cost_needless": Real},
    "label": {"decision": str, "label": str, "prediction_hours": Real, "action_hours": Real, "label_hours": Real},
    "way out": {"user": str, "action": str, "owner": str, "fallback": str, "stop_rule": str},
}


def _kinds(kind: type) -> str:
    return "text" if kind is str else "a number"


@functools.cache
def _label_wait() -> str:
    wait = case.LEAD_HOURS + case.arrival_hours(data.load("flights"), data.load("airports"))
    half, nearly_all = wait.quantile([0.5, 0.95])
    return (f"In 2013 half of the labels were there {half:.1f} hours after the prediction, "
            f"95 % of them after {nearly_all:.1f} hours.")


@lab.exercise("1.7", section="what-a-change-makes-stale", hints=(
    "Follow the arrows from what changed until nothing new turns up; then put what you found in an order in which it "
    "can be made again.",
    "`graphlib.TopologicalSorter(made_from).static_order()` is such an order for everything, and it raises on a "
    "cycle. Walk through it and keep an artefact if one of its inputs is `changed` or was kept."))
def stale(trial: Trial, answer) -> str:
    made_from, changed = _graph(trial.rng)
    call = f"stale(made_from, {changed!r}) with made_from = {made_from}"
    got = trial.call(answer, made_from, changed)
    trial.require(isinstance(got, list) and len(got) == len(set(got)), "The answer is a list without repeats.",
                  call=call, got=got)
    below, above = _descendants(made_from, changed), _ancestors(made_from, changed)
    direct = {name for name, inputs in made_from.items() if changed in inputs}
    trial.require(not set(got) & above, "What the changed artefact was made from is not stale.", mistake="M40",
                  call=call, expected=sorted(below), got=got)
    trial.require(set(got) == below, "Stale is all that was made from the changed artefact, directly or through "
                  "others, and nothing else.", mistake="M33" if set(got) <= direct else None, call=call,
                  expected=sorted(below), got=got)
    place = {name: position for position, name in enumerate(got)}
    early = [(name, i) for name in got for i in made_from[name] if place.get(i, -1) > place[name]]
    trial.require(not early, "An artefact comes after everything that it is made from.", mistake="M34", call=call,
                  expected=f"{early[0][1]} before {early[0][0]}" if early else None, got=got)
    _require_cycle_error(trial, answer)

    order = answer(case.MADE_FROM, "weather")
    return (f"A change in weather makes {len(order)} of the case's {len(case.MADE_FROM)} artefacts stale: "
            f"{', '.join(order)}.")


def _graph(rng: np.random.Generator) -> tuple[dict[str, list[str]], str]:
    """A random graph in which names, order of appearance and order of making all differ, and something to change.

    The changed artefact has an input, two direct dependents and a chain of three below it whose names sort backwards.
    """
    letters = sorted(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), 9, replace=False), reverse=True)
    source, changed, first, second, third, fourth, *others = letters
    made_from = {source: [], changed: [source], first: [changed], second: [first], third: [second, changed],
                 fourth: [third], others[0]: [source], others[1]: [others[0]], others[2]: []}
    names = rng.permutation(list(made_from))
    return {str(name): [str(i) for i in made_from[str(name)]] for name in names}, str(changed)


def _descendants(made_from: dict[str, list[str]], start: str) -> set[str]:
    found = {name for name, inputs in made_from.items() if start in inputs}
    return found.union(*(_descendants(made_from, name) for name in found))


def _ancestors(made_from: dict[str, list[str]], start: str) -> set[str]:
    return set(made_from[start]).union(*(_ancestors(made_from, name) for name in made_from[start]))


def _require_cycle_error(trial: Trial, answer) -> None:
    circular = {"a": ["c"], "b": ["a"], "c": ["b"]}
    try:
        got = answer(CountedDict(circular), "a")
    except (ValueError, graphlib.CycleError):
        return
    except Exception as error:  # any other end of the call is the learner's to hear of
        got = f"{type(error).__name__}: {error}"
    trial.wrong("Artefacts that are made from each other in a circle can never be made: raise ValueError.",
                mistake="M34", call=f"stale({circular}, 'a')", expected="ValueError", got=got)


def _matching(results: dict[str | None, object], got) -> str | None:
    """The mistake whose result is what the learner got; None if it is none of them, or the right one."""
    got = np.asarray(got, dtype=float)
    for mistake, values in results.items():
        if mistake and np.allclose(np.asarray(values, dtype=float), got, equal_nan=True):
            return mistake
    return None
