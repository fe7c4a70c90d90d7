"""Several processes: they compute what one computes, and none stays behind."""

import subprocess
import sys
import time

import numpy as np
import pytest

from mlelab.training import cluster, worker

from .conftest import STEPS, running, same

# Two replicas add the same numbers in another order. Without the sum over replicas they are 1,000 times further off.
TOLERANCE = 1e-5


def distance(one, other):
    return np.abs(np.array(one["parameters"]) - other["parameters"]).max()


def test_two_workers_compute_what_one_process_computes(two, alone):
    assert [replica.task for replica in two] == ["chief-0", "worker-0"]
    for replica in two:
        assert replica.returncode == 0
        assert replica.log.endswith(f"step {STEPS}\n")
        assert replica.result["replicas"] == 2
        assert distance(replica.result, alone) < TOLERANCE
        np.testing.assert_allclose(replica.result["loss"], alone["loss"], atol=TOLERANCE)
    assert same(two[0].result, two[1].result)


def test_without_the_sum_over_workers_the_difference_would_show(table, alone, monkeypatch):
    monkeypatch.setattr(worker.Training, "cut", lambda self, values: self.tf.constant(values[::2]))
    assert distance(worker.main(table), alone) > 1000 * TOLERANCE


def test_two_devices_of_one_process(table, alone):
    replica, = cluster.run([*table, "--strategy", "mirrored"], workers=1)
    assert replica.result["replicas"] == 2
    assert distance(replica.result, alone) < TOLERANCE


def test_a_parameter_server_with_one_worker_computes_the_same(table, alone):
    chief, *others = cluster.run([*table, "--strategy", "parameter_server"], workers=1, ps=1)
    assert distance(chief.result, alone) < TOLERANCE
    assert [(other.task, other.returncode, other.result) for other in others] == [
        ("worker-0", 0, None), ("ps-0", 0, None)]


def test_a_worker_is_killed_in_mid_epoch_and_training_goes_on_from_the_checkpoint(table, two, tmp_path):
    arguments = [*table, "--strategy", "multiworker", "--checkpoint", str(tmp_path)]
    with pytest.raises(cluster.Failed, match="worker-0 was killed after step 23"):
        cluster.run(arguments, workers=2, kill=(1, 23))
    assert worker.load(tmp_path)["losses"].size == 20
    resumed = cluster.run(arguments, workers=2)
    assert resumed[0].result["resumed_after"] == 20
    for replica in resumed:
        assert same(replica.result, two[0].result)


def test_a_replica_that_fails_ends_the_run_with_its_last_line():
    with pytest.raises(cluster.Failed, match=r"-0 ended with status 1; its last line: FileNotFoundError.*absent\.npz"):
        cluster.run(["--strategy", "multiworker", "--data", "absent.npz"])


def test_the_deadline_holds():
    begun = time.monotonic()
    with pytest.raises(cluster.Failed, match="Not done after 1 seconds: chief-0, worker-0"):
        cluster.run(["--strategy", "multiworker", "--seed", "90001"], deadline=1)
    assert time.monotonic() - begun < 15
    assert not running("90001")


def test_an_interrupt_leaves_no_process(monkeypatch):
    def interrupt(_):
        assert running("90002")
        raise KeyboardInterrupt

    monkeypatch.setattr(cluster.time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        cluster.run(["--strategy", "multiworker", "--seed", "90002"])
    assert not running("90002")


def test_when_the_caller_is_killed_the_replicas_go_with_it():
    code = "from mlelab.training import cluster; cluster.run(['--strategy', 'multiworker', '--seed', '90003'])"
    caller = subprocess.Popen([sys.executable, "-c", code])
    wait_until(lambda: len(running("90003")) == 4)  # two replicas, each with its guard
    caller.kill()
    caller.wait()
    wait_until(lambda: not running("90003"))


def wait_until(done):
    end = time.monotonic() + 30
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)
