"""6.3 conv2d: one kernel, the same everywhere."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from . import _real, lab


@lab.exercise("6.3", section="convolution", hints=(
    "Pad first, then think in windows of the kernel's size. One window and one kernel give one number: the sum of all "
    "their products, plus the bias.",
    "\"same\" needs k - 1 more rows: (k - 1) // 2 before, the rest behind; columns likewise. "
    "`np.lib.stride_tricks.sliding_window_view(images, (kh, kw), axis=(1, 2))` has the windows, (n, h', w', c, kh, "
    "kw); `np.einsum` multiplies and adds up."))
class conv2d:
    rule = ("Each output is the sum of the products of kernel and window, over rows, columns and all channels in, as "
            "they lie and not turned round, plus the bias of its channel; \"same\" pads with zeros, the odd one at the "
            "end.")
    raises = (ValueError,)

    def inputs(d):
        n, height, width, channels, out = d.int(1, 2), d.int(1, 5), d.int(1, 5), d.int(1, 3), d.int(1, 3)
        padding = d.pick(["valid", "same", "same", "valid", "same", "full", "SAME"])
        kh, kw = (d.int(1, size if padding == "valid" else 4) for size in (height, width))

        def numbers(*shape):
            return np.array([d.int(-3, 3) for _ in range(int(np.prod(shape)))], float).reshape(shape)

        return dict(images=numbers(n, height, width, channels), kernels=numbers(kh, kw, channels, out),
                    bias=numbers(out), padding=padding)

    def real():
        edges = np.array([[-1.0, 0, 1]] * 3)
        return dict(images=_real.digits(), kernels=np.stack([edges, edges.T], axis=-1)[:, :, None], bias=np.zeros(2),
                    padding="same")

    def figure(got, images, kernels, **_):
        return (f"Twenty digits became {got.shape[1]} by {got.shape[2]} numbers in {got.shape[3]} channels, from "
                f"{kernels.size} weights. A dense layer would need {images[0].size * got[0].size:,}.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


@conv2d.mistake("M40", "The kernel lies on the image as it is: deep learning's convolution does not turn it round.")
def kernel_turned_round(images, kernels, bias, padding):
    return slid(images, kernels[::-1, ::-1], bias, padding)


@conv2d.mistake("M31", "With an even kernel one side has one row more: the end.")
def odd_row_before(images, kernels, bias, padding):
    return slid(images, kernels, bias, padding, before=lambda k: k // 2)


@conv2d.mistake("M31", "\"same\" keeps the image in the middle of its padding.")
def padded_at_the_end_only(images, kernels, bias, padding):
    return slid(images, kernels, bias, padding, before=lambda k: 0)


@conv2d.mistake("M32", "\"same\" pads with zeros, not with copies of the edge.")
def padded_with_the_edge(images, kernels, bias, padding):
    return slid(images, kernels, bias, padding, mode="edge")


@conv2d.mistake("M32", "\"same\" pads with zeros, not with the other side of the image.")
def padded_with_the_other_side(images, kernels, bias, padding):
    return slid(images, kernels, bias, padding, mode="wrap")


@conv2d.mistake("M33", "Each output adds up all channels of the image.")
def first_channel_only(images, kernels, bias, padding):
    return slid(images[..., :1], kernels[:, :, :1], bias, padding)


@conv2d.mistake("M07", "Channels are added up, not averaged.")
def mean_of_the_channels(images, kernels, bias, padding):
    return slid(images, kernels / images.shape[-1], bias, padding)


@conv2d.mistake("M33", "Each output channel has its bias.")
def without_bias(images, kernels, bias, padding):
    return slid(images, kernels, 0 * bias, padding)


@conv2d.mistake("M07", "The bias comes once for each output, not once for each channel in.")
def bias_for_each_channel(images, kernels, bias, padding):
    return slid(images, kernels, bias * images.shape[-1], padding)


@conv2d.mistake("M99", "A kernel has its own height and width, in this order.")
def rows_and_columns_swapped(images, kernels, bias, padding):
    return slid(images, np.swapaxes(kernels, 0, 1), bias, padding)


@conv2d.mistake("M99", "A padding of another name is a ValueError.")
def any_other_is_same(images, kernels, bias, padding):
    return slid(images, kernels, bias, padding if padding == "valid" else "same")


@conv2d.mistake("M99", "A padding of another name is a ValueError.")
def any_other_is_valid(images, kernels, bias, padding):
    valid = padding != "same" and all(k <= s for k, s in zip(kernels.shape, images.shape[1:3]))
    return slid(images, kernels, bias, "valid" if valid else "same")


@conv2d.mistake("M99", "\"same\" pads, \"valid\" does not.")
def never_padded(images, kernels, bias, padding):
    if padding == "same" and any(k > s for k, s in zip(kernels.shape, images.shape[1:3])):
        return slid(images, kernels, bias, padding)
    return slid(images, kernels, bias, "valid" if padding == "same" else padding)


@conv2d.right
def number_by_number(images, kernels, bias, padding):
    if padding not in ("valid", "same"):
        raise ValueError("padding")
    (n, height, width, _), (kh, kw, _, out) = images.shape, kernels.shape
    top, left = ((kh - 1) // 2, (kw - 1) // 2) if padding == "same" else (0, 0)
    shape = (height, width) if padding == "same" else (height - kh + 1, width - kw + 1)
    result = np.zeros((n, *shape, out)) + bias
    for row, column in np.ndindex(*shape):
        for i, j in np.ndindex(kh, kw):
            y, x = row + i - top, column + j - left
            if 0 <= y < height and 0 <= x < width:
                result[:, row, column] += images[:, y, x] @ kernels[i, j]
    return result


@conv2d.right
def one_shift_at_a_time(images, kernels, bias, padding):
    images, (kh, kw) = padded(images, kernels, padding), kernels.shape[:2]
    rows, columns = images.shape[1] - kh + 1, images.shape[2] - kw + 1
    return bias + sum(images[:, i:i + rows, j:j + columns] @ kernels[i, j] for i in range(kh) for j in range(kw))


def padded(images, kernels, padding, before=lambda k: (k - 1) // 2, mode="constant"):
    if padding not in ("valid", "same"):
        raise ValueError(padding)
    if padding == "valid":
        return images
    first = [before(k) for k in kernels.shape[:2]]
    return np.pad(images, [(0, 0), *((f, k - 1 - f) for f, k in zip(first, kernels.shape)), (0, 0)], mode=mode)


def slid(images, kernels, bias, padding, **how):
    windows = sliding_window_view(padded(images, kernels, padding, **how), kernels.shape[:2], axis=(1, 2))
    return np.einsum("nhwcij,ijco->nhwo", windows, kernels) + bias
