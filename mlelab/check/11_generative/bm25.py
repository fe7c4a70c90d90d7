"""11.3 bm25: how well each document fits a query."""

from collections import Counter

import numpy as np

from mlelab import assistant

from . import _real, lab

WORDS = ("bag", "fee", "refund", "late", "seat")


@lab.exercise("11.3", section="retrieval", hints=(
    "For each word of the query: in how many documents is it, how often in each, and how long is each document beside "
    "the mean?",
    "Loop over the query. `tf = np.array([d.count(word) for d in documents])`, `n = (tf > 0).sum()`. Add idf * tf / "
    "(tf "
    "+ k1 * (1 - b + b * length / mean)) where tf > 0, and nothing elsewhere: with k1 = 0 it would be 0 / 0."))
class bm25:
    rule = ("The sum over the words of the query, each as often as it stands there, of idf · tf / (tf + k1 · (1 - b + "
            "b "
            "· length / mean length)); a document without the word adds nothing.")

    def inputs(d):
        def text(low, high):
            return d.list(low, high, lambda: d.pick(WORDS[:d.pick([3, 5])]))

        documents = d.order([text(1, 8)] + d.list(0, 5, lambda: text(d.pick([0, 1]), 9)))
        query = d.list(0, 4, lambda: d.pick([*WORDS, "dog"]))
        return dict(query=query, documents=documents, k1=d.pick([1.5, 0, 0.5, 3.0, 1.2]), b=d.pick([0.75, 0, 1, 0.25]))

    def real():
        asked = assistant.questions()
        asked = asked[asked["answerable"]]
        queries = tuple(_real.words(text) for text in asked["question"])
        return dict(query=queries, documents=[_real.words(text) for text in assistant.policies()["text"]], k1=1.5,
                    b=0.75)

    def run(bm25, query, documents, k1, b):
        if isinstance(query, tuple):
            return [bm25.shared(one, documents, k1, b) for one in query]
        return bm25(query, documents, k1, b)

    def figure(got, **_):
        asked = assistant.questions()
        wanted, ids = asked.loc[asked["answerable"], "policy"], assistant.policies()["id"].to_numpy()
        ranks = [(-scores).argsort(kind="stable") for scores in got]
        first, three = (sum(policy in ids[rank[:k]] for policy, rank in zip(wanted, ranks)) for k in (1, 3))
        return (f"Of {len(wanted)} questions that have an answer, {first} have their policy in the first place and "
                f"{three} among the first three.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


def scored(query, documents, k1, b, *, idf=lambda N, n, total: np.log(1 + (N - n + 0.5) / (n + 0.5)), size=len,
           mean=np.mean, tf=lambda tf, norm: tf / (tf + norm), times=lambda query: query, length=lambda size,
           mean: size / mean):
    if not documents:
        return np.zeros(0)
    sizes = np.array([size(document) for document in documents], dtype=float)
    scores = np.zeros(len(documents))
    for word in times(query):
        counts = np.array([document.count(word) for document in documents])
        norm = k1 * (1 - b + b * length(sizes, mean(sizes)))
        weight = idf(len(documents), (counts > 0).sum(), counts.sum())
        scores[counts > 0] += weight * tf(counts, norm)[counts > 0]
    return scores


bm25.variants(
    scored,
    words_counted_for_documents=("M32",
                                 "n counts documents that have the word, not how often it stands in all of them.",
                                 dict(idf=lambda N, n, total: np.log(1 + max(N - total + 0.5, 0.01) / (total + 0.5)))),
    without_the_one=("M99", "idf is ln(1 + …): without the 1, a word of most documents counts against them.",
                     dict(idf=lambda N, n, total: np.log((N - n + 0.5) / (n + 0.5)))),
    plain_idf=("M32", "idf is ln(1 + (N - n + 0.5) / (n + 0.5)), not ln(N / n).",
               dict(idf=lambda N, n, total: np.log(N / max(n, 1)))),
    idf_to_base_ten=("M10", "ln is the natural logarithm.",
                     dict(idf=lambda N, n, total: np.log10(1 + (N - n + 0.5) / (n + 0.5)))),
    no_saturation=("M99", "A word that stands there ten times is not worth ten: tf is divided by tf + …",
                   dict(tf=lambda tf, norm: tf)),
    with_the_factor=("M32", "This variant has no factor k1 + 1 above the line.",
                     dict(tf=lambda tf, norm: tf * 2.5 / (tf + norm))),
    length_in_different_words=("M36", "The length counts all words of the document, repeated ones too.",
                               dict(size=lambda document: len(set(document)))),
    mean_of_those_with_words=("M36", "The mean length is that of all documents, empty ones too.",
                              dict(mean=lambda sizes: sizes[sizes > 0].mean())),
    median_length=("M32", "The mean length, not the median.", dict(mean=lambda sizes: max(np.median(sizes), 0.5))),
    length_upside_down=("M88", "Longer documents are marked down: length / mean, not mean / length.",
                        dict(length=lambda size, mean: mean / np.maximum(size, 1e-9))),
    each_word_once=("M09", "A word that stands twice in the query counts twice.",
                    dict(times=lambda query: sorted(set(query)))))


@bm25.mistake("M27", "k1 and b are arguments.")
def usual_settings(query, documents, k1, b):
    return scored(query, documents, 1.5, 0.75)


@bm25.mistake("M47", "With k1 = 0 a document without the word is 0 / 0: it adds nothing.")
def nothing_over_nothing(query, documents, k1, b):
    total = np.zeros(len(documents))
    sizes = np.array([len(document) for document in documents])
    with np.errstate(all="ignore"):
        for word in query:
            tf = np.array([document.count(word) for document in documents])
            n = (tf > 0).sum()
            total += np.log(1 + (len(documents) - n + 0.5) / (n + 0.5)) * tf / (
                tf + k1 * (1 - b + b * sizes / sizes.mean()))
    return total


@bm25.mistake("M34", "Scores stand in the order of the documents: sort afterwards.")
def sorted_scores(query, documents, k1, b):
    return np.sort(scored(query, documents, k1, b))[::-1]


@bm25.mistake("M09", "A score for each document, also for those that score 0.")
def only_hits(query, documents, k1, b):
    scores = scored(query, documents, k1, b)
    return scores[scores > 0]


@bm25.right
def document_by_document(query, documents, k1, b):
    mean = sum(map(len, documents)) / len(documents)
    having = Counter(word for document in documents for word in set(document))
    scores = []
    for document in documents:
        counts, score = Counter(document), 0.0
        for word in query:
            if tf := counts[word]:
                idf = np.log1p((len(documents) - having[word] + 0.5) / (having[word] + 0.5))
                score += idf * tf / (tf + k1 * (1 - b + b * len(document) / mean))
        scores.append(score)
    return np.array(scores)


@bm25.right
def with_a_matrix(query, documents, k1, b):
    tf = np.array([[document.count(word) for word in query] for document in documents], dtype=float)
    tf = tf.reshape(len(documents), len(query))
    n = (tf > 0).sum(axis=0)
    idf = np.log((len(documents) + 1) / (n + 0.5))
    length = tf.sum(axis=1) * 0 + [len(document) for document in documents]
    norm = k1 * (1 - b + b * length / length.mean())
    return (idf * np.where(tf > 0, tf / np.where(tf > 0, tf + norm[:, None], 1), 0)).sum(axis=1)
