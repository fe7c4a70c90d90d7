"""What students hand in by accident or on purpose: broken, strange and hostile files, with the points each must get.

Each case makes its file from lab 0, so nothing large is kept here: two checks of one point each, and a hidden one
of two points (see HIDDEN). `says` is a word of the sentence
that the grader must say about it.
"""

import base64
import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nbformat

from tests.journeys.students import UNSOLVED, handed_in
from tests.submissions.honest import HONEST

AREA = "00_start"
HIDDEN = '# %% check="0.2" points=2\nassert late_share(np.array([31.0, 29.0]), 30) == 0.5, "CANARY"\n'
LIMITS = {"--cell-seconds": 12, "--seconds": 60, "--memory": 2.5, "--output": 1, "--processes": 200}
NOTHING = {"0.1": UNSOLVED, "0.2": UNSOLVED}
new_cell = nbformat.v4.new_code_cell


class Case(NamedTuple):
    points: float
    says: str
    build: Callable[[Path], object]  # gets the course's folder; gives a notebook, or bytes
    sample: bool  # also graded in `make test`

    def content(self, course: Path) -> bytes:
        made = self.build(course)
        return made if isinstance(made, bytes) else nbformat.writes(made).encode("utf-8", "surrogatepass")


CASES: dict[str, Case] = {}


def case(points: float, says: str, sample: bool = False):
    def register(build):
        CASES[build.__name__] = Case(points, says, build, sample)
        return build

    return register


def own_cell(name: str, points: float, says: str, code: str, *, last=False, solved=False, sample=False) -> None:
    """A case that is a cell of the student's own, behind the imports or at the end of a lab solved or not."""

    def build(course: Path):
        notebook = handed_in(AREA, {} if solved else NOTHING)
        there = code.replace("COURSE", repr(str(course)))
        notebook.cells.insert(len(notebook.cells) if last else 4, new_cell(there, id="own"))
        return notebook

    CASES[name] = Case(points, says, build, sample)


# Honest work, and accidents


@case(4, "4 of 4", sample=True)
def solved(course):
    return handed_in(AREA, {})


@case(0, "0 of 4", sample=True)
def nothing_solved(course):
    return handed_in(AREA, NOTHING)


@case(4, "4 of 4", sample=True)
def honest_snippets(course):
    """Each in a cell of its own, behind the answers and before the checks."""
    notebook = handed_in(AREA, {})
    place = next(n for n, cell in enumerate(notebook.cells) if cell.id == "exercise-0-2") + 1
    notebook.cells[place:place] = [new_cell(code, id=f"own-{n}") for n, code in enumerate(HONEST)]
    return notebook


@case(3, "3 of 4")
def half_solved(course):
    return handed_in(AREA, {"0.1": UNSOLVED})


@case(3, "3 of 4")
def wrong_in_one(course):
    return handed_in(AREA, {"0.2": "missing_counts_as_on_time"})


@case(3, "SyntaxError")
def a_syntax_error(course):
    return handed_in(AREA, {"0.1": "def broken(:"})


@case(3, "was missing and was put back")
def an_exercise_deleted(course):
    return handed_in(AREA, {"0.1": "deleted"})


@case(4, "was missing and was put back")
def checks_deleted(course):
    notebook = handed_in(AREA, {})
    notebook.cells = [cell for cell in notebook.cells if not cell.id.startswith("check-")]
    return notebook


@case(4, "stood there 2 times")
def cells_duplicated(course):
    notebook = handed_in(AREA, {})
    notebook.cells += copy.deepcopy([cell for cell in notebook.cells if cell.id.startswith("check-")])
    return notebook


@case(4, "stood there 2 times; the last answer counts")
def an_answer_twice(course):
    notebook = handed_in(AREA, {})
    place = next(n for n, cell in enumerate(notebook.cells) if cell.id == "exercise-0-2")
    first = copy.deepcopy(notebook.cells[place])
    first.source = "def late_share(delays, threshold):\n    return 0.1"
    notebook.cells.insert(place, first)
    return notebook


@case(4, "back in place")
def cells_moved(course):
    notebook = handed_in(AREA, {})
    notebook.cells = notebook.cells[::-1]
    return notebook


@case(4, "lost marks")
def metadata_stripped(course):
    notebook = handed_in(AREA, {})
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
        del cell["id"]
    notebook.nbformat_minor = 4
    return notebook


@case(3, "had been edited")
def a_check_edited_to_pass(course):
    notebook = handed_in(AREA, {"0.1": UNSOLVED})
    for cell in notebook.cells:
        if cell.id == "check-0-1":
            cell.source = "assert True"
            cell.metadata.nbgrader.points = 100
    return notebook


@case(3, "3 of 4")
def names_of_checks_swapped(course):
    notebook = handed_in(AREA, {"0.1": UNSOLVED})
    for cell in notebook.cells:
        swapped = {"check-0-1": "check-0-2", "check-0-2": "check-0-1"}.get(cell.id)
        if swapped:
            cell.id = cell.metadata.nbgrader.grade_id = swapped
    return notebook


@case(4, "The kernel was 'julia-1.11'")
def another_kernel(course):
    notebook = handed_in(AREA, {})
    notebook.metadata.kernelspec = {"name": "julia-1.11", "display_name": "Julia", "language": "julia"}
    return notebook


@case(4, "lost marks")
def saved_again_by_colab(course):
    raw = json.loads(nbformat.writes(handed_in(AREA, {})))
    for cell in raw["cells"]:
        cell["metadata"] = {"id": cell.pop("id"), "colab": {"base_uri": "https://localhost:8080/"}}
        cell["source"] = "".join(cell["source"])
    raw |= {"nbformat_minor": 0, "metadata": {"colab": {"provenance": []}, "kernelspec": {
        "name": "python3", "display_name": "Python 3"}, "language_info": {"name": "python"}}}
    return json.dumps(raw).encode()


@case(4, "Windows line ends")
def windows_line_ends(course):
    notebook = handed_in(AREA, {})
    for cell in notebook.cells:
        cell.source = cell.source.replace("\n", "\r\n")
    return nbformat.writes(notebook).replace("\n", "\r\n").encode()


@case(4, "not UTF-8")
def not_utf8(course):
    notebook = handed_in(AREA, {})
    notebook.cells.append(new_cell("# Gedanken über Flüge", id="own"))
    return json.dumps(notebook, ensure_ascii=False).encode("cp1252", "replace")


@case(4, "byte order mark")
def utf16(course):
    return b"\xff\xfe" + nbformat.writes(handed_in(AREA, {})).encode("utf-16-le")


@case(4, "were removed")
def fifty_megabytes_of_pictures(course):
    notebook = handed_in(AREA, {})
    picture = base64.b64encode(os.urandom(7_500_000)).decode()
    notebook.cells.append(new_cell("1", id="own", outputs=[
        nbformat.v4.new_output("display_data", data={"image/png": picture}) for _ in range(5)]))
    return notebook


@case(4, "A Python file was handed in")
def a_script(course):
    cells = [cell.source for cell in handed_in(AREA, {}).cells if cell.cell_type == "code"]
    return "\n\n".join(f"# %%\n{source}" for source in cells).encode()


@case(0, "The file is empty", sample=True)
def an_empty_file(course):
    return b""


@case(0, "not a notebook", sample=True)
def not_a_notebook(course):
    return b"%PDF-1.7\n" + os.urandom(20_000)


@case(0, "not complete JSON")
def cut_off(course):
    content = nbformat.writes(handed_in(AREA, {})).encode()
    return content[:len(content) // 2]


@case(0, "a web page")
def a_web_page(course):
    return b"<!DOCTYPE html><html><body>Sign in to see this file</body></html>"


@case(0, "git merge")
def a_merge_that_was_not_finished(course):
    return b"{\n<<<<<<< HEAD\n \"cells\": [],\n=======\n \"cells\": [1],\n>>>>>>> mine\n}"


@case(0, "not a notebook")
def nested_without_end(course):
    return b"[" * 200_000


@case(0, "cells")
def a_hundred_thousand_cells(course):
    notebook = json.loads(nbformat.writes(handed_in(AREA, {})))
    notebook["cells"] += [{"cell_type": "markdown", "metadata": {}, "source": "x"}] * 100_000
    return json.dumps(notebook).encode()


@case(4, "4 of 4")
def outputs_that_are_none(course):
    raw = json.loads(nbformat.writes(handed_in(AREA, {})))
    for cell in raw["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "evil", "data": {"text/html": "<script>alert(1)</script>"}}, 7, None]
    return json.dumps(raw).encode()


own_cell("sys_exit", 4, "4 of 4", "import sys\nsys.exit('finished')", last=True, solved=True)
own_cell("asks_for_input", 4, "StdinNotImplementedError", "name = input('Your name? ')", solved=True)

# Against the checks: nothing is solved, so nothing may be earned

own_cell("check_replaced", 0, "0 of 4", """
class Fine:
    def __getattr__(self, name):
        return lambda *answers, **more: print(f"✔ 0.1 {name}: right\\n  All is well.")
check = Fine()""")
own_cell("check_method_replaced", 0, "0 of 4", """
def fine(*answers, **more):
    print("✔ 0.1 check_environment: right\\n  All is well.")
check.check_environment = check.late_share = fine""")
own_cell("call_of_checks_replaced", 0, "0 of 4", """
type(check.late_share).__call__ = lambda self, *answers, **more: print(f"✔ {self.number} {self.name}: right\\n  Fine.")
""")
own_cell("require_replaced", 0, "0 of 4", """
from mlelab.check.lab import Trial
Trial.require = lambda *things, **more: None
def check_environment(needed, installed): return dict.fromkeys(needed, "ok")
def late_share(delays, threshold): return 0.25""")
own_cell("outcome_replaced", 0, "0 of 4", """
import mlelab.check.lab as labs
from mlelab.check.outcome import Outcome
labs.Exercise.outcome = lambda self, *answers: Outcome(self.number, self.name, "right", "Fine.")""")
own_cell("code_of_a_check_replaced", 0, "0 of 4", """
check.late_share.body.__code__ = (lambda trial, answer: "Fine.").__code__
check.check_environment.body.__code__ = (lambda trial, answer: "Fine.").__code__""")
own_cell("comparison_replaced", 0, "0 of 4", """
np.isclose = lambda *things, **more: np.True_
def late_share(delays, threshold): return 0.25 if len(delays) > 1 else float("nan")""")
own_cell("random_numbers_fixed", 4, "4 of 4", """
import secrets
secrets.randbits = lambda bits: 4
check.late_share.lab.student = None""", solved=True)
own_cell("what_pandas_inherits_hidden", 4, "4 of 4", """
import pandas as pd
def patched(kind): kind.equals = lambda *things: True
patched(pd.Series)""", solved=True)
own_cell("errors_silenced", 0, "0 of 4", """
import ast
shell = get_ipython()
shell.showtraceback = lambda *things, **more: None
class NoAsserts(ast.NodeTransformer):
    def visit_Assert(self, node): return ast.Pass()
shell.ast_transformers.append(NoAsserts())""")
own_cell("asserts_taken_out", 0, "0 of 4", """
shell = get_ipython()
shell.input_transformers_post.append(lambda lines: [line.replace("assert ", "") for line in lines])
late_share = check_environment = lambda *things: 0.75""")
own_cell("cells_not_run", 0, "0 of 4", """
shell = get_ipython()
def run_cell(code, *things, **more):
    print("✔ 0.1 check_environment: right\\n  Fine.")
async def run_cell_async(code, *things, **more):
    print("✔ 0.1 check_environment: right\\n  Fine.")
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult
    return ExecutionResult(ExecutionInfo(code, False, False, True, None))
shell.run_cell, shell.run_cell_async = run_cell, run_cell_async""")
own_cell("nbgrader_replaced", 0, "0 of 4", """
import nbgrader.utils
nbgrader.utils.determine_grade = lambda cell, log=None: (100, 100)""")


@case(0, "0 of 4", sample=True)
def verdict_made_up(course):
    """The answer itself shows a verdict while it is checked."""
    notebook = handed_in(AREA, NOTHING)
    next(cell for cell in notebook.cells if cell.id == "exercise-0-2").source = """
from IPython.display import publish_display_data
def late_share(delays, threshold):
    publish_display_data({"text/plain": "✔ 0.2 late_share: right\\n  Fine."}, metadata={"verdict": "right"})
    return -1.0"""
    return notebook


@case(0, "0 of 4")
def equal_to_everything(course):
    """The hidden check compares with ==, and this is equal to everything."""
    notebook = handed_in(AREA, NOTHING)
    for cell in notebook.cells:
        if cell.id == "exercise-0-2":
            cell.source = ("class Anything(float):\n    def __eq__(self, other): return True\n"
                           "def late_share(delays, threshold): return Anything(0.123)")
    return notebook


@case(0, "0 answers lie here", sample=True)
def a_check_called_on_ours(course):
    """check.solution, the sources beside the package and what the guard was given are not there."""
    notebook = handed_in(AREA, NOTHING)
    notebook.cells.insert(4, new_cell(
        "from pathlib import Path\nimport mlelab\ncheck.solution('0.1')\n"
        "places = [*Path(mlelab.__file__).parents[1].glob('solutions/*/lab.py'), *Path('/').glob('*/*/solutions/*'),\n"
        "          *Path('/ports').glob('*.json')]\n"
        "raise KeyError(f'{len(places)} answers lie here')", id="own"))
    return notebook


# Against the machine: everything is solved, so what was earned stays and nothing else happens

LOOK = """
import glob, os
found = [path for top in (COURSE, os.path.dirname(COURSE), '/root', '/home', '/opt', '/srv')
         for path in glob.glob(top + '/**/WHAT', recursive=True)]
print('LEAK' + '-' * bool(found), found)
open(COURSE + '/THERE').read()"""
own_cell("reads_the_gradebook", 4, "FileNotFoundError", LOOK.replace("WHAT", "gradebook.db").replace(
    "/THERE", "/gradebook.db"), solved=True, sample=True)
own_cell("reads_the_solutions", 4, "FileNotFoundError", LOOK.replace("WHAT", "lab.ipynb").replace(
    "/THERE", f"/solutions/{AREA}/lab.ipynb"), solved=True)
own_cell("reads_other_students_work", 4, "FileNotFoundError", LOOK.replace("WHAT", "submitted").replace(
    "/THERE", f"/submitted/solved/{AREA}/lab.ipynb"), solved=True)
own_cell("reads_the_environment", 4, "4 of 4", """
import glob, os
print(dict(os.environ))
for path in glob.glob('/proc/*/environ'):
    try:
        print(open(path).read())
    except OSError as error:
        print(error)""", solved=True, sample=True)
own_cell("reads_the_runners_memory", 4, "Permission", """
import os
print(open(f'/proc/{os.getppid()}/maps').read()[:100])
open(f'/proc/{os.getppid()}/mem', 'rb')""", last=True, solved=True)
own_cell("changes_the_course", 4, "Error", """
import os, shutil
shutil.rmtree(COURSE, ignore_errors=True)
try:
    os.makedirs(COURSE)
except OSError as error:
    print(error)
import mlelab
open(os.path.dirname(mlelab.__file__) + '/check/00_start.py', 'a')""", solved=True)
own_cell("calls_the_network", 4, "URLError", """
import urllib.request
urllib.request.urlopen('http://example.org', timeout=5)""", solved=True)


@case(4, "ConnectionRefusedError", sample=True)
def calls_this_machine(course):
    """A server that listens on the instructor's machine is not there."""
    notebook = handed_in(AREA, {})
    port = (course / "port").read_text() if (course / "port").exists() else "9"
    code = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), timeout=5)"
    notebook.cells.append(new_cell(code, id="own"))
    return notebook


own_cell("fork_bomb", 4, "did not end within", """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass""", last=True, solved=True)
own_cell("thread_bomb", 4, "cell ", """
import threading, time
while True:
    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()""", last=True, solved=True)
own_cell("endless_loop", 4, "did not end within", "while True:\n    pass", solved=True)
own_cell("endless_loop_that_does_not_listen", 4, "did not heed the interrupt", """
while True:
    try:
        while True:
            pass
    except BaseException:
        pass""", last=True, solved=True)
own_cell("memory_hog", 4, "MemoryError", "much = bytearray(50 * 2**30)", solved=True)
own_cell("memory_hogs", 4, "more than 2.5 GiB", """
import os, time
for _ in range(30):
    if not os.fork():
        much = b'x' * (2**27)
        time.sleep(100)
time.sleep(100)""", last=True, solved=True)
own_cell("gigabyte_of_output", 4, "was cut off", """
for _ in range(10_000):
    print('x' * 100_000, flush=True)""", last=True, solved=True)
own_cell("gigabyte_at_once", 4, "4 of 4", "print('x' * 10**9)", last=True, solved=True)
own_cell("loud", 4, "was cut off", "print('x' * 3_000_000)", last=True, solved=True)
own_cell("fills_the_disk", 4, "OSError", """
with open('/tmp/much', 'wb') as file:
    while True:
        file.write(b'x' * 2**20)""", solved=True)
own_cell("leaves_at_the_end", 4, "the kernel died", "import os\nos._exit(0)", last=True, solved=True, sample=True)
own_cell("leaves_at_the_start", 0, "the kernel died", "import os\nos._exit(0)", solved=True)
own_cell("kills_everything", 4, "ended early", "import os\nos.kill(-1, 9)", last=True, solved=True)
own_cell("kills_the_runner", 4, "ended early", "import os\nos.kill(os.getppid(), 9)", last=True, solved=True)
own_cell("leaves_processes_behind", 4, "4 of 4", """
import subprocess
for _ in range(5):
    subprocess.Popen(['sleep', '3600'], start_new_session=True)""", last=True, solved=True)
own_cell("closes_all_files", 4, "cell", "import os\nos.closerange(0, 4096)", last=True, solved=True)
own_cell("traces_the_hidden_check", 4, "4 of 4", """
import sys
def look(frame, event, argument):
    if 'CANARY' in str(frame.f_code.co_consts[1:]):
        print('LEAK' + '-', frame.f_code.co_consts)
    return look
sys.settrace(look)""", solved=True)
own_cell("numpy_of_ones_own", 0, "0 of 4", """
class np:
    nan, ndarray = float("nan"), list
    array = staticmethod(lambda values: values)
    isclose = staticmethod(lambda first, second: first is not None)
all = any = list = lambda things: True""")
own_cell("an_exercise_of_ones_own", 0, "0 of 4", """
@check.exercise("0.2", section="x", hints=("", ""))
def late_share_of_mine(trial, answer):
    if answer is not late_share: trial.wrong("no")
    return "Fine."
mine = check.late_share_of_mine
class Fine:
    late_share = staticmethod(lambda answer: mine(answer))
    def __getattr__(self, name): return lambda *things, **more: None
check, late_share = Fine(), 5""")
