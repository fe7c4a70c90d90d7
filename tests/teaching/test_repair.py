"""Whatever happened to a notebook on its way, the same cells are graded, and no line of a student's code is lost."""

import copy
import json
import random

import nbformat
import pytest
from teaching import classroom
from teaching.repair import RepairError, in_place, repair

from tests.journeys.students import UNSOLVED, handed_in
from tests.teaching.conftest import AREA, ROOT

OWN = "def helper(text):\n    return text.split('.')  # é"


def student_notebook() -> dict:
    """Solved, with a cell of the student's own before the first exercise and an edited worked example."""
    notebook = handed_in(AREA, {})
    at = next(n for n, cell in enumerate(notebook.cells) if cell.id == "exercise-0-1")
    notebook.cells.insert(at, nbformat.v4.new_code_cell(OWN, id="mine"))
    notebook.cells[5].source += "\nprint('my own line')"
    return json.loads(nbformat.writes(notebook))


def marked(raw: dict) -> list[dict]:
    return [cell for cell in raw["cells"] if "nbgrader" in cell["metadata"]]


def strip_marks(raw, rng):
    for cell in raw["cells"]:
        cell["metadata"].pop("nbgrader", None)


def strip_everything(raw, rng):
    for cell in raw["cells"]:
        cell["metadata"] = {}
        cell.pop("id", None)
    raw["nbformat_minor"] = 0


def new_ids(raw, rng):
    for cell in raw["cells"]:
        cell["id"] = f"{rng.getrandbits(32):08x}"


def double_a_cell(raw, rng):
    cell = rng.choice(raw["cells"])
    raw["cells"].insert(rng.randrange(len(raw["cells"])), copy.deepcopy(cell))


def double_an_exercise_unsolved(raw, rng):
    stub = next(cell for cell in handed_in(AREA, {"0.1": UNSOLVED}).cells if cell.id == "exercise-0-1")
    raw["cells"].append(json.loads(json.dumps(stub)) | {"outputs": []})


def delete_checks(raw, rng):
    raw["cells"] = [cell for cell in raw["cells"] if "".join(cell["source"]) != "check.late_share(late_share)"]


def delete_an_example(raw, rng):
    raw["cells"] = [cell for cell in raw["cells"] if "".join(cell["source"]) != "check.progress()"]


def move_cells(raw, rng):
    for _ in range(3):
        cell = raw["cells"].pop(rng.randrange(len(raw["cells"])))
        raw["cells"].insert(rng.randrange(len(raw["cells"])), cell)


def wrong_kernel(raw, rng):
    raw["metadata"]["kernelspec"] = {"name": "conda-env-ml", "display_name": "ML", "language": "python"}


def colab(raw, rng):
    raw["metadata"] = {"colab": {"provenance": []}, "kernelspec": {"name": "python3", "display_name": "Python 3"}}
    for cell in raw["cells"]:
        cell["metadata"] |= {"id": f"{rng.getrandbits(48):012x}"}
        cell.pop("id", None)


def windows(raw, rng):
    for cell in raw["cells"]:
        cell["source"] = "".join(cell["source"]).replace("\n", "\r\n")


def outputs(raw, rng):
    code = [cell for cell in raw["cells"] if cell["cell_type"] == "code"]
    rng.choice(code)["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 2_000_000}]


def nonsense(raw, rng):
    raw["cells"].append({"cell_type": "code"})
    raw["cells"].append("not a cell")
    raw["metadata"]["kernelspec"] = None


def raw_cell(raw, rng):
    for cell in marked(raw):
        if cell["metadata"]["nbgrader"]["solution"]:
            cell["cell_type"] = "raw"


def forged_points(raw, rng):
    for cell in marked(raw):
        cell["metadata"]["nbgrader"] |= {"points": 1000, "locked": False}


DAMAGES = [strip_marks, strip_everything, new_ids, double_a_cell, double_an_exercise_unsolved, delete_checks,
           delete_an_example, move_cells, wrong_kernel, colab, windows, outputs, nonsense, raw_cell, forged_points]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "cp1252"]


def graded(notebook) -> list[tuple]:
    """Names, marks and text of the cells that decide on points, in their order."""
    return [(cell.id, cell.cell_type, cell.source, cell.metadata) for cell in notebook.cells
            if "nbgrader" in cell.metadata]


def lines(cells) -> set[str]:
    return {line.strip() for cell in cells if isinstance(cell, dict)
            for line in "".join(cell.get("source", "")).splitlines() if line.strip()}


def is_sound(raw: dict, file: bytes, expected) -> list[str]:
    notebook, said = repair(file, AREA)
    assert graded(notebook) == expected
    assert lines(raw["cells"]) <= lines(notebook.cells) | lines(
        [{"source": cell.source} for cell in handed_in(AREA, {"0.1": UNSOLVED}).cells])
    assert OWN.strip() in [cell.source for cell in notebook.cells]
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    assert repair(file, AREA) == (notebook, said)
    again, nothing = repair(nbformat.writes(notebook).encode(), AREA)
    assert again == notebook and nothing == []
    return said


@pytest.fixture(scope="module")
def expected():
    return graded(repair(nbformat.writes(handed_in(AREA, {})).encode(), AREA)[0])


def test_a_notebook_that_is_as_it_should_be_needs_no_repair(solved):
    notebook, said = repair(solved, AREA)
    assert said == []
    assert [(cell.id, cell.source) for cell in notebook.cells] == [
        (cell.id, cell.source) for cell in handed_in(AREA, {}).cells]


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damage_is_repaired(damage, expected):
    raw = student_notebook()
    damage(raw, random.Random(0))
    said = is_sound(raw, json.dumps(raw).encode(), expected)
    silent = damage in (new_ids, forged_points, nonsense, colab)
    assert said or silent


@pytest.mark.parametrize("seed", range(40))
def test_any_combination_of_damages_is_repaired(seed, expected):
    rng = random.Random(seed)
    raw = student_notebook()
    for damage in sorted(rng.sample(DAMAGES, rng.randint(2, 6)), key=lambda damage: damage is nonsense):
        damage(raw, rng)
    encoding = rng.choice(ENCODINGS)
    is_sound(raw, json.dumps(raw, ensure_ascii=False).encode(encoding), expected)


@pytest.mark.parametrize("area", sorted(path.name for path in (ROOT / "labs").iterdir() if path.is_dir()))
def test_every_lab_survives_the_loss_of_all_marks_and_names(area):
    notebook = handed_in(area, {})
    raw = json.loads(nbformat.writes(notebook))
    strip_everything(raw, None)
    random.Random(area).shuffle(raw["cells"])
    repaired, said = repair(json.dumps(raw).encode(), area)
    assert [(cell.id, cell.source) for cell in repaired.cells] == [(cell.id, cell.source) for cell in notebook.cells]


def test_the_last_answer_counts_and_the_others_stay(expected):
    raw = student_notebook()
    at = next(n for n, cell in enumerate(raw["cells"]) if cell.get("id") == "exercise-0-2")
    early = copy.deepcopy(raw["cells"][at])
    early["source"] = "def late_share(delays, threshold):\n    return 0.5  # my first try"
    raw["cells"].insert(at, early)
    said = is_sound(raw, json.dumps(raw).encode(), expected)
    assert said == ["Exercise 0.2 stood there 2 times; the last answer counts, 1 other stay as ordinary cells."]


def test_an_answer_in_a_cell_of_its_own_is_found(expected):
    """The exercise's cell is still empty, and the function stands in a new cell below the check."""
    raw = student_notebook()
    at = next(n for n, cell in enumerate(raw["cells"]) if cell.get("id") == "exercise-0-2")
    mine = {"cell_type": "code", "metadata": {}, "source": raw["cells"][at]["source"], "outputs": []}
    raw["cells"][at]["source"] = next(c.source for c in handed_in(AREA, {"0.2": UNSOLVED}).cells
                                      if c.id == "exercise-0-2")
    raw["cells"].append(mine)
    assert graded(repair(json.dumps(raw).encode(), AREA)[0]) == expected


def test_an_answer_in_the_cell_of_a_check_is_found(expected):
    raw = student_notebook()
    cells = {cell["id"]: cell for cell in raw["cells"]}
    cells["check-0-2"]["source"] = cells["exercise-0-2"]["source"]
    cells["exercise-0-2"]["source"] = next(c.source for c in handed_in(AREA, {"0.2": UNSOLVED}).cells
                                           if c.id == "exercise-0-2")
    is_sound(raw, json.dumps(raw).encode(), expected)


def test_an_edited_check_stays_beside_ours(expected):
    raw = student_notebook()
    for cell in marked(raw):
        if cell["metadata"]["nbgrader"]["grade"]:
            cell["source"] = "print('all right')"
    said = is_sound(raw, json.dumps(raw).encode(), expected)
    assert "Check 0.1 had been edited; ours runs, the edited one stays as an ordinary cell." in said


def test_a_deleted_exercise_comes_back_unsolved():
    raw = student_notebook()
    raw["cells"] = [cell for cell in raw["cells"] if cell.get("id") != "exercise-0-1"]
    notebook, said = repair(json.dumps(raw).encode(), AREA)
    assert "Exercise 0.1 was missing and was put back." in said
    assert "NotImplementedError" in next(cell.source for cell in notebook.cells if cell.id == "exercise-0-1")


def test_a_python_file_becomes_a_notebook(expected):
    raw = student_notebook()
    script = "\n\n".join(f"# In[ ]:\n\n{''.join(cell['source'])}" for cell in raw["cells"]
                         if cell["cell_type"] == "code")
    notebook, said = repair(script.encode(), AREA)
    assert graded(notebook) == expected
    assert said[0] == "A Python file was handed in; its pieces were made cells."


def test_format_3_is_read(expected):
    raw = student_notebook()
    cells = [{"cell_type": "code", "language": "python", "input": cell["source"], "outputs": [],
              "metadata": cell["metadata"]} if cell["cell_type"] == "code" else cell for cell in raw["cells"]]
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": cells}]}
    assert graded(repair(json.dumps(old).encode(), AREA)[0]) == expected


@pytest.mark.parametrize(("file", "says"), [
    (b"", "The file is empty."),
    (b"\0\0\0\0", "The file is empty."),
    (b"<!DOCTYPE html><html></html>", "The file is a web page"),
    (b'{"cells": [{"cell_type"', "cut off"),
    (b"[" * 100_000, "not a notebook"),
    (b"\x89PNG\r\n\x1a\n", "not a notebook"),
    (b'{"a": 1}', "has no cells"),
    (b"[1, 2]", "has no cells"),
    (b"x = 1\n", "no function"),
    (b'{\n<<<<<<< HEAD\n"a": 1\n=======\n"a": 2\n>>>>>>> branch\n}', "git merge"),
])
def test_what_cannot_be_read_says_why(file, says):
    with pytest.raises(RepairError, match=says) as caught:
        repair(file, AREA)
    assert "\n" not in str(caught.value)


JUNK = [None, 5, -1.5, True, [], {}, "", "\ud800", "def late_share(x): return x", ["a", 3], {"nbgrader": 7}, [[[]]],
        {"grade_id": ["x"]}, "check-0-1", {"a": {"b": 1}}, "heading", float("nan")]


def junk_in(value, rng, rate):
    """A copy in which some nodes were replaced by junk."""
    if rng.random() < rate:
        return rng.choice(JUNK)
    if isinstance(value, dict):
        return {key: junk_in(inner, rng, rate) for key, inner in value.items()}
    if isinstance(value, list):
        return [junk_in(inner, rng, rate) for inner in value]
    return value


@pytest.mark.parametrize("seed", range(100))
def test_junk_is_repaired_or_refused_and_nothing_else(seed):
    rng = random.Random(seed)
    raw = student_notebook()
    raw["cells"][0]["attachments"] = {"a.png": {"image/png": "aGk="}}
    file = json.dumps(junk_in(raw, rng, rng.choice([0.002, 0.01, 0.05]))).encode()
    try:
        notebook, said = repair(file, AREA)
    except RepairError as error:
        assert "\n" not in str(error)
        return
    assert len(graded(notebook)) == 4
    assert all("\n" not in sentence for sentence in said)
    again, nothing = repair(nbformat.writes(notebook).encode(), AREA)
    assert again == notebook and nothing == []


@pytest.mark.parametrize("cell", [
    {"id": "own\n"},
    {"cell_type": "markdown", "attachments": {"\ud800": {"image/png": "aGk="}}},
    {"cell_type": "markdown", "attachments": {"a.png": {"\ud800": "aGk="}}},
    {"source": ["x = '", "\ud800'"]},
], ids=["id", "attachment", "type", "source"])
def test_what_no_file_can_hold_is_left_out(cell, expected):
    raw = student_notebook()
    raw["cells"].append({"cell_type": "code", "metadata": {}, "source": "1", "outputs": []} | cell)
    notebook, said = repair(json.dumps(raw).encode(), AREA)
    assert graded(notebook) == expected
    text = nbformat.writes(notebook).encode()
    assert all("\n" not in cell.id for cell in notebook.cells) and repair(text, AREA) == (notebook, [])


@pytest.mark.parametrize("cells", [5, True, {"a": 1}, "text", None])
def test_format_3_without_a_list_of_cells_is_an_empty_notebook(cells):
    notebook, said = repair(json.dumps({"worksheets": [{"cells": cells}]}).encode(), AREA)
    assert len(graded(notebook)) == 4 and said[0].startswith("The notebook was in the old format 3")


@pytest.mark.parametrize("cut", [1, 10, 100, 1000, 5000, 9000])
def test_a_file_that_is_cut_off_is_refused(cut, solved):
    with pytest.raises(RepairError):
        repair(solved[:cut], AREA)


def test_too_many_cells_are_refused():
    raw = student_notebook()
    raw["cells"] += [{"cell_type": "code", "metadata": {}, "source": "1"}] * 4_000
    assert len(repair(json.dumps(raw).encode(), AREA)[0].cells) > 4_000
    raw["cells"] *= 2
    with pytest.raises(RepairError, match="more than 5,000 are not graded"):
        repair(json.dumps(raw).encode(), AREA)


def test_fifty_megabytes_of_outputs_are_removed(expected):
    raw = student_notebook()
    raw["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 50_000_000}]
    notebook, said = repair(json.dumps(raw).encode(), AREA)
    assert said == ["Outputs of 50 MB were removed."]
    assert len(nbformat.writes(notebook)) < 50_000


def test_a_submission_is_repaired_in_place_and_what_came_is_kept(course, solved):
    raw = json.loads(solved)
    strip_everything(raw, None)
    stripped = json.dumps(raw).encode()
    for student, name, content in [("ada", "lab.ipynb", stripped), ("bob", "Lab (1).ipynb", solved),
                                   ("eve", "lab.ipynb", b"{"), ("zoe", "cv.pdf", b"%PDF")]:
        classroom.save(course / "submitted" / student / AREA / name, content)

    def repaired(student) -> list[str]:
        return in_place(course / "submitted" / student / AREA, AREA, course / "labs")

    assert repaired("ada")[0].startswith("4 lost marks put back")
    assert repaired("bob") == ["The file was named Lab (1).ipynb."]
    for student, says in {"eve": "The file is not a notebook, or it is cut off",
                          "zoe": "There is no notebook; there is cv.pdf."}.items():
        with pytest.raises(RepairError, match=says):
            repaired(student)
    folder = course / "submitted"
    assert (folder / "ada" / AREA / "lab.ipynb.before").read_bytes() == stripped
    assert (folder / "eve" / AREA / "lab.ipynb").read_bytes() == b"{"
    assert sorted(path.name for path in (folder / "bob" / AREA).iterdir()) == ["lab.ipynb", "lab.ipynb.before"]
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert repaired("ada") == repaired("bob") == []
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
