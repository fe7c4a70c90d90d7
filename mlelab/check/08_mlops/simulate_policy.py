"""8.6 simulate_policy: what a retraining policy would have cost. What is fitted is recorded."""

import numpy as np
import pandas as pd

from . import _real, lab


@lab.exercise("8.6", section="when-to-train-again", hints=(
    "For the model of a month only earlier months are there. When is it made anew, and what does that cost?",
    "At the first month always fit, then whenever policy(month, since) says so, since = months since the last fit. "
    "Train on the last `window` months before this one, or on all. The row's cost is cost(model, month), plus "
    "fit_cost if a model was made."))
class simulate_policy:
    rule = ("A model is made at the first month and whenever the policy says so, from the last `window` months before; "
            "each row has the months that it learned from and its cost, that of a fit included.")

    def inputs(d):
        start = d.pick([12, 10, 101])
        scored = list(range(start, start + d.int(1, 8)))
        past = [start - back for back in d.order([1, 2, 3, 4, 6, 9])[:d.int(1, 6)]]
        ahead = start - 1 not in past and d.flag()  # `start` need not be a month itself
        return dict(months=sorted(past) + scored, every=d.pick([2, 1, 3, 99]), start=start - ahead,
                    also=[start + i for i in d.some(range(1, 8))[:2]], window=d.pick([None, 1, 2, 3, 20]),
                    fit_cost=d.pick([0.5, 0.0, 4.25]), rate=d.pick([0.25, 2.0]))

    def run(simulate_policy, months, every, also, window, fit_cost, start, rate):
        if isinstance(every, list):
            return [simulate_policy(months, tuple, lambda used, month: _real.alert_cost(tuple(used), month),
                                    lambda month, since, often=often: since >= often, window, fit_cost, start)
                    for often in every]
        fits = []

        def fit(used):
            fits.append([int(month) for month in used])
            return {"used": fits[-1]}

        def cost(model, month):
            return rate * (int(month) - max(model["used"])) + len(model["used"]) / 8 + (int(month) % 5)

        def policy(month, since):
            return bool(since >= every or month in also)

        return [simulate_policy(months, fit, cost, policy, window, fit_cost, start), fits]

    def see(got, **_):
        return [_canonical(part) if isinstance(part, pd.DataFrame) else part for part in got]

    def shows(months, every, also, window, fit_cost, start, **_):
        return (f"simulate_policy({months}, fit, cost, policy, window={window}, fit_cost={fit_cost}, start={start}); "
                f"policy says yes after {every} months, and before the months {also}", None)

    def real():
        return dict(months=list(_real.by_month()), every=[99, 1], also=[], window=1, fit_cost=0.0, start=4, rate=0)

    def figure(got, **_):
        never, each = (np.mean(table["cost"]) for table in got)
        return (f"A small model of March costs {never:.2f} a flight until December; one made anew each month from the "
                f"month before costs {each:.2f}.")


def _canonical(table: pd.DataFrame) -> dict:
    """Months, costs and what each model learned from; more columns are welcome."""
    wrong = [type(used).__name__ for used in table["trained_on"] if isinstance(used, (list, range, np.ndarray))]
    if wrong:
        raise ValueError(f"`trained_on` holds a {wrong[0]}, not a tuple")
    learned = [list(map(int, used)) if isinstance(used, tuple) else used for used in table["trained_on"]]
    return {"index": [int(month) for month in table.index], "trained_on": learned,
            "cost": [float(cost) for cost in table["cost"]]}


# Answers: wrong ones with their misconceptions, and right ones written differently.


def earlier(months, month):
    return [m for m in months if m < month]


def simulated(months, fit, cost, policy, window, fit_cost, start, *, before=earlier, first=True,
              price=lambda made, fit_cost: fit_cost * made, asked=lambda i, month, since: (month, since),
              last=lambda used, window: used[-window:] if window else used, fitted=lambda used: used):
    rows, model, since = {}, None, 0
    for i, month in enumerate(m for m in months if m >= start):
        made = model is None or policy(*asked(i, month, since))
        if made:
            used = last(before(months, month), window)
            model, since = fit(fitted(used)), 0
        rows[month] = {"trained_on": tuple(used), "cost": cost(model, month) + price(made and (first or i), fit_cost)}
        since += 1
    return pd.DataFrame.from_dict(rows, orient="index")


simulate_policy.variants(simulated,
    with_the_month_itself=("M01", "The model that scores a month has not seen it.",
        dict(before=lambda months, month: [m for m in months if m <= month])),
    with_the_whole_year=("M01", "The model of a month has seen earlier months only.",
        dict(before=lambda months, _: months)),
    training_is_free=("M77", "A training costs, too.", dict(price=lambda *_: 0.0)),
    the_first_training_is_free=("M77", "The first training costs as much as any other.", dict(first=False)),
    paid_every_month=("M77", "A training is paid once, in the month before which it was.",
        dict(price=lambda made, fit_cost: fit_cost)),
    always_all_months=("M32", "The model learns from the last `window` months.", dict(last=lambda used, _: used)),
    the_first_months_of_all=("M40", "The last months count, not the first.",
        dict(last=lambda used, window: used[:window])),
    months_from_one=("M27", "The months are given; they need not begin at 1, nor be complete.",
        dict(before=lambda _, month: list(range(1, month)) or [0])),
    since_the_start=("M81", "`since` counts from the last training, not from the first.",
        dict(asked=lambda i, month, _: (month, i))),
    one_month_late=("M31", "In the month after a training, `since` is 1.",
        dict(asked=lambda _, month, since: (month, since - 1))),
    the_number_of_the_row=("M32", "The policy is asked about the month, not about the number of the row.",
        dict(asked=lambda i, _, since: (i, since))))


@simulate_policy.mistake("M22", "A model is made anew when the policy says so, and not otherwise.")
def each_month_to_be_safe(months, fit, cost, policy, window, fit_cost, start):
    return simulated(months, fit, cost, lambda month, since: True, window, fit_cost, start)


@simulate_policy.mistake("M22", "After the first model, the policy decides.")
def never_again(months, fit, cost, policy, window, fit_cost, start):
    return simulated(months, fit, cost, lambda month, since: False, window, fit_cost, start)


@simulate_policy.mistake("M32", "The last `window` months that there are, also if some are missing.")
def by_the_calendar(months, fit, cost, policy, window, fit_cost, start):
    return simulated(months, fit, cost, policy, window, fit_cost, start, before=lambda months, month: [
        m for m in months if m < month and (window is None or m >= month - window)] or months[:1])


@simulate_policy.mistake("M32", "What `fit` is given are the months that `trained_on` tells.")
def fitted_on_all(*args):
    months = args[0]
    return simulated(*args, fitted=lambda used: [m for m in months if m <= used[-1]])


@simulate_policy.mistake("M31", "The first month that is scored is `start`.")
def from_the_month_after(months, fit, cost, policy, window, fit_cost, start):
    table = simulated(months, fit, cost, policy, window, fit_cost, start)
    return table[table.index > start]


@simulate_policy.mistake("M09", "The index is the month.")
def without_the_months_as_index(*args):
    return simulated(*args).reset_index(drop=True)


@simulate_policy.mistake("M32", "`trained_on` tells of the model that scores, also where it is an old one.")
def only_where_a_training_was(*args):
    table = simulated(*args)
    old = table["trained_on"] == table["trained_on"].shift()
    return table.assign(trained_on=table["trained_on"].where(~old, None))


@simulate_policy.right
def with_lists(months, fit, cost, policy, window, fit_cost, start):
    trained, costs, at, age = [], [], [m for m in months if m >= start], None
    for month in at:
        price = 0
        if age is None or policy(month, age):
            before = [m for m in months if m < month]
            if window is not None:
                before = before[max(len(before) - window, 0):]
            model, price, age = fit(before), fit_cost, 0
        trained.append(tuple(before))
        costs.append(cost(model, month) + price)
        age += 1
    return pd.DataFrame({"trained_on": trained, "cost": costs}, index=at)


@simulate_policy.right
def with_numpy(months, fit, cost, policy, window, fit_cost, start):
    months, table, at, model = np.asarray(months), [], None, None
    for month in months[months >= start]:
        made = at is None or policy(month, month - at)
        if made:
            used, at = months[months < month][-(window or len(months)):], month
            model = fit(used)
        table.append((month, tuple(used), cost(model, month) + made * fit_cost, made))
    return pd.DataFrame(table, columns=["month", "trained_on", "cost", "made"]).set_index("month")
