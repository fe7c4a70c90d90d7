"""9.11 review_alerts: three versions of alerts that look right; the first and the second are not."""

import numbers

from mlelab.check import review

from . import lab
from .alerts import alerts


def alerts_a(values, counts, threshold, for_windows, min_n, cooldown):
    fired, streak, last = [], 0, -cooldown - 1
    for window, count in enumerate(counts):
        bad = count == 0 or (count >= min_n and values[window] > threshold)
        streak = streak + 1 if bad else 0
        if streak >= for_windows and window - last > cooldown:
            fired.append(window)
            last = window
    return fired


def alerts_b(values, counts, threshold, for_windows, min_n, cooldown):
    fired, missing, quiet = [], for_windows, 0
    for window, (value, count) in enumerate(zip(values, counts)):
        quiet -= 1
        if 0 < count < min_n:
            continue
        missing = missing - 1 if count == 0 or value > threshold else for_windows
        if missing <= 0 and quiet < 0:
            fired.append(window)
            missing, quiet = for_windows, cooldown
    return fired


def alerts_c(values, counts, threshold, for_windows, min_n, cooldown):
    heard = [i for i, n in enumerate(counts) if n == 0 or not n < min_n]
    good = [i for i in heard if counts[i] and not values[i] > threshold]
    fired = []
    for place, window in enumerate(heard, start=1):
        row = heard[max(place - for_windows, 0):place]
        if len(row) == for_windows and not set(row) & set(good):
            fired += [window] if not fired or window > fired[-1] + cooldown else []
    return fired


@lab.exercise("9.11", section="alerts-that-people-keep-on", hints=(
    "Ask each function about each sentence of the docstring: a window with a few requests between two bad ones; a "
    "fault that lasts longer than the pause; a window with none.",
    "Four or five windows are enough. For one of them put a thin window into a row of bad ones. For another let a "
    "fault last, with for_windows=2 and a short cooldown, and count by hand when it fires again."))
@review.of(alerts, {alerts_a: "a_thin_window_is_a_good_one", alerts_b: "counts_anew_after_an_alert", alerts_c: None})
def review_alerts(values, counts, threshold, for_windows, min_n, cooldown):
    """What makes an input of alerts valid."""
    yield "`values` and `counts` are lists of one length.", isinstance(values, list) and isinstance(counts, list) and \
        len(values) == len(counts)
    yield "`counts` holds whole numbers from 0 on.", all(_whole(n) and n >= 0 for n in counts)
    yield "A value is a number, and None where the count is 0.", all(
        value is None if n == 0 else _number(value) for value, n in zip(values, counts))
    yield "`threshold` is a number.", _number(threshold)
    yield "`for_windows` and `min_n` are whole numbers from 1 on.", all(_whole(n) and n >= 1 for n in
                                                                       (for_windows, min_n))
    yield "`cooldown` is a whole number from 0 on.", _whole(cooldown) and cooldown >= 0


def _whole(value) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _number(value) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and value == value


# Answers: wrong ones with their misconceptions, and right ones written differently.


def case(counts, for_windows=2, cooldown=0, value=0.9, **other):
    values = [value if n else None for n in counts]
    given = dict(values=values, counts=counts, threshold=0.5, for_windows=for_windows, min_n=10, cooldown=cooldown)
    return given | other


review.wrong(review_alerts, "alerts_a",
             bad_all_the_time=case([20, 20, 20]),
             a_thin_window_at_the_end=case([20, 20, 3]),
             a_thin_window_and_one_is_enough=case([20, 3, 20], for_windows=1),
             no_requests_and_a_value=case([20, 0, 20], values=[0.9, 0.9, 0.9]),
             not_suspected=None)
review.wrong(review_alerts, "alerts_b",
             the_fault_is_over_too_soon=case([20, 20, 20], cooldown=2),
             one_window_fires=case([20] * 4, for_windows=1),
             a_pause_of_minus_one=case([20] * 4, cooldown=-1),
             half_a_window=case([20] * 4, for_windows=0.5),
             lists_of_two_lengths=case([20] * 4, values=[0.9]),
             a_count_below_zero=case([20, -1, 20]),
             a_limit_in_words=case([20] * 4, threshold="half"))
review.wrong(review_alerts, "alerts_c",
             suspected_for_its_looks=case([20, 3, 20, 0]),
             nothing_at_all=case([]),
             a_good_window=case([20, 20], value=0.1))


def each_part(answer):
    for part in review_alerts.parts:
        review_alerts.right(part=part)(answer)


@each_part
def one_input_for_both():
    given = case([20, 3, 20, 20])
    return dict(alerts_a=given, alerts_b=given, alerts_c=None)


@each_part
def with_silence_and_a_long_fault():
    return {"alerts_c": None, "alerts_a": case([0, 1, 0]), "alerts_b": case([20] * 9, for_windows=3, cooldown=1)}
