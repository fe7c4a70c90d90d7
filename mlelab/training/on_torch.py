"""PyTorch in one process or in many: `torchrun --nproc-per-node 2 on_torch.py --parallel ddp`, with torch and numpy.

    one    this process
    ddp    DistributedDataParallel: every process holds the whole model, gradients are averaged in the backward pass
    fsdp   fully sharded: a process holds its share of parameters, gradients and optimiser state, and borrows the rest
           layer by layer

Each process draws its own rows of the batch with a DistributedSampler, so that all three take the same steps. The
arithmetic is float64: what then differs between them is rounding far behind the ninth digit. With `--checkpoint` it
saves after each tenth step and resumes from the newest; under `torchrun --max-restarts 1` a process that dies is
replaced, and all go on from there. Needs `make torch`, or `pip install mlelab[torch]`.
"""

import argparse
import hashlib
import json
import os
import signal
import threading
import time
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_state_dict,
    set_state_dict,
)
from torch.distributed.fsdp import fully_shard
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

RANK, WORLD = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
RESTARTS = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0))
EVERY = 10


class Net(nn.Module):
    """Residual blocks; with `recompute` a block keeps its input only, and computes the rest again when it is needed."""

    def __init__(self, columns, width, depth, recompute):
        super().__init__()
        self.first = nn.Linear(columns, width)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))
                                    for _ in range(depth))
        self.last = nn.Linear(width, 1)
        self.recompute = recompute

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = x + (checkpoint(block, x, use_reentrant=False) if self.recompute else block(x))
        return self.last(x)[:, 0]


def batches(size, seed):
    """Rows of this process, epoch after epoch: (epoch, x, y). All processes together draw what one alone would."""
    rows = torch.Generator().manual_seed(seed)
    x = torch.randn(640, 20, generator=rows, dtype=torch.float64)
    data = TensorDataset(x, (x[:, 0] + x[:, 1] * x[:, 2] > 1).double())
    sampler = DistributedSampler(data, WORLD, RANK, shuffle=True, seed=seed)
    loader = DataLoader(data, batch_size=size // WORLD, sampler=sampler)
    epoch = 0
    while True:
        sampler.set_epoch(epoch)  # another order in each epoch, the same in every process
        yield from loader
        epoch += 1


def held(tensors):
    """Bytes of these tensors that lie in this process."""
    local = [tensor.to_local() if hasattr(tensor, "to_local") else tensor for tensor in tensors]
    return sum(tensor.numel() * tensor.element_size() for tensor in local)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parallel", choices=["one", "ddp", "fsdp"], default="one")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--batch", type=int, default=64, help="rows of all processes together")
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--recompute", action="store_true", help="activation checkpointing")
    parser.add_argument("--checkpoint", type=Path, help="folder; resume from its newest, and write there")
    parser.add_argument("--die-at", type=int, help="the last process is killed after this step, once")
    arguments = parser.parse_args(argv)
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(1)
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    if arguments.parallel != "one":
        dist.init_process_group("gloo")
    found = train(arguments)
    if RANK == 0:
        print(json.dumps(found), flush=True)
    if arguments.parallel != "one":
        dist.destroy_process_group()


def end_with(parent):
    """End this process when the one that started it is gone: torchrun cannot end its processes when it is killed."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def train(arguments):
    model = Net(20, arguments.width, arguments.depth, arguments.recompute).double()
    parallel = model
    if arguments.parallel == "ddp":
        parallel = nn.parallel.DistributedDataParallel(model)
    elif arguments.parallel == "fsdp":
        mesh = dist.init_device_mesh("cpu", (WORLD,))
        for block in model.blocks:
            fully_shard(block, mesh=mesh)
        fully_shard(model, mesh=mesh)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    resumed = resume(arguments.checkpoint, model, optimizer)
    kept = {}  # bytes that the forward pass keeps for the backward pass: what has a row for each row of the batch

    def keep(tensor):
        if tensor.ndim and len(tensor) == len(x):
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    loader = batches(arguments.batch, arguments.seed)
    for step, (x, y) in zip(range(1, arguments.steps + 1), loader):
        if step <= resumed:
            continue  # the loader is where it was
        kept.clear()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = nn.functional.binary_cross_entropy_with_logits(parallel(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if arguments.checkpoint and step % EVERY == 0:
            save(arguments.checkpoint, step, model, optimizer)
        if step == arguments.die_at and RANK == WORLD - 1 and not RESTARTS:
            os.kill(os.getpid(), signal.SIGKILL)
    state = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    return {
        "parallel": arguments.parallel, "processes": WORLD, "torch": torch.__version__, "restarts": RESTARTS,
        "resumed_after": resumed, "bits": bits(state), "rows": rows(state),
        "held": {"parameters": held(model.parameters()),
                 "gradients": held(p.grad for p in model.parameters() if p.grad is not None),
                 "optimiser": held(value for state in optimizer.state.values() for value in state.values())},
        "kept_for_backward": sum(kept.values())}


def bits(state):
    """A hash of every bit of the parameters."""
    found = hashlib.sha256()
    for name in sorted(state):
        found.update(name.encode() + state[name].contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


def rows(state):
    """A row for each tensor: name, sum, sum of squares. Two runs that agree to nine digits agree here."""
    return [[name, float(value.sum()), float((value ** 2).sum())] for name, value in sorted(state.items())]


def save(folder, step, model, optimizer):
    """Every process writes its share, beside the target; the first renames it when all are done."""
    unfinished = folder / "unfinished"
    parameters, state = get_state_dict(model, optimizer)
    dcp.save({"model": parameters, "optimizer": state}, checkpoint_id=unfinished, no_dist=WORLD == 1)
    if RANK == 0:
        unfinished.rename(folder / f"step-{step:06d}")
    if WORLD > 1:
        dist.barrier()


def resume(folder, model, optimizer):
    """Put the newest checkpoint into model and optimiser; returns after which step it was made, 0 without one."""
    newest = max(folder.glob("step-*"), default=None) if folder else None
    if not newest:
        return 0
    parameters, state = get_state_dict(model, optimizer)
    dcp.load({"model": parameters, "optimizer": state}, checkpoint_id=newest, no_dist=WORLD == 1)
    set_state_dict(model, optimizer, model_state_dict=parameters, optim_state_dict=state)
    return int(newest.name.partition("-")[2])


if __name__ == "__main__":
    main()
