"""Checks of the labs' exercises: one module per chapter, named as its lab's folder."""

import importlib
import pkgutil

from mlelab.check.lab import Lab
from mlelab.check.outcome import NotRight, Outcome

__all__ = ["Lab", "NotRight", "Outcome", "open_lab"]


def open_lab(area: str) -> Lab:
    """The checks of one lab, by its folder's name; ValueError names the labs that exist."""
    areas = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name[0].isdigit())
    if area not in areas:
        raise ValueError(f"There is no lab {area!r}; there are {', '.join(areas)}.")
    return importlib.import_module(f"{__name__}.{area}").lab
