"""10.1 group_report: how a decision treats each group."""

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from . import _real, lab

COLUMNS = ["n", "selection", "TPR", "FPR", "PPV", "ratio"]


@lab.exercise("10.1", section="decisions-by-group", hints=(
    "Write the five shares in words first: share of whom, among whom? Then the one row that all are compared with.",
    "Group the rows; each share is the mean of one column over a part of them, and pandas gives nan for the mean of "
    "nothing. The ratio is the column selection over its value at the reference."))
class group_report:
    rule = ("selection is the share chosen of the group's rows, TPR of its positives, FPR of its negatives, PPV the "
            "share "
            "positive of its chosen, ratio its selection over the reference's.")

    def inputs(d):
        names = d.order(["a", "b", "north", "Z"])[:d.int(1, 4)]
        group = [name for name in names for _ in range(d.int(1, 6))]
        group = np.array(d.order(group), dtype=d.pick([None, object]))
        y, chosen = (np.array([d.int(0, 1) for _ in group]) for _ in range(2))
        reference = d.pick(names)
        d.need(chosen[group == reference].any())
        return dict(y=y, chosen=chosen, group=group, reference=reference)

    def see(got, group, **_):
        """The six columns, rows in a fixed order."""
        if set(got.index) != set(group) or len(got) != len(set(group)):
            raise ValueError(f"rows {sorted(map(str, got.index))}")
        return got.loc[sorted(set(group)), COLUMNS].astype(float)

    def real():
        table, p = _real.applications()
        return [dict(y=table["approved"].to_numpy(), chosen=(p > limit).astype(int), group=table["group"].to_numpy(),
                     reference="white") for limit in (0.5, 0.8)]

    def figure(got, y, group, reference, **_):
        high = (_real.applications()[1] > 0.8)[group == "Black"].mean() / (
            _real.applications()[1] > 0.8)[group == "white"].mean()
        return (f"Selection of Black over white applicants: {got.loc['Black', 'ratio']:.2f} from a chance of 0.5, "
                f"{high:.2f} from 0.8.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


@group_report.mistake("M88", "ratio is the group's selection over the reference's.")
def ratio_inverted(y, chosen, group, reference):
    found = report(y, chosen, group, reference)
    return found.assign(ratio=found.loc[reference, "selection"] / found["selection"])


@group_report.mistake("M32", "ratio is a ratio, not a difference.")
def difference_for_ratio(y, chosen, group, reference):
    found = report(y, chosen, group, reference)
    return found.assign(ratio=found["selection"] - found.loc[reference, "selection"])


@group_report.mistake("M36", "TPR is the share chosen of the group's positives, not of all its rows.")
def tpr_of_all_rows(y, chosen, group, reference):
    found = report(y, chosen, group, reference)
    return found.assign(TPR=pd.Series(y * chosen).groupby(group).mean())


@group_report.mistake("M32", "TPR looks from the label to the decision; the share positive of the chosen is PPV.")
def precision_called_tpr(y, chosen, group, reference):
    found = report(y, chosen, group, reference)
    return found.assign(TPR=found["PPV"])


@group_report.mistake("M06", "TPR is no accuracy: only positives count.")
def accuracy_called_tpr(y, chosen, group, reference):
    found = report(y, chosen, group, reference)
    return found.assign(TPR=pd.Series(y == chosen).groupby(group).mean())


@group_report.mistake("M47", "What has no rows to be computed from is nan, not 0.")
def nobody_positive_is_zero(y, chosen, group, reference):
    return report(y, chosen, group, reference).fillna(0)


@group_report.mistake("M36", "selection is the share chosen of the group's rows, not of all that were chosen.")
def share_of_all_chosen(y, chosen, group, reference):
    found = report(y, chosen, group, reference)
    found["selection"] = pd.Series(chosen).groupby(group).sum() / chosen.sum()
    return found.assign(ratio=found["selection"] / found.loc[reference, "selection"])


@group_report.mistake("M35", "FPR is the share chosen of the group's negatives, not the share that was not.")
def share_of_right_noes(y, chosen, group, reference):
    found = report(y, chosen, group, reference)
    return found.assign(FPR=1 - found["FPR"])


@group_report.mistake("M27", "The reference is an argument.")
def first_group_is_the_reference(y, chosen, group, reference):
    found = report(y, chosen, group, reference)
    return found.assign(ratio=found["selection"] / found["selection"].iloc[0])


@group_report.right
def with_confusion_matrices(y, chosen, group, reference):
    rows = {}
    with np.errstate(invalid="ignore", divide="ignore"):
        for name in sorted(set(group), reverse=True):
            tn, fp, fn, tp = confusion_matrix(y[group == name], chosen[group == name], labels=[0, 1]).ravel()
            n = tn + fp + fn + tp
            rows[name] = {"n": n, "selection": (tp + fp) / n, "TPR": tp / (tp + fn), "FPR": fp / (fp + tn),
                          "PPV": tp / (tp + fp)}
    found = pd.DataFrame.from_dict(rows, orient="index")
    return found.assign(ratio=found["selection"] / found["selection"][reference])


@group_report.right
def report(y, chosen, group, reference):
    rows = pd.DataFrame({"y": y, "chosen": chosen, "group": group})
    by = rows.groupby("group")
    found = pd.DataFrame({"n": by.size(), "selection": by["chosen"].mean()})
    for name, given, what, value in (("TPR", "y", "chosen", 1), ("FPR", "y", "chosen", 0), ("PPV", "chosen", "y", 1)):
        found[name] = rows[rows[given] == value].groupby("group")[what].mean().reindex(found.index)
    return found.assign(ratio=found["selection"] / found.loc[reference, "selection"])
