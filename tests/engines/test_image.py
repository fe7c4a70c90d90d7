"""The image of the alert service: built, run as nobody in particular, asked, and told to stop while it answers."""

import importlib.util
import os
import re
import shutil

import pytest

from mlelab import engines
from tests.engines.conftest import WHOLE

ROOT = engines.ROOT
DOCKERFILE = ROOT / "mlelab" / "serving" / "deploy" / "Dockerfile"


def is_sound(found):
    """What must hold of a run of tools/image.py, today's and the committed one."""
    assert found["user"] == 10001
    assert found["rebuilt"] == 1 < found["layers"]
    assert re.fullmatch("localhost/alert-base@sha256:[0-9a-f]{64}", found["base"])
    assert found["equal_predictions"] is True
    assert found["stopped"]["in_flight"], "it had answered before it was told to stop"
    assert found["stopped"]["answered"] == found["stopped"]["asked"] and not found["stopped"]["still_up"]
    assert found["parts"] > 100 and found["size_mb"]["image"] > found["size_mb"]["base"]


def test_the_committed_run_is_sound():
    is_sound(engines.measured("image"))


def test_our_code_is_copied_after_the_dependencies_are_installed():
    lines = DOCKERFILE.read_text().splitlines()
    installs, = (place for place, line in enumerate(lines) if "pip install" in line)
    copies = [place for place, line in enumerate(lines) if line.startswith("COPY mlelab")]
    assert copies and min(copies) > installs


def test_the_image_gets_what_it_copies_and_no_more():
    said = DOCKERFILE.with_name("Dockerfile.dockerignore").read_text().splitlines()
    copied = {source.split("/")[0] for line in DOCKERFILE.read_text().splitlines() if line.startswith("COPY")
              for source in line.split()[1:-1]}
    assert {line[1:] for line in said if line.startswith("!")} == copied and "*" in said


@pytest.mark.whole
def test_it_is_built_and_run():
    if os.geteuid() or not all(map(shutil.which, ("buildah", "debootstrap"))):
        (pytest.fail if WHOLE else pytest.skip)("needs root, buildah and debootstrap")
    spec = importlib.util.spec_from_file_location("image", ROOT / "tools" / "image.py")
    image = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(image)
    is_sound(image.show())
    assert image.PLACE.joinpath("sbom.json").exists()
