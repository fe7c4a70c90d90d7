"""Checks of lab 1: label, prediction time, temporal split, baseline, cost, problem card, lineage."""

from mlelab.check.lab import Lab

lab = Lab("01_lifecycle")
lab.read(__name__, __path__)
