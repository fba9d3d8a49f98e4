# SPDX-License-Identifier: GPL-3.0-or-later
"""PyTorch's side of the benchmarks: python peer_torch.py CASE [--threads N] [--layout rows|columns].

Prints `ready` after a warm-up; for each line `go` on standard input runs one repetition and prints
{"seconds": s}, seconds per unit of the case (a training step, or a whole sampling run). See compare.py.
Everything is float32; our program computes the mixture case in double.
"""

import argparse
import math

import torch
from torch import nn

from protocol import serve

BETA_MIN, BETA_SLOPE = 0.1, 19.9  # variance preserving, beta(t) = 0.1 + 19.9 t


def moments(t):
    """Scale and deviation of x_t given x_0."""
    log_scale = -0.25 * BETA_SLOPE * t * t - 0.5 * BETA_MIN * t
    return torch.exp(log_scale), torch.sqrt(-torch.expm1(2 * log_scale))


class NoisePrediction(nn.Module):
    """x and 64 sinusoids of t -> three hidden layers of SiLU -> the noise."""

    def __init__(self, hidden, inplace=False):
        super().__init__()
        self.register_buffer("frequencies", 1000 * torch.exp(-math.log(1e4) * torch.arange(32) / 32))
        self.layers = nn.Sequential(
            nn.Linear(66, hidden), nn.SiLU(inplace),
            nn.Linear(hidden, hidden), nn.SiLU(inplace),
            nn.Linear(hidden, hidden), nn.SiLU(inplace),
            nn.Linear(hidden, 2))

    def forward(self, x, t):
        """t has one row, or one per row of x."""
        angles = t * self.frequencies
        features = torch.cat([angles.sin(), angles.cos()], dim=1)
        return self.layers(torch.cat([x, features.expand(len(x), -1)], dim=1))


def ring(radius):
    angles = torch.arange(8) * (math.pi / 4)
    return radius * torch.stack([angles.cos(), angles.sin()], dim=1)


def training(hidden, batch, steps):
    """Denoising score matching with Adam; a repetition is `steps` steps, the unit one step.

    Tried on two cores, milliseconds a step for (128, 512) and (256, 1024): Adam in a loop 1.82 and 6.1,
    foreach 1.82 and 5.7, fused 1.60 and 5.8 (differences at 256 are noise); in-place SiLU 1.67 and 5.9;
    one thread 1.88 and 9.4; torch.compile with fused Adam 1.73 and 5.5. So: eager, fused, two threads.
    """
    network = NoisePrediction(hidden)
    data = ring(4.0)[torch.randint(8, (10_000,))] + 0.5 * torch.randn(10_000, 2)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)

    def repetition():
        for _ in range(steps):
            x0 = data[torch.randint(len(data), (batch,))]
            t = 1e-5 + (1 - 1e-5) * torch.rand(batch, 1)
            z = torch.randn(batch, 2)
            scale, deviation = moments(t)
            loss = (network(scale * x0 + deviation * z, t) - z).square().mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        assert math.isfinite(loss.item())

    return repetition, steps


def euler_maruyama(score, shape, steps):
    """The reverse SDE on a uniform grid from t = 1 to 1e-3; score(x, t) with t a float."""
    times = torch.linspace(1.0, 1e-3, steps + 1, dtype=torch.float64).tolist()
    x = torch.randn(shape)
    for t, s in zip(times, times[1:]):
        beta, h = BETA_MIN + BETA_SLOPE * t, t - s
        x = x * (1 + 0.5 * beta * h) + beta * h * score(x, t) + math.sqrt(beta * h) * torch.randn(shape)
    return x


def network_sampling(hidden, rows, steps):
    """The features of t are computed once a step, not once a row: 0.75 s instead of 1.2 s for 100 steps
    of 10,000 rows; SiLU in place: 0.65 s."""
    network = NoisePrediction(hidden, inplace=True)

    def score(x, t):
        t = torch.full((1, 1), t)
        return network(x, t) / -moments(t)[1]

    def repetition():
        assert euler_maruyama(score, (rows, 2), steps).isfinite().all()

    return repetition, 1


def mixture_sampling(rows, steps, layout):
    """The exact score of eight equal Gaussians of deviation 0.5 on a circle of radius 4.

    |x|^2 is common to all components, so their logits need one product only. `rows` is the code one writes;
    `columns` keeps one column a sample, which lets softmax run along memory: 0.3 s instead of 1.2 s.
    """
    means = ring(4.0)

    def perturbed(t):
        scale, deviation = (float(v) for v in moments(torch.tensor(t)))
        return scale * means, 0.25 * scale**2 + deviation**2

    def by_rows(x, t):
        centres, variance = perturbed(t)
        posterior = torch.softmax((x @ centres.T - 0.5 * centres.square().sum(1)) / variance, dim=1)
        return (posterior @ centres - x) / variance

    def by_columns(x, t):
        centres, variance = perturbed(t)
        offsets = -0.5 / variance * centres.square().sum(1, keepdim=True)
        posterior = torch.softmax(torch.addmm(offsets, centres / variance, x), dim=0)
        return torch.addmm(x, centres.T, posterior, beta=-1 / variance, alpha=1 / variance)

    score, shape = (by_rows, (rows, 2)) if layout == "rows" else (by_columns, (2, rows))

    def repetition():
        assert euler_maruyama(score, shape, steps).isfinite().all()

    return repetition, 1


CASES = {
    "train-128": lambda layout: training(hidden=128, batch=512, steps=300),
    "train-256": lambda layout: training(hidden=256, batch=1024, steps=100),
    "sample-128": lambda layout: network_sampling(hidden=128, rows=10_000, steps=100),
    "mixture-em": lambda layout: mixture_sampling(rows=10_000, steps=1000, layout=layout),
}


def main():
    parser = argparse.ArgumentParser(description="PyTorch peer of the benchmarks")
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--layout", choices=["rows", "columns"], default="rows", help="of mixture-em")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    repetition, units = CASES[arguments.case](arguments.layout)
    with torch.inference_mode(not arguments.case.startswith("train")):
        serve(repetition, units)


if __name__ == "__main__":
    main()
