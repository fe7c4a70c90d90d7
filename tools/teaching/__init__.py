"""The commands of tools/teach.py, one module each; what several share stands in modules that begin with `_`."""
