"""Wrong (and differently written right) answers of lab 4."""

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import average_precision_score, ndcg_score, precision_recall_fscore_support

from tests.wrong_answers import right, wrong

NAN = float("nan")

# 4.1 classification_report_counts


def report(y, alert):
    tp, fp, fn, tn = (int(((y == a) & (alert == b)).sum()) for a, b in ((1, 1), (0, 1), (1, 0), (0, 0)))
    precision, recall = (tp / n if n else NAN for n in (tp + fp, tp + fn))
    f1 = 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else NAN
    return {"tp": tp, "fp": fp, "fn": fn, "tn": tn, "accuracy": (tp + tn) / len(y), "precision": precision,
            "recall": recall, "f1": f1}


@wrong("4.1", "M35")
def arguments_swapped(y, alert):
    return report(alert, y)


@wrong("4.1", "M35")
def precision_and_recall_swapped(y, alert):
    found = report(y, alert)
    return found | {"precision": found["recall"], "recall": found["precision"]}


@wrong("4.1", "M06")
def accuracy_only(y, alert):
    return {"accuracy": float((y == alert).mean())}


@wrong("4.1", "M06")
def micro_average(y, alert):
    accuracy = float((y == alert).mean())
    return report(y, alert) | {"precision": accuracy, "recall": accuracy, "f1": accuracy}


@wrong("4.1", "M07")
def macro_average(y, alert):
    one, other = report(y, alert), report(1 - y, 1 - alert)
    return one | {name: (one[name] + other[name]) / 2 for name in ("precision", "recall", "f1")}


@wrong("4.1", "M08")
def undefined_is_zero(y, alert):
    return {name: 0.0 if value != value else value for name, value in report(y, alert).items()}


@wrong("4.1", "M36")
def divided_by_all_flights(y, alert):
    found = report(y, alert)
    return found | {"precision": found["tp"] / len(y)}


@wrong("4.1", "M32")
def f1_as_plain_mean(y, alert):
    found = report(y, alert)
    return found | {"f1": (found["precision"] + found["recall"]) / 2}


@right("4.1")
def with_scikit_learn(y, alert):
    precision, recall, f1, _ = precision_recall_fscore_support(y, alert, average="binary", zero_division=np.nan)
    return {"tn": np.sum((y + alert) == 0), "tp": np.sum(y * alert), "fp": np.sum((1 - y) * alert),
            "fn": np.sum(y * (1 - alert)), "accuracy": np.mean(y == alert), "precision": precision, "recall": recall,
            "f1": f1}


# 4.2 choose_threshold


def cost(rows, threshold, c_fn, c_fp):
    alert, late = rows["p"] >= threshold, rows["late"] == 1
    return float((c_fn * (~alert & late) + c_fp * (alert & ~late)).mean())


def cheapest(rows, c_fn, c_fp, candidates):
    return float(min(sorted(candidates), key=lambda threshold: cost(rows, threshold, c_fn, c_fp)))


def both(opened, tuned, bayes, c_fn, c_fp):
    return {"tuned": tuned, "bayes": bayes, "cost_tuned": cost(opened, tuned, c_fn, c_fp),
            "cost_bayes": cost(opened, bayes, c_fn, c_fp)}


@wrong("4.2", "M05")
def tuned_on_test(validation, test, c_fn, c_fp, candidates):
    opened = test.open("which threshold is best?")
    return both(opened, cheapest(opened, c_fn, c_fp, candidates), c_fp / (c_fp + c_fn), c_fn, c_fp)


@wrong("4.2", "M05")
def opened_for_each_number(validation, test, c_fn, c_fp, candidates):
    tuned, bayes = cheapest(validation, c_fn, c_fp, candidates), c_fp / (c_fp + c_fn)
    return {"tuned": tuned, "bayes": bayes, "cost_tuned": cost(test.open("tuned"), tuned, c_fn, c_fp),
            "cost_bayes": cost(test.open("bayes"), bayes, c_fn, c_fp)}


@wrong("4.2", "M05")
def judged_where_it_was_chosen(validation, test, c_fn, c_fp, candidates):
    return both(validation, cheapest(validation, c_fn, c_fp, candidates), c_fp / (c_fp + c_fn), c_fn, c_fp)


@wrong("4.2", "M27")
def one_half(validation, test, c_fn, c_fp, candidates):
    return both(test.open("costs"), cheapest(validation, c_fn, c_fp, candidates), 0.5, c_fn, c_fp)


@wrong("4.2", "M32")
def largest_f1(validation, test, c_fn, c_fp, candidates):
    def f1(threshold):
        return report(validation["late"], (validation["p"] >= threshold).astype(int))["f1"]

    return both(test.open("costs"), max(sorted(candidates), key=f1), c_fp / (c_fp + c_fn), c_fn, c_fp)


@wrong("4.2", "M06")
def most_accurate(validation, test, c_fn, c_fp, candidates):
    return both(test.open("costs"), cheapest(validation, 1, 1, candidates), c_fp / (c_fp + c_fn), c_fn, c_fp)


@wrong("4.2", "M35")
def costs_swapped(validation, test, c_fn, c_fp, candidates):
    return both(test.open("costs"), cheapest(validation, c_fp, c_fn, candidates), c_fp / (c_fp + c_fn), c_fn, c_fp)


@wrong("4.2", "M36")
def ratio_of_costs(validation, test, c_fn, c_fp, candidates):
    return both(test.open("costs"), cheapest(validation, c_fn, c_fp, candidates), c_fp / c_fn, c_fn, c_fp)


@wrong("4.2", "M34")
def first_candidate_of_a_tie(validation, test, c_fn, c_fp, candidates):
    tuned = candidates[np.argmin([round(cost(validation, t, c_fn, c_fp), 9) for t in candidates])]
    return both(test.open("costs"), float(tuned), c_fp / (c_fp + c_fn), c_fn, c_fp)


@right("4.2")
def with_a_table(validation, test, c_fn, c_fp, candidates):
    table = pd.Series({t: round(cost(validation, t, c_fn, c_fp), 9) for t in np.sort(candidates)})
    return both(test.open("one look"), table.idxmin(), 1 / (1 + c_fn / c_fp), c_fn, c_fp)


# 4.3 block_bootstrap


def draws_of(blocks, draws, seed):
    rng = np.random.default_rng(seed)
    rows = [np.flatnonzero(blocks == block) for block in np.unique(blocks)]
    for _ in range(draws):
        yield np.concatenate([rows[i] for i in rng.integers(0, len(rows), len(rows))])


def interval(values, low=0.025, high=0.975):
    return tuple(float(limit) for limit in np.quantile(values, [low, high]))


# 4.4 rolling_origin_splits


def judged(months, min_train, gap):
    return range(months.min() + min_train + gap, months.max() + 1)


@wrong("4.4", "M04")
def shuffled_folds(months, min_train, gap=0):
    rows = np.random.default_rng(0).permutation(len(months))
    folds = np.array_split(rows, 5)
    return [(np.setdiff1d(rows, fold), fold) for fold in folds]


@wrong("4.4", "M01")
def gap_ignored(months, min_train, gap=0):
    return [(np.flatnonzero(months < m), np.flatnonzero(months == m)) for m in judged(months, min_train, gap)]


@wrong("4.4", "M01")
def learns_from_all_other_months(months, min_train, gap=0):
    return [(np.flatnonzero(months != m), np.flatnonzero(months == m)) for m in judged(months, min_train, gap)]


@wrong("4.4", "M01")
def learns_from_the_judged_month(months, min_train, gap=0):
    return [(np.flatnonzero(months <= m - gap), np.flatnonzero(months == m)) for m in judged(months, min_train, gap)]


@wrong("4.4", "M09")
def forgets_the_oldest_months(months, min_train, gap=0):
    return [(np.flatnonzero((months < m - gap) & (months >= m - gap - min_train)), np.flatnonzero(months == m))
            for m in judged(months, min_train, gap)]


@wrong("4.4", "M31")
def starts_one_month_late(months, min_train, gap=0):
    return [(np.flatnonzero(months < m - gap), np.flatnonzero(months == m)) for m in judged(months, min_train + 1, gap)]


@wrong("4.4", "M33")
def the_last_month_only(months, min_train, gap=0):
    return [(np.flatnonzero(months < months.max() - gap), np.flatnonzero(months == months.max()))]


@wrong("4.4", "M34")
def in_order_of_appearance(months, min_train, gap=0):
    found = [m for m in dict.fromkeys(months.tolist()) if m in judged(months, min_train, gap)]
    found = found if found != sorted(found) else found[::-1]
    return [(np.flatnonzero(months < m - gap), np.flatnonzero(months == m)) for m in found]


@right("4.4")
def with_growing_lists(months, min_train, gap=0):
    names = sorted(set(months.tolist()))
    return [(np.flatnonzero(np.isin(months, names[:i - gap])), np.flatnonzero(months == names[i]))
            for i in range(min_train + gap, len(names))]


# 4.5 calibration_table


def table_of(y, p, place):
    return pd.DataFrame({"p": p, "y": y}).groupby(place).agg(count=("y", "size"), mean_p=("p", "mean"),
                                                             share=("y", "mean"))


def bin_of(p, bins):
    return np.minimum((p * bins).astype(int), bins - 1)


def error_of(table):
    return np.average((table["share"] - table["mean_p"]).abs(), weights=table["count"])


@wrong("4.5", "M07")
def bins_weigh_the_same(y, p, bins):
    table = table_of(y, p, bin_of(p, bins))
    return table, (table["share"] - table["mean_p"]).abs().mean()


@wrong("4.5", "M08")
def empty_bins_are_nan(y, p, bins):
    table = table_of(y, p, bin_of(p, bins)).reindex(range(bins))
    return table, (table["share"] - table["mean_p"]).abs().mean(skipna=False)


@wrong("4.5", "M08")
def empty_bins_are_zero(y, p, bins):
    table = table_of(y, p, bin_of(p, bins))
    return table.reindex(range(bins), fill_value=0), error_of(table)


@wrong("4.5", "M31")
def certainty_is_lost(y, p, bins):
    table = table_of(y[p < 1], p[p < 1], bin_of(p[p < 1], bins))
    return table, error_of(table)


@wrong("4.5", "M31")
def limits_belong_below(y, p, bins):
    table = table_of(y, p, np.maximum(np.ceil(p * bins).astype(int) - 1, 0))
    return table, error_of(table)


@wrong("4.5", "M32")
def middle_of_the_bin(y, p, bins):
    table = table_of(y, p, bin_of(p, bins))
    table["mean_p"] = (table.index + 0.5) / bins
    return table, error_of(table)


@wrong("4.5", "M32")
def gaps_cancel(y, p, bins):
    table = table_of(y, p, bin_of(p, bins))
    return table, abs(np.average(table["share"] - table["mean_p"], weights=table["count"]))


@wrong("4.5", "M36")
def divided_by_the_bins(y, p, bins):
    table = table_of(y, p, bin_of(p, bins))
    return table, ((table["share"] - table["mean_p"]).abs() * table["count"]).sum() / bins


@right("4.5")
def with_bincount(y, p, bins):
    place = np.digitize(p, np.arange(1, bins) / bins)
    count, mean_p, share = (np.bincount(place, weight, bins) for weight in (np.ones(len(p)), p, y))
    used = count > 0
    table = pd.DataFrame({"count": count, "mean_p": mean_p, "share": share})[used]
    table[["mean_p", "share"]] = table[["mean_p", "share"]].div(table["count"], axis=0)
    return table, np.abs(share - mean_p).sum() / len(p)


# 4.6 rank_quality


def ranked_lists(lists, gain, score, sign=-1):
    for name in np.unique(lists):
        own = lists == name
        yield gain[own][np.argsort(sign * score[own])]


def ndcg_of(ranked, k, first=1, ideal=None, worth=lambda gain: gain):
    ranked = worth(ranked.astype(float))
    best = np.sort(ranked)[::-1][:k] if ideal is None else ideal(ranked, k)
    return ((ranked[:k] / np.log2(np.arange(len(ranked[:k])) + first + 1)).sum()
            / (best / np.log2(np.arange(len(best)) + first + 1)).sum())


def ap_of(ranked):
    hits = ranked > 0
    return (np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean()


def means(found, k, **how):
    found = [ranked for ranked in found if (ranked > 0).any()]
    return {"ndcg": np.mean([ndcg_of(ranked, k, **how) for ranked in found]),
            "map": np.mean([ap_of(ranked) for ranked in found])}


@wrong("4.6", "M31")
def first_rank_is_two(lists, gain, score, k):
    return means(ranked_lists(lists, gain, score), k, first=2)


@wrong("4.6", "M36")
def ideal_of_the_whole_list(lists, gain, score, k):
    return means(ranked_lists(lists, gain, score), k, ideal=lambda ranked, k: np.sort(ranked)[::-1])


@wrong("4.6", "M36")
def ideal_of_what_was_found(lists, gain, score, k):
    def ideal(ranked, k):
        return np.sort(ranked[:k])[::-1] if ranked[:k].any() else np.ones(1)

    return means(ranked_lists(lists, gain, score), k, ideal=ideal)


@wrong("4.6", "M36")
def average_precision_divided_by_k(lists, gain, score, k):
    found = [ranked for ranked in ranked_lists(lists, gain, score) if (ranked > 0).any()]
    hits = [(ranked > 0)[:k] for ranked in found]
    return means(found, k) | {
        "map": np.mean([(np.cumsum(hit) / np.arange(1, len(hit) + 1))[hit].sum() / k for hit in hits])}


@wrong("4.6", "M40")
def lowest_score_first(lists, gain, score, k):
    return means(ranked_lists(lists, gain, score, sign=1), k)


@wrong("4.6", "M55")
def one_list_of_all(lists, gain, score, k):
    return means(ranked_lists(np.zeros(len(lists)), gain, score), k)


@wrong("4.6", "M08")
def no_hit_is_zero(lists, gain, score, k):
    found = list(ranked_lists(lists, gain, score))
    share = np.mean([(ranked > 0).any() for ranked in found])
    return {name: value * share for name, value in means(found, k).items()}


@wrong("4.6", "M32")
def gain_to_the_power_of_two(lists, gain, score, k):
    return means(ranked_lists(lists, gain, score), k, worth=lambda gain: 2.0 ** (gain / 10) - 1)


@right("4.6")
def list_by_list_with_scikit_learn(lists, gain, score, k):
    own = [lists == name for name in np.unique(lists[gain > 0])]
    return {"ndcg": np.mean([ndcg_score([gain[rows]], [score[rows]], k=k) for rows in own]),
            "map": np.mean([average_precision_score(gain[rows] > 0, score[rows]) for rows in own])}


# 4.7 paired_difference


def differences(y, p_old, p_new, blocks, metric, draws, seed):
    return [metric(y[rows], p_new[rows]) - metric(y[rows], p_old[rows]) for rows in draws_of(blocks, draws, seed)]


@wrong("4.7", "M51")
def unpaired(y, p_old, p_new, blocks, metric, draws, seed, comparisons=1):
    pairs = zip(draws_of(blocks, draws, seed), draws_of(blocks, draws, seed + 1))
    values = [metric(y[new], p_new[new]) - metric(y[old], p_old[old]) for new, old in pairs]
    tail = 0.025 / comparisons
    return metric(y, p_new) - metric(y, p_old), *interval(values, tail, 1 - tail)


@wrong("4.7", "M51")
def scores_of_other_rows(y, p_old, p_new, blocks, metric, draws, seed, comparisons=1):
    rng, tail = np.random.default_rng(seed), 0.025 / comparisons
    values = [metric(y[rows], p_new[rows]) - metric(y[rows], rng.permutation(p_old[rows]))
              for rows in draws_of(blocks, draws, seed)]
    return metric(y, p_new) - metric(y, p_old), *interval(values, tail, 1 - tail)


@wrong("4.7", "M52")
def limits_of_two_intervals(y, p_old, p_new, blocks, metric, draws, seed, comparisons=1):
    tail = 0.025 / comparisons
    old, new = (interval([metric(y[rows], p[rows]) for rows in draws_of(blocks, draws, seed)], tail, 1 - tail)
                for p in (p_old, p_new))
    return metric(y, p_new) - metric(y, p_old), new[0] - old[1], new[1] - old[0]


@wrong("4.7", "M53")
def best_of_many_without_correction(y, p_old, p_new, blocks, metric, draws, seed, comparisons=1):
    values = differences(y, p_old, p_new, blocks, metric, draws, seed)
    return metric(y, p_new) - metric(y, p_old), *interval(values)


@wrong("4.7", "M12")
def rows_instead_of_blocks(y, p_old, p_new, blocks, metric, draws, seed, comparisons=1):
    values = differences(y, p_old, p_new, np.arange(len(y)), metric, draws, seed)
    tail = 0.025 / comparisons
    return metric(y, p_new) - metric(y, p_old), *interval(values, tail, 1 - tail)


@wrong("4.7", "M40")
def old_minus_new(y, p_old, p_new, blocks, metric, draws, seed, comparisons=1):
    values = differences(y, p_new, p_old, blocks, metric, draws, seed)
    tail = 0.025 / comparisons
    return metric(y, p_old) - metric(y, p_new), *interval(values, tail, 1 - tail)


@wrong("4.7", "M32")
def mean_of_the_draws(y, p_old, p_new, blocks, metric, draws, seed, comparisons=1):
    values = differences(y, p_old, p_new, blocks, metric, draws, seed)
    tail = 0.025 / comparisons
    return np.mean(values), *interval(values, tail, 1 - tail)


@right("4.7")
def old_and_new_in_two_arrays(y, p_old, p_new, blocks, metric, draws, seed, comparisons=1):
    rows = list(draws_of(blocks, draws, seed))
    new, old = (np.array([metric(y[own], p[own]) for own in rows]) for p in (p_new, p_old))
    level = 100 - 5 / comparisons
    low, high = np.percentile(new - old, [(100 - level) / 2, (100 + level) / 2])
    return metric(y, p_new) - metric(y, p_old), low, high


# 4.8 ab_test


def planned(p0, p1, alpha, power, rounded=np.ceil):
    mean, (z_alpha, z_power) = (p0 + p1) / 2, stats.norm.ppf([1 - alpha / 2, power])
    spread = z_alpha * np.sqrt(2 * mean * (1 - mean)) + z_power * np.sqrt(p0 * (1 - p0) + p1 * (1 - p1))
    return int(rounded((spread / (p1 - p0)) ** 2))


def two_sided(a, b):
    pooled = (a.mean() + b.mean()) / 2
    error = np.sqrt(pooled * (1 - pooled) * (1 / len(a) + 1 / len(b)))
    return float(2 * stats.norm.sf(abs(b.mean() - a.mean()) / error)) if error else 1.0


def read(a, b, n, alpha, p_value=two_sided):
    if min(len(a), len(b)) < n:
        return {"n": n, "p_value": None, "verdict": "wait"}
    found = p_value(a[:n], b[:n])
    return {"n": n, "p_value": found, "verdict": "different" if found < alpha else "not shown"}


@wrong("4.8", "M19")
def stops_at_the_first_small_p(a, b, p0, p1, alpha=0.05, power=0.8):
    n = planned(p0, p1, alpha, power)
    for size in range(10, min(len(a), len(b), n) + 1, 5):
        if (p_value := two_sided(a[:size], b[:size])) < alpha:
            return {"n": n, "p_value": p_value, "verdict": "different"}
    return read(a, b, n, alpha)


@wrong("4.8", "M19")
def reads_before_the_end(a, b, p0, p1, alpha=0.05, power=0.8):
    return read(a, b, min(len(a), len(b)), alpha) | {"n": planned(p0, p1, alpha, power)}


@wrong("4.8", "M19")
def goes_on_after_the_end(a, b, p0, p1, alpha=0.05, power=0.8):
    n = planned(p0, p1, alpha, power)
    return read(a, b, n if min(len(a), len(b)) < n else min(len(a), len(b)), alpha) | {"n": n}


@wrong("4.8", "M16")
def forgets_the_power(a, b, p0, p1, alpha=0.05, power=0.8):
    return read(a, b, planned(p0, p1, alpha, 0.5), alpha)


@wrong("4.8", "M36")
def cases_of_both_arms(a, b, p0, p1, alpha=0.05, power=0.8):
    return read(a, b, 2 * planned(p0, p1, alpha, power), alpha)


@wrong("4.8", "M32")
def one_sided_p_value(a, b, p0, p1, alpha=0.05, power=0.8):
    return read(a, b, planned(p0, p1, alpha, power), alpha, lambda a, b: two_sided(a, b) / 2)


@wrong("4.8", "M27")
def five_percent_whatever_was_asked(a, b, p0, p1, alpha=0.05, power=0.8):
    return read(a, b, planned(p0, p1, alpha, power), 0.05)


@wrong("4.8", "M31")
def rounded_down(a, b, p0, p1, alpha=0.05, power=0.8):
    return read(a, b, planned(p0, p1, alpha, power, np.floor), alpha)


@right("4.8")
def with_chi_square(a, b, p0, p1, alpha=0.05, power=0.8):
    def p_value(a, b):
        return stats.chi2_contingency([[a.sum(), b.sum()], [(1 - a).sum(), (1 - b).sum()]], correction=False).pvalue

    return read(np.asarray(a), np.asarray(b), planned(p1, p0, alpha, power), alpha, p_value)


# 4.9 slice_table


def sliced(flights, by, group, pair):
    shares = flights.groupby([by, group])["late"].agg(["mean", "count"]).unstack(group)
    mean, count = shares["mean"], shares["count"]
    table = pd.DataFrame({"n_first": count[pair[0]], "n_second": count[pair[1]],
                          "difference": mean[pair[1]] - mean[pair[0]]})
    return table.dropna().sort_index()


def weighted(table):
    return np.average(table["difference"], weights=table["n_first"] + table["n_second"])


@wrong("4.9", "M54")
def pooled_rates(flights, by, group, pair):
    late = flights.groupby(group)["late"].mean()
    return sliced(flights, by, group, pair), late[pair[1]] - late[pair[0]]


@wrong("4.9", "M07")
def slices_weigh_the_same(flights, by, group, pair):
    table = sliced(flights, by, group, pair)
    return table, table["difference"].mean()


@wrong("4.9", "M16")
def slices_without_counts(flights, by, group, pair):
    table = sliced(flights, by, group, pair)
    return table[["difference"]], weighted(table)


@wrong("4.9", "M08")
def a_missing_group_is_never_late(flights, by, group, pair):
    mean, count = (flights.groupby([by, group])["late"].agg(how).unstack(group, fill_value=0)
                   for how in ("mean", "count"))
    table = pd.DataFrame({"n_first": count[pair[0]], "n_second": count[pair[1]],
                          "difference": mean[pair[1]] - mean[pair[0]]})
    return table, weighted(table)


@wrong("4.9", "M40")
def first_minus_second(flights, by, group, pair):
    table = sliced(flights, by, group, pair)
    table["difference"] *= -1
    return table, weighted(table)


@wrong("4.9", "M36")
def weights_of_one_group(flights, by, group, pair):
    table = sliced(flights, by, group, pair)
    return table, np.average(table["difference"], weights=table["n_second"])


@wrong("4.9", "M34")
def largest_slice_first(flights, by, group, pair):
    table = sliced(flights, by, group, pair)
    table = table.sort_values("n_second", ascending=table.index[0] == table["n_second"].idxmax())
    return (table if not table.index.is_monotonic_increasing else table[::-1]), weighted(table)


@right("4.9")
def slice_by_slice(flights, by, group, pair):
    rows = {}
    for name in sorted(flights[by].unique()):
        one, two = (flights.loc[(flights[by] == name) & (flights[group] == own), "late"] for own in pair)
        if len(one) and len(two):
            rows[name] = {"difference": two.mean() - one.mean(), "n_first": len(one), "n_second": len(two)}
    table = pd.DataFrame.from_dict(rows, orient="index")
    size = table["n_first"] + table["n_second"]
    return table, (table["difference"] * size).sum() / size.sum()
