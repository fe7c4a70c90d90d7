"""4.2 choose_threshold: one tuned, one from the costs, both judged once. A seal sees when it is opened."""

import numpy as np
import pandas as pd

from mlelab import case
from mlelab.check.spy import Spy, SpyFrame

from . import lab
from ._real import flights

NAMES = ("tuned", "bayes", "cost_tuned", "cost_bayes")


class Seal(case.Sealed, Spy):
    """Opens like a `case.Sealed`; then the labels of validation turn round, so that a late choice is another one."""

    def __init__(self, rows, validation):
        super().__init__(rows)
        self.validation = validation

    def open(self, question):
        if not self.openings:
            self.validation["late"] = 1 - self.validation["late"]
        return super().open(question)


@lab.exercise("4.2", section="threshold-from-costs", hints=(
    "Both thresholds are fixed before the seal is opened. Then open it once and keep the frame.",
    "One helper `cost(rows, threshold)`. Tuned: the candidate with the least `cost(validation, …)`. From the costs: "
    "alert when `c_fn * p >= c_fp * (1 - p)`, solved for p."))
class choose_threshold:
    rule = ("`tuned` is the cheapest candidate on validation, the lowest on a tie; `bayes` is the chance at which an "
            "alert and silence cost the same; both are judged on the test rows, opened once.")

    def inputs(d):
        """Exact costs and chances, and a power of 2 as the number of rows: no tie is decided by rounding."""

        def rows(n):
            return d.frame(n, d.index(n, repeats=True), p=lambda: d.int(0, 16) / 16, late=lambda: d.int(0, 1))

        c_fn, c_fp = d.pick([5.0, 3.0, 1.0, 0.5, 4.0]), d.pick([1.0, 2.0, 3.0, 0.25])
        validation, test = rows(d.pick([4, 2, 8, 16])), rows(d.int(1, 7))
        d.need(c_fn % c_fp == 0 or not np.isclose(test["p"], c_fp / (c_fp + c_fn)).any())
        candidates = [(17 if d.flag(0.2) else d.int(0, 16)) / 16 for _ in range(d.int(1, 7))]
        return dict(validation=validation, test=test, c_fn=c_fn, c_fp=c_fp, candidates=np.array(candidates))

    def run(choose_threshold, validation, test, c_fn, c_fp, candidates):
        given = SpyFrame(validation.copy())
        seal = Seal(test.copy(), given)
        got = choose_threshold(given, seal, c_fn, c_fp, candidates)
        given["late"] = validation["late"]
        return {name: got[name] for name in NAMES} | {
            "times opened": len(seal.openings), "validation as it was": given.equals(validation)}

    def real():
        rows = pd.DataFrame({name: flights()[name] for name in ("month", "hour", "late")})
        rows["p"] = rows["hour"].map(rows[rows["month"] <= 8].groupby("hour")["late"].mean())
        return dict(validation=rows[rows["month"].isin([9, 10])], test=rows[rows["month"] > 10],
                    c_fn=case.COST_MISSED, c_fp=case.COST_NEEDLESS, candidates=np.arange(1, 20) / 20)

    def figure(got, **_):
        return (f"With nothing but the late share of the hour: {got['cost_tuned']:.3f} per flight at the tuned "
                f"threshold, {got['cost_bayes']:.3f} at the one from the costs.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


@choose_threshold.mistake("M05", "The test rows are for judging: choose on validation.")
def tuned_on_test(validation, test, c_fn, c_fp, candidates):
    opened = test.open("which threshold is best?")
    return both(opened, cheapest(opened, c_fn, c_fp, candidates), c_fn, c_fp)


@choose_threshold.mistake("M05", "The test rows are opened once, for both costs.")
def opened_for_each_number(validation, test, c_fn, c_fp, candidates):
    tuned, bayes = cheapest(validation, c_fn, c_fp, candidates), c_fp / (c_fp + c_fn)
    return {"tuned": tuned, "bayes": bayes, "cost_tuned": cost(test.open("tuned"), tuned, c_fn, c_fp),
            "cost_bayes": cost(test.open("bayes"), bayes, c_fn, c_fp)}


@choose_threshold.mistake("M05", "The seal is opened after both thresholds are fixed, not before.")
def opened_before_the_choice(validation, test, c_fn, c_fp, candidates):
    opened = test.open("what is in it?")
    return both(opened, cheapest(validation, c_fn, c_fp, candidates), c_fn, c_fp)


@choose_threshold.mistake("M05", "The costs are those on the test rows, not those where the threshold was chosen.")
def judged_where_it_was_chosen(validation, test, c_fn, c_fp, candidates):
    return both(validation, cheapest(validation, c_fn, c_fp, candidates), c_fn, c_fp)


@choose_threshold.mistake("M31", "A candidate above 1 is one as well: it alerts nobody.")
def candidates_up_to_one(validation, test, c_fn, c_fp, candidates):
    possible = candidates[candidates <= 1] if (candidates <= 1).any() else candidates
    return both(test.open("costs"), cheapest(validation, c_fn, c_fp, possible), c_fn, c_fp)


def told(code, says, *, bayes=None, chosen=lambda rows, c_fn, c_fp, candidates: cheapest(rows, c_fn, c_fp, candidates)):
    """A wrong answer with another threshold, or another cost: `cost(rows, threshold, c_fn, c_fp)`, decorated."""

    def mark(judged):
        def answer(validation, test, c_fn, c_fp, candidates):
            tuned = chosen(validation, c_fn, c_fp, candidates)
            other = bayes(validation, c_fn, c_fp) if bayes else c_fp / (c_fp + c_fn)
            rows = test.open("costs")
            return {"tuned": tuned, "bayes": other, "cost_tuned": judged(rows, tuned, c_fn, c_fp),
                    "cost_bayes": judged(rows, other, c_fn, c_fp)}

        answer.__name__ = judged.__name__
        return choose_threshold.mistake(code, says)(answer)

    return mark


@told("M27", "`bayes` depends on the two costs; it is one half only where they are equal.", bayes=lambda *_: 0.5)
def one_half(rows, threshold, c_fn, c_fp):
    return cost(rows, threshold, c_fn, c_fp)


@told("M36", "`bayes` is a chance, c_fp / (c_fp + c_fn), not the odds.", bayes=lambda rows, c_fn, c_fp: c_fp / c_fn)
def ratio_of_costs(rows, threshold, c_fn, c_fp):
    return cost(rows, threshold, c_fn, c_fp)


@told("M35", "The dearer a missed flight, the lower `bayes`.", bayes=lambda rows, c_fn, c_fp: c_fn / (c_fp + c_fn))
def bayes_upside_down(rows, threshold, c_fn, c_fp):
    return cost(rows, threshold, c_fn, c_fp)


def with_base_rate(rows, c_fn, c_fp):
    share = rows["late"].mean()
    return c_fp * (1 - share) / (c_fp * (1 - share) + c_fn * share) if c_fp * (1 - share) + c_fn * share else 0.5


@told("M32", "`bayes` comes from the two costs alone: p holds the base rate already.", bayes=with_base_rate)
def base_rate_twice(rows, threshold, c_fn, c_fp):
    return cost(rows, threshold, c_fn, c_fp)


@told("M32", "`tuned` is the cheapest candidate, not the one with the largest f1.",
      chosen=lambda rows, c_fn, c_fp, candidates: float(max(sorted(candidates), key=lambda t: f1(rows, t))))
def largest_f1(rows, threshold, c_fn, c_fp):
    return cost(rows, threshold, c_fn, c_fp)


@told("M06", "`tuned` is the cheapest candidate, not the one with the fewest errors.",
      chosen=lambda rows, c_fn, c_fp, candidates: cheapest(rows, 1, 1, candidates))
def most_accurate(rows, threshold, c_fn, c_fp):
    return cost(rows, threshold, c_fn, c_fp)


@told("M35", "`c_fn` is the price of a late flight without an alert, `c_fp` that of a needless alert.",
      chosen=lambda rows, c_fn, c_fp, candidates: cheapest(rows, c_fp, c_fn, candidates))
def costs_swapped(rows, threshold, c_fn, c_fp):
    return cost(rows, threshold, c_fn, c_fp)


@told("M34", "Of candidates with the same cost the lowest is chosen, in whatever order they come.",
      chosen=lambda rows, c_fn, c_fp, candidates: float(min(candidates, key=lambda t: cost(rows, t, c_fn, c_fp))))
def first_candidate_of_a_tie(rows, threshold, c_fn, c_fp):
    return cost(rows, threshold, c_fn, c_fp)


@told("M40", "Of candidates with the same cost the lowest is chosen, not the highest.",
      chosen=lambda rows, c_fn, c_fp, candidates: cheapest(rows, c_fn, c_fp, candidates, reverse=True))
def highest_candidate_of_a_tie(rows, threshold, c_fn, c_fp):
    return cost(rows, threshold, c_fn, c_fp)


@told("M27", "Only the given candidates are tried.",
      chosen=lambda rows, c_fn, c_fp, candidates: cheapest(rows, c_fn, c_fp, np.arange(1, 20) / 20))
def candidates_of_its_own(rows, threshold, c_fn, c_fp):
    return cost(rows, threshold, c_fn, c_fp)


@told("M31", "An alert is p >= threshold, on validation as well.", chosen=lambda rows, c_fn, c_fp, candidates: cheapest(
    rows.assign(p=rows["p"] - 1e-9), c_fn, c_fp, candidates))
def above_the_threshold_when_tuning(rows, threshold, c_fn, c_fp):
    return cost(rows, threshold, c_fn, c_fp)


@told("M31", "An alert is p >= threshold, on test as well.")
def above_the_threshold_when_judging(rows, threshold, c_fn, c_fp):
    return cost(rows.assign(p=rows["p"] - 1e-9), threshold, c_fn, c_fp)


@told("M36", "The cost is given per flight, not for all of them.")
def total_cost(rows, threshold, c_fn, c_fp):
    return cost(rows, threshold, c_fn, c_fp) * len(rows)


@told("M36", "The cost is divided by all flights, not by the alerts.")
def cost_per_alert(rows, threshold, c_fn, c_fp):
    return cost(rows, threshold, c_fn, c_fp) * len(rows) / max((rows["p"] >= threshold).sum(), 1)


@told("M77", "A needless alert has its price, too.")
def needless_alerts_are_free(rows, threshold, c_fn, c_fp):
    return cost(rows, threshold, c_fn, 0)


@choose_threshold.right
def with_a_table(validation, test, c_fn, c_fp, candidates):
    table = pd.Series({t: cost(validation, t, c_fn, c_fp) for t in np.sort(candidates)})
    return both(test.open("one look"), table.idxmin(), c_fn, c_fp, 1 / (1 + c_fn / c_fp))


@choose_threshold.right
def with_broadcasting(validation, test, c_fn, c_fp, candidates):
    p, late = validation["p"].to_numpy(), validation["late"].to_numpy()
    alert = p >= candidates[:, None]
    costs = c_fn * (~alert & (late == 1)).sum(axis=1) + c_fp * (alert & (late == 0)).sum(axis=1)
    thresholds = candidates[costs == costs.min()].min(), c_fp / (c_fn + c_fp)
    rows = test.open("how do both do?")
    judged = [np.select([(rows["p"] < t) & (rows["late"] == 1), (rows["p"] >= t) & (rows["late"] == 0)],
                        [c_fn, c_fp]).sum() / len(rows) for t in thresholds]
    return dict(zip(NAMES, [*thresholds, *judged]))


def cost(rows, threshold, c_fn, c_fp):
    alert, late = rows["p"] >= threshold, rows["late"] == 1
    return float((c_fn * (~alert & late) + c_fp * (alert & ~late)).mean())


def cheapest(rows, c_fn, c_fp, candidates, reverse=False):
    return float(min(sorted(candidates, reverse=reverse), key=lambda threshold: cost(rows, threshold, c_fn, c_fp)))


def f1(rows, threshold):
    alert, late = rows["p"] >= threshold, rows["late"] == 1
    return 2 * (alert & late).sum() / max(alert.sum() + late.sum(), 1)


def both(opened, tuned, c_fn, c_fp, bayes=None):
    bayes = c_fp / (c_fp + c_fn) if bayes is None else bayes
    return {"tuned": tuned, "bayes": bayes, "cost_tuned": cost(opened, tuned, c_fn, c_fp),
            "cost_bayes": cost(opened, bayes, c_fn, c_fp)}
