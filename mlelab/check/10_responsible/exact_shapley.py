"""10.6 exact_shapley: what each column adds, averaged over all orders."""

import itertools
import math

import numpy as np

from . import lab


@lab.exercise("10.6", section="explaining-one-decision", hints=(
    "First a function for what a set of columns is worth. Then for each column: all sets without it, and a weight for "
    "each size of set.",
    "`itertools.combinations` gives the sets; the weight of a set of size s is s! (k - s - 1)! / k!. Put x into "
    "copies of "
    "the background rows, call f on all of them, take the mean."))
class exact_shapley:
    rule = ("A column's value is what it adds, averaged over all orders; the values add up to f(x) minus the mean of "
            "f over "
            "the background.")
    atol = 1e-7

    def inputs(d):
        k, m = d.int(2, 6), d.int(1, 4)
        background = np.array([[d.int(-3, 3) for _ in range(k)] for _ in range(m)], float)
        if d.flag(0.3):  # a row that is there twice counts twice
            background = np.vstack([background, background[:1]])
        x = np.array([d.int(-3, 3) for _ in range(k)], float)
        slopes = [d.int(-2, 2) for _ in range(k)]  # 0: a column that counts alone for nothing
        products = [tuple(d.some(range(k), 1)) for _ in range(d.int(0, 3))]
        return dict(slopes=slopes, products=products, constant=d.int(-1, 1), x=x, background=background)

    def run(exact_shapley, slopes, products, constant, x, background):
        def f(rows):
            rows = np.asarray(rows, dtype=float)
            if rows.ndim != 2 or rows.shape[1] != len(slopes):
                raise ValueError(f"f takes rows of shape (n, {len(slopes)}), and was given {rows.shape}")
            return constant + rows @ np.array(slopes, float) + sum(
                (np.prod(rows[:, list(columns)], axis=1) for columns in products), np.zeros(len(rows)))

        return exact_shapley(f, x, background)

    def shows(slopes, products, constant, x, background):
        parts = [f"{slope} c{i}" for i, slope in enumerate(slopes) if slope] + [
            " ".join(f"c{i}" for i in columns) for columns in products] + [str(constant)]
        return f"exact_shapley(f, x={x.tolist()}, background={background.tolist()}) with f = {' + '.join(parts)}", None

    def real():
        return dict(slopes=[0, 0, 0], products=[(0, 1, 2)], constant=0, x=np.ones(3), background=np.zeros((2, 3)))

    def figure(values, **_):
        return f"Three columns that count only together share equally: {', '.join(f'{v:.2f}' for v in values)}."


# Answers: wrong ones with their misconceptions, and right ones written differently.


@exact_shapley.mistake("M92", "One order of the columns is not all: what a column adds depends on who came before.")
def first_to_last(f, x, background):
    return np.array([added(f, x, background, column, range(column)) for column in range(len(x))])


@exact_shapley.mistake("M92", "What a column adds alone is not what it adds to the others.")
def each_alone(f, x, background):
    return np.array([added(f, x, background, column, ()) for column in range(len(x))])


@exact_shapley.mistake("M92", "What a column adds last is not what it adds in the other orders.")
def each_left_out(f, x, background):
    return np.array([added(f, x, background, column, [c for c in range(len(x)) if c != column])
                     for column in range(len(x))])


@exact_shapley.mistake("M93", "The worth of a set is the mean of f over the rows, not f of the mean row.")
def against_the_mean_row(f, x, background):
    return over_all_orders(f, x, background.mean(axis=0, keepdims=True))


@exact_shapley.mistake("M16", "All rows of the background count.")
def the_first_row_only(f, x, background):
    return over_all_orders(f, x, background[:1])


@exact_shapley.mistake("M16", "A row that is twice in the background counts twice.")
def each_row_once(f, x, background):
    return over_all_orders(f, x, np.unique(background, axis=0))


@exact_shapley.mistake("M92", "All orders count, not one and its reverse.")
def there_and_back(f, x, background):
    return over_all_orders(f, x, background, [range(len(x)), range(len(x))[::-1]])


@exact_shapley.mistake("M92", "All orders count, not the k that begin somewhere else.")
def in_a_circle(f, x, background):
    k = len(x)
    return over_all_orders(f, x, background, [[(first + step) % k for step in range(k)] for first in range(k)])


@exact_shapley.mistake("M07", "Sets of different size stand for different numbers of orders.")
def all_sets_count_alike(f, x, background):
    k, values = len(x), np.zeros(len(x))
    for column in range(k):
        rest = [c for c in range(k) if c != column]
        sets = [known for size in range(k) for known in itertools.combinations(rest, size)]
        values[column] = np.mean([added(f, x, background, column, known) for known in sets])
    return values


@exact_shapley.mistake("M91", "A slope is no contribution: products of columns count, too.")
def slopes(f, x, background):
    ones, minus = np.asarray(f(np.eye(len(x)))), np.asarray(f(-np.eye(len(x))))
    return (ones - minus) / 2 * (x - background.mean(axis=0))


@exact_shapley.mistake("M40", "The values lead from the mean over the background to f(x), not back.")
def from_x_to_the_background(f, x, background):
    return -over_all_orders(f, x, background)


@exact_shapley.mistake("M16", "All orders, not some drawn ones: the answer is exact.")
def two_hundred_orders(f, x, background):
    rng = np.random.default_rng(0)
    return over_all_orders(f, x, background, [rng.permutation(len(x)) for _ in range(200)])


@exact_shapley.right
def over_all_orders(f, x, background, orders=None):
    values = np.zeros(len(x))
    orders = orders or list(itertools.permutations(range(len(x))))
    for order in orders:
        rows = background.copy()
        before = np.mean(f(rows))
        for column in order:
            rows[:, column] = x[column]
            after = np.mean(f(rows))
            values[column] += after - before
            before = after
    return values / len(orders)


@exact_shapley.right
def with_bit_masks(f, x, background):
    k = len(x)
    masks = (np.arange(2**k)[:, None] >> np.arange(k)) & 1
    value = [np.mean(f(np.where(mask == 1, x, background))) for mask in masks]
    return [sum((value[s | 1 << j] - value[s]) / (k * math.comb(k - 1, int(masks[s].sum())))
                for s in range(2**k) if not s >> j & 1) for j in range(k)]


def added(f, x, background, column, known):
    def worth(columns):
        rows = background.copy()
        rows[:, list(columns)] = x[list(columns)]
        return float(np.mean(f(rows)))

    return worth((*known, column)) - worth(known)
