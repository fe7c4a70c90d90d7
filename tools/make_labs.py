"""Make the notebooks of each lab from its one source.

    solutions/NN_area/lab.py  ->  solutions/NN_area/lab.ipynb  ->  labs/NN_area/lab.ipynb
    (yours to edit)               (executed, outputs kept)         (solutions cleared by nbgrader)

`--check` changes nothing: it fails with the names of files that are not what would be made. It compares source
and metadata; that the kept outputs are what the code prints is proven by the notebook tests (nbval).
"""

import argparse
import re
import shutil
import sys
import tempfile
import tomllib
from itertools import count
from pathlib import Path

import jupytext
import minutes
import nbformat
from nbclient import NotebookClient
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import SaveCells
from strip_claims import MARKS
from traitlets.config import PyFileConfigLoader

from mlelab.check.resume import SECTION
from mlelab.check.source import pack

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REPOSITORY, VERSION, EXTRAS = PROJECT["urls"]["Repository"], PROJECT["version"], PROJECT["optional-dependencies"]
KERNEL = {"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
          "language_info": {"name": "python"}}

BOOTSTRAP = '''\
import importlib.util
if importlib.util.find_spec("mlelab") is None:  # the notebook stands alone: on Colab, or outside a clone
    %pip install -q "mlelab{extra} @ {repository}/archive/refs/tags/v{version}.zip"
    importlib.invalidate_caches()
    if importlib.util.find_spec("mlelab") is None:
        raise RuntimeError("mlelab is not installed and could not be fetched: go online and run this cell again, "
                           "or clone {repository} and run `make lab` there.")
import mlelab
check = mlelab.start("{area}")'''

BADGES = ("[**Open in Colab**](https://colab.research.google.com/github/{slug}/blob/main/labs/{area}/lab.ipynb) · "
          "[**Open in JupyterLab**](https://mybinder.org/v2/gh/{slug}/main?urlpath=lab/tree/labs/{area}/lab.ipynb) · "
          "[Read the chapter]({book}/book/{area}.html)")


LENGTH = ("{exercises} exercises, {length.points} points, about {length.total} minutes. Short of time? The **core "
          "path** takes about {length.core} minutes and leaves a working whole: exercises {path}. The rest goes "
          "deeper.")
RESUME = ("\n\nYou can stop after each section. After a restart, run the cell below; then `check.resume(3)` brings "
          "you to section 3, any other number to another.")
EXERCISE = re.compile(r"^### Exercise (\S+): .+? \(\d+ points?(?=[,)])", re.M)


def solution_notebook(source: Path) -> nbformat.NotebookNode:
    """The notebook of a lab source: our short marks turned into nbgrader's metadata, nothing executed."""
    area = source.parent.name
    notebook = jupytext.read(source)
    notebook.metadata = nbformat.from_dict(KERNEL)
    title = notebook.cells[0]
    title.source += "\n\n" + BADGES.format(slug=REPOSITORY.removeprefix("https://github.com/"), area=area,
                                           book=PROJECT["urls"]["Documentation"])
    length = minutes.lab(area, ROOT)
    title.source += "\n\n" + LENGTH.format(length=length, exercises=len(length.exercises),
                                           path=", ".join(length.path))
    title.source += RESUME if SECTION.search(source.read_text(encoding="utf-8")) else ""
    extra = area.partition("_")[2]  # what the lab needs on top of the base
    extra = f"[{extra}]" if extra in EXTRAS else ""
    first = nbformat.v4.new_code_cell(BOOTSTRAP.format(repository=REPOSITORY, version=VERSION, area=area, extra=extra),
                                      metadata={"tags": ["nbval-ignore-output"]})  # it names versions
    notebook.cells.insert(1, first)
    positions, claims = count(), count()  # a claim leaves the names of other cells alone
    for cell in notebook.cells:
        cell.source = EXERCISE.sub(lambda found: f"{found[0]}, {_minutes(length, found[1])}", cell.source)
        marks, cell.metadata = cell.metadata, nbformat.from_dict({"tags": cell.metadata.get("tags", [])})
        is_claim = cell.cell_type == "code" and cell.source.startswith(MARKS)
        cell.id = f"claim-{next(claims):03d}" if is_claim else f"cell-{next(positions):03d}"
        if "exercise" in marks:
            cell.id = _grade_id("exercise", marks["exercise"])
            cell.metadata["nbgrader"] = _nbgrader(cell.id, solution=True)
        elif "check" in marks:
            cell.id = _grade_id("check", marks["check"], marks.get("part", ""))
            cell.metadata["nbgrader"] = _nbgrader(cell.id, grade=True, points=marks["points"])
        if not cell.metadata["tags"]:
            del cell.metadata["tags"]
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run a notebook in `folder`; keep its outputs and nothing that changes from run to run."""
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", record_timing=False,
                            resources={"metadata": {"path": str(folder)}})
    client.execute()
    notebook.metadata = nbformat.from_dict(KERNEL)


def write_labs(root: Path) -> None:
    """Let nbgrader write root/labs from the solution notebooks in root/solutions."""
    config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
    config.CourseDirectory.root = str(root)
    # Without a gradebook: an instructor's own `nbgrader generate_assignment` makes that.
    config.GenerateAssignment.preprocessors.remove(SaveCells)
    for folder in sorted((root / "solutions").iterdir()):
        course = CourseDirectory(config=config, assignment_id=folder.name)
        GenerateAssignment(coursedir=course, config=config, force=True, no_database=True).start()


def stale_files(only: str | None = None) -> list[str]:
    """Names of the notebooks that are not what their sources would give now."""
    stale = []
    with tempfile.TemporaryDirectory() as scratch:
        for source in sources(only):
            made, kept = solution_notebook(source), source.with_suffix(".ipynb")
            if not kept.exists() or _without_outputs(made) != _without_outputs(nbformat.read(kept, as_version=4)):
                stale.append(str(kept.relative_to(ROOT)))
            target = Path(scratch) / "solutions" / source.parent.name
            target.mkdir(parents=True)
            nbformat.write(made, target / "lab.ipynb")
        write_labs(Path(scratch))
        chapters = ROOT / "book" / "chapters.yml"
        stale += ["book/chapters.yml"] * (chapters.read_text(encoding="utf-8") != minutes.write(ROOT))
        stale += [str(path.relative_to(ROOT)) for path, text in packed_oracles() if _bytes(path) != text.encode()]
        names = {str(path.relative_to(base)) for base in (ROOT, Path(scratch))
                 for path in base.glob(f"labs/{only or '*'}/*") if path.is_file()}
        stale += sorted(name for name in names if _bytes(ROOT / name) != _bytes(Path(scratch) / name))
    return stale


def packed_oracles() -> list[tuple[Path, str]]:
    """What checks compare with where a class has no lab.py: the file of each lab, and its content."""
    folder = ROOT / "mlelab" / "check" / "oracles"
    return [(folder / f"{source.parent.name}.json", pack(source.read_text(encoding="utf-8"))) for source in sources()]


def sources(only: str | None = None) -> list[Path]:
    return sorted((ROOT / "solutions").glob(f"{only or '*'}/lab.py"))


def _minutes(length: minutes.Length, number: str) -> str:
    return f"about {length.exercises[number]} minutes, {'core' if number in length.path else 'deeper'}"


def _grade_id(kind: str, number: str, part: str = "") -> str:
    return re.sub(r"[^\w-]", "-", f"{kind}-{number}" + (f"-{part}" if part else ""))


def _nbgrader(name: str, *, solution: bool = False, grade: bool = False, points: float | None = None) -> dict:
    fields = {"grade_id": name, "grade": grade, "solution": solution, "locked": grade, "task": False,
              "schema_version": 3, "cell_type": "code"}
    return fields | ({"points": points} if grade else {})


def _without_outputs(notebook: nbformat.NotebookNode) -> list[tuple]:
    return [(cell.id, cell.cell_type, cell.source, cell.metadata) for cell in notebook.cells]


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say which files are stale; exit 1 if any is")
    parser.add_argument("--lab", help="make this lab only, e.g. 01_lifecycle")
    arguments = parser.parse_args()
    if arguments.check:
        stale = stale_files(arguments.lab)
        print("\n".join([f"stale: {name}" for name in stale] + ["Run `make labs` and commit what it writes."])
              if stale else f"{len(sources(arguments.lab))} labs are what their sources would make.")
        return 1 if stale else 0
    chosen = sources(arguments.lab)
    if not chosen:
        print(f"There is no solutions/{arguments.lab}/lab.py.", file=sys.stderr)
        return 2
    for source in chosen:
        notebook = solution_notebook(source)
        print(f"{source.parent.name}: running {len(notebook.cells)} cells (up to 3 minutes) …", flush=True)
        execute(notebook, source.parent)
        nbformat.write(notebook, source.with_suffix(".ipynb"))
    print("clearing solutions …", flush=True)
    write_labs(ROOT)
    (ROOT / "book" / "chapters.yml").write_text(minutes.write(ROOT), encoding="utf-8")
    for path, text in packed_oracles():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    shutil.rmtree(ROOT / "labs" / ".ipynb_checkpoints", ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
