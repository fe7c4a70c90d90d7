"""6.2 gradient_norms: how large the gradient is that reaches each layer."""

import numpy as np
from scipy.special import expit

from . import lab


@lab.exercise("6.2", section="depth", hints=(
    "Keep the input of every layer on the way forward, and what went into its activation. On the way back, the "
    "gradient passes the activation first, then the weights.",
    "Begin with ones of the last output's shape. For each layer from the last one: grad = grad * slope; the gradient "
    "of the weights is inputs.T @ grad, its norm goes to the front of the list; then grad = grad @ weights.T."))
class gradient_norms:
    rule = ("Back from ones at the last output: through each layer's slope, then inputs.T @ grad is the gradient of "
            "its weights, and the root of the sum of its squares is the norm. First layer first.")
    atol = 1e-12
    raises = (ValueError,)

    def inputs(d):
        sizes = [d.int(1, 3) for _ in range(d.int(2, 5))]
        weights = [np.array([d.int(-4, 4) / d.pick([2, 1, 4]) for _ in range(a * b)]).reshape(a, b)
                   for a, b in zip(sizes, sizes[1:])]
        rows = d.int(1, 3)
        x = np.array([d.int(-4, 4) / 2 for _ in range(rows * sizes[0])]).reshape(rows, sizes[0])
        activation = d.pick(["relu", "tanh", "sigmoid", "relu", "tanh", "sigmoid", "ReLU", "linear"])
        return dict(weights=weights, activation=activation, x=x)

    def real():
        rng = np.random.default_rng(0)
        return dict(weights=[rng.normal(0, 0.1, (32, 32)) for _ in range(10)], activation="sigmoid",
                    x=rng.normal(size=(16, 32)))

    def figure(norms, **_):
        return (f"Ten layers of 32 with sigmoid and small weights: the last gets a gradient of {norms[-1]:.0f}, the "
                f"first one of {norms[0]:.0e}.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


@gradient_norms.mistake("M32", "The norm is that of the gradient, not of the weights.")
def of_the_weights(weights, activation, x):
    walked(weights, activation, x)
    return [np.sqrt((w**2).sum()) for w in weights]


@gradient_norms.mistake("M40", "The first layer's norm comes first.")
def last_layer_first(weights, activation, x):
    return walked(weights, activation, x)[::-1]


@gradient_norms.mistake("M32", "The norm is the root of the sum of squares.")
def without_the_root(weights, activation, x):
    return [norm**2 for norm in walked(weights, activation, x)]


@gradient_norms.mistake("M32", "The norm is over all numbers of the matrix, not its largest singular value.")
def largest_singular_value(weights, activation, x):
    return walked(weights, activation, x, norm=lambda grad: np.linalg.norm(grad, 2))


@gradient_norms.mistake("M32", "The way back begins at the sum of the outputs, not at their mean.")
def mean_of_the_outputs(weights, activation, x):
    return [norm / (len(x) * weights[-1].shape[1]) for norm in walked(weights, activation, x)]


@gradient_norms.mistake("M33", "The last layer has its activation, too.")
def last_layer_linear(weights, activation, x):
    return walked(weights, activation, x, last=False)


@gradient_norms.mistake("M33", "The gradient passes the slope of every activation on its way.")
def slopes_forgotten(weights, activation, x):
    return walked(weights, activation, x, slopes={name: lambda z, a: np.ones_like(z) for name in SLOPES})


@gradient_norms.mistake("M31", "The slope of ReLU at 0 is 0.")
def relu_at_zero(weights, activation, x):
    return walked(weights, activation, x, slopes=SLOPES | {"relu": lambda z, a: (z >= 0).astype(float)})


@gradient_norms.mistake("M31", "The slope of ReLU at 0 is 0, not a half.")
def relu_at_zero_a_half(weights, activation, x):
    return walked(weights, activation, x, slopes=SLOPES | {"relu": lambda z, a: np.heaviside(z, 0.5)})


@gradient_norms.mistake("M32", "The slopes of sigmoid and tanh are s (1 - s) and 1 - t², of the layer's output.")
def slope_of_what_went_out(weights, activation, x):
    return walked(weights, activation, x, slopes=SLOPES | {"sigmoid": lambda z, a: expit(a) * (1 - expit(a)),
                                                          "tanh": lambda z, a: 1 - np.tanh(a)**2})


@gradient_norms.mistake("M32", "Each activation has its own slope.")
def one_slope_for_all(weights, activation, x):
    return walked(weights, activation, x, slopes=SLOPES | {"sigmoid": SLOPES["tanh"]})


@gradient_norms.mistake("M32", "The gradient of the weights needs what went into the layer, not what came out of it.")
def only_what_flows_back(weights, activation, x):
    return walked(weights, activation, x, of_weights=lambda inputs, grad: grad)


@gradient_norms.mistake("M99", "An activation of another name is a ValueError.")
def any_other_is_relu(weights, activation, x):
    return walked(weights, activation if activation in SLOPES else "relu", x)


@gradient_norms.right
def from_the_last_to_the_first(weights, activation, x):
    if activation not in SLOPES:
        raise ValueError(activation)
    return np.array(below(weights, activation, np.asarray(x, float))[0])


@gradient_norms.right
def forward_derivatives(weights, activation, x):
    """One number of one weight at a time: its effect on the sum, carried forward."""
    if activation not in SLOPES:
        raise ValueError(activation)
    norms = []
    for layer, w in enumerate(weights):
        squares = 0.0
        for place in np.ndindex(w.shape):
            a, moved = x, np.zeros_like(x)
            for number, now in enumerate(weights):
                z, change = a @ now, moved @ now
                if number == layer:
                    change[:, place[1]] += a[:, place[0]]
                a = ACTIVATIONS[activation](z)
                moved = change * SLOPES[activation](z, a)
            squares += moved.sum()**2
        norms.append(np.sqrt(squares))
    return norms


ACTIVATIONS = {"sigmoid": expit, "tanh": np.tanh, "relu": lambda z: np.maximum(z, 0)}
SLOPES = {"sigmoid": lambda z, a: a * (1 - a), "tanh": lambda z, a: 1 - a**2, "relu": lambda z, a: (z > 0) * 1.0}


def below(weights, activation, x):
    """(norms of these layers, gradient of the sum with respect to x)."""
    if not weights:
        return [], np.ones_like(x)
    a = ACTIVATIONS[activation](x @ weights[0])
    norms, grad = below(weights[1:], activation, a)
    grad = grad * SLOPES[activation](x @ weights[0], a)
    return [np.linalg.norm(x.T @ grad), *norms], grad @ weights[0].T


def walked(weights, activation, x, *, slopes=None, norm=np.linalg.norm, last=True,
           of_weights=lambda inputs, grad: inputs.T @ grad):
    if activation not in SLOPES:
        raise ValueError(activation)
    kept = [x]
    for number, w in enumerate(weights):
        z = kept[-1] @ w
        kept.append(ACTIVATIONS[activation](z) if last or number + 1 < len(weights) else z)
    grad, norms = np.ones_like(kept[-1]), []
    for number in reversed(range(len(weights))):
        if last or number + 1 < len(weights):
            grad = grad * (slopes or SLOPES)[activation](kept[number] @ weights[number], kept[number + 1])
        norms.insert(0, norm(of_weights(kept[number], grad)))
        grad = grad @ weights[number].T
    return norms
