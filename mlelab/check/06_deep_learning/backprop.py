"""6.1 backprop: the gradient of a small network, by the chain rule."""

import numpy as np

from . import _real, lab


@lab.exercise("6.1", section="gradients-by-hand", hints=(
    "Walk forward and keep what you pass: the hidden numbers and p. Then walk back: how much does the loss change with "
    "z, the number under the logistic function? For one flight it is simply p - y.",
    "delta = (p - y) / n, shape (n,). w2 gets hidden.T @ delta, b2 its sum. Back through w2 and tanh: "
    "np.outer(delta, w2) * (1 - hidden**2), shape (n, h). w1 gets x.T @ that, b1 its sum over the flights."))
class backprop:
    rule = ("Each array is the derivative of the mean loss over all flights: p - y over n at the output, w2 and the "
            "slope 1 - tanh² on the way back, sums over flights for the biases.")

    def inputs(d):
        n, width, hidden = d.int(1, 5), d.int(1, 4), d.int(1, 4)
        large = d.pick([1, 1, 1, 200])  # so certain that p is 0 or 1 to the last digit

        def numbers(*shape):
            return np.array([d.int(-8, 8) / 8 for _ in range(int(np.prod(shape)))]).reshape(shape)

        params = {"w1": numbers(width, hidden), "b1": numbers(hidden), "w2": large * numbers(hidden), "b2": numbers()}
        y = np.array([d.int(0, 1) for _ in range(n)], d.pick([float, int]))
        return dict(params=params, x=2 * numbers(n, width), y=y)

    def real():
        x, y = _real.thousand()
        rng = np.random.default_rng(0)
        params = {"w1": rng.normal(size=(x.shape[1], 8)) / np.sqrt(x.shape[1]), "b1": np.zeros(8),
                  "w2": rng.normal(size=8) / np.sqrt(8), "b2": np.array(0.0)}
        return dict(params=params, x=x, y=y)

    def figure(got, params, x, y):
        gap = max(np.abs(numerical(params, x, y, name) - got[name]).max() for name in params)
        count = sum(values.size for values in params.values())
        close = "less than a millionth" if gap < 1e-6 else f"{gap:.0e}"
        return (f"A thousand flights and {count} parameters: the numerical gradient asks for the loss {2 * count} "
                f"times, yours walks once forward and once back, and they differ by {close}.")


# Answers: wrong ones with their misconceptions, and right ones written differently.


@backprop.mistake("M36", "The loss is a mean: divide by the number of flights.")
def sum_in_place_of_the_mean(params, x, y):
    return {name: len(y) * values for name, values in walked(params, x, y).items()}


@backprop.mistake("M36", "The biases belong to the same mean as the weights.")
def biases_without_the_mean(params, x, y):
    return {name: values * (len(y) if name in ("b1", "b2") else 1) for name, values in walked(params, x, y).items()}


@backprop.mistake("M36", "Divide by the number of flights once: what comes back through w2 is divided already.")
def divided_twice_below(params, x, y):
    return {name: values / (len(y) if name in ("w1", "b1") else 1) for name, values in walked(params, x, y).items()}


@backprop.mistake("M32", "The slope of tanh is 1 - tanh² of what went in. `hidden` is tanh already: 1 - hidden².")
def slope_at_the_output_of_tanh(params, x, y):
    return walked(params, x, y, slope=lambda before, hidden: 1 - np.tanh(hidden)**2)


@backprop.mistake("M32", "The slope of tanh is 1 - tanh² of what went in, not 1 - the square of what went in.")
def slope_at_the_input_of_tanh(params, x, y):
    return walked(params, x, y, slope=lambda before, hidden: 1 - before**2)


@backprop.mistake("M32", "tanh has the slope 1 - tanh². h (1 - h) is that of the logistic function.")
def slope_of_the_logistic_function(params, x, y):
    return walked(params, x, y, slope=lambda before, hidden: hidden * (1 - hidden))


@backprop.mistake("M33", "The way back goes through tanh as well: multiply by its slope.")
def slope_forgotten(params, x, y):
    return walked(params, x, y, slope=lambda before, hidden: np.ones_like(hidden))


@backprop.mistake("M33", "A bias is shared by all flights: its gradient is the sum over them, not that of one.")
def bias_of_the_first_flight(params, x, y):
    return walked(params, x, y, gathered=lambda delta: delta[0])


@backprop.mistake("M36", "delta is divided by n already: the bias gets its sum, not its mean.")
def bias_as_a_mean_of_delta(params, x, y):
    return walked(params, x, y, gathered=lambda delta: delta.mean(axis=0))


@backprop.mistake("M32", "That is the gradient of the squared error. The cross entropy's at z is p - y, no more.")
def of_the_squared_error(params, x, y):
    return walked(params, x, y, error=lambda p: 2 * (p - y) * p * (1 - p))


@backprop.mistake("M32", "The gradient at z is p - y. The slope p (1 - p) cancels against that of the logarithm.")
def slope_of_the_output_once_more(params, x, y):
    return walked(params, x, y, error=lambda p: (p - y) * p * (1 - p))


@backprop.mistake("M40", "The gradient points to where the loss grows: p - y, not y - p.")
def downhill(params, x, y):
    return {name: -values for name, values in walked(params, x, y).items()}


@backprop.mistake("M47", "Where the network is certain, p (1 - p) is 0, and dividing by it gives nan. p - y needs no "
                  "division.")
def divides_by_nothing(params, x, y):
    return walked(params, x, y, error=lambda p: (p - y) / (p * (1 - p)) * (p * (1 - p)))


@backprop.mistake("M33", "The gradient of w1 comes back through w2.")
def past_the_second_weights(params, x, y):
    return walked(params, x, y, back=lambda delta, w2: np.outer(delta, np.ones_like(w2)))


@backprop.mistake("M97", "The parameters stay as they are: the answer is the gradient, not a step.")
def takes_the_step(params, x, y):
    found = walked(params, x, y)
    for name in ("w1", "w2"):
        params[name] -= found[name]
    return found


@backprop.right
def flight_by_flight(params, x, y):
    total = {name: np.zeros(np.shape(values)) for name, values in params.items()}
    for row, late in zip(x, y):
        hidden = np.tanh(row @ params["w1"] + params["b1"])
        z = hidden @ params["w2"] + params["b2"]
        delta = (1 / (1 + np.exp(-z)) if z > 0 else np.exp(z) / (1 + np.exp(z))) - late
        before = delta * params["w2"] * (1 - hidden) * (1 + hidden)
        for name, one in {"w1": np.outer(row, before), "b1": before, "w2": delta * hidden, "b2": delta}.items():
            total[name] = total[name] + one / len(y)
    return total


@backprop.right
def with_einsum(params, x, y):
    before = np.einsum("nd,dh->nh", x, params["w1"]) + params["b1"]
    hidden = np.tanh(before)
    z = np.einsum("nh,h->n", hidden, params["w2"]) + params["b2"]
    delta = np.exp(-np.logaddexp(0, -z)) - y
    inner = np.einsum("n,h,nh->nh", delta, params["w2"], 1 - np.tanh(before)**2)
    return {"b2": float(delta.mean()), "w2": np.einsum("n,nh->h", delta, hidden) / len(y),
            "b1": inner.mean(axis=0), "w1": np.einsum("nd,nh->dh", x, inner) / len(y)}


def walked(params, x, y, *, slope=lambda before, hidden: 1 - hidden**2, gathered=lambda delta: delta.sum(axis=0),
           error=None, back=np.outer):
    before = x @ params["w1"] + params["b1"]
    hidden = np.tanh(before)
    p = 1 / (1 + np.exp(-(hidden @ params["w2"] + params["b2"])))
    delta = (p - y if error is None else error(p)) / len(y)
    inner = back(delta, params["w2"]) * slope(before, hidden)
    return {"w1": x.T @ inner, "b1": gathered(inner), "w2": hidden.T @ delta, "b2": gathered(delta)}


def numerical(params, x, y, name, step=1e-5):
    """Central differences of the loss for each number of one array."""
    def loss(values):
        now = params | {name: values}
        z = np.tanh(x @ now["w1"] + now["b1"]) @ now["w2"] + now["b2"]
        return np.mean(np.logaddexp(0, z) - y * z)

    found = np.zeros(params[name].shape)
    for place in np.ndindex(found.shape):
        moved = np.zeros(found.shape)
        moved[place] = step
        found[place] = (loss(params[name] + moved) - loss(params[name] - moved)) / (2 * step)
    return found
