"""10.3 proxy_auc: how well the inputs together tell the group. Any folds will do, so worlds are made in which each
mistake is off by more than folds can differ."""

import functools
from contextlib import contextmanager

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlelab.responsible import loans

from . import _real, lab

# world: (how far folds may differ, what its name means, the mistake that it shows)
WORLDS = {
    "noise": (0.2, "columns of pure "
                   "noise", "Noise does not tell the group, whatever the model learned by heart.", "M02"),
    "planted": (0.07, "the group spread over eight columns", "Eight weak hints together tell the group.", "M33"),
    "gaps": (0.08, "a value is missing wherever another column tells the group", "Every row is judged, also one with a "
             "missing value.", "M09"),
    "corners": (0.2, "two columns that tell the group only together, and not in a straight line", "The model is a "
                "logistic regression on standardised columns.", "M32"),
    "one-sided": (0.17, "columns with a value missing in one group only", "A missing value becomes the median; that it "
                  "was missing is no input.", "M32"),
    "units": (0.1, "only a column in small units, with some values missing, tells the group", "The columns "
              "are standardised, and one with gaps stays.", "M32"),
    "sorted": (0.17, "the rows of one group stand before those of the other", "The order of the rows does not matter: "
               "each model sees both groups.", "M34"),
}


@lab.exercise("10.3", section="the-group-is-not-in-the-model", hints=(
    "Turn it around: the group is the label now. What may the model see, and on which rows do you judge it?",
    "Drop `outcomes`, then `cross_val_predict(pipeline, inputs, group, cv=folds, method=\"predict_proba\")[:, 1]`, and "
    "the AUC of that."))
class proxy_auc:
    rule = "The AUC is that of scores from models that have not seen the row, from the inputs alone."
    draws = 2

    def inputs(d):
        names = d.pick([["decision", "decided_on"], ["paid"]])
        return dict(world=d.pick(list(WORLDS)), variant=d.int(0, 5), names=names)

    def run(proxy_auc, world, variant, names):
        rows, group = _made(world, variant)
        outcomes = pd.DataFrame({name: group + place for place, name in enumerate(names)}, index=rows.index)
        with _rows_of_each_fit() as (fitted, filled):
            auc = proxy_auc(pd.concat([outcomes, rows], axis=1), group, names)
            return {"auc": auc, "fitted on": max(fitted, default=0), "filled with": filled}

    def holds(got, world, variant, names):
        filled, fitted, got = got["filled with"], got["fitted on"], got["auc"]
        yield "The answer is one number.", isinstance(got, (float, np.floating)) and np.isfinite(got)
        slack, _, says, code = WORLDS[world]
        right = _right(world, variant)
        yield says, abs(got - right) < slack, code, dict(expected=round(right, 2), got=float(got))
        yield ("Each row is scored by a model that has not seen it: median and standardisation are learned in each "
               "fold, too.", fitted < len(_made(world, variant)[0]), "M02",
               dict(expected="fitted on the other folds", got="fitted on all rows"))
        yield "What is missing is filled with the median.", filled <= {"median"}, "M32"

    steady = False  # folds are free, also from run to run

    def shows(world, variant, names):
        return f"proxy_auc(rows, group, {names}); in rows: {WORLDS[world][1]}", _made(world, variant)[0].iloc[:3, :6]

    def figure():
        return f"22 columns without the group tell it with an AUC of {_of_loans():.2f}. Not in the model, and there."


@contextmanager
def _rows_of_each_fit():
    """What scikit-learn's imputer, scaler and regression are fitted on, and what gaps are filled with: both
    are too small to be seen in the AUC."""
    fitted, filled, kept = [], set(), {kind: kind.fit for kind in (SimpleImputer, StandardScaler, LogisticRegression)}

    def recorded(fit):
        def noting(self, X, *args, **kwargs):
            fitted.append(len(X))
            filled.add(getattr(self, "strategy", "median"))
            return fit(self, X, *args, **kwargs)

        return noting

    for kind, fit in kept.items():
        kind.fit = recorded(fit)
    try:
        yield fitted, filled
    finally:
        for kind, fit in kept.items():
            kind.fit = fit


@functools.cache
def _made(world: str, variant: int):
    rng = np.random.default_rng([variant, list(WORLDS).index(world)])
    n = 140
    group = rng.permutation(np.r_[[1] * 45, [0] * (n - 45)])
    rows = pd.DataFrame(rng.normal(size=(n, 12)), columns=[f"c{i}" for i in range(12)])
    if world == "planted":
        rows.iloc[:, 3:11] += 0.7 * group[:, None]
    elif world == "gaps":  # where c1 is known it says nothing; where it is missing c2 says all
        gone = rng.random(n) < 0.5
        rows.loc[gone, "c1"] = np.nan
        rows.loc[gone, "c2"] += 6.0 * group[gone] - 3
    elif world == "corners":
        rows["c0"] = rng.choice([-1.0, 1.0], n) * rng.uniform(0.5, 1.5, n)
        rows["c1"] = np.sign(rows["c0"]) * np.where(group == 1, 1, -1) * rng.uniform(0.5, 1.5, n)
        rows = rows.iloc[:, :4]
    elif world == "one-sided":
        for column in ("c1", "c5"):
            rows.loc[(group == 1) & (rng.random(n) < 0.6), column] = np.nan
        rows = rows.iloc[:, :8]
    elif world == "units":
        rows["c5"] = (rows["c5"] + 2.5 * group) * 1e-4
        rows = rows.iloc[:, :6]
    elif world == "sorted":
        group = np.sort(group)[::1 if variant % 2 else -1]
        rows["c3"] += 1.5 * group
        rows = rows.iloc[:, :6]
    rows.loc[::9, rows.columns[-1]] = np.nan
    return rows.set_index(rng.permutation(np.arange(500, 500 + n))), group


@functools.cache
def _right(world: str, variant: int) -> float:
    rows, group = _made(world, variant)
    return float(np.mean([roc_auc_score(group, _real.unseen(rows, group, seed)) for seed in range(3)]))


@functools.cache
def _of_loans() -> float:
    table, _ = _real.applications()
    return float(roc_auc_score(table["white"], _real.unseen(table[loans.INPUTS], table["white"].to_numpy())))


# Answers: wrong ones with their misconceptions, and right ones written differently.


@proxy_auc.mistake("M15", "A column that is gone may still be told from the others: measure it.")
def the_column_is_gone(rows, group, outcomes):
    return 0.5


@proxy_auc.mistake("M02", "Each row is scored by a model that has not seen it.")
def judged_where_it_learned(rows, group, outcomes):
    inputs = rows.drop(columns=outcomes)
    return float(roc_auc_score(group, _real.model().fit(inputs, group).predict_proba(inputs)[:, 1]))


@proxy_auc.mistake("M01", "The outcomes are known only with the decision: they are no inputs.")
def outcomes_among_the_inputs(rows, group, outcomes):
    return float(roc_auc_score(group, scored(rows, group)))


@proxy_auc.mistake("M06", "The answer is an AUC: accuracy is high where one group is large.")
def accuracy(rows, group, outcomes):
    return float(cross_val_score(_real.model(), rows.drop(columns=outcomes), group, cv=5, scoring="accuracy").mean())


@proxy_auc.mistake("M33", "All inputs together, not the best of them alone.")
def the_best_single_column(rows, group, outcomes):
    found = [roc_auc_score(group, rows[c].fillna(rows[c].median())) for c in rows.drop(columns=outcomes)]
    return float(max(max(auc, 1 - auc) for auc in found))


@proxy_auc.mistake("M09", "Every row is judged: a missing value is filled with the median, the row stays.")
def complete_rows_only(rows, group, outcomes):
    kept = rows.notna().all(axis=1).to_numpy()
    return float(roc_auc_score(group[kept], scored(rows[kept].drop(columns=outcomes), group[kept])))


@proxy_auc.mistake("M02", "Median and standardisation are learned in each fold from the other rows, too.")
def standardised_before_the_folds(rows, group, outcomes):
    inputs = rows.drop(columns=outcomes)
    inputs = StandardScaler().fit_transform(inputs.fillna(inputs.median()))
    return float(roc_auc_score(group, scored(inputs, group, LogisticRegression(max_iter=1000))))


@proxy_auc.mistake("M32", "The model is a logistic regression: another one answers another question.")
def a_forest(rows, group, outcomes):
    inputs = rows.drop(columns=outcomes).fillna(0)
    return float(roc_auc_score(group, scored(inputs, group, RandomForestClassifier(60, random_state=0))))


@proxy_auc.mistake("M32", "A missing value becomes the median; that it was missing is no input.")
def told_by_the_gaps(rows, group, outcomes):
    inputs = rows.drop(columns=outcomes)
    gaps = inputs.isna().astype(float).add_prefix("no_")
    return float(roc_auc_score(group, scored(inputs.join(gaps.loc[:, gaps.any()]), group)))


@proxy_auc.mistake("M09", "A column with a gap stays an input.")
def complete_columns_only(rows, group, outcomes):
    return float(roc_auc_score(group, scored(rows.drop(columns=outcomes).dropna(axis=1), group)))


@proxy_auc.mistake("M32", "The columns are standardised, so that their units do not count.")
def in_their_own_units(rows, group, outcomes):
    guess = make_pipeline(SimpleImputer(strategy="median"), LogisticRegression(max_iter=1000))
    return float(roc_auc_score(group, scored(rows.drop(columns=outcomes), group, guess)))


@proxy_auc.mistake("M01", "Each of `outcomes` is known only with the decision, not the first alone.")
def the_first_outcome_leaves(rows, group, outcomes):
    return float(roc_auc_score(group, scored(rows.drop(columns=outcomes[0]), group)))


@proxy_auc.mistake("M34", "The rows may stand in the order of the groups: each model needs both.")
def halves_as_they_stand(rows, group, outcomes):
    try:
        scores = cross_val_predict(_real.model(), rows.drop(columns=outcomes), group, cv=KFold(2),
                                   method="predict_proba")[:, 1]
    except ValueError:
        return float("nan")
    return float(roc_auc_score(group, scores))


@proxy_auc.mistake("M50", "The AUC takes the scores, not the decisions made of them.")
def of_hard_decisions(rows, group, outcomes):
    return float(roc_auc_score(group, cross_val_predict(_real.model(), rows.drop(columns=outcomes), group, cv=5)))


@proxy_auc.mistake("M47", "The answer is a number, not nan.")
def not_a_number(rows, group, outcomes):
    return float("nan")


@proxy_auc.right
def fold_by_fold(rows, group, outcomes):
    inputs, scores = rows.drop(columns=outcomes).to_numpy(float), np.empty(len(rows))
    for fit, judge in KFold(5, shuffle=True, random_state=1).split(inputs, group):
        middle = np.nanmedian(inputs[fit], axis=0)
        a, b = (np.where(np.isnan(part), middle, part) for part in (inputs[fit], inputs[judge]))
        mean, std = a.mean(axis=0), np.where(a.std(axis=0) > 0, a.std(axis=0), 1)
        model = LogisticRegression(max_iter=500).fit((a - mean) / std, group[fit])
        scores[judge] = model.decision_function((b - mean) / std)
    return float(roc_auc_score(group, scores))


@proxy_auc.right
def mean_over_folds(rows, group, outcomes):
    folds = StratifiedKFold(4, shuffle=True, random_state=3)
    return float(cross_val_score(_real.model(), rows.drop(columns=outcomes), group, cv=folds, scoring="roc_auc").mean())


def scored(inputs, group, model=None):
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return cross_val_predict(model or _real.model(), inputs, group, cv=folds, method="predict_proba")[:, 1]
