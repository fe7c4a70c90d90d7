"""5.6 accumulate: a big batch in small pieces. `gradient` writes down what it was given."""

import numpy as np

from . import _real, lab


@lab.exercise("5.6", section="when-the-batch-does-not-fit", hints=(
    "Keep two running sums, of gradients times rows and of rows. Every `every` micro-batches, and at the very end, "
    "step "
    "once and set both to zero.",
    "`total += len(y) * gradient(parameters, x, y)` and `rows += len(y)`; when the group is complete, `parameters = "
    "parameters - rate * total / rows`."))
class accumulate:
    rule = ("The parameters are those of big batches: each group of micro-batches counts as one, each row in it the "
            "same, "
            "and the last group may be smaller.")

    def inputs(d):
        columns = d.int(1, 3)
        batches = []
        for _ in range(d.int(1, 7)):
            rows = d.int(1, 4)
            x = np.array([[d.int(-4, 4) / 2 for _ in range(columns)] for _ in range(rows)])
            batches.append((x, np.array([float(d.int(0, 1)) for _ in range(rows)])))
        return dict(parameters=np.array([d.int(-4, 4) / 4 for _ in range(columns)]), micro_batches=batches,
                    rate=d.pick([0.5, 0.1, 2.0]), every=d.int(1, 4))

    def run(accumulate, parameters, micro_batches, rate, every):
        calls = []

        def gradient(parameters, x, y):
            calls.append((tuple(np.asarray(parameters, float).tolist()), len(y)))
            return _real.slope(np.asarray(parameters, float), x, y)

        got = np.asarray(accumulate(parameters, micro_batches, gradient, rate, every), float)
        groups = [micro_batches[first:first + every] for first in range(0, len(micro_batches), every)]
        return {"parameters": got, "largest piece": max((n for _, n in calls), default=0),
                "steps seen by gradient": len({p for p, _ in calls}) <= len(groups)}

    def real():
        X, y = _real.thousand()
        parts = [slice(0, 300), slice(300, 600), slice(600, 900), slice(900, 1_000)]
        return [dict(parameters=np.zeros(X.shape[1]), micro_batches=[(X[part], y[part]) for part in parts], rate=0.5,
                     every=4), dict(parameters=np.zeros(X.shape[1]), micro_batches=[(X, y)], rate=0.5, every=1)]

    def figure(got, parameters, rate, **_):
        X, y = _real.thousand()
        big = parameters - rate * _real.slope(parameters, X, y)
        same = np.allclose(got["parameters"], big, rtol=0, atol=1e-12)
        return ("1,000 flights at once, or as 300, 300, 300 and 100: the parameters are "
                f"{'the same' if same else 'different'} to twelve decimals.")

    def shows(parameters, micro_batches, rate, every):
        sizes = [len(y) for _, y in micro_batches]
        return f"accumulate({parameters.tolist()}, micro-batches of {sizes} rows, gradient, {rate=}, {every=})", None


# Answers: wrong ones with their misconceptions, and right ones written differently.


def groups(micro_batches, every):
    return [micro_batches[first:first + every] for first in range(0, len(micro_batches), every)]


def summed(parameters, group, gradient):
    return sum(len(y) * gradient(parameters, x, y) for x, y in group)


def rows(group):
    return sum(len(y) for _, y in group)


@accumulate.mistake("M07", "Each row of a group counts the same, whichever micro-batch it is in.")
def mean_of_means(parameters, micro_batches, gradient, rate, every):
    for group in groups(micro_batches, every):
        parameters = parameters - rate * np.mean([gradient(parameters, x, y) for x, y in group], axis=0)
    return parameters


@accumulate.mistake("M07", "Each row of a group counts the same, also in a last group that is not full.")
def a_share_of_each_mean(parameters, micro_batches, gradient, rate, every):
    for group in groups(micro_batches, every):
        parameters = parameters - rate * sum(gradient(parameters, x, y) / every for x, y in group)
    return parameters


@accumulate.mistake("M36", "The update takes the gradient of the mean loss: divide by the rows of the group.")
def never_divided(parameters, micro_batches, gradient, rate, every):
    for group in groups(micro_batches, every):
        parameters = parameters - rate * summed(parameters, group, gradient)
    return parameters


@accumulate.mistake("M36", "Divide by the rows that the group has, not by those of a full one.")
def divided_as_if_all_groups_were_full(parameters, micro_batches, gradient, rate, every):
    for group in groups(micro_batches, every):
        parameters = parameters - rate * summed(parameters, group, gradient) / (every * len(micro_batches[0][1]))
    return parameters


@accumulate.mistake("M36", "The rate is not divided by `every`: the gradient is a mean already.")
def rate_divided_by_every(parameters, micro_batches, gradient, rate, every):
    return group_by_group(parameters, micro_batches, gradient, rate / every, every)


@accumulate.mistake("M60", "The micro-batches of a group see the same parameters: one update, after the group.")
def steps_on_each_micro_batch(parameters, micro_batches, gradient, rate, every):
    return group_by_group(parameters, micro_batches, gradient, rate, 1)


@accumulate.mistake("M60", "A new group begins with a sum of zero.")
def sum_never_cleared(parameters, micro_batches, gradient, rate, every):
    total = 0.0
    for group in groups(micro_batches, every):
        total = total + summed(parameters, group, gradient)
        parameters = parameters - rate * total / rows(group)
    return parameters


@accumulate.mistake("M09", "The last group counts, too, if it is not full.")
def last_group_forgotten(parameters, micro_batches, gradient, rate, every):
    return group_by_group(parameters, micro_batches[:len(micro_batches) // every * every], gradient, rate, every)


@accumulate.mistake("M33", "Each group is an update.")
def first_group_only(parameters, micro_batches, gradient, rate, every):
    return group_by_group(parameters, micro_batches[:every], gradient, rate, every)


@accumulate.mistake("M27", "`every` micro-batches are a group, not all of them.")
def all_in_one_group(parameters, micro_batches, gradient, rate, every):
    return group_by_group(parameters, micro_batches, gradient, rate, len(micro_batches))


@accumulate.mistake("M59", "gradient gets one micro-batch at a time: putting them together needs the memory that was "
                           "not "
                    "there.")
def big_batch_after_all(parameters, micro_batches, gradient, rate, every):
    for group in groups(micro_batches, every):
        x, y = np.concatenate([x for x, _ in group]), np.concatenate([y for _, y in group])
        parameters = parameters - rate * gradient(parameters, x, y)
    return parameters


@accumulate.right
def group_by_group(parameters, micro_batches, gradient, rate, every):
    for group in groups(micro_batches, every):
        slopes = [gradient(parameters, x, y) for x, y in group]
        parameters = parameters - rate * np.average(slopes, axis=0, weights=[len(y) for _, y in group])
    return parameters


@accumulate.right
def by_recursion(parameters, micro_batches, gradient, rate, every):
    if not micro_batches:
        return list(parameters)
    first = micro_batches[:every]
    stepped = np.asarray(parameters) - rate / rows(first) * summed(np.asarray(parameters), first, gradient)
    return by_recursion(stepped, micro_batches[every:], gradient, rate, every)
