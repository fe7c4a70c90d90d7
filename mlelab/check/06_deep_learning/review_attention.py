"""6.7 review_attention: three versions of causal_attention that look right; two of them are not."""

import numpy as np

from mlelab.check import review

from . import lab
from .causal_attention import causal_attention


def causal_attention_a(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    scores = q @ k.T / np.sqrt(q.shape[1])
    visible = np.tril(np.ones(scores.shape, dtype=bool))
    scores = np.where(visible, scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True) @ v


def causal_attention_b(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    out, past = np.zeros((len(q), v.shape[1])), len(k) - len(q)
    for row in reversed(range(len(q))):
        scores = k[:past + row + 1] @ (q[row] / np.sqrt(len(q[row])))
        highest = scores.max()
        total = highest + np.log(np.exp(scores - highest).sum())
        out[row] = np.exp(scores - total) @ v[:past + row + 1]
    return out


def causal_attention_c(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    scores = q @ k.T / np.sqrt(q.shape[1])
    n, m = scores.shape
    scores = np.where(np.tri(n, m, m - n, dtype=bool), scores, -np.inf)
    weights = np.exp(scores - scores.max())  # no exponent above 0: nothing overflows
    return weights / weights.sum(axis=1, keepdims=True) @ v


@lab.exercise("6.7", section="attention", hints=(
    "Two places decide: which keys the first query sees when there are more keys than queries, and what is left of a "
    "row whose scores are far below those of another row.",
    "One query and two keys with different values are enough for the first. For the other, two queries: scores near 0 "
    "for one of them, and below -800 for the other."))
@review.of(causal_attention, {causal_attention_a: "queries_are_the_first_positions", causal_attention_b: None,
                              causal_attention_c: "one_largest_score_for_all"})
def review_attention(q, k, v):
    """What makes an input of causal_attention valid."""
    arrays = all(isinstance(x, np.ndarray) and x.ndim == 2 and x.dtype.kind in "iuf" for x in (q, k, v))
    yield "`q`, `k` and `v` are arrays of numbers with two dimensions.", arrays
    yield "There is a query, and no axis is empty.", all(0 not in x.shape for x in (q, k, v))
    yield "Queries and keys have the same width.", q.shape[1] == k.shape[1]
    yield "There is a value for each key, and there are no more queries than keys.", len(v) == len(k) >= len(q)
    yield "All numbers are finite.", all(np.isfinite(x).all() for x in (q, k, v))
    yield "Numbers are at most 1,000 in size.", all(np.abs(x.astype(float)).max() <= 1_000 for x in (q, k, v))


# Answers: wrong ones with their misconceptions, and right ones written differently.


def rows(q, k, v):
    return dict(q=np.array(q), k=np.array(k), v=np.array(v))


review.wrong(review_attention, "causal_attention_a",
             as_many_queries_as_keys=rows([[1.0], [2.0]], [[1.0], [0.5]], [[1.0], [3.0]]),
             both_values_alike=rows([[1.0]], [[1.0], [0.5]], [[3.0], [3.0]]),
             more_queries_than_keys=rows([[1.0], [2.0]], [[1.0]], [[1.0]]),
             lists=dict(q=[[1.0]], k=[[1.0], [0.5]], v=[[1.0], [3.0]]),
             one_dimension=rows([1.0], [1.0, 0.5], [1.0, 3.0]),
             another_width=rows([[1.0]], [[1.0, 2.0], [0.5, 2.0]], [[1.0], [3.0]]),
             a_value_too_few=rows([[1.0]], [[1.0], [0.5]], [[1.0]]),
             nothing_to_look_at=rows([[1.0]], [[1.0], [np.inf]], [[1.0], [3.0]]),
             no_query=dict(q=np.zeros((0, 1)), k=np.array([[1.0]]), v=np.array([[1.0]])),
             not_suspected=None)
review.wrong(review_attention, "causal_attention_b",
             suspected_for_its_loop=rows([[1.0], [2.0]], [[1.0], [0.5]], [[1.0], [3.0]]))
review.wrong(review_attention, "causal_attention_c",
             small_scores=rows([[1.0], [2.0]], [[1.0], [0.5]], [[1.0], [3.0]]),
             all_of_them_large=rows([[900.0]], [[1.0], [0.5]], [[1.0], [3.0]]),
             beyond_the_limit=rows([[1.0], [-2_000.0]], [[1.0], [1.0]], [[1.0], [3.0]]))


def each_part(answer):
    for part in review_attention.parts:
        review_attention.right(part=part)(answer)


@each_part
def one_input_for_both():
    given = rows([[0.0], [-1_000.0]], [[1.0], [1.0], [1.0]], [[1.0], [3.0], [5.0]])
    return dict(causal_attention_a=given, causal_attention_b=None, causal_attention_c=given)


@each_part
def whole_numbers():
    return dict(causal_attention_a=rows([[1, 0]], [[1, 1], [0, 1]], [[1, 2], [3, 4]]), causal_attention_b=None,
                causal_attention_c=rows([[1_000], [-1_000]], [[1], [1]], [[1], [3]]))
