"""Checks of lab 5: learning curve, gradient mean, data-parallel step, sampler, ring, accumulation, memory, resume."""

from mlelab.check.lab import Lab

lab = Lab("05_training")
lab.read(__name__, __path__)
