"""The measuring script, small and on the CPU, and the figure that the page makes of its table."""

import pandas as pd
import pytest

from mlelab.training import gpu, measured, timing


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("measured")
    gpu.main(["--machine", "a CPU, for the test", "--out", str(folder / "cpu.csv"), "--small"])
    return folder


def test_each_experiment_is_in_the_table(folder):
    table = pd.read_csv(folder / "cpu.csv")
    assert tuple(table.columns) == gpu.COLUMNS
    assert set(table["device"]) == {"CPU"}
    assert (table["value"] > 0).all()
    settings = table.groupby("experiment")["setting"].apply(list)
    assert settings["matmul"] == ["float32", "bfloat16"]
    assert len(settings["step"]) == 8
    assert settings["memory"] == ["planned"]
    assert len(settings["input"]) == len(settings["timing"]) == 4


def test_the_ridge_is_the_fastest_product_over_the_bandwidth(folder):
    value = pd.read_csv(folder / "cpu.csv").set_index(["experiment", "setting"])["value"]
    expected = 1000 * value["matmul"].max() / value["copy", "float32"]
    assert value["roofline", "ridge"] == pytest.approx(expected, rel=0.01)


def test_seconds_leaves_out_the_first_call_and_waits_for_the_device():
    class Device:
        """Counts; each wait takes no time but is seen."""

        def __init__(self):
            self.waits = 0

        def wait(self, _):
            self.waits += 1

    device, calls = Device(), []
    gpu.seconds(device, lambda: calls.append(1), repeats=3, calls=2)
    assert (len(calls), device.waits) == (1 + 3 * 2, 1 + 3)


def test_not_waiting_looks_faster_than_the_device_is_and_the_first_call_slower():
    found = timing.measure(repeats=3)
    assert list(found) == ["first call", "not waiting", "with transfers", "right"]
    assert found["not waiting"] < found["right"] < found["first call"]


def test_the_page_plots_a_table_as_soon_as_there_is_one(folder, capsys, monkeypatch):
    shown = []
    monkeypatch.setattr(measured.figure, "show", lambda fig, **words: shown.append(words))
    measured.show(folder)
    assert "a CPU, for the test (CPU), tensorflow" in shown[0]["alt"]
    assert "operations for each byte" in shown[0]["caption"]
    assert not capsys.readouterr().out


def test_and_says_so_while_there_is_none(tmp_path, capsys):
    measured.show(tmp_path)
    assert capsys.readouterr().out.startswith("Not measured yet")
