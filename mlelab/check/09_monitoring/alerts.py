"""9.7 alerts: when an alert fires, and when it does not."""

import pandas as pd

from . import lab


@lab.exercise("9.7", section="alerts-that-people-keep-on", hints=(
    "Sort the windows into three kinds first: bad, good, and too few requests to say. Which kind is a window without "
    "any?",
    "bad: count == 0, or count >= min_n and value > threshold. Skip windows with 0 < count < min_n. Count bad windows "
    "in "
    "a row; at for_windows of them fire, unless the last alert was `cooldown` windows ago or less."))
class alerts:
    rule = ("A window is bad without any request, or with min_n requests or more and a value above the threshold; with "
            "fewer it is passed over. for_windows bad ones in a row fire, then not again within cooldown windows.")

    def inputs(d):
        threshold, min_n = d.pick([0.5, 0.25, 2.0, 0.0, -0.125]), d.pick([50, 10, 2, 1])
        kinds = d.list(0, 18, lambda: d.pick("bbbgts" if min_n > 1 else "bbgs"))  # bad, good, thin, silent
        for_windows, cooldown = d.int(1, 4), d.int(0, 5)
        if cooldown > 1 and d.flag(0.3):  # what fired is over, and comes back before the cooldown ends
            kinds = [*"b" * for_windows, *"g" * d.int(1, cooldown - 1), *"b" * (for_windows + cooldown)]
        counts = [d.int(1, min_n - 1) if k == "t" else 0 if k == "s" else min_n + d.pick([0, 1, 100]) for k in kinds]
        below = [0, -0.125, -max(threshold, 0)]
        values = [None if k == "s" else threshold + d.pick(
            [0.125, 5] if k == "b" or k == "t" and d.flag(0.7) else below) for k in kinds]
        return dict(values=values, counts=counts, threshold=threshold, for_windows=for_windows, min_n=min_n,
                    cooldown=cooldown)

    def real():
        return [dict(values=[0.9] * 24, counts=[200] * 24, threshold=0.5, for_windows=3, min_n=50, cooldown=6),
                dict(values=[0.3] * 180, counts=[200] * 180, threshold=0.5, for_windows=3, min_n=50, cooldown=6)]

    def figure(fired, **_):
        return f"In 180 quiet windows nothing fires, and a fault that stays fires at window {fired[0] + 1} of its life."

    def shows(values, counts, **settings):
        settings = ", ".join(f"{name}={value}" for name, value in settings.items())
        table = pd.DataFrame({"value": values, "count": counts}, dtype=object).rename_axis("window").reset_index()
        return f"alerts({values}, {counts}, {settings})", table.head(14)


# Answers: wrong ones with their misconceptions, and right ones written differently.


@alerts.mistake("M86", "One bad window is no fault yet: for_windows of them in a row fire.")
def at_the_first_bad_window(values, counts, threshold, for_windows, min_n, cooldown):
    return fired(values, counts, threshold, 1, min_n, cooldown)


@alerts.mistake("M86", "While a fault lasts, the alert comes back after the cool-down, not each window.")
def each_window_again(values, counts, threshold, for_windows, min_n, cooldown):
    return fired(values, counts, threshold, for_windows, min_n, 0)


@alerts.mistake("M16", "A window with fewer than min_n requests says nothing.")
def three_requests_are_enough(values, counts, threshold, for_windows, min_n, cooldown):
    return fired(values, counts, threshold, for_windows, 1, cooldown)


@alerts.mistake("M87", "A window without any request is bad: silence is no health.")
def no_data_is_fine(values, counts, threshold, for_windows, min_n, cooldown):
    return fired(values, counts, threshold, for_windows, min_n, cooldown, silence="skipped")


@alerts.mistake("M87", "A window without any request is bad: its value is not 0, it has none.")
def no_data_is_zero(values, counts, threshold, for_windows, min_n, cooldown):
    return fired(values, counts, threshold, for_windows, min_n, cooldown, silence="good")


@alerts.mistake("M16", "A thin window says nothing: it does not end a row of bad ones.")
def a_thin_window_is_a_good_one(values, counts, threshold, for_windows, min_n, cooldown):
    return fired(values, counts, threshold, for_windows, min_n, cooldown, thin="good")


@alerts.mistake("M31", "The alert fires at the window that makes for_windows, not one later.")
def one_window_later(values, counts, threshold, for_windows, min_n, cooldown):
    return fired(values, counts, threshold, for_windows + 1, min_n, cooldown)


@alerts.mistake("M27", "Threshold, for_windows, min_n and cooldown are arguments.")
def settings_of_the_example(values, counts, threshold, for_windows, min_n, cooldown):
    return fired(values, counts, 0.5, 3, 50, 6)


@alerts.mistake("M31", "A value at the threshold is not above it.")
def at_the_threshold_too(values, counts, threshold, for_windows, min_n, cooldown):
    return fired(values, counts, threshold - 1e-9, for_windows, min_n, cooldown)


@alerts.mistake("M31", "A window with exactly min_n requests counts.")
def more_than_min_n(values, counts, threshold, for_windows, min_n, cooldown):
    return fired(values, counts, threshold, for_windows, min_n + 1, cooldown)


@alerts.mistake("M31", "Not again within the next `cooldown` windows: the last of them is still quiet.")
def cool_down_one_short(values, counts, threshold, for_windows, min_n, cooldown):
    return fired(values, counts, threshold, for_windows, min_n, max(cooldown - 1, 0))


@alerts.mistake("M86", "While a fault lasts, the alert comes back after the cool-down.")
def once_for_each_fault(values, counts, threshold, for_windows, min_n, cooldown):
    return fired(values, counts, threshold, for_windows, min_n, cooldown, again=False)


@alerts.mistake("M86", "Bad windows go on counting after an alert: what lasts fires again as soon as it may.")
def counts_anew_after_an_alert(values, counts, threshold, for_windows, min_n, cooldown):
    return fired(values, counts, threshold, for_windows, min_n, cooldown, anew=True)


@alerts.mistake("M33", "A row of bad windows may be mixed: silent ones and high ones count together.")
def two_kinds_of_rows(values, counts, threshold, for_windows, min_n, cooldown):
    found, rows, quiet_until = [], [0, 0], -1
    for i, (value, n) in enumerate(zip(values, counts)):
        if n == 0 or n >= min_n:
            rows = [rows[0] + 1 if n == 0 else 0, rows[1] + 1 if n and value > threshold else 0]
            if max(rows) >= for_windows and i > quiet_until:
                found, quiet_until = found + [i], i + cooldown
    return found


@alerts.right
def with_a_list_of_verdicts(values, counts, threshold, for_windows, min_n, cooldown):
    verdicts = [(i, n == 0 or value > threshold) for i, (value, n) in enumerate(zip(values, counts))
                if n == 0 or n >= min_n]
    found = []
    for k in range(for_windows - 1, len(verdicts)):
        i = verdicts[k][0]
        if all(bad for _, bad in verdicts[k - for_windows + 1:k + 1]) and (not found or i - found[-1] > cooldown):
            found.append(i)
    return found


@alerts.right
def with_a_rolling_minimum(values, counts, threshold, for_windows, min_n, cooldown):
    table = pd.DataFrame({"value": pd.Series(values, dtype=float), "count": pd.Series(counts, dtype=float)})
    table = table[(table["count"] == 0) | (table["count"] >= min_n)]
    bad = ((table["count"] == 0) | (table["value"] > threshold)).astype(float)
    found = []
    for window in bad.index[bad.rolling(for_windows).min() == 1]:
        if not found or window > found[-1] + cooldown:
            found.append(int(window))
    return found


def fired(values, counts, threshold, for_windows, min_n, cooldown, *, silence="bad", thin="skipped", again=True,
          anew=False, good_ends=False, pauses=False, mutes=False, falsy=False, begun=False, heard=False):
    found, bad, quiet_until, place = [], 0, -1, -1
    for i, (value, n) in enumerate(zip(values, counts)):
        kind = silence if n == 0 else thin if n < min_n else "bad" if value > threshold else "good"
        kind = "bad" if falsy and n and not value else kind
        if kind == "skipped":
            continue
        place = place + 1 if heard else i
        if kind == "good" and good_ends:
            quiet_until = -1
        if place <= quiet_until and (pauses or mutes and kind == "bad"):
            continue
        bad = bad + 1 if kind == "bad" else 0
        if (bad >= for_windows if again else bad == for_windows) and place > quiet_until:
            found.append(i)
            quiet_until, bad = place + cooldown - (for_windows - 1 if begun else 0), 0 if anew else bad
    return found


alerts.variants(
    fired,
    a_good_window_ends_the_cooldown=("M86", "The cooldown is counted in windows: a good one does not end it.",
                                     dict(good_ends=True)),
    nothing_counts_in_the_cooldown=("M86", "Bad windows of the cooldown count, and good ones end a row in it, too.",
                                    dict(pauses=True)),
    bad_ones_of_the_cooldown_do_not_count=("M86", "Bad windows of the cooldown count: a fault that came back in it "
                                           "fires in the first window after it.", dict(mutes=True)),
    a_value_of_zero_is_none=("M87", "A value of 0 is a number: nothing came only where the count is 0.",
                             dict(falsy=True)),
    quiet_from_the_first_bad_window=("M31", "The cooldown begins with the window that fired.", dict(begun=True)),
    thin_windows_are_no_windows=("M31", "The next `cooldown` windows are those by number, thin ones among them.",
                                 dict(heard=True)))
