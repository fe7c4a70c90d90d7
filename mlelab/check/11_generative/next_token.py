"""11.2 next_token: a token from the nucleus. Three are drawn with one generator, which then gives one number more."""

import numpy as np

from . import _real, lab


@lab.exercise("11.2", section="decoding", hints=(
    "Four steps: chances from logits, the order from the likeliest on, how many of them are the nucleus, and one "
    "number "
    "that points at one of them. What is left to do at temperature 0?",
    "`order = np.argsort(-chances, kind=\"stable\")` keeps the lower id first. With `sums = "
    "np.cumsum(chances[order])`, "
    "the nucleus ends at the first sum that is >= top_p. Divide its chances by their sum, add them up once more, and "
    "take the first place whose sum is > u. Subtract the largest logit before `np.exp`."))
class next_token:
    rule = ("At temperature 0 the highest logit, the lowest id of several; above it one number of rng points into the "
            "nucleus: the fewest of the likeliest tokens that reach top_p, their chances divided by their sum.")
    raises = ValueError

    def inputs(d):
        n = d.int(1, 9)
        even = d.flag(0.35)  # chances of 1/2, 1/4 or 1/8, whose sums are exact
        if even:
            n = d.pick([2, 4, 8])
            logits = d.order([0.0] * n + [-np.inf] * d.int(0, 3))
            top_p = d.pick([d.int(1, n) / n, d.int(1, 2 * n) / (2 * n)])
        else:
            some = [d.num(-4, 4, 1) for _ in range(3)]  # ties are common
            high = d.pick([0, 0, 900, -2000])
            logits = [d.pick([*some, d.num(-4, 4, 1)]) + high for _ in range(n)] + [-np.inf] * d.int(0, 2)
            logits = d.order(logits)
            top_p = d.pick([1, 0.9, 0.5, 0.95, d.num(0.02, 0.98, 2)])
        temperature = d.pick([1.0, 0, 0.5, 2.0, 0.2, 8.0, 0.01, 1e-306])
        wrong = d.pick([None] * 14 + ["temperature", "top_p"])
        if wrong == "temperature":
            temperature = d.pick([-1.0, -0.001])
        elif wrong == "top_p":
            top_p, temperature = d.pick([0, -0.25, 1.001, 2]), d.pick([1.0, 0, 0.5])
        seed, logits = d.int(0, 9_999), np.array(logits)
        if temperature > 0 and wrong is None:
            _need_clear(d, logits, temperature, top_p, seed, even)
        return dict(logits=logits, temperature=temperature, top_p=top_p, seed=seed)

    def run(next_token, logits, temperature, top_p, seed):
        rng, given = np.random.default_rng(seed), logits.copy()
        tokens = [next_token.shared(given, temperature, top_p, rng) for _ in range(3)]
        return {"tokens": tokens, "logits are as they were": bool(np.array_equal(given, logits)),
                "then rng gives": float(rng.random())}

    def shows(logits, temperature, top_p, seed):
        values = ", ".join("-np.inf" if value == -np.inf else f"{value:g}" for value in logits)
        return (f"next_token(np.array([{values}]), {temperature}, {top_p}, rng), three times, with rng = "
                f"np.random.default_rng({seed}); then rng.random()", None)

    def real():
        words, logits = _real.after_the()
        return dict(logits=logits, temperature=1.0, top_p=0.5, seed=11)

    def figure(got, logits, **_):
        words, _ = _real.after_the()
        chances = np.sort(np.exp(logits))[::-1] / np.exp(logits).sum()
        size = np.argmax(np.cumsum(chances) >= 0.5) + 1
        drawn = ", ".join(f"\"{words[token]}\"" for token in got["tokens"])
        return (f"In the policies, {len(words)} words come after \"the\"; {size} of them hold half of the chance. "
                f"Drawn: "
                f"{drawn}.")


def _need_clear(d, logits, temperature, top_p, seed, even):
    """No sum so near to top_p or to a number drawn that rounding decides; where sums are exact, hits are wanted."""
    chances = np.sort(_chances(logits, temperature))[::-1]
    sums = np.cumsum(chances)
    d.need(even or top_p == 1 or (np.abs(sums - top_p) > 1e-6).all())
    size = int(np.argmax(sums >= top_p)) + 1 if top_p < 1 else len(chances)
    limits = np.cumsum(chances[:size]) / chances[:size].sum()
    drawn = np.random.default_rng(seed).random(4)
    d.need((np.abs(limits[:, None] - drawn) > 1e-6).all())


# Answers: wrong ones with their misconceptions, and right ones written differently.


def _chances(logits, temperature):
    scaled = (logits - logits.max()) / temperature
    return np.exp(scaled) / np.exp(scaled).sum()


def drawn(logits, temperature, top_p, rng, *, chances=_chances, order=lambda chances: np.argsort(-chances,
                                                                                                 kind="stable"),
          size=lambda sums, top_p: int(np.argmax(sums >= top_p)) + 1, again=True,
          zero=lambda logits: int(np.argmax(logits)),
          checked=True, draw=lambda rng: rng.random()):
    if checked and (temperature < 0 or not 0 < top_p <= 1):
        raise ValueError("out of range")
    if temperature == 0:
        return zero(logits)
    with np.errstate(all="ignore"):
        p = chances(logits, temperature)
        places = order(p)
        if top_p < 1:
            places = places[:size(np.cumsum(p[places]), top_p)]
        kept = p[places] / (p[places].sum() if again else 1)
    return int(places[min(int(np.searchsorted(np.cumsum(kept), draw(rng), side="right")), len(places) - 1)])


next_token.variants(
    drawn,
    one_too_few=("M31", "The token that reaches top_p is part of the nucleus.",
                 dict(size=lambda sums, top_p: max(int((sums <= top_p).sum()), 1))),
    one_too_many=("M31", "The nucleus ends with the token that reaches top_p; exactly top_p is enough.",
                  dict(size=lambda sums, top_p: min(int((sums <= top_p).sum()) + 1, len(sums)))),
    from_the_least_likely_on=("M40", "The nucleus is made of the likeliest tokens.",
                              dict(order=lambda chances: np.argsort(chances, kind="stable"))),
    higher_id_first=("M34", "Of equally likely tokens the lower id goes first.",
                     dict(order=lambda chances: np.argsort(chances, kind="stable")[::-1])),
    not_divided_again=("M36", "The chances of the nucleus are divided by their sum: without that the last token gets "
                       "all that was cut off.", dict(again=False)),
    temperature_multiplies=("M40", "The temperature divides the logits: above 1 the chances become flatter.",
                            dict(chances=lambda logits, t: _chances(logits, 1 / t))),
    temperature_is_left_out=("M27", "The temperature is an argument: it divides the logits before the softmax.",
                             dict(chances=lambda logits, t: _chances(logits, 1.0))),
    temperature_on_chances=("M32", "The temperature divides logits, not chances.",
                            dict(chances=lambda logits, t: _chances(_chances(logits, 1.0), t))),
    overflows=("M47", "Large logits at a low temperature overflow: subtract the largest one first.",
               dict(chances=lambda logits, t: np.exp(logits / t) / np.exp(logits / t).sum())),
    divides_before_it_subtracts=("M47", "A quotient may be infinite: subtract the largest logit before you divide.",
                                 dict(chances=lambda logits, t: _chances(logits / t, 1.0))),
    last_of_the_highest=("M34", "At temperature 0, of several highest logits the lowest id is taken.",
                         dict(zero=lambda logits: len(logits) - 1 - int(np.argmax(logits[::-1])))),
    takes_anything=("M99", "A temperature below 0, and a top_p that is not above 0 and at most 1, is a ValueError.",
                    dict(checked=False)),
    draws_twice=("M98", "One number of rng decides: whoever draws more than one gives the next token another number.",
                 dict(draw=lambda rng: rng.random() and rng.random())),
    own_generator=("M98", "The number comes from the rng that is handed in: with one of its own, each token is the "
                          "same, "
                   "or nobody can repeat it.", dict(draw=lambda rng: np.random.default_rng(0).random())))


@next_token.mistake("M33", "At temperature 0 nothing is drawn, and nothing divided by it.")
def never_greedy(logits, temperature, top_p, rng):
    return drawn(logits, max(temperature, 1e-3) if temperature >= 0 else temperature, top_p, rng)


@next_token.mistake("M33", "At temperature 0 nothing is drawn; but the two arguments must be in range there, too.")
def greedy_before_the_check(logits, temperature, top_p, rng):
    return int(np.argmax(logits)) if temperature == 0 else drawn(logits, temperature, top_p, rng)


@next_token.mistake("M32", "The number points into the nucleus from the likeliest token on, not in the order of ids.")
def in_the_order_of_ids(logits, temperature, top_p, rng):
    if temperature < 0 or not 0 < top_p <= 1:
        raise ValueError("out of range")
    if temperature == 0:
        return int(np.argmax(logits))
    p = _chances(logits, temperature)
    order = np.argsort(-p, kind="stable")
    size = int(np.argmax(np.cumsum(p[order]) >= top_p)) + 1 if top_p < 1 else len(order)
    kept = np.sort(order[:size])
    return int(rng.choice(kept, p=p[kept] / p[kept].sum()))


@next_token.mistake("M33", "The nucleus is cut out before the draw: tokens outside of it never come.")
def without_a_nucleus(logits, temperature, top_p, rng):
    return drawn(logits, temperature, 1 if 0 < top_p <= 1 else top_p, rng)


@next_token.right
def with_choice(logits, temperature, top_p, rng):
    if not temperature >= 0 or top_p <= 0 or top_p > 1:
        raise ValueError("temperature or top_p")
    if not temperature:
        return int(np.flatnonzero(logits == np.max(logits))[0])
    p = np.exp((np.asarray(logits, float) - max(logits)) / temperature)
    p /= p.sum()
    order = np.lexsort((np.arange(len(p)), -p))
    before = np.cumsum(p[order]) - p[order]
    kept = order[(before < top_p - 1e-12) | (top_p == 1)]
    return rng.choice(kept, p=p[kept] / p[kept].sum())


@next_token.right
def with_a_loop(logits, temperature, top_p, rng):
    if temperature < 0 or not 0 < top_p <= 1:
        raise ValueError("out of range")
    ids = sorted(range(len(logits)), key=lambda token: (-logits[token], token))
    if temperature == 0:
        return ids[0]
    weights = [float(np.exp((logits[token] - logits[ids[0]]) / temperature)) for token in ids]
    total, size, reached = sum(weights), 0, 0.0
    while size < len(ids) and (top_p == 1 or reached < top_p - 1e-12):
        reached += weights[size] / total
        size += 1
    left = rng.random() * sum(weights[:size])
    for token, weight in zip(ids[:size], weights):
        left -= weight
        if left < 0:
            return token
    return ids[size - 1]
