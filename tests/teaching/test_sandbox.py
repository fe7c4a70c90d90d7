"""The sandbox alone: it starts for root and for others, shows what it should, and says why where it cannot."""

import os
import shutil
import subprocess
import sys
from inspect import getsource

import pytest
from teaching import sandbox, suspect

from tests.submissions import AREA
from tests.teaching.conftest import ROOT
from tests.wrong_answers import answers

needs_sandbox = pytest.mark.usefixtures("sandbox")
LOOK = """
import os, sys, tempfile
from pathlib import Path
import mlelab
seen = [str(path) for path in map(Path, sys.argv[1:]) if path.exists()]
tops = "/usr", "/grader", str(Path(mlelab.__file__).parent), sys.prefix
writable = [top for top in tops if os.access(top, os.W_OK)]
print(seen, writable, sorted(os.listdir("/sys") if os.path.exists("/sys") else []), os.environ.get("SECRET"))
"""


def inside(*command: str, limits=None) -> subprocess.CompletedProcess:
    # what bwrap is started with is seen inside: see the test of the environment in test_autograde.py
    walls = [*sandbox._walls(sandbox.NOBODY), *sandbox._ceiling(limits or sandbox.Limits())]
    return subprocess.run([*walls, *command], capture_output=True, text=True, cwd="/",
                          env=dict(os.environ, SECRET="LEAK"))


@needs_sandbox
def test_only_the_package_and_the_data_are_seen_and_nothing_can_be_written():
    private = [ROOT / name for name in ("solutions", "tests", "tools", "labs", "book", ".git", "gradebook.db")]
    found = inside(sys.executable, "-c", LOOK, *map(str, private), "/etc/passwd", "/etc/shadow", "/root/.ssh")
    assert found.stdout == "[] [] [] None\n", found.stderr


@needs_sandbox
def test_limits_hold():
    few = sandbox.Limits(processes=40, memory=0.5, files=1)
    fork = "import os\nn = 0\ntry:\n  while n < 200 and os.fork(): n += 1\nexcept OSError: print('few')"
    much = "try:\n  b'x' * 2**30\nexcept MemoryError: print('few')"
    long = "try:\n  open('/tmp/x', 'wb', 0).write(b'x' * 9**8)\n  open('/tmp/x', 'ab', 0).write(b'x')\n" \
           "except OSError: print('few')"
    for code in (much, long, *([fork] if sandbox._root() else [])):
        assert "few" in inside(sys.executable, "-I", "-c", code, limits=few).stdout


@needs_sandbox
@pytest.mark.skipif(not sandbox._root(), reason="only root can be somebody else")
def test_an_ordinary_user_has_a_sandbox_too(tmp_path):
    code = "import sys; sys.path.insert(0, 'tools'); from teaching import sandbox; import os; " \
           "print(os.geteuid(), sandbox.available())"
    user = ["bwrap", "--unshare-user", "--uid", "60001", "--gid", "60001", "--dev-bind", "/", "/"]
    found = subprocess.run([*user, sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert found.stdout == "60001 None\n", found.stderr


def test_without_a_sandbox_it_says_what_to_do(course, run, monkeypatch, tmp_path, solved):
    (course / "submitted" / "ada" / AREA).mkdir(parents=True)
    (course / "submitted" / "ada" / AREA / "lab.ipynb").write_bytes(solved)
    real = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "bwrap" else real(name))
    status, said = run("autograde", AREA)
    assert status == 1 and "there is no bwrap. On Linux, install bubblewrap; elsewhere" in said and "--unsafe" in said


def test_unsafe_goes_on_without_it(run, tmp_path, solved):
    """The evidence is the same; the walls are not there."""
    course = tmp_path / "course"
    run("release", AREA, "--course", course)
    (course / "submitted" / "ada" / AREA).mkdir(parents=True)
    (course / "submitted" / "ada" / AREA / "lab.ipynb").write_bytes(solved)
    status, said = run("autograde", AREA, "--course", course, "--unsafe")
    assert status == 0 and "1 of 1  ada: 2 of 2 points." in said


@pytest.mark.parametrize(("words", "says"), [
    (["--jobs", 0], "--jobs is at least 1."),
    (["--trust", "nobody"], "There is no submission of 00_start by 'nobody'."),
])
def test_what_cannot_be_done_says_why(course, run, solved, words, says):
    (course / "submitted" / "ada" / AREA).mkdir(parents=True)
    (course / "submitted" / "ada" / AREA / "lab.ipynb").write_bytes(solved)
    status, said = run("autograde", AREA, *words)
    assert status == 1 and said.startswith(says)


@pytest.mark.parametrize(("code", "what"), [
    ("import gc", "gc in cell 2"), ("from mlelab.check import lab", "mlelab.check in cell 2"),
    ("import numpy as np\nnp.isclose = print", "np.isclose assigned to in cell 2"),
    ("getattr(check, '__clo' + 'sure__')", "getattr of a computed name in cell 2"),
    ("f.__closure__", "__closure__ in cell 2"), ("!cat /proc/self/maps", "a shell command in cell 2"),
    ("class A(float):\n    def __eq__(self, other): return True", "a class with __eq__ in cell 2"),
    ("x = eval('1')", "eval in cell 2"), ("x" * 300_000, "more than 200,000 characters in cell 2"),
    ("import gc\nlate_share?", "gc in cell 2"), ("files = !ls -R /\nimport os", "a shell command in cell 2"),
    ("%time eval('1')", "eval in cell 2"), ("%%time\nimport gc", "gc in cell 2"), ("%run own.py", "%run in cell 2"),
    ("!ls; python3 own.py", "a shell command in cell 2"), ("%pip list; python3 own.py", "a shell command in cell 2"),
    ("%%bash\nls", "a shell command in cell 2"), ("type('A', (float,), made)", "a class made by type in cell 2"),
    ("{'__eq__': f}", "__eq__ in cell 2"), ("from test.support import ALWAYS_EQ", "test in cell 2"),
    ("class A(float):\n    if True:\n        __eq__: object = f", "a class with __eq__ in cell 2"),
    ("import pandas as pd\nS = pd.Series\nS.equals = f", "S.equals assigned to in cell 2"),
    ("import importlib\nimportlib.import_module(x)", "import_module in cell 2"),
])
def test_code_that_could_forge_is_named(code, what):
    assert any(said.startswith(f"{what}, `") for said in suspect.suspects([("cell 2", code)]))


def test_the_line_is_shown_that_was_meant():
    code = "x = 1\nif x:\n    y =  eval('2')\n"
    assert suspect.suspects([("cell 2", code)]) == ["eval in cell 2, `y = eval('2')`"]


@pytest.mark.parametrize("code", [
    "!pip install -q shap", "%pip install shap", "!ls", "%matplotlib inline", "%time model.fit(x, y)", "late_share?",
    "%%timeit -n 10\nf(x)", "%timeit -n 10 f(x)", "%config InlineBackend.figure_format = 'retina'", "not python at all",
    "%load_ext autoreload", "df.columns = ['a']\ndf.index.name = 'b'", "pd.options.display.max_rows = 9",
    "class Model:\n    def fit(self):\n        self.rate = 1", "%%capture\nprint(1)", "await f()", "type(x) is float",
])
def test_what_people_do_is_not_suspect(code):
    assert suspect.suspects([("cell 1", "import pandas as pd\nimport numpy as np"), ("cell 2", code)]) == []


@pytest.mark.parametrize("area", sorted(path.name for path in (ROOT / "labs").iterdir() if path.is_dir()))
def test_our_own_solutions_are_not_suspect(area):
    import nbformat

    released = [cell.source for cell in nbformat.read(ROOT / "labs" / area / "lab.ipynb", as_version=4).cells
                if cell.cell_type == "code"]
    solved = [(number, cell.source) for number, cell in enumerate(nbformat.read(
        ROOT / "solutions" / area / "lab.ipynb", as_version=4).cells) if cell.cell_type == "code"]
    assert "mlelab.start(" in solved[0][1]
    own = "import numpy as np\n" + solved[0][1].replace(f'"{area}")', f'"{area}", student="ada")') + "\n\n# mine"
    assert suspect.suspects([(0, own), *solved], released) == []


@pytest.mark.parametrize("area", ["00_start", "01_lifecycle", "02_data", "03_features", "04_evaluation"])
def test_wrong_answers_are_not_suspect(area):
    """What students write by mistake is not held back."""
    wrong = [answer.function for answer in answers(area) if answer.misconception]
    cells = [(number, getsource(function)) for number, function in enumerate(wrong)]
    assert cells and suspect.suspects(cells) == []
