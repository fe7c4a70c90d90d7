"""3.2 fit_encoder: one-hot columns that are the same for any rows."""

import collections

import numpy as np
import pandas as pd

from . import _real, lab

CODES = ["UA", "AA", "9E", "b6", "B6", "10", "9"]


@lab.exercise("3.2", section="categories", hints=(
    "Count the training values first and fix the list of columns there and then. `encode` only looks values up.",
    "`values.where(values.isin(kept), \"other\").where(values.notna(), \"missing\")`, then `pd.get_dummies(...)` and "
    "`.reindex(columns=[*kept, \"other\", \"missing\"], fill_value=0)`."))
class fit_encoder:
    rule = ("A value with enough training rows is 1 in its own column, any other value in `other`, and a missing one "
            "in `missing`; the columns are the same for any rows.")

    def inputs(d):
        min_count = d.int(1, 4)
        codes = CODES + (d.pick([["nan", "None"], ["", " "], ["UA ", "uA"], ["\xfc", "z"], ["<NA>", "NaN"]])
                         if d.flag(0.4) else [])
        train = [code for code in d.order(codes[::-1])[:d.int(1, 5)] for _ in range(d.int(1, min_count + 2))]
        train = d.order(train + d.list(0, 5, d.missing))
        values = d.list(1, 7, lambda: d.missing() if d.flag(0.25) else d.pick(codes))
        dtype = d.pick([object, "str"])
        return dict(train=pd.Series(train, index=d.index(len(train), repeats=True), dtype=dtype), min_count=min_count,
                    values=pd.Series(values, index=d.index(len(values), repeats=True), dtype=dtype))

    def run(fit_encoder, train, min_count, values):
        encode = fit_encoder(train, min_count)
        encode(values.iloc[::-1].head(2))  # what an earlier call saw changes nothing
        return encode(values)

    def real():
        flights, is_train = _real.flights()
        return dict(train=flights.loc[is_train, "tailnum"], min_count=50,
                    values=flights.loc[~is_train, "tailnum"].iloc[::20])

    def figure(encoded, **_):
        return (f"With 50 flights as the limit, {encoded.shape[1] - 2:,} aircraft get a column. Of every twentieth "
                f"flight from September on, {encoded['other'].mean():.1%} fall under `other`.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


@fit_encoder.mistake("M46", "The columns and their order are the same for any rows: they come from training.")
def dummies_of_each_batch(train, min_count):
    kept = often(train, min_count)
    return lambda values: pd.get_dummies(named(values, kept), dtype=int)


@fit_encoder.mistake("M46", "Whether a value is rare is decided in training: how often it comes later does not count.")
def single_ones_are_rare_now(train, min_count):
    kept = often(train, min_count)
    return lambda values: onehot(values.where(values.map(values.value_counts()).ne(1) | values.isna(), "rare"), kept)


@fit_encoder.mistake("M46", "What training counted stays: the rows to encode are not counted with them.")
def goes_on_counting(train, min_count):
    return lambda values: onehot(values, often(pd.concat([train, values]), min_count))


@fit_encoder.mistake("M48", "A value that training never saw is 1 in `other`, and in no other column.")
def unseen_is_the_first_level(train, min_count):
    kept = often(train, min_count)
    return lambda values: onehot(values.where(values.isin(train) | values.isna(), kept[0] if kept else "?"), kept)


@fit_encoder.mistake("M48", "A value that training never saw is 1 in `other`: no row is all 0.")
def unseen_is_a_row_of_zeros(train, min_count):
    kept = often(train, min_count)
    return lambda values: onehot(values, kept).where(values.isin(train) | values.isna(), 0)


@fit_encoder.mistake("M48", "A value that training never saw is no missing value: it is 1 in `other`.")
def unseen_is_missing(train, min_count):
    kept = often(train, min_count)
    return lambda values: onehot(values.where(values.isin(train)), kept)


@fit_encoder.mistake("M49", "Each kept value has a column of its own: codes have no order and no distance.")
def codes_in_one_column(train, min_count):
    codes = {value: code for code, value in enumerate(sorted(train.dropna().unique()))}
    return lambda values: values.map(codes).fillna(-1).to_frame("code")


@fit_encoder.mistake("M16", "A value with fewer training rows than `min_count` has no column of its own.")
def rare_values_are_kept(train, min_count):
    kept = often(train, 1)
    return lambda values: onehot(values, kept)


@fit_encoder.mistake("M31", "A value with exactly `min_count` training rows is kept.")
def exactly_at_the_limit_is_rare(train, min_count):
    kept = often(train, min_count + 1)
    return lambda values: onehot(values, kept)


@fit_encoder.mistake("M08", "A missing value is 1 in `missing`, not in `other`.")
def missing_is_other(train, min_count):
    kept = often(train, min_count)
    return lambda values: onehot(values.fillna("?"), kept)


@fit_encoder.mistake("M08", "A missing value is none of the values: it gets no column beside `missing`.")
def missing_becomes_a_text(train, min_count):
    kept = often(train.astype(object).map(str), min_count)
    return lambda values: onehot(values.astype(object).map(str), kept)


@fit_encoder.mistake("M08", "Missing training rows are no value, and the column `missing` comes last.")
def missing_is_counted_as_a_value(train, min_count):
    kept = often(train.fillna("missing"), min_count)
    return lambda values: onehot(values.fillna("missing"), [*kept, *{"missing"}.difference(kept)])[
        [*kept, "other", *{"missing"}.difference(kept)]]


def looks_missing(train, min_count, *, text):
    def known(values):
        return values.where(values.astype(object).map(str) != text)

    kept = often(known(train), min_count)
    return lambda values: onehot(known(values), kept)


fit_encoder.variants(looks_missing, **{
    f"the_text_{name}_is_missing": ("M08", f"The text {text} is a value; what is missing is no text.", dict(text=text))
    for name, text in dict(nan="nan", none="None", na="<NA>", not_a_number="NaN").items()})


@fit_encoder.mistake("M08", "An empty text is a value like any other.")
def empty_is_missing(train, min_count):
    def known(values):
        return values.where(values.isna() | (values.fillna("").str.strip() != ""))

    kept = often(known(train), min_count)
    return lambda values: onehot(known(values), kept)


def alike(train, min_count, form):
    kept = often(form(train), min_count)
    return lambda values: onehot(form(values), kept)


fit_encoder.variants(
    alike, blanks_are_cut=("M41", "Two texts that differ in a blank are two values.",
                           dict(form=lambda values: values.str.strip())),
    capitals_are_alike=("M41", "Two codes that differ in a capital letter are two values.",
                        dict(form=lambda values: values.str.upper())))


@fit_encoder.mistake("M09", "Rows with one label in the index are several rows.")
def one_row_a_label(train, min_count):
    kept = often(train[~train.index.duplicated()], min_count)
    return lambda values: onehot(values, kept)


@fit_encoder.mistake("M34", "The columns of the kept values are sorted, not in the order of their appearance.")
def in_order_of_appearance(train, min_count):
    kept = [value for value in train.dropna().unique() if value in often(train, min_count)]
    return lambda values: onehot(values, kept)


@fit_encoder.mistake("M34", "The columns of the kept values are sorted, not the most frequent one first.")
def most_frequent_first(train, min_count):
    kept = [value for value in train.value_counts().index if value in often(train, min_count)]
    return lambda values: onehot(values, kept)


@fit_encoder.mistake("M09", "The answer has the index of `values`.")
def index_is_lost(train, min_count):
    kept = often(train, min_count)
    return lambda values: onehot(values, kept).reset_index(drop=True)


@fit_encoder.right
def encoder_with_comparisons(train, min_count):
    counts = train.value_counts()
    kept = sorted(value for value, count in counts.items() if count >= min_count)

    def encode(values):
        columns = {value: values == value for value in kept}
        columns["other"] = ~values.isin(kept) & values.notna()
        columns["missing"] = values.isna()
        return pd.DataFrame(columns).astype(float)

    return encode


@fit_encoder.right
def places_in_a_matrix(train, min_count):
    counts = collections.Counter(value for value in train if not pd.isna(value))
    columns = [*sorted(value for value in counts if counts[value] >= min_count), "other", "missing"]
    places = {value: place for place, value in enumerate(columns[:-2])}

    def place(value):
        return -1 if pd.isna(value) else places.get(value, len(places))

    return lambda values: pd.DataFrame(np.eye(len(columns))[[place(value) for value in values]], values.index, columns)


def often(train, min_count):
    counts = train.value_counts()
    return sorted(counts.index[counts >= min_count])


def named(values, kept):
    return values.where(values.isin(kept), "other").where(values.notna(), "missing")


def onehot(values, kept):
    return pd.get_dummies(named(values, kept), dtype=int).reindex(columns=[*kept, "other", "missing"], fill_value=0)
