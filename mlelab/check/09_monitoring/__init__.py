"""Checks of lab 9: PSI, drift, diagnosis, as-of performance, prediction sensor, log, alerts, incident, runbook."""

from mlelab.check.lab import Lab

lab = Lab("09_monitoring")
lab.read(__name__, __path__)
