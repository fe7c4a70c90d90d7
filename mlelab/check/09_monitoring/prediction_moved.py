"""9.5 prediction_moved: the mean prediction as a sensor, with hours compared to the same hours."""

import functools

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from mlelab import case

from . import _real, lab


@lab.exercise("9.5", section="predictions-as-a-sensor", hints=(
    "Predictions are there at once, labels are not. But mornings are calm and evenings are not: compare like with "
    "like.",
    "Mean p of the reference by hour; weight it with the window's shares of hours; that is what to expect. Flag if the "
    "window's mean differs by more than `tolerance` of it, up or down."))
class prediction_moved:
    rule = ("Expected is the reference's mean by hour, weighted by the hours of the window; the window has moved if "
            "its "
            "mean differs by more than the tolerance of that, up or down.")

    def inputs(d):
        hours = d.some(range(5, 23), 2)[:4]
        d.need(len(hours) > 1)
        level = {hour: d.num(0.05, 0.4, 2) for hour in hours}
        factor, tolerance = d.pick([1.0, 0.7, 0.8, 0.9, 1.1, 1.2, 1.4]), d.pick([0.15, 0.05, 0.25, 0.3])

        def rows(weights, factor):
            hour = [h for h in hours for _ in range(weights[h])]
            d.need(hour)
            p = [round(level[h] * factor * d.pick([1, 0.9, 1.1]) + d.pick([0, 0, 0.2]), 3) for h in hour]
            late = [int(d.flag(value)) for value in p]
            return pd.DataFrame({"hour": hour, "p": p, "late": late}, index=d.index(len(hour))).iloc[
                d.order(range(len(hour)))]

        reference = rows({h: d.int(1, 5) for h in hours}, 1)
        window = rows({h: d.int(0, 5) for h in hours}, factor)
        expected = window["hour"].map(reference.groupby("hour")["p"].mean()).mean()
        d.need(abs(abs(window["p"].mean() / expected - 1) - tolerance) > 1e-9)
        d.need(reference["late"].nunique() == 2)
        return dict(reference=reference, window=window, tolerance=tolerance)

    def real():
        model, train, test = _autumn()
        cold = test.assign(temp=(test["temp"] - 32) * 5 / 9, dewp=(test["dewp"] - 32) * 5 / 9)
        reference, window = (pd.DataFrame({"hour": rows["hour"], "p": model.predict_proba(rows)[:, 1],
                                           "late": rows["late"]}) for rows in (test, cold))
        return dict(reference=reference, window=window, tolerance=0.15)

    def figure(moved, reference, window, **_):
        auc = [roc_auc_score(frame["late"], frame["p"]) for frame in (reference, window)]
        return (f"Celsius for Fahrenheit: AUC {auc[0]:.4f} to {auc[1]:.4f}, mean prediction "
                f"{window['p'].mean() / reference['p'].mean() - 1:+.0%}; your sensor says "
                f"{'moved' if moved else 'not moved'}.")

    def shows(reference, window, tolerance):
        table = pd.DataFrame({"rows in window": window["hour"].value_counts(),
                              "mean p, reference": reference.groupby("hour")["p"].mean(),
                              "mean p, window": window.groupby("hour")["p"].mean()}).round(3)
        return f"prediction_moved(reference, window, tolerance={tolerance})", table.rename_axis("hour").reset_index()


@functools.cache
def _autumn():
    flights = _real.flights()
    train, test = flights[flights["month"] <= 8], flights[flights["month"] >= 11]
    return case.linear_model().fit(train, train["late"]), train, test


# Answers: wrong ones with their misconceptions, and right ones written differently.


@prediction_moved.mistake("M84", "The order of the predictions may stay while their level moves: look at the mean.")
def by_auc(reference, window, tolerance):
    auc = [roc_auc_score(rows["late"], rows["p"]) if rows["late"].nunique() == 2 else 0.5
           for rows in (reference, window)]
    return bool(auc[1] < auc[0] - tolerance)


@prediction_moved.mistake("M85", "An evening compared with a whole day has other hours: compare hours with the same "
                                 "hours.")
def any_hours(reference, window, tolerance):
    return bool(abs(window["p"].mean() / reference["p"].mean() - 1) > tolerance)


@prediction_moved.mistake("M16", "A difference within the tolerance is no move.")
def any_difference(reference, window, tolerance):
    return bool(abs(ratio(reference, window)) > 0)


@prediction_moved.mistake("M40", "A mean that rose has moved, too.")
def downwards_only(reference, window, tolerance):
    return bool(ratio(reference, window) < -tolerance)


@prediction_moved.mistake("M40", "A mean that fell has moved, too.")
def upwards_only(reference, window, tolerance):
    return bool(ratio(reference, window) > tolerance)


@prediction_moved.mistake("M27", "The tolerance is an argument.")
def fifteen_percent_always(reference, window, tolerance):
    return bool(abs(ratio(reference, window)) > 0.15)


@prediction_moved.mistake("M88", "The tolerance is a share of the expected mean, not a difference of chances.")
def absolute_difference(reference, window, tolerance):
    return bool(abs(window["p"].mean() - expected(reference, window)) > tolerance)


@prediction_moved.mistake("M33", "The window as a whole is judged, not each hour by itself.")
def any_single_hour(reference, window, tolerance):
    by_hour = window.groupby("hour")["p"].mean() / reference.groupby("hour")["p"].mean() - 1
    return bool((by_hour.abs() > tolerance).any())


@prediction_moved.mistake("M07", "Each hour counts with its rows in the window.")
def hours_of_equal_weight(reference, window, tolerance):
    by_hour = window.groupby("hour")["p"].mean() / reference.groupby("hour")["p"].mean() - 1
    return bool(abs(by_hour.mean()) > tolerance)


@prediction_moved.mistake("M32", "Means are compared, not medians.")
def medians(reference, window, tolerance):
    wanted = window["hour"].map(reference.groupby("hour")["p"].median()).median()
    return bool(abs(window["p"].median() / wanted - 1) > tolerance)


@prediction_moved.right
def with_hourly_weights(reference, window, tolerance):
    by_hour = reference.groupby("hour")["p"].mean()
    weights = window["hour"].value_counts(normalize=True)
    wanted = float((by_hour.reindex(weights.index) * weights).sum())
    return not (1 - tolerance) * wanted <= window["p"].mean() <= (1 + tolerance) * wanted


@prediction_moved.right
def with_loops(reference, window, tolerance):
    wanted = [np.mean([p for h, p in zip(reference["hour"], reference["p"]) if h == hour]) for hour in window["hour"]] \
        if len(window) < 1_000 else window["hour"].map(reference.groupby("hour")["p"].mean())
    return bool(abs(sum(window["p"]) - sum(wanted)) > tolerance * sum(wanted))


def expected(reference, window):
    return window["hour"].map(reference.groupby("hour")["p"].mean()).mean()


def ratio(reference, window):
    return window["p"].mean() / expected(reference, window) - 1
