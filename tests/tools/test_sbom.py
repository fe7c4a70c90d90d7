"""The software bill of materials (SBOM) of this environment: CycloneDX, and every locked package is on it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = [Requirement(line.partition(" #")[0]) for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines()
        if line and line[0] not in " #"]


@pytest.fixture(scope="module")
def bill(tmp_path_factory) -> dict:
    made = tmp_path_factory.mktemp("sbom") / "sbom.json"
    subprocess.run([sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--no-validate",
                    "-o", made, sys.executable], check=True, capture_output=True)
    return json.loads(made.read_text("utf-8"))


def missing(bill: dict, lock: list[Requirement]) -> list[str]:
    """Locked packages, for this machine, that the bill does not name in their version."""
    named = {(canonicalize_name(part["name"]), part["version"]) for part in bill["components"]}
    return [str(package) for package in lock if (not package.marker or package.marker.evaluate())
            and not any((canonicalize_name(package.name), pin.version) in named for pin in package.specifier)]


def test_every_locked_package_is_on_the_bill(bill):
    assert bill["bomFormat"] == "CycloneDX" and len(LOCK) > 300
    assert missing(bill, LOCK) == []


def faults(bill: dict) -> object:
    return JsonStrictValidator(SchemaVersion.from_version(bill["specVersion"])).validate_str(json.dumps(bill))


@pytest.mark.parametrize("parts", [20, pytest.param(None, marks=pytest.mark.nightly)])  # all of them: half a minute
def test_it_is_valid_cyclonedx(bill, parts):
    some = bill | {"components": bill["components"][:parts], "dependencies": []}
    assert faults(some) is None
    broken = some | {"components": [some["components"][0] | {"type": "a kind that is none"}]}
    assert faults(broken) is not None


def test_another_version_is_missed(bill):
    assert missing(bill, [Requirement("numpy==0.0.1"), Requirement("a-package-that-nobody-has==1")]) \
        == ["numpy==0.0.1", "a-package-that-nobody-has==1"]


def test_each_part_has_the_address_that_advisories_use(bill):
    parts = {part["name"]: part for part in bill["components"]}
    assert parts["numpy"]["purl"].startswith(f"pkg:pypi/numpy@{parts['numpy']['version']}")
