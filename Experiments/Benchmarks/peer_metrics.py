# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics between 10,000 and 10,000 rows of 64 values by the libraries people use, without intervals:

    python peer_metrics.py metrics-energy --threads 2

SciPy, scikit-learn and POT, each in the fastest form that was found for it. All of them hold matrices of 10,000 x
10,000 doubles.
"""

import argparse
import os

parser = argparse.ArgumentParser()
parser.add_argument("case")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--rows", type=int, default=10_000)
arguments = parser.parse_args()
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = str(arguments.threads)

import numpy as np
import ot
import scipy.linalg
import scipy.spatial.distance
import scipy.stats
import sklearn.metrics.pairwise

from protocol import serve

generator = np.random.default_rng(1)


def rows(count):
    x, y = generator.standard_normal((count, 64)), generator.standard_normal((count, 64))
    x[:, 0] += 0.3
    return x, y


def mean_of_others(kernel):
    n = len(kernel)
    return (kernel.sum() - np.trace(kernel)) / (n * (n - 1))


def energy(x, y):
    distances = scipy.spatial.distance.cdist
    n, m = len(x), len(y)
    return (2 * distances(x, y).mean() - distances(x, x).sum() / (n * (n - 1))
            - distances(y, y).sum() / (m * (m - 1)))


def mmd(x, y):
    median = np.median(scipy.spatial.distance.pdist(y[:1000]))
    squares = [ot.dist(a, b) for a, b in ((x, x), (y, y), (x, y))]
    total = 0
    for width in (0.25, 0.5, 1, 2, 4):
        xx, yy, xy = (np.exp(-d / (2 * (width * median) ** 2)) for d in squares)
        total += mean_of_others(xx) + mean_of_others(yy) - 2 * xy.mean()
    return total / 5


def kid(x, y):
    def kernel(a, b):
        return sklearn.metrics.pairwise.polynomial_kernel(a, b, degree=3, gamma=1 / a.shape[1], coef0=1)

    return mean_of_others(kernel(x, x)) + mean_of_others(kernel(y, y)) - 2 * kernel(x, y).mean()


def sliced(x, y):
    return ot.sliced_wasserstein_distance(x, y, n_projections=256, seed=1)


def ks(x, y):
    return max(scipy.stats.ks_2samp(x[:, j], y[:, j], method="asymp").statistic for j in range(x.shape[1]))


def frechet(x, y):
    first, second = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    shift = x.mean(0) - y.mean(0)
    return shift @ shift + np.trace(first + second - 2 * scipy.linalg.sqrtm(first @ second).real)


def wasserstein(x, y):
    weights = [np.full(len(a), 1 / len(a)) for a in (x, y)]
    return ot.emd2(*weights, ot.dist(x, y), numItermax=10**8) ** 0.5


def sinkhorn(x, y):
    median = np.median(scipy.spatial.distance.pdist(y[:1000]))
    return ot.bregman.empirical_sinkhorn_divergence(x, y, reg=0.1 * median**2, stopThr=1e-4)


METRICS = {"sliced": sliced, "energy": energy, "mmd": mmd, "kid": kid, "ks": ks, "frechet": frechet,
           "wasserstein": wasserstein, "sinkhorn": sinkhorn}
wanted = list(METRICS) if arguments.case == "metrics" else [arguments.case.removeprefix("metrics-")]


def repetition(count=arguments.rows):
    x, y = rows(count)
    for name in wanted:
        METRICS[name](x, y)


serve(repetition, 1, warm_up=lambda: repetition(500))
