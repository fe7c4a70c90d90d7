"""The hub's files: sizes from the measurements, keys that the projects know, a recipe without complaints."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
HUB = ROOT / "tools" / "hub"
spec = importlib.util.spec_from_file_location("capacity", HUB / "capacity.py")
capacity = importlib.util.module_from_spec(spec)
spec.loader.exec_module(capacity)

# What the chart's and The Littlest JupyterHub's own references document, as far as it is used here.
CHART = {
    "hub.config.JupyterHub.authenticator_class", "hub.config.Authenticator.allow_all", "singleuser.image.name",
    "singleuser.image.tag", "singleuser.cmd", "singleuser.defaultUrl", "singleuser.memory.guarantee",
    "singleuser.memory.limit", "singleuser.cpu.guarantee", "singleuser.cpu.limit", "singleuser.storage.capacity",
    "singleuser.extraEnv.MLELAB_CLASS", "singleuser.networkPolicy.enabled",
    "singleuser.networkPolicy.egressAllowRules.cloudMetadataServer",
    "singleuser.networkPolicy.egressAllowRules.privateIPs",
    "singleuser.networkPolicy.egressAllowRules.nonPrivateIPs", "cull.enabled", "cull.timeout", "cull.every",
    "scheduling.userScheduler.enabled", "scheduling.podPriority.enabled", "scheduling.userPlaceholder.enabled",
    "scheduling.userPlaceholder.replicas", "prePuller.hook.enabled"}
TLJH = {"users.admin", "limits.memory", "limits.cpu", "user_environment.default_app", "services.cull.enabled",
        "services.cull.timeout", "services.cull.every"}


def leaves(tree: object, path: str = "") -> dict[str, object]:
    if not isinstance(tree, dict):
        return {path: tree}
    return {name: value for key, below in tree.items()
            for name, value in leaves(below, f"{path}.{key}" if path else key).items()}


def gib(text: str) -> float:
    return float(re.fullmatch(r"([\d.]+)G", text)[1])


@pytest.mark.parametrize("name", capacity.WRITTEN)
def test_a_file_is_what_the_measurements_make(name):
    assert (HUB / name).read_text(encoding="utf-8") == capacity.written(name), "python tools/hub/capacity.py --write"


@pytest.mark.parametrize(("name", "known"), [("values.yaml", CHART), ("tljh.yaml", TLJH)])
def test_every_key_is_documented(name, known):
    assert set(leaves(yaml.safe_load((HUB / name).read_text(encoding="utf-8")))) == known


def test_every_lab_is_measured_and_fits_the_limit():
    labs = capacity.labs()
    assert sorted(labs) == sorted(path.parent.name for path in ROOT.glob("solutions/*/lab.py"))
    values = leaves(yaml.safe_load((HUB / "values.yaml").read_text(encoding="utf-8")))
    limit, guarantee = gib(values["singleuser.memory.limit"]), gib(values["singleuser.memory.guarantee"])
    assert all(1.25 * peak + capacity.SERVER <= 1024 * limit for _, peak in labs.values())
    assert sum(peak + capacity.SERVER <= 1024 * guarantee for _, peak in labs.values()) > len(labs) / 2
    assert guarantee < limit


def test_more_memory_holds_more_students():
    fits = [capacity.students(cpus, memory) for cpus, memory in capacity.NODES]
    for name in ("usual", "all at once"):
        counts = [fit[name] for fit in fits]
        assert counts == sorted(counts) and counts[0] >= 1
    assert all(fit["all at once"] <= fit["usual"] for fit in fits)


def test_as_it_stands_nobody_is_let_in_and_no_notebook_gets_out():
    values = leaves(yaml.safe_load((HUB / "values.yaml").read_text(encoding="utf-8")))
    assert values["hub.config.Authenticator.allow_all"] is False
    assert not any(value for key, value in values.items() if ".egressAllowRules." in key)


def test_the_recipe_has_nothing_to_complain_about_and_copies_what_is_there():
    recipe = (HUB / "Dockerfile").read_text(encoding="utf-8")
    lint = subprocess.run([Path(sys.executable).parent / "hadolint", "-"], input=recipe, capture_output=True, text=True)
    assert lint.returncode == 0, lint.stdout
    copied = [source for line in recipe.splitlines() if line.startswith("COPY") for source in line.split()[1:-1]]
    assert copied and all((ROOT / source).exists() for source in copied)
