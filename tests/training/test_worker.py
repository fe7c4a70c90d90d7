"""One process: batches, checkpoints, resume."""

import json

import numpy as np
import pytest

from mlelab.training import worker

from .conftest import same


def test_an_epoch_has_each_row_once_and_the_next_is_in_another_order():
    batches = worker.Batches(np.zeros((10, 1)), np.arange(10), 4, seed=1)
    first, second = ([batches.draw()[1] for _ in range(3)] for _ in range(2))
    assert [len(part) for part in first] == [4, 4, 2]
    assert sorted(np.concatenate(first)) == sorted(np.concatenate(second)) == list(range(10))
    assert list(np.concatenate(first)) != list(np.concatenate(second))


@pytest.mark.parametrize("step", [3, 5, 7])
def test_batches_go_on_from_their_state(step):
    x, y = np.random.default_rng(0).normal(size=(10, 2)), np.arange(10)
    straight, again = (worker.Batches(x, y, 4, seed=1) for _ in range(2))
    for _ in range(step):
        straight.draw()
    again.restore({name: np.array(value) for name, value in straight.state().items()})
    for _ in range(4):
        for one, other in zip(straight.draw(), again.draw()):
            np.testing.assert_array_equal(one, other)


def test_a_stopped_training_goes_on_as_if_nothing_had_been(table, alone, tmp_path):
    folder = tmp_path / "checkpoints"
    stopped = worker.main([*table, "--checkpoint", str(folder), "--stop-at", "23"])
    assert stopped["loss"] == alone["loss"][:23]
    assert not same(stopped, alone)
    resumed = worker.main([*table, "--checkpoint", str(folder)])
    assert resumed["resumed_after"] == 23
    assert same(resumed, alone)


def test_a_checkpoint_that_cannot_be_read_falls_back_to_the_one_before(table, alone, tmp_path, capsys):
    worker.main([*table, "--checkpoint", str(tmp_path), "--stop-at", "23"])
    newest = tmp_path / "step-000023.npz"
    newest.write_bytes(newest.read_bytes()[:-200])
    resumed = worker.main([*table, "--checkpoint", str(tmp_path)])
    assert "step-000023.npz cannot be read" in capsys.readouterr().out
    assert resumed["resumed_after"] == 20
    assert same(resumed, alone)


def test_a_changed_byte_is_noticed(tmp_path):
    worker.save(tmp_path, 1, {"a": np.zeros(1000)})
    worker.save(tmp_path, 2, {"a": np.ones(1000)})
    newest = tmp_path / "step-000002.npz"
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    assert worker.load(tmp_path)["a"].sum() == 0


def test_dying_while_writing_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    worker.save(tmp_path, 1, {"a": np.array(1)})

    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(worker.os, "fsync", die)
    with pytest.raises(KeyboardInterrupt):
        worker.save(tmp_path, 2, {"a": np.array(2)})
    assert worker.load(tmp_path)["a"] == 1


def test_no_checkpoint_is_no_checkpoint(tmp_path):
    assert worker.load(tmp_path / "absent") is None


def test_the_result_file_has_the_name_of_its_task(table, tmp_path):
    worker.main([*table[:2], "--steps", "2", "--result", str(tmp_path / "{task}.json")])
    assert len(json.loads((tmp_path / "chief-0.json").read_text())["loss"]) == 2


@pytest.mark.parametrize("strategy", ["multiworker", "parameter_server"])
def test_without_tf_config_it_says_what_is_missing(strategy, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(SystemExit, match="needs TF_CONFIG"):
        worker.main(["--strategy", strategy])


def test_help_explains_each_strategy(capsys):
    with pytest.raises(SystemExit):
        worker.main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    for name in worker.STRATEGIES:
        assert any(line.startswith(f"    {name} ") for line in lines), name
