"""1.5 expected_cost: what the two kinds of error cost."""

import numpy as np

from mlelab import case

from . import _real, lab


@lab.exercise("1.5", section="expected-cost", hints=(
    "Alert when `p >= threshold`. Two kinds of flight cost something; all the others cost nothing.",
    "`c_fn` for late flights without an alert, `c_fp` for alerts on flights that are not late; add up, divide by the "
    "number of flights."))
class expected_cost:
    rule = ("A late flight without an alert costs c_fn, an alert on a flight that is not late costs c_fp, and the sum "
            "is divided by the number of all flights.")

    def inputs(d):
        threshold = d.pick([0.5, 0, 0.25, 0.375, 0.625, 1, 2.0, d.int(0, 16) / 16])
        n = d.int(1, 7)
        y = [d.int(0, 1) for _ in range(n)]
        p = [float(np.clip(d.pick([threshold, threshold - 1 / 16, threshold + 1 / 16, d.int(0, 16) / 16]), 0, 1))
             for _ in range(n)]
        return dict(y=np.array(y, d.pick([np.int64, np.int64, np.uint8, np.int8])), p=np.array(p), threshold=threshold,
                    **d.optional(c_fn=d.pick([5.0, 1, 4.3, 7.1, 0.5, 0]), c_fp=d.pick([1.0, 2, 0.25, 1.7, 9, 0])))

    def run(expected_cost, y, p, threshold, **costs):
        if isinstance(threshold, tuple):
            return [expected_cost(y, p, one, **costs) for one in threshold]
        return expected_cost(y, p, threshold, *costs.values())

    def real():
        delay = _real.flights()["arr_delay"].dropna()
        late = (delay >= case.LATE_MINUTES).astype(int).to_numpy()
        return dict(y=late, p=np.full(len(late), 0.5), threshold=(2, 0), c_fn=case.COST_MISSED, c_fp=case.COST_NEEDLESS)

    def figure(got, **_):
        return f"Over 2013, alerting nobody costs {got[0]:.3f} a flight and alerting everybody {got[1]:.3f}."


# Answers: wrong ones with their misconceptions, and right ones written differently.


def cost(y, alert, c_fn, c_fp):
    return float((c_fn * (~alert & (y == 1)) + c_fp * (alert & (y == 0))).mean())


def told(y, p, threshold, c_fn=5.0, c_fp=1.0, *, alert=np.greater_equal, limit=None, prices=None, times=None):
    """A right answer whose pieces the mistakes replace."""
    alert = alert(p, threshold if limit is None else limit(threshold))
    return cost(y, alert, *(prices(c_fn, c_fp) if prices else (c_fn, c_fp))) * (times(y, alert) if times else 1)


expected_cost.variants(
    told,
    errors_swapped=("M35", "c_fn is the price of a late flight without an alert, c_fp that of a needless alert.",
                    dict(prices=lambda c_fn, c_fp: (c_fp, c_fn))),
    five_to_one_whatever_was_asked=("M27", "The costs are arguments, not always 5 and 1.",
                                    dict(prices=lambda c_fn, c_fp: (5, 1))),
    needless_alerts_are_free=("M77", "An alert on a flight that is not late costs c_fp.",
                              dict(prices=lambda c_fn, c_fp: (c_fn, 0))),
    error_rate=("M06", "The two kinds of error do not cost the same, so their share says little.",
                dict(prices=lambda c_fn, c_fp: (1, 1))),
    alert_where_p_is_low=("M40", "An alert is sent where p is high.", dict(alert=np.less)),
    exactly_at_the_threshold_is_silent=("M31", "Exactly at the threshold the desk alerts.", dict(alert=np.greater)),
    one_half_whatever_was_asked=("M27", "The threshold is an argument, not always one half.",
                                 dict(limit=lambda threshold: 0.5)),
    zero_taken_for_not_given=("M27", "A threshold of 0 is a threshold: everybody is alerted.",
                              dict(limit=lambda threshold: threshold or 0.5)),
    per_alert=("M36", "The sum is divided by the number of all flights, not by that of the alerts.",
               dict(times=lambda y, alert: len(y) / max(alert.sum(), 1))),
    per_error=("M36", "The sum is divided by the number of all flights, not by that of the errors.",
               dict(times=lambda y, alert: len(y) / max((alert != y).sum(), 1))),
    total_cost=("M36", "The cost is that of one flight on average, not of all together.",
                dict(times=lambda y, alert: len(y))),
)


@expected_cost.mistake("M36", "The sum is divided by the number of all flights: it is no sum of two rates.")
def sum_of_two_rates(y, p, threshold, c_fn=5.0, c_fp=1.0):
    alert, late = p >= threshold, y == 1
    rates = ((~alert & late).sum() / max(late.sum(), 1), (alert & ~late).sum() / max((~late).sum(), 1))
    return float(c_fn * rates[0] + c_fp * rates[1])


@expected_cost.mistake("M06", "What is wanted is a cost, not a share of right answers.")
def accuracy(y, p, threshold, c_fn=5.0, c_fp=1.0):
    return float(((p >= threshold) == y).mean())


@expected_cost.mistake("M77", "An alert on a flight that is late costs nothing.")
def every_alert_costs(y, p, threshold, c_fn=5.0, c_fp=1.0):
    return float((c_fn * ((p < threshold) & (y == 1)) + c_fp * (p >= threshold)).mean())


@expected_cost.mistake("M32", "y is of any integer type: a difference below 0 turns round where there is no sign.")
def difference_without_a_sign(y, p, threshold, c_fn=5.0, c_fp=1.0):
    error = y - (p >= threshold).astype(y.dtype)
    return float(np.where(error > 0, c_fn, np.where(error < 0, c_fp, 0.0)).mean())


@expected_cost.mistake("M97")
def p_overwritten(y, p, threshold, c_fn=5.0, c_fp=1.0):
    p[:] = p >= threshold
    return cost(y, p == 1, c_fn, c_fp)


@expected_cost.right
def with_a_loop(y, p, threshold, c_fn=5.0, c_fp=1.0):
    total = 0.0
    for late, score in zip(y, p):
        total += c_fn if late and score < threshold else c_fp if not late and score >= threshold else 0.0
    return total / len(y)


@expected_cost.right
def from_the_confusion_matrix(y, p, threshold, c_fn=5.0, c_fp=1.0):
    cells = np.bincount(2 * np.asarray(y).astype(int) + (np.asarray(p) >= threshold), minlength=4)
    return cells @ [0, c_fp, c_fn, 0] / cells.sum()
