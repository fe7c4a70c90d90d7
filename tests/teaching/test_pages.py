"""What the instructors' pages tell people to type is understood."""

import re
import shlex
import subprocess
import sys

import pytest

from tests.teaching.conftest import ROOT

PAGES = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "book" / "instructors").glob("*.md")}
TYPED = [line.replace("\\\n", " ") for text in PAGES.values()
         for line in re.findall(r"^ *\$ python tools/teach\.py ((?:.*\\\n)*.*)$", text, re.M)]

# Other people's programs have options of their own; what `docker run` starts is ours again.
FOREIGN = re.compile(r"`(?:docker|helm|sudo) [^`]*`|^ *\$ (?:docker build|helm) (?:.*\\\n)*.*$"
                     r"|^\$ docker run(?:.*\\\n)*?(?=.*teach\.py)", re.M)


@pytest.mark.parametrize("line", TYPED)
def test_a_command_in_the_text_is_understood(line, monkeypatch):
    import teach

    words = shlex.split(line)
    asked = []
    module = __import__(f"teaching.{words[0]}", fromlist=["run"])
    monkeypatch.setattr(module, "run", lambda arguments: asked.append(arguments) or 0)
    assert teach.main(words) == 0 and asked


def test_every_option_named_in_the_text_exists(capsys):
    import teach

    known = set()
    for name in teach.COMMANDS:
        with pytest.raises(SystemExit):
            teach.main([name, "--help"])
        known |= set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out))
    sizes = subprocess.run([sys.executable, ROOT / "tools" / "hub" / "capacity.py", "--help"], capture_output=True,
                           text=True, check=True).stdout
    known |= set(re.findall(r"--[a-z][a-z-]+", sizes))
    named = {option for text in PAGES.values()
             for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", FOREIGN.sub("", text))}
    assert named <= known | {"--help"}, named - known


def test_the_hidden_check_in_the_text_is_one_that_release_takes(tmp_path):
    from teaching import release

    code = re.search(r'```python\n(# %% check="1\.1".*?)```', PAGES["term.md"], re.S)[1]
    (tmp_path / "01_lifecycle.py").write_text(code)
    (exercise, points, source), = release.hidden_cells(tmp_path, "01_lifecycle")
    assert (exercise, points) == ("1.1", 1)
    from mlelab.check.source import solution

    scope = {"make_label": solution("01_lifecycle", "1.1", "make_label")}
    exec("import numpy as np\nimport pandas as pd\n" + source, scope)
