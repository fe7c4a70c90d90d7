"""The simulations agree with what is known on paper, and show what they are there to show."""

import math

import numpy as np
import pytest

from mlelab.architecture import failure, queueing, usage


def test_one_server_is_the_textbooks_queue():
    assert queueing.erlang_c(8, 0.1, 1) == pytest.approx(0.8)
    assert queueing.mean_wait(8, 0.1, 1) == pytest.approx(0.8 / 2)
    assert queueing.quantile(8, 0.1, 1, 0.99) == pytest.approx(math.log(100) / 2)


def test_two_servers_at_a_load_of_one():
    assert queueing.erlang_c(10, 0.1, 2) == pytest.approx(1 / 3)  # by hand: (1/2 · 2) / (1 + 1 + 1/2 · 2)


@pytest.mark.parametrize("rate", [20, 25])
def test_a_full_pool_waits_for_ever(rate):
    assert queueing.erlang_c(rate, 0.1, 2) == 1
    assert queueing.mean_wait(rate, 0.1, 2) == queueing.quantile(rate, 0.1, 2, 0.5) == math.inf


@pytest.mark.parametrize(("rate", "servers"), [(100, 4), (140, 4), (30, 1)])
def test_the_simulation_agrees_with_the_formula(rate, servers):
    seen = queueing.simulate(rate, lambda rng: rng.exponential(0.02), servers, 40_000, seed=3)
    assert seen[:, 2].mean() == pytest.approx(queueing.mean_wait(rate, 0.02, servers) + 0.02, rel=0.1)
    assert np.quantile(seen[:, 2], 0.99) == pytest.approx(queueing.quantile(rate, 0.02, servers, 0.99), rel=0.1)


@pytest.mark.parametrize("rate", [1, 10, 50, 100, 1_000, 1_000_000])
def test_the_fewest_servers_are_enough_and_one_less_is_not(rate):
    servers = queueing.servers_for(rate, 0.02, 0.12)
    assert queueing.quantile(rate, 0.02, servers, 0.99) <= 0.12
    assert servers == 1 or queueing.quantile(rate, 0.02, servers - 1, 0.99) > 0.12


def test_no_pool_makes_a_request_itself_shorter():
    with pytest.raises(ValueError, match="more servers do not help"):
        queueing.servers_for(10, 0.02, 0.05)


def test_a_crash_costs_answers_without_a_second_try_and_time_without_a_breaker():
    plain, again = failure.crash(failure.Design()), failure.crash(failure.Design(tries=2))
    braked = failure.crash(failure.Design(tries=2, failures=5, fallback=True))
    lost = plain[plain["answer"] == "none"]
    assert lost["sent"].between(18, 41).all()
    assert len(lost) == pytest.approx(40 * 20 / 3, rel=0.15)  # a third of the requests of 20 seconds
    assert (again["answer"] == "model").all() and (braked["answer"] != "none").all()
    slow = [(seen["seconds"] >= 1).sum() for seen in (again, braked)]
    assert slow[1] < slow[0] / 4
    assert failure.crash(failure.Design(tries=2)).equals(again)


def test_all_replicas_down_is_what_a_fallback_is_for():
    dead = {"replicas": 1, "down": (0.0, 60.0), "rate": 5.0}
    assert (failure.crash(failure.Design(), **dead)["answer"] == "none").all()
    seen = failure.crash(failure.Design(failures=3, fallback=True), **dead)
    assert (seen["answer"] == "fallback").all()
    assert (seen["tries"] == 0).mean() > 0.8  # an open breaker asks nobody
    assert (seen["tries"] == 1).sum() > 3 + 5  # and tries again, half open


def test_a_log_of_usage_and_a_bill():
    log = usage.log()
    assert (log["busy"] <= log["cores"] * log["up"]).all() and log["up"].between(0, 1, inclusive="right").all()
    assert log.groupby("step")["up"].sum()["features, nightly"] == pytest.approx(28 * 1.2)
    assert usage.monthly(0, 0.02, plan="always on") == 2 * usage.HOURS * usage.PRICES["replica_hour"]
    assert usage.monthly(1e9, 0.02, plan="always on") > usage.monthly(0, 0.02, plan="always on")
    assert usage.monthly(0, 0.02, plan="to zero") == 0 < usage.monthly(0, 0.02, plan="batch")
    with pytest.raises(ValueError, match="none of batch"):
        usage.monthly(1, 0.02, plan="magic")
