"""What goes into a container and a cluster, as far as it can be checked without either."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import jupytext
import kubernetes_validate
import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement

from mlelab.check import open_lab
from mlelab.serving import process
from mlelab.vertex.compute.processes import free_port
from tests.checks.pieces import learner_function

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "mlelab" / "serving" / "deploy"
KUBERNETES = "1.37"  # what the manifests are checked against, here and in lab 7
MANIFESTS = {path.stem: path for path in sorted(DEPLOY.glob("*.yaml"))}


def lint(text):
    return subprocess.run([Path(sys.executable).parent / "hadolint", "-"], input=text, capture_output=True, text=True)


def test_the_dockerfile_has_nothing_to_complain_about():
    done = lint((DEPLOY / "Dockerfile").read_text())
    assert done.returncode == 0, done.stdout


def test_the_linter_notices_an_unpinned_base():
    assert "DL3007" in lint(re.sub(r"(?m)^(FROM python:)\S+", r"\1latest", (DEPLOY / "Dockerfile").read_text())).stdout


SUPPORTED = {"trixie"}  # Debian 13, by its own plan until August 2028. The regular support of 12 ended in June 2026.
RECIPES = {"service": DEPLOY / "Dockerfile", "hub": ROOT / "tools" / "hub" / "Dockerfile"}


@pytest.mark.parametrize("name", RECIPES)
def test_the_base_is_a_full_version_of_python_on_a_debian_in_support(name):
    pattern = r"(?m)^FROM python:\d+\.\d+\.\d+-slim-(\w+)(@sha256:[0-9a-f]{64})?( AS \w+)?$"
    base = re.search(pattern, RECIPES[name].read_text())
    assert base and base[1] in SUPPORTED


def test_the_development_container_is_on_a_debian_in_support():
    said = (ROOT / ".devcontainer" / "devcontainer.json").read_text()
    assert re.search(r'"image": "python:[\d.]+-(\w+)"', said)[1] in SUPPORTED


def test_the_comment_shows_how_the_digest_of_this_base_is_pinned():
    text = (DEPLOY / "Dockerfile").read_text()
    tag = re.search(r"(?m)^FROM ([^\s@]+)", text)[1]
    assert f"#     FROM {tag}@sha256:DIGEST\n" in text and f"imagetools inspect {tag}`" in text


def test_the_pages_plain_limit_is_the_guardrail_of_exercise_7_6():
    decide = learner_function(open_lab("07_deployment").exercises["7.6"])
    cells = (cell.source for cell in jupytext.read(ROOT / "book" / "07_deployment.md").cells)
    page: dict = {"np": np}
    exec(next(source for source in cells if "def plain_limit" in source).partition("counts =")[0], page)
    for bad, n in ((0, 1), (1, 50), (1, 100), (7, 50), (10, 1_000), (11, 1_000)):
        canary = {"requests": n, "errors": bad, "good": 0, "p99": 1.0}
        verdict = decide(canary, canary, {"error_rate": page["LIMIT"], "p99": 2.0}, 10**6)
        assert (verdict == "rollback") == page["plain_limit"](bad, n)


CODES = {"base": {"DL3006", "DL3007"}, "secret": {"DL3064"}, "user": {"DL3002"}, "health": {"DL3057"}}


@pytest.mark.parametrize("lines", [
    "FROM app:3.12\nUSER 10001\nHEALTHCHECK CMD true", "FROM app:latest\nUSER root", "FROM app\nUSER 0:0",
    "FROM app:1\nARG TOKEN\nUSER root:root", "FROM app:1\nENV A=1 DB_PASSWORD=x\nUSER 10001\nHEALTHCHECK CMD true",
    "FROM app:1\nENV MONKEY=1\nUSER root\nUSER 10001:0", "FROM app:1\n# USER 10001\nUSER 0\nHEALTHCHECK CMD true"])
def test_exercise_7_9_finds_what_the_linter_finds(lines):
    """Not in it: hadolint takes a port for a tag and HEALTHCHECK NONE for a check."""
    ours = learner_function(open_lab("07_deployment").exercises["7.9"])
    command = [Path(sys.executable).parent / "hadolint", "--no-color", "--warning", "DL3057", "-"]
    said = subprocess.run(command, input=lines + "\n", capture_output=True, text=True).stdout
    assert ours(lines) == {rule for rule, codes in CODES.items() if any(code in said for code in codes)}


def test_exercise_7_9_takes_a_check_that_is_switched_off_for_none():
    ours = learner_function(open_lab("07_deployment").exercises["7.9"])
    off = "FROM app:1\nUSER 10001\nHEALTHCHECK CMD true\nHEALTHCHECK NONE"
    assert ours(off) == {"health"} and ours(f"{off}\nHEALTHCHECK CMD true") == set()


def test_what_the_dockerfile_copies_is_there():
    for line in (DEPLOY / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY"):
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), source


def test_the_image_gets_versions_of_the_lock_and_each_file_by_its_hash():
    locked = set(re.findall(r"^[\w.-]+==\S+", (ROOT / "requirements.txt").read_text(), re.M))
    blocks = re.split(r"\n(?=\w)", (DEPLOY / "requirements.txt").read_text())[1:]
    pins = {block.split()[0] for block in blocks}
    assert pins <= locked and all("--hash=sha256:" in block for block in blocks)
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["serving"]
    assert {Requirement(line).name for line in wanted} <= {pin.partition("==")[0] for pin in pins}


@pytest.mark.skipif(not shutil.which("sh"), reason="no POSIX shell here")
@pytest.mark.parametrize("variable", ["BUNDLE", "AIP_STORAGE_URI"])
def test_the_images_start_up_script_serves(folder, variable):
    port = str(free_port())
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with process.Server(["sh", str(DEPLOY / "start.sh")], f"http://127.0.0.1:{port}", "/readyz",
                        MLELAB_HOST="127.0.0.1", AIP_HTTP_PORT=port, PATH=path,
                        **{variable: str(folder)}) as server:
        assert server._answers(server.url + "/healthz")


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifests_keep_the_schema(name):
    kubernetes_validate.validate(yaml.safe_load(MANIFESTS[name].read_text()), KUBERNETES, strict=True)


def test_the_version_is_in_support_and_is_the_labs():
    """Kubernetes supports its three newest minor versions."""
    newest, ours = (int(version.split(".")[1]) for version in (kubernetes_validate.latest_version(), KUBERNETES))
    assert newest - ours < 3
    assert f'manifest, "{KUBERNETES}"' in (ROOT / "solutions" / "07_deployment" / "lab.py").read_text(encoding="utf-8")


def test_the_schema_notices_a_misspelled_field():
    manifest = yaml.safe_load(MANIFESTS["deployment"].read_text().replace("readinessProbe", "readynessProbe"))
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_the_manifests_fit_together_and_to_the_service(folder):
    deployment, service, autoscaler = (yaml.safe_load(MANIFESTS[name].read_text())
                                       for name in ("deployment", "service", "autoscaler"))
    template = deployment["spec"]["template"]
    container = template["spec"]["containers"][0]
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert autoscaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert "replicas" not in deployment["spec"], "two would set one number"
    assert autoscaler["spec"]["minReplicas"] >= 2
    assert not container["image"].endswith(":latest") and ":" in container["image"]
    from starlette.testclient import TestClient

    from mlelab.serving import bundle
    from mlelab.serving.app import create_app

    client = TestClient(create_app(bundle.load(folder)))
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert client.get(container[probe]["httpGet"]["path"]).status_code == 200
    assert client.get(template["metadata"]["annotations"]["prometheus.io/path"]).status_code == 200
    assert json.dumps(deployment).count("8080") == 2
