"""8.7 model_tests: four tests for a model. The models are made so that each has few faults, or none."""

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, roc_auc_score

from . import _real, lab

SPOILT = ("", "", "", "", "nan without seats", "nan", "percent", "above 1", "below 0", "no shape for one row",
          "a column for one row")
DELAY = {"rises": lambda delay, hour: 0.002 * delay, "stays": lambda delay, hour: 0.0 * delay,
         "falls": lambda delay, hour: -0.001 * delay, "falls above 60": lambda delay, hour: -0.1 * (delay >= 60),
         "falls in the morning": lambda delay, hour: np.where(hour < 9, -0.001, 0.003) * delay,
         "falls a lot in the morning": lambda delay, hour: np.where(hour < 9, -0.002, 0.0002) * delay,
         "rises, then falls": lambda delay, hour: 0.004 * delay - 0.2 * (delay >= 60)}
EXACT = {"falls from 60": lambda delay, hour: -0.1 * (delay >= 60),
         "falls after 60": lambda delay, hour: -0.1 * (delay > 60)}


@lab.exercise("8.7", section="tests-for-a-model", hints=(
    "Four questions that accuracy does not ask. For each: which model would fail it, and would a good one pass?",
    "invariance: predict with `flight` shuffled gives the same p. direction: the mean of p with origin_delay_3h + "
    "30 is not below the mean of p. minimum: roc_auc_score on held_out of at least 0.6. schema: for one row and "
    "for all, shape (n,), all finite, within 0 and 1; and a row whose seats are nan. A spoilt model may give nan: "
    "np.nan_to_num before roc_auc_score, which raises otherwise."))
class model_tests:
    rule = ("invariance, direction, minimum and schema: each is True where the model passes it on the held-out rows, "
            "and False where it does not.")

    def inputs(d):
        model = {"spoilt": d.pick(SPOILT), "delay": d.pick(list(DELAY)), "reads flight": d.flag(0.3),
                 "skill": d.pick([0.02, 0.012, 0.0, -0.01])}
        train, held_out = (_rows(d.rng(), d.pick([0.1, 0.3, 0.38, 0.5, 0.7]), d.int(0, 40)) for _ in range(2))
        edge = d.pick(["", "", "", "", *EXACT, "0", "1"])
        if edge in EXACT:  # exactly 30 minutes more decide
            model["delay"], held_out["origin_delay_3h"] = edge, 30.0
        elif edge:  # a chance that just is one
            model["spoilt"] = edge
        p, more = (_chance(model, held_out, delay) for delay in (0, 30))
        auc = roc_auc_score(held_out["late"], np.nan_to_num(_predict(model, held_out)))
        d.need(abs(auc - 0.6) > 0.005 and ((more == p).all() or abs(more.mean() - p.mean()) > 1e-3))
        return dict(model=model, train=train, held_out=held_out)

    def run(model_tests, model, train, held_out):
        if model == "real":
            return model_tests(lambda rows: _real.tested()[0].predict_proba(rows)[:, 1], train, held_out)
        return model_tests(lambda rows: _predict(model, rows), train, held_out)

    def see(got, model, **_):
        """Where the docstring leaves open what a test says of nan or percent, only that it says True or False."""
        free = {"nan without seats": ("invariance", "direction"), "nan": ("invariance", "direction"),
                "percent": ("invariance", "direction", "minimum")}
        free = free.get(model["spoilt"], ()) if isinstance(model, dict) else ()
        return {name: "True or False" if name in free and isinstance(said, (bool, np.bool_)) else said
                for name, said in got.items()}

    def shows(model, train, held_out):
        told = [f"{'is worse than chance' if model['skill'] < 0 else 'ranks with skill ' + str(model['skill'])}",
                f"{model['delay']} with more delay", *(["reads the flight number"] if model["reads flight"] else []),
                *([f"gives {model['spoilt']}"] if model["spoilt"] else [])]
        return f"model_tests(predict of a model that {', '.join(told)}; train, held_out)", held_out.head(4)

    def real():
        _, train, held_out = _real.tested()
        return dict(model="real", train=train, held_out=held_out)

    def figure(got, **_):
        return f"The case's model, with an AUC of {_real.auc():.2f}, passes {sum(got.values())} of {len(got)} tests."


def _rows(rng, noise: float, delay: int) -> pd.DataFrame:
    n = 24
    hour = rng.permutation(n) % 18 + 5
    rows = pd.DataFrame({"hour": hour, "origin_delay_3h": rng.integers(delay, delay + 19, n).astype(float),
                         "seats": rng.choice([50.0, 150.0, np.nan], n, p=[0.5, 0.4, 0.1]),
                         "flight": rng.choice(np.arange(1, 6_000), n, replace=False)},
                        index=rng.permutation(n) + 100)
    late = (hour > 12) ^ (rng.random(n) < noise)
    late[:2] = True, False
    return rows.assign(late=late.astype(int))


def _chance(model: dict, rows: pd.DataFrame, delay: float = 0.0) -> np.ndarray:
    hour, number = rows["hour"].to_numpy(), rows["flight"].to_numpy()
    by_delay = (DELAY | EXACT)[model["delay"]](rows["origin_delay_3h"].to_numpy() + delay, hour)
    p = 0.4 + model["skill"] * (hour - 14) + by_delay
    return p + model["reads flight"] * 0.05 * (number * 7_919 % 10_007 / 10_007)


def _predict(model: dict, rows: pd.DataFrame) -> np.ndarray:
    p, spoilt = _chance(model, rows), model["spoilt"]
    p = np.where(rows["seats"].isna(), np.nan, p) if spoilt == "nan without seats" else p
    p = np.where(rows["hour"] == 9, np.nan, p) if spoilt == "nan" else p
    p = np.where(rows["hour"] == 9, 1.2, p) if spoilt == "above 1" else p
    p = np.where(rows["hour"] == 9, -0.1, p) if spoilt == "below 0" else p
    p = np.where(rows["hour"] == 9, float(spoilt), p) if spoilt in ("0", "1") else p
    p = 100 * p if spoilt == "percent" else p
    if len(rows) == 1 and spoilt.endswith("for one row"):
        return p[0] if spoilt.startswith("no shape") else p.reshape(1, 1)
    return p


# Answers: wrong ones with their misconceptions, and right ones written differently.


def mean(p):
    return np.nanmean(p) if np.isfinite(p).any() else 0.0


def suite(predict, train, rows, *, step=lambda delay: delay + 30, good=lambda y, p: roc_auc_score(y, p) >= 0.6,
        more=lambda after, before: mean(after) >= mean(before) - 1e-12, flight=lambda numbers: numbers[::-1],
        asked=("all", "one", "without seats"), shape=lambda q, n: np.shape(q) == (n,),
        sound=lambda q: np.isfinite(q).all() and (q >= 0).all() and (q <= 1).all(), fill=0.0):
    p = np.asarray(predict(rows))
    groups = {"all": (p, len(rows)), "one": (predict(rows[:1]), 1),
              "without seats": (predict(rows[:1].assign(seats=np.nan)), 1)}
    return {"invariance": bool(np.allclose(p, predict(rows.assign(flight=flight(rows["flight"].to_numpy()))),
                                           equal_nan=True)),
            "direction": bool(more(predict(rows.assign(origin_delay_3h=step(rows["origin_delay_3h"]))), p)),
            "minimum": bool(good(rows["late"], np.where(np.isnan(p), fill, p))),
            "schema": all(bool(shape(q, n) and sound(np.asarray(q))) for q, n in map(groups.get, asked))}


model_tests.variants(suite,
    accuracy_instead_of_auc=("M06", "The minimum is an AUC: accuracy says little where most flights are on time.",
        dict(good=lambda y, p: accuracy_score(y, p >= 0.5) >= 0.6)),
    better_than_chance=("M31", "The AUC must be 0.6: 0.5 is chance.",
        dict(good=lambda y, p: roc_auc_score(y, p) > 0.5)),
    an_auc_of_seventy=("M31", "An AUC of 0.6 is enough.", dict(good=lambda y, p: roc_auc_score(y, p) >= 0.7)),
    any_distance_from_chance=("M40", "An AUC below 0.4 is no good one.",
        dict(good=lambda y, p: abs(roc_auc_score(y, p) - 0.5) >= 0.1)),
    missing_is_certain=("M08", "A chance that is missing counts as 0 for the AUC.", dict(fill=1.0)),
    compares_with_itself=("M78", "Another flight number: the same rows twice prove nothing.",
        dict(flight=lambda numbers: numbers)),
    every_single_row=("M78", "The mean decides the direction: a model may bend in a corner.",
        dict(more=lambda after, before: (after >= before - 1e-12).all())),
    most_rows=("M32", "The mean decides the direction, not the number of rows.",
        dict(more=lambda after, before: np.mean(after >= before - 1e-12) >= 0.5)),
    direction_that_cannot_fail=("M78", "A test that passes whatever the model does proves nothing.",
        dict(more=lambda after, before: True)),
    direction_must_rise=("M31", "More delay must not lower the mean chance: the same passes.",
        dict(more=lambda after, before: mean(after) > mean(before) + 1e-12)),
    direction_reversed=("M40", "More delay must not lower the chance: it may raise it.",
        dict(more=lambda after, before: mean(after) <= mean(before) + 1e-12)),
    one_minute_more=("M32", "30 minutes more, not one.", dict(step=lambda delay: delay + 1)),
    thirty_minutes_for_all=("M32", "30 minutes more, not 30 for everybody.", dict(step=lambda delay: 30.0)),
    a_shape_is_enough=("M78", "Within 0 and 1, and finite: a shape is not enough.", dict(sound=lambda q: True)),
    all_rows_only=("M78", "A single row and a row without seats are asked, too.", dict(asked=["all"])),
    never_without_seats=("M78", "A row without seats is asked, too.", dict(asked=["all", "one"])),
    single_rows_only=("M33", "All rows are asked, not single ones only.", dict(asked=["one", "without seats"])),
    any_shape=("M78", "One row gets an array of one chance.", dict(shape=lambda q, n: True)),
    never_above_one=("M26", "No chance is below 0.", dict(sound=lambda q: np.isfinite(q).all() and (q <= 1).all())),
    never_below_zero=("M26", "No chance is above 1.", dict(sound=lambda q: np.isfinite(q).all() and (q >= 0).all())))


@model_tests.mistake("M02", "The minimum is measured on rows that the model has not learned from.")
def on_the_training_rows(predict, train, held_out):
    return suite(predict, train, train)


@model_tests.mistake("M02", "The AUC is measured on rows that the model has not learned from.")
def auc_on_the_training_rows(predict, train, held_out):
    return suite(predict, train, held_out) | {"minimum": suite(predict, train, train)["minimum"]}


@model_tests.mistake("M78", "A test that passes whatever the model does proves nothing.")
def always_green(predict, train, held_out):
    return dict.fromkeys(["invariance", "direction", "minimum", "schema"], True)


@model_tests.right
def one_by_one(predict, train, held_out):
    found = {}
    base = np.asarray(predict(held_out), float)
    found["schema"] = base.ndim == 1 and bool(((base >= 0) & (base <= 1)).all())
    for row in (held_out.head(1), held_out.tail(1).assign(seats=float("nan"))):
        alone = np.asarray(predict(row), float)
        found["schema"] = found["schema"] and alone.shape == (1,) and 0 <= float(alone[0]) <= 1
    base = np.where(np.isnan(base), 0.0, base)
    renumbered = np.asarray(predict(held_out.assign(flight=held_out["flight"] + 1_000)), float)
    found["invariance"] = bool(np.abs(np.nan_to_num(renumbered) - base).max() < 1e-9)
    steps = [np.nanmean(predict(held_out.assign(origin_delay_3h=held_out["origin_delay_3h"] + d))) for d in (0, 30)]
    found["direction"] = bool(steps[1] >= steps[0] - 1e-9)
    late = held_out["late"].to_numpy() == 1
    above = np.mean([(base[late][:, None] > base[~late]).mean(), (base[late][:, None] >= base[~late]).mean()])
    found["minimum"] = bool(above >= 0.6)
    return found


@model_tests.right
def with_another_number_for_all(predict, train, held_out):
    return suite(predict, train, held_out, flight=lambda numbers: 0)
