"""Bring collected notebooks back to a form that can be graded, and say what was repaired.

Marks that were lost, cells that are missing, doubled or in another order, a wrong kernel, a renamed file, line ends
and encodings of other systems, huge outputs: all are repaired against the released lab. No line of a student's code
is lost. What came in is kept as lab.ipynb.before, outputs included. Files that cannot be read are named and left as
they are.
"""

from pathlib import Path


def arguments(parser) -> None:
    parser.add_argument("area", help="the lab, such as 01_lifecycle")
    parser.add_argument("students", nargs="*", metavar="STUDENT", help="only these (default: all in submitted/)")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be repaired")


def run(arguments) -> int:
    from teaching import _class

    course = _class.course(arguments)
    area = _class.released(course, arguments.area)
    folders = _class.submissions(course, area, arguments.students)
    broken = repaired = 0
    for number, (student, folder) in enumerate(folders, start=1):
        _class.progress(number, len(folders), student)
        sentences, failed = one(folder, area, course, arguments.dry_run)
        broken, repaired = broken + failed, repaired + bool(sentences and not failed)
        for sentence in sentences:
            print(f"{student}: {sentence}")
    print(f"{len(folders)} submissions of {area}: {repaired} repaired, {broken} not readable, "
          f"{len(folders) - repaired - broken} as they should be.")
    return 1 if broken else 0


def one(folder: Path, area: str, course: Path, dry_run: bool = False) -> tuple[list[str], bool]:
    """Repair the submission in a folder: what was done or what is wrong, and whether it could not be read."""
    import nbformat

    from teaching._repair import RepairError, repair

    path = folder / "lab.ipynb"
    said = []
    if not path.exists():
        found = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".ipynb", ".py", ".json"))
        if len(found) != 1:
            return [f"There is no lab.ipynb in {folder}, and {len(found)} files that could be it."], True
        said.append(f"The file was named {found[0].name}.")
        path = found[0]
    try:
        before = path.read_bytes()
        notebook, repairs = repair(before, area, course / "labs")
        after = nbformat.writes(notebook).encode() + b"\n"
    except RepairError as error:
        return [str(error)], True
    except Exception as error:  # one file must not stop the class
        return [f"It could not be repaired ({type(error).__name__})."], True
    said += repairs
    if not dry_run and after != before:
        kept = folder / "lab.ipynb.before"
        if not kept.exists():  # with the outputs as the student saw them
            kept.write_bytes(before)
        (folder / "lab.ipynb").write_bytes(after)
        if path.name != "lab.ipynb":
            path.unlink()
    return said, False
