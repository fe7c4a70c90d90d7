"""0.2 late_share: a share among the flights that can be judged."""

import math

import numpy as np

from mlelab import case, data

from . import lab


@lab.exercise("0.2", section="your-first-exercise", hints=(
    "How many flights can be judged at all? Divide by those, not by all.",
    "`arrived = delays[~np.isnan(delays)]`, then a mean of `arrived >= threshold`. With nothing to judge, the answer "
    "is `nan`."))
class late_share:
    rule = ("The share is counted among the flights that arrived, and late is `threshold` minutes or more; where none "
            "arrived, the answer is nan.")

    def inputs(d):
        threshold = d.pick([15.0, 30.0, 0, 1, 45, 22.5, d.int(2, 120)])
        delays = d.list(0, 7, lambda: d.pick([threshold, threshold - 0.5, threshold + 0.5, threshold - 0.0625, np.nan,
                                              0.0, -threshold, d.int(-60, 200)]))
        delays = [np.nan] * d.int(1, 3) if d.flag(0.1) else delays
        return dict(delays=np.array(delays, float), threshold=threshold)

    def real():
        delays = data.load("flights", ["arr_delay"])["arr_delay"].to_numpy(dtype=float)
        return dict(delays=delays, threshold=float(case.LATE_MINUTES))

    def figure(share, **_):
        return f"In 2013, {share:.2%} of the flights that arrived were {case.LATE_MINUTES} minutes late or more."


# Answers: wrong ones with their misconceptions, and right ones written differently.


def told(delays, threshold, late=lambda arrived, threshold: arrived >= threshold):
    arrived = delays[~np.isnan(delays)]
    return late(arrived, threshold).mean() if len(arrived) else np.nan


@late_share.mistake("M08", "A flight that never arrived is not counted, not even as on time.")
def missing_counts_as_on_time(delays, threshold):
    return (delays >= threshold).mean()


@late_share.mistake("M08", "A flight that never arrived is not counted, not even as late.")
def missing_counts_as_late(delays, threshold):
    return (~(delays < threshold)).mean() if np.isfinite(delays).any() else np.nan


@late_share.mistake("M08", "Where no flight arrived there is no share: the answer is nan, not 0.")
def nothing_arrived_is_zero(delays, threshold):
    share = told(delays, threshold)
    return 0.0 if np.isnan(share) else share


@late_share.mistake("M08", "Where no flight arrived the answer is nan, a number, and not None.")
def nothing_arrived_is_none(delays, threshold):
    share = told(delays, threshold)
    return None if np.isnan(share) else share


@late_share.mistake("M08", "A delay of 0 is a flight on time, not a missing one.")
def zero_is_missing(delays, threshold):
    return told(np.where(delays == 0, np.nan, delays), threshold)


@late_share.mistake("M47", "There may be no flight at all: then the answer is nan.")
def needs_a_flight(delays, threshold):
    return told(delays, threshold) if not np.isnan(delays[0]) else told(delays[1:], threshold)


@late_share.mistake("M31", "A flight with exactly `threshold` minutes is late.")
def exactly_at_the_threshold_is_on_time(delays, threshold):
    return told(delays, threshold, np.greater)


@late_share.mistake("M36", "A share is no whole number.")
def integer_division(delays, threshold):
    arrived = delays[~np.isnan(delays)]
    return (arrived >= threshold).sum() // len(arrived) if len(arrived) else np.nan


@late_share.mistake("M36", "A share lies between 0 and 1: it is no number of flights.")
def number_of_flights(delays, threshold):
    return told(delays, threshold) * np.isfinite(delays).sum()


@late_share.mistake("M10", "A share lies between 0 and 1: it is not in percent.")
def percent(delays, threshold):
    return 100 * told(delays, threshold)


@late_share.mistake("M09", "Two flights with the same delay are two flights.")
def repeated_delays_count_once(delays, threshold):
    return told(np.unique(delays), threshold)


@late_share.mistake("M35", "The share of late flights is wanted, not that of the others.")
def share_on_time(delays, threshold):
    return told(delays, threshold, np.less)


@late_share.mistake("M32", "A negative delay is an early arrival, and early is not late.")
def early_counts_as_late(delays, threshold):
    return told(np.abs(delays), threshold)


@late_share.mistake("M36", "Early flights arrived, too, and are counted below the line.")
def early_flights_left_out(delays, threshold):
    return told(np.where(delays < 0, np.nan, delays), threshold)


@late_share.mistake("M27", "The threshold is an argument, not always 30.")
def thirty_whatever_was_asked(delays, threshold):
    return told(delays, 30)


@late_share.mistake("M97")
def fills_the_array(delays, threshold):
    share = told(delays, threshold)
    delays[np.isnan(delays)] = 0
    return share


@late_share.right
def in_plain_python(delays, threshold):
    arrived = [delay for delay in delays.tolist() if not math.isnan(delay)]
    return sum(delay >= threshold for delay in arrived) / len(arrived) if arrived else math.nan


@late_share.right
def with_two_counts(delays, threshold):
    late, on_time = np.count_nonzero(delays >= threshold), np.count_nonzero(delays < threshold)
    return np.float64(late) / (late + on_time) if late + on_time else np.nan
