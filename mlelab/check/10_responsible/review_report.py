"""10.11 review_report: three versions of group_report whose reports read well; the first and the second are wrong."""

import numpy as np
import pandas as pd

from mlelab.check import review

from . import lab
from .group_report import group_report


def group_report_a(y, chosen, group, reference):
    rows = pd.DataFrame({"n": 1, "y": y, "chosen": chosen, "hit": y * chosen})
    sums = rows.groupby(group).sum()

    def share(part, whole):
        return part / whole.where(whole > 0, 1)

    report = pd.DataFrame({"n": sums["n"], "selection": share(sums["chosen"], sums["n"]),
                           "TPR": share(sums["hit"], sums["y"]),
                           "FPR": share(sums["chosen"] - sums["hit"], sums["n"] - sums["y"]),
                           "PPV": share(sums["hit"], sums["chosen"])})
    return report.assign(ratio=report["selection"] / report["selection"][reference])


def group_report_b(y, chosen, group, reference):
    report = pd.DataFrame({"n": pd.Series(group).value_counts()})
    report["selection"] = pd.Series(group[chosen == 1]).value_counts(normalize=True)
    report["selection"] = report["selection"].fillna(0)
    for name, rows, value in (("TPR", y == 1, chosen), ("FPR", y == 0, chosen), ("PPV", chosen == 1, y)):
        report[name] = pd.Series(value[rows]).groupby(group[rows]).mean()
    report["ratio"] = report["selection"] / report.at[reference, "selection"]
    return report


def group_report_c(y, chosen, group, reference):
    report = {}
    with np.errstate(invalid="ignore"):
        for name in np.unique(group):
            mine, yes = group == name, chosen == 1
            counts = {"selection": (mine & yes, mine), "TPR": (mine & yes & (y == 1), mine & (y == 1)),
                      "FPR": (mine & yes & (y == 0), mine & (y == 0)), "PPV": (mine & yes & (y == 1), mine & yes)}
            report[name] = {"n": mine.sum()} | {key: part.sum() / whole.sum() for key, (part, whole) in counts.items()}
    report = pd.DataFrame.from_dict(report, orient="index")
    return report.assign(ratio=report["selection"] / report["selection"][reference])


@lab.exercise("10.11", section="decisions-by-group", hints=(
    "A report can be wrong in its numbers, in the question that a number answers, or in what it says where nothing can "
    "be said. Ask each function about each sentence of the docstring.",
    "Three or four rows are enough. Which number has no rows in a group where nobody is positive? And does `selection` "
    "stay the same if the other group is twice as large?"))
@review.of(group_report, {group_report_a: "nobody_positive_is_zero", group_report_b: "share_of_all_chosen",
                          group_report_c: None})
def review_report(y, chosen, group, reference):
    """What makes an input of group_report valid."""
    arrays = (y, chosen, group)
    yield "`y`, `chosen` and `group` are arrays of one length, and not empty.", all(
        isinstance(array, np.ndarray) and array.shape == (len(y),) for array in arrays) and len(y) > 0
    yield "`y` and `chosen` hold 0 and 1.", all(array.dtype.kind in "iub" and set(array.tolist()) <= {0, 1}
                                               for array in (y, chosen))
    yield "`y` and `chosen` are numbers, not True and False.", all(array.dtype.kind in "iu" for array in (y, chosen))
    yield "`group` holds names.", all(isinstance(name, str) for name in group.tolist())
    yield "`reference` is one of the groups, and somebody in it is chosen, else there is no ratio.", \
        isinstance(reference, str) and bool(chosen[group == reference].any())


# Answers: wrong ones with their misconceptions, and right ones written differently.


def case(group, y, chosen, reference="a"):
    return dict(y=np.array(y), chosen=np.array(chosen), group=np.array(list(group)), reference=reference)


review.wrong(review_report, "group_report_a",
             everything_can_be_computed=case("aaabbb", [1, 0, 1, 1, 0, 1], [1, 1, 0, 1, 1, 0]),
             nobody_of_the_reference_is_chosen=case("ab", [1, 0], [0, 1]),
             a_reference_that_is_not_there=case("ab", [1, 0], [1, 1], "c"),
             a_list_for_an_array=dict(y=[1, 0], chosen=[1, 1], group=["a", "b"], reference="a"),
             not_suspected=None)
review.wrong(review_report, "group_report_b",
             everybody_is_in_one_group_and_chosen=case("aa", [1, 0], [1, 1]),
             a_chance_for_a_decision=dict(case("ab", [1, 1], [1, 1]), chosen=np.array([0.7, 0.2])),
             arrays_of_two_lengths=case("abb", [1, 1], [1, 1]),
             true_and_false=dict(case("aa", [1, 0], [1, 0]), y=np.array([True, False])),
             numbers_for_names=dict(case("aa", [1, 0], [1, 0]), group=np.array([1, 1])),
             no_rows=case("", [], []))
review.wrong(review_report, "group_report_c",
             suspected_for_its_looks=case("aabb", [1, 0, 0, 0], [1, 1, 1, 0]),
             suspected_on_one_row=case("a", [1], [1]),
             suspected_without_a_positive=case("ab", [0, 0], [1, 0]))


def each_part(answer):
    for part in review_report.parts:
        review_report.right(part=part)(answer)


@each_part
def one_input_for_both():
    given = case("ab", [1, 0], [1, 1])
    return dict(group_report_a=given, group_report_b=given, group_report_c=None)


@each_part
def one_of_two_is_chosen():
    return {"group_report_c": None, "group_report_b": case("aa", [1, 1], [1, 0]),
            "group_report_a": case("aab", [1, 0, 1], [1, 1, 0])}
