"""10.4 reweigh: weights that make label and group independent."""

import numpy as np
import pandas as pd

from . import _real, lab


@lab.exercise("10.4", section="mitigation", hints=(
    "Four cells: how many rows does each have, and how many would it have if label and group were independent?",
    "Expected over actual. The rows of a group times the rows of a label over n is what independence would give."))
class reweigh:
    rule = ("With the weights each group has the same share of yes, labels and groups are as common as before, and the "
            "sum is n.")

    def inputs(d):
        groups = d.pick([["a", "b"], ["x", "y", "z"], [0, 1], ["n", "e", "s", "w"]])
        cells = [(g, label) for g in groups for label in (0, 1)]
        rows = d.order([cell for cell in cells for _ in range(d.int(1, 4))])
        group, y = (np.array([row[place] for row in rows]) for place in (0, 1))
        return dict(y=y, group=group)

    def real():
        table, _ = _real.applications()
        return dict(y=table["approved"].to_numpy(), group=table["white"].to_numpy())

    def figure(weights, y, group):
        other, white = (weights[(y == 0) & (group == value)][0] for value in (0, 1))
        return (f"A rejected applicant who is not white counts {other:.2f} in training, a rejected white one "
                f"{white:.2f}.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


@reweigh.mistake("M90", "Group sizes alone do not make labels independent of groups: look at each cell.")
def by_group_size(y, group):
    return len(y) / sizes(y, group)[0]


@reweigh.mistake("M90", "Balanced labels do not make them independent of groups: look at each cell.")
def balanced_labels(y, group):
    return len(y) / 2 / sizes(y, group)[1]


@reweigh.mistake("M36", "Labels and groups stay as common as they were: the cells are not made equal.")
def all_cells_alike(y, group):
    return len(y) / 4 / sizes(y, group)[2]


@reweigh.mistake("M88", "A cell that is too rare gets a large weight: expected over actual.")
def actual_over_expected(y, group):
    by, of, cell = sizes(y, group)
    return cell * len(y) / (by * of)


@reweigh.mistake("M80", "The sum of the weights is n.")
def weights_that_sum_to_one(y, group):
    return cell_by_cell(y, group) / len(y)


@reweigh.mistake("M33", "There may be more than two groups.")
def first_group_and_the_rest(y, group):
    return cell_by_cell(y, group == group[0])


@reweigh.mistake("M09", "One weight for each row, in the order of the rows.")
def one_for_each_cell(y, group):
    return np.unique(cell_by_cell(y, group))


@reweigh.right
def cell_by_cell(y, group):
    weights = np.zeros(len(y))
    for g in set(group.tolist()):
        for label in (0, 1):
            cell = (group == g) & (y == label)
            weights[cell] = (group == g).mean() * (y == label).mean() / cell.mean()
    return weights


@reweigh.right
def with_a_table_of_counts(y, group):
    counts = pd.crosstab(group, y)
    wanted = np.outer(counts.sum(axis=1), counts.sum()) / counts.to_numpy().sum() / counts
    return [wanted.loc[g, label] for g, label in zip(group, y)]


def sizes(y, group):
    rows = pd.DataFrame({"y": y, "group": group})
    return tuple(rows.groupby(by)["y"].transform("size").to_numpy() for by in ("group", "y", ["group", "y"]))
