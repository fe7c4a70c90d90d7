"""The same twenty steps in three libraries: `python same_step.py tensorflow`, or jax, or torch, each where it lives.

Weights and rows come from numpy, arithmetic is float64, the optimiser is plain gradient descent. What is left are
three ways to say "gradient". Prints the sums of the final weights as JSON; to nine digits they are the same.
"""

import json
import sys

import numpy as np

STEPS, RATE = 20, 0.1


def start(seed=5):
    """Weights of a layer of 32 and of one on top, and 256 rows of 20 columns with a label."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(256, 20))
    y = (x[:, 0] + x[:, 1] * x[:, 2] > 1).astype(float)
    return [rng.normal(size=(20, 32)) / 5, np.zeros(32), rng.normal(size=(32, 1)) / 6, np.zeros(1)], x, y


def tensorflow(weights, x, y):
    import tensorflow as tf

    weights = [tf.Variable(weight) for weight in weights]
    for _ in range(STEPS):
        with tf.GradientTape() as tape:
            hidden = tf.nn.relu(x @ weights[0] + weights[1])
            scores = (hidden @ weights[2] + weights[3])[:, 0]
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(y, scores))
        for weight, gradient in zip(weights, tape.gradient(loss, weights)):
            weight.assign_sub(RATE * gradient)
    return tf.__version__, weights


def jax(weights, x, y):
    import jax

    jax.config.update("jax_enable_x64", True)  # it computes in float32 otherwise, whatever comes in

    def loss(weights):
        hidden = jax.nn.relu(x @ weights[0] + weights[1])
        scores = (hidden @ weights[2] + weights[3])[:, 0]
        return jax.numpy.mean(jax.nn.softplus(scores) - y * scores)

    gradient = jax.jit(jax.grad(loss))
    for _ in range(STEPS):
        weights = jax.tree.map(lambda weight, slope: weight - RATE * slope, weights, gradient(weights))
    return jax.__version__, weights


def torch(weights, x, y):
    import torch

    x, y = torch.from_numpy(x), torch.from_numpy(y)
    weights = [torch.from_numpy(weight).requires_grad_() for weight in weights]
    optimizer = torch.optim.SGD(weights, lr=RATE)
    for _ in range(STEPS):
        hidden = torch.relu(x @ weights[0] + weights[1])
        scores = (hidden @ weights[2] + weights[3])[:, 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(scores, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return torch.__version__, [weight.detach() for weight in weights]


def main(name):
    version, weights = {"tensorflow": tensorflow, "jax": jax, "torch": torch}[name](*start())
    rows = [[place, float(np.sum(weight)), float(np.sum(np.square(weight)))]
            for place, weight in enumerate(map(np.asarray, weights))]
    print(json.dumps({"version": version, "rows": rows}))


if __name__ == "__main__":
    main(sys.argv[1])
