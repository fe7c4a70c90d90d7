"""PyTorch in one process and in two, beside TensorFlow and JAX: `python -m mlelab.training.torchrun`, two minutes.

One process, data parallel and fully sharded take the same steps and end with the same parameters. What each process
holds differs, and that is counted. Then a process is killed in the middle. PyTorch is in _build/torch (`make torch`),
5.6 GB with the CUDA that its wheel for Linux brings. `on_torch.py` has all that uses it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mlelab import engines
from mlelab.engines.content import digest

SCRIPT = Path(__file__).with_name("on_torch.py")
SAME = Path(__file__).with_name("same_step.py")


def run(parallel: str, *options, processes: int = 2, limit: float = 600) -> dict:
    """One run of `on_torch.py`, under torchrun where there are several processes; returns its JSON.

    Raises RuntimeError with the end of what it printed if it fails, or does not end within `limit` seconds.
    """
    command = [engines.python("torch")]
    if parallel != "one":
        command += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", processes, "--max-restarts", 1]
    # torchrun's store of addresses outlives a restart, and a new process may read there where a dead one was: PyTorch's
    # issue 135712, seen in 2.15 too. Not shared, each start has a store of its own.
    process = engines.start(*command, SCRIPT, "--parallel", parallel, *options, GLOO_SOCKET_IFNAME="lo",
                            TORCH_DISABLE_SHARE_RDZV_TCP_STORE="1")
    said = list(engines.lines(process, limit))
    found = [line for line in said if line.startswith('{"parallel"')]
    if process.returncode or not found:
        raise RuntimeError(f"on_torch.py ended with status {process.returncode}: {''.join(said)[-600:]}")
    return json.loads(found[-1])


def same_step(name: str) -> dict:
    """The twenty steps of `same_step.py` in one library; JAX and PyTorch run where they are installed."""
    python = sys.executable if name == "tensorflow" else engines.python(name, "torch")
    done = subprocess.run([python, SAME, name], capture_output=True, text=True, env=engines.environment(), timeout=240)
    if done.returncode:
        raise RuntimeError(f"{name} failed: {done.stderr[-300:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return {"version": found["version"], "digest": digest(found["rows"])}


def show() -> dict:
    """Everything; returns what `--record` writes. Raises RuntimeError where two ends differ that should not."""
    runs = {}
    for parallel in ("one", "ddp", "fsdp"):
        say(f"{parallel} ...")
        runs[parallel] = run(parallel)
    say("fully sharded, blocks computed again ...")
    runs["fsdp, recomputed"] = run("fsdp", "--recompute")
    with tempfile.TemporaryDirectory() as folder:
        say("a process is killed after step 23 ...")
        lost = run("fsdp", "--checkpoint", folder, "--die-at", 23)
    for found in runs.values():
        found["digest"] = digest(found.pop("rows"))
    if len({found["digest"] for found in runs.values()}) > 1:
        raise RuntimeError(f"The parameters differ: { {name: found['digest'] for name, found in runs.items()} }.")
    if (lost["restarts"], lost["resumed_after"], lost["bits"]) != (1, 20, runs["fsdp"]["bits"]):
        raise RuntimeError(f"The run that lost a process did not end as the others: {lost}.")
    say("TensorFlow, JAX, PyTorch ...")
    libraries = {name: same_step(name) for name in ("tensorflow", "jax", "torch")}
    if len({found["digest"] for found in libraries.values()}) > 1:
        raise RuntimeError(f"The libraries differ: {libraries}.")
    return {"runs": runs, "lost": {name: lost[name] for name in ("restarts", "resumed_after", "bits")},
            "libraries": libraries, "installed_gb": round(installed() / 1e9, 1)}


def installed() -> int:
    """Bytes that PyTorch's environment takes on disk."""
    folder = engines.python("torch").parents[1]
    return sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file() and not file.is_symlink())


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m mlelab.training.torchrun", description=__doc__,
                                     formatter_class=form)
    parser.add_argument("--record", type=Path, metavar="FILE", help="write what was found, as JSON")
    parser.add_argument("--machine", default="", help="how the record names this machine")
    chosen = parser.parse_args(arguments)
    begun = time.monotonic()
    try:
        found = show()
    except (engines.Missing, RuntimeError) as error:
        say(str(error))
        return 1
    found["seconds"] = round(time.monotonic() - begun)
    for name, what in found["runs"].items():
        print(f"{what['digest']}  {sum(what['held'].values()):>10,} bytes of parameters, gradients and optimiser in "
              f"each, {what['kept_for_backward']:>8,} kept for the backward pass: {name}")
    print(f"{found['lost']['bits']}  killed after step 23, resumed after step {found['lost']['resumed_after']}: every "
          "bit as without")
    for name, what in found["libraries"].items():
        print(f"{what['digest']}  {name} {what['version']}")
    if chosen.record:
        engines.record(chosen.record, chosen.machine, **found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
