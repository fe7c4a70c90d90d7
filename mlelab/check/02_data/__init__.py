"""Checks of lab 2: ingest, contract, join, repair, SQL, event-time windows, statistics in one pass, fingerprint."""

from mlelab.check.lab import Lab

lab = Lab("02_data")
lab.read(__name__, __path__)
