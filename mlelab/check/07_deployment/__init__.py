"""Checks of lab 7: bundle, contract, micro-batches, tail, traffic split, canary, registry, autoscaling, image, mode."""

from mlelab.check.lab import Lab

lab = Lab("07_deployment")
lab.read(__name__, __path__)
