"""4.8 ab_test: the number of cases first, then one look at the first n of each arm."""

import numpy as np
from scipy import stats

from mlelab.check.compare import difference

from . import lab


@lab.exercise("4.8", section="ab-tests", hints=(
    "First the number of cases, from p0, p1, alpha and power alone. If an arm is shorter, wait. Otherwise cut both "
    "arms at n, and test once.",
    "`z_alpha, z_power = stats.norm.ppf([1 - alpha / 2, power])`, the formula, `np.ceil`. Then `a[:n]`, `b[:n]`."))
class ab_test:
    rule = ("n comes from p0, p1, alpha and power; while an arm has fewer cases, wait; then the first n of each arm "
            "alone give a two-sided p-value, and it is different below alpha.")

    def inputs(d):
        """Shares far apart, so that n is small; no n and no p-value so near to its limit that rounding decides."""
        p0, p1 = d.order([d.num(0.05, 0.45, 2), d.num(0.55, 0.95, 2)])
        given = d.optional(alpha=d.pick([0.05, 0.01, 0.1, 0.2]), power=d.pick([0.8, 0.9, 0.6, 0.95]))
        alpha, exact = given.get("alpha", 0.05), [_cases(p0, p1, **given), _unpooled(p0, p1, **given)]
        d.need(all(abs(cases - round(cases)) > 1e-6 for cases in exact))
        both = [int(np.ceil(cases)) for cases in exact]
        n = d.pick(both)
        kind = d.pick(["any", "just below", "just above"])
        low = d.int(0, n)
        high = d.int(0, n) if kind == "any" else _near(low, n, alpha, kind == "just above")
        d.need(high is not None and 0 < low + high < 2 * n and abs(_p_value(low, high, n) - alpha) > 1e-9)
        arms = [_arm(d, ones, n) for ones in d.order([low, high])]
        for size in both:
            ones = [int(arm[:size].sum()) for arm in arms]
            d.need(min(map(len, arms)) < size or 0 < sum(ones) < 2 * size and abs(
                _p_value(*ones, size) - alpha) > 1e-9)
        return dict(a=arms[0], b=arms[1], p0=p0, p1=p1, **given)

    def see(got, a, b, p0, p1, alpha=0.05, power=0.8):
        """Either of the two usual formulas of n will do: what follows rightly from the other one counts as ours."""
        found = {name: got[name] for name in ("n", "p_value", "verdict")}
        ours, other = (_read(a, b, int(np.ceil(cases(p0, p1, alpha, power))), alpha) for cases in (_cases, _unpooled))
        return ours if difference(other, found) is None else found

    def real():
        return dict(a=np.array([]), b=np.array([]), p0=0.30, p1=0.32)

    def figure(got, **_):
        return f"To tell 30 from 32 percent, each arm needs {got['n']:,} cases."

    def shows(a, b, p0, p1, alpha=0.05, power=0.8):
        n = int(np.ceil(_cases(p0, p1, alpha, power)))
        counts = " and ".join(f"{arm[:n].sum()} ones among the first {min(n, len(arm))} of {len(arm)} cases"
                              for arm in (a, b))
        return f"ab_test(a, b, {p0=}, {p1=}, {alpha=}, {power=}), arms with {counts}", None


def _arm(d, ones, n):
    """So many ones among the first n: early, late or mixed; then more cases that are all alike, or one too few."""
    arm = np.repeat([1, 0], [ones, n - ones])
    arm = d.pick([arm, arm[::-1], d.rng().permutation(arm)])
    more = d.pick([0, 3, 2 * n, -1])
    return arm[:-1] if more < 0 else np.append(arm, np.full(more, d.int(0, 1)))


def _near(low, n, alpha, above):
    """The ones of the other arm for which the p-value lies next to alpha: the last one above, or the first below."""
    p_values = {high: _p_value(low, high, n) for high in range(n + 1) if 0 < low + high < 2 * n}
    fits = [high for high, p in p_values.items() if (p > alpha) == above]
    return min(fits, key=lambda high: abs(p_values[high] - alpha)) if fits else None


def _p_value(low, high, n):
    pooled = (low + high) / (2 * n)
    return 2 * stats.norm.sf(abs(high - low) / n / np.sqrt(2 * pooled * (1 - pooled) / n))


def _cases(p0, p1, alpha=0.05, power=0.8):
    mean, (z_alpha, z_power) = (p0 + p1) / 2, stats.norm.ppf([1 - alpha / 2, power])
    spread = z_alpha * np.sqrt(2 * mean * (1 - mean)) + z_power * np.sqrt(p0 * (1 - p0) + p1 * (1 - p1))
    return (spread / (p1 - p0)) ** 2


def _unpooled(p0, p1, alpha=0.05, power=0.8):
    """The other usual formula: the variance of the two shares under the null hypothesis as well."""
    return sum(stats.norm.ppf([1 - alpha / 2, power])) ** 2 * (p0 * (1 - p0) + p1 * (1 - p1)) / (p1 - p0) ** 2


# Answers: wrong ones with their misconceptions, and right ones written differently.


def told(code, says, size=lambda p0, p1, alpha, power: np.ceil(_cases(p0, p1, alpha, power)),
         level=lambda alpha: alpha, waits=lambda a, b, n: min(len(a), len(b)) < n, cut=lambda arm, n: arm[:n]):
    """A wrong answer; the decorated function gives the p-value of two arms."""

    def mark(p_value):
        def answer(a, b, p0, p1, alpha=0.05, power=0.8):
            n = int(size(p0, p1, alpha, power))
            if waits(a, b, n):
                return {"n": n, "p_value": None, "verdict": "wait"}
            found = float(p_value(cut(a, n), cut(b, n)))
            return {"n": n, "p_value": found, "verdict": "different" if found < level(alpha) else "not shown"}

        answer.__name__ = p_value.__name__
        return ab_test.mistake(code, says)(answer)

    return mark


def two_sided(a, b):
    pooled = (a.mean() + b.mean()) / 2
    error = np.sqrt(pooled * (1 - pooled) * (1 / len(a) + 1 / len(b)))
    return 2 * stats.norm.sf(abs(b.mean() - a.mean()) / error) if error else 1.0


@ab_test.mistake("M19", "A difference that was there on the way and is gone at n is not a finding: look once, at n.")
def stops_at_the_first_small_p(a, b, p0, p1, alpha=0.05, power=0.8):
    n = int(np.ceil(_cases(p0, p1, alpha, power)))
    for size in range(2, min(len(a), len(b), n) + 1):
        if (p_value := two_sided(a[:size], b[:size])) < alpha:
            return {"n": n, "p_value": float(p_value), "verdict": "different"}
    return _read(a, b, n, alpha)


@told("M19", "With fewer than n cases in an arm there is nothing to read yet: wait.",
      waits=lambda a, b, n: min(len(a), len(b)) == 0)
def reads_before_the_end(a, b):
    return two_sided(a, b)


@told("M19", "What arrives after the first n is not part of this test.", cut=lambda arm, n: arm)
def goes_on_after_the_end(a, b):
    return two_sided(a, b)


@told("M34", "The first n cases of each arm are read, not the last.", cut=lambda arm, n: arm[-n:])
def the_last_n(a, b):
    return two_sided(a, b)


@told("M33", "Each arm must have n cases, not the two together.", waits=lambda a, b, n: len(a) + len(b) < 2 * n)
def both_arms_together(a, b):
    return two_sided(a, b) if len(a) and len(b) else 1.0


@told("M33", "Both arms must have n cases, the second as well.", waits=lambda a, b, n: len(a) < n)
def only_the_first_arm_is_counted(a, b):
    return two_sided(a, b)


@told("M31", "n cases are enough.", waits=lambda a, b, n: min(len(a), len(b)) <= n)
def waits_for_one_more(a, b):
    return two_sided(a, b)


@told("M16", "The number of cases depends on the power.", lambda p0, p1, alpha, power: np.ceil(
    _cases(p0, p1, alpha, 0.5)))
def forgets_the_power(a, b):
    return two_sided(a, b)


@told("M27", "The power is the argument, not always 0.8.", lambda p0, p1, alpha, power: np.ceil(_cases(p0, p1, alpha)))
def always_eighty_percent(a, b):
    return two_sided(a, b)


@told("M36", "n is the number of cases in each arm, not in both.", lambda p0, p1, alpha, power: 2 * np.ceil(
    _cases(p0, p1, alpha, power)))
def cases_of_both_arms(a, b):
    return two_sided(a, b)


@told("M31", "The number of cases is rounded up.", lambda p0, p1, alpha, power: _cases(p0, p1, alpha, power))
def rounded_down(a, b):
    return two_sided(a, b)


@told("M31", "The number of cases is rounded up.", lambda p0, p1, alpha, power: round(_cases(p0, p1, alpha, power)))
def rounded_to_the_nearest(a, b):
    return two_sided(a, b)


@told("M31", "The number of cases is rounded up, and no case more.", lambda p0, p1, alpha, power: _cases(
    p0, p1, alpha, power) + 1.999)
def one_case_more(a, b):
    return two_sided(a, b)


@told("M32", "The test is two-sided, and so is the plan: half of alpha on each side.", lambda p0, p1, alpha, power: (
    np.ceil(_cases(p0, p1, 2 * alpha, power))))
def planned_one_sided(a, b):
    return two_sided(a, b)


@told("M32", "The p-value is two-sided: twice the tail.")
def one_sided_p_value(a, b):
    return two_sided(a, b) / 2


@told("M40", "A difference downwards counts like one upwards: take it absolute.")
def without_the_absolute(a, b):
    half = two_sided(a, b) / 2
    return 2 * (half if b.mean() >= a.mean() else 1 - half)


@told("M32", "The standard error comes from the pooled share of both arms.")
def shares_not_pooled(a, b):
    error = np.sqrt((a.var() + b.var()) / len(a))
    return 2 * stats.norm.sf(abs(b.mean() - a.mean()) / error) if error else 0.0


@told("M32", "The test is that of two shares, a normal one, not Student's t-test.")
def students_t(a, b):
    return stats.ttest_ind(a, b).pvalue if a.std() + b.std() else 0.0


@told("M32", "The test has no correction for continuity.")
def corrected_for_continuity(a, b):
    return stats.chi2_contingency([[a.sum(), b.sum()], [(1 - a).sum(), (1 - b).sum()]]).pvalue


@told("M27", "alpha is the argument, not always five percent.", level=lambda alpha: 0.05)
def five_percent_whatever_was_asked(a, b):
    return two_sided(a, b)


OTHER = dict(size=lambda p0, p1, alpha, power: np.ceil(_unpooled(p0, p1, alpha, power)))
for _name, _code, _says, _change in (
    ("goes_on", "M19", "What arrives after the first n is not part of this test.", dict(OTHER, cut=lambda arm, n: arm)),
    ("reads_the_last_n", "M34", "The first n cases of each arm are read.", dict(OTHER, cut=lambda arm, n: arm[-n:])),
    ("counts_one_arm", "M33", "Both arms must have n cases.", dict(OTHER, waits=lambda a, b, n: len(a) < n)),
    ("counts_the_other_arm", "M33", "Both arms must have n cases.", dict(OTHER, waits=lambda a, b, n: len(b) < n)),
    ("waits_for_more", "M31", "n cases are enough.", dict(OTHER, waits=lambda a, b, n: min(len(a), len(b)) <= n)),
    ("always_five_percent", "M27", "alpha is the argument, not always 0.05.", dict(OTHER, level=lambda _: 0.05)),
    ("cuts_the_number", "M31", "The number of cases is rounded up.", dict(size=_unpooled)),
    ("counts_both_arms", "M36", "n is the number of cases in each arm, not in both.", dict(
        size=lambda *given: 2 * np.ceil(_unpooled(*given)))),
    ("plans_one_sided", "M32", "The plan is two-sided, as the test is.", dict(
        size=lambda p0, p1, alpha, power: np.ceil(_unpooled(p0, p1, 2 * alpha, power)))),
    ("plans_with_eighty_percent", "M27", "The power is the argument, not always 0.8.", dict(
        size=lambda p0, p1, alpha, power: np.ceil(_unpooled(p0, p1, alpha)))),
):
    def _unpooled_answer(a, b):
        return two_sided(a, b)

    _unpooled_answer.__name__ = f"{_name}_by_the_other_formula"
    told(_code, _says, **_change)(_unpooled_answer)


def stops_where_it_is_clear(a, b, p0, p1, alpha=0.05, power=0.8, *, cases):
    n = int(np.ceil(cases(p0, p1, alpha, power)))
    size = min(len(a), len(b), n)
    if size and (p_value := two_sided(a[:size], b[:size])) < alpha / 10:
        return {"n": n, "p_value": float(p_value), "verdict": "different"}
    return _read(a, b, n, alpha)


EARLY = "Before n, a p-value however small is no result: wait."
ab_test.variants(stops_where_it_is_clear, stops_early=("M19", EARLY, dict(cases=_cases)),
                 stops_early_by_the_other_formula=("M19", EARLY, dict(cases=_unpooled)))


@ab_test.mistake("M40", "Arms are different, too, where the second is lower.")
def only_if_the_second_is_higher(a, b, p0, p1, alpha=0.05, power=0.8):
    found = _read(a, b, int(np.ceil(_cases(p0, p1, alpha, power))), alpha)
    lower = found["verdict"] == "different" and b[:found["n"]].mean() < a[:found["n"]].mean()
    return found | ({"verdict": "not shown"} if lower else {})


@ab_test.mistake("M99", "While an arm has fewer than n cases, p_value is None.")
def a_p_value_while_waiting(a, b, p0, p1, alpha=0.05, power=0.8):
    found = _read(a, b, int(np.ceil(_cases(p0, p1, alpha, power))), alpha)
    return found | ({"p_value": 1.0} if found["verdict"] == "wait" else {})


@ab_test.right
def with_the_other_formula(a, b, p0, p1, alpha=0.05, power=0.8):
    return _read(a, b, int(np.ceil(_unpooled(p1, p0, alpha, power))), alpha)


@ab_test.right
def with_chi_square(a, b, p0, p1, alpha=0.05, power=0.8):
    def p_value(a, b):
        return stats.chi2_contingency([[a.sum(), b.sum()], [(1 - a).sum(), (1 - b).sum()]], correction=False).pvalue

    return _read(a, b, int(np.ceil(_cases(p1, p0, alpha, power))), alpha, p_value)


@ab_test.right
def with_the_standard_library(a, b, p0, p1, alpha=0.05, power=0.8):
    from math import ceil, erfc, sqrt
    from statistics import NormalDist

    quantile = NormalDist().inv_cdf
    n = ceil((quantile(1 - alpha / 2) * sqrt((p0 + p1) * (1 - (p0 + p1) / 2)) + quantile(power) * sqrt(
        p0 - p0**2 + p1 - p1**2)) ** 2 / (p0 - p1) ** 2)
    if len(a) < n or len(b) < n:
        return dict(n=n, p_value=None, verdict="wait")
    one, two = sum(a[:n].tolist()), sum(b[:n].tolist())
    p_value = erfc(abs(one - two) / sqrt((one + two) * (2 - (one + two) / n)))
    return dict(n=n, p_value=p_value, verdict=["not shown", "different"][p_value < alpha])


def _read(a, b, n, alpha, p_value=two_sided):
    if min(len(a), len(b)) < n:
        return {"n": n, "p_value": None, "verdict": "wait"}
    found = float(p_value(a[:n], b[:n]))
    return {"n": n, "p_value": found, "verdict": "different" if found < alpha else "not shown"}
