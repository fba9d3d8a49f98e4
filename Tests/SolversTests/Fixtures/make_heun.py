# SPDX-License-Identifier: GPL-3.0-or-later
"""Karras et al. 2022, algorithm 1 with sigma(t) = t and s(t) = 1, written from the paper: writes heun.json here.

The denoiser is exact for a Gaussian mixture with full covariances. The time steps are those of eq. 5 with rho = 7,
from 80 to 0.002 in 18 points and then 0; the step to 0 is Euler's.

Requires numpy. Run: python make_heun.py
"""

import json
from pathlib import Path

import numpy as np

WEIGHTS = np.array([0.2, 0.5, 0.3])
MEANS = np.array([[-1.5, 0.5], [1.0, -0.5], [0.3, 2.0]])
COVARIANCES = np.array([[[0.16, 0.05], [0.05, 0.09]], [[0.36, -0.2], [-0.2, 0.25]], [[0.01, 0.0], [0.0, 0.04]]])
POINTS, SIGMA_MIN, SIGMA_MAX, RHO, ROWS = 18, 0.002, 80.0, 7.0, 40


def denoise(x, sigma):
    """E[x_0 | x_0 + sigma n = x], by the conditional mean of every component."""
    logs, means = [], []
    for w, mu, cov in zip(WEIGHTS, MEANS, COVARIANCES):
        total = cov + sigma**2 * np.eye(2)
        solved = np.linalg.solve(total, (x - mu).T).T
        logs.append(np.log(w) - 0.5 * np.linalg.slogdet(total)[1] - 0.5 * ((x - mu) * solved).sum(1))
        means.append(mu + solved @ cov)
    logs = np.array(logs)
    r = np.exp(logs - logs.max(0))
    r /= r.sum(0)
    return (r[..., None] * np.array(means)).sum(0)


def algorithm1(x, times):
    for t, after in zip(times[:-1], times[1:]):
        d = (x - denoise(x, t)) / t
        end = x + (after - t) * d
        if after != 0:
            d_end = (end - denoise(end, after)) / after
            end = x + (after - t) * (0.5 * d + 0.5 * d_end)
        x = end
    return x


def main():
    i = np.arange(POINTS)
    low, high = SIGMA_MIN ** (1 / RHO), SIGMA_MAX ** (1 / RHO)
    times = np.append((high + i / (POINTS - 1) * (low - high)) ** RHO, 0)
    x = SIGMA_MAX * np.random.default_rng(1).standard_normal((ROWS, 2))
    result = {
        "weights": WEIGHTS, "means": MEANS, "covariances": COVARIANCES, "points": POINTS, "sigmaMin": SIGMA_MIN,
        "sigmaMax": SIGMA_MAX, "times": times, "start": x, "end": algorithm1(x, times)}
    lists = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in result.items()}
    Path(__file__).with_name("heun.json").write_text(json.dumps(lists) + "\n")


if __name__ == "__main__":
    main()
