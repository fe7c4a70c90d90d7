"""Checks of lab 4: counts, thresholds, bootstrap, rolling origin, calibration, ranking, pairs, A/B tests, slices."""

from mlelab.check.lab import Lab

lab = Lab("04_evaluation")
lab.read(__name__, __path__)
