"""`make test`: what it runs, what one lab's part of it is, and what it says at the end."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import course  # noqa: E402
import run_tests  # noqa: E402

REPORT = """<testsuites><testsuite>
<testcase classname="tests.a.test_a" name="test_quick" time="0.5"/>
<testcase classname="tests.a.test_a" name="test_slow[x]" time="7.25"/>
<testcase classname="tests.a.test_b" name="test_left_out" time="0"><skipped message="no browser here"/></testcase>
</testsuite></testsuites>"""


@pytest.fixture
def suite(tmp_path, monkeypatch):
    monkeypatch.setattr(run_tests, "REPORTS", tmp_path)
    (tmp_path / "one.xml").write_text(REPORT)
    return run_tests.Suite("one", [], seconds=9, ok=True)


def collected(suites) -> list[str]:
    """The folders of tests/ that suites of pytest are given, and those that they leave out."""
    words = [str(word).removeprefix("--ignore=") for suite in suites for word in suite.command]
    return [word for word in words if word.startswith(f"{ROOT / 'tests'}/")]


def test_every_folder_of_tests_is_run_by_exactly_one_suite():
    *named, rest = [suite for suite in run_tests.all_suites() if "pytest" in suite.command]
    given, left = collected(named), collected([rest])
    assert str(ROOT / "tests") in map(str, rest.command)
    assert sorted(given) == sorted(left) and len(set(given)) == len(given)
    assert all(Path(path).is_dir() for path in given)


def test_the_longest_do_not_come_last():
    names = [suite.name for suite in run_tests.all_suites()]
    assert names.index("book") < names.index("everything else") < names.index("lint")


@pytest.mark.parametrize("area", run_tests.AREAS)
def test_a_lab_has_its_part(area):
    suites = {suite.name: [str(word) for word in suite.command] for suite in run_tests.suites_of(area)}
    assert f"{ROOT}/solutions/{area}/lab.ipynb" in suites["solved lab and pages"]
    assert f"{ROOT}/book/{area}.md" in suites["solved lab and pages"]
    assert suites["checks"][-2:] == ["-k", area]
    assert all(Path(word).exists() for words in suites.values() for word in words if word.startswith(str(ROOT)))


def test_labs_with_code_of_their_own_run_its_tests():
    with_code = {area for area in run_tests.AREAS if any(s.name == "its code" for s in run_tests.suites_of(area))}
    assert {"02_data", "05_training", "07_deployment", "08_mlops", "09_monitoring", "10_responsible"} <= with_code


def test_the_end_says_what_was_slow_and_what_was_left_out(suite, monkeypatch):
    monkeypatch.setattr(course, "absent_programs", lambda: ["chromium", "bubblewrap"])
    lines = run_tests.summary([suite])
    assert lines.index("     9.0         ONE") < lines.index("     7.8      2  tests/a/test_a.py")
    assert "     7.2  tests/a/test_a.py::test_slow[x]" in lines
    assert "Left out here: 1 of 3 tests." in lines and "       1  no browser here" in lines
    assert lines[-1].endswith("sudo apt-get install chromium bubblewrap")


def test_where_nothing_is_missing_nothing_is_to_be_installed(suite, monkeypatch):
    monkeypatch.setattr(course, "absent_programs", list)
    assert not any("apt-get" in line for line in run_tests.summary([suite]))


def test_programs_that_are_not_on_path_are_named(monkeypatch, tmp_path, capsys):
    (tmp_path / "google-chrome").write_text("#!/bin/sh\n")
    (tmp_path / "google-chrome").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    course.programs(None)
    assert capsys.readouterr().out == "epubcheck redis-server prometheus bubblewrap\n"
