"""Checks of lab 0: is everything installed, and a share that respects missing values."""

from mlelab.check.lab import Lab

lab = Lab("00_start")
lab.read(__name__, __path__)
