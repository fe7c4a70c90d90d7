"""2.2 validate: a contract about a table, and everything that breaks it."""

from collections import Counter

import numpy as np
import pandas as pd

from mlelab.check.compare import plain

from . import _real, lab

NOW = pd.Timestamp("2013-05-02 12:00", tz="UTC")


@lab.exercise("2.2", section="data-contract", hints=(
    "Go through the rules one by one, always on the whole table, and collect. A comparison with a missing value is "
    "False: ask what is *right*, and report the rest.",
    "For `range`: `right = df[column].between(low, high)`, then `| df[column].isna()` if the rule has `missing_ok`. "
    "For `unique`: `df.duplicated(columns, keep=False)`. Rules about the table give one pair with None."))
class validate:
    rule = "Every rule is applied to the whole table, and each violation is reported once."

    def inputs(d):
        """Small tables with ties, gaps and values at the limits; rules of all kinds, in any order, also twice."""
        n = d.pick([4, 2, 8, 1, 3, 0])
        columns = {"wind": lambda: d.pick([5, -1, 0, 10, 10.5, 62, 1048, np.nan]),
                   "temp": lambda: d.pick([30, -40, 10, 5, np.nan]),
                   "time": lambda: d.pick([NOW - pd.Timedelta(hours=d.pick([0, 1, 3, 0.5, -1, 24, 24.5])), pd.NaT])}
        df = d.frame(n, d.index(n, repeats=True), **columns).astype({"wind": float, "temp": float})
        df["time"] = pd.to_datetime(df["time"], utc=True)
        df["time"] = df["time"].dt.tz_convert("Asia/Tokyo") if d.flag(0.2) else df["time"]
        origins = [d.pick(["JFK", "LGA", "XXX", d.missing()]) for _ in range(n)]
        df.insert(d.int(0, 3), "origin", pd.Series(origins, df.index, object))
        full = [name for name in df if df[name].notna().all()]

        def rule():
            kind = d.pick(["range", "one of", "unique", "missing", "fresh"])
            if kind == "range":
                low = d.pick([0, -40, 5])
                return {"rule": kind, "column": d.pick(["wind", "temp"]), "low": low,
                        "high": low + d.pick([10, 0, 5, 100]), "missing_ok": d.flag()}
            if kind == "one of":
                column, values = d.pick([("origin", ["JFK", "LGA", "EWR"]), ("temp", [5, 30, 10.0])])
                return {"rule": kind, "column": column, "values": d.some(values), "missing_ok": d.flag()}
            if kind == "unique" and full:
                return {"rule": kind, "columns": d.some(full, 1)}
            if kind == "missing":
                return {"rule": kind, "column": d.pick(list(df)), "share": d.pick([0.25, 0.0, 0.5, 1.0, 0.125])}
            now = NOW.tz_convert("America/New_York") if d.flag(0.3) else NOW
            return {"rule": "fresh", "column": "time", "now": now, "hours": d.pick([3, 1, 0.5, 24, 0])}

        return dict(df=df, contract=d.list(0, 4, rule))

    def see(got, df, contract):
        """The pairs in any order; a list for a pair will do."""
        if not isinstance(got, list) or any(not isinstance(pair, (tuple, list)) or len(pair) != 2 for pair in got):
            raise ValueError("it is not a list of pairs (number of the rule, row label or None)")
        found = {(plain(number), plain(label)) for number, label in got}
        return {"pairs": found, "a pair twice": len(found) < len(got)}

    def shows(df, contract):
        return f"validate(df, contract={contract})", df

    def real():
        rules = [{"rule": "range", "column": "wind_speed", "low": 0, "high": 100, "missing_ok": True},
                 {"rule": "unique", "columns": ["origin", "year", "month", "day", "hour"]},
                 {"rule": "unique", "columns": ["origin", "time_hour"]}]
        columns = ["origin", "year", "month", "day", "hour", "time_hour", "wind_speed"]
        return dict(df=_real.table("weather")[columns], contract=rules)

    def figure(seen, **_):
        found = [number for number, _ in seen["pairs"]]
        return (f"The weather has {found.count(0)} impossible wind and {found.count(1)} rows that share a local hour, "
                f"of the night when the clocks went back; in UTC, {found.count(2)} rows share one.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


def violated(df, rule):
    """The rows that violate one rule, or [None]; the mistakes below replace parts of it."""
    kind, column = rule["rule"], df[rule["column"]] if "column" in rule else None
    if kind == "unique":
        return df.index[df.duplicated(rule["columns"], keep=False)]
    if kind == "missing":
        return [] if len(df) and column.isna().mean() <= rule["share"] else [None]
    if kind == "fresh":
        return [] if rule["now"] - column.max() <= pd.Timedelta(hours=rule["hours"]) else [None]
    fine = column.between(rule["low"], rule["high"]) if kind == "range" else column.isin(rule["values"])
    return df.index[~(fine | (column.isna() & rule["missing_ok"]))]


def pairs(df, contract, **special):
    """All pairs; `special` has another function for one kind of rule."""
    return list(dict.fromkeys((number, row) for number, rule in enumerate(contract)
                              for row in special.get(rule["rule"].replace(" ", "_"), violated)(df, rule)))


@validate.mistake("M09", "Each pair once: two rows with one label in the index give the same pair.")
def a_pair_for_each_row(df, contract):
    return [(number, row) for number, rule in enumerate(contract) for row in violated(df, rule)]


@validate.mistake("M34", "Rows come in any order: the latest time need not be that of the last row.")
def time_of_the_last_row(df, contract):
    def by_last(df, rule):
        times = df[rule["column"]].dropna()
        return [] if len(times) and rule["now"] - times.iloc[-1] <= pd.Timedelta(hours=rule["hours"]) else [None]

    return pairs(df, contract, fresh=by_last)


@validate.mistake("M10", "Times have a time zone: dropped, the clocks of two zones are compared.")
def zones_are_dropped(df, contract):
    def naive(df, rule):
        age = rule["now"].tz_localize(None) - df[rule["column"]].dt.tz_localize(None).max()
        return [] if age <= pd.Timedelta(hours=rule["hours"]) else [None]

    return pairs(df, contract, fresh=naive)


@validate.mistake("M08", "A missing value is in no range and is no allowed value, unless the rule says missing_ok.")
def missing_passes_every_limit(df, contract):
    return pairs(df, [rule | {"missing_ok": True} for rule in contract])


@validate.mistake("M08", "With missing_ok a missing value is allowed.")
def missing_ok_is_not_read(df, contract):
    return pairs(df, [rule | {"missing_ok": False} for rule in contract])


@validate.mistake("M08", "With missing_ok a missing value is allowed, but a wrong one is not.")
def missing_ok_excuses_everything(df, contract):
    return [pair for pair in pairs(df, contract) if not contract[pair[0]].get("missing_ok")]


@validate.mistake("M43", "The limits are those of the contract: what the values are like says nothing about them.")
def three_standard_deviations(df, contract):
    def by_spread(df, rule):
        column = df[rule["column"]]
        far = (column - column.mean()).abs() > 3 * column.std()
        return df.index[far | (column.isna() & (not rule["missing_ok"]))]

    return pairs(df, contract, range=by_spread)


@validate.mistake("M33", "Every rule is applied, also after one that fails.")
def stops_at_the_first_rule_that_fails(df, contract):
    for number, rule in enumerate(contract):
        if len(found := violated(df, rule)):
            return [(number, row) for row in found]
    return []


@validate.mistake("M33", "Every rule is applied to every row, also to a row that has broken another rule.")
def drops_bad_rows_on_the_way(df, contract):
    found = []
    for number, rule in enumerate(contract):
        rows = list(violated(df, rule))
        found += [(number, row) for row in rows]
        df = df.drop(index=[row for row in rows if row is not None])
    return found


@validate.mistake("M33", "A rule reports all of its rows, not the first one.")
def one_row_a_rule(df, contract):
    return [(number, row) for number, rule in enumerate(contract) for row in list(violated(df, rule))[:1]]


@validate.mistake("M34", "All rows that share a key are reported: nobody knows which one is right.")
def the_first_of_two_is_right(df, contract):
    return pairs(df, contract, unique=lambda df, rule: df.index[df.duplicated(rule["columns"])])


@validate.mistake("M99", "A key is the combination of its columns, not each of them.")
def each_column_unique(df, contract):
    return pairs(df, contract, unique=lambda df, rule: df.index[np.any(
        [df[name].duplicated(keep=False) for name in rule["columns"]], axis=0)])


@validate.mistake("M31", "A value that is exactly at a limit is allowed.")
def at_the_limit_is_outside(df, contract):
    return pairs(df, contract, range=lambda df, rule: df.index[~(df[rule["column"]].between(
        rule["low"], rule["high"], inclusive="neither") | (df[rule["column"]].isna() & rule["missing_ok"]))])


@validate.mistake("M40", "A range has two ends: a value below `low` breaks it, too.")
def no_lower_end(df, contract):
    return pairs(df, [rule | {"low": -10**6} if "low" in rule else rule for rule in contract])


@validate.mistake("M31", "Exactly the allowed share of missing values is allowed.")
def share_reached_is_too_much(df, contract):
    return pairs(df, contract, missing=lambda df, rule: [] if len(df) and df[
        rule["column"]].isna().mean() < rule["share"] else [None])


@validate.mistake("M27", "How much may be missing is the rule's `share`.")
def nothing_may_be_missing(df, contract):
    return pairs(df, [rule | {"share": 0} if "share" in rule else rule for rule in contract])


@validate.mistake("M31", "Exactly so many hours before now is fresh.")
def age_reached_is_too_old(df, contract):
    return pairs(df, contract, fresh=lambda df, rule: [] if rule["now"] - df[rule["column"]].max() < pd.Timedelta(
        hours=rule["hours"]) else [None])


@validate.mistake("M47", "A table without rows, or a column without a time, is neither complete nor fresh.")
def an_empty_delivery_is_fine(df, contract):
    return pairs(df, contract, missing=lambda df, rule: [None] if df[rule["column"]].isna().mean() > rule["share"]
                 else [], fresh=lambda df, rule: [None] if rule["now"] - df[rule["column"]].max() > pd.Timedelta(
                     hours=rule["hours"]) else [])


@validate.mistake("M34", "Rows come in any order: the latest time need not be in the last row.")
def the_last_row_is_the_latest(df, contract):
    return pairs(df, contract, fresh=lambda df, rule: [] if len(df) and rule["now"] - df[rule["column"]].iloc[
        -1] <= pd.Timedelta(hours=rule["hours"]) else [None])


@validate.mistake("M99", "The rule is about the latest time, not about each row.")
def each_row_fresh(df, contract):
    return pairs(df, contract, fresh=lambda df, rule: df.index[~(
        rule["now"] - df[rule["column"]] <= pd.Timedelta(hours=rule["hours"]))])


@validate.mistake("M10", "Freshness is counted from the `now` of the rule, not from the clock of this machine.")
def fresh_by_the_clock_of_this_machine(df, contract):
    return pairs(df, [rule | {"now": pd.Timestamp.now("UTC")} if "now" in rule else rule for rule in contract])


@validate.mistake("M10", "The age is given in hours, parts of an hour included.")
def whole_hours(df, contract):
    return pairs(df, contract, fresh=lambda df, rule: [] if (
        rule["now"] - df[rule["column"]].max()) // pd.Timedelta(hours=1) <= rule["hours"] else [None])


@validate.mistake("M09", "A row is named by its label in the index of df, not by its place.")
def places_instead_of_labels(df, contract):
    return pairs(df.reset_index(drop=True), contract)


@validate.mistake("M99", "Rules are counted from 0, as they stand in the contract.")
def rules_counted_from_one(df, contract):
    return [(number + 1, row) for number, row in pairs(df, contract)]


@validate.mistake("M99", "A rule about the table gives one pair, with None for the row.")
def all_rows_for_the_table(df, contract):
    return [(number, row) for number, row in pairs(df, contract) if row is not None]


@validate.mistake("M97")
def sorts_the_table(df, contract):
    df.sort_values("time", inplace=True)
    return pairs(df, contract)


@validate.right
def row_by_row(df, contract):
    found = []
    for number, rule in enumerate(contract):
        if rule["rule"] in ("missing", "fresh"):
            found += [(number, None) for _ in violated(df, rule)]
            continue
        if rule["rule"] == "unique":
            keys = list(zip(*(df[name] for name in rule["columns"])))
            times = Counter(keys)
            found += [(number, label) for label, key in zip(df.index, keys) if times[key] > 1]
            continue
        for label, row in df.iterrows():
            if pd.isna(row[rule["column"]]):
                bad = not rule["missing_ok"]
            elif rule["rule"] == "range":
                bad = not rule["low"] <= row[rule["column"]] <= rule["high"]
            else:
                bad = row[rule["column"]] not in rule["values"]
            found += [(number, label)] if bad else []
    return list(set(found))


@validate.right
def one_function_for_each_rule(df, contract):
    def check_range(column, low, high, missing_ok):
        return [label for label, value in df[column].items() if not (
            low <= value <= high if value == value else missing_ok)]

    def check_values(column, values, missing_ok):
        return [label for label, value in df[column].items() if not (missing_ok if pd.isna(value) else value in values)]

    def check_unique(columns):
        size = df.groupby(columns)[columns[0]].transform("size")
        return size.index[size > 1].tolist()

    def check_missing(column, share):
        return [] if len(df) > 0 and df[column].isna().sum() <= share * len(df) else [None]

    def check_fresh(column, now, hours):
        ages = (now - df[column].dropna()).dt.total_seconds()
        return [] if (ages <= hours * 3600).any() else [None]

    checks = {"range": check_range, "one of": check_values, "unique": check_unique, "missing": check_missing,
              "fresh": check_fresh}
    found = [(number, row) for number, rule in reversed(list(enumerate(contract)))
             for row in checks[rule["rule"]](**{key: value for key, value in rule.items() if key != "rule"})]
    return sorted(set(found), key=str)
