"""Checks of lab 4: counts, thresholds, bootstrap, rolling origin, calibration, ranking, pairs, A/B tests, slices."""

from numbers import Real

import numpy as np
import pandas as pd
from scipy import stats

from mlelab import case
from mlelab.check.lab import Lab, Trial, differing_rows
from mlelab.check.spy import Spy

from ._real import flights

lab = Lab("04_evaluation")


@lab.exercise("4.1", section="four-counts", hints=(
    "Four masks, one for each combination of `alert` and `y`, and their sums. Everything else is made of these four.",
    "precision = tp / (tp + fp), recall = tp / (tp + fn), f1 = 2 tp / (2 tp + fp + fn). Divide in one small helper "
    "that returns nan when the denominator is 0."))
def classification_report_counts(trial: Trial, answer) -> str:
    tp, fp, fn, tn = (int(n) for n in trial.rng.permutation([2, 3, 5, 8]))
    pairs = trial.rng.permutation([(1, 1)] * tp + [(0, 1)] * fp + [(1, 0)] * fn + [(0, 0)] * tn)
    _require_report(trial, answer, pairs[:, 0], pairs[:, 1])
    silent = trial.rng.permutation([1, 1, 0, 0, 0])
    _require_report(trial, answer, silent, np.zeros(5, int))
    _require_report(trial, answer, np.zeros(4, int), trial.rng.permutation([1, 0, 0, 0]))

    late = flights()["late"]
    got = answer(late, np.zeros(len(late), int))
    return f"Alerting nobody in 2013 is right for {got['accuracy']:.1%} of the flights and finds none of the late ones."


def _require_report(trial: Trial, answer, y: np.ndarray, alert: np.ndarray) -> None:
    call = f"classification_report_counts(y={y.tolist()}, alert={alert.tolist()})"
    got = trial.call(answer, y, alert)
    expected = _report(y, alert)
    missing = [name for name in expected if not isinstance(got, dict) or not isinstance(got.get(name), Real)]
    trial.require(not missing, "The answer is a dict with four counts and four metrics, each a number.", call=call,
                  mistake="M06" if isinstance(got, dict) and "accuracy" in got else None, expected=list(expected),
                  got=got)
    positive, macro = (expected["tp"], expected["fp"], expected["fn"], expected["tn"]), _report(1 - y, 1 - alert)
    for name, value in expected.items():
        if _equal(got[name], value):
            continue
        swapped = {"fp": "fn", "fn": "fp", "precision": "recall", "recall": "precision"}.get(name)
        mistakes = {
            "M35": swapped and expected[swapped],
            "M07": (value + macro[name]) / 2 if name in ("precision", "recall", "f1") else None,
            "M36": positive[0] / len(y) if name in ("precision", "recall") else None,
            "M06": expected["accuracy"] if name in ("precision", "recall", "f1") else None,
            "M32": np.mean([expected["precision"], expected["recall"]]) if name == "f1" else None,
        }
        mistake = "M08" if np.isnan(value) else next(
            (code for code, wrong in mistakes.items() if wrong is not None and _equal(got[name], wrong)), None)
        says = (f"`{name}` is undefined here, because there is nothing to divide by: nan." if np.isnan(value) else
                f"`{name}` follows from the four counts.")
        trial.wrong(says, mistake=mistake, call=call, expected=round(value, 4), got=got[name])


def _report(y: np.ndarray, alert: np.ndarray) -> dict[str, float]:
    tp, fp, fn, tn = (int(((y == a) & (alert == b)).sum()) for a, b in ((1, 1), (0, 1), (1, 0), (0, 0)))
    shares = {"accuracy": (tp + tn, len(y)), "precision": (tp, tp + fp), "recall": (tp, tp + fn),
              "f1": (2 * tp, 2 * tp + fp + fn)}
    return {"tp": tp, "fp": fp, "fn": fn, "tn": tn,
            **{name: part / whole if whole else float("nan") for name, (part, whole) in shares.items()}}


@lab.exercise("4.2", section="threshold-from-costs", hints=(
    "Both thresholds are fixed before the seal is opened. Then open it once and keep the frame.",
    "One helper `cost(rows, threshold)`. Tuned: the candidate with the least `cost(validation, …)`. From the costs: "
    "alert when `c_fn * p >= c_fp * (1 - p)`, solved for p."))
def choose_threshold(trial: Trial, answer) -> str:
    validation, test, c_fn, c_fp, candidates, tuned = _threshold_case(trial.rng)
    call = f"choose_threshold(validation, test, {c_fn=:g}, {c_fp=:g}, candidates={candidates.round(2).tolist()})"
    seal = _Seal(test)
    got = trial.call(answer, validation, seal, c_fn, c_fp, candidates)
    names = ["tuned", "bayes", "cost_tuned", "cost_bayes"]
    trial.require(isinstance(got, dict) and all(isinstance(got.get(name), Real) for name in names),
                  "The answer is a dict of four numbers.", call=call, expected=names, got=got)
    trial.require(len(seal.openings) <= 1, "The test rows are opened once, after everything is chosen.", mistake="M05",
                  call=call, expected="opened 1 time", got=f"opened {len(seal.openings)} times")
    bayes = c_fp / (c_fp + c_fn)
    trial.require(_equal(got["tuned"], tuned[None]), "`tuned` is the candidate with the least cost on validation, the "
                  "lowest of them on a tie.", mistake=_match(tuned, got["tuned"]), call=call, expected=tuned[None],
                  got=got["tuned"])
    wrong = {"M35": c_fn / (c_fp + c_fn), "M36": c_fp / c_fn, "M27": 0.5}
    trial.require(_equal(got["bayes"], bayes), "`bayes` is the chance at which silence and an alert are expected to "
                  "cost the same.", mistake=_match(wrong, got["bayes"]), call=call, expected=round(bayes, 4),
                  got=got["bayes"])
    for name, threshold in (("cost_tuned", tuned[None]), ("cost_bayes", bayes)):
        expected = _cost(test, threshold, c_fn, c_fp)
        wrong = {"M05": _cost(validation, threshold, c_fn, c_fp), "M35": _cost(test, threshold, c_fp, c_fn),
                 "M36": expected * len(test) / max((test["p"] >= threshold).sum(), 1)}
        trial.require(_equal(got[name], expected), f"`{name}` is the cost per flight on the test rows.",
                      mistake=_match(wrong, got[name]), call=call, expected=round(expected, 4), got=got[name])

    real = pd.DataFrame({name: flights()[name] for name in ("month", "hour", "late")})
    real["p"] = real["hour"].map(real[real["month"] <= 8].groupby("hour")["late"].mean())
    parts = real[real["month"].isin([9, 10])], _Seal(real[real["month"] > 10])
    got = answer(*parts, case.COST_MISSED, case.COST_NEEDLESS, np.arange(1, 20) / 20)
    return (f"With nothing but the late share of the hour: {got['cost_tuned']:.3f} per flight at the tuned threshold, "
            f"{got['cost_bayes']:.3f} at the one from the costs.")


class _Seal(case.Sealed, Spy):
    pass


def _cost(rows: pd.DataFrame, threshold, c_fn: float, c_fp: float, above=np.greater_equal):
    """Cost per flight at one threshold, or at each of several."""
    alert = above.outer(rows["p"].to_numpy(), threshold)
    late = rows["late"].to_numpy().reshape((-1,) + (1,) * (alert.ndim - 1)) == 1
    return (c_fn * (~alert & late) + c_fp * (alert & ~late)).mean(axis=0)


def _threshold_case(rng: np.random.Generator):
    """Two periods, costs and shuffled candidates on which each typical way to tune gives another threshold.

    Every second candidate equals no prediction, so that neighbours tie.
    """
    grid = np.arange(1, 20) / 20
    while True:
        c_fn, c_fp = float(rng.choice([3.0, 4.0, 7.0])), float(rng.choice([1.0, 2.0]))
        validation, test = (
            pd.DataFrame({"p": (p := rng.choice(grid[1::2], 60)), "late": (rng.random(60) < p ** power).astype(int)},
                         index=rng.choice(1_000, 60, replace=False)) for power in (2.0, 0.4))
        candidates = rng.permutation(grid)

        def best(rows, c_fn, c_fp, order=grid, above=np.greater_equal):
            return float(order[_cost(rows, order, c_fn, c_fp, above).round(9).argmin()])

        alert = validation["p"].to_numpy()[:, None] >= grid
        hits = (alert & (validation["late"].to_numpy()[:, None] == 1)).sum(axis=0)
        tuned = {None: best(validation, c_fn, c_fp), "M05": best(test, c_fn, c_fp), "M35": best(validation, c_fp, c_fn),
                 "M31": best(validation, c_fn, c_fp, above=np.greater), "M34": best(validation, c_fn, c_fp, candidates),
                 "M32": float(grid[(2 * hits / (alert.sum(axis=0) + validation["late"].sum())).argmax()]),
                 "M06": best(validation, 1, 1)}
        if len({*tuned.values(), 0.5}) > len(tuned):
            return validation, test, c_fn, c_fp, candidates, tuned


@lab.exercise("4.4", section="rolling-origin", hints=(
    "Go through the months that can be judged. For each, two masks on `months`: rows to learn from, rows to judge.",
    "The first month to judge is `months.min() + min_train + gap`. Learn from `months < month - gap`."))
def rolling_origin_splits(trial: Trial, answer) -> str:
    first, min_train = int(trial.rng.integers(1, 5)), int(trial.rng.integers(2, 4))
    sizes = trial.rng.permutation([2, 2, 2, 3, 3, 3, 4, 4])
    months = trial.rng.permutation(np.repeat(np.arange(first, first + 8), sizes))
    for gap in (0, int(trial.rng.integers(1, 3))):
        _require_splits(trial, answer, months, min_train, gap)

    splits = answer(flights()["month"][:270_000], 4)
    return (f"Judged on {len(splits)} months instead of one; the last model learns from {len(splits[-1][0]):,} "
            f"flights, the first from {len(splits[0][0]):,}.")


def _require_splits(trial: Trial, answer, months: np.ndarray, min_train: int, gap: int) -> None:
    call = f"rolling_origin_splits(months={months.tolist()}, {min_train=}, {gap=})"
    splits = trial.call(answer, months, min_train, gap)
    trial.require(isinstance(splits, list) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in splits),
                  "The answer is a list of pairs (train, test).", call=call, got=type(splits).__name__)
    found = [(np.sort(np.asarray(fit)), np.sort(np.asarray(judge))) for fit, judge in splits]
    mixed = next((judge for _, judge in found if len(set(months[judge])) != 1), None)
    trial.require(mixed is None, "Each split judges one month.", mistake="M04", call=call, expected="one month",
                  got=None if mixed is None else sorted(set(months[mixed].tolist())))
    judged = [int(months[judge][0]) for _, judge in found]
    for (fit, judge), month in zip(found, judged):
        late = sorted({int(m) for m in months[fit] if m >= month - gap})
        trial.require(not late, f"Whoever judges month {month} with a gap of {gap} learns from months before "
                      f"{month - gap} only.", mistake="M01", call=call, expected="none of them", got=late)
        trial.require(len(judge) == (months == month).sum(), "The month is judged with all its rows.", mistake="M09",
                      call=call, expected=(months == month).sum(), got=len(judge))
    expected = list(range(int(months.min()) + min_train + gap, int(months.max()) + 1))
    extra = set(judged) ^ set(expected)
    mistake = ("M34" if judged != expected and sorted(judged) == expected else "M33" if len(judged) == 1 else
               "M31" if extra in ({expected[0]}, {expected[0] - 1}, {expected[-1]}) else None)
    trial.require(judged == expected, f"Every month is judged, in order, that leaves {min_train} months to learn from.",
                  mistake=mistake, call=call, expected=expected, got=judged)
    for (fit, _), month in zip(found, judged):
        trial.require(len(fit) == (months < month - gap).sum(), "Train holds all rows of all months before the gap.",
                      mistake="M09", call=call, expected=(months < month - gap).sum(), got=len(fit))


@lab.exercise("4.5", section="calibrated-chances", hints=(
    "Give each flight the number of its bin, group by that number, and take count, mean prediction and late share.",
    "Bin: `np.minimum((p * bins).astype(int), bins - 1)`. Error: the absolute gaps, averaged with weights `count`."))
def calibration_table(trial: Trial, answer) -> str:
    y, p, bins = _chances(trial.rng)
    call = f"calibration_table(y={y.tolist()}, p={p.tolist()}, {bins=})"
    result = trial.call(answer, y, p, bins)
    trial.require(isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], pd.DataFrame)
                  and {"count", "mean_p", "share"} <= set(result[0].columns), "The answer is a frame with count, "
                  "mean_p and share, and the error.", call=call, got=type(result).__name__)
    table, error = result[0].reset_index(drop=True), result[1]
    place = np.minimum((p * bins).astype(int), bins - 1)
    rows = pd.DataFrame({"p": p, "y": y}).groupby(place)
    expected = rows.agg(count=("y", "size"), mean_p=("p", "mean"), share=("y", "mean"))
    trial.require(len(table) <= len(expected) or table[["mean_p", "share"]].notna().all(axis=None) and
                  (table["count"] > 0).all(), "A bin without flights has no row: nothing was seen there.",
                  mistake="M08", call=call, expected=f"{len(expected)} rows", got=f"{len(table)} rows")
    trial.require(table["count"].sum() == len(y), "Every flight is in exactly one bin, one with p = 1 in the last.",
                  mistake="M31", call=call, expected=len(y), got=int(table["count"].sum()))
    middle = (expected.index + 0.5) / bins
    for column in ("count", "mean_p", "share"):
        got = table[column].to_numpy(float)
        same = _equal(got, expected[column])
        below = np.bincount(np.maximum(np.ceil(p * bins).astype(int) - 1, 0))
        mistake = "M31" if column == "count" and _equal(got, below[below > 0]) else "M32" if column != "share" else None
        trial.require(same, f"`{column}` holds, bin by bin, what the flights of the bin have.", mistake=mistake,
                      call=call,
                      example=differing_rows(expected.round(4), expected[column].round(4), got.round(4))
                      if len(got) == len(expected) else None, expected=expected[column].round(4).tolist(),
                      got=got.round(4).tolist())
    gap, count = (expected["share"] - expected["mean_p"]).to_numpy(), expected["count"].to_numpy()
    errors = {None: np.average(np.abs(gap), weights=count), "M07": np.abs(gap).mean(),
              "M32": abs(np.average(gap, weights=count)),
              "M36": np.abs(gap) @ count / bins}
    mistake = _match(errors, error) or ("M32" if _equal(error, np.abs(expected["share"] - middle) @ count / len(y)) or
                                        _equal(error, np.average(gap, weights=count)) else None)
    trial.require(isinstance(error, Real) and _equal(error, errors[None]), "The error is the mean absolute gap, each "
                  "bin with the weight of its flights.", mistake=mistake, call=call, expected=round(errors[None], 4),
                  got=error)

    late = flights()["late"]
    share = late.mean()
    return (f"Who gives every flight of the year the late share of the year, {share:.3f}, has an error of "
            f"{answer(late, np.full(len(late), share), 10)[1]:.3f}: calibrated, and of no use to anybody.")


def _chances(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int]:
    """Predictions on sixteenths, some exactly on a limit and one at 1, with an empty bin and unequal counts."""
    bins = int(rng.choice([4, 8]))
    inside = np.array([1, 1, 3, 3, 3, 3, 9, 11, 15, 15]) if bins == 4 else np.array([1, 1, 1, 1, 5, 5, 7, 11, 13, 15])
    limits = np.array([0, 8, 8, 12, 16]) if bins == 4 else np.array([0, 4, 10, 12, 16])
    p = rng.permutation(np.concatenate([inside, limits])) / 16
    if bins == 4:
        p = p[(p < 0.25) | (p >= 0.5)]
    while True:
        y = rng.integers(0, 2, len(p))
        gaps = pd.DataFrame({"y": y, "p": p}).groupby(np.minimum((p * bins).astype(int), bins - 1)).mean()
        gap = gaps["y"] - gaps["p"]
        if gap.min() < -0.1 and gap.max() > 0.1 and abs(np.abs(gap).mean() - np.abs(y - p).mean()) > 0.02:
            return y, p, bins


@lab.exercise("4.6", section="ranking-within-lists", hints=(
    "Do one list at a time: put its gains in the order of the score, highest first. Both measures need only that.",
    "`ranked = gain[own][np.argsort(-score[own])]`; discount of the first k: `np.log2(np.arange(1, k + 1) + 1)`; the "
    "best order is the same gains sorted downwards, cut at k as well."))
def rank_quality(trial: Trial, answer) -> str:
    k = int(trial.rng.choice([3, 4]))
    lists, gain, score, expected = _rankings(trial.rng, k)
    call = (f"rank_quality(lists={lists.tolist()}, gain={gain.tolist()}, score={score.round(2).tolist()}, {k=})")
    got = trial.call(answer, lists, gain, score, k)
    trial.require(isinstance(got, dict) and all(isinstance(got.get(name), Real) for name in ("ndcg", "map")),
                  "The answer is a dict with the numbers ndcg and map.", call=call, got=got)
    pair = (got["ndcg"], got["map"])
    right = expected[0][1]
    trial.require(_equal(pair, right), f"NDCG@{k} and MAP are taken in each list that has a hit, best score "
                  "first, and averaged over these lists.", mistake=_match(expected, pair), call=call,
                  expected=np.round(right, 4).tolist(), got=np.round(pair, 4).tolist())
    short = trial.call(answer, np.zeros(2), np.array([0, 5]), np.array([0.9, 0.1]), 10)
    trial.require(_equal(short["ndcg"], 1 / np.log2(3)) and _equal(short["map"], 0.5), "A list may be shorter than k.",
                  call="rank_quality(lists=[0, 0], gain=[0, 5], score=[0.9, 0.1], k=10)", mistake="M36",
                  expected=(round(1 / np.log2(3), 4), 0.5), got=(short["ndcg"], short["map"]))

    real = flights()
    newest = slice(-20_000, None)
    day, late = real["day"][newest], real["late"][newest]
    by_hour = answer(day, late, real["hour"][newest] + np.random.default_rng(0).random(20_000), 20)
    return f"Ranking each December day by the scheduled hour alone, latest first: MAP {by_hour['map']:.3f}."


def _rankings(rng: np.random.Generator, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, list]:
    """Three lists with hits and one without, and what each typical mistake gives on them; all results differ."""
    while True:
        sizes = rng.permutation([6, 8, 9, 4])
        lists = np.repeat(rng.choice(90, 4, replace=False), sizes)
        gain = np.where(rng.random(len(lists)) < 0.55, rng.integers(1, 7, len(lists)) * 10, 0)
        gain[lists == lists[-1]] = 0
        order = rng.permutation(len(lists))
        lists, gain, score = lists[order], gain[order], rng.permutation(len(lists)) / len(lists)
        if len(set(lists[gain > 0])) < 3:
            continue
        ways = [(None, {}), ("M31", {"first": 2}), ("M36", {"ideal": "full"}), ("M36", {"ideal": "retrieved"}),
                ("M36", {"hits": "k"}), ("M40", {"sign": 1}), ("M08", {"empty": True}), ("M55", {"pooled": True}),
                ("M32", {"worth": lambda gain: 2.0 ** (gain / 10) - 1})]
        results = [(code, _ranked(lists, gain, score, k, **way)) for code, way in ways]
        if _all_differ([pair for _, pair in results]):
            return lists, gain, score, results


def _ranked(lists, gain, score, k, sign=-1, first=1, ideal="cut", hits="all", empty=False, pooled=False,
            worth=lambda gain: gain) -> tuple[float, float]:
    ndcg, precision = [], []
    for name in [None] if pooled else np.unique(lists):
        own = slice(None) if pooled else lists == name
        ranked = worth(gain[own][np.argsort(sign * score[own], kind="stable")])
        if not (ranked > 0).any():
            if empty:
                ndcg.append(0)
                precision.append(0)
            continue
        rank = np.arange(1, len(ranked) + 1)
        discount = np.log2(rank + first)
        best = np.sort(ranked[:k] if ideal == "retrieved" else ranked)[::-1]
        best = best if ideal == "full" else best[:k]
        top = (best / discount[:len(best)]).sum()
        ndcg.append((ranked[:k] / discount[:k]).sum() / top if top else 0)
        found = (np.cumsum(ranked > 0) / rank)[ranked > 0]
        inside = (np.flatnonzero(ranked > 0) < k)
        precision.append(found.mean() if hits == "all" else found[inside].sum() / k)
    return float(np.mean(ndcg)), float(np.mean(precision))


@lab.exercise("4.7", section="paired-comparison", hints=(
    "As in 4.3, but each draw gives one number: the metric of the new scores minus that of the old, on the same rows.",
    "The tail on each side is `0.05 / comparisons / 2`. The first number of the answer comes from all rows, not from "
    "the draws."))
def paired_difference(trial: Trial, answer) -> str:
    draws, comparisons = 60, int(trial.rng.choice([4, 10]))
    y, blocks, value = _blocks(trial.rng)
    gain = trial.rng.random(len(y))
    seen = {"old": [], "new": [], "torn": []}

    def metric(rows, p):
        rows, p = np.asarray(rows), np.asarray(p)
        kind = "old" if np.array_equal(p, rows + 0.25) else "new" if np.array_equal(p, rows + 0.5) else "torn"
        seen[kind].append(rows)
        return float((value + (gain if kind == "new" else 0))[rows].mean())

    call = f"paired_difference(y, p_old, p_new, blocks={blocks.tolist()}, metric, {draws=}, seed=…, {comparisons=})"
    got = trial.call(answer, y, y + 0.25, y + 0.5, blocks, metric, draws, 1, comparisons)
    trial.require(isinstance(got, tuple) and len(got) == 3, "The answer is difference, lower and upper limit.",
                  call=call, got=got)
    trial.require(not seen["torn"], "A row that is drawn brings its own `y` and its own scores.", mistake="M51",
                  call=call)
    old, new = (_require_blocks(trial, seen[kind], y, blocks, draws, call) for kind in ("old", "new"))
    trial.require(len(old) == len(new) and all(np.array_equal(np.sort(a), np.sort(b)) for a, b in zip(old, new)),
                  "Old and new scores are judged on the same drawn rows.", mistake="M51", call=call)
    first, second = (np.array([(value + extra)[rows].mean() for rows in drawn])
                     for extra, drawn in ((0, old), (gain, new)))
    tail = 0.05 / comparisons / 2
    limits = np.quantile(second - first, [tail, 1 - tail])
    apart = [np.quantile(values, [level, 1 - level]) for level in (tail, 0.025) for values in (first, second)]
    point = gain.mean()
    answers = {None: (point, *limits), "M53": (point, *np.quantile(second - first, [0.025, 0.975])),
               "M40": (-point, -limits[1], -limits[0]),
               "M52": (point, apart[1][0] - apart[0][1], apart[1][1] - apart[0][0]),
               "M32": ((second - first).mean(), *limits)}
    trial.require(_equal(got, answers[None]), f"New minus old, with an interval of level 1 - 0.05 / {comparisons} from "
                  "the differences of the draws.", mistake=_match(answers, got), call=call,
                  expected=np.round(answers[None], 4).tolist(), got=np.round(got, 4).tolist())

    real = flights()
    late, day, hour = (real[name][-50_000:] for name in ("late", "day", "hour"))

    def separation(y, p):
        return p[y == 1].mean() - p[y == 0].mean()

    found = answer(late, np.zeros(len(late)), hour.astype(float), day, separation, 100, 0)
    return (f"Late flights leave {found[0]:.1f} hours later in the day than others, by day from {found[1]:.1f} to "
            f"{found[2]:.1f}: a difference that survives the right unit.")


@lab.exercise("4.8", section="ab-tests", hints=(
    "First the number of cases, from p0, p1, alpha and power alone. If an arm is shorter, wait. Otherwise cut both "
    "arms at n, and test once.",
    "`z_alpha, z_power = stats.norm.ppf([1 - alpha / 2, power])`, the formula, `np.ceil`. Then `a[:n]`, `b[:n]`."))
def ab_test(trial: Trial, answer) -> str:
    alpha, power = [(0.01, 0.8), (0.02, 0.9)][trial.rng.integers(2)]
    p0, p1 = (float(p) for p in trial.rng.permutation([0.3, float(trial.rng.choice([0.42, 0.46, 0.5]))]))
    sizes = {None: _size(p0, p1, alpha, power), "M31": _size(p0, p1, alpha, power, np.floor),
             "M16": _size(p0, p1, alpha, 0.5), "M32": _size(p0, p1, 2 * alpha, power),
             "M36": 2 * _size(p0, p1, alpha, power)}
    n = sizes[None]
    call = f"ab_test(a, b, {p0=:g}, {p1=:g}, {alpha=:g}, {power=:g})"
    even = np.arange(n + 2) % 2
    burst = np.concatenate([np.ones(30, int), even[:n - 60], np.zeros(30, int)])  # looks bad early, is even at n
    calm = np.concatenate([np.zeros(30, int), even[:n - 60], np.ones(30, int)])
    tail = np.ones(3 * n, int)
    got = trial.call(answer, calm[:n - 1], np.ones(n - 1, int), p0, p1, alpha, power)
    trial.require(isinstance(got, dict) and {"n", "p_value", "verdict"} <= set(got), "The answer is a dict with n, "
                  "p_value and verdict.", call=call, got=got)
    trial.require(got["n"] == n, "Each arm needs the number of cases of the formula, rounded up.",
                  mistake=_match(sizes, got["n"]), call=call, expected=n, got=got["n"])
    trial.require(got["verdict"] == "wait" and got["p_value"] is None, f"With {n - 1} of {n} cases in an arm there is "
                  "nothing to read yet, however it looks.", mistake="M19", call=call, expected="wait", got=got)
    for a, b, says in ((calm, burst, "A difference that was there on the way and is gone at n is not a finding."),
                       (np.append(even[:n], 1 - tail), np.append(even[:n], tail),
                        "What arrives after the first n is not part of this test.")):
        got = trial.call(answer, a, b, p0, p1, alpha, power)
        trial.require(got["verdict"] == "not shown", says, mistake="M19", call=call, expected="not shown", got=got)
    a, b, p_value = _borderline(n, alpha)
    got = trial.call(answer, a, b, p0, p1, alpha, power)
    trial.require(isinstance(got["p_value"], Real), "With enough cases there is a p-value.", call=call, got=got)
    wrong = {"M32": p_value / 2}
    trial.require(np.isclose(got["p_value"], p_value), "The p-value is two-sided, from the pooled share at n.",
                  mistake=_match(wrong, got["p_value"]), call=call, expected=round(p_value, 5), got=got["p_value"])
    trial.require(got["verdict"] == "not shown", f"With alpha = {alpha:g} a p-value of {p_value:.3f} shows nothing.",
                  mistake="M27", call=call, expected="not shown", got=got["verdict"])
    got = trial.call(answer, np.zeros(n, int), np.ones(n, int), p0, p1, alpha, power)
    trial.require(got["verdict"] == "different", "Arms that differ in every case are different.", call=call,
                  expected="different", got=got)

    plan = answer(np.array([]), np.array([]), 0.30, 0.32)
    return f"To tell 30 from 32 percent, each arm needs {plan['n']:,} cases."


def _size(p0: float, p1: float, alpha: float, power: float, rounded=np.ceil) -> int:
    mean, (z_alpha, z_power) = (p0 + p1) / 2, stats.norm.ppf([1 - alpha / 2, power])
    spread = z_alpha * np.sqrt(2 * mean * (1 - mean)) + z_power * np.sqrt(p0 * (1 - p0) + p1 * (1 - p1))
    return int(rounded((spread / (p1 - p0)) ** 2))


def _borderline(n: int, alpha: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Two arms of n cases whose two-sided p-value lies just above alpha, so that its half is below."""
    low = n // 3
    for more in range(n - low, 0, -1):
        share = (2 * low + more) / (2 * n)
        p_value = float(2 * stats.norm.sf(more / n / np.sqrt(2 * share * (1 - share) / n)))
        if p_value > alpha:
            return (np.arange(n) < low).astype(int), (np.arange(n) < low + more).astype(int), p_value
    raise AssertionError("some difference is small enough")


@lab.exercise("4.9", section="slices", hints=(
    "Count and late share for each slice and group, then put the two groups side by side and drop slices without one.",
    "`flights.groupby([by, group])[\"late\"].agg([\"mean\", \"count\"]).unstack(group)`, and the counts as weights."))
def slice_table(trial: Trial, answer) -> str:
    flights, pair = _slices(trial.rng)
    call = f"slice_table(flights, by=\"origin\", group=\"carrier\", {pair=})"
    result = trial.call(answer, flights, "origin", "carrier", pair)
    trial.require(isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], pd.DataFrame),
                  "The answer is a frame and a number.", call=call, got=type(result).__name__)
    table, adjusted = result
    trial.require({"n_first", "n_second", "difference"} <= set(table.columns), "Each slice comes with the counts of "
                  "both groups: without them nobody knows which slice is luck.", mistake="M16", call=call,
                  expected=["n_first", "n_second", "difference"], got=list(table.columns))
    expected, weighted = _sliced(flights, pair)
    trial.require(set(table.index) == set(expected.index), "A slice in which one of the two groups has no flights "
                  "compares nothing, and has no row.", mistake="M08", call=call, expected=expected.index.tolist(),
                  got=list(table.index))
    trial.require(list(table.index) == list(expected.index), "Slices are sorted.", mistake="M34", call=call,
                  expected=expected.index.tolist(), got=list(table.index))
    for column in ("n_first", "n_second", "difference"):
        wrong = {"M40": -expected["difference"] if column == "difference" else
                 expected["n_second" if column == "n_first" else "n_first"]}
        trial.require(_equal(table[column], expected[column]), f"`{column}` is taken from the flights of the two "
                      "groups in each slice, second minus first.", mistake=_match(wrong, table[column]), call=call,
                      example=differing_rows(expected.reset_index(), expected[column].round(4), table[column].round(4)))
    both = flights[flights["carrier"].isin(pair)]
    means = both.groupby("carrier")["late"].mean()
    wrong = {"M54": means[pair[1]] - means[pair[0]], "M07": expected["difference"].mean(),
             "M36": np.average(expected["difference"], weights=expected["n_second"])}
    trial.require(_equal(adjusted, weighted), "The number is the mean of the differences within slices, each with the "
                  "weight of its flights.", mistake=_match(wrong, adjusted), call=call, expected=round(weighted, 4),
                  got=adjusted)

    real = pd.DataFrame(flights())
    table, adjusted = answer(real, "origin", "carrier", ("WN", "9E"))
    return f"9E minus WN within airports: {100 * adjusted:+.1f} points over {len(table)} airports that both use."


def _slices(rng: np.random.Generator) -> tuple[pd.DataFrame, tuple[str, str]]:
    """Flights of three carriers from four airports; the second is better at each shared one and worse pooled."""
    while True:
        first, second, other = (str(name) for name in rng.permutation(["AA", "UA", "EV"]))
        airports = [str(name) for name in rng.permutation(["EWR", "JFK", "LGA", "SWF"])]
        sizes = {first: (60, 12, 30, 0), second: (10, 55, 9, 8), other: (5, 5, 5, 5)}
        chance = dict(zip(airports, (0.2, 0.7, 0.4, 0.9)))
        rows = [(airport, carrier, int(rng.random() < chance[airport] - 0.15 * (carrier == second)))
                for carrier, counts in sizes.items() for airport, n in zip(airports, counts) for _ in range(n)]
        flights = pd.DataFrame(rows, columns=["origin", "carrier", "late"]).sample(frac=1, random_state=rng)
        table, adjusted = _sliced(flights, (first, second))
        means = flights.groupby("carrier")["late"].mean()
        candidates = [adjusted, table["difference"].mean(), means[second] - means[first],
                      np.average(table["difference"], weights=table["n_second"])]
        if (table["difference"] < 0).all() and means[second] > means[first] and _all_differ(candidates):
            return flights, (first, second)


def _sliced(flights: pd.DataFrame, pair: tuple[str, str]) -> tuple[pd.DataFrame, float]:
    own = [flights[flights["carrier"] == name].groupby("origin")["late"].agg(["mean", "count"]) for name in pair]
    both = own[0].add_suffix("_first").join(own[1].add_suffix("_second"), how="inner").sort_index()
    table = pd.DataFrame({"n_first": both["count_first"], "n_second": both["count_second"],
                          "difference": both["mean_second"] - both["mean_first"]})
    return table, float(np.average(table["difference"], weights=table["n_first"] + table["n_second"]))


def _equal(got, expected) -> bool:
    got, expected = np.asarray(got, dtype=float), np.asarray(expected, dtype=float)
    return got.shape == expected.shape and bool(np.allclose(got, expected, equal_nan=True))


def _all_differ(results: list) -> bool:
    values = np.array(results, dtype=float).reshape(len(results), -1)
    return (np.abs(values[:, None] - values).max(axis=2) + np.eye(len(values))).min() > 1e-3


def _match(results, got) -> str | None:
    """The mistake whose result is what the learner got; None if it is none of them. results: a dict, or pairs."""
    pairs = results.items() if isinstance(results, dict) else results
    return next((mistake for mistake, value in pairs if mistake and _equal(got, value)), None)


def _blocks(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row numbers as `y`, so that a draw can be read off them; shuffled blocks of 2 to 6 rows; a value for each row."""
    sizes = rng.permutation([2, 3, 3, 4, 5, 6])
    names = rng.choice(100, len(sizes), replace=False)
    blocks = rng.permutation(np.repeat(names, sizes))
    return np.arange(len(blocks)), blocks, rng.random(len(blocks)) + blocks / 10


def _require_blocks(trial: Trial, drawn: list[np.ndarray], y, blocks, draws: int, call: str) -> list[np.ndarray]:
    """The draws without calls on the rows as they came; each must hold whole blocks, as many as there are."""
    drawn = [rows for rows in drawn if not np.array_equal(rows, y)]
    if len(drawn) not in (draws, draws - 1):
        trial.wrong("The metric is taken once in each draw, on the drawn rows.", call=call, expected=f"{draws} draws",
                    got=f"{len(drawn)} draws", mistake="M16" if not drawn else None)
    times = np.array([np.bincount(rows, minlength=len(y)) for rows in drawn])
    of_block = [times[:, blocks == name] for name in np.unique(blocks)]
    trial.require(all((block == block[:, :1]).all() for block in of_block), "A block is drawn with all its rows: rows "
                  "of one day are not independent.", mistake="M12", call=call,
                  expected="each row of a block equally often", got=np.sort(drawn[0]).tolist())
    blocks_drawn = np.array([block[:, 0] for block in of_block]).T
    trial.require((blocks_drawn != 1).any(), "Blocks are drawn with replacement; without it every draw is the sample "
                  "itself.", mistake="M16", call=call)
    trial.require((blocks_drawn.sum(axis=1) == blocks_drawn.shape[1]).all(), "Each draw has as many blocks as there "
                  "are, and a block that is drawn twice counts twice.",
                  mistake="M09" if blocks_drawn.max() == 1 else "M36", call=call,
                  expected=f"{blocks_drawn.shape[1]} blocks", got=blocks_drawn.sum(axis=1)[:5].tolist())
    return drawn


lab.read(__name__, __path__)
