"""Checks of lab 11: cost, decoding, retrieval, grounding, judging, guarding, agents, compression, planning."""

from mlelab.check.lab import Lab

lab = Lab("11_generative")
lab.read(__name__, __path__)
