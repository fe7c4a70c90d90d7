"""9.3 diagnose: which change explains the recent rows."""

import numpy as np
import pandas as pd

from . import _real, lab


@lab.exercise("9.3", section="which-shift", hints=(
    "Ask in the order in which faults are cheap to exclude: are the features right, are groups late as often as "
    "before, and if not, did all of them change alike?",
    "skew: served and recomputed differ in more than 1 % of rows. Then the late share by group, train against recent: "
    "if every gap is below 0.05 it is \"data\" if a group's share moved by 0.05, else \"none\". If the log odds moved "
    "by the same amount everywhere (within 0.3) it is \"label\", else \"concept\"."))
class diagnose:
    rule = ("First skew; then the late share of each group; where all stayed, the mix decides between data and none; "
            "where one moved, the log odds decide between label and concept.")

    def inputs(d):
        groups = "abcdef"[:d.pick([2, 3, 4, 4, 6])]
        sizes = {g: 50 * d.int(1, 4) for g in groups}
        late = {g: d.pick([d.int(4, 46), d.int(1, 3), d.int(47, 49)]) for g in groups}  # of 50
        kind = d.pick(["same", "near", "mix", "parts", "alike", "few", "against", "apart", "any"])
        now, recent = dict(late), dict(sizes)
        if kind in ("near", "mix", "parts"):  # within the limit of 0.05, or just over it
            steps = [0, 2, -2, 2, 3, -3] if kind == "near" else [0, 0, 1, -1]
            now = {g: min(max(n + d.pick(steps), 1), 49) for g, n in late.items()}
        if kind == "alike":
            factor = d.pick([0.4, 0.6, 1.6, 2.5])
            odds = {g: n / (50 - n) * factor * d.pick([1, 1, 1.25, 0.8, 1.33]) for g, n in late.items()}
            now = {g: min(max(round(50 * o / (1 + o)), 1), 49) for g, o in odds.items()}
        elif kind in ("apart", "any"):
            now.update({g: d.int(1, 49) for g in d.some(groups, 1)})
        if kind == "few":  # one group has a share near 0 or 1, where a step of one row is a large one
            edge, other = d.pick([(1, 2), (2, 1), (2, 3), (1, 3), (49, 48), (48, 46)]), d.int(8, 42)
            factor = edge[1] * (50 - edge[0]) / (50 - edge[1]) / edge[0] * d.pick([1.34, 1.3, 1.4, 0.75, 0.7, 1, 0.6])
            late = {g: edge[0] if g == "a" else other for g in groups}
            now = {g: edge[1] if g == "a" else round(50 * factor * other / (50 - other + factor * other))
                   for g in groups}
            d.need(min(now.values()) > 0 and max(now.values()) < 50)
        if kind == "against":  # the same step up and down
            step = d.pick([6, 10, 4])
            late, now = dict.fromkeys(groups, 25), {g: 25 + step * (-1) ** i for i, g in enumerate(groups)}
        if kind == "parts":  # many groups that move a little each
            sizes = dict.fromkeys(groups, 100)
            step = len(groups) * d.pick([3, 4, 2, 6])
            recent = {g: n + step * (-1) ** i for i, (g, n) in enumerate(sizes.items())}
        if kind in ("mix", "any"):  # one group loses, or gains, what the others share
            moved, one = sum(sizes.values()) * d.pick([3, 4, 6, 8]) // 100 * d.pick([1, -1]), d.pick(groups)
            recent = {g: n - moved if g == one else n + moved // (len(groups) - 1) for g, n in sizes.items()}
            d.need(min(recent.values()) > 20)
        train, new = _rows(d, sizes, late), _rows(d, recent, now)
        recomputed = new["group"].to_numpy()
        served = recomputed.copy()
        wrong = d.pick([0, 0, 0, 0, len(new) // 100, len(new) // 100 + 1, len(new) // 4])
        for row in d.rng().permutation(len(new))[:wrong]:
            served[row] = groups[(groups.index(served[row]) + 1) % len(groups)]
        _need_clear_limits(d, train, new)
        return dict(train=train, recent=new, served=served, recomputed=recomputed)

    def real():
        flights = _real.flights()
        parts = [flights[flights["month"] == month].rename(columns={"origin": "group"}) for month in (8, 9)]
        group = parts[1]["group"].to_numpy()
        return dict(train=parts[0], recent=parts[1], served=group, recomputed=group)

    def figure(got, train, recent, **_):
        change = recent.groupby("group")["late"].mean() / train.groupby("group")["late"].mean()
        return (f"September's late share is {change.min():.2f} to {change.max():.2f} times August's at the three "
                "airports: another base rate, much the same everywhere.")

    def shows(train, recent, served, recomputed):
        table = {"rows then": train["group"].value_counts(), "rows now": recent["group"].value_counts(),
                 "late then": train.groupby("group")["late"].mean(), "late now": recent.groupby("group")["late"].mean()}
        differ = int((served != recomputed).sum())
        return (f"diagnose(train, recent, served, recomputed), {differ} of {len(recent)} rows differ when recomputed",
                pd.DataFrame(table).round(3).rename_axis("group").reset_index())


def _rows(d, sizes, rates):
    rows = [(g, int(i < round(n * rates[g] / 50))) for g, n in sizes.items() for i in range(n)]
    order = d.rng().permutation(len(rows)) if d.flag() else range(len(rows))
    return pd.DataFrame([rows[i] for i in order], columns=["group", "late"])


def _need_clear_limits(d, train, recent):
    """No distance so near to a limit that rounding decides; exact hits of 0.05 are left out for the same reason."""
    then, now = (frame.groupby("group")["late"].mean() for frame in (train, recent))
    mix = [frame["group"].value_counts(normalize=True) for frame in (train, recent)]
    moved = np.log(now / (1 - now)) - np.log(then / (1 - then))
    d.need(np.isfinite(moved).all())
    for distance, limit in (((now - then).abs(), 0.05), ((mix[1] - mix[0]).abs(), 0.05),
                            (moved.max() - moved.min(), 0.3)):
        d.need((np.abs(distance - limit) > 1e-9).all())


# Answers: wrong ones with their misconceptions, and right ones written differently.


@diagnose.mistake("M14", "All groups changed, but not alike: that is concept, not data.")
def everything_is_data(train, recent, served, recomputed):
    found = told(train, recent, served, recomputed)
    return "data" if found == "concept" else found


@diagnose.mistake("M14", "Nothing moved by as much as 0.05: that is none.")
def any_difference_is_drift(train, recent, served, recomputed):
    found = told(train, recent, served, recomputed)
    return "data" if found == "none" else found


@diagnose.mistake("M82", "The log odds moved by the same amount everywhere: another base rate, and no other concept.")
def worse_means_concept(train, recent, served, recomputed):
    found = told(train, recent, served, recomputed)
    return "concept" if abs(train["late"].mean() - recent["late"].mean()) > 0.03 and found != "data" else found


@diagnose.mistake("M81", "Skew is the difference between what was served and what is recomputed for the same rows.")
def skew_against_last_week(train, recent, served, recomputed):
    return told(train, recent, recomputed, recomputed)


@diagnose.mistake("M81", "Skew is a difference for the same rows: the mix of training has no part in it.")
def skew_against_training(train, recent, served, recomputed):
    shares = [pd.Series(groups).value_counts(normalize=True) for groups in (train["group"], served)]
    gap = shares[0].sub(shares[1], fill_value=0).abs().max()
    return told(train, recent, recomputed, recomputed) if gap < 0.6 else "skew"


@diagnose.mistake("M32", "Alike means the same step in log odds: the shares themselves move by unlike amounts.")
def plain_differences(train, recent, served, recomputed):
    return told(train, recent, served, recomputed, scale=lambda share: share)


@diagnose.mistake("M40", "A share that fell has moved, too.")
def the_mix_only_upwards(train, recent, served, recomputed):
    return told(train, recent, served, recomputed, mix_moved=lambda gap: gap.max())


@diagnose.mistake("M40", "A late share that fell has moved, too.")
def late_only_upwards(train, recent, served, recomputed):
    return told(train, recent, served, recomputed, late_moved=lambda gap: gap.max())


@diagnose.mistake("M33", "All groups are compared, not only the first and the last.")
def first_and_last_group(train, recent, served, recomputed):
    return told(train, recent, served, recomputed, spread=lambda moved: abs(moved.iloc[0] - moved.iloc[-1]))


@diagnose.mistake("M31", "More than 1 % of the rows: exactly 1 % is no skew.")
def one_percent_is_skew(train, recent, served, recomputed):
    return "skew" if (served != recomputed).mean() >= 0.01 else told(train, recent, recomputed, recomputed)


@diagnose.mistake("M32", "The mix moved if the share of one group did by 0.05: small moves do not add up.")
def moves_of_the_mix_add_up(train, recent, served, recomputed):
    return told(train, recent, served, recomputed, mix_moved=lambda gap: gap.abs().sum() / 2)


@diagnose.mistake("M32", "Log odds of the shares themselves: half a row more, or a cut, changes those of small groups.")
def smoothed_log_odds(train, recent, served, recomputed):
    then, now = (frame.groupby("group")["late"].agg(["sum", "count"]).eval("(sum + 0.5) / (count + 1)")
                 for frame in (train, recent))
    found, moved = told(train, recent, served, recomputed), np.log(now / (1 - now) * (1 - then) / then)
    return found if found not in ("label", "concept") else "label" if np.ptp(moved) < 0.3 else "concept"


@diagnose.mistake("M32", "Log odds are compared; the ratio of two shares is another scale.")
def logs_of_shares(train, recent, served, recomputed):
    return told(train, recent, served, recomputed, scale=np.log)


@diagnose.mistake("M81", "Skew is a difference row by row; two rows that are exchanged differ twice.")
def skew_of_the_counts(train, recent, served, recomputed):
    counts = [pd.Series(values).value_counts(normalize=True) for values in (served, recomputed)]
    gap = counts[0].sub(counts[1], fill_value=0).abs().sum() / 2
    return "skew" if gap > 0.01 else told(train, recent, recomputed, recomputed)


@diagnose.right
def with_crosstabs(train, recent, served, recomputed):
    if np.mean(np.asarray(served) != np.asarray(recomputed)) > 0.01:
        return "skew"
    tables = [pd.crosstab(frame["group"], frame["late"]) for frame in (train, recent)]
    rates = [table[1] / table.sum(axis=1) for table in tables]
    if np.abs(rates[0] - rates[1]).max() < 0.05:
        mixes = [table.sum(axis=1) / table.to_numpy().sum() for table in tables]
        return "none" if np.abs(mixes[0] - mixes[1]).max() < 0.05 else "data"
    ratios = np.log([table[1] / table[0] for table in tables])
    return "label" if np.ptp(ratios[1] - ratios[0]) < 0.3 else "concept"


@diagnose.right
def group_by_group(train, recent, served, recomputed):
    if sum(a != b for a, b in zip(served, recomputed)) > len(served) / 100:
        return "skew"
    gaps, mixes, moves = [], [], []
    for group in train["group"].unique():
        one, other = (frame[frame["group"] == group]["late"] for frame in (train, recent))
        gaps.append(abs(one.mean() - other.mean()))
        mixes.append(abs(len(one) / len(train) - len(other) / len(recent)))
        moves.append(np.log(other.sum() / (1 - other).sum() * (1 - one).sum() / one.sum()))
    if max(gaps) < 0.05:
        return "data" if max(mixes) >= 0.05 else "none"
    return "label" if max(moves) - min(moves) < 0.3 else "concept"


def told(train, recent, served, recomputed, *, scale=lambda share: np.log(share / (1 - share)),
         mix_moved=lambda gap: gap.abs().max(), late_moved=lambda gap: gap.abs().max(),
         spread=lambda moved: moved.max() - moved.min()):
    if (served != recomputed).mean() > 0.01:
        return "skew"
    then, now = (frame.groupby("group")["late"].mean() for frame in (train, recent))
    if late_moved(now - then) < 0.05:
        mix = [frame["group"].value_counts(normalize=True) for frame in (train, recent)]
        return "data" if mix_moved(mix[1] - mix[0]) >= 0.05 else "none"
    return "label" if spread(scale(now) - scale(then)) < 0.3 else "concept"
