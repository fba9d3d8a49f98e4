# SPDX-License-Identifier: GPL-3.0-or-later
"""PyTorch's DistributedDataParallel over gloo, for ranks.py: python peer_ddp.py mlp|unet [--processes 2] [--steps N]

Trains the network of the case, each process with its share of the batch and one thread; prints the seconds of a step:
the median over blocks of ten, after a warm-up. The networks and batches are those of vp-digits and vp-digits-unet;
gradients are all-reduced by gloo while the backward pass goes on, as DDP does by default.
"""
import argparse
import math
import os
import statistics
import tempfile
import time

import torch
import torch.distributed
import torch.multiprocessing
from torch import nn
from torch.nn.parallel import DistributedDataParallel

BATCH = {"mlp": 256, "unet": 64}


class Perceptron(nn.Module):
    """64 values and 64 sinusoids of t -> three hidden layers of SiLU -> 64 values."""

    def __init__(self, hidden=256):
        super().__init__()
        self.register_buffer("frequencies", 1000 * torch.exp(-math.log(1e4) * torch.arange(32) / 32))
        self.layers = nn.Sequential(
            nn.Linear(128, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(),
            nn.Linear(hidden, 64))

    def forward(self, x, t):
        angles = t * self.frequencies
        return self.layers(torch.cat([x, angles.sin(), angles.cos()], dim=1))


def network(case):
    if case == "mlp":
        return Perceptron()
    from diffusers import UNet2DModel
    from peer_unet import NETWORKS

    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = UNet2DModel(**NETWORKS["unet-small"][0])

        def forward(self, x, t):
            return self.model(x.reshape(-1, 1, 8, 8), 1000 * t[:, 0]).sample.reshape(-1, 64)

    return Plain()


def work(rank, count, case, steps, store):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=count)
    torch.manual_seed(1)
    model = DistributedDataParallel(network(case))
    torch.manual_seed(2 + rank)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    data = torch.randn(1500, 64)
    rows = BATCH[case] // count
    seconds = []
    for block in range(steps // 10):
        begin = time.perf_counter()
        for _ in range(10):
            x0 = data[torch.randint(len(data), (rows,))]
            t = 1e-5 + (1 - 1e-5) * torch.rand(rows, 1)
            noise = torch.randn(rows, 64)
            scale = torch.exp(-0.25 * 19.9 * t * t - 0.05 * t)
            loss = nn.functional.mse_loss(model(scale * x0 + (1 - scale**2).sqrt() * noise, t), noise)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
        seconds.append((time.perf_counter() - begin) / 10)
    if rank == 0:
        print(statistics.median(seconds[len(seconds) // 5:]), flush=True)
    # A process that leaves before the others are done ends with them in gloo's threads.
    torch.distributed.barrier()
    os._exit(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=list(BATCH))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(
            work, (options.processes, options.case, options.steps, os.path.join(folder, "store")), options.processes)


if __name__ == "__main__":
    main()
