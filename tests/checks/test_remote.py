"""A check of functions in another process: the same verdicts, plain data only, and nothing of ours over there."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from mlelab.check import codec, open_lab
from mlelab.check.compare import difference, unchanged
from mlelab.check.outcome import NOT_ATTEMPTED, WRONG
from mlelab.check.port import Unreachable
from mlelab.check.remote import Odd, Remote
from tests import sampled
from tests.wrong_answers import answers

TRIALS = [("03_features", "3.1"), ("09_monitoring", "9.3"), ("04_evaluation", "4.3")]

LEARNER = """
import importlib, sys
from mlelab.check.remote import serve
{code}
serve({functions}, int(sys.argv[1]), int(sys.argv[2]))
"""


class Process:
    """A process with a learner's code, and the check's end of the pipes."""

    def __init__(self, code: str, functions: str, patience: float = 30):
        (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
        program = LEARNER.format(code=code, functions=functions)
        self.process = subprocess.Popen([sys.executable, "-c", program, str(theirs_in), str(theirs_out)],
                                        pass_fds=(theirs_in, theirs_out))
        os.close(theirs_in), os.close(theirs_out)
        self.ends = ours_in, ours_out
        self.remote = Remote(ours_in, ours_out, patience)

    def __enter__(self):
        return self.remote

    def __exit__(self, *_):
        for end in self.ends:
            os.close(end)
        self.process.kill()
        self.process.wait()


@pytest.mark.parametrize("several", sampled([4, 10**3], [4]))
@pytest.mark.parametrize(("area", "number"), TRIALS)
def test_the_other_process_gets_the_same_verdicts(area, number, several):
    """Named answers of an exercise that returns a function, of one with tables, and of one with a spy: some, or all."""
    own = [answer for answer in answers(area) if answer.exercise == number]
    own = own[::-max(1, len(own) // several)]  # from the right answers on
    code = ("from tests.wrong_answers import answers\n"
            f"named = {{a.function.__name__: a.function for a in answers({area!r}) if a.exercise == {number!r}}}")
    exercise = open_lab(area).exercises[number]
    with Process(code, "named") as remote:
        for answer in own:
            here = exercise.outcome(answer.function, None, 7)
            there = exercise.outcome(remote(answer.function.__name__), None, 7)
            assert (there.verdict, there.misconception, there.says) == (here.verdict, here.misconception, here.says)


STATEFUL = """
import os, random, time
def stub(df, is_train, columns):
    raise NotImplementedError
def loops(df, is_train, columns):
    while True:
        try:
            time.sleep(1)
        except BaseException:
            pass
def ends(df, is_train, columns):
    os._exit(0)
def odd(df, is_train, columns):
    return lambda rows: open(os.devnull)
def changes(df, is_train, columns):
    df["temp"] = 0
    return lambda rows: rows
def shouts(df, is_train, columns):
    os.write(int(__import__("sys").argv[2]), b"nonsense" + bytes([10]))
    return lambda rows: rows
"""


@pytest.mark.parametrize(("name", "verdict", "says"), [
    ("stub", NOT_ATTEMPTED, "Write the function"), ("loops", WRONG, "did not come back"),
    ("odd", WRONG, "the answer is"), ("changes", WRONG, "changed its input")])
def test_what_learners_do_over_there(name, verdict, says):
    exercise = open_lab("03_features").exercises["3.1"]
    with Process(STATEFUL, "globals()", patience=3) as remote:
        outcome = exercise.outcome(remote(name), None, 1)
    assert outcome.verdict == verdict and says.lower() in outcome.says.lower(), outcome


@pytest.mark.parametrize("name", ["ends", "shouts"])
def test_a_lost_process_is_no_verdict(name):
    exercise = open_lab("03_features").exercises["3.1"]
    with Process(STATEFUL, "globals()", patience=3) as remote, pytest.raises(Unreachable):
        exercise.outcome(remote(name), None, 1)


ZONED = pd.date_range("2013-03-09", periods=3, tz="America/New_York")
VALUES = [
    None, True, 3, -2.5, float("nan"), float("inf"), 0.1 + 0.2, "late", b"\x00", 1 + 2j,
    (1, [2, {"a": {3}}]), frozenset({1}),
    {1: "a", (2, "b"): None}, np.int64(3), np.float32(0.1), np.array([[1, 2], [3, 4]]), np.array(["a", None], object),
    np.array([True]), np.array(["2013-01-01"], "M8[s]"), np.zeros((0, 2)), pd.Timestamp("2013-01-01", tz="UTC"),
    pd.Timestamp("2013-07-01 10:00").to_pydatetime(), pd.Timedelta("90s"), pd.NA, pd.NaT,
    pd.Series([1.0, np.nan], index=["x", "y"], name="temp"), pd.Series(pd.array([1, None], "Int64")),
    pd.Series(["a", None, "a"], dtype="category"), pd.Series(ZONED, index=[5, 3, 9]), pd.Index([3, 1], name="id"),
    pd.MultiIndex.from_tuples([("EWR", 1), ("JFK", 2)], names=["origin", None]),
    pd.DataFrame({"a": [1, 2], "b": ["x", None]}, index=pd.Index([9, 7], name="flight")),
    pd.DataFrame([[1, 2.5]], columns=["same", "same"]), pd.DataFrame({"t": ZONED, "c": pd.Categorical(list("aba"))}),
    pd.DataFrame(index=[1, 2]), pd.DataFrame({"a": []}), pd.Series([], dtype=float)]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{type(value).__name__}-{str(value)[:20]!r}")
def test_plain_data_crosses_unchanged(value):
    back = codec.decode(codec.encode(value))
    assert type(back) is type(value) and difference(value, back, 0, 0) is None and unchanged(value, back)
    if isinstance(value, pd.DataFrame):
        assert list(back.dtypes) == list(value.dtypes) and back.index.names == value.index.names
    elif isinstance(value, (pd.Series, np.ndarray, pd.Index)) and not isinstance(value, pd.MultiIndex):
        assert back.dtype == value.dtype


@pytest.mark.parametrize("data", [{"pickle": "x"}, {"array": [[1], ["O8", "x"]]}, [1], {"function": 1},
                                  {"a": 1, "b": 2}])
def test_nothing_else_is_decoded(data):
    with pytest.raises(ValueError):
        codec.decode(data)


def test_what_is_no_plain_data_is_refused():
    with pytest.raises(codec.CannotCross):
        codec.encode(object())
    assert Odd("x").text == "x"


def test_the_engine_needs_no_notebook_no_network_and_no_parquet():
    """So it can run in a page and in a grader."""
    code = ("import sys\nsys.modules.update(pyarrow=None, IPython=None, pooch=None, requests=None)\n"
            "from mlelab.check import open_lab\nopen_lab('03_features'), open_lab('09_monitoring')")
    subprocess.run([sys.executable, "-c", code], check=True)
