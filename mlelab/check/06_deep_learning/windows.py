"""6.6 windows: what was known, and what came after it."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from . import _real, lab


@lab.exercise("6.6", section="forecasting", hints=(
    "Number the windows by where they start: 0, step, 2 * step, … What is the last start for which the targets still "
    "fit into the series?",
    "Starts are np.arange(0, len(series) - length - horizon + 1, step). Row i of the inputs is series[start:start + "
    "length], of the targets the next `horizon` values. Keep the rows without nan in either, and start + length."))
class windows:
    rule = ("A window starts at 0, step, 2 * step, …; its targets are the horizon values right behind its inputs; it "
            "is left out if it does not fit or has a nan, and the others stay where they are.")

    def inputs(d):
        length, horizon = d.int(1, 4), d.int(1, 3)
        series = np.array([d.int(0, 40) / 2 for _ in range(d.int(0, 14))], float)
        for _ in range(d.pick([0, 0, 1, 2])):
            if len(series):
                series[d.int(0, len(series) - 1)] = np.nan
        return dict(series=series, length=length, horizon=horizon, **d.optional(step=d.pick([1, 2, 3, 5])))

    def run(windows, series, length, horizon, **optional):
        inputs, targets, first = windows(series, length, horizon, **optional)
        return np.asarray(inputs), np.asarray(targets), np.asarray(first)

    def real():
        series = _real.departures().copy()
        series[1000:1003] = np.nan  # three hours that nobody counted
        return dict(series=series, length=168, horizon=24, step=6)

    def figure(got, series, length, horizon, step):
        starts = len(range(0, len(series) - length - horizon + 1, step))
        return (f"A year of {len(series):,} hours, a window of a week every {step} hours: {len(got[0]):,} windows. "
                f"Three hours that nobody counted cost {starts - len(got[0])} of them.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


@windows.mistake("M01", "The first target comes after the last input: they do not overlap.")
def last_input_is_a_target(series, length, horizon, step=1):
    return cut(series, length, horizon, step, gap=-1)


@windows.mistake("M31", "The first target is the very next value.")
def one_value_between(series, length, horizon, step=1):
    return cut(series, length, horizon, step, gap=1)


@windows.mistake("M31", "The last window ends with the last value of the series.")
def last_window_missing(series, length, horizon, step=1):
    return cut(series, length, horizon, step, last=0)


@windows.mistake("M08", "A window with a nan is left out: nan is not 0.")
def nan_is_zero(series, length, horizon, step=1):
    return cut(np.nan_to_num(series), length, horizon, step)


@windows.mistake("M08", "A window with a nan is left out, not filled with the value before.")
def nan_is_the_value_before(series, length, horizon, step=1):
    filled = series.copy()
    for place in range(1, len(filled)):
        if np.isnan(filled[place]):
            filled[place] = filled[place - 1]
    return cut(filled, length, horizon, step)


@windows.mistake("M33", "A nan among the targets counts, too.")
def nan_in_the_inputs_only(series, length, horizon, step=1):
    return cut(series, length, horizon, step, bad=lambda x, y: np.isnan(x).any(axis=1))


@windows.mistake("M33", "A nan among the inputs counts, too.")
def nan_in_the_targets_only(series, length, horizon, step=1):
    return cut(series, length, horizon, step, bad=lambda x, y: np.isnan(y).any(axis=1))


@windows.mistake("M33", "One nan is enough to leave a window out.")
def all_must_be_nan(series, length, horizon, step=1):
    return cut(series, length, horizon, step, bad=lambda x, y: np.isnan(x).all(axis=1) | np.isnan(y).all(axis=1))


@windows.mistake("M09", "Values are not taken out of the series: what was two hours apart would become one.")
def nan_taken_out_first(series, length, horizon, step=1):
    return cut(series[~np.isnan(series)], length, horizon, step)


@windows.mistake("M34", "Starts are counted on the series: a window that is left out moves no other one.")
def every_step_th_of_what_is_left(series, length, horizon, step=1):
    return tuple(part[::step] for part in cut(series, length, horizon, 1))


@windows.mistake("M27", "`step` is an argument.")
def step_of_one(series, length, horizon, step=1):
    return cut(series, length, horizon, 1)


@windows.mistake("M32", "Windows start `step` values apart, whatever their length.")
def one_window_behind_the_other(series, length, horizon, step=1):
    return cut(series, length, horizon, length + horizon)


@windows.mistake("M32", "The third array says where the targets begin, not the window.")
def where_the_inputs_begin(series, length, horizon, step=1):
    inputs, targets, first = cut(series, length, horizon, step)
    return inputs, targets, first - length


@windows.mistake("M32", "A target is the `horizon` values that follow, not the last of them alone.")
def last_target_only(series, length, horizon, step=1):
    inputs, targets, first = cut(series, length, horizon, step)
    return inputs, targets[:, -1:], first


@windows.mistake("M40", "Inputs stand in the order of time, the oldest first.")
def newest_first(series, length, horizon, step=1):
    inputs, targets, first = cut(series, length, horizon, step)
    return inputs[:, ::-1], targets, first


@windows.mistake("M47", "No window is an answer: arrays with no row, but with their columns.")
def nothing_has_no_columns(series, length, horizon, step=1):
    inputs, targets, first = cut(series, length, horizon, step)
    return (inputs, targets, first) if len(first) else (np.array([]), np.array([]), first)


@windows.right
def one_at_a_time(series, length, horizon, step=1):
    inputs, targets, first, start = [], [], [], 0
    while start + length + horizon <= len(series):
        window = series[start:start + length + horizon]
        if not any(value != value for value in window):
            inputs.append(window[:length])
            targets.append(window[length:])
            first.append(start + length)
        start += step
    return (np.array(inputs).reshape(len(first), length), np.array(targets).reshape(len(first), horizon),
            np.array(first, int))


@windows.right
def views_of_the_series(series, length, horizon, step=1):
    whole = length + horizon
    if len(series) < whole:
        return np.empty((0, length)), np.empty((0, horizon)), np.empty(0, int)
    rows = sliding_window_view(series, whole)[::step]
    good = np.isfinite(rows).all(axis=1)
    return rows[good, :length], rows[good, length:], np.flatnonzero(good) * step + length


def cut(series, length, horizon, step, *, gap=0, last=1, bad=lambda x, y: np.isnan(x).any(axis=1) | np.isnan(
        y).any(axis=1)):
    starts = np.arange(0, len(series) - length - horizon - max(gap, 0) + last, step)
    inputs = series[starts[:, None] + np.arange(length)]
    targets = series[starts[:, None] + np.arange(length, length + horizon) + gap]
    good = ~bad(inputs, targets)
    return inputs[good], targets[good], starts[good] + length
