"""What the labs of the course import: data, checks, figures, the running case."""

import importlib
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from mlelab import loopback

try:
    __version__ = version("mlelab")
except PackageNotFoundError:  # copied and not installed, as in the image of the alert service
    __version__ = "not installed"


class StartError(RuntimeError):
    """Why a lab cannot start, in one sentence that says what to do. A notebook shows no traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def start(area: str, student: str | None = None):
    """Open a lab: say in one line what was found here, and return the lab's checks.

    `area` is the lab's folder name, such as "01_lifecycle". Every lab's first cell calls this. For a `student`, each
    right answer also gets a number of the student's own; where MLELAB_STUDENT is set, as in grading, that holds.
    Raises StartError.
    """
    try:
        from mlelab import data
        from mlelab.check import open_lab

        for package in ("pooch", "pyarrow"):  # what data needs as soon as a table is opened
            importlib.import_module(package)
        check = open_lab(area)
    except ModuleNotFoundError as missing:
        raise StartError(f"The lab needs the package {missing.name}, which is not installed here: run `make lab` in a "
                         "clone, or run the `%pip install` line of this cell alone, then restart the kernel.") from None
    except ValueError as unknown:
        raise StartError(str(unknown)) from None
    loopback.reach_directly()
    place, python = "Colab" if "google.colab" in sys.modules else "Jupyter", platform.python_version()
    check.student = os.environ.get("MLELAB_STUDENT") or student
    whose = f", inputs of {check.student}" if check.student else ""
    print(f"Lab {area} is ready: mlelab {__version__}, Python {python}, {place}, data {data.where()}{whose}.")
    return check
