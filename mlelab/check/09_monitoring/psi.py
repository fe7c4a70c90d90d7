"""9.1 psi: the population stability index."""

import numpy as np
import pandas as pd

from . import _real, lab


@lab.exercise("9.1", section="psi", hints=(
    "Four decisions: whose quantiles are the edges, what lies outside of them, what about missing values, and what "
    "about a bin without anybody in it?",
    "Inner edges: unique quantiles of the reference without its nan. `np.searchsorted(edges, x, side=\"right\")` gives "
    "a bin for every number, also far outside; nan gets a bin of its own. Shares of all rows, at least eps; then sum "
    "(q - p) * log(q / p)."))
class psi:
    rule = ("Shares of all rows in bins between the unique quantiles of the reference, open at both ends, a value on "
            "an edge in the upper bin, with one more bin for missing values; each share at least eps.")

    def inputs(d):
        digits = d.pick([0, 1])  # with 0 values are tied, and lie on edges
        given = d.optional(bins=d.pick([10, 2, 5, 20, 1]), eps=d.pick([1e-4, 1e-2]))
        bins, scale = given.get("bins", 10), d.pick([1, 1, 1, 2.0**-30, 2.0**30])

        def values(low, high):
            made = d.list(1, 20, lambda: d.num(low, high, digits))
            return np.array(d.order(made + [np.nan] * d.int(0, 3))) * scale

        expected, actual = values(0, 20), values(*d.pick([(0, 20), (-5, 12), (15, 60)]))
        edges = np.nanquantile(expected, np.linspace(0, 1, bins + 1)[1:-1])
        between = np.abs(edges[:, None] - np.concatenate([expected, actual]))
        d.need(not ((between > 0) & (between < 1e-9 * scale)).any())  # rounding alone would tell the bin
        return dict(expected=expected, actual=actual, **given)

    def real():
        flights = _real.flights()
        train, september = flights[flights["month"] <= 8], flights[flights["month"] == 9]
        quarter = flights[flights["month"] >= 10]
        odd, even = (quarter.loc[quarter["day"] % 2 == rest, "dewp"].to_numpy(float) for rest in (1, 0))
        warm, now = train["temp"].to_numpy(float), september["temp"].to_numpy(float)
        return dict(expected=(warm, odd), actual=(now, even))

    def run(psi, expected, actual, **optional):
        if isinstance(expected, tuple):
            return [psi(one, other) for one, other in zip(expected, actual)]
        return psi(expected, actual, **optional)

    def figure(got, **_):
        return (f"Temperature in September: {got[0]:.1f}. Dew point on odd against even days of one quarter: "
                f"{got[1]:.2f}. The rule of thumb says alarm from 0.2 on.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


@psi.mistake("M79", "The edges are quantiles of the reference: edges from the present move with it.")
def edges_of_the_present(expected, actual, bins=10, eps=1e-4):
    return from_shares(expected, actual, quantiles(actual, bins), eps)


@psi.mistake("M08", "Missing values have a bin of their own, and count among all rows.")
def without_the_missing(expected, actual, bins=10, eps=1e-4):
    expected, actual = expected[~np.isnan(expected)], actual[~np.isnan(actual)]
    return from_shares(expected, actual, quantiles(expected, bins), eps)


@psi.mistake("M09", "The outer bins are open: a value beyond the reference counts, too.")
def without_what_lies_outside(expected, actual, bins=10, eps=1e-4):
    low, high = np.nanmin(expected), np.nanmax(expected)
    actual = actual[((actual >= low) & (actual <= high)) | np.isnan(actual)]
    return from_shares(expected, actual, quantiles(expected, bins), eps) if len(actual) else 0.0


@psi.mistake("M80", "Shares are compared, not counts: twice as many rows are no drift.")
def with_counts(expected, actual, bins=10, eps=1e-4):
    edges = quantiles(expected, bins)
    return distance(np.maximum(counts(expected, edges), eps), np.maximum(counts(actual, edges), eps))


@psi.mistake("M47", "A bin without anybody has the share eps: the index is finite.")
def empty_bins_make_it_infinite(expected, actual, bins=10, eps=1e-4):
    edges = quantiles(expected, bins)
    p, q = counts(expected, edges) / len(expected), counts(actual, edges) / len(actual)
    return float(((q - p) * np.log(q / p)).sum())


@psi.mistake("M47", "A bin without anybody has the share eps: it counts, and is not skipped.")
def empty_bins_are_skipped(expected, actual, bins=10, eps=1e-4):
    edges = quantiles(expected, bins)
    p, q = counts(expected, edges) / len(expected), counts(actual, edges) / len(actual)
    both = (p > 0) & (q > 0)
    return distance(p[both], q[both])


@psi.mistake("M31", "A value on an edge lies in the upper bin.")
def an_edge_belongs_below(expected, actual, bins=10, eps=1e-4):
    return from_shares(expected, actual, quantiles(expected, bins), eps, side="left")


@psi.mistake("M47", "Equal quantiles are one edge: where values are tied, there are fewer bins.")
def cut_at_tied_edges(expected, actual, bins=10, eps=1e-4):
    edges = np.r_[-np.inf, np.nanquantile(expected, np.linspace(0, 1, bins + 1)[1:-1]), np.inf]
    shares = []
    for values in (expected, actual):
        codes = pd.cut(pd.Series(values), edges, right=False, labels=False).fillna(bins)
        shares.append(codes.value_counts(normalize=True).reindex(range(bins + 1), fill_value=0).clip(lower=eps))
    return distance(*shares)


@psi.mistake("M32", "The index is symmetric: (q - p) log(q / p), not q log(q / p).")
def one_sided(expected, actual, bins=10, eps=1e-4):
    edges = quantiles(expected, bins)
    p, q = (np.maximum(counts(x, edges) / len(x), eps) for x in (expected, actual))
    return float((q * np.log(q / p)).sum())


@psi.mistake("M27", "Number of bins and eps are arguments.")
def ten_bins_always(expected, actual, bins=10, eps=1e-4):
    return from_shares(expected, actual, quantiles(expected, 10), 1e-4)


@psi.mistake("M41", "Edges are the quantiles themselves, not rounded: a column may have small values.")
def rounded_edges(expected, actual, bins=10, eps=1e-4):
    return from_shares(expected, actual, np.unique(np.round(quantiles(expected, bins), 6)), eps)


@psi.right
def with_histograms(expected, actual, bins=10, eps=1e-4):
    edges = np.concatenate([[-np.inf], quantiles(expected, bins), [np.inf]])
    shares = []
    for values in (expected, actual):
        codes = pd.cut(pd.Series(values), edges, right=False, labels=False).fillna(99)
        found = codes.value_counts(normalize=True).reindex([*range(len(edges) - 1), 99], fill_value=0)
        shares.append(found.clip(lower=eps))
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


@psi.right
def with_loops(expected, actual, bins=10, eps=1e-4):
    known = [value for value in expected if value == value]
    edges = sorted({float(np.quantile(known, i / bins)) for i in range(1, bins)})
    total = 0.0
    for place in [*range(len(edges) + 1), None]:
        p, q = (max(sum((None if v != v else sum(v >= e for e in edges)) == place for v in x) / len(x), eps)
                for x in (expected, actual))
        total += (q - p) * np.log(q / p)
    return total


def quantiles(values, bins):
    return np.unique(np.nanquantile(values, np.linspace(0, 1, bins + 1)[1:-1]))


def counts(values, edges, side="right"):
    known = values[~np.isnan(values)]
    found = np.bincount(np.searchsorted(edges, known, side=side), minlength=len(edges) + 1)
    return np.append(found, len(values) - len(known)).astype(float)


def distance(p, q):
    return float(((q - p) * np.log(q / p)).sum())


def from_shares(expected, actual, edges, eps, side="right"):
    return distance(*(np.maximum(counts(x, edges, side) / len(x), eps) for x in (expected, actual)))
