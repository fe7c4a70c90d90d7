"""`pip` inside jobs and pipeline steps, which run in the environment of the server.

Unpacks local archives next to the job, accepts what is installed already, and installs nothing into the
environment: a job must not change the learner's machine, and must run without a network. With
MLELAB_VERTEX_PINS=warn it takes another version of what is wanted, and says so.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import shutil
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

WITH_VALUE = (
    "-r", "--requirement", "-i", "--index-url", "--extra-index-url", "--trusted-host", "-t", "--target", "-f",
    "--find-links", "-c", "--constraint", "--timeout", "--retries", "--python-version", "--platform"
)  # fmt: skip
HERE = ("pip", "setuptools", "wheel", "cloudml-hypertune")  # done without, or by a module beside this one


def unpack(path: Path, site: Path) -> None:
    """Copy the packages of a source distribution, a wheel or a folder into `site`."""
    site.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as file:
            file.extractall(site)
        return
    with tempfile.TemporaryDirectory() as scratch:
        root = path
        if not path.is_dir():
            root = Path(scratch)
            with tarfile.open(path) as file:
                file.extractall(root, filter="data")
            inner = [p for p in root.iterdir() if p.is_dir()]
            root = inner[0] if len(inner) == 1 else root
        root = root / "src" if (root / "src").is_dir() else root
        shutil.copytree(root, site, dirs_exist_ok=True)


def check(text: str) -> None:
    """Exit with one sentence unless the requirement `text` is installed."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        wanted = Requirement(text)
    except InvalidRequirement:
        sys.exit(f"The local stand-in for Vertex AI cannot install {text!r}: give an archive or a package name.")
    if wanted.marker and not wanted.marker.evaluate() or wanted.name in HERE:
        return
    have = None
    # Some packages come under two names: xgboost also as xgboost-cpu.
    for name in (wanted.name, *importlib.metadata.packages_distributions().get(wanted.name, ())):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            have = have or importlib.metadata.version(name)
    if have is None:
        sys.exit(
            f"The local stand-in for Vertex AI installs nothing: install {text!r} into your own environment first."
        )
    # A pipeline compiled with another kfp than the installed one still runs.
    if wanted.name != "kfp" and not wanted.specifier.contains(have, prereleases=True):
        sentence = f"The local stand-in for Vertex AI installs nothing: {text!r} is wanted, {have} is installed."
        if os.environ.get("MLELAB_VERTEX_PINS") != "warn":
            sys.exit(f"{sentence} MLELAB_VERTEX_PINS=warn, set before the server starts, takes that one.")
        print(f"{sentence} It is taken.", file=sys.stderr)


def main(arguments: list[str]) -> None:
    """`pip install ...`; other commands do nothing."""
    if not arguments or arguments[0] != "install":
        return
    wanted, rest = [], iter(arguments[1:])
    for argument in rest:
        if argument in ("-r", "--requirement"):
            lines = Path(next(rest)).read_text().splitlines()
            wanted += [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]
        elif argument in WITH_VALUE:
            next(rest, None)
        elif not argument.startswith("-"):
            wanted.append(argument)
    for text in wanted:
        if Path(text).exists():
            unpack(Path(text), Path(os.environ["MLELAB_SITE"]))
        else:
            check(text)


if __name__ == "__main__":
    main(sys.argv[1:])
