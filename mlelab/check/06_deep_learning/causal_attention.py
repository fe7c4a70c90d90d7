"""6.4 causal_attention: each position looks at itself and at what stands before it."""

import numpy as np
from scipy.special import softmax

from . import lab


@lab.exercise("6.4", section="attention", hints=(
    "Three steps: scores of each query with each key, (n, m), over √d; the mask; a softmax along the keys. With a "
    "cache the first query is not position 0: which one is it?",
    "Query i stands at position m - n + i and sees keys 0 to m - n + i: `np.tri(n, m, m - n)`. Put -inf where "
    "it is 0, subtract each row's largest score, `np.exp`, divide by the row's sum, then `@ v`."))
class causal_attention:
    rule = ("A query at position p mixes the values of positions 0 to p, by the softmax of its scores with their keys "
            "over √d; the queries are the last n of m positions.")

    def inputs(d):
        n, width, out = d.int(1, 4), d.int(1, 5), d.int(1, 3)
        m = n + d.pick([0, 2, 1, 5])
        large = d.pick([1, 30, 1, 40])  # scores that no exp can take

        def numbers(*shape):
            return np.array([d.int(-6, 6) / 2 for _ in range(int(np.prod(shape)))]).reshape(shape)

        q, k = large * numbers(n, width), large * numbers(m, width)
        scores = q @ k.T
        d.need((np.abs(scores) < 5_000).all())
        return dict(q=q, k=k, v=numbers(m, out))

    def run(causal_attention, q, k, v, in_pieces=False):
        whole = causal_attention(q, k, v)
        if not in_pieces:
            return whole
        return whole, [causal_attention(q[i:i + 1], k[:i + 1], v[:i + 1]) for i in range(len(q))]

    def real():
        rng = np.random.default_rng(0)
        return dict(q=rng.normal(size=(48, 64)), k=rng.normal(size=(48, 64)), v=rng.normal(size=(48, 64)),
                    in_pieces=True)

    def figure(got, v, **_):
        whole, pieces = got
        same = np.allclose(whole, np.concatenate(pieces), atol=1e-12)
        return (f"48 positions: the first sees itself alone ({np.allclose(whole[0], v[0])}), and one query at a time "
                f"with the keys so far gives the same as all at once ({same}). That is why a cache works.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


@causal_attention.mistake("M01", "A position does not see what comes after it.")
def without_a_mask(q, k, v):
    return mixed(q, k, v, sees=lambda n, m: np.ones((n, m), bool))


@causal_attention.mistake("M31", "A position sees itself, too.")
def only_what_is_before(q, k, v):
    sees = np.tri(len(q), len(k), len(k) - len(q) - 1, dtype=bool)
    if not sees[0].any():
        sees[0, 0] = True
    return mixed(q, k, v, sees=lambda n, m: sees)


@causal_attention.mistake("M34", "The queries are the last n positions: the first of them sees the m - n before it.")
def queries_are_the_first_positions(q, k, v):
    return mixed(q, k, v, sees=lambda n, m: np.tri(n, m, dtype=bool))


@causal_attention.mistake("M31", "The first query stands at position m - n, and sees that one as the last.")
def one_position_too_far(q, k, v):
    return mixed(q, k, v, sees=lambda n, m: np.tri(n, m, m - n + 1, dtype=bool))


@causal_attention.mistake("M40", "The mask hides what comes after, not what came before.")
def sees_the_future_only(q, k, v):
    return mixed(q, k, v, sees=lambda n, m: ~np.tri(n, m, m - n - 1, dtype=bool))


@causal_attention.mistake("M32", "Scores are divided by √d.")
def scale_missing(q, k, v):
    return mixed(q, k, v, scale=1)


@causal_attention.mistake("M32", "Scores are divided by the root of the width, not by the width.")
def divided_by_the_width(q, k, v):
    return mixed(q, k, v, scale=q.shape[1])


@causal_attention.mistake("M32", "The width is that of queries and keys, not of the values.")
def width_of_the_values(q, k, v):
    return mixed(q, k, v, scale=np.sqrt(v.shape[1]))


@causal_attention.mistake("M32", "The scale is the root of the width of a query, not of the number of positions.")
def root_of_the_number_of_keys(q, k, v):
    return mixed(q, k, v, scale=np.sqrt(len(k)))


@causal_attention.mistake("M36", "The softmax runs along the keys: the weights of one query add up to 1.")
def softmax_along_the_queries(q, k, v):
    scores = np.where(np.tri(len(q), len(k), len(k) - len(q), dtype=bool), q @ k.T / np.sqrt(q.shape[1]), -np.inf)
    return softmax(scores, axis=0) @ v


@causal_attention.mistake("M36", "Mask before the softmax: weights that are cut afterwards no longer add up to 1.")
def masked_after_the_softmax(q, k, v):
    weights = softmax(q @ k.T / np.sqrt(q.shape[1]), axis=1)
    return weights * np.tri(len(q), len(k), len(k) - len(q)) @ v


@causal_attention.mistake("M08", "A hidden score is minus infinity. With 0 it still has its share.")
def hidden_scores_are_zero(q, k, v):
    scores = q @ k.T / np.sqrt(q.shape[1]) * np.tri(len(q), len(k), len(k) - len(q))
    return softmax(scores, axis=1) @ v


@causal_attention.mistake("M47", "A hidden score is minus infinity: a score that is seen may be below any number.")
def hidden_scores_are_a_low_number(q, k, v):
    scores = np.where(np.tri(len(q), len(k), len(k) - len(q), dtype=bool), q @ k.T / np.sqrt(q.shape[1]), -1000.0)
    return softmax(scores, axis=1) @ v


@causal_attention.mistake("M47", "exp of a large score is infinite. Subtract each row's largest score first.")
def largest_score_not_subtracted(q, k, v):
    weights = np.exp(seen(q, k))
    return weights / weights.sum(axis=1, keepdims=True) @ v


@causal_attention.mistake("M47", "Each row needs its own largest score: below that of another row, all its weights are "
                  "0.")
def one_largest_score_for_all(q, k, v):
    scores = seen(q, k)
    weights = np.exp(scores - scores.max())
    return weights / weights.sum(axis=1, keepdims=True) @ v


@causal_attention.mistake("M47", "The largest score is taken among those that a row sees.")
def largest_of_the_hidden_too(q, k, v):
    scores = q @ k.T / np.sqrt(q.shape[1])
    weights = np.exp(scores - scores.max(axis=1, keepdims=True)) * np.tri(len(q), len(k), len(k) - len(q))
    return weights / weights.sum(axis=1, keepdims=True) @ v


@causal_attention.mistake("M16", "All positions seen are mixed, not the one with the highest score alone.")
def the_highest_score_alone(q, k, v):
    return v[seen(q, k).argmax(axis=1)]


@causal_attention.mistake("M32", "The scores are a softmax's: exp first, then shares.")
def shares_without_exp(q, k, v):
    scores = seen(q, k)
    lifted = np.where(np.isinf(scores), 0, scores - np.where(np.isinf(scores), np.inf, scores).min(
        axis=1, keepdims=True) + 1)
    return lifted / lifted.sum(axis=1, keepdims=True) @ v


@causal_attention.right
def query_by_query(q, k, v):
    rows = []
    for i, query in enumerate(q):
        last = len(k) - len(q) + i + 1
        scores = k[:last] @ query / q.shape[1] ** 0.5
        weights = np.exp(scores - scores.max())
        rows.append((weights[:, None] * v[:last]).sum(axis=0) / weights.sum())
    return np.array(rows)


@causal_attention.right
def with_a_large_negative_number(q, k, v):
    scores = np.einsum("nd,md->nm", q, k) / np.sqrt(q.shape[-1])
    hidden = np.arange(len(k))[None] > np.arange(len(k) - len(q), len(k))[:, None]
    return softmax(np.where(hidden, -1e9, scores), axis=-1) @ v


def seen(q, k):
    scores = q @ k.T / np.sqrt(q.shape[1])
    return np.where(np.tri(len(q), len(k), len(k) - len(q), dtype=bool), scores, -np.inf)


def mixed(q, k, v, sees=lambda n, m: np.tri(n, m, m - n, dtype=bool), scale=None):
    scores = q @ k.T / (np.sqrt(q.shape[1]) if scale is None else scale)
    return softmax(np.where(sees(len(q), len(k)), scores, -np.inf), axis=1) @ v
