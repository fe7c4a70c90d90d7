"""10.9 at_risk: rows that no crowd hides."""

import numpy as np
import pandas as pd

from mlelab import data

from . import lab


@lab.exercise("10.9", section="tables-without-names", hints=(
    "For each row: how many agree with it in all the columns at once, and do they differ in the secret?",
    "`table.groupby(quasi, dropna=False)[secret].transform(\"size\")`, and the same with `nunique`."))
class at_risk:
    rule = "At risk is a row with fewer than k alike in all the columns, and a row whose like all share the secret."

    def inputs(d):
        alike = d.flag(0.2)  # side by side "1", "11" looks like "11", "1"
        columns = ["zip", "job"] if alike else d.order(["zip", "job", "age", "born"])[:d.int(1, 3)]
        secret = d.pick(["illness", "income", "late"])
        kinds = {"age": [-1, 11, 30, np.nan], "zip": ["1", "11", "10", None], "job": ["1", "11", None],
                 "born": [1980, 1990]}
        made = []
        for number in range(d.int(1, 4)):
            like = {name: d.pick(kinds[name]) for name in columns}
            like = dict(zip(columns, ["1", "11"] if number % 2 else ["11", "1"])) if alike else like
            made += [like | {secret: d.pick(["x", "x", "y", "z"])} for _ in range(d.int(1, 4))]
        table = pd.DataFrame(d.order(made), columns=d.order([*columns, secret]), index=d.index(len(made)))
        if d.flag():
            table.insert(0, "id", range(len(table)))
        return dict(table=table, quasi=columns, k=d.int(1, 5), secret=secret)

    def real():
        adult = data.load("adult", ["age", "sex", "race", "over_50k"])
        return dict(table=adult, quasi=["age", "sex", "race"], k=5, secret="over_50k")

    def figure(share, **_):
        return f"Of the people in a census extract, {share:.1%} are at risk by age, sex and race alone."


# Answers: wrong ones with their misconceptions, and right ones written differently.


@at_risk.mistake("M96", "A crowd that shares the secret hides nobody.")
def without_the_secret(table, quasi, k, secret):
    return float((table.groupby(quasi, dropna=False)[secret].transform("size") < k).mean())


@at_risk.mistake("M33", "A crowd must be large, and must differ in the secret: both.")
def without_the_size(table, quasi, k, secret):
    return float((table.groupby(quasi, dropna=False)[secret].transform("nunique") < 2).mean())


@at_risk.mistake("M09", "Missing is a value like any other: rows with it stay.")
def missing_rows_fall_out(table, quasi, k, secret):
    if table[quasi].isna().any(axis=1).all():
        return 0.0
    alike = table.dropna(subset=quasi).groupby(quasi)[secret]
    return float(((alike.transform("size") < k) | (alike.transform("nunique") < 2)).mean())


@at_risk.mistake("M31", "k alike are enough, the row itself included.")
def k_is_not_enough(table, quasi, k, secret):
    return risk(table, quasi, k + 1, secret)


@at_risk.mistake("M07", "The share is one of rows, not of kinds of rows.")
def share_of_the_groups(table, quasi, k, secret):
    found = table.groupby(quasi, dropna=False)[secret].agg(["size", "nunique"])
    return float(((found["size"] < k) | (found["nunique"] < 2)).mean())


@at_risk.mistake("M33", "Alike means in all the columns at once.")
def one_column_at_a_time(table, quasi, k, secret):
    return max(risk(table, [column], k, secret) for column in quasi)


@at_risk.mistake("M40", "The share of rows that are not hidden.")
def share_of_the_hidden(table, quasi, k, secret):
    return 1 - risk(table, quasi, k, secret)


@at_risk.mistake("M27", "Columns, k and secret are arguments.")
def five_always(table, quasi, k, secret):
    return risk(table, quasi, 5, secret)


@at_risk.mistake("M52", "Two columns side by side are no text: \"1\" and \"11\" is not \"11\" and \"1\".")
def glued_together(table, quasi, k, secret):
    key = ["".join(map(str, row)) for row in table[quasi].itertuples(index=False)]
    return risk(table.assign(key=key), ["key"], k, secret)


@at_risk.mistake("M09", "Missing is a value of its own: not -1, which may be there.")
def minus_one_for_missing(table, quasi, k, secret):
    return risk(table.assign(**{name: table[name].astype(object).where(table[name].notna(), -1) for name in quasi}),
                quasi, k, secret)


@at_risk.mistake("M09", "Two missing values are alike.")
def each_missing_one_is_alone(table, quasi, k, secret):
    alone = {name: [object() if pd.isna(v) else v for v in table[name]] for name in quasi}
    return risk(table.assign(**alone), quasi, k, secret)


@at_risk.mistake("M33", "Two different secrets are enough, whatever k is.")
def as_many_secrets_as_k(table, quasi, k, secret):
    alike = table.groupby(quasi, dropna=False)[secret]
    return float(((alike.transform("size") < k) | (alike.transform("nunique") < max(k, 2))).mean())


@at_risk.right
def risk(table, quasi, k, secret):
    alike = table.groupby(quasi, dropna=False)[secret]
    return float(((alike.transform("size") < k) | (alike.transform("nunique") < 2)).mean())


@at_risk.right
def with_a_dictionary(table, quasi, k, secret):
    crowds = {}
    keys = [tuple("?" if pd.isna(v) else v for v in row) for row in table[quasi].itertuples(index=False)]
    for key, value in zip(keys, table[secret]):
        crowds.setdefault(key, []).append(value)
    return sum(len(crowds[key]) < k or len(set(crowds[key])) == 1 for key in keys) / len(keys)
