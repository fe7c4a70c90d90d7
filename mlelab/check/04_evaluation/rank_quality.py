"""4.6 rank_quality: NDCG@k and mean average precision, list by list."""

import numpy as np
import pandas as pd

from . import lab
from ._real import flights


@lab.exercise("4.6", section="ranking-within-lists", hints=(
    "Do one list at a time: put its gains in the order of the score, highest first. Both measures need only that.",
    "`ranked = gain[own][np.argsort(-score[own])]`; discount of the first k: `np.log2(np.arange(1, k + 1) + 1)`; the "
    "best order is the same gains sorted downwards, cut at k as well."))
class rank_quality:
    rule = ("NDCG@k and average precision are taken in each list that has a hit, best score first, and averaged over "
            "lists.")

    def inputs(d):
        """Lists of two rows or more, one of them with a hit."""
        sizes = d.list(1, 4, lambda: d.int(2, 6))
        names = d.order(d.pick([[3, 8, 11, 40], ["mon", "tue", "wed", "thu"]]))
        lists = np.array(d.order([name for name, size in zip(names, sizes) for _ in range(size)]))
        gain = np.array([d.pick([0.0, 10.0, 1.0, 0.0, 0.5, 40.0, 0.0]) for _ in lists])
        d.need((gain > 0).any())
        gain = gain.astype(int) if (gain % 1 == 0).all() and d.flag() else gain
        score = np.array(d.order(range(len(lists)))) / 8 - d.pick([0, 1])
        return dict(lists=lists, gain=gain, score=score, k=d.int(1, 7))

    def see(got, **_):
        return {"ndcg": got["ndcg"], "map": got["map"]}

    def real():
        day, late, hour = (flights()[name][-20_000:] for name in ("day", "late", "hour"))
        return dict(lists=day, gain=late, score=hour + np.random.default_rng(0).random(20_000), k=20)

    def figure(got, **_):
        return f"Ranking each December day by the scheduled hour alone, latest first: MAP {got['map']:.3f}."

    def shows(lists, gain, score, k):
        return f"rank_quality(lists, gain, score, {k=})", pd.DataFrame({"lists": lists, "gain": gain, "score": score})


# Answers: wrong ones with their misconceptions, and right ones written differently.


def told(code, says, lists=lambda lists: lists, gains=lambda gain: gain, weights=lambda found: None, order=-1,
         ndcg=lambda ranked, k: ndcg_of(ranked, k), ap=lambda ranked, k: ap_of(ranked), empty=False):
    """A wrong answer that does one thing otherwise, named for the decorated function."""

    def mark(named):
        def answer(names, gain, score, k):
            found = list(ranked_lists(lists(names), gains(gain), score, order))
            found = found if empty else [ranked for ranked in found if (ranked > 0).any()]
            return {"ndcg": float(np.average([ndcg(ranked, k) for ranked in found], weights=weights(found))),
                    "map": float(np.average([ap(ranked, k) for ranked in found], weights=weights(found)))}

        answer.__name__ = named.__name__
        return rank_quality.mistake(code, says)(answer)

    return mark


@told("M31", "The first rank is discounted by log2(2) = 1.", ndcg=lambda ranked, k: ndcg_of(ranked, k, first=2))
def first_rank_is_two():
    pass


@told("M31", "The discount is log2(rank + 1): the second row counts for less than the first.", ndcg=lambda ranked, k: (
    ndcg_of(ranked, k, discount=lambda rank: np.maximum(np.log2(rank), 1))))
def second_rank_counts_in_full():
    pass


@told("M36", "The best order is cut at k as well.", ndcg=lambda ranked, k: ndcg_of(
    ranked, k, best=np.sort(ranked)[::-1]))
def ideal_of_the_whole_list():
    pass


@told("M36", "The best order is that of the whole list, not of the first k of the ranking.", ndcg=lambda ranked, k: (
    ndcg_of(ranked, k, best=np.sort(ranked[:k])[::-1]) if ranked[:k].any() else 0.0))
def ideal_of_what_was_found():
    pass


@told("M36", "Average precision is averaged over the hits, not over k.", ap=lambda ranked, k: (
    (np.cumsum(ranked > 0) / np.arange(1, len(ranked) + 1))[:k][ranked[:k] > 0].sum() / k))
def average_precision_divided_by_k():
    pass


@told("M99", "NDCG is cut at k, average precision is not.", ap=lambda ranked, k: (
    (np.cumsum(ranked > 0) / np.arange(1, len(ranked) + 1))[:k][ranked[:k] > 0].sum() / (ranked > 0).sum()))
def average_precision_cut_at_k():
    pass


@told("M36", "Average precision is averaged over the hits, not over all rows.", ap=lambda ranked, k: (
    (np.cumsum(ranked > 0) / np.arange(1, len(ranked) + 1)).mean()))
def precision_at_every_rank():
    pass


@told("M99", "NDCG is cut at k.", ndcg=lambda ranked, k: ndcg_of(ranked, len(ranked)))
def no_cut():
    pass


@told("M27", "k is the argument.", ndcg=lambda ranked, k: ndcg_of(ranked, 3))
def always_the_first_three():
    pass


@told("M40", "The highest score comes first.", order=1)
def lowest_score_first():
    pass


@told("M55", "Both are measured in each list, and then averaged.", lists=lambda lists: np.zeros(len(lists)))
def one_list_of_all():
    pass


@told("M55", "The rows of a list stand anywhere: a run of equal names is not the whole list.", lists=lambda lists: (
    np.cumsum(np.r_[True, lists[1:] != lists[:-1]])))
def runs_of_equal_names():
    pass


@told("M07", "Each list counts as much as any other.", weights=lambda found: [len(ranked) for ranked in found])
def long_lists_count_more():
    pass


@told("M08", "A list without a hit is left out: it says nothing about the order.", empty=True)
def no_hit_is_zero():
    pass


@told("M32", "A row is worth its gain, not 2 to the power of it.", ndcg=lambda ranked, k: ndcg_of(
    2.0 ** np.minimum(ranked, 9) - 1, k))
def gain_to_the_power_of_two():
    pass


@told("M32", "In NDCG a row is worth its gain, not 1 for each hit.", ndcg=lambda ranked, k: ndcg_of(
    (ranked > 0).astype(float), k))
def every_hit_is_worth_one():
    pass


@told("M31", "A hit is a gain above 0, however small.", ap=lambda ranked, k: ap_of(np.where(ranked >= 1, ranked, 0))
      if (ranked >= 1).any() else 0.0)
def a_hit_from_one_on():
    pass


@told("M32", "Precision is that of all rows so far, not 1 / rank of the first hit.", ap=lambda ranked, k: (
    1 / (1 + np.argmax(ranked > 0))))
def reciprocal_rank():
    pass


@rank_quality.right
def list_by_list_with_scikit_learn(lists, gain, score, k):
    from sklearn.metrics import average_precision_score, ndcg_score

    own = [lists == name for name in np.unique(lists[gain > 0])]
    return {"ndcg": np.mean([ndcg_score([gain[rows]], [score[rows]], k=k) for rows in own]),
            "map": np.mean([average_precision_score(gain[rows] > 0, score[rows]) for rows in own])}


@rank_quality.right
def with_ranks_in_a_frame(lists, gain, score, k):
    df = pd.DataFrame({"list": lists, "gain": gain, "score": score, "hit": gain > 0})
    df = df[df.groupby("list")["hit"].transform("any")].sort_values("score", ascending=False)
    df["rank"], df["found"] = df.groupby("list").cumcount() + 1, df.groupby("list")["hit"].cumsum()
    df["ideal"] = df.groupby("list")["gain"].rank(method="first", ascending=False)
    dcg, best = (df["gain"].div(np.log2(df[by] + 1)).where(df[by] <= k, 0).groupby(df["list"]).sum()
                 for by in ("rank", "ideal"))
    hits = df[df["hit"]]
    return pd.Series({"ndcg": (dcg / best).mean(),
                      "map": (hits["found"] / hits["rank"]).groupby(hits["list"]).mean().mean()})


def ranked_lists(lists, gain, score, order):
    for name in np.unique(lists):
        own = lists == name
        yield gain[own][np.argsort(order * score[own])]


def ndcg_of(ranked, k, first=1, best=None, discount=None):
    best = np.sort(ranked)[::-1][:k] if best is None else best
    weigh = discount or (lambda rank: np.log2(rank + first))
    found, top = ((rows / weigh(np.arange(1, len(rows) + 1))).sum() for rows in (ranked[:k], best))
    return found / top if top else 0.0


def ap_of(ranked):
    hits = ranked > 0
    return (np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean() if hits.any() else 0.0
