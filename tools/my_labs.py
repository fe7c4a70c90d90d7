"""A learner's own copy of the labs, in my_labs/, which git does not see: `make lab` opens this one.

Labs that are new are brought; labs that changed are brought with the learner's answers in them. What a learner wrote is
never lost: where anything else than answers was written, the old notebook stays beside the new one.
"""

import datetime
import shutil
import sys
from pathlib import Path

import nbformat


def bring(released: Path, own: Path) -> list[str]:
    """Bring `own` up to `released`, and return one sentence for each lab that is not as it was."""
    first, said = not own.exists(), []
    for source in sorted(released.glob("*/lab.ipynb")):
        area = source.parent.name
        target, base = own / area / "lab.ipynb", own / ".released" / f"{area}.ipynb"
        if not target.exists():
            said.append(f"{area} is new.")
            _copy(source, target)
        elif not base.exists() or base.read_bytes() != source.read_bytes():
            said.append(f"{area} {_update(source, target, base)}")
        _copy(source, base)
    return [f"{own.name}/ is your own copy of {len(said)} labs; updates leave what you write there."] if first else said


def _update(source: Path, target: Path, base: Path) -> str:
    """Put the changed lab in the place of the learner's, with their answers; the end of a sentence about it."""
    try:
        mine = _sources(target)
    except (ValueError, nbformat.ValidationError):  # no notebook any more
        return f"has changed; yours cannot be read, and is now {_set_aside(source, target)}."
    before = _sources(base) if base.exists() else {}
    written = {name for name, text in mine.items() if before.get(name) != text}
    if not written:
        _copy(source, target)
        return "has changed; you had written nothing in it."
    new = nbformat.read(source, as_version=4)
    carried = {name for name in written if name.startswith("exercise-")} & {cell.id for cell in new.cells}
    old = _set_aside(source, target) if written - carried else None
    for cell in new.cells:
        if cell.id in carried:
            cell.source = mine[cell.id]
    nbformat.write(new, target)
    kept = f"has changed; your answers ({len(carried)}) are in it"
    return f"{kept}, and all else that you wrote is in {old}." if old else f"{kept}."


def _set_aside(source: Path, target: Path) -> str:
    """Rename the learner's notebook after today, put the released one in its place, and return the new name."""
    today = datetime.date.today().isoformat()
    names = [f"lab until {today}.ipynb", *(f"lab until {today} ({number}).ipynb" for number in range(2, 100))]
    name = next(name for name in names if not target.with_name(name).exists())
    target.rename(target.with_name(name))
    _copy(source, target)
    return f"“{name}”"


def _sources(path: Path) -> dict[str, str]:
    return {cell.get("id", str(number)): cell.source
            for number, cell in enumerate(nbformat.read(path, as_version=4).cells)}


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


if __name__ == "__main__":
    for sentence in bring(*map(Path, sys.argv[1:])):
        print(f"- {sentence}")
