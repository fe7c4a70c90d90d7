"""3.4 target_encode: smoothed rates of a key, from rows that the row is not judged by."""

import numpy as np
import pandas as pd

from mlelab import case

from . import _real, lab


@lab.exercise("3.4", section="target-encoding", hints=(
    "Go through the folds, -1 among them. For each, which rows may speak, and which rows are answered?",
    "`source = (folds >= 0) & (folds != fold)`: for -1 that is every training row. Group `y[source]` by "
    "`keys[source]`, smooth with `y[source].mean()`, look up with `.map(...)` and fill what is not found."))
class target_encode:
    rule = ("A row's value comes from the training rows of the other folds: (sum + m * prior) / (count + m), with the "
            "prior of these rows.")

    def inputs(d):
        names = d.order([0, 1, 2, 5])[:d.int(2, 4)]
        folds = d.list(2, 9, lambda: d.pick(names)) + d.list(1, 4, lambda: -1)
        folds = d.order(folds)
        d.need(len({fold for fold in folds if fold >= 0}) > 1)
        index = d.index(len(folds), repeats=True)
        keys = [d.pick(["AA1", "UA2", "B63", "aa1"]) for _ in folds]
        return dict(keys=pd.Series(keys, index=index), y=pd.Series([d.int(0, 1) for _ in folds], index=index),
                    folds=pd.Series(folds, index=index), m=d.pick([1.0, 0.5, 2.0, 5.0, 20.0]))

    def real():
        flights, is_train = _real.flights()
        flights = flights.sample(1_000, random_state=0)  # few, so that an answer row by row is quick as well
        folds = (flights["decision_time"].dt.day_of_year % 5).where(is_train[flights.index], -1)
        return dict(keys=flights["carrier"] + flights["flight"].astype(str) + "-" + flights["dest"],
                    y=(flights["arr_delay"] >= case.LATE_MINUTES).astype(int), folds=folds, m=20.0)

    def figure(encoded, keys, y, folds, m):
        train = folds >= 0
        raw = y[train].groupby(keys[train]).transform("mean").std()
        return (f"On 1,000 flights the honest encoding of a flight number spreads by {encoded[train].std():.3f}, the "
                f"mean with the own label in it by {raw:.3f}: the rest was copied.")

    def shows(keys, y, folds, m):
        return f"target_encode(keys, y, folds, m={m})", pd.DataFrame({"keys": keys, "y": y, "folds": folds})


# Answers: wrong ones with their misconceptions, and right ones written differently.


@target_encode.mistake("M03", "A row's own label has no part in its value, and neither have those of its fold.")
def in_sample_means(keys, y, folds, m):
    return smoothed(keys, y, folds >= 0, m)


@target_encode.mistake("M03", "The prior, too, comes from the source rows: without the fold of the row.")
def prior_with_the_own_label(keys, y, folds, m):
    prior = y[folds >= 0].mean()
    return by_fold(folds, lambda source: smoothed(keys, y, source, m, prior))


@target_encode.mistake("M03", "A key that the source does not have gets the mean of the source rows, without the fold "
                       "of the row.")
def unseen_keys_get_the_mean_of_all(keys, y, folds, m):
    prior, known = y[folds >= 0].mean(), by_fold(folds, lambda source: pd.Series(keys.isin(keys[source]), keys.index))
    return by_fold(folds, lambda source: smoothed(keys, y, source, m)).where(known.astype(bool), prior)


@target_encode.mistake("M02", "The label of a hold-out row changes nothing, in no row.")
def learns_from_hold_out_labels(keys, y, folds, m):
    encoded = pd.Series(np.nan, index=keys.index)
    for fold in folds.unique():
        here = folds == fold
        encoded[here] = smoothed(keys, y, ~here if fold >= 0 else here | ~here, m)[here]
    return encoded


@target_encode.mistake("M02", "The label of a hold-out row changes nothing, in no row: -1 is not a fold.")
def hold_out_is_a_fold_like_any_other(keys, y, folds, m):
    encoded = pd.Series(np.nan, index=keys.index)
    for fold in folds.unique():
        encoded[folds == fold] = smoothed(keys, y, folds != fold, m)[folds == fold]
    return encoded


@target_encode.mistake("M38", "A key that the source rows do not have gets the prior: there is always an answer.")
def unseen_keys_get_nothing(keys, y, folds, m):
    return by_fold(folds, lambda source: smoothed(keys, y, source, m).where(keys.isin(keys[source])))


@target_encode.mistake("M16", "A key with few rows is drawn to the prior, as if it had `m` more rows of that mean.")
def no_smoothing(keys, y, folds, m):
    return by_fold(folds, lambda source: smoothed(keys, y, source, 0))


@target_encode.mistake("M12", "A row of fold f learns from no row of its fold, not only not from itself.")
def leaves_out_the_row_only(keys, y, folds, m):
    alone = pd.Series(np.arange(len(keys)), index=keys.index).where(folds >= 0, -1)
    return by_fold(alone, lambda source: smoothed(keys, y, source & (folds >= 0), m))


@target_encode.mistake("M07", "The prior is the mean of y over the source rows, not the mean of the keys' rates.")
def prior_is_a_mean_of_means(keys, y, folds, m):
    return by_fold(folds, lambda source: smoothed(keys, y, source, m, y[source].groupby(keys[source]).mean().mean()))


@target_encode.mistake("M27", "The prior is the mean of y over the source rows, not one half.")
def prior_is_one_half(keys, y, folds, m):
    return by_fold(folds, lambda source: smoothed(keys, y, source, m, 0.5))


@target_encode.mistake("M27", "`m` is an argument: here it is not always the same.")
def always_twenty(keys, y, folds, m):
    return by_fold(folds, lambda source: smoothed(keys, y, source, 20.0))


@target_encode.mistake("M33", "The source is all other folds, the later ones among them.")
def earlier_folds_only(keys, y, folds, m):
    def source(fold):
        earlier = (folds >= 0) & (folds < fold)
        return earlier if earlier.any() else (folds >= 0) & (folds != fold)

    return by_fold(folds, lambda other: smoothed(keys, y, other, m), source)


@target_encode.mistake("M31", "Fold 0 is a fold of training rows.")
def fold_zero_is_held_out(keys, y, folds, m):
    train = folds > 0
    return by_fold(folds, lambda source: smoothed(keys, y, source & train if (source & train).any() else source, m))


@target_encode.mistake("M36", "The count below the line is that of the rows and `m`, nothing more.")
def one_more_row_below_the_line(keys, y, folds, m):
    return by_fold(folds, lambda source: smoothed(keys, y, source, m, more=1))


@target_encode.mistake("M32", "The weight of a key's own rate grows with its rows: `m` is not a share.")
def weight_of_a_constant(keys, y, folds, m):
    def encode(source):
        prior, rate = y[source].mean(), y[source].groupby(keys[source]).mean()
        return (keys.map(rate) + m * prior).div(1 + m).fillna(prior)

    return by_fold(folds, encode)


@target_encode.mistake("M09", "The values stand in the order of the rows, with their index.")
def sorted_by_fold(keys, y, folds, m):
    order = folds.sort_values(ascending=False, kind="stable").index
    order = order if list(order) != list(keys.index) else order[::-1]
    return by_fold(folds, lambda source: smoothed(keys, y, source, m))[order]


@target_encode.mistake("M09", "Rows with one label in the index are several rows: each has a value of its own.")
def one_value_a_label(keys, y, folds, m):
    encoded = by_fold(folds, lambda source: smoothed(keys, y, source, m))
    return encoded.index.to_series().map(encoded[~encoded.index.duplicated(keep="last")])


@target_encode.right
def row_by_row(keys, y, folds, m):
    encoded = []
    for key, fold in zip(keys, folds):
        among = (folds >= 0) & (folds != fold)
        source, same = y[among], y[among & (keys == key)]
        encoded.append((same.sum() + m * source.mean()) / (len(same) + m))
    return pd.Series(encoded, index=keys.index)


@target_encode.right
def all_minus_the_own_fold(keys, y, folds, m):
    rows = pd.DataFrame({"key": keys, "fold": folds, "y": y.where(folds >= 0, 0), "n": (folds >= 0).astype(int)})
    total, own = rows[["y", "n"]].sum(), rows.groupby("fold")[["y", "n"]].transform("sum")
    by_key, both = (rows.groupby(by)[["y", "n"]].transform("sum") for by in ("key", ["key", "fold"]))
    prior = (total["y"] - own["y"]) / (total["n"] - own["n"])
    return (by_key["y"] - both["y"] + m * prior) / (by_key["n"] - both["n"] + m)


def smoothed(keys, y, source, m, prior=None, more=0):
    prior = y[source].mean() if prior is None else prior
    groups = y[source].groupby(keys[source]).agg(["sum", "count"])
    return keys.map((groups["sum"] + m * prior) / (groups["count"] + m + more)).fillna(prior)


def by_fold(folds, encode, source=None):
    encoded = pd.Series(np.nan, index=folds.index)
    for fold in folds.unique():
        here = folds == fold
        encoded[here] = encode(source(fold) if source else (folds >= 0) & ~here)[here].to_numpy()
    return encoded
