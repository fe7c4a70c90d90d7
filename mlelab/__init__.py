"""What the labs of the course import: data, checks, figures, the running case."""

import platform
import sys
from importlib.metadata import version

__version__ = version("mlelab")


def start(area: str):
    """Open a lab: say in one line what was found here, and return the lab's checks.

    `area` is the lab's folder name, such as "01_lifecycle". Every lab's first cell calls this.
    """
    from mlelab import data
    from mlelab.check import open_lab

    check = open_lab(area)
    place = "Colab" if "google.colab" in sys.modules else "Jupyter"
    python = platform.python_version()
    print(f"Lab {area} is ready: mlelab {__version__}, Python {python}, {place}, data {data.where()}.")
    return check
