"""Wrong (and differently written right) answers of lab 10."""

import itertools
import math

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.wrong_answers import right, wrong

# 10.1 group_report


def report(y, chosen, group, reference):
    rows = pd.DataFrame({"y": y, "chosen": chosen, "group": group})
    by = rows.groupby("group")
    found = pd.DataFrame({"n": by.size(), "selection": by["chosen"].mean()})
    found["TPR"] = rows[rows["y"] == 1].groupby("group")["chosen"].mean().reindex(found.index)
    found["FPR"] = rows[rows["y"] == 0].groupby("group")["chosen"].mean().reindex(found.index)
    found["PPV"] = rows[rows["chosen"] == 1].groupby("group")["y"].mean().reindex(found.index)
    found["ratio"] = found["selection"] / found.loc[reference, "selection"]
    return found


@wrong("10.1", "M88")
def ratio_inverted(y, chosen, group, reference):
    found = report(y, chosen, group, reference)
    return found.assign(ratio=found.loc[reference, "selection"] / found["selection"])


@wrong("10.1", "M32")
def difference_for_ratio(y, chosen, group, reference):
    found = report(y, chosen, group, reference)
    return found.assign(ratio=found["selection"] - found.loc[reference, "selection"])


@wrong("10.1", "M36")
def tpr_of_all_rows(y, chosen, group, reference):
    found = report(y, chosen, group, reference)
    return found.assign(TPR=pd.Series(y * chosen).groupby(group).mean())


@wrong("10.1", "M32")
def precision_called_tpr(y, chosen, group, reference):
    found = report(y, chosen, group, reference)
    return found.assign(TPR=found["PPV"])


@wrong("10.1", "M06")
def accuracy_called_tpr(y, chosen, group, reference):
    found = report(y, chosen, group, reference)
    return found.assign(TPR=pd.Series(y == chosen).groupby(group).mean())


@wrong("10.1", "M47")
def nobody_positive_is_zero(y, chosen, group, reference):
    return report(y, chosen, group, reference).fillna(0)


@wrong("10.1", "M36")
def share_of_all_chosen(y, chosen, group, reference):
    found = report(y, chosen, group, reference)
    found["selection"] = pd.Series(chosen).groupby(group).sum() / chosen.sum()
    return found.assign(ratio=found["selection"] / found.loc[reference, "selection"])


@right("10.1")
def with_confusion_matrices(y, chosen, group, reference):
    rows = {}
    with np.errstate(invalid="ignore", divide="ignore"):
        for name in sorted(set(group), reverse=True):
            tn, fp, fn, tp = confusion_matrix(y[group == name], chosen[group == name], labels=[0, 1]).ravel()
            n = tn + fp + fn + tp
            rows[name] = {"n": n, "selection": (tp + fp) / n, "TPR": tp / (tp + fn), "FPR": fp / (fp + tn),
                          "PPV": tp / (tp + fp)}
    found = pd.DataFrame.from_dict(rows, orient="index")
    return found.assign(ratio=found["selection"] / found["selection"][reference])


# 10.2 four_fifths


def drawn(chosen, group, name, reference, draws, seed):
    rng = np.random.default_rng(seed)
    parts = [chosen[group == which] for which in (name, reference)]
    return [rng.choice(part, (draws, len(part))).mean(axis=1) for part in parts]


def said(low, high):
    return "below" if high < 0.8 else "not below" if low >= 0.8 else "cannot tell"


def interval(chosen, group, name, reference, draws, seed):
    a, b = drawn(chosen, group, name, reference, draws, seed)
    return np.quantile(a / b, [0.025, 0.975])


@wrong("10.2", "M16")
def the_ratio_itself(chosen, group, name, reference, draws=1000, seed=0):
    low, high = interval(chosen, group, name, reference, draws, seed)
    ratio = chosen[group == name].mean() / chosen[group == reference].mean()
    return {"low": low, "high": high, "verdict": "below" if ratio < 0.8 else "not below"}


@wrong("10.2", "M16")
def no_interval_at_all(chosen, group, name, reference, draws=1000, seed=0):
    ratio = chosen[group == name].mean() / chosen[group == reference].mean()
    return {"low": ratio, "high": ratio, "verdict": said(ratio, ratio)}


@wrong("10.2", "M89")
def everybody_in_one_urn(chosen, group, name, reference, draws=1000, seed=0):
    rng = np.random.default_rng(seed)
    ratios = []
    for _ in range(min(draws, 400)):
        rows = rng.integers(0, len(chosen), len(chosen))
        c, g = chosen[rows], group[rows]
        with np.errstate(invalid="ignore", divide="ignore"):
            ratios.append(np.divide(c[g == name].sum(), (g == name).sum()) / c[g == reference].mean())
    low, high = np.quantile(ratios, [0.025, 0.975])
    return {"low": low, "high": high, "verdict": said(low, high)}


@wrong("10.2", "M13")
def by_p_value(chosen, group, name, reference, draws=1000, seed=0):
    low, high = interval(chosen, group, name, reference, draws, seed)
    a, b = (chosen[group == which] for which in (name, reference))
    p = stats.chi2_contingency([[a.sum(), len(a) - a.sum()], [b.sum(), len(b) - b.sum()]])[1]
    if a.mean() / b.mean() < 0.8 and said(low, high) != "cannot tell":
        return {"low": low, "high": high, "verdict": "below"}
    significant = p < 0.05 and len(a) >= 500
    return {"low": low, "high": high, "verdict": "below" if significant else "cannot tell"}


@wrong("10.2", "M16")
def the_reference_is_exact(chosen, group, name, reference, draws=1000, seed=0):
    a, _ = drawn(chosen, group, name, reference, draws, seed)
    low, high = np.quantile(a / chosen[group == reference].mean(), [0.025, 0.975])
    return {"low": low, "high": high, "verdict": said(low, high)}


@wrong("10.2", "M32")
def interval_of_the_difference(chosen, group, name, reference, draws=1000, seed=0):
    a, b = drawn(chosen, group, name, reference, draws, seed)
    low, high = np.quantile(a - b, [0.025, 0.975])
    return {"low": low, "high": high, "verdict": said(*np.quantile(a / b, [0.025, 0.975]))}


@right("10.2")
def with_binomial_draws(chosen, group, name, reference, draws=1000, seed=0):
    rng = np.random.default_rng(seed + 7)
    rates = []
    for which in (name, reference):
        part = chosen[group == which]
        rates.append(rng.binomial(len(part), part.mean(), draws) / len(part))
    low, high = np.percentile(rates[0] / rates[1], [2.5, 97.5])
    return {"low": low, "high": high, "verdict": said(low, high)}


# 10.3 proxy_auc


def pipeline():
    return make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(max_iter=1000))


def folds():
    return StratifiedKFold(5, shuffle=True, random_state=0)


@wrong("10.3", "M15")
def the_column_is_gone(rows, group, outcomes):
    return 0.5


@wrong("10.3", "M02")
def judged_where_it_learned(rows, group, outcomes):
    inputs = rows.drop(columns=outcomes)
    return float(roc_auc_score(group, pipeline().fit(inputs, group).predict_proba(inputs)[:, 1]))


@wrong("10.3", "M01")
def outcomes_among_the_inputs(rows, group, outcomes):
    return float(roc_auc_score(group, cross_val_predict(pipeline(), rows, group, cv=folds(),
                                                        method="predict_proba")[:, 1]))


@wrong("10.3", "M06")
def accuracy(rows, group, outcomes):
    return float(cross_val_score(pipeline(), rows.drop(columns=outcomes), group, cv=folds(), scoring="accuracy").mean())


@wrong("10.3", "M33")
def the_best_single_column(rows, group, outcomes):
    found = [roc_auc_score(group, rows[c].fillna(rows[c].median())) for c in rows.drop(columns=outcomes)]
    return float(max(max(auc, 1 - auc) for auc in found))


@right("10.3")
def fold_by_fold(rows, group, outcomes):
    inputs, scores = rows.drop(columns=outcomes).to_numpy(float), np.empty(len(rows))
    for fit, judge in folds().split(inputs, group):
        middle = np.nanmedian(inputs[fit], axis=0)
        a, b = (np.where(np.isnan(part), middle, part) for part in (inputs[fit], inputs[judge]))
        mean, std = a.mean(axis=0), a.std(axis=0)
        model = LogisticRegression(max_iter=500).fit((a - mean) / std, group[fit])
        scores[judge] = model.decision_function((b - mean) / std)
    return float(roc_auc_score(group, scores))


# 10.4 reweigh


def sizes(y, group):
    rows = pd.DataFrame({"y": y, "group": group})
    return tuple(rows.groupby(by)["y"].transform("size").to_numpy() for by in ("group", "y", ["group", "y"]))


@wrong("10.4", "M90")
def by_group_size(y, group):
    return len(y) / sizes(y, group)[0]


@wrong("10.4", "M90")
def balanced_labels(y, group):
    return len(y) / 2 / sizes(y, group)[1]


@wrong("10.4", "M36")
def all_cells_alike(y, group):
    return len(y) / 4 / sizes(y, group)[2]


@wrong("10.4", "M88")
def actual_over_expected(y, group):
    by, of, cell = sizes(y, group)
    return cell * len(y) / (by * of)


@right("10.4")
def cell_by_cell(y, group):
    weights = np.zeros(len(y))
    for g in set(group):
        for label in (0, 1):
            cell = (group == g) & (y == label)
            weights[cell] = (group == g).mean() * (y == label).mean() / cell.mean()
    return weights


# 10.5 mitigate


def limit(rows, tpr, short=0):
    p = np.sort(rows.loc[rows["y"] == 1, "p"])[::-1]
    return p[math.ceil(tpr * len(p) - 1e-9) - 1 - short]


def own_limits(rows, tpr, short=0):
    return {name: limit(part, tpr, short) for name, part in rows.groupby("group")}


def one_limit(rows, tpr, short=0):
    return dict.fromkeys(rows["group"].unique(), limit(rows, tpr, short))


def price(rows, limits):
    chosen = rows["p"] >= rows["group"].map(limits)
    hit, selected = chosen[rows["y"] == 1].groupby(rows["group"]).mean(), chosen.groupby(rows["group"]).mean()
    return {"gap": hit.max() - hit.min(), "ratio": selected.min() / selected.max(),
            "accuracy": (chosen == (rows["y"] == 1)).mean()}


@wrong("10.5", "M05")
def thresholds_from_test(validation, test, tpr, may_use_group):
    limits = own_limits(test, tpr) if may_use_group else one_limit(test, tpr)
    return {"thresholds": limits, "before": price(test, one_limit(test, tpr)), "after": price(test, limits)}


@wrong("10.5", "M36")
def quantile_of_all_rows(validation, test, tpr, may_use_group):
    everybody = validation.assign(y=1)
    limits = own_limits(everybody, tpr) if may_use_group else one_limit(everybody, tpr)
    return {"thresholds": limits, "before": price(test, one_limit(everybody, tpr)), "after": price(test, limits)}


@wrong("10.5", "M26")
def uses_the_group_anyway(validation, test, tpr, may_use_group):
    limits = own_limits(validation, tpr)
    return {"thresholds": limits, "before": price(test, one_limit(validation, tpr)), "after": price(test, limits)}


@wrong("10.5", "M75")
def tells_only_what_improved(validation, test, tpr, may_use_group):
    limits = own_limits(validation, tpr) if may_use_group else one_limit(validation, tpr)
    after, before = price(test, limits), price(test, one_limit(validation, tpr))
    return {"thresholds": limits, "before": {"gap": before["gap"]}, "after": {"gap": after["gap"]}}


@wrong("10.5", "M75")
def only_after(validation, test, tpr, may_use_group):
    limits = own_limits(validation, tpr) if may_use_group else one_limit(validation, tpr)
    return {"thresholds": limits, "after": price(test, limits)}


@wrong("10.5", "M02")
def bill_on_validation(validation, test, tpr, may_use_group):
    limits = own_limits(validation, tpr) if may_use_group else one_limit(validation, tpr)
    return {"thresholds": limits, "before": price(validation, one_limit(validation, tpr)),
            "after": price(validation, limits)}


@wrong("10.5", "M31")
def one_too_high(validation, test, tpr, may_use_group):
    limits = own_limits(validation, tpr, 1) if may_use_group else one_limit(validation, tpr, 1)
    return {"thresholds": limits, "before": price(test, one_limit(validation, tpr, 1)), "after": price(test, limits)}


@right("10.5")
def by_trying_each(validation, test, tpr, may_use_group):
    def highest(p):
        return max(limit for limit in p if (p >= limit).mean() >= tpr - 1e-9)

    good = validation[validation["y"] == 1]
    same = dict.fromkeys(validation["group"].unique(), highest(good["p"].to_numpy()))
    own = {name: highest(part["p"].to_numpy()) for name, part in good.groupby("group")} if may_use_group else same
    return {"thresholds": own, "before": price(test, same), "after": price(test, own)}


# 10.6 exact_shapley


def worth(f, x, background, known):
    rows = background.copy()
    rows[:, list(known)] = x[list(known)]
    return float(np.mean(f(rows)))


def added(f, x, background, column, known):
    return worth(f, x, background, (*known, column)) - worth(f, x, background, known)


@wrong("10.6", "M92")
def first_to_last(f, x, background):
    return np.array([added(f, x, background, column, range(column)) for column in range(len(x))])


@wrong("10.6", "M92")
def each_alone(f, x, background):
    return np.array([added(f, x, background, column, ()) for column in range(len(x))])


@wrong("10.6", "M92")
def each_left_out(f, x, background):
    return np.array([added(f, x, background, column, [c for c in range(len(x)) if c != column])
                     for column in range(len(x))])


@wrong("10.6", "M93")
def against_the_mean_row(f, x, background):
    return over_all_orders(f, x, background.mean(axis=0, keepdims=True))


@wrong("10.6", "M07")
def all_sets_count_alike(f, x, background):
    k, values = len(x), np.zeros(len(x))
    for column in range(k):
        rest = [c for c in range(k) if c != column]
        sets = [known for size in range(k) for known in itertools.combinations(rest, size)]
        values[column] = np.mean([added(f, x, background, column, known) for known in sets])
    return values


@wrong("10.6", "M91")
def slopes(f, x, background):
    k = len(x)
    zero = np.asarray(f(np.zeros((1, k))))[0]
    ones = np.asarray(f(np.eye(k)))
    minus = np.asarray(f(-np.eye(k)))
    return (ones - minus) / 2 * (x - background.mean(axis=0)) + 0 * zero


@right("10.6")
def over_all_orders(f, x, background):
    k, values = len(x), np.zeros(len(x))
    orders = list(itertools.permutations(range(k)))
    for order in orders:
        rows = background.copy()
        before = np.mean(f(rows))
        for column in order:
            rows[:, column] = x[column]
            after = np.mean(f(rows))
            values[column] += after - before
            before = after
    return values / len(orders)


# 10.7 reason_codes


@wrong("10.7", "M91")
def by_coefficient(coefficients, applicant, usual, barred, most=4):
    return list(coefficients.drop(barred).sort_values().index[:most])


@wrong("10.7", "M91")
def without_the_usual(coefficients, applicant, usual, barred, most=4):
    moved = (coefficients * applicant).drop(barred).sort_values()
    return list(moved[moved < 0].index[:most])


@wrong("10.7", "M94")
def strongest_whatever_they_are(coefficients, applicant, usual, barred, most=4):
    moved = (coefficients * (applicant - usual)).sort_values()
    return list(moved[moved < 0].index[:most])


@wrong("10.7", "M40")
def largest_either_way(coefficients, applicant, usual, barred, most=4):
    moved = (coefficients * (applicant - usual)).drop(barred)
    return list(moved.abs().sort_values(ascending=False).index[:max(most, 2)])


@wrong("10.7", "M34")
def in_the_order_of_the_columns(coefficients, applicant, usual, barred, most=4):
    moved = (coefficients * (applicant - usual)).drop(barred)
    return sorted(moved[moved < 0].nsmallest(most).index, reverse=True)


@wrong("10.7", "M40")
def always_that_many(coefficients, applicant, usual, barred, most=4):
    return list((coefficients * (applicant - usual)).drop(barred).sort_values().index[:most])


@wrong("10.7", "M33")
def only_the_strongest(coefficients, applicant, usual, barred, most=4):
    moved = (coefficients * (applicant - usual)).drop(barred)
    return list(moved[moved < 0].nsmallest(1).index)


@right("10.7")
def in_a_loop(coefficients, applicant, usual, barred, most=4):
    found = []
    for name in coefficients.index:
        moved = coefficients[name] * (applicant[name] - usual[name])
        if name not in barred and moved < 0:
            found.append((moved, name))
    return [name for _, name in sorted(found)][:most]


# 10.8 private_count


def noise(scale, seed):
    return np.random.default_rng(seed).laplace(0, scale)


def spent(ledger, epsilon, question, answer):
    return {"left": ledger["left"] - epsilon, "answers": ledger["answers"] | {question: answer}}


@wrong("10.8", "M88")
def more_epsilon_more_noise(count, epsilon, question, ledger, seed):
    if question in ledger["answers"]:
        return ledger["answers"][question], ledger
    if epsilon > ledger["left"]:
        return None, ledger
    answer = count + noise(epsilon, seed)
    return answer, spent(ledger, epsilon, question, answer)


@wrong("10.8", "M27")
def noise_of_one(count, epsilon, question, ledger, seed):
    if question in ledger["answers"]:
        return ledger["answers"][question], ledger
    if epsilon > ledger["left"]:
        return None, ledger
    answer = count + noise(1, seed)
    return answer, spent(ledger, epsilon, question, answer)


@wrong("10.8", "M95")
def new_noise_for_an_old_question(count, epsilon, question, ledger, seed):
    if epsilon > ledger["left"]:
        return None, ledger
    answer = count + noise(1 / epsilon, seed)
    return answer, spent(ledger, epsilon, question, answer)


@wrong("10.8", "M95")
def a_budget_for_each_question(count, epsilon, question, ledger, seed):
    if question in ledger["answers"]:
        return ledger["answers"][question], ledger
    answer = count + noise(1 / epsilon, seed)
    return answer, {"left": ledger["left"], "answers": ledger["answers"] | {question: answer}}


@wrong("10.8", "M95")
def into_debt(count, epsilon, question, ledger, seed):
    if question in ledger["answers"]:
        return ledger["answers"][question], ledger
    answer = count + noise(1 / epsilon, seed)
    return answer, spent(ledger, epsilon, question, answer)


@wrong("10.8", "M95")
def a_refusal_costs_too(count, epsilon, question, ledger, seed):
    if question in ledger["answers"]:
        return ledger["answers"][question], ledger
    answer = count + noise(1 / epsilon, seed) if epsilon <= ledger["left"] else None
    return answer, spent(ledger, epsilon, question, answer)


@wrong("10.8", "M31")
def never_the_last_answer(count, epsilon, question, ledger, seed):
    if question in ledger["answers"]:
        return ledger["answers"][question], ledger
    if epsilon >= ledger["left"]:
        return None, ledger
    answer = count + noise(1 / epsilon, seed)
    return answer, spent(ledger, epsilon, question, answer)


@wrong("10.8", "M32")
def gaussian(count, epsilon, question, ledger, seed):
    if question in ledger["answers"]:
        return ledger["answers"][question], ledger
    if epsilon > ledger["left"]:
        return None, ledger
    answer = count + np.random.default_rng(seed).normal(0, math.sqrt(math.pi / 2) / epsilon)
    return answer, spent(ledger, epsilon, question, answer)


@right("10.8")
def from_two_exponentials(count, epsilon, question, ledger, seed):
    answers = dict(ledger["answers"])
    if question not in answers:
        if ledger["left"] < epsilon:
            return None, ledger
        rng = np.random.default_rng(seed + 1)
        answers[question] = count + (rng.exponential() - rng.exponential()) / epsilon
        return answers[question], {"left": ledger["left"] - epsilon, "answers": answers}
    return answers[question], ledger


# 10.9 at_risk


@wrong("10.9", "M96")
def without_the_secret(table, quasi, k, secret):
    return float((table.groupby(quasi, dropna=False)[secret].transform("size") < k).mean())


@wrong("10.9", "M09")
def missing_rows_fall_out(table, quasi, k, secret):
    alike = table.dropna(subset=quasi).groupby(quasi)[secret]
    return float(((alike.transform("size") < k) | (alike.transform("nunique") < 2)).mean())


@wrong("10.9", "M31")
def k_is_not_enough(table, quasi, k, secret):
    alike = table.groupby(quasi, dropna=False)[secret]
    return float(((alike.transform("size") <= k) | (alike.transform("nunique") < 2)).mean())


@wrong("10.9", "M07")
def share_of_the_groups(table, quasi, k, secret):
    found = table.groupby(quasi, dropna=False)[secret].agg(["size", "nunique"])
    return float(((found["size"] < k) | (found["nunique"] < 2)).mean())


@wrong("10.9", "M33")
def one_column_at_a_time(table, quasi, k, secret):
    few = [table.groupby(column, dropna=False)[secret].transform("size") < k for column in quasi]
    return float(np.logical_or.reduce(few).mean())


@right("10.9")
def with_a_dictionary(table, quasi, k, secret):
    crowds = {}
    keys = [tuple("?" if pd.isna(v) else v for v in row) for row in table[quasi].itertuples(index=False)]
    for key, value in zip(keys, table[secret]):
        crowds.setdefault(key, []).append(value)
    return sum(len(crowds[key]) < k or len(set(crowds[key])) == 1 for key in keys) / len(keys)


# 10.10 model_card

SAID = ("owner", "contact", "limits", "not_for", "decisions")


def full_card(artefacts):
    train, test = artefacts["train"], artefacts["test"]
    card = {name: (len(rows), rows["date"].min(), rows["date"].max())
            for name, rows in (("trained_on", train), ("tested_on", test))}
    card["auc"] = roc_auc_score(test["y"], test["p"])
    card["groups"] = {name: {"n": len(rows), "late": rows["y"].mean(),
                             "alerted": (rows["p"] >= artefacts["threshold"]).mean()}
                      for name, rows in test.groupby("group")}
    card |= {name: artefacts.get(name) for name in SAID}
    return card | {"missing": [name for name in SAID if not artefacts.get(name)]}


@wrong("10.10", "M27")
def number_of_last_year(artefacts):
    return full_card(artefacts) | {"auc": 0.713}


@wrong("10.10", "M02")
def auc_of_the_training_rows(artefacts):
    train = artefacts["train"]
    return full_card(artefacts) | {"auc": roc_auc_score(train["y"], train["p"])}


@wrong("10.10", "M75")
def all_together(artefacts):
    test = artefacts["test"]
    return full_card(artefacts) | {"groups": {"all": {"n": len(test), "late": test["y"].mean(), "alerted": 0.5}}}


@wrong("10.10", "M38")
def gaps_are_not_told(artefacts):
    return full_card(artefacts) | {"missing": []}


@wrong("10.10", "M38")
def limits_left_out(artefacts):
    card = full_card(artefacts)
    return {name: value for name, value in card.items() if name not in ("limits", "not_for")}


@wrong("10.10", "M34")
def first_and_last_row(artefacts):
    train = artefacts["train"]
    return full_card(artefacts) | {"trained_on": (len(train), train["date"].iloc[0], train["date"].iloc[-1])}


@wrong("10.10", "M31")
def strictly_above_the_threshold(artefacts):
    card = full_card(artefacts)
    for name, rows in artefacts["test"].groupby("group"):
        card["groups"][name]["alerted"] = (rows["p"] > artefacts["threshold"]).mean()
    return card


@right("10.10")
def written_out(artefacts):
    card = {"missing": []}
    for name in SAID:
        card[name] = artefacts.get(name)
        if card[name] in (None, "", []):
            card["missing"] += [name]
    for name, part in {"trained_on": "train", "tested_on": "test"}.items():
        dates = sorted(artefacts[part]["date"])
        card[name] = [len(dates), dates[0], dates[-1]]
    test, card["groups"] = artefacts["test"], {}
    for group in set(test["group"]):
        rows = test[test["group"] == group]
        card["groups"][group] = {"n": len(rows), "late": rows["y"].sum() / len(rows),
                                 "alerted": (rows["p"] >= artefacts["threshold"]).sum() / len(rows)}
    above = test.loc[test["y"] == 1, "p"].to_numpy()[:, None]
    below = test.loc[test["y"] == 0, "p"].to_numpy()[None]
    card["auc"] = (above > below).mean() + (above == below).mean() / 2
    return card
