"""9.4 performance_asof: what can be known now about the predictions made so far."""

import functools

import numpy as np
import pandas as pd

from mlelab import case, data

from . import lab


@lab.exercise("9.4", section="labels-come-late", hints=(
    "Draw the time line of one flight: predicted, due, arrived. What is known at `now`, and about whom?",
    "Take predictions made until now, without the cancelled ones. Known are those with `arrived` <= now. coverage = "
    "known / all of these; late_share over the known; mature if coverage is at least 0.95."))
class performance_asof:
    rule = ("late_share: among the outcomes that had arrived by now. coverage: their share of the predictions made by "
            "now, cancelled flights left out. mature: from a coverage of 0.95.")

    def inputs(d):
        n, now = d.pick([6, 20, 22, 40]), d.num(-2, 12)
        made = [now if d.flag(0.05) else round(now - d.num(-2, 10), 1) for _ in range(n)]
        mostly = d.flag(0.6)  # nearly all outcomes are there, around the limit of 0.95
        late = [float(d.int(0, 1)) for _ in range(n)]
        if mostly:
            made = [min(m, now) for m in made]
            left = set(d.order(range(n))[:d.int(0, 2)])
            arrived = [round(now + d.num(0.1, 5), 1) if i in left else now if d.flag(0.1) else
                       round(now - d.num(0.1, 3), 1) for i in range(n)]
        else:
            arrived = [round(m + d.num(0, 8), 1) for m in made]
        for row in d.order(range(n))[:d.int(0, 2)]:
            late[row], arrived[row] = np.nan, d.pick([np.nan, np.nan, now - 0.5])
        ids = [f"r{i}" for i in range(n)] if d.flag() else [3 * i for i in range(n)]
        log = pd.DataFrame({"id": ids, "made": made}, index=d.index(n))
        labels = pd.DataFrame({"id": ids, "arrived": arrived, "late": late})
        labels["cancelled"] = labels["late"].isna()
        labels = labels.iloc[d.order(range(n))].reset_index(drop=d.flag())[["id", "arrived", "late", "cancelled"]]
        if d.flag(0.2):  # a label nobody has waited for yet
            unknown = (~labels["cancelled"]).to_numpy().argmax()
            labels.loc[unknown, "arrived"] = np.nan
        due = log.merge(labels, on="id").query("made <= @now and not cancelled")
        d.need((due["arrived"] <= now).any())
        return dict(log=log, labels=labels, now=now)

    def see(got, **_):
        return {name: got[name] for name in ("late_share", "coverage", "mature")}

    def real():
        log, labels = _july()
        return dict(log=log, labels=labels, now=0.0)

    def figure(got, labels, **_):
        truth = labels.loc[~labels["cancelled"], "late"].mean()
        return (f"Departures of six hours in July, seen at their end: {got['late_share']:.1%} late among the "
                f"{got['coverage']:.0%} that are known; in the end it is {truth:.1%}.")


@functools.cache
def _july():
    """Flights due to leave in the six hours before 22:00 UTC, all days of July, as they are known at that time."""
    flights = data.load("flights").query("month == 7").reset_index(drop=True)
    hours = case.arrival_hours(flights, data.load("airports")).reindex(flights.index)
    departure = flights["time_hour"] + pd.to_timedelta(flights["minute"], unit="min")
    clock = (departure.dt.hour + departure.dt.minute / 60 - 22) % 24 - 24  # hours before the next 22:00 UTC
    within = (clock >= -6) & (clock < 0)
    log = pd.DataFrame({"id": flights.index.astype(str), "made": clock})[within]
    late = (flights["arr_delay"] >= case.LATE_MINUTES).astype(float).where(flights["arr_delay"].notna())
    labels = pd.DataFrame({"id": flights.index.astype(str), "arrived": clock + hours, "late": late,
                           "cancelled": late.isna()})[within]
    return log, labels


# Answers: wrong ones with their misconceptions, and right ones written differently.


@performance_asof.mistake("M01", "The late share is that of the flights whose outcome had arrived by now.")
def labels_of_the_future(log, labels, now):
    due = joined(log, labels, now)
    return asof(due, now) | {"late_share": due["late"].mean()}


@performance_asof.mistake("M08", "An outcome that has not arrived is not on time: it is not known.")
def pending_is_on_time(log, labels, now):
    due = joined(log, labels, now)
    due = due[~due["cancelled"]]
    return asof(due, now) | {"late_share": due["late"].where(due["arrived"] <= now, 0).mean()}


@performance_asof.mistake("M83", "Until nearly all outcomes are there, the number is not mature: on time comes first.")
def always_mature(log, labels, now):
    return asof(joined(log, labels, now), now) | {"mature": True}


@performance_asof.mistake("M83", "Mature means a coverage of at least 0.95, not of 0.8.")
def mature_with_less(log, labels, now):
    found = asof(joined(log, labels, now), now)
    return found | {"mature": found["coverage"] >= 0.8}


@performance_asof.mistake("M31", "Mature means a coverage of at least 0.95: 0.95 itself is enough.")
def more_than_the_limit(log, labels, now):
    found = asof(joined(log, labels, now), now)
    return found | {"mature": found["coverage"] > 0.95}


@performance_asof.mistake("M99", "Mature means a coverage of at least 0.95: a few may be missing.")
def mature_with_all(log, labels, now):
    found = asof(joined(log, labels, now), now)
    return found | {"mature": found["coverage"] == 1}


@performance_asof.mistake("M36", "Cancelled flights have no outcome: they are left out of the late share.")
def cancelled_count_as_on_time(log, labels, now):
    due = joined(log, labels, now)
    known = (due["arrived"] <= now) | due["cancelled"]
    return asof(due, now) | {"late_share": due.loc[known, "late"].fillna(0).mean()}


@performance_asof.mistake("M36", "Cancelled flights are left out of the coverage, too.")
def cancelled_stay_pending(log, labels, now):
    due = joined(log, labels, now)
    return asof(due, now) | {"coverage": (due["arrived"] <= now).mean()}


@performance_asof.mistake("M36", "Cancelled flights are left out of late share, coverage and mature alike.")
def cancelled_in_every_denominator(log, labels, now):
    due = joined(log, labels, now)
    known = due["arrived"] <= now
    coverage = float(known.mean())
    return {"late_share": due.loc[known, "late"].sum() / len(due), "coverage": coverage, "mature": coverage >= 0.95}


@performance_asof.mistake("M01", "A prediction that is not made yet is not counted.")
def predictions_of_the_future(log, labels, now):
    return asof(log.merge(labels, on="id"), now)


@performance_asof.mistake("M51", "Prediction and label belong together by id, not by place.")
def side_by_side(log, labels, now):
    both = pd.concat([log.reset_index(drop=True), labels.drop(columns="id")], axis=1)
    return asof(both[both["made"] <= now], now)


@performance_asof.mistake("M32", "Shares lie between 0 and 1.")
def in_percent(log, labels, now):
    found = asof(joined(log, labels, now), now)
    return found | {"late_share": 100 * found["late_share"], "coverage": 100 * found["coverage"]}


@performance_asof.right
def with_an_index(log, labels, now):
    table = labels.set_index("id").loc[log["id"]]
    due = (log["made"].to_numpy() <= now) & ~table["cancelled"].to_numpy()
    known = due & (table["arrived"].to_numpy() <= now)
    coverage = known.sum() / due.sum()
    return {"late_share": float(table["late"].to_numpy()[known].mean()), "coverage": coverage,
            "mature": not coverage < 0.95}


@performance_asof.right
def with_loops(log, labels, now):
    of = {row.id: row for row in labels.itertuples()}
    due = [of[row.id] for row in log.itertuples() if row.made <= now and not of[row.id].cancelled]
    known = [row.late for row in due if row.arrived <= now]
    return {"mature": 20 * len(known) >= 19 * len(due), "coverage": len(known) / len(due), "due": len(due),
            "late_share": sum(known) / len(known)}


def joined(log, labels, now):
    both = log.merge(labels, on="id")
    return both[both["made"] <= now]


def asof(due, now):
    due = due[~due["cancelled"]]
    known = due["arrived"] <= now
    return {"late_share": due.loc[known, "late"].mean(), "coverage": known.mean(), "mature": known.mean() >= 0.95}
