# SPDX-License-Identifier: GPL-3.0-or-later
"""The probability flow of a Gaussian mixture under the VP process, by SciPy: writes flow.json beside itself.

dx/dt = -beta/2 (x + score), beta = 0.1 + 19.9 t, from t = 1 to 1e-3 and back up, by solve_ivp's methods. The score is
written from the density; every point is a system of its own.

Requires numpy and scipy (1.17). Run: python make_flow.py
"""

import json
from pathlib import Path

import numpy as np
from scipy.integrate import solve_ivp

WEIGHTS = np.array([0.2, 0.5, 0.3])
MEANS = np.array([[-1.5, 0.5], [1.0, -0.5], [0.3, 2.0]])
COVARIANCES = np.array([[[0.16, 0.05], [0.05, 0.09]], [[0.36, -0.2], [-0.2, 0.25]], [[0.01, 0.0], [0.0, 0.04]]])
START, END, ROWS = 1.0, 1e-3, 8
METHODS = {"RK45": 1e-10, "DOP853": 1e-12, "Radau": 1e-9, "LSODA": 1e-11}


def score(x, t):
    integral = 0.1 * t + 9.95 * t * t
    m, v = np.exp(-0.5 * integral), -np.expm1(-integral)
    logs, slopes = [], []
    for w, mu, cov in zip(WEIGHTS, MEANS, COVARIANCES):
        total = m * m * cov + v * np.eye(2)
        solved = np.linalg.solve(total, x - m * mu)
        logs.append(np.log(w) - 0.5 * np.linalg.slogdet(total)[1] - 0.5 * (x - m * mu) @ solved)
        slopes.append(-solved)
    shares = np.exp(np.array(logs) - max(logs))
    return shares @ np.array(slopes) / shares.sum()


def field(t, x):
    return -0.5 * (0.1 + 19.9 * t) * (x + score(x, t))


def solve(points, start, end, method, tolerance):
    return [
        solve_ivp(field, (start, end), x, method=method, rtol=tolerance, atol=tolerance).y[:, -1].tolist()
        for x in points]


def main():
    points = np.random.default_rng(5).standard_normal((ROWS, 2))
    data = 0.5 * points + MEANS[1]
    result = {
        "weights": WEIGHTS.tolist(), "means": MEANS.tolist(), "covariances": COVARIANCES.tolist(), "start": START,
        "end": END, "prior": points.tolist(), "data": data.tolist(),
        "decoded": {name: solve(points, START, END, name, tol) for name, tol in METHODS.items()},
        "encoded": {name: solve(data, END, START, name, tol) for name, tol in METHODS.items()}}
    Path(__file__).with_name("flow.json").write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
