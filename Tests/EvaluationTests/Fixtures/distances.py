# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes Tests/EvaluationTests/Fixtures/distances.json: distances between the rows of a formula, by SciPy, scikit-learn
and POT, and by the formulas of torch-fidelity (0.3.0) written out. Run with numpy, scipy, scikit-learn and pot:

    python3 Tests/EvaluationTests/Fixtures/distances.py > Tests/EvaluationTests/Fixtures/distances.json
"""

import json

import numpy as np
import ot
import scipy.linalg
import scipy.stats
from scipy.spatial.distance import cdist, pdist
from sklearn.metrics.pairwise import polynomial_kernel


def rows(count, dimension, shift, stretch):
    """The same numbers as in the test, by a formula."""
    i, j = np.meshgrid(np.arange(count), np.arange(dimension), indexing="ij")
    return stretch * np.sin(1.7 * i * (j + 1) + 0.3 * i + j) + np.cos(0.9 * i + 2.1 * j) + shift * (j == 0)


def others(kernel):
    n = len(kernel)
    return (kernel.sum() - np.trace(kernel)) / (n * (n - 1))


def kid(x, y):  # torch_fidelity.metric_kid.mmd2 with the unbiased estimator, on all rows in place of subsets
    kernel = lambda a, b: polynomial_kernel(a, b, degree=3, gamma=1 / a.shape[1], coef0=1)
    return others(kernel(x, x)) + others(kernel(y, y)) - 2 * kernel(x, y).mean()


def frechet(x, y):  # torch_fidelity.metric_fid.calculate_frechet_distance
    s1, s2 = (np.atleast_2d(np.cov(a, rowvar=False)) for a in (x, y))
    d = x.mean(0) - y.mean(0)
    return d @ d + np.trace(s1) + np.trace(s2) - 2 * np.trace(scipy.linalg.sqrtm(s1 @ s2)).real


def entropic(x, y, epsilon):
    a, b = np.full(len(x), 1 / len(x)), np.full(len(y), 1 / len(y))
    cost = ot.dist(x, y)
    plan = ot.sinkhorn(a, b, cost, epsilon, method="sinkhorn_log", numItermax=20_000, stopThr=1e-11)
    return (plan * cost).sum() + epsilon * (plan * np.log(plan / np.outer(a, b))).sum()


def case(n, m, dimension):
    x, y = rows(n, dimension, 0.3, 1.2), rows(m + n, dimension, 0, 1)[n:]
    median = np.sort(pdist(y))[len(pdist(y)) // 2]
    epsilon = 0.1 * median**2
    weights = np.full(n, 1 / n), np.full(m, 1 / m)
    return {
        "n": n, "m": m, "dimension": dimension,
        "energy-distance": 2 * cdist(x, y).mean() - others(cdist(x, x)) - others(cdist(y, y)),
        "mmd": float(np.mean([others(np.exp(-cdist(x, x) ** 2 / (2 * b * b))) + others(np.exp(-cdist(y, y) ** 2 / (2 * b * b)))
                              - 2 * np.exp(-cdist(x, y) ** 2 / (2 * b * b)).mean()
                              for b in median * np.array([0.25, 0.5, 1, 2, 4])])),
        "kid": kid(x, y),
        "frechet": frechet(x, y),
        "wasserstein": ot.emd2(*weights, ot.dist(x, y), numItermax=10**7) ** 0.5,
        "sinkhorn": entropic(x, y, epsilon) - (entropic(x, x, epsilon) + entropic(y, y, epsilon)) / 2,
        "kolmogorov-smirnov": max(scipy.stats.ks_2samp(x[:, j], y[:, j]).statistic for j in range(dimension)),
    }


print(json.dumps([case(40, 40, 1), case(37, 52, 3), case(60, 24, 5), case(300, 281, 4)], indent=1))
