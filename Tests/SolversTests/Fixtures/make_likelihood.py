# SPDX-License-Identifier: GPL-3.0-or-later
"""Log densities of a Gaussian mixture by SciPy's solve_ivp: writes likelihood.json beside itself.

The VP process with beta from 0.1 to 20. The probability-flow field of Song et al. 2021, eq. 13 is integrated with the
trace of its Jacobian, both from closed forms of the mixture, from epsilon to 1; the density at 1 is the prior's.

Requires numpy and scipy. Run: python make_likelihood.py
"""

import json
from pathlib import Path

import numpy as np
from scipy.integrate import solve_ivp
from scipy.stats import multivariate_normal

WEIGHTS = np.array([0.2, 0.5, 0.3])
MEANS = np.array([[-1.5, 0.5], [1.0, -0.5], [0.3, 2.0]])
COVARIANCES = np.array([[[0.16, 0.05], [0.05, 0.09]], [[0.36, -0.2], [-0.2, 0.25]], [[0.05, 0.0], [0.0, 0.04]]])
BETA_MIN, BETA_MAX, EPSILON = 0.1, 20.0, 1e-3


def parts(x, t):
    """Weights, precisions and scores of the components at x."""
    integral = BETA_MIN * t + 0.5 * (BETA_MAX - BETA_MIN) * t * t
    covariances = np.exp(-integral) * COVARIANCES - np.expm1(-integral) * np.eye(2)
    means = np.exp(-0.5 * integral) * MEANS
    densities = np.array([w * multivariate_normal(m, c).pdf(x) for w, m, c in zip(WEIGHTS, means, covariances)])
    precisions = np.linalg.inv(covariances)
    scores = np.array([p @ (m - x) for p, m in zip(precisions, means)])
    return densities / densities.sum(), precisions, scores


def field(t, y):
    x = y[:2]
    r, precisions, scores = parts(x, t)
    score = r @ scores
    # The Hessian of a mixture's log density: the mean of score scoreT minus precision, less score scoreT.
    hessian = np.einsum("k,ki,kj->ij", r, scores, scores) - np.einsum("k,kij->ij", r, precisions)
    hessian -= np.outer(score, score)
    beta = BETA_MIN + t * (BETA_MAX - BETA_MIN)
    return np.append(-0.5 * beta * (x + score), -0.5 * beta * (2 + np.trace(hessian)))


points = np.array([[-1.5, 0.5], [1.0, -0.5], [0.3, 2.0], [0.0, 0.0], [2.0, -1.0], [-1.0, 1.0], [0.6, 1.4]])
codes, values = [], []
for point in points:
    end = solve_ivp(field, (EPSILON, 1.0), np.append(point, 0.0), method="DOP853", rtol=1e-12, atol=1e-12).y[:, -1]
    codes.append(end[:2].tolist())
    values.append(float(multivariate_normal(np.zeros(2), np.eye(2)).logpdf(end[:2]) + end[2]))

Path(__file__).with_name("likelihood.json").write_text(
    json.dumps(
        {
            "weights": WEIGHTS.tolist(), "means": MEANS.tolist(), "covariances": COVARIANCES.tolist(),
            "epsilon": EPSILON, "points": points.tolist(), "codes": codes, "logDensities": values,
        }
    )
    + "\n"
)
