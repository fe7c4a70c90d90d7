"""10.11 review_report: three versions of group_report, of which the first and the second are wrong, and a printed
report that reads well: four of its seven lines do not say what the data says."""

import functools
import math
import numbers

import numpy as np
import pandas as pd

from mlelab.check import engine, review

from . import _real, lab
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


@functools.cache
def _true() -> dict[int, float | str | None]:
    """What the wrong lines of `mlelab.responsible.report` should say."""
    table, p = _real.applications()
    black, yes, good = table["group"] == "Black", p > 0.8, table["approved"] == 1
    return {3: float(yes[black & good].mean()), 4: float(yes[black & ~good].mean()), 6: "cannot tell", 7: None}


def _says(value, true) -> bool:
    if isinstance(true, float):
        return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isclose(
            value, true, abs_tol=0.0051)
    return isinstance(value, type(true)) and value == true


def _report(trial, given) -> str:
    """The printed report: which of its lines are wrong, and what each should say."""
    true = _true()
    trial.require(isinstance(given, dict) and all(str(line) in "1234567" and len(str(line)) == 1 for line in given),
                  "For the report: a dict, the number of a wrong line and what the line should say.", mistake="M99",
                  got=engine.shown(given))
    given = {int(line): value for line, value in given.items()}
    right = sorted(set(given) - set(true))
    trial.require(not right, f"Line {right[0] if right else 0} says what the data says, and answers the question that "
                  "it names.", mistake="M54")
    trial.require(set(given) == set(true), "Another line reads well and is wrong. Which rows does it count, of which "
                  "rows is that a share, and how many are they?", mistake="M33")
    for line, value in given.items():
        trial.require(_says(value, true[line]), f"Line {line} is wrong, and this is not what it should say. A share is "
                      "of the rows that its sentence names. Too few people for a verdict: \"cannot tell\". No rows at "
                      "all: None.", mistake="M36", got=repr(value)[:40])
    return ("Four of seven lines: two shares of the wrong rows, a point without its interval, and a 0 where nothing "
            "can be said. None of them looks odd in print.")


@lab.exercise("10.11", section="decisions-by-group", hints=(
    "A report can be wrong in its numbers, in the question that a number answers, or in what it says where nothing can "
    "be said. Ask each function about each sentence of the docstring.",
    "Three or four rows are enough. Which number has no rows in a group where nobody is positive? And does `selection` "
    "stay the same if the other group is twice as large? For the printed report compute each line anew."))
@review.of(group_report, {group_report_a: "nobody_positive_is_zero", group_report_b: "share_of_all_chosen",
                          group_report_c: None}, beside={"report": _report})
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


REPORT = {3: 0.92, 4: 0.22, 6: "cannot tell", 7: None}


def each_part(answer):
    for part in review_report.parts:
        review_report.right(part=part)(answer)
    return answer


@each_part
def one_input_for_both():
    given = case("ab", [1, 0], [1, 1])
    return dict(group_report_a=given, group_report_b=given, group_report_c=None, report=REPORT)


@each_part
def one_of_two_is_chosen():
    return {"group_report_c": None, "group_report_b": case("aa", [1, 1], [1, 0]),
            "group_report_a": case("aab", [1, 0, 1], [1, 1, 0]),
            "report": {"7": None, "6": "cannot tell", "4": 14 / 64, "3": np.float64(122 / 133)}}


def told(code, **reports):
    """Register answers of ours with another finding about the report."""
    for name, lines in reports.items():
        def answer(lines=lines):
            return one_input_for_both() | {"report": lines}

        answer.__name__ = name
        review_report.mistake(code, part="report")(answer)


told("M99", lines_without_their_numbers=[3, 4, 6, 7], a_line_that_is_not_there=REPORT | {8: None})
told("M54", all_of_it_is_wrong=REPORT | {1: 0.9, 2: 0.7, 5: 0.9}, the_ratio_is_upside_down=REPORT | {2: 1.33})
told("M33", nothing_is_wrong={}, the_small_print_is_passed_over={3: 0.92, 4: 0.22, 6: "cannot tell"},
     the_verdict_is_passed_over={3: 0.92, 4: 0.22, 7: None})
told("M36", the_rule_is_broken=REPORT | {6: "below"}, zero_is_a_number=REPORT | {7: 0.0},
     a_share_of_the_approved=REPORT | {4: 0.10}, a_share_of_all=REPORT | {3: 0.62}, in_percent=REPORT | {3: 92})
