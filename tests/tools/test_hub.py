"""The hub's files: sizes from the measurements, keys that the projects know, an image without answers."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests import missing

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
    "singleuser.extraEnv.MLELAB_CLASS", "singleuser.lifecycleHooks.postStart.exec.command",
    "singleuser.networkPolicy.enabled",
    "singleuser.networkPolicy.egressAllowRules.cloudMetadataServer",
    "singleuser.networkPolicy.egressAllowRules.privateIPs",
    "singleuser.networkPolicy.egressAllowRules.nonPrivateIPs", "cull.enabled", "cull.timeout", "cull.every",
    "scheduling.userScheduler.enabled", "scheduling.podPriority.enabled", "scheduling.userPlaceholder.enabled",
    "scheduling.userPlaceholder.replicas", "prePuller.hook.enabled"}
TLJH = {"limits.memory", "limits.cpu", "user_environment.default_app", "services.cull.enabled",
        "services.cull.timeout", "services.cull.every"}
PAGE = (ROOT / "book" / "instructors" / "hub.md").read_text(encoding="utf-8")
# What a container of Docker has without --cap-add.
DOCKER = ["chown", "dac_override", "fsetid", "fowner", "mknod", "net_raw", "setgid", "setuid", "setfcap", "setpcap",
          "net_bind_service", "sys_chroot", "kill", "audit_write"]


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


def test_every_key_of_the_chart_is_documented():
    assert set(leaves(yaml.safe_load((HUB / "values.yaml").read_text(encoding="utf-8")))) == CHART


def test_the_littlest_hub_is_told_what_it_knows_and_keeps_the_rest(tmp_path):
    stand_in = tmp_path / "tljh-config"
    stand_in.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    stand_in.chmod(0o755)
    subprocess.run(["sh", HUB / "tljh.sh"], check=True, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    *told, last = (tmp_path / "asked").read_text().splitlines()
    words = [line.split() for line in told]
    assert last == "reload" and {word[0] for word in words} == {"set"} and {word[1] for word in words} == TLJH
    limit = next(value for _, key, value in words if key == "limits.memory")
    assert gib(limit) == capacity.sizes()["limit"]


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


def test_the_minutes_count_every_core_that_a_student_may_use():
    seconds = max(seconds for seconds, _ in capacity.labs().values())
    for cpus, memory in capacity.NODES:
        fit = capacity.students(cpus, memory)
        assert 60 * cpus * fit["minutes"] >= fit["usual"] * seconds * capacity.sizes()["cpu_limit"]


def test_as_it_stands_nobody_is_let_in_and_no_notebook_gets_out():
    values = leaves(yaml.safe_load((HUB / "values.yaml").read_text(encoding="utf-8")))
    assert values["hub.config.Authenticator.allow_all"] is False
    assert not any(value for key, value in values.items() if ".egressAllowRules." in key)


def test_the_recipe_has_nothing_to_complain_about_and_copies_what_is_there():
    recipe = (HUB / "Dockerfile").read_text(encoding="utf-8")
    lint = subprocess.run([Path(sys.executable).parent / "hadolint", "-"], input=recipe, capture_output=True, text=True)
    assert lint.returncode == 0, lint.stdout
    copied = [source for stage in stages().values() for source in stage["copied"]]
    assert copied and all((ROOT / source).exists() for source in copied)


def stages() -> dict[str, dict]:
    """By name of a target what it is made from and what is copied into it."""
    found: dict[str, dict] = {}
    for line in (HUB / "Dockerfile").read_text(encoding="utf-8").splitlines():
        if start := re.fullmatch(r"FROM (\S+) AS (\w+)", line):
            stage = found[start[2]] = {"from": start[1], "copied": list(found.get(start[1], {"copied": []})["copied"])}
        elif line.startswith("COPY"):
            stage["copied"] += line.split()[1:-1]
    return found


@pytest.fixture
def students_image(tmp_path) -> Path:
    """/opt/course of the students' image, copied and edited as the recipe says."""
    course = tmp_path / "image"
    course.mkdir()
    for name in stages()["student"]["copied"]:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, course / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, course / name)
    edit = re.search(r"RUN (sed .*) \\\n", (HUB / "Dockerfile").read_text(encoding="utf-8"))[1]
    subprocess.run(["sh", "-c", edit], cwd=course, check=True)
    return course


def test_the_students_image_has_the_labs_and_no_answers(students_image):
    assert len(list(students_image.glob("labs/*/lab.ipynb"))) == len(list(ROOT.glob("labs/*/lab.ipynb")))
    there = {str(path.relative_to(students_image)) for path in students_image.rglob("*")}
    assert not {"solutions", "tests", "tools"} & there
    files = [path for path in students_image.rglob("*") if path.suffix in (".py", ".ipynb")]
    assert not any("BEGIN SOLUTION" in path.read_text(encoding="utf-8") for path in files)
    build = "import hatchling.build, sys; print(hatchling.build.build_editable(sys.argv[1]))"
    built = subprocess.run([sys.executable, "-c", build, students_image.parent], cwd=students_image,
                           capture_output=True, text=True)
    assert built.stdout.endswith(".whl\n"), built.stderr
    shown = subprocess.run([sys.executable, "-c", "import mlelab; mlelab.start('00_start').solution('0.1')"],
                           cwd=students_image, capture_output=True, text=True, env={"PYTHONPATH": str(students_image)})
    assert "The solutions are not part of this copy of the course." in shown.stdout, shown.stderr


def test_the_image_to_grade_in_has_what_the_grader_reads():
    assert {"tools", "tests/wrong_answers", "mlelab", "datasets"} <= set(stages()["grade"]["copied"])
    assert "solutions" not in stages()["grade"]["copied"]


def test_the_page_builds_the_images_that_it_uses():
    built = dict(re.findall(r"docker build -f tools/hub/Dockerfile --target (\w+) \\\n +-t (\S+) \.", PAGE))
    assert built == {"student": "REGISTRY/mle-course:0.1.0", "grade": "mle-course-grade:0.1.0"}
    values = leaves(yaml.safe_load((HUB / "values.yaml").read_text(encoding="utf-8")))
    assert f"{values['singleuser.image.name']}:{values['singleuser.image.tag']}" == built["student"]
    assert re.search(r'--volume "\$HOME/term:/term" (\S+)', PAGE)[1] == built["grade"]


def test_a_start_copies_labs_into_the_home_and_overwrites_none(tmp_path):
    values = leaves(yaml.safe_load((HUB / "values.yaml").read_text(encoding="utf-8")))
    command = [word.replace("/opt/course", str(tmp_path / "course")).replace("/home/jovyan", str(tmp_path / "home"))
               for word in values["singleuser.lifecycleHooks.postStart.exec.command"]]
    (tmp_path / "home").mkdir()
    for area in ("00_start", "01_lifecycle"):
        lab = tmp_path / "course" / "labs" / area / "lab.ipynb"
        lab.parent.mkdir(parents=True)
        lab.write_text("new")
        subprocess.run(command, check=True)
        mine = tmp_path / "home" / "labs" / area / "lab.ipynb"
        assert mine.read_text() == "new"
        mine.write_text("mine")
    subprocess.run(command, check=True)
    assert {path.read_text() for path in (tmp_path / "home").rglob("lab.ipynb")} == {"mine"}


def why_no_sandbox(*more: str) -> str:
    """What the sandbox says to root with the rights of a container of Docker and more; "None" where it starts."""
    rights = ",".join(["-all", *(f"+{right}" for right in [*DOCKER, *more])])
    code = "from teaching import sandbox; print(sandbox.available())"
    done = subprocess.run(["setpriv", f"--bounding-set={rights}", "--inh-caps=-all", sys.executable, "-c", code],
                          cwd=ROOT / "tools", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_line_for_docker_gives_the_sandbox_the_rights_it_needs_and_no_more():
    sys.path.insert(0, str(ROOT / "tools"))
    from teaching import sandbox

    if not sandbox._root():
        pytest.skip("only root can have the rights of a container's root")
    if why := sandbox.available():
        missing(f"no sandbox here: {why}")
    given = [name.lower() for name in re.findall(r"--cap-add (\w+)", PAGE)]
    assert why_no_sandbox(*given) == "None"
    for name in given:
        assert why_no_sandbox(*(other for other in given if other != name)) != "None"
