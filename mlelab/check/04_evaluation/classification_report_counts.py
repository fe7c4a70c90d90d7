"""4.1 classification_report_counts: the four counts of a decision, and the metrics made of them."""

import numpy as np

from . import lab
from ._real import flights

NAN = float("nan")
NAMES = ("tp", "fp", "fn", "tn", "accuracy", "precision", "recall", "f1")


@lab.exercise("4.1", section="four-counts", hints=(
    "Four masks, one for each combination of `alert` and `y`, and their sums. Everything else is made of these four.",
    "precision = tp / (tp + fp), recall = tp / (tp + fn), f1 = 2 tp / (2 tp + fp + fn). Divide in one small helper "
    "that returns nan when the denominator is 0."))
class classification_report_counts:
    rule = "Everything follows from the four counts; where there is nothing to divide by, a metric is nan."

    def inputs(d):
        kinds = d.pick([[(1, 1), (0, 1), (1, 0), (0, 0)], [(0, 0), (1, 0)], [(0, 0), (0, 1)], [(0, 1), (1, 0)],
                        [(1, 1)], [(0, 0)], [(1, 1), (0, 0)]])
        pairs = np.array(d.list(0, 9, lambda: d.pick(kinds)), int).reshape(-1, 2)
        kind = d.pick([np.int64, np.int64, np.uint8, np.int8])  # a kind of whole numbers
        return dict(y=pairs[:, 0].astype(kind), alert=pairs[:, 1].astype(kind))

    def see(got, y, alert):
        return {name: got[name] for name in NAMES}

    def real():
        late = flights()["late"]
        return dict(y=late, alert=np.zeros(len(late), int))

    def figure(got, **_):
        return (f"Alerting nobody in 2013 is right for {got['accuracy']:.1%} of the flights and finds none of the late "
                "ones.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


def told(code, says):
    """A wrong answer that makes something else of the right report."""

    def mark(change):
        def answer(y, alert):
            found = report(y, alert)
            return found | change(found, y, alert)

        answer.__name__ = change.__name__
        return classification_report_counts.mistake(code, says)(answer)

    return mark


@told("M35", "A false positive is an alert without a late flight, a false negative a late flight without an alert.")
def arguments_swapped(found, y, alert):
    return report(alert, y)


@told("M35", "Precision is divided by the alerts, recall by the late flights.")
def precision_and_recall_swapped(found, y, alert):
    return {"precision": found["recall"], "recall": found["precision"]}


@classification_report_counts.mistake("M06", "The answer is a dict with four counts and four metrics.")
def accuracy_only(y, alert):
    return {"accuracy": float((y == alert).mean()) if len(y) else NAN}


@told("M06", "Precision, recall and f1 are those of the late flights; over both kinds together they are the accuracy.")
def micro_average(found, y, alert):
    return dict.fromkeys(("precision", "recall", "f1"), found["accuracy"])


@told("M07", "Precision, recall and f1 are those of the late flights, not a mean over both kinds.")
def macro_average(found, y, alert):
    other = report(1 - y, 1 - alert)
    return {name: (found[name] + other[name]) / 2 for name in ("precision", "recall", "f1")}


@told("M08", "A metric without anything to divide by is undefined: nan, not 0.")
def undefined_is_zero(found, y, alert):
    return {name: 0.0 if value != value else value for name, value in found.items()}


@told("M08", "A metric without anything to divide by is undefined: nan, not 1.")
def undefined_is_one(found, y, alert):
    return {name: 1.0 if value != value else value for name, value in found.items()}


@told("M08", "An undefined metric is nan, a number like the others, and not None.")
def undefined_is_none(found, y, alert):
    return {name: None if value != value else value for name, value in found.items()}


@told("M47", "Without any flight nothing can be divided by their number: accuracy is nan.")
def accuracy_of_nothing(found, y, alert):
    return {"accuracy": (found["tp"] + found["tn"]) / int(len(y))}


@told("M36", "Precision is divided by the alerts, not by all flights.")
def divided_by_all_flights(found, y, alert):
    return {"precision": found["tp"] / len(y) if len(y) else NAN}


@told("M36", "Recall is divided by the late flights, not by the alerts that are wrong or right.")
def recall_over_all_flights(found, y, alert):
    return {"recall": found["tp"] / len(y) if len(y) else NAN}


@told("M32", "Recall is the share of the late flights that got an alert; that of the others is the specificity.")
def specificity_as_recall(found, y, alert):
    return {"recall": report(1 - y, 1 - alert)["recall"]}


@told("M32", "f1 is the harmonic mean of precision and recall: 2 tp / (2 tp + fp + fn).")
def f1_as_plain_mean(found, y, alert):
    return {"f1": (found["precision"] + found["recall"]) / 2}


@told("M47", "f1 is 0, not undefined, where there are errors and no hit: 2 tp / (2 tp + fp + fn).")
def f1_needs_both(found, y, alert):
    one, other = found["precision"], found["recall"]
    return {"f1": 2 * one * other / (one + other) if one + other > 0 else NAN}


@told("M32", "y and alert are of any integer type: a difference below 0 turns round where there is no sign.")
def difference_without_a_sign(found, y, alert):
    error = y - alert
    fn, fp = int((error > 0).sum()), int((error < 0).sum())
    return {"fn": fn, "fp": fp, "tn": len(y) - found["tp"] - fn - fp}


@told("M32", "The metrics are given as they are, not rounded.")
def rounded(found, y, alert):
    return {name: round(value, 2) for name, value in found.items()}


@classification_report_counts.right
def with_scikit_learn(y, alert):
    from sklearn.metrics import precision_recall_fscore_support

    scores = [NAN] * 3
    if len(y):
        scores = precision_recall_fscore_support(y, alert, average="binary", zero_division=np.nan)[:3]
    return {"tn": np.sum((y + alert) == 0), "tp": np.sum(y * alert), "fp": np.sum((1 - y) * alert),
            "fn": np.sum(y * (1 - alert)), "accuracy": np.mean(y == alert) if len(y) else NAN,
            **dict(zip(("precision", "recall", "f1"), scores))}


@classification_report_counts.right
def from_sums(y, alert):
    late, alerts, hits, n = int(y.sum()), int(alert.sum()), int(y @ alert), len(y)
    counts = {"tp": hits, "fp": alerts - hits, "fn": late - hits, "tn": n - alerts - late + hits}
    parts = {"accuracy": (n - alerts - late + 2 * hits, n), "precision": (hits, alerts), "recall": (hits, late),
             "f1": (2 * hits, alerts + late)}
    return counts | {name: np.float64(part) / whole if whole else np.nan for name, (part, whole) in parts.items()}


def report(y, alert):
    tp, fp, fn, tn = (int(((y == a) & (alert == b)).sum()) for a, b in ((1, 1), (0, 1), (1, 0), (0, 0)))
    parts = {"accuracy": (tp + tn, len(y)), "precision": (tp, tp + fp), "recall": (tp, tp + fn),
             "f1": (2 * tp, 2 * tp + fp + fn)}
    return {"tp": tp, "fp": fp, "fn": fn, "tn": tn,
            **{name: part / whole if whole else NAN for name, (part, whole) in parts.items()}}
