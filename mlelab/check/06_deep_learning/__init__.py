"""Checks of lab 6: gradients by hand, their norms by depth, convolution, attention, embeddings, windows, a review."""

from mlelab.check.lab import Lab

lab = Lab("06_deep_learning")
lab.read(__name__, __path__)
