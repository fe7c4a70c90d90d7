"""3.3 cyclic: the clock as a circle."""

import numpy as np
import pandas as pd

from . import lab


@lab.exercise("3.3", section="time-of-day", hints=(
    "One turn of the circle is one period. Which angle, in radians, belongs to x?",
    "The angle is `2 * np.pi * x / period`. `np.column_stack([np.sin(angle), np.cos(angle)])` has two columns."))
class cyclic:
    rule = ("Each value is a point on the unit circle, once around in one period: equal steps of x are equal "
            "distances, and x and x + period are one point.")

    def inputs(d):
        period = d.pick([7, 24, 12.0, 60, 365, 365.25, 0.5, 1, 29.5])
        x = d.list(1, 7, lambda: d.num(-30, 400, digits=d.pick([0, 2])))
        x += [value + period for value in x[:d.int(0, 1)]]
        x = pd.Series(x, index=d.index(len(x), repeats=True))
        whole = (x % 1 == 0).all() and d.flag()
        return dict(x=x.astype(int) if whole else x, period=period)

    def see(got, x, period):
        """Any circle will do, wherever it starts and whichever way it turns: the distances between the points."""
        points = np.asarray(got, float)
        if points.shape != (len(x), 2):
            raise ValueError(f"shape {points.shape} instead of {(len(x), 2)}")
        return {"radius": np.hypot(*points.T), "distances": np.linalg.norm(points[:, None] - points, axis=2)}

    def real():
        return dict(x=pd.Series([23, 0, 12]), period=24)

    def figure(seen, **_):
        near, far = seen["distances"][0, 1], seen["distances"][1, 2]
        return f"23 o'clock and midnight are {near:.2f} apart, midnight and noon {far:.2f}."


# Answers: wrong ones with their misconceptions, and right ones written differently.


@cyclic.mistake("M49", "The answer has two columns: one number cannot say where on the circle a value lies.")
def raw_value(x, period):
    return np.asarray(x, dtype=float)[:, None]


@cyclic.mistake("M49", "The answer has two columns: the sine alone is the same for two times of the day.")
def sine_only(x, period):
    return np.sin(2 * np.pi * np.asarray(x, dtype=float) / period)


@cyclic.mistake("M49", "Each point lies on the unit circle: sine and cosine, not the sine twice.")
def sine_twice(x, period):
    sine = np.sin(2 * np.pi * np.asarray(x, dtype=float) / period)
    return np.column_stack([sine, -sine])


@cyclic.mistake("M31", "x and x + period are one point: divide by the period, not by one less.")
def period_too_short_by_one(x, period):
    return circle(2 * np.pi * np.asarray(x, dtype=float) / (period - 1))


@cyclic.mistake("M10", "Sine and cosine take radians: one turn is 2 pi, not 360.")
def degrees(x, period):
    return circle(360 * np.asarray(x, dtype=float) / period)


@cyclic.mistake("M27", "The period is the argument, not always a day.")
def always_a_day(x, period):
    return circle(2 * np.pi * np.asarray(x, dtype=float) / 24)


@cyclic.mistake("M10", "A period need not be a whole number: a year has 365.25 days.")
def whole_period(x, period):
    return circle(2 * np.pi * np.asarray(x, dtype=float) / max(int(period), 1))


@cyclic.mistake("M10", "A period need not be a whole number: a year has 365.25 days.")
def rounded_period(x, period):
    return circle(2 * np.pi * np.asarray(x, dtype=float) / max(round(period), 1))


@cyclic.mistake("M46", "The period is the argument: what these values happen to cover says nothing about it.")
def period_of_the_batch(x, period):
    return circle(2 * np.pi * np.asarray(x, dtype=float) / (x.max() - x.min() + 1))


@cyclic.mistake("M46", "The period is the argument: how many values there are says nothing about it.")
def period_is_their_number(x, period):
    return circle(2 * np.pi * np.asarray(x, dtype=float) / len(x))


@cyclic.mistake("M32", "Pi is not 3.14: after some turns the points are elsewhere.")
def pi_from_school(x, period):
    return circle(2 * 3.14 * np.asarray(x, dtype=float) / period)


@cyclic.mistake("M99", "One row for each value, and two columns.")
def rows_for_columns(x, period):
    return circle(2 * np.pi * np.asarray(x, dtype=float) / period).T


@cyclic.mistake("M49", "Half a period is half a turn: 2 pi for the whole.")
def half_a_turn(x, period):
    return circle(np.pi * np.asarray(x, dtype=float) / period)


@cyclic.mistake("M41", "Values need not be whole numbers.")
def whole_numbers_only(x, period):
    return circle(2 * np.pi * np.asarray(x).astype(int) / period)


@cyclic.mistake("M31", "A negative value lies on the circle like any other: -1 is period - 1.")
def negative_is_zero(x, period):
    return circle(2 * np.pi * np.maximum(np.asarray(x, dtype=float), 0) / period)


@cyclic.right
def complex_numbers(x, period):
    z = np.exp(2j * np.pi * np.asarray(x, dtype=float) / period)
    return np.stack([z.real, z.imag], axis=1)


@cyclic.right
def other_way_round_from_noon(x, period):
    return circle(np.pi / 3 - 2 * np.pi * (x.to_numpy(float) % period) / period).tolist()


def circle(angle):
    return np.column_stack([np.sin(angle), np.cos(angle)])
