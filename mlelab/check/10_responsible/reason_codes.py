"""10.7 reason_codes: what lowered an applicant's score, as far as it may be named."""

import numpy as np
import pandas as pd

from . import lab


@lab.exercise("10.7", section="reasons-that-may-be-given", hints=(
    "What lowered the score: a large coefficient, or a value far from the usual one? And what does somebody do with a "
    "reason that speaks for her?",
    "Multiply, drop the barred ones, keep what is below zero, sort, cut off after `most`."))
class reason_codes:
    rule = "The reasons are what lowered the score, the strongest first, nothing barred, and at most `most`."

    def inputs(d):
        names = d.some(["debt", "income", "history", "sex", "age", "wage", "late", "late_rent", "rent"], 1)
        unit = d.pick([4, 4096])  # small moves are moves, too
        coefficients = pd.Series({name: d.pick([-1, 1]) * d.int(1, 8) / unit for name in names})
        usual = pd.Series({name: d.int(0, 20) / 2 for name in names})
        applicant = pd.Series({name: usual[name] + d.int(-8, 5) / 4 for name in names})
        moved = (coefficients * (applicant - usual))[lambda m: m < 0]
        d.need(moved.is_unique)  # which of two equal reasons comes first is free
        barred = [name for name in d.order(names) if d.flag(0.2)]
        turned = [series[d.order(names)] for series in (applicant, usual)] if d.flag(0.3) else [applicant, usual]
        return dict(coefficients=coefficients, applicant=turned[0], usual=turned[1], barred=barred,
                    **d.optional(most=d.pick([4, 1, 2, 3, 6])))

    def see(got, **_):
        if not isinstance(got, (list, tuple, np.ndarray)):
            raise ValueError(f"a {type(got).__name__} instead of a list")
        return [str(name) for name in got]

    def shows(coefficients, applicant, usual, barred, most=4):
        table = pd.DataFrame({"coefficient": coefficients, "applicant": applicant, "usual": usual}).assign(
            moved=coefficients * (applicant - usual))
        return f"reason_codes(coefficients, applicant, usual, {barred=}, {most=})", table

    figure = "Strongest first: debt, income, history. Sex lowered the score more: it has to leave the model, too."


# Answers: wrong ones with their misconceptions, and right ones written differently.


@reason_codes.mistake("M91", "A coefficient is no reason: it counts with how far the value is from the usual one.")
def by_coefficient(coefficients, applicant, usual, barred, most=4):
    return list(coefficients.drop(barred).sort_values().index[:most])


@reason_codes.mistake("M91", "What moved the score is the distance from the usual value, not the value.")
def without_the_usual(coefficients, applicant, usual, barred, most=4):
    return reasons(coefficients * applicant, barred, most)


@reason_codes.mistake("M91", "A distance counts with its coefficient.")
def without_the_coefficients(coefficients, applicant, usual, barred, most=4):
    return reasons(applicant - usual, barred, most)


@reason_codes.mistake("M94", "What may not count is no reason, however strong.")
def strongest_whatever_they_are(coefficients, applicant, usual, barred, most=4):
    return reasons(coefficients * (applicant - usual), [], most)


@reason_codes.mistake("M33", "Barred columns leave first; then the strongest are counted.")
def cut_off_before_the_barred_leave(coefficients, applicant, usual, barred, most=4):
    return [name for name in reasons(coefficients * (applicant - usual), [], most) if name not in barred]


@reason_codes.mistake("M40", "What raised the score is no reason for a no.")
def largest_either_way(coefficients, applicant, usual, barred, most=4):
    moved = (coefficients * (applicant - usual)).drop(barred)
    return list(moved.abs().sort_values(ascending=False).index[:most])


@reason_codes.mistake("M40", "Only what lowered the score is a reason, even if these are fewer.")
def always_that_many(coefficients, applicant, usual, barred, most=4):
    return list((coefficients * (applicant - usual)).drop(barred).sort_values().index[:most])


@reason_codes.mistake("M34", "The strongest reason comes first.")
def in_the_order_of_the_columns(coefficients, applicant, usual, barred, most=4):
    moved = (coefficients * (applicant - usual)).drop(barred)
    kept = moved[moved < 0].nsmallest(most).index
    return [name for name in coefficients.index if name in kept]


@reason_codes.mistake("M33", "Up to `most` reasons are given, not the strongest alone.")
def only_the_strongest(coefficients, applicant, usual, barred, most=4):
    return reasons(coefficients * (applicant - usual), barred, 1)


@reason_codes.mistake("M27", "`most` is an argument.")
def four_always(coefficients, applicant, usual, barred, most=4):
    return reasons(coefficients * (applicant - usual), barred, 4)


@reason_codes.mistake("M51", "Values belong together by column, not by place.")
def by_place(coefficients, applicant, usual, barred, most=4):
    moved = pd.Series(coefficients.to_numpy() * (applicant.to_numpy() - usual.to_numpy()), coefficients.index)
    return reasons(moved, barred, most)


@reason_codes.mistake("M52", "A column is barred by its whole name, not by a part of it.")
def barred_by_a_part_of_the_name(coefficients, applicant, usual, barred, most=4):
    moved = coefficients * (applicant - usual)
    return reasons(moved, [name for name in moved.index if any(part in name for part in barred)], most)


@reason_codes.mistake("M32", "A small move is a move: nothing is rounded.")
def moves_to_two_digits(coefficients, applicant, usual, barred, most=4):
    return reasons((coefficients * (applicant - usual)).round(2), barred, most)


@reason_codes.mistake("M40", "A column that left the score as it was has not lowered it.")
def unmoved_ones_too(coefficients, applicant, usual, barred, most=4):
    moved = (coefficients * (applicant - usual)).drop(barred)
    return list(moved[moved <= 0].sort_values().index[:most])


@reason_codes.mistake("M91", "The strongest is the one that moved the score most, not the one farthest from usual.")
def by_the_distance(coefficients, applicant, usual, barred, most=4):
    lowered = reasons(coefficients * (applicant - usual), barred, len(coefficients))
    return sorted(lowered, key=lambda name: -abs(applicant[name] - usual[name]))[:most]


@reason_codes.right
def in_a_loop(coefficients, applicant, usual, barred, most=4):
    found = []
    for name in coefficients.index:
        moved = coefficients[name] * (applicant[name] - usual[name])
        if name not in barred and moved < 0:
            found.append((moved, name))
    return [name for _, name in sorted(found)][:most]


@reason_codes.right
def with_nsmallest(coefficients, applicant, usual, barred, most=4):
    moved = coefficients.mul(applicant.sub(usual))
    return moved[~moved.index.isin(barred) & moved.lt(0)].nsmallest(most).index.tolist()


def reasons(moved, barred, most):
    moved = moved.drop(barred).sort_values()
    return list(moved[moved < 0].index[:most])
