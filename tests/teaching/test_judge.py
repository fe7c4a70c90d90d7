"""Checks that are decided outside of the student's process: the same verdicts, and no trick of a notebook helps."""

import inspect
import os
import textwrap

import nbformat
import pytest
from teaching import grading, judge

from mlelab.check import open_lab
from mlelab.check.remote import lend
from mlelab.check.source import exercise_code, lab_source, solution
from tests import sampled
from tests.teaching.conftest import ROOT
from tests.wrong_answers import answers

pytestmark = pytest.mark.usefixtures("sandbox")
AREA = "09_monitoring"
SOLVED = exercise_code(lab_source(AREA), "9.1")
CHECK = "check.psi(psi)"


def graded(*cells: str, limits: dict | None = None) -> dict:
    """The result of a notebook with these cells, of which each `CHECK` is the check of 9.1."""
    start = f'import numpy as np\nimport pandas as pd\nimport mlelab\ncheck = mlelab.start("{AREA}")'
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(textwrap.dedent(cell))
                                               for cell in (start, *cells)])
    checks = {f"check-9-1-{number}": cell for number, cell in enumerate(notebook.cells) if cell.source == CHECK}
    for name, cell in checks.items():
        cell.metadata["nbgrader"] = {"grade_id": name, "grade": True, "solution": False, "locked": True, "points": 2,
                                     "schema_version": 3}
    job = {"student": "ada", "area": AREA, "notebook": nbformat.writes(notebook), "repairs": [], "released": [start],
           "graded": {name: {"source": CHECK, "points": 2} for name in checks}, "functions": {"9.1": ["psi"]},
           "files": {}, "limits": {"memory": 2, "cell": 30} | (limits or {}), "unsafe": False, "digest": "d"}
    result = grading.safely(job)
    assert result["fault"] is None
    return result


def test_a_right_answer_has_its_points_and_a_wrong_one_its_name():
    wrong = next(answer for answer in answers(AREA) if answer.function.__name__ == "one_sided")
    beside = inspect.getsource(inspect.getmodule(wrong.function)).split("def quantiles", 1)[1]
    own = inspect.getsource(wrong.function).split("\n", 1)[1].replace("def one_sided", "def psi")
    found = graded("import gc, inspect, pickle, sys\nsys.setrecursionlimit(2000)", SOLVED,
                   "import importlib\nimportlib.reload(np)", CHECK, f"def quantiles{beside}", own, CHECK,
                   "del psi", CHECK)
    right, named, gone = found["checks"]
    assert (right["score"], right["verdict"]) == (2, "right") and "Right on all inputs" in right["says"]
    assert (named["score"], named["verdict"], named["misconception"]) == (0, "wrong", "M32")
    assert (gone["score"], gone["verdict"]) == (0, "wrong") and "NameError: name 'psi' is not defined" in gone["says"]
    shown = nbformat.reads(found["notebook"], 4).cells[-3].outputs
    assert "symmetric" in shown[0].data["text/html"] and shown[1].ename == "NotRight"


STUB = "def psi(expected, actual, bins=10, eps=1e-4):\n    raise NotImplementedError"
ALWAYS = """
class Anything(float):
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = lambda self, other: True
    __sub__ = __rsub__ = __abs__ = lambda self, *other: self
def psi(expected, actual, bins=10, eps=1e-4):
    return Anything(0.1)"""
TRICKS = {  # each earned points or found the key while the check ran beside it
    "a closure matched": """
        match type(check.psi).__call__:
            case object(__closure__=cells):
                for cell in cells or ():
                    if getattr(cell.cell_contents, "__name__", "") == "sign":
                        cell.cell_contents({"exercise": "9.1", "part": None, "right": True})""",
    "getattr mapped": "print(list(map(getattr, [type(check.psi).__call__], ['__code__'])))",
    "a format's field": """
        import string
        print(string.Formatter().get_field('0.__class__.__call__.__globals__', [check.psi], {}))""",
    "a class made": """
        import types
        Any = types.new_class('Any', (float,), {}, lambda names: names.update(__eq__=lambda *given: True))
        psi = lambda *given, **more: Any(0.1)""",
    "equality set from outside": """
        class E(float): pass
        setattr(E, '__eq__', lambda *given: True)
        psi = lambda *given, **more: E(0.1)""",
    "an approximation": "import pytest\npsi = lambda *a, **k: pytest.approx(0, abs=float('inf'))",
    "an audit hook": """
        import sys
        def look(event, given):
            if event in ("compile", "exec"):
                print(event, str(given)[:80])
        sys.addaudithook(look)""",
    "locals captured": """
        import traceback
        try:
            check.psi(lambda *a, **k: 1 / 0)
        except BaseException as error:
            print(list(traceback.TracebackException.from_exception(error, capture_locals=True).format())[:3])""",
    "a frame of a signal": """
        import signal
        signal.signal(signal.SIGALRM, lambda number, frame: print(frame.f_back and frame.f_back.f_locals.keys()))
        signal.setitimer(signal.ITIMER_REAL, 0.05)""",
    "the spec loosened": """
        check.psi.spec().rtol = check.psi.spec().atol = float("inf")
        check.psi.spec().__dict__["corpus"] = []
        check.psi.body.inputs = lambda d: {}""",
    "what the checks know": """
        import pathlib, mlelab.check.source as source
        course = pathlib.Path(mlelab.__file__).parents[1]
        assert not [*course.glob('solutions/*/lab.py'), *course.rglob('oracles/*')]
        psi = source.solution("09_monitoring", "9.1", "psi")""",
    "the other end replaced": """
        import mlelab.check.remote as remote
        remote._Wire.answer = lambda self, message: self.send({"result": 0.0, "changed": None, "printed": ""})
        remote.serve = lambda *given: None""",
    "the pipes taken": """
        import glob, os, threading
        def take():
            ask = os.open(glob.glob('/ports/*.ask')[0], os.O_RDONLY)
            say = os.open(glob.glob('/ports/*.say')[0], os.O_WRONLY)
            while os.read(ask, 2**20):
                os.write(say, b'{"verdict": "right", "result": {"f": "nan"}, "not": 1}\\n')
        threading.Thread(target=take, daemon=True).start()""",
}


def test_no_trick_earns_a_point():
    """All in one notebook, so that the last has the damage of all before it; each with two answers of its own."""
    tried = [(name, how) for name in TRICKS for how in ("the stub", "equal to everything")]
    answer = {"the stub": STUB, "equal to everything": ALWAYS}
    found = graded(*(cell for name, how in tried for cell in (answer[how], TRICKS[name], CHECK)))
    earned = {one: check["says"] for one, check in zip(tried, found["checks"], strict=True)
              if check["score"] or check["verdict"] == "right"}
    assert not earned
    assert found["says"] == f"0 of {2 * len(tried)} points."  # and each trick was tried to its end


def test_a_call_that_does_not_come_back_and_a_process_that_ends_are_no_fault_of_ours():
    found = graded("def psi(*given, **more):\n    while True: pass", CHECK,
                   "import os\ndef psi(*given, **more): os._exit(0)", CHECK, limits={"cell": 3})
    assert [check["score"] for check in found["checks"]] == [0, 0]
    assert "did not end within 3 s" in found["says"] and "the kernel died" in found["says"]


@pytest.fixture(scope="module")
def decides():
    """One checking process for all labs; it begins anew with each lab."""
    process = judge.Judge()
    yield process
    process.end()


CHECKS = [(area, number, part) for area in sorted(path.name for path in (ROOT / "labs").iterdir() if path.is_dir())
          for number, exercise in open_lab(area).exercises.items() for part in exercise.parts or (None,)]


@pytest.mark.parametrize(("area", "number", "part"), sampled(CHECKS, [
    one for one in CHECKS if one[0] == "00_start" or one[:2] in judge.THERE and one[0] != "05_training"]))
def test_each_check_is_decided_outside(decides, tmp_path, area, number, part):
    """With the very same verdict: our solution is right, the stub is not attempted, a named mistake is wrong."""
    exercise = open_lab(area).exercises[number]
    mistake = next(mistake for mistake in exercise.mistakes if mistake.part in (None, part))

    def stub(*given, **more):
        raise NotImplementedError

    for function, verdict in ((solution(area, number, exercise.name), "right"), (stub, "not attempted"),
                              (mistake.function, "wrong")):
        found = outcome(decides, tmp_path / verdict, area, function, (number, part))
        assert found["verdict"] == verdict, (function.__name__, found)


def outcome(decides, folder, area, function, check, code="") -> dict:
    """What the checking process says of a function of this process."""
    folder.mkdir()
    for end in ("ask", "say"):
        os.mkfifo(folder / f"check.{end}")
    decides.ask(area, folder, "check", {"functions": ["answer"], "check": check, "code": code})
    lend({"answer": function}, area, ["answer"], check, str(folder / "check"))
    decides.hear("check", failed=False)
    return decides.outcomes["check"]


@pytest.mark.parametrize(("code", "right"), [
    ("assert answer(2) == 4", True), ("assert answer(2) == 5, 'CANARY'", False), ("answer('x', 2)", False),
    ("print('x')\ntry:\n    answer(None)\nexcept TypeError:\n    pass", True), ("assert answer(3) is None", False),
    ("import numpy as np\nassert answer(np.array([1.0])).tolist() == [2.0]", True), ("assert other(2) == 4", False),
])
def test_a_check_of_yours_calls_functions_and_is_seen_by_nobody(decides, tmp_path, code, right):
    """Its own error is for the instructor alone."""
    found = outcome(decides, tmp_path / "ports", "00_start", lambda value: value * 2, None, code)
    assert (found["verdict"] == "right") == right and found["says"] == ""
    assert "CANARY" not in found["text"] and ("why" in found) != right


def test_a_check_that_nobody_answers_is_no_fault_of_the_next(decides, tmp_path):
    """As if the sandbox had been ended from outside: the checking process waits at the pipes, and begins anew."""
    (tmp_path / "gone").mkdir()
    for end in ("ask", "say"):
        os.mkfifo(tmp_path / "gone" / f"check.{end}")
    decides.ask("00_start", tmp_path / "gone", "check", {"functions": ["answer"], "check": ("0.2", None), "code": ""})
    function = solution("00_start", "0.2", "late_share")
    assert outcome(decides, tmp_path / "next", "00_start", function, ("0.2", None))["verdict"] == "right"


def test_what_is_no_plain_data_is_named(decides, tmp_path):
    found = outcome(decides, tmp_path / "ports", "00_start", lambda delays, threshold: object(), ("0.2", None))
    assert found["verdict"] == "wrong" and "this is a object, which is no plain data." in found["says"]
