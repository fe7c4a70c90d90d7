"""Build the image of the alert service and run it, without a daemon and without a registry: `python tools/image.py`.

Debian's `buildah` builds the service's own Dockerfile, whose base is replaced by one that `debootstrap` makes. It needs
root on a Debian, a minute or two, and 2 GB in _build/image. What it finds out: the size, the layers that a change of
our code makes anew, who the process runs as, whether it answers as a process here does, whether it finishes what it was
asked when it is told to stop, and what is in it (a list of parts as CycloneDX, `_build/image/sbom.json`).
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil

from mlelab import case, data, engines
from mlelab.serving import bundle, process
from mlelab.vertex.compute.processes import free_port

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / "_build" / "image"
DOCKERFILE = ROOT / "mlelab" / "serving" / "deploy" / "Dockerfile"
BASE, TAG, UID = "localhost/alert-base", "localhost/alert:1", 10001
ENVIRONMENT = {"BUILDAH_ISOLATION": "chroot"}  # no container runtime is needed
STORAGE = ["--root", PLACE / "storage", "--runroot", PLACE / "run"]
PACKAGES = "python3,python3-venv,ca-certificates"


def buildah(*words, **options) -> str:
    """Run buildah on our own storage and return what it prints; raises RuntimeError with the end of its complaint."""
    done = subprocess.run([str(word) for word in ("buildah", *STORAGE, *words)], capture_output=True, text=True,
                          env=os.environ | ENVIRONMENT, **options)
    if done.returncode:
        raise RuntimeError(f"buildah {words[0]} failed: {(done.stderr or done.stdout)[-800:]}")
    return done.stdout.strip()


def pinned(image: str) -> str:
    """The image under the digest that its name has at this moment: a name can be moved, a digest cannot."""
    return f"{image}@{inspect(image)['FromImageDigest']}"


def make_base() -> None:
    """An image with Debian's Python, `python` and `pip` under these names, as Docker's own images have them."""
    with contextlib.suppress(RuntimeError):
        inspect(BASE)
        return
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    with tempfile.TemporaryDirectory(dir=PLACE) as system:
        try:
            subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", release["VERSION_CODENAME"],
                            system], check=True, stdout=subprocess.DEVNULL)
        finally:  # it mounts /proc there, and leaves it where it was interrupted
            subprocess.run(["umount", "--lazy", f"{system}/proc"], stderr=subprocess.DEVNULL)
        shutil.rmtree(Path(system) / "var" / "cache" / "apt", ignore_errors=True)
        container = buildah("from", "scratch")
        buildah("add", container, system, "/")
    buildah("run", container, "--", "python3", "-m", "venv", "/opt/python")
    buildah("config", "--env", "PATH=/opt/python/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", container)
    buildah("commit", "--rm", container, BASE)


def package_settings(folder: Path) -> list[str]:
    """What pip knows of this machine (an index, certificates), as volumes of the build; none of it is in the image."""
    listed = subprocess.check_output([sys.executable, "-m", "pip", "config", "list"], text=True,
                                     stderr=subprocess.DEVNULL)
    sections, mounts = {}, []
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        name, value = name.split(".")[-1], value.strip("'\"")
        sections[name] = value
        for word in value.split():
            path = Path(word.removeprefix("file://"))
            if path.is_absolute() and path.exists():
                mounts.append(path.parent if path.name == "simple" else path)
    (folder / "pip.conf").write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in sections.items()))
    volumes = [f"{folder}/pip.conf:/etc/pip.conf:ro", *(f"{path}:{path}:ro" for path in sorted(set(mounts)))]
    return [part for volume in volumes for part in ("--volume", volume)]


def build(context: Path) -> list[str]:
    """Build the image from a copy of the repository; returns the digests of its layers, the base's first."""
    with tempfile.TemporaryDirectory(dir=PLACE) as folder:
        buildah("bud", "--layers", "--format", "docker", "--from", pinned(BASE), "--file", DOCKERFILE, "--ignorefile",
                DOCKERFILE.with_name("Dockerfile.dockerignore"), *package_settings(Path(folder)), "--tag", TAG, context)
    return inspect(TAG)["Docker"]["rootfs"]["diff_ids"]


def inspect(image: str) -> dict:
    """What buildah knows of an image; raises RuntimeError if there is none."""
    return json.loads(buildah("inspect", "--type", "image", image))


def copied(folder: Path) -> Path:
    """What the image is made of, in a folder that may be changed; files keep their times, or layers would be new."""
    shutil.copy2(ROOT / "LICENSE", folder)
    shutil.copytree(ROOT / "mlelab", folder / "mlelab", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


class Container:
    """The image, running: `url` on loopback, the network of this machine. `python`: its process here."""

    def __init__(self, folder: Path):
        self.name, port = buildah("from", TAG), free_port()
        self.url = f"http://127.0.0.1:{port}"
        config = inspect(TAG)["Docker"]["config"]
        words = ["buildah", *STORAGE, "run", "--volume", f"{folder}:/bundle:ro", "--env", "MLELAB_HOST=127.0.0.1",
                 "--env", f"AIP_HTTP_PORT={port}", "--user", config["User"], self.name, "--", *config["Entrypoint"]]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115, as long as the container
        self.running = subprocess.Popen(list(map(str, words)), env=os.environ | ENVIRONMENT, stdout=self._log,
                                        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        begun = time.monotonic()
        while not self.answers("/readyz"):
            if self.running.poll() is not None or time.monotonic() - begun > 120:
                raise RuntimeError(f"The container did not come up: {self.log()[-600:]}")
            time.sleep(0.1)
        self.seconds = time.monotonic() - begun
        family = psutil.Process(self.running.pid).children(recursive=True)
        self.python = next(child for child in family if "mlelab.serving" in child.cmdline())

    def log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def answers(self, path: str) -> bool:
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(self.url + path, timeout=2).status == 200
        return False

    def predict(self, rows: list[dict]) -> list[float]:
        request = urllib.request.Request(f"{self.url}/predict", json.dumps({"instances": rows}).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return [row["p"] for row in json.load(answer)["predictions"]]

    def inside(self, *words: str) -> str:
        return buildah("run", self.name, "--", *words)

    def close(self) -> None:
        """End it, if it still runs, with all that it started."""
        if self.running.poll() is None:
            for child in [*psutil.Process(self.running.pid).children(recursive=True), self.running]:
                with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                    child.kill()
            self.running.wait(20)
        buildah("rm", self.name)


@contextlib.contextmanager
def container(folder: Path) -> Iterator[Container]:
    made = Container(folder)
    try:
        yield made
    finally:
        made.close()


def make_bundle(folder: Path) -> list[dict]:
    """A small model of the case as a bundle in `folder`; returns rows to ask it."""
    flights = data.load("features").dropna(subset="arr_delay").sample(3_000, random_state=0)
    numbers = case.SCHEDULE + case.WEATHER + case.CONGESTION
    columns = bundle.contract(flights, numbers, case.CATEGORIES)
    model = case.linear_model().fit(flights, flights["arr_delay"] >= case.LATE_MINUTES)
    bundle.save(model, folder, version="7", columns=columns, rows=3_000)
    folder.chmod(0o755)
    return json.loads(flights[list(columns)].to_json(orient="records"))


def stopped_while_it_answers(running: Container, rows: list[dict]) -> dict:
    """Ask for many predictions, say SIGTERM before the answer is there, and look at both."""
    answer = []
    asking = threading.Thread(target=lambda: answer.extend(running.predict(rows)))
    asking.start()
    time.sleep(0.15)
    in_flight = asking.is_alive()
    running.python.send_signal(signal.SIGTERM)
    asking.join(60)
    running.running.wait(30)
    return {"in_flight": in_flight, "answered": len(answer), "asked": len(rows),
            "still_up": running.answers("/healthz")}


def parts(running: Container) -> dict:
    """All Debian and Python packages in the image, as a CycloneDX document."""
    debian = [line.split("\t") for line in running.inside(
        "dpkg-query", "--show", "--showformat", "${Package}\\t${Version}\\n").splitlines()]
    python = json.loads(running.inside("python", "-m", "pip", "list", "--format", "json"))
    found = [(f"pkg:deb/debian/{name}@{version}", name, version) for name, version in debian] + [
        (f"pkg:pypi/{part['name'].lower()}@{part['version']}", part["name"], part["version"]) for part in python]
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": [
        {"type": "library", "bom-ref": url, "purl": url, "name": name, "version": version}
        for url, name, version in sorted(found)]}


def show() -> dict:
    """Everything; returns what `--record` writes. Raises RuntimeError where something is not as it should be."""
    PLACE.mkdir(parents=True, exist_ok=True)
    found = {}
    say("a base ...")
    make_base()
    found["base"] = pinned(BASE)
    with tempfile.TemporaryDirectory(dir=PLACE) as context, tempfile.TemporaryDirectory() as folder:
        context, folder = copied(Path(context)), Path(folder)
        say("the image ...")
        begun = time.monotonic()
        first = build(context)
        found["build_seconds"] = round(time.monotonic() - begun)
        changed = context / "mlelab" / "serving" / "app.py"
        changed.write_text(changed.read_text() + "# another version\n")
        begun = time.monotonic()
        second = build(context)
        found["rebuild_seconds"] = round(time.monotonic() - begun)
        found["layers"], found["rebuilt"] = len(second), sum(layer not in first for layer in second)
        found["size_mb"] = {"base": size(BASE), "image": size(TAG)}
        say("running ...")
        rows = make_bundle(folder)
        with container(folder) as running, process.serve(folder) as here:
            found["start_seconds"] = round(running.seconds, 1)
            found["user"] = running.python.uids().real
            check = inspect(TAG)["Docker"]["config"]["Healthcheck"]["Test"][1:]
            env = ["env", f"AIP_HTTP_PORT={running.url.rpartition(':')[2]}"]
            running.inside(*env, *check)
            ours, theirs = bundle.load(folder).score(rows[:50]).tolist(), running.predict(rows[:50])
            found["equal_predictions"] = ours == theirs and here.url != running.url
            document = parts(running)
            (PLACE / "sbom.json").write_text(json.dumps(document, indent=1))
            found["parts"] = len(document["components"])
            found["stopped"] = stopped_while_it_answers(running, rows * 3)
    return found


def size(image: str) -> int:
    """Megabytes of all layers, as files."""
    listed = json.loads(buildah("images", "--json", image))
    text = listed[0]["size"].split()
    return round(float(text[0]) * {"GB": 1000, "MB": 1, "KB": 0.001}[text[1].upper()])


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", type=Path, metavar="FILE", help="write what was found, as JSON")
    parser.add_argument("--machine", default="", help="how the record names this machine")
    chosen = parser.parse_args(arguments)
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        say("Building without a daemon needs root: run `sudo make image`, or `docker build` where you have Docker.")
        return 1
    begun = time.monotonic()
    try:
        found = show()
    except (RuntimeError, subprocess.CalledProcessError) as error:
        say(str(error))
        return 1
    found["seconds"] = round(time.monotonic() - begun)
    print(json.dumps(found, indent=1))
    if chosen.record:
        engines.record(chosen.record, chosen.machine, **found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
