"""Checks of lab 8: DAG runner, cache key, retry, lineage, promotion gate, retraining policy, model tests."""

from mlelab.check.lab import Lab

lab = Lab("08_mlops")
lab.read(__name__, __path__)
