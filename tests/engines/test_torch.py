"""PyTorch in two processes ends where one ends, also when one of them dies; TensorFlow and JAX take the same steps."""

import pytest

from mlelab import engines
from mlelab.engines.content import digest
from mlelab.training import torchrun

ENGINE = "torch"
COMMITTED = engines.measured("torch")


@pytest.mark.parametrize("name", [pytest.param("tensorflow", marks=pytest.mark.whole), "jax"])
def test_the_steps_of_the_committed_run_are_those_of(name):
    try:
        found = torchrun.same_step(name)
    except engines.Missing as missing:
        pytest.skip(str(missing))
    assert {found["digest"]} == {library["digest"] for library in COMMITTED["libraries"].values()}
    assert set(COMMITTED["libraries"]) == {"tensorflow", "jax", "torch"}


def test_the_committed_run_halves_what_each_process_holds():
    runs = COMMITTED["runs"]
    for what in ("parameters", "gradients", "optimiser"):
        one, ddp, fsdp = (runs[name]["held"][what] for name in ("one", "ddp", "fsdp"))
        assert one == ddp and 0.45 < fsdp / ddp < 0.6
    assert runs["fsdp, recomputed"]["kept_for_backward"] < runs["fsdp"]["kept_for_backward"] / 2
    assert len({found["digest"] for found in runs.values()}) == 1


@pytest.mark.whole
def test_two_processes_end_where_one_ends(engine):
    one, ddp, fsdp = torchrun.run("one"), torchrun.run("ddp"), torchrun.run("fsdp", "--recompute")
    assert digest(one["rows"]) == digest(ddp["rows"]) == digest(fsdp["rows"])
    assert torchrun.same_step("torch")["digest"] == COMMITTED["libraries"]["tensorflow"]["digest"]


@pytest.mark.whole
@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_a_process_is_killed_and_every_bit_is_as_without(parallel, engine, tmp_path):
    lost = torchrun.run(parallel, "--checkpoint", tmp_path, "--die-at", 23)
    assert lost["restarts"] == 1 and lost["resumed_after"] == 20
    assert lost["bits"] == torchrun.run(parallel)["bits"]
