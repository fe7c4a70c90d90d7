"""11.10 review_bm25: three versions of bm25 that look right; two of them are not."""

import numbers
from collections import Counter

import numpy as np

from mlelab.check import review

from . import lab
from .bm25 import bm25


def bm25_a(
    query: list[str], documents: list[list[str]], k1: float, b: float
) -> np.ndarray:
    n = Counter(word for document in documents for word in set(document))
    mean = np.mean([len(document) for document in documents])
    scores = []
    for document in documents:
        norm = k1 * (1 - b + b * len(document) / mean)
        found = [word for word in query if word in document]
        idf = np.log([(len(documents) + 1) / (n[word] + 0.5) for word in found])
        tf = np.array([document.count(word) for word in found])
        scores.append((idf * tf / (tf + norm)).sum())
    return np.array(scores)


def bm25_b(
    query: list[str], documents: list[list[str]], k1: float, b: float
) -> np.ndarray:
    counts = [Counter(document) for document in documents]
    mean = np.mean([len(document) for document in documents])
    scores = np.zeros(len(documents))
    for word in set(query):
        n = sum(word in count for count in counts)
        idf = np.log(1 + (len(documents) - n + 0.5) / (n + 0.5))
        for place, count in enumerate(counts):
            norm = k1 * (1 - b + b * len(documents[place]) / mean)
            if word in count:
                scores[place] += idf * count[word] / (count[word] + norm)
    return scores


def bm25_c(
    query: list[str], documents: list[list[str]], k1: float, b: float
) -> np.ndarray:
    counts = [Counter(document) for document in documents]
    lengths = np.array([len(count) for count in counts])
    norm = k1 * (1 - b + b * lengths / lengths.mean())
    scores = np.zeros(len(documents))
    for word in query:
        tf = np.array([count[word] for count in counts])
        n = np.count_nonzero(tf)
        idf = np.log(1 + (len(documents) - n + 0.5) / (n + 0.5))
        scores += np.where(tf > 0, idf * tf / np.maximum(tf + norm, 1e-12), 0)
    return scores


def words(value) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


@lab.exercise("11.10", section="retrieval", hints=(
    "The docstring says \"the words of the query; one that stands there twice\" and \"number of words\". How does each "
    "version read these?",
    "One query word twice is enough for one of them. For the other you need two documents, one of which repeats a "
    "word, "
    "and a b above 0."))
@review.of(bm25, {bm25_a: None, bm25_b: "each_word_once", bm25_c: "length_in_different_words"})
def review_bm25(query, documents, k1, b):
    """What makes an input of bm25 valid."""
    yield "`query` is a list of words.", words(query)
    yield "`documents` is a list of lists of words.", isinstance(documents, list) and all(map(words, documents))
    yield "Some document has a word.", any(documents)
    yield "`k1` and `b` are numbers.", all(isinstance(x, numbers.Real) and not isinstance(x, bool) for x in (k1, b))
    yield "`k1` is 0 or more, and finite.", 0 <= k1 < float("inf")
    yield "`b` is from 0 to 1.", 0 <= b <= 1


# Answers: wrong ones with their misconceptions, and right ones written differently.


def case(query, documents, k1=1.5, b=0.75):
    return dict(query=query, documents=documents, k1=k1, b=b)


review.wrong(review_bm25, "bm25_a", suspected_for_its_idf=case(["bag"], [["bag"], ["fee"]]))
review.wrong(review_bm25, "bm25_b", each_word_stands_once=case(["bag", "fee"], [["bag"], ["fee", "fee"]]),
             twice_but_nowhere=case(["dog", "dog"], [["bag"]]),
             a_sentence=case("bag bag", [["bag"]]),
             texts=case(["bag", "bag"], ["bag"]),
             nothing_to_find=case(["bag", "bag"], [[], []]),
             b_in_percent=case(["bag", "bag"], [["bag"]], b=75),
             b_as_a_text=case(["bag", "bag"], [["bag"]], b="0.75"),
             k1_below_zero=case(["bag", "bag"], [["bag"]], k1=-1),
             not_suspected=None)
review.wrong(review_bm25, "bm25_c", without_lengths=case(["bag"], [["bag", "bag"], ["fee"]], b=0),
             without_saturation=case(["bag"], [["bag", "bag"], ["fee"]], k1=0),
             one_document=case(["bag"], [["bag", "bag", "fee"]]),
             all_words_different=case(["bag"], [["bag", "fee"], ["fee"]]))


def each_part(answer):
    for part in review_bm25.parts:
        review_bm25.right(part=part)(answer)


@each_part
def one_input_for_both():
    given = case(["bag", "bag"], [["bag", "bag", "fee"], ["fee"]], k1=1, b=1)
    return dict(bm25_a=None, bm25_b=given, bm25_c=given)


@each_part
def with_other_words():
    return dict(bm25_a=None, bm25_b=case(["x", "y", "x"], [["x"], []], k1=0, b=0),
                bm25_c=case(["y"], [["y"], ["z", "z", "z"]], k1=2.0, b=0.5))
