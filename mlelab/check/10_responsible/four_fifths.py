"""10.2 four_fifths: below 0.8 of the reference, not below, or cannot tell. Any generator will do: limits are compared
with those of very many draws, averaged over some seeds."""

import numpy as np
from scipy import stats

from . import _real, lab


@lab.exercise("10.2", section="how-sure", hints=(
    "What is drawn anew in each draw, and how many of each group? When does the interval allow a yes, when a no?",
    "`rng.choice(part, (draws, len(part))).mean(axis=1)` for each of the two groups, then quantiles of the ratio of "
    "the "
    "two. Compare high and low, not the ratio itself, with 0.8."))
class four_fifths:
    rule = "low and high hold 95 % of the draws of the ratio, with both groups drawn, and the verdict reads off them."
    draws = 3
    steady = False  # `run` itself compares two calls with one seed

    def inputs(d):
        name, reference, other = d.order(["x", "y", "z"])
        if d.flag(0.2):  # a limit of exactly 0.8: the reference is all chosen, and so many draws leave no doubt
            a, n = d.pick([(5, 10), (14, 15)])
            return dict(chosen=np.repeat([1, 0, 1], [a, n - a, 20]), group=np.repeat([name, reference], [n, 20]),
                        name=name, reference=reference, given=(4000,), seed=d.int(0, 10_000))
        n, m = d.pick([(40, 40), (2, 200), (60, 400), (400, 60), (300, 300), (1000, 700), (30, 30)])
        a, b = round(n * d.num(0.3, 0.95, 2)), round(m * d.num(0.4, 0.97, 2))
        rest = d.pick([0, 150])
        c = rest // 5
        d.need(a > 0 and 0.35 * m < b)
        chosen = np.r_[[1] * a, [0] * (n - a), [1] * b, [0] * (m - b), [1] * c, [0] * (rest - c)].astype(int)
        group = np.array([name] * n + [reference] * m + [other] * rest)
        turn = d.rng().permutation(len(group))
        low, high, sigma = _wanted(chosen, group, name, reference)
        d.need(min(abs(low - 0.8), abs(high - 0.8)) > 0.6 * sigma)
        return dict(chosen=chosen[turn], group=group[turn], name=name, reference=reference,
                    given=d.pick([(1000,), (700,), (1,), (4000 if len(turn) < 480 else 700,)]), seed=d.int(0, 10_000))

    def run(four_fifths, chosen, group, name, reference, given, seed):
        seeds = (seed, seed, *range(1, 5 if given[0] < 4000 else 3))
        said = [four_fifths(chosen, group, name, reference, *given, one) for one in seeds]
        said += [four_fifths(chosen, group, name, reference, *rest) for rest in ((), (1000, 0))]
        return [{"low": float(one["low"]), "high": float(one["high"]), "verdict": one["verdict"]} for one in said]

    def holds(said, chosen, group, name, reference, given, seed):
        *said, explicit = said
        yield "By default 1000 draws are taken, with the seed 0.", said[-1] == explicit, "M27"
        if given == (1,):
            yield "Of one draw, low and high are the ratio.", all(one["low"] == one["high"] for one in said[:-1]), "M27"
            return
        low, high, sigma = _wanted(chosen, group, name, reference)
        lows, highs = (np.array([one[limit] for one in said[1:-1]]) for limit in ("low", "high"))
        text = f"about {low:.2f} to {high:.2f}"
        yield ("Each draw has as many rows of each group as there are, so no draw is without one.",
               bool(np.isfinite([lows, highs]).all()), "M89", dict(expected=text, got=(lows[0], highs[0])))
        fewest = min((group == which).sum() for which in (name, reference))
        few, large = fewest < 5, fewest >= 60  # the quantiles of few people are steps
        near = 0.5 if not large else 0.12 if given == (4000,) else 0.3
        off = max(abs(np.median(lows) - low), abs(np.median(highs) - high)) / sigma
        shaky = max(np.std(lows), np.std(highs)) / sigma
        got = f"{np.mean(lows):.2f} to {np.mean(highs):.2f}"
        code = "M32" if low > 0 and lows.mean() <= 0 else "M16" if (highs - lows).mean() < 0.9 * (high - low) else None
        yield ("low and high hold 95 % of the draws of the ratio, with both groups "
               "drawn.", few or off < near, code,
               dict(expected=text, got=got))
        yield ("`draws` draws are taken: with fewer the limits change from seed to "
               "seed.", not large or shaky < 0.35, "M27",
               dict(expected=text, got=f"low from {lows.min():.2f} to {lows.max():.2f}"))
        verdict = "below" if high < 0.8 else "not below" if low >= 0.8 else "cannot tell"
        wrong = next((one for one in said[:-1] if one["verdict"] != verdict), None)
        yield ('The verdict is "below" only if all of the interval is below 0.8, and "not below" only if none of it '
               'is.',
               wrong is None, "M13" if wrong and wrong["verdict"] == "below" and verdict == "not below" else "M16",
               dict(expected=verdict, got=wrong and wrong["verdict"]))
        yield ("The same seed gives the same interval, another seed another.", said[0] == said[1] and (
            len(chosen) < 500 or len({one["low"] for one in said[1:6]}) > 1), "M27")

    def shows(chosen, group, name, reference, given, seed):
        (a, n), (b, m) = ((int(chosen[group == w].sum()), int((group == w).sum())) for w in (name, reference))
        told = f"{a} of {n} chosen in {name}, {b} of {m} in {reference}"
        return f"four_fifths({told}, draws={given[0]}, {seed=})", None

    def real():
        table, _ = _real.applications()
        return dict(chosen=table["approved"].to_numpy(), group=table["group"].to_numpy(), name="Black",
                    reference="white", given=(1000,), seed=0)

    def figure(said, **_):
        low, high = said[0]["low"], said[0]["high"]
        return f"197 Black applicants: a ratio of 0.74, from {low:.2f} to {high:.2f}, so: cannot tell."


def _wanted(chosen, group, name, reference):
    """Limits and spread of the ratio, from many draws."""
    rng, drawn = np.random.default_rng(0), []
    for which in (name, reference):
        n, a = int((group == which).sum()), int(chosen[group == which].sum())
        drawn.append(rng.binomial(n, a / n, 40_000) / n)
    ratio = drawn[0] / np.maximum(drawn[1], 1e-9)
    return (*np.quantile(ratio, [0.025, 0.975]), ratio.std())


# Answers: wrong ones with their misconceptions, and right ones written differently.


@four_fifths.mistake("M16")
def the_ratio_itself(chosen, group, name, reference, draws=1000, seed=0):
    low, high = interval(chosen, group, name, reference, draws, seed)
    ratio = chosen[group == name].mean() / chosen[group == reference].mean()
    return {"low": low, "high": high, "verdict": "below" if ratio < 0.8 else "not below"}


@four_fifths.mistake("M16", "A ratio from few rows has an interval: low and high are not the ratio itself.")
def no_interval_at_all(chosen, group, name, reference, draws=1000, seed=0):
    ratio = chosen[group == name].mean() / chosen[group == reference].mean()
    return {"low": ratio, "high": ratio, "verdict": said(ratio, ratio)}


@four_fifths.mistake("M89", "Each draw has as many rows of each group as there are: draw within each group.")
def everybody_in_one_urn(chosen, group, name, reference, draws=1000, seed=0):
    rng = np.random.default_rng(seed)
    ratios = []
    for _ in range(min(draws, 400)):
        rows = rng.integers(0, len(chosen), len(chosen))
        c, g = chosen[rows], group[rows]
        ratios.append(np.divide(c[g == name].sum(), (g == name).sum()) / c[g == reference].mean())
    low, high = np.quantile(ratios, [0.025, 0.975])
    return {"low": low, "high": high, "verdict": said(low, high)}


@four_fifths.mistake("M13", "With enough rows any difference is significant: look at how far the interval is from 0.8.")
def by_p_value(chosen, group, name, reference, draws=1000, seed=0):
    low, high = interval(chosen, group, name, reference, draws, seed)
    a, b = (chosen[group == which] for which in (name, reference))
    p = stats.chi2_contingency([[a.sum() + 0.5, len(a) - a.sum() + 0.5], [b.sum() + 0.5, len(b) - b.sum() + 0.5]])[1]
    return {"low": low, "high": high, "verdict": "below" if p < 0.05 else "cannot tell"}


@four_fifths.mistake("M16", "Both groups are drawn: the reference's share is an estimate, too.")
def the_reference_is_exact(chosen, group, name, reference, draws=1000, seed=0):
    a, _ = drawn(chosen, group, name, reference, draws, seed)
    low, high = np.quantile(a / chosen[group == reference].mean(), [0.025, 0.975])
    return {"low": low, "high": high, "verdict": said(low, high)}


@four_fifths.mistake("M32", "low and high are limits of the ratio, not of the difference.")
def interval_of_the_difference(chosen, group, name, reference, draws=1000, seed=0):
    a, b = drawn(chosen, group, name, reference, draws, seed)
    low, high = np.quantile(a - b, [0.025, 0.975])
    return {"low": low, "high": high, "verdict": said(*np.quantile(a / b, [0.025, 0.975]))}


@four_fifths.mistake("M32", "low and high are the 2.5 and 97.5 % quantiles.")
def ninety_percent(chosen, group, name, reference, draws=1000, seed=0):
    a, b = drawn(chosen, group, name, reference, draws, seed)
    low, high = np.quantile(a / b, [0.1, 0.9])
    return {"low": low, "high": high, "verdict": said(low, high)}


@four_fifths.mistake("M27", "`draws` is an argument.")
def twenty_draws(chosen, group, name, reference, draws=1000, seed=0):
    low, high = interval(chosen, group, name, reference, 20, seed)
    return {"low": low, "high": high, "verdict": said(*interval(chosen, group, name, reference, 1000, seed))}


@four_fifths.mistake("M27", "The seed is an argument.")
def seed_of_its_own(chosen, group, name, reference, draws=1000, seed=0):
    low, high = interval(chosen, group, name, reference, draws, 0)
    return {"low": low, "high": high, "verdict": said(low, high)}


@four_fifths.mistake("M81", "The reference is the group of that name, not everybody else.")
def against_all_others(chosen, group, name, reference, draws=1000, seed=0):
    group = np.where(group == name, name, reference)
    low, high = interval(chosen, group, name, reference, draws, seed)
    return {"low": low, "high": high, "verdict": said(low, high)}


@four_fifths.right
def with_binomial_draws(chosen, group, name, reference, draws=1000, seed=0):
    rng = np.random.default_rng(seed + 7)
    rates = []
    for which in (name, reference):
        part = chosen[group == which]
        rates.append(rng.binomial(len(part), part.mean(), draws) / len(part))
    low, high = np.percentile(rates[0] / rates[1], [2.5, 97.5])
    return {"low": low, "high": high, "verdict": said(low, high)}


@four_fifths.right
def in_a_loop(chosen, group, name, reference, draws=1000, seed=0):
    rng, ratios = np.random.default_rng(seed), []
    a, b = (chosen[group == which] for which in (name, reference))
    for _ in range(draws):
        ratios.append(a[rng.integers(0, len(a), len(a))].mean() / b[rng.integers(0, len(b), len(b))].mean())
    low, high = np.quantile(ratios, [0.025, 0.975])
    return {"verdict": said(low, high), "high": high, "low": low, "draws": draws}


def drawn(chosen, group, name, reference, draws, seed):
    rng = np.random.default_rng(seed)
    return [rng.choice(chosen[group == which], (draws, int((group == which).sum()))).mean(axis=1)
            for which in (name, reference)]


def interval(chosen, group, name, reference, draws, seed):
    a, b = drawn(chosen, group, name, reference, draws, seed)
    return np.quantile(a / b, [0.025, 0.975])


def said(low, high):
    return "below" if high < 0.8 else "not below" if low >= 0.8 else "cannot tell"
