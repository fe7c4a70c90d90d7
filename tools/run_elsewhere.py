"""Run each lab as it arrives: alone, in an empty folder, from its first cell, in an environment of somebody else's.

  colab-3.13, colab-3.12   the pins of Colab's image; `google.colab` is there, `mlelab` comes from the first cell
  lowest                   Python 3.11 with the oldest packages that pyproject.toml allows
  newest                   Python 3.13 with the newest of today

A stand-in of the repository's address, on this machine, gives the package and the data; other packages come from where
pip takes them. First the unsolved lab runs, then the solved one. What happened goes to book/status/ENVIRONMENT.json,
which the book shows. A lab takes two to five minutes and up to 4 GB of disk, given back at its end.

Exit status 1 if a lab is not green.
"""

import argparse
import datetime
import functools
import hashlib
import http.server
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import tomllib
import zipfile
from pathlib import Path

import nbformat
from jupyter_client import KernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
STATUS = ROOT / "book" / "status"
COLAB = ROOT / "tools" / "elsewhere" / "colab.txt"
ENVIRONMENTS = {"colab-3.13": "3.13", "colab-3.12": "3.12", "lowest": "3.11", "newest": "3.13"}
KEPT = ("numpy", "pandas", "tensorflow")  # what a lab must leave alone on Colab
SHOWN = ("ipython", "numpy", "pandas", "scikit-learn", "tensorflow", "protobuf", "google-cloud-aiplatform")
UV = str(Path(sys.executable).parent / "uv")
AREAS = sorted(path.parent.name for path in ROOT.glob("solutions/*/lab.py"))


class Failed(Exception):
    """Why a lab is not green, in a sentence."""


def run(area: str, environment: str, address: str, folder: Path) -> dict[str, str]:
    """Both forms of one lab in an environment of its own; the versions that they ran with. Raises Failed."""
    python = make(area, environment, folder)
    before = versions(python)
    for kind in ("labs", "solutions"):
        home = folder / kind
        home.mkdir()
        notebook = nbformat.read(ROOT / kind / area / "lab.ipynb", 4)
        alone(notebook, area, python, address, home)
        right, checks = verdict(notebook)
        if right != (checks if kind == "solutions" else 0):
            raise Failed(f"{right} of {checks} checks are right in {kind}/{area}.")
    after = versions(python)
    changed = [f"{name} {before[name]} → {after[name]}" for name in KEPT if before.get(name) != after.get(name)]
    if environment.startswith("colab") and changed:
        raise Failed(f"The first cell changed what Colab has: {', '.join(changed)}.")
    return {name: after[name] for name in SHOWN if name in after}


def make(area: str, environment: str, folder: Path) -> Path:
    """An environment in `folder`; on Colab without mlelab, which the lab's first cell fetches."""
    home = folder / "environment"
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    shell(UV, "venv", "--quiet", "--seed", "--python", ENVIRONMENTS[environment], home)
    install = (UV, "pip", "install", "--quiet", "--python", python)
    if environment.startswith("colab"):
        shell(*install, "--requirements", COLAB)
        (python.parents[1] / "lib" / f"python{ENVIRONMENTS[environment]}" / "site-packages" / "google" /
         "colab").mkdir(parents=True)
        pth = next((home / "lib").glob("python*/site-packages")) / "colab.pth"
        pth.write_text("import sys, types; sys.modules['google.colab'] = types.ModuleType('google.colab')\n")
    else:
        extra = area.partition("_")[2]
        extra = f"[{extra}]" if extra in PROJECT["optional-dependencies"] else ""
        oldest = ["--resolution", "lowest-direct"] if environment == "lowest" else []
        shell(*install, *oldest, f"mlelab{extra} @ {ROOT.as_uri()}", "ipykernel>=6.17.1")
    return python


def alone(notebook: nbformat.NotebookNode, area: str, python: Path, address: str, home: Path) -> None:
    """Execute a notebook in `home`, its download address turned to the stand-in. Raises Failed."""
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    if PROJECT["urls"]["Repository"] not in first.source:
        raise Failed(f"The first cell of {area} does not name the repository.")
    first.source = first.source.replace(PROJECT["urls"]["Repository"], address)
    inherited = {name: value for name, value in os.environ.items()
                 if not name.startswith(("VIRTUAL_ENV", "PYTHON", "JUPYTER", "MLELAB"))}
    env = inherited | {"PATH": str(python.parent) + os.pathsep + os.environ["PATH"], "PYTHONHASHSEED": "0",
                       "MLELAB_DATA_URL": f"{address}/datasets", "MLELAB_DATA_DIR": str(home / "data"),
                       "PYDEVD_DISABLE_FILE_VALIDATION": "1",
                       "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    manager = KernelManager(kernel_name="python3")
    manager.kernel_spec.argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    client = NotebookClient(notebook, km=manager, timeout=900, resources={"metadata": {"path": str(home)}})
    try:
        client.execute(env=env)
    except CellExecutionError as error:
        raise Failed(f"{error.ename}: {error.evalue.splitlines()[0] if error.evalue else 'no message'}") from None
    except Exception as error:  # a dead kernel, a timeout
        raise Failed(f"{type(error).__name__}: {str(error).splitlines()[0]}") from None
    finally:
        manager.shutdown_kernel(now=True)  # nbclient leaves a kernel that it was given


def verdict(notebook: nbformat.NotebookNode) -> tuple[int, int]:
    """How many checks are right and how many there are, as the lab's last cell counts them."""
    last = [cell for cell in notebook.cells if cell.cell_type == "code"][-1]
    printed = "".join(output.get("text", "") for output in last.outputs)
    counted = re.search(r"(\d+) of (\d+) checks are right", printed)
    if not counted:
        raise Failed("The last cell does not count the checks.")
    return int(counted[1]), int(counted[2])


def versions(python: Path) -> dict[str, str]:
    listed = subprocess.run([UV, "pip", "list", "--format", "json", "--python", python], capture_output=True, text=True)
    return {package["name"]: package["version"] for package in json.loads(listed.stdout)}


def shell(*command: object) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"`{' '.join(map(str, command[1:4]))}` failed: {done.stderr.strip().splitlines()[-1]}")


def stand_in() -> http.server.ThreadingHTTPServer:
    """The repository's address on loopback: archives of this clone, and its datasets."""
    names = subprocess.run(["git", "ls-files", "-z", "mlelab", "datasets/MANIFEST.json", "solutions", "pyproject.toml",
                            "README.md", "LICENSE"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in filter(None, names.split("\0")):
            archive.write(ROOT / name, f"course/{name}")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            if not self.path.endswith(".zip"):
                return super().do_GET()
            self.send_response(200)
            self.send_header("Content-Length", str(len(packed.getvalue())))
            self.end_headers()
            return self.wfile.write(packed.getvalue())

        def log_message(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(ROOT)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def record(environment: str, area: str, says: str, found: dict[str, str]) -> None:
    """Write down what a run found, beside the last time the lab was green here."""
    path = STATUS / f"{environment}.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    today = datetime.date.today().isoformat()
    entry = {"ran": today, "says": says, "green": today if not says else known.get(area, {}).get("green"),
             "source": source(area), "python": ENVIRONMENTS[environment], "versions": found}
    known[area] = entry
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(dict(sorted(known.items())), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def source(area: str) -> str:
    """The digest of a lab's source, so that the record of another state of the lab can be told."""
    return hashlib.sha256((ROOT / "solutions" / area / "lab.py").read_bytes()).hexdigest()[:12]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", nargs="+", choices=AREAS, default=AREAS, metavar="AREA", help="only these labs")
    parser.add_argument("--environment", nargs="+", choices=ENVIRONMENTS, default=list(ENVIRONMENTS)[:1],
                        metavar="NAME", help=f"of {', '.join(ENVIRONMENTS)}; the first unless you say another")
    parser.add_argument("--keep", action="store_true", help="leave the environments, for a look at a failure")
    arguments = parser.parse_args()
    server, red = stand_in(), 0
    address = f"http://127.0.0.1:{server.server_port}"
    for environment in arguments.environment:
        for area in arguments.lab:
            print(f"{environment}: {area} ...", flush=True)
            folder = Path(tempfile.mkdtemp(prefix=f"{environment}-{area}-"))
            says, found = "", {}
            try:
                found = run(area, environment, address, folder)
            except Failed as failed:
                says = str(failed)[:300]
            record(environment, area, says, found)
            red += bool(says)
            print(f"{environment}: {area} {says or 'green'}", flush=True)
            if arguments.keep:
                print(f"Its environment is {folder}.")
            else:
                shutil.rmtree(folder, ignore_errors=True)
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main())
