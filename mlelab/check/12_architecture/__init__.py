"""Checks of lab 12: choosing, circuit breaker, capacity, cost, access, pseudonyms, lineage, imports of a pickle."""

from mlelab.check.lab import Lab

lab = Lab("12_architecture")
lab.read(__name__, __path__)
