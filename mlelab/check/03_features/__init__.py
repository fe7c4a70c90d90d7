"""Checks of lab 3: scaling, encoding, clock, target encoding, as-of aggregates, missing values, balance, one bundle."""

from mlelab.check.lab import Lab

lab = Lab("03_features")
lab.read(__name__, __path__)
