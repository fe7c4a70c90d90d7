"""10.5 mitigate: thresholds by group, and what they change."""

import math

import numpy as np
import pandas as pd

from . import _real, lab


@lab.exercise("10.5", section="mitigation", hints=(
    "Two frames, two jobs: one to choose, one to judge. Which rows of the first decide about a TPR?",
    "Sort the p of the positives of validation from high to low; the threshold is the last one that you need for a "
    "share "
    "of tpr. Then the three numbers on test, with the threshold of all and with those that may be used."))
class mitigate:
    rule = ("Each threshold is the highest that still chooses a share of tpr of the group's positives, on validation; "
            "gap, "
            "ratio and accuracy are those of test.")

    def inputs(d):
        names = d.order(["a", "b", "c"])[:d.int(2, 3)]
        tpr = d.pick([0.8, 0.9, 0.5, 0.75, 1.0, 0.501])

        def rows():
            made = [(name, label) for name in names for label in [1] * d.int(1, 6) + [0] * d.int(1, 3)]
            frame = pd.DataFrame(d.order(made), columns=["group", "y"])
            return frame.assign(p=[d.int(0, 16) / 16 for _ in made])[["p", "y", "group"]]

        validation, test = rows(), rows()
        good = validation[validation["y"] == 1]
        for count in (len(good), *good.groupby("group").size()):
            d.need(abs(tpr * count - round(tpr * count)) > 1e-9 or tpr * count == round(tpr * count))
        limits = _limits(validation, tpr, False), _limits(validation, tpr, True)
        d.need(all((test["p"] >= test["group"].map(limit)).any() for limit in limits))
        return dict(validation=validation, test=test, tpr=tpr, may_use_group=d.flag())

    def see(got, **_):
        wanted = ("gap", "ratio", "accuracy")
        return {"thresholds": dict(got["thresholds"])} | {
            when: {what: float(got[when][what]) for what in wanted} for when in ("before", "after")}

    def real():
        table, p = _real.applications()
        rows = pd.DataFrame({"p": p, "y": table["approved"], "group": np.where(table["white"] == 1, "white", "other")})
        half = rows.index % 2 == 0
        return dict(validation=rows[half], test=rows[~half], tpr=0.9, may_use_group=True)

    def figure(got, **_):
        before, after = got["before"], got["after"]
        return (f"On one half of the loans the gap in TPR went from {before['gap']:.3f} to {after['gap']:.3f}, the "
                "ratio "
                f"from {before['ratio']:.2f} to {after['ratio']:.2f}, accuracy from {before['accuracy']:.3f} to "
                f"{after['accuracy']:.3f}.")

    def shows(validation, test, tpr, may_use_group):
        good = validation[validation["y"] == 1].sort_values(["group", "p"], ascending=[True, False])
        return f"mitigate(validation, test, {tpr=}, {may_use_group=}); positives of validation:", good.head(12)


def _limits(rows, tpr, by_group):
    def highest(p):
        return float(np.sort(p)[::-1][math.ceil(tpr * len(p) - 1e-9) - 1])

    good = rows[rows["y"] == 1]
    if not by_group:
        return dict.fromkeys(rows["group"].unique(), highest(good["p"]))
    return {name: highest(part["p"]) for name, part in good.groupby("group")}


# Answers: wrong ones with their misconceptions, and right ones written differently.


@mitigate.mistake("M05", "Thresholds are chosen on validation rows; test rows are there to judge.")
def thresholds_from_test(validation, test, tpr, may_use_group):
    return bill(test, _limits(test, tpr, may_use_group), _limits(test, tpr, False))


@mitigate.mistake("M36", "The share is one of the group's positives, not of all its rows.")
def quantile_of_all_rows(validation, test, tpr, may_use_group):
    everybody = validation.assign(y=1)
    return bill(test, _limits(everybody, tpr, may_use_group), _limits(everybody, tpr, False))


@mitigate.mistake("M32", "A quantile lies between two scores: take the highest score that still chooses enough.")
def an_interpolated_quantile(validation, test, tpr, may_use_group):
    good = validation[validation["y"] == 1]
    same = dict.fromkeys(validation["group"].unique(), float(good["p"].quantile(1 - tpr)))
    own = good.groupby("group")["p"].quantile(1 - tpr).to_dict() if may_use_group else same
    return bill(test, own, same)


@mitigate.mistake("M26", "If the group may not be used, all have the same threshold, from all positives.")
def uses_the_group_anyway(validation, test, tpr, may_use_group):
    return bill(test, _limits(validation, tpr, True), _limits(validation, tpr, False))


@mitigate.mistake("M75", "The answer holds gap, ratio and accuracy both before and after: gain and price.")
def tells_only_what_improved(validation, test, tpr, may_use_group):
    full = by_trying_each(validation, test, tpr, may_use_group)
    return full | {when: {"gap": full[when]["gap"]} for when in ("before", "after")}


@mitigate.mistake("M75", "The answer says how it was before, too.")
def only_after(validation, test, tpr, may_use_group):
    full = by_trying_each(validation, test, tpr, may_use_group)
    return {name: full[name] for name in ("thresholds", "after")}


@mitigate.mistake("M02", "Gain and price are those on test: validation rows were used to choose.")
def bill_on_validation(validation, test, tpr, may_use_group):
    return bill(validation, _limits(validation, tpr, may_use_group), _limits(validation, tpr, False))


@mitigate.mistake("M31", "The threshold still chooses a share of at least tpr.")
def one_too_high(validation, test, tpr, may_use_group):
    return bill(test, *(_limits(validation, max(tpr - 0.2, 0.1), by) for by in (may_use_group, False)))


@mitigate.mistake("M31", "A row with just the threshold is chosen.")
def strictly_above(validation, test, tpr, may_use_group):
    return bill(test, _limits(validation, tpr, may_use_group), _limits(validation, tpr, False), above=True)


@mitigate.mistake("M32", "ratio compares selections, not TPRs.")
def ratio_of_tprs(validation, test, tpr, may_use_group):
    full = by_trying_each(validation, test, tpr, may_use_group)
    for when, limits in (("before", _limits(validation, tpr, False)), ("after", full["thresholds"])):
        hit = (test["p"] >= test["group"].map(limits))[test["y"] == 1].groupby(test["group"]).mean()
        full[when]["ratio"] = hit.min() / hit.max()
    return full


@mitigate.right
def by_trying_each(validation, test, tpr, may_use_group):
    def highest(p):
        return max(limit for limit in p if (p >= limit).mean() >= tpr - 1e-9)

    good = validation[validation["y"] == 1]
    same = dict.fromkeys(validation["group"].unique(), highest(good["p"].to_numpy()))
    own = {name: highest(part["p"].to_numpy()) for name, part in good.groupby("group")} if may_use_group else same
    return bill(test, own, same)


@mitigate.right
def in_plain_loops(validation, test, tpr, may_use_group):
    names, rows = sorted(set(validation["group"])), list(zip(test["group"], test["y"], test["p"]))

    def highest(p):
        best = None
        for limit in sorted(p, reverse=True):
            best = limit
            if sum(value >= limit for value in p) >= tpr * len(p) - 1e-9:
                break
        return best

    positive = list(zip(validation["group"], validation["y"], validation["p"]))
    same = {g: highest([p for _, y, p in positive if y]) for g in names}
    own = {g: highest([p for h, y, p in positive if y and h == g]) for g in names} if may_use_group else dict(same)

    def told(limits):
        chosen = [(g, y, p >= limits[g]) for g, y, p in rows]
        taken = [np.mean([c for g, _, c in chosen if g == name]) for name in names]
        hit = [np.mean([c for g, y, c in chosen if g == name and y]) for name in names]
        return {"gap": max(hit) - min(hit), "ratio": min(taken) / max(taken),
                "accuracy": np.mean([bool(y) == c for _, y, c in chosen])}

    return {"thresholds": own, "before": told(same), "after": told(own)}


def bill(rows, own, same, above=False):
    def told(limits):
        limit = rows["group"].map(limits)
        chosen = rows["p"] > limit if above else rows["p"] >= limit
        hit, selected = chosen[rows["y"] == 1].groupby(rows["group"]).mean(), chosen.groupby(rows["group"]).mean()
        return {"gap": hit.max() - hit.min(), "ratio": selected.min() / selected.max(),
                "accuracy": (chosen == (rows["y"] == 1)).mean()}

    return {"thresholds": own, "before": told(same), "after": told(own)}
