# SPDX-License-Identifier: GPL-3.0-or-later
"""Couplings of small batches by SciPy and in long-winded NumPy: writes couplings.json beside itself.

`assignments`: points x and y, and the columns and mean cost of scipy.optimize.linear_sum_assignment for squared
distances; among them batches with equal points, where the plan is not unique and the cost is. `plans`: costs, and the
entropic plan by 100,000 of Sinkhorn's iterations on logarithms (four minutes). `bridges`: of Brownian bridges with diffusion g from a
Gaussian to a Gaussian on the line the exact Schroedinger bridge (Janati et al. 2020): the covariance of its ends and,
for one time, mean and variance of x_t and the line E[x_0 | x_t] = a + b x_t.

Requires numpy and scipy (1.17). Run: python make_couplings.py
"""

import json
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import logsumexp

random = np.random.default_rng(20260207)


def assignment(x, y):
    costs = ((x[:, None, :] - y[None, :, :]) ** 2).sum(-1)
    rows, columns = linear_sum_assignment(costs)
    return {
        "dimension": x.shape[1],
        "x": x.ravel().tolist(),
        "y": y.ravel().tolist(),
        "columns": columns.tolist(),
        "cost": float(costs[rows, columns].mean()),
    }


assignments = [
    assignment(random.normal(size=(n, d)), random.normal(size=(n, d)) * 2 + 1)
    for n, d in [(1, 1), (2, 2), (3, 1), (17, 2), (64, 3)]
]
angles = 2 * np.pi * random.integers(0, 8, 128) / 8
ring = 4 * np.stack([np.cos(angles), np.sin(angles)], 1)
assignments.append(assignment(ring, np.round(random.normal(size=(128, 2)), 1)))
assignments.append(assignment(np.zeros((9, 2)), np.ones((9, 2))))


def plan(n, scale):
    costs = scale * ((random.normal(size=(n, 1, 2)) - random.normal(size=(1, n, 2)) - 1) ** 2).sum(-1)
    f, g = np.zeros(n), np.zeros(n)
    for _ in range(100_000):
        f = -np.log(n) - logsumexp(g[None, :] - costs, axis=1)
        g = -np.log(n) - logsumexp(f[:, None] - costs, axis=0)
    return {"count": n, "costs": costs.ravel().tolist(), "plan": np.exp(f[:, None] + g[None, :] - costs).ravel().tolist()}


plans = [plan(5, 0.3), plan(8, 2.0), plan(6, 40.0)]


def bridge(mean0, deviation0, mean1, deviation1, g, t):
    # Between N(mean0, deviation0^2) at 0 and N(mean1, deviation1^2) at 1 with reference dx = g dw: the covariance of
    # the ends solves c^2 + g^2 c = deviation0^2 deviation1^2.
    c = (np.sqrt(g**4 + 4 * deviation0**2 * deviation1**2) - g**2) / 2
    mean = (1 - t) * mean0 + t * mean1
    variance = (1 - t) ** 2 * deviation0**2 + t**2 * deviation1**2 + 2 * t * (1 - t) * c + g**2 * t * (1 - t)
    covariance = (1 - t) * deviation0**2 + t * c
    slope = covariance / variance
    return {
        "mean0": mean0, "deviation0": deviation0, "mean1": mean1, "deviation1": deviation1, "diffusion": g, "time": t,
        "covariance": c, "mean": mean, "variance": variance, "slope": slope, "offset": mean0 - slope * mean,
    }


bridges = [bridge(-1.0, 0.5, 2.0, 1.0, 1.0, 0.4), bridge(0.5, 1.2, -0.3, 0.4, 0.6, 0.7)]

path = Path(__file__).with_name("couplings.json")
path.write_text(json.dumps({"assignments": assignments, "plans": plans, "bridges": bridges}, indent=1) + "\n")
