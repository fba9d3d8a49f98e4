# SPDX-License-Identifier: GPL-3.0-or-later
"""PyTorch's side of the objectives of few steps: python peer_few.py CASE [--threads N]. See compare.py.

Four layers of 256 with 64 features of ln sigma for each time, velocity prediction under the variance-preserving SDE,
Adam, batches of 1,024. Derivatives by the second time are `torch.func.jvp`, through which gradients go.
"""

import argparse
import math

import torch
from torch import nn

from peer_torch import moments, ring
from protocol import serve

END = 1e-3
BATCH, STEPS = 1024, 100


class Map(nn.Module):
    """x, ln sigma of the first time and perhaps of the second -> the network's output."""

    def __init__(self, times):
        super().__init__()
        self.register_buffer("frequencies", 2 * math.pi * 0.2 * torch.randn(times, 32))
        width = 256
        self.layers = nn.Sequential(
            nn.Linear(2 + 64 * times, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width),
            nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 2))

    def forward(self, x, *levels):
        parts = [x]
        for level, frequencies in zip(levels, self.frequencies):
            angles = level * frequencies
            parts += [angles.sin(), angles.cos()]
        return self.layers(torch.cat(parts, dim=1))


def denoised(output, x, scale, deviation):
    """D = m x - sigma v, as m^2 + sigma^2 = 1."""
    return scale * x - deviation * output


def optimised(network, loss, data):
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)

    def repetition():
        for _ in range(STEPS):
            value = loss(data[torch.randint(len(data), (BATCH,))])
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            optimiser.step()
        assert math.isfinite(value.item())

    return repetition


def consistency(data):
    """iCT's pairs over 18 intervals of Karras' grid: a target without a gradient at the lower time."""
    network = Map(1)
    low, high = (float(torch.exp(torch.log(d) - torch.log(m))) for m, d in map(moments, torch.tensor([END, 1.0])))
    grid = (low ** (1 / 7) + torch.arange(19) / 18 * (high ** (1 / 7) - low ** (1 / 7))) ** 7
    # At m = 1/sqrt(1 + s^2) and sigma = s m.
    end_scale, end_deviation = 1 / math.sqrt(1 + low * low), low / math.sqrt(1 + low * low)

    def to_end(x, ratio):
        scale = 1 / torch.sqrt(1 + ratio * ratio)
        deviation = ratio * scale
        d = denoised(network(x, torch.log(ratio)), x, scale, deviation)
        share = end_deviation / deviation
        return share * x + (end_scale - scale * share) * d

    def loss(x0):
        chosen = torch.randint(18, (BATCH, 1))
        upper, lower = grid[chosen + 1], grid[chosen]
        z = torch.randn(BATCH, 2)
        with torch.no_grad():
            target = to_end((x0 + lower * z) / torch.sqrt(1 + lower * lower), lower)
        error = to_end((x0 + upper * z) / torch.sqrt(1 + upper * upper), upper) - target
        return (error.square().sum(1, keepdim=True) / (upper - lower)).mean()

    return optimised(network, loss, data)


def lagrangian(data):
    """D - (1 - s/t) dD/dln s = D(X, s, s) in sigma/m, half of the rows at equal times, where D is the data's."""
    network = Map(2)
    (low, high) = (float(torch.log(d) - torch.log(m)) for m, d in map(moments, torch.tensor([END, 1.0])))

    def loss(x0):
        t = END + (1 - END) * torch.rand(BATCH, 1)
        scale, deviation = moments(t)
        first = torch.log(deviation) - torch.log(scale)
        same = torch.rand(BATCH, 1) < 0.5
        second = torch.where(same, first, low + torch.rand(BATCH, 1) * (first - low))
        x = scale * x0 + deviation * torch.randn(BATCH, 2)
        output, moved = torch.func.jvp(lambda s: network(x, first, s), (second,), (torch.ones_like(second),))
        ratio = torch.exp(second)
        end_scale = 1 / torch.sqrt(1 + ratio * ratio)
        end_deviation = ratio * end_scale
        with torch.no_grad():
            share = end_deviation / deviation
            mapped = share * x + (end_scale - scale * share) * denoised(output, x, scale, deviation)
            target = denoised(network(mapped, second, second), mapped, end_scale, end_deviation)
            goal = torch.where(same, x0, target)
        rest = (scale * x - goal) / -deviation
        error = output + rest + (torch.exp(second - first) - 1) * moved
        return error.square().mean()

    return optimised(network, loss, data)


CASES = {"few-step-consistency": consistency, "few-step-lagrangian": lagrangian}


def main():
    parser = argparse.ArgumentParser(description="PyTorch peer of objectives of few steps")
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    data = ring(1.0)[torch.randint(8, (10_000,))] + 0.1 * torch.randn(10_000, 2)
    serve(CASES[arguments.case](data), STEPS)


if __name__ == "__main__":
    main()
