"""PyTorch's DistributedDataParallel over gloo: `python on_torch.py` trains in two processes and compares with one.

DDP hooks into the backward pass: each process computes the mean gradient of its own rows, and DDP replaces it by the
mean over processes. That is the whole batch's gradient only while all shares are of one size. Needs
`pip install mlelab[torch]`; on Linux that brings CUDA with it.
"""

import argparse
import json
import tempfile

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

WORLD = 2


def train(steps, rank=0, world=1, seed=5):
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 1))
    parallel = nn.parallel.DistributedDataParallel(model) if world > 1 else model
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    rows = torch.Generator().manual_seed(seed)  # every process draws the same batch and takes its rows
    for _ in range(steps):
        x = torch.randn(64, 20, generator=rows)
        y = (x[:, 0] + x[:, 1] * x[:, 2] > 1).float()
        loss = nn.functional.binary_cross_entropy_with_logits(parallel(x[rank::world])[:, 0], y[rank::world])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def process(rank, steps, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=WORLD)
    torch.save(train(steps, rank, WORLD), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=40)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(process, (args.steps, folder), nprocs=WORLD)
        parameters = [torch.load(f"{folder}/{rank}.pt") for rank in range(WORLD)]
    print(json.dumps({"processes": WORLD, "identical": torch.equal(*parameters),
                      "largest_difference_to_one": float((parameters[0] - train(args.steps)).abs().max())}))


if __name__ == "__main__":
    main()
