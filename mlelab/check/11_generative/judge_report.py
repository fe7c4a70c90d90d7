"""11.5 judge_report: how far a judge of pairs can be trusted."""

from collections import Counter

import numpy as np

from . import lab

KINDS = ("A", "B", "tie")


@lab.exercise("11.5", section="judging", hints=(
    "First turn the verdicts of `swapped` back. What does a judge say twice who always prefers the answer shown first?",
    "`back = {\"A\": \"B\", \"B\": \"A\", \"tie\": \"tie\"}`. By chance: the sum over the three verdicts of the "
    "judge's share "
    "times the person's share. Where that is 1, kappa is 1."))
class judge_report:
    rule = ("consistency: both orders name the same answer or tie; position_bias: share of A less share of B of all "
            "verdicts "
            "as they were given; kappa of person and judge, whose inconsistent verdicts are ties.")

    def inputs(d):
        n = d.int(1, 8)
        kinds = d.pick([KINDS, ("A",), ("tie", "A"), ("A", "B"), KINDS])

        def verdicts():
            return [d.pick(kinds) for _ in range(n)]

        first = verdicts()
        back = {"A": "B", "B": "A", "tie": "tie"}
        swapped = [back[one] if d.flag(0.6) else d.pick(KINDS) for one in first]
        human = [one if d.flag(0.5) else d.pick(kinds) for one in first]
        return dict(first=first, swapped=swapped, human=human)

    def real():
        rng = np.random.default_rng(0)
        human = [str(one) for one in rng.choice(KINDS, 200, p=[0.45, 0.35, 0.2])]
        first = ["A" if rng.random() < 0.5 else one for one in human]
        swapped = ["A" if rng.random() < 0.5 else {"A": "B", "B": "A"}.get(one, one) for one in human]
        return dict(first=first, swapped=swapped, human=human)

    def figure(got, first, human, **_):
        raw = np.mean([one == other for one, other in zip(first, human)])
        return (f"A made-up judge who half of the time names what stands first agrees with the person in {raw:.0%} of "
                f"200 pairs. Consistent in {got['consistency']:.0%}, position bias {got['position_bias']:+.2f}, kappa "
                f"{got['kappa']:.2f}.")


# Answers: wrong ones with their misconceptions, and right ones written differently.

BACK = {"A": "B", "B": "A", "tie": "tie"}


def kappa_of(one, other, certain=1.0, kinds=KINDS):
    agreement = np.mean([a == b for a, b in zip(one, other)])
    chance = sum(one.count(word) * other.count(word) for word in kinds) / len(one) ** 2
    return certain if chance == 1 else (agreement - chance) / (1 - chance)


def reported(first, swapped, human, *, back=BACK, bias=None, verdict=lambda one, other: one if one == other else "tie",
             kappa=kappa_of, consistency=None):
    turned = [back[one] for one in swapped]
    shown = [*first, *swapped]
    judge = [verdict(one, other) for one, other in zip(first, turned)]
    return {"consistency": (consistency or (lambda a, b: np.mean([x == y for x, y in zip(a, b)])))(first, turned),
            "position_bias": (bias or (lambda shown, turned: (shown.count("A") - shown.count("B")) / len(shown)))(
                shown, [*first, *turned]),
            "kappa": kappa(judge, human)}


judge_report.variants(
    reported,
    not_swapped_back=("M40", "In `swapped` our answer was B: turn the verdict back before you compare.",
                      dict(back={word: word for word in KINDS})),
    bias_after_turning_back=("M32", "Position bias asks what stood first, not whose it was: take verdicts as they "
                                    "were given.",
                             dict(bias=lambda shown, turned: (turned.count("A") - turned.count("B")) / len(turned))),
    bias_without_ties=("M36", "Ties count below the line of the position bias.",
                       dict(bias=lambda shown, turned: (shown.count("A") - shown.count("B")) / max(
                           len(shown) - shown.count("tie"), 1))),
    bias_of_the_first_order=("M33", "Position bias takes both orders: in one alone, the better answer looks like a "
                                    "bias.",
                             dict(bias=lambda shown, turned: (shown[:len(shown) // 2].count("A")
                                                              - shown[:len(shown) // 2].count("B")) * 2 / len(shown))),
    bias_per_pair=("M36", "The line below holds all verdicts, two for each pair.",
                   dict(bias=lambda shown, turned: (shown.count("A") - shown.count("B")) * 2 / len(shown))),
    bias_without_a_sign=("M40", "A bias has a direction.",
                         dict(bias=lambda shown, turned: abs(shown.count("A") - shown.count("B")) / len(shown))),
    share_of_a=("M32", "The bias is the share of A less the share of B: 0 where there is none.",
                dict(bias=lambda shown, turned: shown.count("A") / len(shown))),
    the_first_order_alone=("M33", "The judge's verdict is \"tie\" where the orders are not consistent.",
                           dict(verdict=lambda one, other: one)),
    raw_agreement=("M32", "Agreement holds what chance alone would give; kappa takes it out.",
                   dict(kappa=lambda one, other: np.mean([a == b for a, b in zip(one, other)]))),
    chance_without_ties=("M36", "Chance has three verdicts, ties too.",
                         dict(kappa=lambda one, other: kappa_of(one, other, kinds=("A", "B")))),
    chance_is_a_third=("M32", "Chance is what the two say how often, not a third each.",
                       dict(kappa=lambda one, other: (
                           np.mean([a == b for a, b in zip(one, other)]) - 1 / 3) / (2 / 3))),
    certain_is_nan=("M47", "Where chance alone agrees always, kappa is 1.",
                    dict(kappa=lambda one, other: kappa_of(one, other, certain=float("nan")))),
    certain_is_zero=("M47", "Where chance alone agrees always, kappa is 1.",
                     dict(kappa=lambda one, other: kappa_of(one, other, certain=0.0))))


@judge_report.mistake("M09", "A pair on which the judge wavers counts, as a tie.")
def only_consistent_pairs(first, swapped, human):
    kept = [(one, person) for one, other, person in zip(first, swapped, human) if one == BACK[other]]
    found = reported(first, swapped, human)
    if kept:
        found["kappa"] = kappa_of([one for one, _ in kept], [person for _, person in kept])
    return found


@judge_report.mistake("M09", "Two ties are consistent, and a pair with ties is a pair.")
def without_ties(first, swapped, human):
    found = reported(first, swapped, human)
    named = [(one, BACK[other]) for one, other in zip(first, swapped) if "tie" not in (one, other)]
    return found | {"consistency": np.mean([one == other for one, other in named]) if named else 0.0}


@judge_report.right
def with_tables(first, swapped, human):
    pairs = Counter(zip(first, swapped))
    n = len(first)
    same = pairs["A", "B"] + pairs["B", "A"] + pairs["tie", "tie"]
    given = Counter(first) + Counter(swapped)
    judge = [one if (one, other) in (("A", "B"), ("B", "A")) else "tie" for one, other in zip(first, swapped)]
    table = np.array([[sum(j == a and h == b for j, h in zip(judge, human)) for b in KINDS] for a in KINDS]) / n
    chance = table.sum(axis=0) @ table.sum(axis=1)
    kappa = 1 if np.isclose(chance, 1) else (np.trace(table) - chance) / (1 - chance)
    return {"kappa": float(kappa), "consistency": same / n, "position_bias": (given["A"] - given["B"]) / (2 * n)}


@judge_report.right
def with_numbers(first, swapped, human):
    value = {"A": 1, "B": -1, "tie": 0}
    one, two, person = (np.array([value[word] for word in words]) for words in (first, swapped, human))
    judge = np.where(one == -two, one, 0)
    chance = sum(np.mean(judge == word) * np.mean(person == word) for word in (-1, 0, 1))
    agree = np.mean(judge == person)
    return dict(consistency=float(np.mean(one + two == 0)),
                position_bias=float((one.sum() + two.sum()) / (2 * len(one))),
                kappa=1.0 if chance > 1 - 1e-12 else float((agree - chance) / (1 - chance)))
