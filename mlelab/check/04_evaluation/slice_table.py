"""4.9 slice_table: the late shares of two groups compared within each slice."""

import numpy as np
import pandas as pd

from . import lab
from ._real import flights


@lab.exercise("4.9", section="slices", hints=(
    "Count and late share for each slice and group, then put the two groups side by side and drop slices without one.",
    "`flights.groupby([by, group])[\"late\"].agg([\"mean\", \"count\"]).unstack(group)`, and the counts as weights."))
class slice_table:
    rule = ("Each slice in which both groups have flights has a row, second minus first; the number is the mean of the "
            "differences, each with the weight of the two groups' flights in the slice.")

    def inputs(d):
        """The roles of the columns, and which two carriers are compared, vary; some slices lack one of the two."""
        by, group = d.pick([("origin", "carrier"), ("month", "carrier"), ("carrier", "origin"), ("month", "origin")])
        values = {"origin": ["EWR", "JFK", "LGA"], "carrier": ["UA", "AA", "EV"], "month": [11, 2, 10]}
        values = {name: d.order(options) for name, options in values.items()}
        n = d.int(2, 14)
        makers = {name: lambda name=name: d.pick(values[name]) for name in d.order(list(values))}
        df = d.frame(n, d.index(n, repeats=True), **makers, late=lambda: d.int(0, 1))
        pair = tuple(d.order(values[group])[:2])
        slices = [set(df.loc[df[group] == one, by]) for one in pair]
        d.need(slices[0] & slices[1])
        return dict(flights=df, by=by, group=group, pair=pair)

    def see(got, flights, by, group, pair):
        """The columns in any order."""
        table, adjusted = got
        return {"table": table[["n_first", "n_second", "difference"]], "adjusted": adjusted}

    def real():
        return dict(flights=pd.DataFrame(flights()), by="origin", group="carrier", pair=("WN", "9E"))

    def figure(got, **_):
        return (f"9E minus WN within airports: {100 * got['adjusted']:+.1f} points over {len(got['table'])} airports "
                "that both use.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


def told(code, says, number=lambda table, flights, group, pair: weighted(table)):
    """A wrong answer; the decorated function changes the table, `number` is made of the right one."""

    def mark(change):
        def answer(flights, by, group, pair):
            table = sliced(flights, by, group, pair)
            return change(table), float(number(table, flights, group, pair))

        answer.__name__ = change.__name__
        return slice_table.mistake(code, says)(answer)

    return mark


def pooled(table, flights, group, pair):
    late = flights.groupby(group)["late"].mean()
    return late[pair[1]] - late[pair[0]]


@told("M54", "The number comes from the differences within slices, not from the pooled shares.", pooled)
def pooled_rates(table):
    return table


@told("M07", "A slice weighs as much as it has flights of the two groups.",
      lambda table, *_: table["difference"].mean())
def slices_weigh_the_same(table):
    return table


@told("M36", "The weights are the flights of both groups.", lambda table, *_: np.average(
    table["difference"], weights=table["n_second"]))
def weights_of_one_group(table):
    return table


@told("M36", "The weights are the flights of both groups.", lambda table, *_: np.average(
    table["difference"], weights=table["n_first"]))
def weights_of_the_first_group(table):
    return table


@told("M36", "The weights are the flights of both groups, not their product.", lambda table, *_: np.average(
    table["difference"], weights=table["n_first"] * table["n_second"] / (table["n_first"] + table["n_second"])))
def weights_of_mantel_and_haenszel(table):
    return table


@told("M32", "A slice in which the second group is better counts with its sign.", lambda table, *_: np.average(
    table["difference"].abs(), weights=table["n_first"] + table["n_second"]))
def differences_without_sign(table):
    return table


@told("M16", "Each slice comes with the counts of both groups: without them nobody knows which slice is luck.")
def slices_without_counts(table):
    return table[["difference"]]


@told("M32", "`n_first` and `n_second` count flights, not late flights.")
def late_flights_counted(table):
    return table.assign(n_first=table["n_first"] // 2, n_second=table["n_second"] // 2)


@told("M36", "The difference is one of shares, not of counts.")
def difference_of_counts(table):
    return table.assign(difference=table["n_second"] - table["n_first"])


@told("M34", "Slices are sorted by their name, not by their size.")
def largest_slice_first(table):
    return table.sort_values("n_second", ascending=False, kind="stable")


@told("M34", "Slices are sorted by their name, not by the difference.")
def largest_difference_first(table):
    return table.sort_values("difference", ascending=False, kind="stable")


@slice_table.mistake("M34", "Slices are sorted, in whatever order they appear.")
def in_order_of_appearance(flights, by, group, pair):
    table = sliced(flights, by, group, pair)
    return table.loc[[name for name in flights[by].unique() if name in table.index]], weighted(table)


@slice_table.mistake("M40", "The difference is the second group's late share minus the first's.")
def first_minus_second(flights, by, group, pair):
    table = sliced(flights, by, group, pair).assign(difference=lambda table: -table["difference"])
    return table, weighted(table)


@slice_table.mistake("M34", "The first of the pair is the first, not that of the alphabet.")
def pair_in_alphabetical_order(flights, by, group, pair):
    table = sliced(flights, by, group, tuple(sorted(pair)))
    return table, weighted(table)


@slice_table.mistake("M08", "A slice in which one of the two groups has no flights compares nothing, and has no row.")
def a_missing_group_is_never_late(flights, by, group, pair):
    table = sliced(flights, by, group, pair, missing=0)
    return table, weighted(table)


@slice_table.mistake("M08", "A slice in which one of the two groups has no flights has no row, not an empty one.")
def empty_slices_stay(flights, by, group, pair):
    table = sliced(flights, by, group, pair)
    return table.reindex(sorted(flights[by].unique())), weighted(table)


@slice_table.mistake("M36", "Only flights of the two groups count.")
def everybody_counts_in_the_weights(flights, by, group, pair):
    table = sliced(flights, by, group, pair)
    return table, float(np.average(table["difference"], weights=flights[by].value_counts()[table.index]))


@slice_table.mistake("M27", "The columns are the arguments.")
def always_by_origin_and_carrier(flights, by, group, pair):
    table = sliced(flights, "origin", "carrier", pair)
    return table, weighted(table)


@slice_table.mistake("M32", "The second group is compared with the first, not with all others.")
def against_all_others(flights, by, group, pair):
    other = flights.assign(**{group: flights[group].where(flights[group] == pair[1], pair[0])})
    table = sliced(other, by, group, pair)
    return table, weighted(table)


@slice_table.mistake("M99", "The slices are the index of the table, not a column beside a number.")
def slices_in_a_column(flights, by, group, pair):
    table = sliced(flights, by, group, pair)
    return table.rename_axis(by).reset_index(), weighted(table)


@slice_table.mistake("M09", "Rows with one label in the index are several flights.")
def one_flight_a_label(flights, by, group, pair):
    table = sliced(flights[~flights.index.duplicated()], by, group, pair)
    return table, weighted(table)


@slice_table.right
def slice_by_slice(flights, by, group, pair):
    rows = {}
    for name in sorted(flights[by].unique()):
        one, two = (flights.loc[(flights[by] == name) & (flights[group] == own), "late"] for own in pair)
        if len(one) and len(two):
            rows[name] = {"difference": two.mean() - one.mean(), "n_first": len(one), "n_second": len(two)}
    table = pd.DataFrame.from_dict(rows, orient="index")
    size = table["n_first"] + table["n_second"]
    return table, (table["difference"] * size).sum() / size.sum()


@slice_table.right
def two_tables_merged(flights, by, group, pair):
    one, two = (flights[flights[group] == own].groupby(by, as_index=False).agg(n=("late", "size"), late=("late", "sum"))
                for own in pair)
    table = one.merge(two, on=by, suffixes=("_first", "_second")).sort_values(by)
    table["difference"] = table["late_second"] / table["n_second"] - table["late_first"] / table["n_first"]
    weights = table["n_first"] + table["n_second"]
    return table.set_index(by), table["difference"].to_numpy() @ weights.to_numpy() / weights.sum()


def sliced(flights, by, group, pair, missing=np.nan):
    shares = flights.groupby([by, group])["late"].agg(["mean", "count"]).unstack(group).fillna(missing)
    mean, count = shares["mean"], shares["count"]
    table = pd.DataFrame({"n_first": count[pair[0]], "n_second": count[pair[1]],
                          "difference": mean[pair[1]] - mean[pair[0]]})
    return table.dropna().sort_index()


def weighted(table):
    return np.average(table["difference"], weights=table["n_first"] + table["n_second"])
