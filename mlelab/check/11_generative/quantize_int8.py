"""11.8 quantize_int8: weights as integers of 8 bits."""

import numpy as np

from . import _real, lab


@lab.exercise("11.8", section="compression", hints=(
    "The range of a row is cut into 255 steps. Which integer stands for 0, and why must 0 lie in the range?",
    "`low = np.minimum(weights.min(axis=1), 0)`, high likewise. Give scale and zero_point an axis more, `scale[:, "
    "None]`, "
    "to divide whole rows. Round before you make it int8: `astype` cuts off."))
class quantize_int8:
    rule = ("For each row, 255 steps from its smallest value or 0 to its largest or 0; q = round(weight / scale) + "
            "zero_point, as int8, and a weight of 0 comes back as exactly 0.")

    def inputs(d):
        columns, size = d.int(1, 5), d.pick([1.0, 1 / 1024, 64.0])

        def row():
            kind = d.pick(["both", "both", "above", "below", "zeros", "same", "lopsided"])
            low, high = {"above": (1, 90), "below": (-90, -1), "zeros": (0, 0)}.get(kind, (-90, 90))
            values = [float(d.int(low, high)) for _ in range(columns)]
            if kind == "same":
                values = [values[0]] * columns
            if kind == "lopsided":
                values[-1] = d.pick([1000.0, -1000.0])
            if kind == "both" and d.flag(0.4):
                values[0] = 0.0
            return [value * size for value in values]

        weights = np.array([row() for _ in range(d.int(1, 4))])
        d.need(_clear(weights).all())
        return dict(weights=weights.astype(np.float32) if d.flag(0.3) else weights)

    def see(got, weights):
        q, scale, zero_point = got
        return {"q": q, "kind of q": str(q.dtype), "scale": scale, "zero_point": zero_point,
                "zero_point is whole": zero_point.dtype.kind == "i"}

    def real():
        rows = _real.embeddings()
        return dict(weights=rows[_clear(rows)])

    def figure(got, weights):
        again = (got["q"].astype(float) - got["zero_point"][:, None]) * got["scale"][:, None]
        small = got["q"].size + 8 * len(weights)
        return (f"{len(weights)} rows of real embeddings: {4 * weights.size / 1000:.0f} kB as float32, "
                f"{small / 1000:.0f} kB as int8 with a scale and a zero point of four bytes each for every row. The "
                f"furthest weight is off by {np.abs(again - weights).max() / weights.std():.3f} standard deviations.")


def _clear(weights):
    """Rows in which nothing to be rounded lies near halfway between two integers."""
    low, high = np.minimum(weights.min(axis=1), 0), np.maximum(weights.max(axis=1), 0)
    scale = np.where(high > low, (high - low) / 255, 1)
    ratios = np.column_stack([weights / scale[:, None], low / scale])
    return (np.abs(ratios - np.floor(ratios) - 0.5) > 1e-3).all(axis=1)


# Answers: wrong ones with their misconceptions, and right ones written differently.


def quantized(weights, *, low=lambda w: np.minimum(w.min(axis=1), 0), high=lambda w: np.maximum(w.max(axis=1), 0),
              steps=255, empty=True, zero=lambda low, scale: np.round(-128 - low / scale), round=np.round, first=-128,
              cast=lambda q: np.clip(q, -128, 127).astype(np.int8)):
    bottom, top = low(weights), high(weights)
    with np.errstate(all="ignore"):
        scale = (top - bottom) / steps
        scale = np.where(top > bottom, scale, 1) if empty else scale
        zero_point = np.nan_to_num(zero(bottom, scale)).astype(int)
        return cast(round(weights / scale[:, None]) + zero_point[:, None]), scale, zero_point


def whole(function):
    return lambda w: np.full(len(w), function(w))


quantize_int8.variants(
    quantized,
    one_scale_for_all=("M07", "Each row has its own scale: with one for all, a single large row makes the others "
                              "coarse.",
                       dict(low=whole(lambda w: min(w.min(), 0)), high=whole(lambda w: max(w.max(), 0)))),
    zero_outside_of_the_range=("M47", "0 must lie in the range, also of a row that is all above or all below it.",
                               dict(low=lambda w: w.min(axis=1), high=lambda w: w.max(axis=1))),
    two_hundred_fifty_six_steps=("M31", "256 numbers have 255 steps between them.", dict(steps=256)),
    a_row_of_zeros_divides_by_zero=("M47", "A row of zeros has no range: its scale is 1.", dict(empty=False)),
    cuts_off=("M32", "Round: what `astype` cuts off makes all weights smaller.", dict(round=np.trunc)),
    rounds_down=("M32", "Round to the nearest integer, not down.", dict(round=np.floor)),
    zero_point_cut_off=("M32", "The zero point is rounded, too.", dict(zero=lambda low,
                                                                       scale: np.trunc(-128 - low / scale))),
    zero_point_of_unsigned=("M10", "int8 begins at -128, not at 0.",
                            dict(zero=lambda low, scale: np.round(-low / scale))),
    wraps_around=("M41", "A number above 127 as int8 becomes a negative one.",
                  dict(zero=lambda low, scale: np.round(-low / scale),
                       cast=lambda q: q.astype(np.int64).astype(np.int8))),
    kept_as_floats=("M41", "q is of dtype int8: only that takes a byte each.", dict(cast=lambda q: q)),
    unsigned=("M41", "q is of dtype int8, with negative numbers.", dict(cast=lambda q: (q % 256).astype(np.uint8))))


@quantize_int8.mistake("M32", "The range need not be symmetric: it goes from the smallest value to the largest.")
def symmetric(weights):
    scale = np.abs(weights).max(axis=1) / 127
    scale = np.where(scale > 0, scale, 1)
    return np.round(weights / scale[:, None]).astype(np.int8), scale, np.zeros(len(weights), int)


@quantize_int8.mistake("M40", "A scale for each row, not for each column.")
def by_column(weights):
    q, scale, zero_point = quantized(weights.T)
    return q.T, scale, zero_point


@quantize_int8.mistake("M32", "scale is a step, not how many steps a unit has.")
def scale_upside_down(weights):
    q, scale, zero_point = quantized(weights)
    return q, 1 / scale, zero_point


@quantize_int8.right
def row_by_row(weights):
    rows, scales, zeros = [], [], []
    for row in weights:
        low, high = min(0.0, *map(float, row)), max(0.0, *map(float, row))
        scale = (high - low) / 255 or 1.0
        zero = round(-128 - low / scale)
        rows.append([round(float(value) / scale) + zero for value in row])
        scales.append(scale)
        zeros.append(zero)
    return np.array(rows, dtype=np.int8), np.array(scales), np.array(zeros)


@quantize_int8.right
def with_a_column_of_zeros(weights):
    padded = np.hstack([np.zeros((len(weights), 1)), weights])
    scale = np.ptp(padded, axis=1) / 255
    scale[scale == 0] = 1
    zero_point = np.rint(-padded.min(axis=1) / scale - 128).astype(np.int32)
    q = np.rint(weights / scale.reshape(-1, 1)).astype(np.int32) + zero_point.reshape(-1, 1)
    return q.astype("int8"), scale, zero_point
