# %% [markdown]
# # Lab 4: evaluation and statistics
#
# Two models want to advise the desk. Which one is better, how sure are you, and better for what? You write the nine
# functions with which every later chapter is judged, and compare each with the tool that people use at work.
#
# Every exercise has a check. It says *what* is wrong and *why*, as often as you like. `check.hint("4.1")` gives a
# hint, a second call gives a stronger one.

# %%
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import stats
from sklearn.calibration import CalibratedClassifierCV, calibration_curve
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import average_precision_score, brier_score_loss, make_scorer, ndcg_score, roc_auc_score
from sklearn.metrics import precision_recall_curve, precision_recall_fscore_support
from sklearn.model_selection import KFold, TimeSeriesSplit, TunedThresholdClassifierCV

from mlelab import case, data, figure

# %% [markdown]
# The two candidates: logistic regression, and boosted trees on the same numbers. Both learn from January to August.

# %%
flights = data.load("features").dropna(subset="arr_delay")
flights["late"] = (flights["arr_delay"] >= case.LATE_MINUTES).astype(int)
flights["date"] = pd.to_datetime(flights[["year", "month", "day"]])
train, validation, test = case.split(flights)
NUMBERS = case.SCHEDULE + case.WEATHER + case.CONGESTION


def fit_trees(rows: pd.DataFrame, columns: list[str]) -> HistGradientBoostingClassifier:
    trees = HistGradientBoostingClassifier(max_iter=80, learning_rate=0.12, early_stopping=False, random_state=0)
    return trees.fit(rows[columns], rows["late"])


linear = case.linear_model().fit(train, train["late"])
trees = fit_trees(train, NUMBERS)

# %% [markdown]
# `p` is the linear model's chance that a flight is late, `p_trees` that of the trees.
#
# The test months are **sealed**. `open` wants a question and writes it down. You may measure on them, and you may not
# choose on them: nothing may be decided after the look that made it look good.

# %%
def scored(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(p=linear.predict_proba(rows)[:, 1], p_trees=trees.predict_proba(rows[NUMBERS])[:, 1])


learned, validation, sealed = scored(train), scored(validation), case.Sealed(scored(test))
del train, test

# %% [markdown]
# ## 1. Four counts
#
# Every metric of a yes-or-no decision comes from four counts. A worked example: alert at 0.5, on the validation months.

# %%
pd.crosstab(validation["late"], (validation["p"] >= 0.5).rename("alert")).rename(index={0: "not late", 1: "late"})

# %% [markdown]
# **Precision** asks of the alerts how many were needed. **Recall** asks of the late flights how many were found.
# **F1** is their harmonic mean, 2 tp / (2 tp + fp + fn). Who alerts nobody has no alerts to ask about: precision is
# then *undefined*, not 0.
#
# ### Exercise 4.1: counts and what follows from them (1 point)

# %% exercise="4.1"
def classification_report_counts(y: np.ndarray, alert: np.ndarray) -> dict[str, float]:
    """The four counts of a decision, and the metrics made of them.

    y: shape (n,), 1 for late, 0 otherwise; alert: shape (n,), 1 for an alert, 0
    otherwise; both whole numbers of any type; n may be 0.
    Returns tp, fp, fn, tn, accuracy, precision, recall, f1 = 2 tp / (2 tp + fp + fn).
    A metric whose denominator is 0 is nan.
    """
    ### BEGIN SOLUTION
    def share(part: float, whole: float) -> float:
        return float(part / whole) if whole else float("nan")

    tp = int(((alert == 1) & (y == 1)).sum())
    fp = int(((alert == 1) & (y == 0)).sum())
    fn = int(((alert == 0) & (y == 1)).sum())
    tn = int(((alert == 0) & (y == 0)).sum())
    return {"tp": tp, "fp": fp, "fn": fn, "tn": tn, "accuracy": share(tp + tn, len(y)),
            "precision": share(tp, tp + fp), "recall": share(tp, tp + fn),
            "f1": share(2 * tp, 2 * tp + fp + fn)}
    ### END SOLUTION

# %% check="4.1" points=1
check.classification_report_counts(classification_report_counts)

# %% [markdown]
# **What you should have seen.** **Predict:** by how much is a model more accurate than alerting nobody?

# %%
test = sealed.open("which errors do the models make at threshold 0.5?")
late = test["late"].to_numpy()
alerts = {"alert nobody": np.zeros(len(late)), "linear, 0.5": test["p"] >= 0.5, "trees, 0.5": test["p_trees"] >= 0.5}
report = {name: classification_report_counts(late, np.asarray(alert, int)) for name, alert in alerts.items()}
pd.DataFrame(report).T[["accuracy", "precision", "recall", "f1"]].round(3)

# %% [markdown]
# **At work:** scikit-learn. It writes 0 for what is undefined, and warns, unless you say otherwise.

# %%
test = sealed.open("which errors do the models make at threshold 0.5?")
for name, alert in {"nobody": np.zeros(len(test)), "linear": test["p"] >= 0.5}.items():
    p, r, f, _ = precision_recall_fscore_support(test["late"], alert, average="binary", zero_division=np.nan)
    print(f"{name:7} precision {p:.3f}  recall {r:.3f}  F1 {f:.3f}")

# %% [markdown]
# One threshold is one point. The whole curve shows what each recall costs in precision; *average precision* (AP) is
# the area below it. Guessing has the base rate as AP, not 0.5.

# %%
test = sealed.open("precision and recall at every threshold")
fig, ax = plt.subplots()
for name, column in {"linear": "p", "trees": "p_trees"}.items():
    precision, recall, _ = precision_recall_curve(test["late"], test[column])
    ap = average_precision_score(test["late"], test[column])
    ax.plot(recall[::200], precision[::200], label=f"{name}, AP {ap:.2f}")
ax.axhline(test["late"].mean(), linestyle=":", label=f"guessing, AP {test['late'].mean():.2f}")
ax.set(xlabel="recall", ylabel="precision", ylim=(0, 1))
ax.legend()
figure.show(fig, alt="Precision against recall on the test months. Both models fall from a precision of about 0.8 for "
            "the first few flights to 0.3 at a recall of one half; guessing is a flat line at the base rate.")

# %% [markdown]
# ## 2. A threshold from costs
#
# A late flight without an alert costs 5, a needless alert 1. The costs alone give a threshold: alert when `5 p` is at
# least `1 - p`. The other way is to try candidates on validation rows and take the cheapest. A worked example of
# the second way, with three candidates:

# %%
def cost_per_flight(rows: pd.DataFrame, threshold: float) -> float:
    alert = rows["p"] >= threshold
    return float((5 * (~alert & (rows["late"] == 1)) + 1 * (alert & (rows["late"] == 0))).mean())


print({t: round(cost_per_flight(validation, t), 3) for t in (0.1, 0.3, 0.5)})

# %% [markdown]
# ### Exercise 4.2: choose first, open once (1 point)
#
# Write `choose_threshold`. `test` is sealed: `test.open("…")` gives a frame like `validation`. The check counts.

# %% exercise="4.2"
def choose_threshold(validation: pd.DataFrame, test: case.Sealed, c_fn: float,
                     c_fp: float, candidates: np.ndarray) -> dict[str, float]:
    """A threshold tuned on validation and one from the costs, both judged on test.

    validation: `late` (0 or 1) and `p`; test: opens to such a frame, once, after both
    thresholds are fixed. An alert is `p >= threshold`.
    c_fn: cost of a late flight without an alert; c_fp: cost of a needless alert; both
    above 0. candidates: thresholds to try, in any order; rounding decides no tie.
    Returns tuned (the cheapest candidate on validation, the lowest of them on a tie),
    bayes (from c_fn and c_fp alone), cost_tuned and cost_bayes (cost per flight on
    test).
    """
    ### BEGIN SOLUTION
    def cost(rows: pd.DataFrame, threshold: float) -> float:
        alert, late = rows["p"] >= threshold, rows["late"] == 1
        return float((c_fn * (~alert & late) + c_fp * (alert & ~late)).mean())

    tuned = float(min(sorted(candidates), key=lambda t: cost(validation, t)))
    bayes = c_fp / (c_fp + c_fn)
    opened = test.open("what do the tuned threshold and the one from the costs cost?")
    return {"tuned": tuned, "bayes": bayes, "cost_tuned": cost(opened, tuned),
            "cost_bayes": cost(opened, bayes)}
    ### END SOLUTION

# %% check="4.2" points=1
check.choose_threshold(choose_threshold)

# %% [markdown]
# **What you should have seen.** **Predict:** which of the two is cheaper in November and December?

# %%
candidates = np.linspace(0.01, 0.99, 99)
chosen = choose_threshold(validation, sealed, case.COST_MISSED, case.COST_NEEDLESS, candidates)
print(f"tuned on September and October: {chosen['tuned']:.2f}   {chosen['cost_tuned']:.3f} per flight")
print(f"from the costs:                 {chosen['bayes']:.2f}   {chosen['cost_bayes']:.3f} per flight")

# %% [markdown]
# Validation was calm, so silence looked cheap. **At work:** `TunedThresholdClassifierCV` tunes with any scorer. It
# finds the same threshold and falls into the same trap, because it sees the same calm months.

# %%
def saving(y, alert, c_fn=case.COST_MISSED, c_fp=case.COST_NEEDLESS):
    return -np.mean(c_fn * ((y == 1) & (alert == 0)) + c_fp * ((y == 0) & (alert == 1)))


tool = TunedThresholdClassifierCV(linear, scoring=make_scorer(saving), thresholds=np.linspace(0.01, 0.99, 99),
                                  cv="prefit", refit=False).fit(validation, validation["late"])
print(f"TunedThresholdClassifierCV: {tool.best_threshold_:.2f}, {-tool.best_score_:.3f} per flight on validation")

# %% [markdown]
# ## 3. How sure is a number?
#
# AUC on the test months is one number from 61 days of weather. Would other days give the same? The **bootstrap** draws
# rows again, with replacement, and looks how the number moves. But flights of one day share their storm. A worked
# example: how unlike are days, compared with what luck among independent flights would give?

# %%
test = sealed.open("how sure is the AUC?")
by_day = test.groupby("date")["late"].agg(["mean", "count"])
share = test["late"].mean()
luck = np.sqrt(share * (1 - share) / by_day["count"].mean())
print(f"late share by day: {by_day['mean'].min():.0%} to {by_day['mean'].max():.0%}, "
      f"spread {by_day['mean'].std():.3f}; luck alone would give {luck:.3f}")

# %% [markdown]
# So the unit to draw is the **day**, with all its flights. Rows that belong together are a *cluster*, and this is the
# **cluster bootstrap**. (The argument and the function below say "block". In statistics, a *block bootstrap* draws
# stretches of time from one series. The page tries that as well, with three days in a row, since a bad day often
# follows a bad day.)
#
# ### Exercise 4.3: bootstrap whole days (1 point)
#
# Write `block_bootstrap`. One draw takes as many blocks as there are, with replacement; a block that is drawn twice is
# in twice, with all its rows.

# %% exercise="4.3"
def block_bootstrap(y: np.ndarray, p: np.ndarray, blocks: np.ndarray,
                    metric: Callable[[np.ndarray, np.ndarray], float],
                    draws: int, seed: int) -> tuple[float, float]:
    """A 95 % interval of `metric(y, p)` from resampled blocks.

    y, p: shape (n,); blocks: shape (n,), the block of each row, in any order; metric: a
    number for any rows, never nan; draws: how often to resample; seed: of numpy's default_rng, which is made once.
    Each draw takes as many blocks as there are, with replacement, each with all its
    rows; a block that is drawn twice counts twice.
    Returns the quantiles 0.025 and 0.975 of the metric over the draws.
    """
    ### BEGIN SOLUTION
    rng = np.random.default_rng(seed)
    rows = [np.flatnonzero(blocks == block) for block in np.unique(blocks)]
    values = []
    for _ in range(draws):
        drawn = np.concatenate([rows[i] for i in rng.integers(0, len(rows), len(rows))])
        values.append(metric(y[drawn], p[drawn]))
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
    ### END SOLUTION

# %% check="4.3" points=1
check.block_bootstrap(block_bootstrap)

# %% [markdown]
# **What you should have seen.** A hundred draws, with your function:

# %%
test = sealed.open("how sure is the AUC?")
late, p = test["late"].to_numpy(), test["p"].to_numpy()
low, high = block_bootstrap(late, p, test["date"].to_numpy(), roc_auc_score, 100, seed=0)
print(f"AUC {roc_auc_score(late, p):.2f}, by day: 95 % from {low:.2f} to {high:.2f}")

# %% [markdown]
# Two digits, and no more: each limit rests on the two or three draws at its end. With another seed they move. For
# thousands of draws do not copy rows. AUC counts pairs, so count the pairs of each two days once, and weight them by
# how often the days were drawn:

# %%
limits = pd.DataFrame(index=["low", "high"])
for draws in (100, 5_000):
    thousands = case.auc_by_days(test["late"], {"linear": p}, test["date"], draws)["linear"]
    limits[f"{draws:,} draws"] = thousands.quantile([0.025, 0.975]).to_numpy()
limits.round(3)

# %% [markdown]
# **At work:** `scipy.stats.bootstrap`. It draws single rows, unless you give it the days as the sample and a statistic
# that looks up their rows. **Predict:** how much narrower is the interval from single rows?

# %%
day_of_row, names_of_days = pd.factorize(test["date"])
how = {"n_resamples": 1_000, "vectorized": False, "method": "percentile", "random_state": 1}


def auc_of_rows(rows):
    return case.weighted_auc(late, p, np.bincount(rows, minlength=len(late)))


def auc_of_days(days):
    return case.weighted_auc(late, p, np.bincount(days, minlength=len(names_of_days))[day_of_row])


by_row = stats.bootstrap((np.arange(len(late)),), auc_of_rows, **how).confidence_interval
by_day = stats.bootstrap((np.arange(len(names_of_days)),), auc_of_days, **how).confidence_interval
print("by flight: from {:.3f} to {:.3f}".format(*by_row))
print("by day:    from {:.3f} to {:.3f}".format(*by_day))

# %% [markdown]
# The interval by flight pretends that every flight is evidence of its own. The evidence is 61 days.

# %%
# claim: how much narrower is the interval from single rows
# unless: by_day = (by_row[0] + 0.0001, by_row[1] - 0.0001)
assert by_row[1] - by_row[0] < (by_day[1] - by_day[0]) / 2
# claim: The evidence is 61 days
# unless: names_of_days = names_of_days[:60]
assert len(names_of_days) == 61

# %% [markdown]
# ## 4. Validate as you will be used
#
# One validation period is one season. *Rolling origin* uses many: learn from all months before, judge on the next, move
# on. A worked example of why a shuffled split does not do: the same trees on 20,000 flights of January to October.

# %%
known = pd.concat([learned, validation])
sample = known.sample(40_000, random_state=0)
aucs = []
for fit_rows, judge_rows in KFold(2, shuffle=True, random_state=0).split(sample):
    judge = sample.iloc[judge_rows]
    aucs.append(roc_auc_score(judge["late"], fit_trees(sample.iloc[fit_rows], NUMBERS)
                              .predict_proba(judge[NUMBERS])[:, 1]))
print("shuffled folds: AUC", np.round(aucs, 3))

# %% [markdown]
# At prediction time the newest labels may still be missing. A **gap** leaves those months out between learning and
# judging.
#
# ### Exercise 4.4: rolling origin (1 point)

# %% exercise="4.4"
def rolling_origin_splits(months: np.ndarray, min_train: int, gap: int = 0
                          ) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each month that can be judged, the rows to learn from and to judge.

    months: shape (n,), the month of each row, whole numbers without holes that start
    anywhere, rows in any order.
    min_train: least number of months to learn from, 1 or more; gap: months left out
    between learning and judging.
    Returns (train, test) pairs of row positions, earliest test month first. Train holds
    all rows of all months before the gap, test all rows of one month.
    """
    ### BEGIN SOLUTION
    splits = []
    for month in range(months.min() + min_train + gap, months.max() + 1):
        train = np.flatnonzero(months < month - gap)
        splits.append((train, np.flatnonzero(months == month)))
    return splits
    ### END SOLUTION

# %% check="4.4" points=1
check.rolling_origin_splits(rolling_origin_splits)

# %% [markdown]
# **What you should have seen.** Each month judged by trees that know only the months before it.

# %%
def rolled_auc(splits) -> dict[int, float]:
    found = {}
    for fit_rows, judge_rows in splits:
        judge = known.iloc[judge_rows]
        model = fit_trees(known.iloc[fit_rows].sample(20_000, random_state=0), NUMBERS)
        found[int(judge["month"].iloc[0])] = roc_auc_score(judge["late"], model.predict_proba(judge[NUMBERS])[:, 1])
    return found


rolled = rolled_auc(rolling_origin_splits(known["month"].to_numpy(), min_train=4))
fig, ax = plt.subplots()
ax.plot(list(rolled), list(rolled.values()), "o-", label="rolling origin")
ax.axhline(np.mean(aucs), linestyle="--", color="C1", label="shuffled folds")
ax.set(xlabel="month of 2013", ylabel="AUC", ylim=(0.6, 0.85))
ax.legend()
figure.show(fig, alt=f"AUC of each month from May to October under rolling origin, from {min(rolled.values()):.2f} to "
            f"{max(rolled.values()):.2f}, all below the {np.mean(aucs):.2f} of shuffled folds.")

# %% [markdown]
# The model is not one number. It is a range of months, and the shuffled number lies above all of them. The gap between
# training and later months shows which model memorises:

# %%
test = sealed.open("how far apart are training and test AUC?")
for name, column in {"linear": "p", "trees": "p_trees"}.items():
    fitted, later = (roc_auc_score(rows["late"], rows[column]) for rows in (learned, test))
    print(f"{name:7} train {fitted:.3f}   test {later:.3f}   difference {fitted - later:.3f}")

# %% [markdown]
# **At work:** `TimeSeriesSplit`. It counts rows, not months, and its rows must be in order of time. Look where it cuts:

# %%
ordered = known.sort_values("decision_time")
for fit_rows, judge_rows in TimeSeriesSplit(n_splits=3).split(ordered):
    last, first = ordered["date"].iloc[fit_rows[-1]], ordered["date"].iloc[judge_rows[0]]
    print(f"learns to {last:%d %B}, judges from {first:%d %B}: {'the same day' if last == first else 'another day'}")

# %% [markdown]
# ## 5. Do the chances mean what they say?
#
# A threshold from costs needs chances that are true: of the flights with 30 percent, 30 percent should be late. That is
# **calibration**. A worked example with one bin, on the validation months:

# %%
middle = validation[(validation["p"] >= 0.3) & (validation["p"] < 0.4)]
print(f"{len(middle):,} flights, mean prediction {middle['p'].mean():.3f}, late share {middle['late'].mean():.3f}")

# %% [markdown]
# The **expected calibration error** (ECE) does this for all bins: the gap between share and mean prediction, weighted
# with the flights of the bin.
#
# ### Exercise 4.5: calibration table (1 point)

# %% exercise="4.5"
def calibration_table(y: np.ndarray, p: np.ndarray, bins: int
                      ) -> tuple[pd.DataFrame, float]:
    """Predicted chance against late share in bins of equal width, and the error.

    y: shape (n,), 0 or 1; p: shape (n,), from 0 to 1; bins: number of bins from 0 to 1.
    A bin holds its lower limit; the last one holds 1 as well; no p is so near to a limit
    that rounding decides. A bin without flights has no row.
    Returns a frame with `count`, `mean_p` and `share`, lowest bin first, and the
    expected calibration error: the mean of |share - mean_p|, weighted by count.
    """
    ### BEGIN SOLUTION
    place = np.minimum((p * bins).astype(int), bins - 1)
    rows = pd.DataFrame({"p": p, "y": y}).groupby(place)
    table = rows.agg(count=("y", "size"), mean_p=("p", "mean"), share=("y", "mean"))
    gap = (table["share"] - table["mean_p"]).abs()
    return table, float(np.average(gap, weights=table["count"]))
    ### END SOLUTION

# %% check="4.5" points=1
check.calibration_table(calibration_table)

# %% [markdown]
# **What you should have seen.** The linear model on both periods.

# %%
test = sealed.open("do the chances mean what they say?")
fig, ax = plt.subplots()
for name, rows in {"validation": validation, "test": test}.items():
    table, error = calibration_table(rows["late"].to_numpy(), rows["p"].to_numpy(), 10)
    table = table[table["count"] >= 50]
    ax.plot(table["mean_p"], table["share"], "o-", label=f"{name}, ECE {error:.3f}")
ax.plot([0, 0.8], [0, 0.8], ":", label="true chances")
ax.set(xlabel="mean prediction", ylabel="late share")
ax.legend()
figure.show(fig, alt="Late share against mean prediction in ten bins. The test months lie close to the diagonal, the "
            "validation months clearly below it: there the model promises more late flights than come.")

# %% [markdown]
# **At work:** `calibration_curve` gives the two columns and leaves out the count. Averaging its gaps makes a bin of
# fifty flights as heavy as one of twenty thousand.

# %%
test = sealed.open("do the chances mean what they say?")
share, mean_p = calibration_curve(test["late"], test["p"], n_bins=10)
print(f"mean gap over bins, unweighted: {np.abs(share - mean_p).mean():.3f}")

# %% [markdown]
# On validation the model is visibly off. So recalibrate on these months? **Predict:** does the Brier score (mean
# squared error of the chances, lower is better) of the test months fall?

# %%
test = sealed.open("does recalibration on September and October help?")
recalibrated = CalibratedClassifierCV(FrozenEstimator(linear), method="isotonic").fit(validation, validation["late"])
for name, rows in {"validation": validation, "test": test}.items():
    new = recalibrated.predict_proba(rows)[:, 1]
    print(f"{name:11} Brier {brier_score_loss(rows['late'], rows['p']):.4f} -> "
          f"{brier_score_loss(rows['late'], new):.4f}, mean p {new.mean():.3f}, late {rows['late'].mean():.3f}")

# %% [markdown]
# It learned the calm, like the tuned threshold. Recalibrate when the *relation* changed, not when the season did.
#
# ## 6. Who comes first?
#
# The rebooking team has time for twenty flights a day, so only the top of each day's list matters. **NDCG@k** adds up
# what the first k are worth, `gain / log2(rank + 1)` with rank 1 for the first, and divides by what the best order
# would give. **Average precision** takes the precision at the rank of each late flight, and averages; **MAP** is its
# mean over lists. A worked example with one list of four, best score first:

# %%
gain = np.array([0, 60, 0, 30])
discount = np.log2(np.arange(1, 5) + 1)
print(f"NDCG@2 {(gain / discount)[:2].sum() / (np.sort(gain)[::-1] / discount)[:2].sum():.3f}")
print(f"average precision {np.mean([1 / 2, 2 / 4]):.3f}: late flights stand at ranks 2 and 4")

# %% [markdown]
# ### Exercise 4.6: rank list by list (2 points)

# %% exercise="4.6"
def rank_quality(lists: np.ndarray, gain: np.ndarray, score: np.ndarray, k: int
                 ) -> dict[str, float]:
    """NDCG@k and mean average precision, by list and averaged over lists.

    lists: shape (n,), the list of each row, in any order; gain: shape (n,), what a row
    is worth, 0 for nothing; score: shape (n,), the highest comes first, no ties within
    a list. Each list has two rows or more, one at least a hit. NDCG takes the gain as it
    is over log2(rank + 1), and is cut at k; average precision is not.
    Returns ndcg and map. A row counts as a hit if its gain is above 0. Lists without a
    hit are left out.
    """
    ### BEGIN SOLUTION
    ndcg, precision = [], []
    for name in np.unique(lists):
        own = lists == name
        ranked = gain[own][np.argsort(-score[own])]
        hits = ranked > 0
        if not hits.any():
            continue
        rank = np.arange(1, len(ranked) + 1)
        best = np.sort(ranked)[::-1]
        discount = np.log2(rank[:k] + 1)
        ndcg.append((ranked[:k] / discount).sum() / (best[:k] / discount).sum())
        precision.append((np.cumsum(hits) / rank)[hits].mean())
    return {"ndcg": float(np.mean(ndcg)), "map": float(np.mean(precision))}
    ### END SOLUTION

# %% check="4.6" points=2
check.rank_quality(rank_quality)

# %% [markdown]
# **What you should have seen.** A flight is worth its minutes of delay beyond 29, at most 180.

# %%
test = sealed.open("how good is the top of each day's list?")
worth = (test["arr_delay"] - 29).clip(0, 180).to_numpy()
scores = {"linear": test["p"], "trees": test["p_trees"], "chance": np.random.default_rng(0).random(len(test))}
days = test["date"].to_numpy()
for name, score in scores.items():
    found = rank_quality(days, worth, np.asarray(score), k=20)
    print(f"{name:7} NDCG@20 {found['ndcg']:.3f}   MAP {found['map']:.3f}")

# %% [markdown]
# **At work:** `ndcg_score` and `average_precision_score`, one list at a time.

# %%
test = sealed.open("how good is the top of each day's list?")
days = [day.assign(worth=(day["arr_delay"] - 29).clip(0, 180)) for _, day in test.groupby("date")]
ndcg = np.mean([ndcg_score([day["worth"]], [day["p"]], k=20) for day in days])
ap = np.mean([average_precision_score(day["late"], day["p"]) for day in days])
print(f"linear  NDCG@20 {ndcg:.3f}   MAP {ap:.3f}   (all flights in one list: AP "
      f"{average_precision_score(test['late'], test['p']):.3f})")

# %% [markdown]
# Pooled, the number is much higher: it also pays for knowing which *days* are bad. The rebooking team cannot move its
# twenty calls from a good day to a bad one.
#
# Now the surprise. Trees that know the schedule only, no weather, no delays, against the full trees. **Predict:** which
# are better in AUC, and which in the first ten of each airport's day?

# %%
schedule_only = fit_trees(learned, case.SCHEDULE)
test = sealed.open("is the model with the better AUC better within each list?")
lists = list(test.groupby(["date", "origin"]).indices.values())
late = test["late"].to_numpy()
for name, score in {"all features": test["p_trees"].to_numpy(),
                    "schedule only": schedule_only.predict_proba(test[case.SCHEDULE])[:, 1]}.items():
    top = np.mean([late[rows[np.argsort(-score[rows], kind="stable")[:10]]].mean() for rows in lists])
    print(f"{name:14} AUC {roc_auc_score(late, score):.3f}   late among the first ten {top:.3f}")

# %% [markdown]
# Weather and delays say which days are bad. Within one airport's day they are almost the same for all flights, and
# there they are noise. A metric that pools lists rewards what the list cannot use.
#
# ## 7. Is it better, or lucky?
#
# The trees have a higher AUC. Both models were judged on the same days, so when a hard day is drawn it is hard for
# both. A **paired** comparison draws days once and takes the difference within the draw. A worked example on three
# days, the cost per flight at 1/6:

# %%
test = sealed.open("are the trees better than the linear model?")
silent = {name: test[column] < 1 / 6 for name, column in {"linear": "p", "trees": "p_trees"}.items()}
late = test["late"] == 1
cost = pd.DataFrame({name: 5 * (quiet & late) + 1 * (~quiet & ~late) for name, quiet in silent.items()})
cost.groupby(test["date"]).mean().assign(difference=lambda day: day["trees"] - day["linear"]).round(3).iloc[[0, 30, 60]]

# %% [markdown]
# The costs of days differ far more than the two models do. And if you compare twenty models and report the best, one in
# twenty wins by luck. The plain correction (Bonferroni): with `comparisons` of them, each interval takes the level
# `1 - 0.05 / comparisons`.
#
# ### Exercise 4.7: paired difference (2 points)

# %% exercise="4.7"
def paired_difference(y: np.ndarray, p_old: np.ndarray, p_new: np.ndarray,
                      blocks: np.ndarray,
                      metric: Callable[[np.ndarray, np.ndarray], float],
                      draws: int, seed: int, comparisons: int = 1
                      ) -> tuple[float, float, float]:
    """How much better `p_new` is than `p_old`, by block bootstrap.

    y, p_old, p_new, blocks: shape (n,); metric(y, p): higher is better, never nan;
    draws: how often to resample whole blocks, as in 4.3; seed: of numpy's default_rng;
    comparisons: number of such comparisons made, the interval has level
    1 - 0.05 / comparisons.
    Returns the difference on all rows, new minus old, and the lower and upper limit.
    """
    ### BEGIN SOLUTION
    rng = np.random.default_rng(seed)
    rows = [np.flatnonzero(blocks == block) for block in np.unique(blocks)]
    values = []
    for _ in range(draws):
        drawn = np.concatenate([rows[i] for i in rng.integers(0, len(rows), len(rows))])
        values.append(metric(y[drawn], p_new[drawn]) - metric(y[drawn], p_old[drawn]))
    tail = 0.05 / comparisons / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(metric(y, p_new) - metric(y, p_old)), float(low), float(high)
    ### END SOLUTION

# %% check="4.7" points=2
check.paired_difference(paired_difference)

# %% [markdown]
# **What you should have seen.** **Predict:** is the trees' lead in AUC, on all the flights of two
# months, proven?

# %%
test = sealed.open("are the trees better than the linear model?")
late, old, new = (test[column].to_numpy() for column in ("late", "p", "p_trees"))
found = paired_difference(late, old, new, test["date"].to_numpy(), roc_auc_score, 100, seed=0)
print("AUC, trees minus linear: {:+.2f}, by day from {:+.2f} to {:+.2f}".format(*found))

# %%
both = case.auc_by_days(test["late"], {"linear": old, "trees": new}, test["date"], draws=5_000)
low, high = (both["trees"] - both["linear"]).quantile([0.025, 0.975])
print(f"the same from 5,000 draws: {found[0]:+.4f}, from {low:+.4f} to {high:+.4f}")

# %% [markdown]
# Not proven, and not refuted: the days allow anything from a loss to a gain. **At work:**
# `scipy.stats.permutation_test` asks the other way round. If it did not matter which model made the cost of a day,
# how often would the mean difference be as large as this one?

# %%
test = sealed.open("are the trees better than the linear model?")
missed, needless = test["late"] == 1, test["late"] == 0
daily = pd.DataFrame({column: 5 * (missed & (test[column] < 1 / 6)) + 1 * (needless & (test[column] >= 1 / 6))
                      for column in ("p", "p_trees")}).groupby(test["date"]).mean()
result = stats.permutation_test((daily["p_trees"], daily["p"]), lambda a, b, axis: np.mean(a - b, axis=axis),
                                permutation_type="samples", vectorized=True, n_resamples=2_000,
                                random_state=0)
print(f"daily cost, trees minus linear: {result.statistic:+.4f}, p-value {result.pvalue:.2f}")

# %% [markdown]
# ## 8. An A/B test, and not peeking
#
# Offline you replay the past. Whether alerts *help* you learn only by giving them to some and not to others, by lot.
# First the number of cases: for shares p0 and p1, with mean m, each arm needs
#
# $$n = \frac{\big(z_{1-\alpha/2}\sqrt{2 m (1-m)} + z_{power}\sqrt{p_0(1-p_0)+p_1(1-p_1)}\big)^2}{(p_1-p_0)^2}$$
#
# rounded up. A worked example: today 30 percent of late connections are missed, and 28 would pay for the alerts.

# %%
p0, p1, (z_alpha, z_power) = 0.30, 0.28, stats.norm.ppf([1 - 0.05 / 2, 0.80])
spread = z_alpha * np.sqrt((p0 + p1) * (1 - (p0 + p1) / 2)) + z_power * np.sqrt(p0 * (1 - p0) + p1 * (1 - p1))
planned = int(np.ceil((spread / (p1 - p0)) ** 2))
print(f"{planned:,} connections in each arm")

# %% [markdown]
# The test itself, at the end: `z = (share_b - share_a) / sqrt(2 m (1 - m) / n)` with the pooled share m, and the
# two-sided p-value `2 * norm.sf(abs(z))`.
#
# ### Exercise 4.8: one look, at the planned size (2 points)

# %% exercise="4.8"
def ab_test(a: np.ndarray, b: np.ndarray, p0: float, p1: float, alpha: float = 0.05,
            power: float = 0.8) -> dict[str, float | int | str | None]:
    """Plan an A/B test, and read it once.

    a, b: outcomes 0 or 1 of the two arms in order of arrival, both occur among the
    first n; p0, p1: the shares to tell apart; alpha, power: as usual.
    Returns n (cases needed in each arm, two-sided, rounded up; under the null hypothesis
    the variance may be the pooled one or not), p_value (two-sided, from the pooled share) and
    verdict: "wait" with p_value None while an arm has fewer than n; then, from the
    first n of each arm alone, "different" if p_value < alpha, else "not shown" (a
    p_value of exactly alpha is left out).
    """
    ### BEGIN SOLUTION
    mean = (p0 + p1) / 2
    z_alpha, z_power = stats.norm.ppf([1 - alpha / 2, power])
    spread = (z_alpha * np.sqrt(2 * mean * (1 - mean))
              + z_power * np.sqrt(p0 * (1 - p0) + p1 * (1 - p1)))
    n = int(np.ceil((spread / (p1 - p0)) ** 2))
    if min(len(a), len(b)) < n:
        return {"n": n, "p_value": None, "verdict": "wait"}
    share_a, share_b = a[:n].mean(), b[:n].mean()
    pooled = (share_a + share_b) / 2
    z = (share_b - share_a) / np.sqrt(2 * pooled * (1 - pooled) / n)
    p_value = float(2 * stats.norm.sf(abs(z)))
    verdict = "different" if p_value < alpha else "not shown"
    return {"n": n, "p_value": p_value, "verdict": verdict}
    ### END SOLUTION

# %% check="4.8" points=2
check.ab_test(ab_test)

# %% [markdown]
# **What you should have seen.** An **A/A test**: both arms are the same, so every "different" is a false alarm.
# **Predict:** how many of 2,000 such tests raise one, if somebody looks ten times on the way?

# %%
rng = np.random.default_rng(0)
n = ab_test(np.array([]), np.array([]), 0.30, 0.28)["n"]
looks = np.linspace(n // 10, n, 10, dtype=int)
arms = rng.binomial(np.diff(looks, prepend=0), 0.30, (2, 2_000, 10)).cumsum(axis=2) / looks
pooled = arms.mean(axis=0)
z = (arms[1] - arms[0]) / np.sqrt(2 * pooled * (1 - pooled) / looks)
print(f"one look at the end: {(abs(z[:, -1]) > 1.96).mean():.1%} false alarms")
print(f"ten looks, stop at the first p < 0.05: {(abs(z) > 1.96).any(axis=1).mean():.1%}")

# %% [markdown]
# **At work:** `chi2_contingency` without its continuity correction is the same test. And a formula can be tried out:
# with the planned size, a real difference should be found four times in five.

# %%
rng = np.random.default_rng(1)
missed_a, missed_b = rng.binomial(planned, [[0.30], [0.28]], (2, 1_000))
p_values = [stats.chi2_contingency([[a, planned - a], [b, planned - b]], correction=False).pvalue
            for a, b in zip(missed_a, missed_b)]
print(f"a real difference of 2 points is found in {np.mean(np.array(p_values) < 0.05):.0%} of the tests")

# %% [markdown]
# Now that you have written both formulas once, statsmodels has them. It asks for the share of the second arm and the
# difference to find:

# %%
from statsmodels.stats.proportion import proportions_ztest, samplesize_proportions_2indep_onetail

cases = samplesize_proportions_2indep_onetail(p0 - p1, p1, power=0.80, alpha=0.05, alternative="two-sided")
z, p_value = proportions_ztest([300, 265], [1_000, 1_000])
print(f"cases in each arm: {int(np.ceil(cases)):,}, as you planned: {int(np.ceil(cases)) == planned}")
print(f"p-value of 300 and 265 of 1,000: {p_value:.3f}")

# %% [markdown]
# ### One result, two readings
#
# One test, 1,000 connections in each arm, 300 missed without alerts and 265 with. The **frequentist** says: an interval
# made in this way covers the true difference in 95 of 100 tests. The **Bayesian** starts from a prior, here a flat
# Beta(1, 1) for each share, and says how likely each difference is *now*.

# %%
def two_readings(missed_a: int, n_a: int, missed_b: int, n_b: int, prior=(1, 1)) -> pd.Series:
    a, b = missed_a / n_a, missed_b / n_b
    error = 1.96 * np.sqrt(a * (1 - a) / n_a + b * (1 - b) / n_b)
    draw = np.random.default_rng(0).beta
    gain = (draw(prior[0] + missed_a, prior[1] + n_a - missed_a, 100_000)
            - draw(prior[0] + missed_b, prior[1] + n_b - missed_b, 100_000))
    low, high = np.quantile(gain, [0.025, 0.975])
    return pd.Series({"z from": a - b - error, "z to": a - b + error, "Beta from": low, "Beta to": high,
                      "P(b better)": (gain > 0).mean()}).round(3)


pd.DataFrame({"300 and 265 of 1,000": two_readings(300, 1_000, 265, 1_000), "3 and 0 of 10": two_readings(3, 10, 0, 10),
              "3 and 0 of 10, prior": two_readings(3, 10, 0, 10, prior=(30, 70))}).T

# %% [markdown]
# With a thousand the numbers agree, and the sentences do not: only the Bayesian may say how *likely* it is that b is
# better. With ten cases the z interval claims more than ten cases can, and the prior decides: whoever knew that shares
# are near 30 percent is hardly moved.
#
# ## 9. Slices
#
# A model or an airline is an average over slices. **Predict:** Endeavor (9E) is late more often than Southwest (WN). Is
# it the worse choice at Newark? A worked example, the pooled shares:

# %%
pair = flights[flights["carrier"].isin(["9E", "WN"])]
pair.groupby("carrier")["late"].agg(["mean", "count"]).round(3)

# %% [markdown]
# ### Exercise 4.9: slices with their counts (1 point)

# %% exercise="4.9"
def slice_table(flights: pd.DataFrame, by: str, group: str, pair: tuple[str, str]
                ) -> tuple[pd.DataFrame, float]:
    """The late shares of two groups compared within each slice.

    flights: `late` (0 or 1), a column `by` of slices and a column `group`, none missing;
    pair: the two groups to compare, which have flights in one slice at least.
    Returns a frame with one row for each slice in which both groups have flights, the
    slice as its index, sorted: n_first, n_second (flights) and difference (late share
    of the second group minus that of the first). And the mean of the differences,
    weighted by the flights of both groups in the slice.
    """
    ### BEGIN SOLUTION
    shares = flights.groupby([by, group])["late"].agg(["mean", "count"]).unstack(group)
    (first, second), mean, count = pair, shares["mean"], shares["count"]
    table = pd.DataFrame({"n_first": count[first], "n_second": count[second],
                          "difference": mean[second] - mean[first]})
    table = table.dropna().astype({"n_first": int, "n_second": int}).sort_index()
    weights = table["n_first"] + table["n_second"]
    return table, float(np.average(table["difference"], weights=weights))
    ### END SOLUTION

# %% check="4.9" points=1
check.slice_table(slice_table)

# %% [markdown]
# **What you should have seen.**

# %%
table, adjusted = slice_table(flights, "origin", "carrier", ("WN", "9E"))
means = pair.groupby("carrier")["late"].mean()
print(f"9E minus WN: pooled {100 * (means['9E'] - means['WN']):+.1f} points, "
      f"within airports {100 * adjusted:+.1f} points")
table.round(3)

# %% [markdown]
# This is **Simpson's paradox**: late more often overall, less often at Newark. At LaGuardia as well, but there the days
# of one year cannot tell: chapter 2 has the intervals. Carrier 9E flies mostly from Kennedy, and WN never.
# **At work:** `pivot_table` for the shares, and an interval for each of them, because small slices lie. Wilson's does
# not leave the range from 0 to 1.

# %%
# claim: late more often overall, less often at Newark
newark = pair[pair["origin"] == "EWR"]
sums = pd.DataFrame({f"{name} {what}": (newark["carrier"] == name) * value for name in ("9E", "WN")
                     for what, value in (("late", newark["late"]), ("n", 1))})
drawn = case.by_days(sums, newark["date"])
assert (drawn["WN late"] / drawn["WN n"] - drawn["9E late"] / drawn["9E n"]).quantile(0.025) > 0
assert means["9E"] > means["WN"]

# %%
print(pair.pivot_table(index="origin", columns="carrier", values="late", aggfunc=["mean", "size"]).round(3))
own = pair[(pair["carrier"] == "9E") & (pair["origin"] == "EWR")]["late"]
low, high = stats.binomtest(int(own.sum()), len(own)).proportion_ci(method="wilson")
print(f"9E at EWR: {own.mean():.3f}, 95 % from {low:.3f} to {high:.3f}")

# %% [markdown]
# ## 10. The card that every model must pass
#
# The case gets its evaluation report. `case.evaluation_card` asks four questions of a model, with intervals by day:
# does it beat the table of rates, does it save money, at the worst airport too, and are its chances true? Every model
# of the later chapters must pass it.

# %%
overall = learned["late"].mean()
groups = learned.groupby(["carrier", "hour"])["late"].agg(["sum", "count"])
rate = ((groups["sum"] + 20 * overall) / (groups["count"] + 20)).rename("baseline")
test = sealed.open("the evaluation card").join(rate, on=["carrier", "hour"]).fillna({"baseline": overall})
case.evaluation_card(test, threshold=1 / 6).round(3)

# %% [markdown]
# And what was asked of the sealed months, so that a reader can judge how often you looked:

# %%
for question in dict.fromkeys(sealed.openings):
    print(f"{sealed.openings.count(question)} x {question}")

# %% [markdown]
# ## 11. Review: code that you did not write
#
# A number on an evaluation card is only as good as the code behind it, and somebody else wrote that code. Do not ask
# whether it looks right. Ask for **one valid input** for which it breaks its docstring.
#
# ### Exercise 4.10: review three versions of calibration_table (3 points)
#
# A colleague hands in three versions of `calibration_table`. Their docstring is that of exercise 4.5.

# %%
def calibration_table_a(
    y: np.ndarray, p: np.ndarray, bins: int
) -> tuple[pd.DataFrame, float]:
    rows = []
    place = np.clip(np.floor(p * bins), 0, bins - 1)
    for number in range(bins):
        inside = place == number
        if inside.any():
            rows.append((inside.sum(), p[inside].mean(), y[inside].mean()))
    table = pd.DataFrame(rows, columns=["count", "mean_p", "share"])
    gap = (table["share"] - table["mean_p"]).abs()
    return table, float((gap * table["count"]).sum() / table["count"].sum())

# %%
def calibration_table_b(
    y: np.ndarray, p: np.ndarray, bins: int
) -> tuple[pd.DataFrame, float]:
    edges = np.linspace(0, 1, bins + 1)
    place = pd.cut(p, edges, labels=False, include_lowest=True)
    rows = pd.DataFrame({"p": p, "y": y}).groupby(place)
    table = rows.agg(count=("y", "size"), mean_p=("p", "mean"), share=("y", "mean"))
    gap = (table["share"] - table["mean_p"]).abs()
    return table, float(np.average(gap, weights=table["count"]))

# %%
def calibration_table_c(
    y: np.ndarray, p: np.ndarray, bins: int
) -> tuple[pd.DataFrame, float]:
    place = np.minimum((p * bins).astype(int), bins - 1)
    rows = pd.DataFrame({"p": p, "y": y}).groupby(place)
    table = rows.agg(count=("y", "size"), mean_p=("p", "mean"), share=("y", "mean"))
    gap = table["share"] - table["mean_p"]
    return table, float(abs(np.average(gap, weights=table["count"])))

# %% [markdown]
# Write `review_calibration`: for each function one input on which it does not do what the docstring says, or `None` if
# it is right. The input must be valid by that docstring. A small input is easier to read, and earns no more.

# %% exercise="4.10"
def review_calibration() -> dict[str, dict | None]:
    """For each version of `calibration_table` an input that exposes it, or None.

    Returns a dict with the keys "calibration_table_a", "calibration_table_b" and
    "calibration_table_c". Each value is None, if the function is right, or a dict with
    the arguments of `calibration_table`: `y`, `p` and `bins`. Where a chance in `p`
    lies on a limit, it does so exactly, such as 0.5 with 2 bins.
    """
    ### BEGIN SOLUTION
    on_a_limit = {"y": np.array([1, 0]), "p": np.array([0.5, 0.25]), "bins": 2}
    both_ways = {"y": np.array([1, 0]), "p": np.array([0.25, 0.75]), "bins": 2}
    return {"calibration_table_a": None, "calibration_table_b": on_a_limit,
            "calibration_table_c": both_ways}
    ### END SOLUTION

# %% check="4.10" part="calibration_table_a" points=1
check.review_calibration(review_calibration, "calibration_table_a")

# %% check="4.10" part="calibration_table_b" points=1
check.review_calibration(review_calibration, "calibration_table_b")

# %% check="4.10" part="calibration_table_c" points=1
check.review_calibration(review_calibration, "calibration_table_c")

# %% [markdown]
# **What you should have seen.** The three versions on the validation months:

# %%
y, p = validation["late"].to_numpy(), validation["p"].to_numpy()
for version in (calibration_table_a, calibration_table_b, calibration_table_c):
    print(f"{version.__name__}: expected calibration error {version(y, p, 10)[1]:.4f}")

# %% [markdown]
# No chance of the model lies exactly on a limit, so two of the versions agree on all flights of two months. The third
# reports a smaller error than there is, because gaps up and gaps down cancel. It flatters the model, and nobody looks
# for that.

# %%
# claim: No chance of the model lies exactly on a limit
# claim: reports a smaller error than there is
errors = [version(y, p, 10)[1] for version in (calibration_table_a, calibration_table_b, calibration_table_c)]
assert not (p * 10 == np.round(p * 10)).any() and abs(errors[0] - errors[1]) < 1e-12 and errors[2] < errors[0]

# %% [markdown]
# ## Where you stand

# %%
check.progress()

# %% [markdown]
# You can say how good a model is, for whom, and how sure you are. Chapter 5 asks whether more data and more machines
# would change any of it.
