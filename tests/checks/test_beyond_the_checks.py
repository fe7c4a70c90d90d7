"""What our own solutions keep although the checks do not ask for it: the docstrings leave it to work after the lab."""

import math

import pytest

from mlelab.check import open_lab
from tests.checks.pieces import learner_function


def ours(area, number):
    return learner_function(open_lab(area).exercises[number])


def test_a_request_without_instances_breaks_the_contract():
    status, body = ours("07_deployment", "7.2")({"request_id": "r-1"}, len, {"hour": "number"}, "4")
    assert status == 422 and set(body) == {"request_id", "error"}


@pytest.mark.parametrize(("p99", "verdict"), [(0.0, "hold"), (300.0, "rollback")])
def test_a_canary_that_nobody_has_asked_is_held(p99, verdict):
    control = {"requests": 1_000, "errors": 0, "good": 700, "p99": 100.0}
    canary = {"requests": 0, "errors": 0, "good": 0, "p99": p99}
    assert ours("07_deployment", "7.6")(control, canary, {"error_rate": 0.01, "p99": 200.0}, 500) == verdict


@pytest.mark.parametrize(("line", "found"), [
    ("USER 0:0", {"user"}), ("USER root:root", {"user"}), ("USER 10001:0", set()), ("HEALTHCHECK NONE", {"health"}),
    ("ENV A=1 DB_PASSWORD=x", {"secret"}), ("ENV MONKEY=1", set()), ("  # USER root", set())])
def test_a_dockerfile_as_docker_reads_it(line, found):
    sound = "FROM app:3.12\nUSER 10001\nHEALTHCHECK CMD true\n"
    assert ours("07_deployment", "7.9")(sound + line) == found


@pytest.mark.parametrize(("change", "reason"), [
    ({}, None), ({"auc": math.nan}, "gain"), ({"slices": {"EWR": math.nan}}, "slice:EWR"),
    ({"slices": {}}, "slice:EWR"), ({"calibration_error": math.nan}, "calibration"), ({"p99": math.nan}, "latency")])
def test_a_gate_lets_nothing_through_that_is_unknown(change, reason):
    champion = {"test": "t", "auc": 0.7, "slices": {"EWR": 0.7}, "calibration_error": 0.02, "p99": 30.0}
    limits = {"min_gain": 0.005, "max_slice_loss": 0.01, "max_calibration_error": 0.03, "max_p99": 50.0}
    promote, reasons = ours("08_mlops", "8.5")(champion | {"auc": 0.72} | change, champion, limits)
    assert (promote, reasons) == (reason is None, [reason] if reason else [])


def test_rounding_refuses_no_gain_of_exactly_the_margin():
    gate, limits = ours("08_mlops", "8.5"), {"min_gain": 0.005, "max_slice_loss": 0.01, "max_calibration_error": 1,
                                            "max_p99": 1}
    for thousandths in range(600, 900):
        champion = {"test": "t", "auc": thousandths / 1000, "slices": {}, "calibration_error": 0, "p99": 0}
        assert gate(champion | {"auc": (thousandths + 5) / 1000}, champion, limits) == (True, [])
        assert gate(champion | {"auc": (thousandths + 4) / 1000}, champion, limits) == (False, ["gain"])
