"""Come back to a lab: what stands above a section is made by the course's own code, so that the cells below it run."""

import re
from collections.abc import Iterator

from mlelab.check.source import lab_source

CELL = re.compile(r"^# %%(.*)\n", re.M)
SECTION = re.compile(r"^# ## (\d+)\. (.+)", re.M)


def cells(source: str) -> Iterator[tuple[int, str | None, str]]:
    """(section, number of the exercise or None, code) of each code cell but checks and claims; 0 before section 1."""
    section = 0
    for marks, text in zip(*[iter(CELL.split(source)[1:])] * 2):
        if "markdown" in marks:
            section = max([section, *(int(number) for number, _ in SECTION.findall(text))])
        elif "check=" not in marks and not text.startswith(("# claim:", "# fact:")) and "check." not in text:
            exercise = re.search(r'exercise="([^"]+)"', marks)
            yield section, exercise and exercise[1], text


def resume(area: str, section: int, names: dict) -> str:
    """Run the code above a section in `names`; says what was done. A function that was written there before stays.

    Raises ValueError for a section that the lab does not have.
    """
    source = lab_source(area)
    if source is None:
        return ("The solutions are not part of this copy of the course. Choose Run > Run All Above Selected Cell; what "
                "needs an exercise that you have not solved fails, and the rest is there.")
    known = {int(number): title for number, title in SECTION.findall(source)}
    if section not in known:
        raise ValueError(f"This lab has the sections {', '.join(map(str, known))}; there is no {section!r}.")
    ours = []
    for place, exercise, text in cells(source):
        name = exercise and re.search(r"^def (\w+)", text, re.M)[1]
        if place < section and not (name and _written(names.get(name))):
            exec(compile(text, f"<lab {area}, above section {section}>", "exec"), names)
            ours += [exercise] if exercise else []
    return (f"You are at section {section}, {known[section]}. What stands above it is made"
            + (f", with the course's own results of {', '.join(ours)}." if ours else ", with your own functions."))


def _written(function) -> bool:
    """Whether this is a learner's function, and no stub."""
    code = getattr(function, "__code__", None)
    return code is not None and "NotImplementedError" not in code.co_names
