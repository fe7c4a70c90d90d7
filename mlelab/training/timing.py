"""One product on a device, timed rightly and in three wrong ways: the page on GPUs shows it and runs it."""

import statistics
import time

import numpy as np
import tensorflow as tf


def first_call(product, host, device):
    begun = time.perf_counter()
    product(device, device).numpy()
    return time.perf_counter() - begun


def not_waiting(product, host, device):
    begun = time.perf_counter()
    product(device, device)
    return time.perf_counter() - begun


def with_transfers(product, host, device):
    begun = time.perf_counter()
    product(tf.constant(host), tf.constant(host)).numpy()
    return time.perf_counter() - begun


def right(product, host, device, calls=5):
    begun = time.perf_counter()
    for _ in range(calls):
        product(device, device)
    tf.test.experimental.sync_devices()
    return (time.perf_counter() - begun) / calls


def measure(repeats=5):
    """Milliseconds by each of the four, as on a GPU with a queue; the median, but for the first call."""
    tf.config.experimental.set_synchronous_execution(False)
    product = tf.function(lambda a, b: tf.reduce_sum(tf.matmul(a, b, transpose_b=True)), jit_compile=True)
    host = np.ones((1500, 500), "float32")
    device = tf.constant(host)
    found = {"first call": 1000 * first_call(product, host, device)}
    for way in (not_waiting, with_transfers, right):
        taken = []
        for _ in range(repeats):
            taken.append(way(product, host, device))
            tf.test.experimental.sync_devices()
        found[way.__name__.replace("_", " ")] = 1000 * statistics.median(taken)
    tf.config.experimental.set_synchronous_execution(True)
    return found
