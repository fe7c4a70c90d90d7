"""Checks that are decided outside of the student's process: the same verdicts, and no trick of a notebook helps."""

import inspect
import os
import textwrap

import nbformat
import pytest
from teaching import grading, judge

from mlelab.check import open_lab
from mlelab.check.remote import serve
from mlelab.check.source import exercise_code, lab_source, solution
from tests import sampled
from tests.teaching.conftest import ROOT
from tests.wrong_answers import answers

pytestmark = pytest.mark.usefixtures("sandbox")
AREA = "09_monitoring"
SOLVED = exercise_code(lab_source(AREA), "9.1")
CHECK = "check.psi(psi)"


def graded(*cells: str, limits: dict | None = None) -> dict:
    """A notebook with these cells in front of the check of 9.1, and what it got."""
    result = each_graded(*cells, CHECK, limits=limits)
    return result | result["checks"][0]


def each_graded(*cells: str, limits: dict | None = None) -> dict:
    """The same of a notebook with as many checks as it has cells `CHECK`."""
    start = f'import numpy as np\nimport pandas as pd\nimport mlelab\ncheck = mlelab.start("{AREA}")'
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(textwrap.dedent(cell))
                                               for cell in (start, *cells)])
    checks = {f"check-9-1-{number}": cell for number, cell in enumerate(notebook.cells) if cell.source == CHECK}
    for name, cell in checks.items():
        cell.metadata["nbgrader"] = {"grade_id": name, "grade": True, "solution": False, "locked": True, "points": 2,
                                     "schema_version": 3}
    job = {"student": "ada", "area": AREA, "notebook": nbformat.writes(notebook), "repairs": [], "released": [start],
           "graded": {name: {"source": CHECK, "points": 2} for name in checks}, "functions": {"9.1": ["psi"]},
           "files": {}, "limits": {"memory": 2, "cell": 30} | (limits or {}), "unsafe": False, "trusted": False,
           "digest": "d"}
    result = grading.safely(job)
    assert result["fault"] is None
    return result


def test_a_right_answer_has_its_points_whatever_else_the_notebook_imports():
    """Code that would hold back points of a check in the same process changes nothing here."""
    found = graded("import gc, inspect, pickle, sys\nsys.setrecursionlimit(2000)", SOLVED,
                   "import importlib\nimportlib.reload(np)")
    assert (found["score"], found["verdict"], found["held"]) == (2, "right", False), found
    assert found["says"] == "2 of 2 points." or "Right on all inputs" in found["says"]


def test_a_wrong_answer_is_named_and_shown():
    wrong = next(answer for answer in answers(AREA) if answer.function.__name__ == "one_sided")
    beside = inspect.getsource(inspect.getmodule(wrong.function)).split("def quantiles", 1)[1]
    own = inspect.getsource(wrong.function).split("\n", 1)[1].replace("def one_sided", "def psi")
    found = graded(f"def quantiles{beside}", own)
    assert (found["score"], found["verdict"], found["misconception"]) == (0, "wrong", "M32")
    shown = nbformat.reads(found["notebook"], 4).cells[-1].outputs
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
    found = each_graded(*(cell for name, how in tried for cell in (answer[how], TRICKS[name], CHECK)))
    earned = {one: check["says"] for one, check in zip(tried, found["checks"], strict=True)
              if check["score"] or check["verdict"] == "right"}
    assert not earned
    assert found["says"] == f"0 of {2 * len(tried)} points."  # and each trick was tried to its end


def test_a_process_that_ends_or_a_function_that_is_not_there_is_no_fault_of_ours():
    found = graded(SOLVED.replace("def psi", "def other"))
    assert (found["score"], found["verdict"]) == (0, "wrong")
    assert "NameError: name 'psi' is not defined" in found["says"]
    found = graded("import os\ndef psi(*given, **more): os._exit(0)")
    assert (found["score"], found["verdict"]) == (0, "stopped")


def test_a_call_that_does_not_come_back_is_ended():
    found = graded("def psi(*given, **more):\n    while True: pass", limits={"cell": 3})
    assert (found["score"], found["verdict"]) in ((0, "stopped"), (0, "wrong"))


@pytest.fixture(scope="module")
def decides():
    """One checking process for all labs; it begins anew with each lab."""
    process = judge.Judge()
    yield process
    process.end()


QUICK = ("00_start", "03_features")  # on each change; every lab in the nightly run
BESIDE = {("02_data", "2.1"), ("02_data", "2.6"), ("02_data", "2.7"), ("04_evaluation", "4.2")}
OUTSIDE = [(area, number, part) for area in sorted(path.name for path in (ROOT / "labs").iterdir() if path.is_dir())
           for number, part in judge.outside(area)]


@pytest.mark.parametrize(("area", "number", "part"), sampled(OUTSIDE, [one for one in OUTSIDE if one[0] in QUICK]))
def test_our_own_solution_is_right_outside(decides, tmp_path, area, number, part):
    """What cannot cross as plain data is decided beside the answer: `autograde` says which, and this list is short."""
    ends = [tmp_path / f"check.{end}" for end in ("ask", "say")]
    for end in ends:
        os.mkfifo(end)
    decides.ask(area, tmp_path, "check", {"exercise": number, "part": part})
    ask, say = os.open(ends[0], os.O_RDONLY), os.open(ends[1], os.O_WRONLY)
    serve({"answer": solution(area, number, open_lab(area).exercises[number].name)}, ask, say)
    os.close(ask), os.close(say)
    decides.hear("check", failed=False)
    found = decides.outcomes["check"]
    assert (found["verdict"] == "right") == ((area, number) not in BESIDE), found


def test_what_is_decided_outside_is_what_the_engine_knows():
    """All checks that are inputs, oracle and mistakes; no other crosses with its spies."""
    assert set(judge.outside(AREA).values()) == {
        exercise.name for exercise in open_lab(AREA).exercises.values() if isinstance(exercise.body, type)}
