"""1.4 fit_rate_baseline: a table of smoothed rates that always answers."""

import functools

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from mlelab import case

from . import _real, lab


@lab.exercise("1.4", section="a-baseline-first", hints=(
    "Everything that is learned is learned from `train`: one overall rate, and for each group a count and a number "
    "of late flights. `predict` only looks things up.",
    "A group's rate is `(late + smoothing * overall) / (count + smoothing)`. Look keys up with a left join and give "
    "`overall` to those that are not found."))
class fit_rate_baseline:
    rule = ("A group's rate is its late flights plus smoothing times the overall rate, divided by its flights plus "
            "smoothing, all counted on train; a group that train does not have gets the overall rate.")

    def inputs(d):
        columns = {"carrier": lambda: d.pick(["AA", "UA", "EV"]), "hour": lambda: d.pick([6, 18, 21]),
                   "origin": lambda: d.pick(["EWR", "JFK"])}
        unseen = {"carrier": lambda: d.pick(["AA", "UA", "EV", "ZZ"])}
        if joined := d.flag(0.3):  # texts that look alike once they are joined
            columns, unseen = dict.fromkeys(["carrier", "origin"], lambda: d.pick(["1", "11"])), {}
        n, k = d.int(1, 9), d.int(1, 6)
        train = d.frame(n, d.index(n, repeats=True), **columns, late=lambda: d.int(0, 1))
        new = d.frame(k, d.index(k, repeats=True), **columns | unseen)
        keys = d.order(list(columns))[:2 if joined else d.int(1, 3)]
        new = new[keys] if d.flag(0.3) else new.assign(late=[d.int(0, 1) for _ in range(len(new))])
        return dict(train=train, keys=keys, smoothing=d.pick([0, 1, 0.5, 5.0, 20, 100]), new=new)

    def run(fit_rate_baseline, train, keys, smoothing, new):
        """All rows, then the last one alone: an answer does not depend on the other rows."""
        predict = fit_rate_baseline(train, keys, smoothing)
        return [predict(new), predict(new.tail(1))]

    def real():
        train, validation = (part[["carrier", "hour", "late"]] for part in case.split(_real.features())[:2])
        return dict(train=train[::20], keys=["carrier", "hour"], smoothing=20.0, new=validation[::20])

    def figure(got, **_):
        return (f"A table of rates by carrier and hour, no model at all, reaches AUC {_auc():.3f} on September and "
                "October.")


@functools.cache
def _auc() -> float:
    """Of our table, on all flights."""
    train, validation, _ = case.split(_real.features())
    chances = fit_rate_baseline.spec().ours()(train, ["carrier", "hour"], 20.0)(validation)
    return roc_auc_score(validation["late"], chances)


# Answers: wrong ones with their misconceptions, and right ones written differently.


def found(df, rate, keys):
    return df[keys].merge(rate.rename("rate").reset_index(), on=keys, how="left")["rate"].to_numpy()


def told(train, keys, smoothing, *, overall=None, prior=None, below=None, unseen=None, keys_are=list, smooth=None,
         change=lambda rates, df: rates):
    """A right answer whose pieces the mistakes replace."""
    keys, smoothing = keys_are(keys), smoothing if smooth is None else smooth(smoothing)
    overall = overall(train, keys) if overall else train["late"].mean()
    groups = train.groupby(keys)["late"].agg(["sum", "count"])
    above = groups["sum"] + smoothing * (overall if prior is None else prior)
    rate = above / (groups["count"] + (smoothing if below is None else below))
    unseen = overall if unseen is None else unseen
    return lambda df: change(pd.Series(found(df, rate, keys)).fillna(unseen).to_numpy(), df)


fit_rate_baseline.variants(
    told,
    looks_at_the_labels_it_scores=("M02", "predict needs only the columns `keys`: it does not look at the label.",
                                   dict(change=lambda rates, df: rates[df["late"].notna().to_numpy()])),
    no_answer_for_unseen_keys=("M38", "A group that train does not have gets the overall rate: there is always an "
                               "answer.", dict(unseen=np.nan)),
    unseen_is_never_late=("M08", "A group that train does not have is not punctual: it gets the overall rate, not 0.",
                          dict(unseen=0.0)),
    unseen_is_a_coin=("M38", "A group that train does not have gets the overall rate, not one half.", dict(unseen=0.5)),
    mean_of_group_means=("M07", "The overall rate is that of all flights, not a mean of the groups' rates.",
                         dict(overall=lambda train, keys: train.groupby(keys)["late"].mean().mean())),
    tiny_groups_taken_at_their_word=("M16", "`smoothing` imagined flights with the overall rate belong to each group.",
                                     dict(smooth=lambda smoothing: 0)),
    twenty_whatever_was_asked=("M27", "The number of imagined flights is the argument `smoothing`, not always 20.",
                               dict(smooth=lambda smoothing: 20)),
    zero_taken_for_not_given=("M27", "smoothing=0 is a number like any other: it means the groups' own rates.",
                              dict(smooth=lambda smoothing: smoothing or 20)),
    imagined_flights_are_a_coin=("M32", "The imagined flights have the overall rate, not a rate of one half.",
                                 dict(prior=0.5)),
    imagined_flights_above_the_line_only=("M36", "The imagined flights count below the line, too.", dict(below=0)),
    one_more_below_the_line=("M36", "The number of imagined flights below the line is `smoothing`, not 1.",
                             dict(below=1)),
    first_key_only=("M99", "A group is a combination of all keys, not of the first one.",
                    dict(keys_are=lambda keys: keys[:1])),
    carrier_whatever_was_asked=("M27", "The keys are an argument.", dict(keys_are=lambda keys: ["carrier"])),
    backwards=("M34", "The chances come in the order of the rows.", dict(change=lambda rates, df: rates[::-1])),
)


@fit_rate_baseline.mistake("M02", "Everything is learned from train: the labels of the rows to score are not known.")
def rates_from_all_rows(train, keys, smoothing):
    return lambda df: told(pd.concat([train, df]), keys, smoothing)(df)


@fit_rate_baseline.mistake("M38", "A combination of known values can be new as well, and gets the overall rate.")
def unseen_by_the_first_key_only(train, keys, smoothing):
    overall, predict = train["late"].mean(), told(train, keys, smoothing, unseen=np.nan)
    return lambda df: np.where(df[keys[0]].isin(train[keys[0]]), predict(df), overall)


@fit_rate_baseline.mistake("M09", "predict gives one chance for each row, also for a group that train does not have.")
def inner_join_loses_unseen_rows(train, keys, smoothing):
    predict = told(train, keys, smoothing, unseen=np.nan)
    return lambda df: predict(df)[~np.isnan(predict(df))]


@fit_rate_baseline.mistake("M09", "A group is a combination of keys: '1' with '11' is another one than '11' with '1'.")
def keys_joined_as_text(train, keys, smoothing):
    def joined(df):
        return pd.DataFrame({"group": ["".join(map(str, row)) for row in df[keys].to_numpy()]}, df.index)

    predict = told(joined(train).assign(late=train["late"].to_numpy()), ["group"], smoothing)
    return lambda df: predict(joined(df))


@fit_rate_baseline.mistake("M09", "Rows with one label in the index are several rows: go by place, not by label.")
def one_chance_a_label(train, keys, smoothing):
    predict = told(train, keys, smoothing)
    return lambda df: np.array([dict(zip(df.index, predict(df)))[label] for label in df.index])


@fit_rate_baseline.mistake("M97")
def writes_into_the_rows_it_scores(train, keys, smoothing):
    predict = told(train, keys, smoothing)

    def and_keep(df):
        df["rate"] = predict(df)
        return df["rate"].to_numpy()

    return and_keep


@fit_rate_baseline.right
def with_a_dict(train, keys, smoothing):
    overall = train["late"].sum() / len(train)
    rates = {}
    for key, group in train.groupby(keys):
        rates[key] = (group["late"].sum() + smoothing * overall) / (len(group) + smoothing)
    return lambda df: pd.Series([rates.get(tuple(row), overall) for row in df[keys].to_numpy()], df.index)


@fit_rate_baseline.right
def counted_by_hand(train, keys, smoothing):
    overall, counts = np.mean(train["late"]), {}
    for *key, late in zip(*(train[name] for name in [*keys, "late"])):
        flights, lates = counts.get(tuple(key), (smoothing, smoothing * overall))
        counts[tuple(key)] = flights + 1, lates + late

    def rate(*key):
        flights, lates = counts.get(key, (1, overall))
        return lates / flights

    return lambda df: list(map(rate, *(df[key] for key in keys)))
