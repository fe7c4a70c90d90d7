"""Checks of lab 10: groups, verdict with interval, proxies, weights, thresholds, Shapley, reasons, privacy, card."""

from mlelab.check.lab import Lab

lab = Lab("10_responsible")
lab.read(__name__, __path__)
