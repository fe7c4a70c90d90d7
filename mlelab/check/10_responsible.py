"""Checks of lab 10: groups, verdict with interval, proxies, weights, thresholds, Shapley, reasons, privacy, card."""

import functools
import itertools
import math

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlelab import data
from mlelab.check.lab import Lab, Trial
from mlelab.responsible import loans

lab = Lab("10_responsible")


@lab.exercise(
    "10.1",
    section="decisions-by-group",
    hints=(
        "Write the five shares in words first: share of whom, among whom? Then the one row that all are compared with.",
        "Group the rows; each share is the mean of one column over a part of them, and pandas gives nan for the mean "
        "of nothing. The ratio is the column selection over its value at the reference.",
    ),
)
def group_report(trial: Trial, answer) -> str:
    rng = trial.rng
    for _ in range(2):
        n = 120
        group = np.array(["a", "b", "c"])[np.r_[[0] * 60, [1] * 40, [2] * 20]]
        y = np.r_[rng.permutation([1] * 40 + [0] * 20), rng.permutation([1] * 15 + [0] * 25), [0] * 20]
        chosen = np.r_[rng.permutation([1] * 36 + [0] * 24), rng.permutation([1] * 13 + [0] * 27), [1] * 6 + [0] * 14]
        turn = rng.permutation(n)
        y, chosen, group = y[turn], chosen[turn], group[turn]
        call = "group_report(120 rows of a, b and c; nobody of c is positive, reference a)"
        got = trial.call(answer, y, chosen, group, "a")
        columns = ["n", "selection", "TPR", "FPR", "PPV", "ratio"]
        trial.require(
            isinstance(got, pd.DataFrame) and set(columns) <= set(got.columns) and set(got.index) == {"a", "b", "c"},
            "The answer is a frame with a row for each group and the six columns.",
            call=call,
            expected=columns,
            got=list(getattr(got, "columns", [])),
        )
        right, wrong = _report(y, chosen, group, "a"), _wrong_reports(y, chosen, group)
        got = got.loc[["a", "b", "c"], columns].astype(float)
        for column in columns:
            mistake = next(
                (
                    code
                    for code, values in wrong.get(column, {}).items()
                    if np.allclose(got[column], values.loc[got.index], equal_nan=True)
                ),
                None,
            )
            if column == "TPR" and got.loc["c", "TPR"] == 0:
                mistake = mistake or "M47"
            trial.require(
                np.allclose(got[column], right.loc[got.index, column], equal_nan=True),
                f"{column} is {_MEANS[column]}.",
                call=call,
                expected=right.loc[["a", "b", "c"], column].round(3).to_dict(),
                got=got[column].round(3).to_dict(),
                mistake=mistake,
            )
    table, p = _applications()
    ratio = {
        t: answer(table["approved"], (p > t).astype(int), table["group"], "white").loc["Black", "ratio"]
        for t in (0.5, 0.8)
    }
    return (
        f"Selection of Black over white applicants: {ratio[0.5]:.2f} from a chance of 0.5, {ratio[0.8]:.2f} from 0.8."
    )


_MEANS = {
    "n": "the number of the group's rows",
    "selection": "the share chosen among the group's rows",
    "TPR": "the share chosen among the group's positives, nan if it has none",
    "FPR": "the share chosen among the group's negatives",
    "PPV": "the share positive among the group's chosen",
    "ratio": "the group's selection over the reference's",
}


def _report(y, chosen, group, reference) -> pd.DataFrame:
    rows = pd.DataFrame({"y": y, "chosen": chosen, "group": group})
    by = rows.groupby("group")
    report = pd.DataFrame({"n": by.size(), "selection": by["chosen"].mean()})
    for name, given, what, value in (("TPR", "y", "chosen", 1), ("FPR", "y", "chosen", 0), ("PPV", "chosen", "y", 1)):
        report[name] = rows[rows[given] == value].groupby("group")[what].mean().reindex(report.index)
    return report.assign(ratio=report["selection"] / report.loc[reference, "selection"])


def _wrong_reports(y, chosen, group) -> dict[str, dict[str, pd.Series]]:
    rows = pd.DataFrame({"both": y * chosen, "chosen": chosen, "y": y, "right": y == chosen, "group": group})
    by = rows.groupby("group")
    selection = by["chosen"].mean()
    return {
        "selection": {"M06": by["right"].mean(), "M36": by["chosen"].sum() / chosen.sum()},
        "TPR": {
            "M36": by["both"].mean(),
            "M32": by["both"].sum() / by["chosen"].sum(),
            "M06": by["right"].mean(),
            "M47": (by["both"].sum() / by["y"].sum()).fillna(0),
        },
        "ratio": {"M88": selection["a"] / selection, "M32": selection - selection["a"]},
    }


@lab.exercise(
    "10.2",
    section="how-sure",
    hints=(
        "What is drawn anew in each draw, and how many of each group? When does the interval allow a yes, when a no?",
        "`rng.choice(part, (draws, len(part))).mean(axis=1)` for each of the two groups, then quantiles of the ratio "
        "of the two. Compare high and low, not the ratio itself, with 0.8.",
    ),
)
def four_fifths(trial: Trial, answer) -> str:
    seed = int(trial.rng.integers(1_000))
    # (chosen, rows) of the group and of the reference, the verdict, and what a wrong one would have looked at
    cases = [
        ((48, 80), (700, 1_000), "cannot tell", "M16"),
        ((410, 500), (960, 1_000), "not below", "M13"),
        ((500, 1_000), (900, 1_000), "below", "M16"),
        ((18, 30), (21, 30), "cannot tell", "M16"),
        ((360, 600), (16, 20), "cannot tell", "M16"),
    ]
    for (a, n), (b, m), verdict, mistake in cases:
        chosen, group = np.r_[[1] * a, [0] * (n - a), [1] * b, [0] * (m - b)], np.array(["x"] * n + ["y"] * m)
        turn = trial.rng.permutation(n + m)
        call = f"four_fifths({a} of {n} chosen in x, {b} of {m} in y; x against y)"
        got = trial.call(answer, chosen[turn], group[turn], "x", "y", 1_000, seed)
        trial.require(
            isinstance(got, dict) and {"low", "high", "verdict"} <= set(got),
            "The answer is a dict with low, high and verdict.",
            call=call,
            got=got,
        )
        low, high = _interval(a, n, b, m)
        trial.require(
            bool(np.isfinite([got["low"], got["high"]]).all()),
            "Each draw has as many rows of each group as there are, so no draw is without one.",
            call=call,
            expected=f"{low:.2f} to {high:.2f}",
            got=(got["low"], got["high"]),
            mistake="M89",
        )
        slack = 0.25 * (high - low)
        reference_fixed = (high - low) * 0.8 > got["high"] - got["low"]
        trial.require(
            abs(got["low"] - low) < slack and abs(got["high"] - high) < slack,
            "low and high hold 95 % of the draws of the ratio, with both groups drawn.",
            call=call,
            expected=f"about {low:.2f} to {high:.2f}",
            got=f"{got['low']:.2f} to {got['high']:.2f}",
            mistake="M32" if got["low"] <= 0 else "M16" if reference_fixed else None,
        )
        trial.require(
            got["verdict"] == verdict,
            'The verdict is "below" only if all of the interval is below 0.8, and "not below" only if none of it is.',
            call=call,
            expected=verdict,
            got=got["verdict"],
            mistake=mistake,
        )
    few = np.r_[1, 0, [1] * 150, [0] * 150]
    got = trial.call(answer, few, np.array(["x"] * 2 + ["y"] * 300), "x", "y", 500, seed)
    trial.require(
        bool(np.isfinite([got["low"], got["high"]]).all()) and got["verdict"] == "cannot tell",
        "A group of two is drawn as two, however many others there are; about two people you cannot tell.",
        call="four_fifths(1 of 2 chosen in x, 150 of 300 in y)",
        expected="cannot tell",
        got=got,
        mistake="M89",
    )
    table, _ = _applications()
    got = answer(table["approved"].to_numpy(), table["group"].to_numpy(), "Black", "white")
    return f"197 Black applicants: a ratio of 0.74, from {got['low']:.2f} to {got['high']:.2f}, so: cannot tell."


def _interval(a: int, n: int, b: int, m: int) -> tuple[float, float]:
    """The interval that a bootstrap within groups comes to, from many draws."""
    rng = np.random.default_rng(0)
    return tuple(
        np.quantile((rng.binomial(n, a / n, 20_000) / n) / (rng.binomial(m, b / m, 20_000) / m), [0.025, 0.975])
    )


@lab.exercise(
    "10.3",
    section="the-group-is-not-in-the-model",
    hints=(
        "Turn it around: the group is the label now. What may the model see, and on which rows do you judge it?",
        'Drop `outcomes`, then `cross_val_predict(pipeline, inputs, group, cv=folds, method="predict_proba")[:, 1]`, '
        "and the AUC of that.",
    ),
)
def proxy_auc(trial: Trial, answer) -> str:
    made = _hints_of_a_group(int(trial.rng.integers(10)))
    group, outcomes = made["group"], ["decision", "decided_on"]
    for what, kind, says in (
        ("20 columns of pure noise", "noise", "Noise does not tell the group, whatever the model learned by heart."),
        ("20 columns, the group spread over eight", "planted", "Eight weak hints together tell the group."),
    ):
        rows, right = made[kind], made["right", kind]
        call = f"proxy_auc({what}, and two outcomes, 300 rows)"
        got = trial.call(answer, rows, group, outcomes)
        trial.require(isinstance(got, (float, np.floating)), "The answer is one number.", call=call, got=got)
        if abs(got - right) > (0.1 if kind == "noise" else 0.06):
            inputs = rows.drop(columns=outcomes)
            near = {
                "M15": 0.5,
                "M01": 1.0,
                "M02": float(roc_auc_score(group, _pipeline().fit(inputs, group).predict_proba(inputs)[:, 1])),
                "M06": float(cross_val_score(_pipeline(), inputs, group, cv=_folds(), scoring="accuracy").mean()),
                "M33": _best_single(inputs, group),
            }
            mistake = min(near, key=lambda code: abs(near[code] - got))
            trial.wrong(says, call=call, expected=round(right, 2), got=got, mistake=mistake)
    return f"22 columns without the group tell it with an AUC of {_proxy_of_loans():.2f}. Not in the model, and there."


@functools.cache
def _hints_of_a_group(variant: int) -> dict:
    """Rows in which nothing tells the group, rows in which eight columns do together, and how well they do."""
    rng, n = np.random.default_rng(variant), 300
    group = rng.permutation(np.r_[[1] * 230, [0] * 70])
    while True:  # noise can tell a group by luck, and one column can be nearly as good as all
        noise = pd.DataFrame(rng.normal(size=(n, 20)), columns=[f"c{i}" for i in range(20)])
        noise.loc[::9, "c0"] = np.nan
        planted = noise.assign(**{f"c{i}": noise[f"c{i}"] + 0.6 * group for i in range(3, 11)})
        right = {("right", "noise"): _proxy(noise, group), ("right", "planted"): _proxy(planted, group)}
        single, by_luck = _best_single(planted, group), right["right", "noise"]
        if 0.42 < by_luck < 0.58 and right["right", "planted"] - single > 0.1:
            break
    outcomes = {"decision": group + rng.normal(0, 0.1, n), "decided_on": rng.normal(size=n)}
    return {"group": group, "noise": noise.assign(**outcomes), "planted": planted.assign(**outcomes)} | right


def _pipeline():
    return make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(max_iter=1000))


def _folds() -> StratifiedKFold:
    return StratifiedKFold(5, shuffle=True, random_state=0)


def _unseen(rows: pd.DataFrame, label) -> np.ndarray:
    """The chance of 1 for each row, from a model that has not seen it."""
    return cross_val_predict(_pipeline(), rows, label, cv=_folds(), method="predict_proba")[:, 1]


def _proxy(rows: pd.DataFrame, group: np.ndarray) -> float:
    return float(roc_auc_score(group, _unseen(rows, group)))


def _best_single(rows: pd.DataFrame, group: np.ndarray) -> float:
    found = [roc_auc_score(group, rows[column].fillna(rows[column].median())) for column in rows]
    return float(max(max(auc, 1 - auc) for auc in found))


@functools.cache
def _proxy_of_loans() -> float:
    table, _ = _applications()
    return _proxy(table[loans.INPUTS], table["white"].to_numpy())


@functools.cache
def _applications() -> tuple[pd.DataFrame, np.ndarray]:
    """The applications, and for each the chance of approval."""
    table = loans.load(caveats=False)
    return table, _unseen(table[loans.INPUTS], table["approved"])


@lab.exercise(
    "10.4",
    section="mitigation",
    hints=(
        "Four cells: how many rows does each have, and how many would it have if label and group were independent?",
        "Expected over actual. The rows of a group times the rows of a label over n is what independence would give.",
    ),
)
def reweigh(trial: Trial, answer) -> str:
    rng = trial.rng
    for _ in range(2):
        counts = {("a", 1): 50, ("a", 0): 10, ("b", 1): int(rng.integers(8, 14)), ("b", 0): int(rng.integers(15, 22))}
        rows = pd.DataFrame([cell for cell, n in counts.items() for _ in range(n)], columns=["group", "y"])
        rows = rows.sample(frac=1, random_state=int(rng.integers(10_000)), ignore_index=True)
        n = len(rows)
        call = f"reweigh(of a {counts['a', 1]} yes and 10 no, of b {counts['b', 1]} yes and {counts['b', 0]} no)"
        got = trial.call(answer, rows["y"].to_numpy(), rows["group"].to_numpy())
        w = np.asarray(got, dtype=float)
        trial.require(w.shape == (n,), "The answer is one weight for each row.", call=call, expected=(n,), got=w.shape)
        by, of = rows.groupby("group")["y"].transform("size"), rows.groupby("y")["y"].transform("size")
        cell = rows.groupby(["group", "y"])["y"].transform("size")
        right = (by * of / cell / n).to_numpy()
        wrong = {
            "M90": [n / by, n / of, n / by / 2, n / of / 2],
            "M88": [1 / right],
            "M36": [n / cell / 4, n / cell, by / cell],
        }
        mistake = next(
            (
                code
                for code, those in wrong.items()
                if any(np.allclose(w / w.sum(), np.asarray(v) / np.sum(v)) for v in those)
            ),
            None,
        )
        shares = pd.Series(w * rows["y"]).groupby(rows["group"]).sum() / pd.Series(w).groupby(rows["group"]).sum()
        trial.require(
            bool(np.allclose(w, right)),
            "With the weights each group has the same share of yes, and labels and groups are as common as before.",
            call=call,
            expected={"a": round(rows["y"].mean(), 3), "b": round(rows["y"].mean(), 3)},
            got=shares.round(3).to_dict(),
            mistake=mistake,
        )
    table, _ = _applications()
    w = answer(table["approved"].to_numpy(), table["white"].to_numpy())
    rare = w[(table["approved"] == 0) & (table["white"] == 0)][0]
    return (
        f"A rejected applicant who is not white counts {rare:.2f} in training, a rejected white one "
        f"{w[(table['approved'] == 0) & (table['white'] == 1)][0]:.2f}."
    )


@lab.exercise(
    "10.5",
    section="mitigation",
    hints=(
        "Two frames, two jobs: one to choose, one to judge. Which rows of the first decide about a TPR?",
        "Sort the p of the positives of validation from high to low; the threshold is the last one that you need for a "
        "share of tpr. Then the three numbers on test, with the threshold of all and with those that may be used.",
    ),
)
def mitigate(trial: Trial, answer) -> str:
    rng = trial.rng
    tpr = float(rng.choice([0.8, 0.9]))
    validation, test = _scored(rng, 0.0), _scored(rng, 0.12)
    for allowed in (True, False):
        call = f"mitigate(200 rows, 200 other rows, tpr={tpr}, may_use_group={allowed})"
        got = trial.call(answer, validation, test, tpr, allowed)
        wanted = {"gap", "ratio", "accuracy"}
        complete = isinstance(got, dict) and all(
            isinstance(got.get(when), dict) and wanted <= set(got[when]) for when in ("before", "after")
        )
        trial.require(
            complete and isinstance(got.get("thresholds"), dict),
            "The answer holds the thresholds, and gap, ratio and accuracy both before and after: gain and price.",
            call=call,
            expected=["thresholds", "before", "after"],
            got=got,
            mistake="M75",
        )
        groups = sorted(validation["group"].unique())
        trial.require(
            set(got["thresholds"]) == set(groups),
            "There is a threshold for each group.",
            call=call,
            expected=groups,
            got=sorted(got["thresholds"]),
        )
        limits = _limits(validation, tpr, allowed)
        same = _limits(validation, tpr, False)
        others = {
            "M05": _limits(test, tpr, allowed),
            "M36": _limits(validation.assign(y=1), tpr, allowed),
            "M26": _limits(validation, tpr, True),
            "M31": _limits(validation, tpr, allowed, more=-1),
            "M35": _limits(validation.assign(y=1 - validation["y"]), tpr, allowed),
        }
        mistake = next(
            (code for code, those in others.items() if those != limits and _as_chosen(got, those, validation)), None
        )
        trial.require(
            _as_chosen(got, limits, validation),
            "Each threshold is the highest that still chooses that share of the group's positives, on validation rows."
            if allowed
            else "If the group may not be used, all have the same threshold, from all positives.",
            call=call,
            expected=limits,
            got=got["thresholds"],
            mistake=mistake,
        )
        for when, those in (("before", same), ("after", got["thresholds"])):
            right, elsewhere = _bill(test, those), _bill(validation, those)
            for what in ("gap", "ratio", "accuracy"):
                value = got[when][what]
                code = (
                    "M02"
                    if np.isclose(value, elsewhere[what])
                    else "M88"
                    if what == "ratio" and value > 1
                    else "M75"
                    if when == "before"
                    else "M32"
                )
                trial.require(
                    bool(np.isclose(value, right[what])),
                    f"{what} {when}: {_BILL[what]}, on test.",
                    call=call,
                    expected=round(right[what], 4),
                    got=value,
                    mistake=code,
                )
    return _on_loans()


_BILL = {
    "gap": "the largest TPR of a group minus the smallest",
    "ratio": "the smallest selection of a group over the largest",
    "accuracy": "the share of rows decided as labelled",
}


def _scored(rng, shift: float) -> pd.DataFrame:
    """200 rows of three groups with scores that lie lower in one of them."""
    group = np.array(["a"] * 100 + ["b"] * 60 + ["c"] * 40)
    y = (rng.random(200) < 0.6).astype(int)
    p = 1 / (
        1
        + np.exp(
            -(
                1.5 * y
                - 0.6
                + shift * 6
                - np.select([group == "b", group == "c"], [0.8, 0.3], 0.0)
                + rng.normal(0, 1, 200)
            )
        )
    )
    return pd.DataFrame({"p": p, "y": y, "group": group}).sample(frac=1, random_state=1, ignore_index=True)


def _limits(rows: pd.DataFrame, tpr: float, allowed: bool, more: int = 0) -> dict[str, float]:
    """The thresholds; `more`: how many positives more than necessary they choose."""

    def highest(good: pd.DataFrame) -> float:
        p = np.sort(good["p"])[::-1]
        return float(p[math.ceil(tpr * len(p) - 1e-9) - 1 + more])

    good = rows[rows["y"] == 1]
    if not allowed:
        return dict.fromkeys(rows["group"].unique(), highest(good))
    return {name: highest(part) for name, part in good.groupby("group")}


def _as_chosen(got: dict, limits: dict, rows: pd.DataFrame) -> bool:
    """Whether thresholds choose the same rows as `limits` do: any number between two scores is as good."""
    return all(
        ((part["p"] >= got["thresholds"][name]) == (part["p"] >= limits[name])).all()
        for name, part in rows.groupby("group")
    )


def _bill(rows: pd.DataFrame, limits: dict) -> dict[str, float]:
    chosen = (rows["p"] >= rows["group"].map(limits)).astype(int)
    selection, hit = chosen.groupby(rows["group"]).mean(), chosen[rows["y"] == 1].groupby(rows["group"]).mean()
    return {
        "gap": hit.max() - hit.min(),
        "ratio": selection.min() / selection.max(),
        "accuracy": (chosen == rows["y"]).mean(),
    }


@functools.cache
def _on_loans() -> str:
    table, p = _applications()
    rows = pd.DataFrame({"p": p, "y": table["approved"], "group": np.where(table["white"] == 1, "white", "other")})
    half = rows.index % 2 == 0
    bills = [_bill(rows[~half], _limits(rows[half], 0.9, allowed)) for allowed in (False, True)]
    return (
        f"On one half of the loans the gap in TPR went from {bills[0]['gap']:.3f} to {bills[1]['gap']:.3f}, the ratio "
        f"from {bills[0]['ratio']:.2f} to {bills[1]['ratio']:.2f}, accuracy from {bills[0]['accuracy']:.3f} to "
        f"{bills[1]['accuracy']:.3f}."
    )


@lab.exercise(
    "10.6",
    section="explaining-one-decision",
    hints=(
        "First a function for what a set of columns is worth. Then for each column: all sets without it, and a weight "
        "for each size of set.",
        "`itertools.combinations` gives the sets; the weight of a set of size s is s! (k - s - 1)! / k!. Put x into "
        "copies of the background rows, call f on all of them, take the mean.",
    ),
)
def exact_shapley(trial: Trial, answer) -> str:
    rng = trial.rng
    for k in (4, 5):
        background, x = rng.normal(size=(12, k)), rng.normal(1.5, 0.5, size=k)
        b = rng.normal(1, 0.3, size=k)
        b[-1] = 0.0  # a dummy column

        def f(rows, b=b):
            rows = np.asarray(rows, dtype=float).reshape(-1, len(b))
            return rows @ b + rows[:, 0] ** 2 + rows[:, :2].prod(axis=1) + rows[:, :-1].prod(axis=1)

        call = f"exact_shapley(f with products of {k} columns and without the last one, x, 12 rows)"
        got = np.asarray(trial.call(answer, f, x, background), dtype=float)
        trial.require(
            got.shape == (k,), "The answer is one value for each column.", call=call, expected=(k,), got=got.shape
        )
        right = _shapley(f, x, background)
        one_order = [_one_order(f, x, background, order) for order in itertools.permutations(range(k))]
        others = {
            "M93": [_shapley(f, x, background.mean(axis=0, keepdims=True))],
            "M91": [b, b * x, b * (x - background.mean(axis=0))],
            "M92": one_order + [_alone(f, x, background), _last(f, x, background)],
            "M07": [_shapley(f, x, background, weigh=False)],
        }
        mistake = next(
            (code for code, those in others.items() if any(np.allclose(got, v, atol=1e-8) for v in those)), None
        )
        total = float(f(x[None])[0] - f(background).mean())
        trial.require(
            abs(got[-1]) < 1e-9,
            "A column that f does not use has the value 0.",
            call=call,
            expected=0.0,
            got=got[-1],
            mistake=mistake,
        )
        trial.require(
            bool(np.isclose(got.sum(), total)),
            "The values add up to f(x) minus the mean of f over the background.",
            call=call,
            expected=round(total, 3),
            got=round(got.sum(), 3),
            mistake=mistake,
        )
        trial.require(
            bool(np.allclose(got, right)),
            "A column's value is what it adds, averaged over all orders.",
            call=call,
            expected=right.round(3).tolist(),
            got=got.round(3).tolist(),
            mistake=mistake or "M92",
        )
    calls = []
    exactly = trial.call(
        answer, lambda rows: calls.append(len(rows)) or np.prod(np.asarray(rows), axis=1), np.ones(3), np.zeros((2, 3))
    )
    return f"Three columns that count only together share equally: {', '.join(f'{v:.2f}' for v in exactly)}."


def _worth(f, x, background, known) -> float:
    rows = background.copy()
    rows[:, list(known)] = x[list(known)]
    return float(np.mean(f(rows)))


def _shapley(f, x, background, weigh: bool = True) -> np.ndarray:
    k = len(x)
    values = np.zeros(k)
    for column in range(k):
        rest = [other for other in range(k) if other != column]
        for size in range(k):
            weight = math.factorial(size) * math.factorial(k - size - 1) / math.factorial(k) if weigh else 2 ** (1 - k)
            for known in itertools.combinations(rest, size):
                values[column] += weight * (
                    _worth(f, x, background, (*known, column)) - _worth(f, x, background, known)
                )
    return values


def _one_order(f, x, background, order) -> np.ndarray:
    values, known = np.zeros(len(x)), []
    for column in order:
        values[column] = _worth(f, x, background, (*known, column)) - _worth(f, x, background, known)
        known.append(column)
    return values


def _alone(f, x, background) -> np.ndarray:
    return np.array([_worth(f, x, background, [c]) - _worth(f, x, background, []) for c in range(len(x))])


def _last(f, x, background) -> np.ndarray:
    every = range(len(x))
    return np.array(
        [
            _worth(f, x, background, every) - _worth(f, x, background, [c for c in every if c != column])
            for column in every
        ]
    )


@lab.exercise(
    "10.7",
    section="reasons-that-may-be-given",
    hints=(
        "What lowered the score: a large coefficient, or a value far from the usual one? And what does somebody do "
        "with a reason that speaks for her?",
        "Multiply, drop the barred ones, keep what is below zero, sort, cut off after `most`.",
    ),
)
def reason_codes(trial: Trial, answer) -> str:
    rng = trial.rng
    for most in (2, 4, 6):
        names = ["debt", "income", "history", "sex", "age", "saved", "late", "rent", "moves"]
        moved = dict(zip(names, [-0.9, -0.7, -0.5, -2.0, -1.2, 1.6, -0.2, 0.8, 0.0]))
        coefficients = pd.Series({name: float(rng.choice([-1, 1]) * rng.uniform(0.5, 3)) for name in names})
        coefficients["moves"], coefficients["late"] = -4.0, 5.0
        usual = pd.Series({name: float(rng.uniform(5, 20)) for name in names})
        applicant = usual + pd.Series(moved) / coefficients
        turn = rng.permutation(names)
        coefficients, usual, applicant = coefficients[turn], usual[turn], applicant[turn]
        call = f"reason_codes(..., barred=['sex', 'age'], most={most})"
        right = ["debt", "income", "history", "late"][:most]
        got = trial.call(answer, coefficients, applicant, usual, ["sex", "age"], most)
        trial.require(isinstance(got, list), "The answer is a list of columns.", call=call, expected=right, got=got)
        trial.require(
            not {"sex", "age"} & set(got),
            "What may not count is no reason, however strong.",
            call=call,
            expected=right,
            got=got,
            mistake="M94",
        )
        by_coefficient = [c for c in coefficients.sort_values().index if c not in ("sex", "age")][:most]
        by_size = [c for c in coefficients.abs().sort_values(ascending=False).index if c not in ("sex", "age")][:most]
        product = (coefficients * applicant).drop(["sex", "age"]).sort_values()
        mistake = None
        if (
            list(got) in (by_coefficient, by_size)
            or list(got) == list(product.index[:most])
            or list(got) == list(product[product < 0].index[:most])
        ):
            mistake = "M91"
        elif {"saved", "rent", "moves"} & set(got):
            mistake = "M40"
        elif set(got) == set(right) or set(got) < {"debt", "income", "history", "late"}:
            mistake = "M34" if len(got) == len(right) else "M33"
        trial.require(
            list(got) == right,
            "The reasons are what lowered the score, the strongest first, and nothing else.",
            call=call,
            example=pd.DataFrame({"coefficient": coefficients, "applicant": applicant, "usual": usual}).head(3),
            expected=right,
            got=got,
            mistake=mistake,
        )
    return "Strongest first: debt, income, history. Sex lowered the score more: it has to leave the model, too."


@lab.exercise(
    "10.8",
    section="noise-and-a-budget",
    hints=(
        "Three ways to leave the function: an old answer, no answer, a new answer. Which of them changes the ledger?",
        '`np.random.default_rng(seed).laplace(0, 1 / epsilon)`. A new ledger is `{"left": ..., "answers": '
        'ledger["answers"] | {question: answer}}`.',
    ),
)
def private_count(trial: Trial, answer) -> str:
    rng = trial.rng
    start = int(rng.integers(1_000_000))
    count, far = int(rng.integers(200, 900)), np.array([])
    for turn, epsilon in enumerate((0.2, 2.0)):
        call = f'private_count({count}, {epsilon}, "q", a ledger with 5 left, seed)'
        errors = []
        for seed in range(start + 1_000 * turn, start + 1_000 * (turn + 1)):
            got = trial.call(answer, count, epsilon, "q", {"left": 5.0, "answers": {}}, seed)
            trial.require(
                isinstance(got, tuple)
                and len(got) == 2
                and isinstance(got[1], dict)
                and {"left", "answers"} <= set(got[1]),
                "The function returns the answer and the ledger after it.",
                call=call,
                got=got,
            )
            errors.append(np.nan if got[0] is None else got[0] - count)
        errors = np.array(errors)
        size, far = float(np.abs(errors).mean()), np.append(far, np.abs(errors) > 3 / epsilon)
        mistake = "M88" if abs(size / epsilon - 1) < 0.25 else "M27" if abs(size - 1) < 0.2 or size == 0 else "M32"
        trial.require(
            bool(np.isfinite(errors).all()) and abs(size * epsilon - 1) < 0.25,
            "The noise has a mean size of 1 / epsilon: less epsilon, more noise.",
            call=call,
            expected=1 / epsilon,
            got=size,
            mistake=mistake,
        )
        trial.require(
            abs(errors.mean()) < 0.3 / epsilon,
            "The noise is as often below as above 0.",
            call=call,
            expected=0,
            got=errors.mean(),
            mistake="M32",
        )
    trial.require(
        0.028 < far.mean() < 0.08,
        "The noise is Laplace's: one error in twenty is larger than 3 / epsilon.",
        call="private_count(...) with 2,000 seeds",
        expected=0.05,
        got=float(far.mean()),
        mistake="M32",
    )
    first, ledger = trial.call(answer, count, 0.3, "q", {"left": 1.0, "answers": {}}, start)
    trial.require(
        abs(ledger["left"] - 0.7) < 1e-9,
        "A new answer costs epsilon.",
        call='private_count(..., 0.3, "q", 1 left)',
        expected=0.7,
        got=ledger["left"],
        mistake="M95",
    )
    again, after = trial.call(answer, count, 0.3, "q", ledger, start + 1)
    trial.require(
        again == first and abs(after["left"] - 0.7) < 1e-9,
        "The same question has the same answer and costs nothing; else a thousand of them average the noise away.",
        call='private_count(..., 0.3, "q", ...) again, with another seed',
        expected=(first, 0.7),
        got=(again, after["left"]),
        mistake="M95",
    )
    last = trial.call(answer, count, 0.5, "q", {"left": 0.5, "answers": {}}, start)
    trial.require(
        last[0] is not None and abs(last[1]["left"]) < 1e-9,
        "Only when less than epsilon is left there is no answer; with just epsilon there is a last one.",
        call='private_count(..., 0.5, "q", 0.5 left)',
        expected="an answer, 0 left",
        got=last,
        mistake="M31",
    )
    other, after = trial.call(answer, count + 5, 0.6, "r", after, start + 2)
    trial.require(
        other is not None and abs(after["left"] - 0.1) < 1e-9,
        "Another question costs its own epsilon, too.",
        call='private_count(..., 0.6, "r", 0.7 left)',
        expected=0.1,
        got=after["left"],
        mistake="M95",
    )
    third, last = trial.call(answer, count, 0.3, "s", after, start + 3)
    trial.require(
        third is None,
        "When less than epsilon is left there is no answer.",
        call='private_count(..., 0.3, "s", 0.1 left)',
        expected=None,
        got=third,
        mistake="M95",
    )
    trial.require(
        abs(last["left"] - 0.1) < 1e-9 and "s" not in last["answers"],
        "A refusal spends nothing and is no answer to repeat.",
        call='private_count(..., 0.3, "s", 0.1 left)',
        expected=0.1,
        got=last,
        mistake="M95",
    )
    return (
        "At epsilon 1 a count is off by 1 on average, and by more than 3 once in twenty; at 0.1 by ten times as much."
    )


@lab.exercise(
    "10.9",
    section="tables-without-names",
    hints=(
        "For each row: how many agree with it in all the columns at once, and do they differ in the secret?",
        '`table.groupby(quasi, dropna=False)[secret].transform("size")`, and the same with `nunique`.',
    ),
)
def at_risk(trial: Trial, answer) -> str:
    k = int(trial.rng.integers(3, 6))
    rows = []
    for place, (age, zip_code, size, secrets) in enumerate(
        [
            (30, "10", k, "xy"),
            (30, "20", k - 1, "xy"),
            (40, "10", k + 2, "x"),
            (40, "20", 2 * k, "xyz"),
            (np.nan, "10", k - 1, "xy"),
            (np.nan, "20", k, "y"),
            (50, "30", 1, "x"),
        ]
    ):
        rows += [
            {"age": age, "zip": zip_code, "secret": secrets[i % len(secrets)], "place": place} for i in range(size)
        ]
    table = pd.DataFrame(rows).sample(frac=1, random_state=int(trial.rng.integers(10_000)), ignore_index=True)
    shown = table.drop(columns="place")
    hidden = {0, 3}
    right = float((~table["place"].isin(hidden)).mean())
    call = f'at_risk({len(table)} rows, ["age", "zip"], k={k}, "secret")'
    got = trial.call(answer, shown, ["age", "zip"], k, "secret")
    size = table.groupby("place")["place"].transform("size")
    gone = shown.dropna()
    few = gone.groupby(["age", "zip"])["secret"].transform("size") < k
    same = gone.groupby(["age", "zip"])["secret"].transform("nunique") < 2
    parts = table.groupby("place")["secret"].agg(["size", "nunique"])
    alone = pd.concat([shown.groupby(c, dropna=False)["secret"].transform("size") < k for c in ("age", "zip")], axis=1)
    others = {
        "M96": (size < k).mean(),
        "M09": (few | same).mean(),
        "M31": (~table["place"].isin(hidden) | (size <= k)).mean(),
        "M07": ((parts["size"] < k) | (parts["nunique"] < 2)).mean(),
        "M33": alone.any(axis=1).mean(),
        "M08": (few | same).sum() / len(table),
    }
    mistake = next((code for code, value in others.items() if np.isclose(got, value)), None)
    trial.require(
        bool(np.isclose(got, right)),
        "At risk is a row with fewer than k alike in all the columns, and a row whose like all share the secret.",
        call=call,
        example=shown.head(3),
        expected=round(right, 4),
        got=got,
        mistake=mistake or "M96",
    )
    adult = data.load("adult", ["age", "sex", "race", "over_50k"])
    share = answer(adult, ["age", "sex", "race"], 5, "over_50k")
    return f"Of the people in a census extract, {share:.1%} are at risk by age, sex and race alone."


@lab.exercise(
    "10.10",
    section="the-card",
    hints=(
        "Go through the list in the docstring. Which of it can be computed, and from which of the two frames?",
        'Loop over `groupby("group")` for the groups, and collect in `missing` what `artefacts.get(name)` does not '
        "give.",
    ),
)
def model_card(trial: Trial, answer) -> str:
    rng = trial.rng
    said = {
        "owner": "the desk",
        "contact": "desk@example.org",
        "limits": ["one year"],
        "not_for": ["fines"],
        "decisions": ["threshold by cost"],
    }
    for gone in ((), ("limits",), ("owner", "decisions")):
        train, test = _rows(rng, 60, "2013-01-01", 0.3), _rows(rng, 90, "2013-09-01", 0.45)
        artefacts = {"train": train, "test": test, "threshold": 0.4} | said
        for position, name in enumerate(gone):
            if position:
                artefacts[name] = []
            else:
                del artefacts[name]
        call = f"model_card(60 train rows, 90 test rows{', without ' + ' and '.join(gone) if gone else ''})"
        got = trial.call(answer, artefacts)
        trial.require(isinstance(got, dict), "The card is a dict.", call=call, got=got)
        for name, rows in (("trained_on", train), ("tested_on", test)):
            right = (len(rows), rows["date"].min(), rows["date"].max())
            value = tuple(got.get(name) or ())
            mistake = (
                "M34"
                if value == (len(rows), rows["date"].iloc[0], rows["date"].iloc[-1])
                else "M27"
                if name in got
                else None
            )
            trial.require(
                value == right,
                f"{name} is the number of rows, the first and the last date.",
                call=call,
                expected=right,
                got=got.get(name),
                mistake=mistake,
            )
        auc = roc_auc_score(test["y"], test["p"])
        learned = roc_auc_score(train["y"], train["p"])
        value = got.get("auc", np.nan)
        trial.require(
            bool(np.isclose(value, auc)),
            "auc is computed on the test rows of the artefacts.",
            call=call,
            expected=round(auc, 3),
            got=value,
            mistake="M02" if np.isclose(value, learned) else "M27",
        )
        trial.require(
            isinstance(got.get("groups"), dict) and set(got["groups"]) == set(test["group"]),
            "The card has numbers for each group, and not only for all together.",
            call=call,
            expected=sorted(set(test["group"])),
            got=got.get("groups"),
            mistake="M75",
        )
        for name, rows in test.groupby("group"):
            right = {"n": len(rows), "late": rows["y"].mean(), "alerted": (rows["p"] >= 0.4).mean()}
            mine = got["groups"][name]
            wrong = [what for what in right if not np.isclose(mine.get(what, np.nan), right[what])]
            trial.require(
                not wrong,
                f"{', '.join(wrong)} of a group is computed from its rows.",
                call=call,
                expected={k: round(v, 3) for k, v in right.items()},
                got=mine,
                mistake="M31"
                if wrong == ["alerted"] and np.isclose(mine.get("alerted", np.nan), (rows["p"] > 0.4).mean())
                else "M27",
            )
        trial.require(
            sorted(got.get("missing", [None])) == sorted(gone),
            "missing names what nobody said, empty or not there at all.",
            call=call,
            expected=sorted(gone),
            got=got.get("missing"),
            mistake="M38",
        )
        for name in said:
            if name not in gone:
                trial.require(
                    got.get(name) == said[name],
                    f"{name} stands on the card as it was said.",
                    call=call,
                    expected=said[name],
                    got=got.get(name),
                    mistake="M38",
                )
    return "The same function on other artefacts makes another card. That is what makes it one."


def _rows(rng, n: int, start: str, rate: float) -> pd.DataFrame:
    y = rng.permutation((np.arange(n) < rate * n).astype(int))
    p = np.clip(np.round(0.25 + 0.3 * y + rng.normal(0, 0.25, n), 1), 0, 1)
    group = np.array(["EWR", "JFK", "LGA"])[rng.permutation(np.arange(n) % 3)]
    date = pd.Timestamp(start) + pd.to_timedelta(rng.permutation(n), unit="D")
    return pd.DataFrame({"date": date, "y": y, "p": p, "group": group})
