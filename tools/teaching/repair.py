"""Bring a handed-in notebook back to a form that can be graded; no line of a student's code is lost.

    notebook, repairs = repair(Path("submitted/ada/00_start/lab.ipynb"), "00_start")

The released lab says which cells there are, in which order and with which marks. What the student wrote stays: in its
cell where that cell is known, else as an ordinary cell. The same file gives the same notebook, and a repaired
notebook needs no repair.
"""

import ast
import difflib
import json
import re
from pathlib import Path

import nbformat

from teaching.results import OURS

ROOT = Path(__file__).resolve().parents[2]
LARGEST = 400e6  # bytes of a file that is read at all
MOST_CELLS = 5_000
LARGE_OUTPUTS = 1e6  # bytes of outputs worth a sentence
ALIKE = 0.75  # a cell without a mark that is this similar to one of the lab is that cell, edited
MOST_COMPARED = 200  # cells without a mark whose likeness is looked at
ID = re.compile(r"[a-zA-Z0-9-_]{1,64}\Z")
HALF = re.compile(r"[\ud800-\udfff]")  # half of a pair: JSON lets it through, and no file can hold it


class RepairError(ValueError):
    """Why a file cannot be graded, in one sentence."""


def repair(source: bytes | str | Path, area: str,
           labs: Path = ROOT / "labs") -> tuple[nbformat.NotebookNode, list[str]]:
    """The notebook that can be graded, and one sentence for each repair.

    source: the file or its bytes. labs: the folder of the released labs. Raises RepairError, FileNotFoundError.
    """
    released = labs / area / "lab.ipynb"
    if not released.exists():
        raise FileNotFoundError(f"There is no released lab {area} in {labs}: run `release {area}` first.")
    lab = nbformat.read(released, as_version=4)
    said: list[str] = []
    found, kernel = _read(source, said)
    if other := _of_another(found, lab.cells, area):
        raise RepairError(f"It is the notebook of {other}, not of {area}: it was handed in in the wrong place.")
    placed = _place(found, lab.cells, said)
    notebook = nbformat.v4.new_notebook(metadata=lab.metadata, cells=_named(placed))
    if kernel not in (None, lab.metadata.kernelspec.name):
        said.append(f"The kernel was {kernel!r}; it is {lab.metadata.kernelspec.name!r} again.")
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    nbformat.validate(notebook)
    return notebook, said


def in_place(folder: Path, area: str, labs: Path) -> list[str]:
    """Repair the submission in a folder, keep what came in as lab.ipynb.before, and say what was done.

    Raises RepairError for what is in the file; anything else that it raises is not the student's doing.
    """
    path, said = folder / "lab.ipynb", []
    if not path.exists():
        named = [sorted(folder.glob(f"*{ending}")) for ending in (".ipynb", ".py", ".json")]
        found = next(filter(None, named), [])
        if len(found) != 1:
            there = ", ".join(sorted(p.name for p in folder.iterdir() if p.name not in OURS)) or "nothing"
            raise RepairError(f"There is no notebook; there is {there}.")
        said.append(f"The file was named {found[0].name}.")
        path = found[0]
    before = path.read_bytes()
    notebook, repairs = repair(before, area, labs)
    after = nbformat.writes(notebook).encode() + b"\n"
    if after != before:
        kept = folder / "lab.ipynb.before"
        if not kept.exists():  # with the outputs as the student saw them
            kept.write_bytes(before)
        beside = folder / "lab.ipynb.new"
        beside.write_bytes(after)
        beside.replace(folder / "lab.ipynb")
        if path.name != "lab.ipynb":
            path.unlink()
    return said + repairs


# Reading: bytes of any kind to a list of cells


class Cell:
    """A cell as it was handed in: its type, its text, the names it may carry, and whether it still has its mark."""

    def __init__(self, kind: str, source: str, names: tuple = (), attachments: dict | None = None, marked=False):
        self.kind, self.source, self.attachments, self.marked = kind, source, attachments, marked
        self.names = [name for name in names if isinstance(name, str)]


def _read(source: bytes | str | Path, said: list[str]) -> tuple[list[Cell], str | None]:
    if isinstance(source, (str, Path)):
        if Path(source).stat().st_size > LARGEST:
            raise RepairError(f"The file is larger than {LARGEST / 1e6:.0f} MB; ask for one without outputs.")
        source = Path(source).read_bytes()
    if len(source) > LARGEST:
        raise RepairError(f"The file is larger than {LARGEST / 1e6:.0f} MB; ask for one without outputs.")
    text = _decoded(source, said).strip("\0 \t\r\n")
    if not text:
        raise RepairError("The file is empty.")
    if text.startswith("<"):
        raise RepairError("The file is a web page, not a notebook; ask for the .ipynb file.")
    if re.search(r"^<{7} .*^={7}$.*^>{7} ", text, re.M | re.S):
        raise RepairError("The file holds the marks of an unfinished git merge; ask for a version without them.")
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        return _script(text, said), None
    raw = raw if isinstance(raw, dict) else {}
    cells, sheets = raw.get("cells"), raw.get("worksheets")
    if isinstance(sheets, list):
        cells = [cell for sheet in sheets if isinstance(sheet, dict) and isinstance(sheet.get("cells"), list)
                 for cell in sheet["cells"]]
    if not isinstance(cells, list):
        raise RepairError("The file has no cells: it is not a notebook.")
    if len(cells) > MOST_CELLS:
        raise RepairError(f"The notebook has {len(cells):,} cells; more than {MOST_CELLS:,} are not graded.")
    if isinstance(sheets, list):
        said.append("The notebook was in the old format 3; it is in format 4 now.")
    _count_outputs(cells, said)
    read = [_cell(cell) for cell in cells if isinstance(cell, dict)]
    windows = [cell for cell in read if "\r" in cell.source]
    for cell in windows:
        cell.source = cell.source.replace("\r\n", "\n").replace("\r", "\n")
    if windows:
        said.append(f"Windows line ends were replaced in {_count(len(windows), 'cell')}.")
    metadata = raw.get("metadata") if isinstance(raw.get("metadata"), dict) else {}
    spec = metadata.get("kernelspec")
    return read, str(spec.get("name")) if isinstance(spec, dict) else None


def _decoded(source: bytes, said: list[str]) -> str:
    for mark, name in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if source.startswith(mark):
            said.append(f"A byte order mark was removed ({name}).")
            return source[len(mark):].decode(name, errors="replace")
    try:
        return source.decode("utf-8")
    except UnicodeDecodeError:
        said.append("The file was not UTF-8; it was read as Windows-1252.")
        return source.decode("cp1252", errors="replace")


def _script(text: str, said: list[str]) -> list[Cell]:
    """The cells of a notebook that was handed in as a Python file."""
    try:
        ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", text, flags=re.M))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise RepairError("The file is not a notebook, or it is cut off: it is not complete JSON.") from None
    if not re.search(r"^def ", text, re.M):
        raise RepairError("The file is not a notebook, and has no function that could be graded.")
    said.append("A Python file was handed in; its pieces were made cells.")
    pieces = re.split(r"^(?:# In\[[ \d]*\]:|# %%.*)$", text.replace("\r\n", "\n").replace("\r", "\n"), flags=re.M)
    return [Cell("code", piece.strip("\n")) for piece in pieces if piece.strip()]


def _cell(raw: dict) -> Cell:
    metadata = raw.get("metadata") if isinstance(raw.get("metadata"), dict) else {}
    mark = metadata.get("nbgrader") if isinstance(metadata.get("nbgrader"), dict) else {}
    source = raw.get("source", raw.get("input", ""))
    source = "".join(map(str, source)) if isinstance(source, list) else str(source)
    kind = raw.get("cell_type")
    if kind == "heading":
        level = raw.get("level")
        source = "#" * (level if isinstance(level, int) and level in range(1, 7) else 1) + " " + source
    kind = kind if kind in ("code", "raw") else "markdown"
    attachments = raw.get("attachments")
    sound = isinstance(attachments, dict) and kind != "code" and all(
        isinstance(bundle, dict) and not HALF.search(name) and all(
            kind.isascii() and isinstance(data, str) and data.isascii() for kind, data in bundle.items())
        for name, bundle in attachments.items())
    source = HALF.sub("?", source)
    # Colab keeps a cell's name in its metadata and forgets ours.
    names = (mark.get("grade_id"), raw.get("id"), metadata.get("id"))
    return Cell(kind, source, names, attachments if sound else None, marked=bool(mark))


def _count_outputs(cells: list, said: list[str]) -> None:
    size = sum(len(json.dumps(cell["outputs"])) for cell in cells if isinstance(cell, dict) and cell.get("outputs"))
    if size > LARGE_OUTPUTS:
        said.append(f"Outputs of {size / 1e6:.0f} MB were removed.")


# Placing: which cell of the lab is it, and where does it stand


def _of_another(found: list[Cell], lab: list, area: str) -> str | None:
    """The lab that these cells are of, where they are of another one."""
    text = "\n".join(cell.source for cell in found)
    if any(_defines(text, name) for cell in lab if _mark(cell).get("solution") and (name := _function(cell.source))):
        return None
    for path in sorted((ROOT / "labs").glob("*/lab.ipynb")):
        names = [_function(cell.source) for cell in nbformat.read(path, as_version=4).cells
                 if _mark(cell).get("solution")]
        if path.parent.name != area and names and sum(_defines(text, name) for name in names if name) > len(names) / 2:
            return path.parent.name
    return None


def _place(found: list[Cell], lab: list, said: list[str]) -> list[tuple[str | None, nbformat.NotebookNode]]:
    """The cells in the order of the lab, with the lab's name of each known one."""
    known = _recognised(found, lab)
    kept, chosen = _chosen(found, known, lab, said)
    rank = {cell.id: position for position, cell in enumerate(lab)}
    by_name = {cell.id: cell for cell in lab}

    # Each cell of the student's own stays behind the known cell that it stood behind.
    groups: dict[str | None, list] = {None: []}
    behind = None
    seen = []
    for position in kept:
        cell, name = found[position], chosen.get(position)
        if name is None:
            groups[behind].append((None, _own(cell)))
        else:
            behind = name
            seen.append(name)
            groups[name] = [(name, _known(cell, by_name[name], said))]
    moved = _moved([rank[name] for name in seen])
    if moved:
        said.append(f"{_count(moved, 'cell')} back in place: the order was another.")

    missing = [cell for cell in lab if cell.id not in groups and cell.cell_type == "code"]
    for cell in missing:
        what = _what(cell)
        said.append(f"{what} was missing and was put back." if _mark(cell) else
                    f"The cell that starts with `{_first_line(cell.source)}` was missing and was put back.")
    placed, waiting = list(groups.pop(None)), []
    for cell in lab:
        if cell.id in groups:
            placed += waiting
            placed.append(groups[cell.id][0])
            waiting = groups[cell.id][1:]
        elif cell.cell_type == "code":
            if _mark(cell).get("grade"):  # a check stands behind what may hold the answer
                placed += waiting
                waiting = []
            placed.append((cell.id, _fresh(cell)))
    return placed + waiting


def _recognised(found: list[Cell], lab: list) -> dict[int, str]:
    """By position, the lab's name of each cell that can be told: by its mark, its text, its function, its likeness."""
    by_name = {cell.id: cell for cell in lab}
    known = {}
    for position, cell in enumerate(found):
        name = next((name for name in cell.names if name in by_name), None)
        if name and (cell.kind == by_name[name].cell_type or _mark(by_name[name]).get("solution")):
            known[position] = name

    def unnamed():
        taken = set(known.values())
        return [(p, cell) for p, cell in enumerate(found) if p not in known], [c for c in lab if c.id not in taken]

    rest, free = unnamed()
    by_text: dict[tuple, list] = {}
    for cell in free:
        by_text.setdefault((cell.cell_type, _plain(cell.source)), []).append(cell.id)
    for position, cell in rest:
        names = by_text.get((cell.kind, _plain(cell.source)))
        if names:
            known[position] = names.pop(0)

    # Code under the name of an exercise's function is an answer, also where the cell of the exercise is empty still.
    rest, free = unnamed()
    # So is code in the cell of a check.
    answered = {name for position, name in known.items() if not _is_stub(found[position], by_name[name])}
    rest += [(position, found[position]) for position, name in known.items()
             if _mark(by_name[name]).get("grade") and name in answered]
    exercises = {cell.id for cell in lab if _mark(cell).get("solution")}
    for exercise in [cell for cell in lab if cell.id in exercises - answered]:
        function = _function(exercise.source)
        for position, cell in rest:
            if function and known.get(position) not in exercises and _defines(cell.source, function) and _is_code(cell):
                known[position] = exercise.id

    rest, free = unnamed()
    for position, cell in rest[:MOST_COMPARED]:
        likely = [(difflib.SequenceMatcher(None, cell.source, other.source, autojunk=False).ratio(), other.id)
                  for other in free if other.cell_type == cell.kind and not _mark(other)
                  and max(len(cell.source), len(other.source)) < 5000
                  and min(len(cell.source), len(other.source)) > ALIKE / 2 * max(len(cell.source), len(other.source))]
        best = max(likely, default=(0, ""))
        if best[0] >= ALIKE:
            known[position] = best[1]
            free = [other for other in free if other.id != best[1]]
    return known


def _chosen(found: list[Cell], known: dict[int, str], lab: list, said: list[str]) -> tuple[list[int], dict[int, str]]:
    """The positions that stay, and which of them is the one cell of each name."""
    by_name = {cell.id: cell for cell in lab}
    copies: dict[str, list[int]] = {}
    for position, name in known.items():
        copies.setdefault(name, []).append(position)
    chosen, dropped, unmarked = {}, set(), []
    for name, positions in copies.items():
        ours, positions = by_name[name], sorted(positions)
        mark, what = _mark(ours), _what(ours)
        if mark and not any(found[position].marked for position in positions):
            unmarked.append(what)
        if mark.get("grade"):
            same = [p for p in positions if _plain(found[p].source) == _plain(ours.source)]
            best = same[0] if same else None
            dropped |= set(same[1:])
            if len(same) > 1:
                said.append(f"{what} stood there {len(same)} times; one of them stays.")
            if len(positions) > len(same):
                said.append(f"{what} had been edited; ours runs, the edited one stays as an ordinary cell.")
        else:
            edited = [p for p in positions if not _is_stub(found[p], ours)] if mark else positions
            function = _function(ours.source) if mark else None
            defining = [p for p in edited if function and _defines(found[p].source, function)]
            best = (defining or edited or positions)[-1]
            same = {p for p in positions if p != best and
                    (_plain(found[p].source) == _plain(found[best].source) or _is_stub(found[p], ours))}
            dropped |= same
            if len(positions) > 1:
                others = len(positions) - 1 - len(same)
                said.append(f"{what if mark else 'A cell'} stood there {len(positions)} times; the last answer counts"
                            + (f", {_count(others, 'other')} stay as ordinary cells." if others else "."))
        if best is not None:
            chosen[best] = name
    if unmarked:
        said.append(f"{_count(len(unmarked), 'lost mark')} put back: {', '.join(sorted(unmarked))}.")
    return [position for position in range(len(found)) if position not in dropped], chosen


def _known(cell: Cell, ours, said: list[str]) -> nbformat.NotebookNode:
    """A cell of the lab with what the student wrote in it; a check is always ours."""
    made = _fresh(ours)
    if not _mark(ours).get("grade"):
        made.source = cell.source
        if cell.attachments and made.cell_type == "markdown":
            made.attachments = nbformat.from_dict(cell.attachments)
        if cell.kind != ours.cell_type:
            said.append(f"{_what(ours)} was a {cell.kind} cell; it is code again.")
    return made


def _own(cell: Cell) -> nbformat.NotebookNode:
    """A cell that the student added."""
    made = {"code": nbformat.v4.new_code_cell, "raw": nbformat.v4.new_raw_cell}.get(
        cell.kind, nbformat.v4.new_markdown_cell)(cell.source)
    made.id = next((name for name in cell.names if ID.match(name)), "own")
    if cell.attachments:
        made.attachments = nbformat.from_dict(cell.attachments)
    return made


def _fresh(ours) -> nbformat.NotebookNode:
    made = nbformat.from_dict(json.loads(json.dumps(ours)))
    if made.cell_type == "code":
        made.outputs, made.execution_count = [], None
    return made


def _named(placed: list[tuple[str | None, nbformat.NotebookNode]]) -> list[nbformat.NotebookNode]:
    """The cells, each with a name of its own that is the same on every run."""
    taken, last = {name for name, _ in placed if name}, {}
    for name, cell in placed:
        if name is None:
            stem = cell.id
            while cell.id in taken:
                last[stem] = last.get(stem, 1) + 1
                cell.id = f"{stem[:58]}-{last[stem]}"
            taken.add(cell.id)
    return [cell for _, cell in placed]


def _moved(ranks: list[int]) -> int:
    """How many cells must move until all are in order: those outside the longest run that is in order."""
    best: list[int] = []
    for position, rank in enumerate(ranks):
        best.append(1 + max((best[p] for p in range(position) if ranks[p] < rank), default=0))
    return len(ranks) - max(best, default=0)


# Small words


def _mark(cell) -> dict:
    return cell.metadata.get("nbgrader", {})


def _what(cell) -> str:
    kind, _, number = cell.id.partition("-")
    return f"{kind.capitalize()} {number.replace('-', '.', 1)}"


def _is_stub(cell: Cell, ours) -> bool:
    """Whether an exercise's cell is as we released it, or holds no code at all."""
    return not cell.source.strip() or _plain(cell.source) == _plain(ours.source)


def _is_code(cell: Cell) -> bool:
    """Whether it is code, also where its type was changed by accident."""
    try:
        return cell.kind == "code" or bool(ast.parse(cell.source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _plain(source: str) -> str:
    return "\n".join(line.rstrip() for line in source.strip().replace("\r\n", "\n").split("\n"))


def _function(source: str) -> str | None:
    named = re.search(r"^(?:async )?(?:def|class) (\w+)", source, re.M)
    return named[1] if named else None


def _defines(source: str, name: str) -> bool:
    return bool(re.search(rf"^(?:(?:async )?(?:def|class) {name}\b|{name} *(?::[^=\n]+)?=(?!=))", source, re.M))


def _first_line(source: str) -> str:
    return (source.strip().split("\n") or [""])[0][:60]


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")
