# SPDX-License-Identifier: GPL-3.0-or-later
"""Reference values of Gaussian mixtures under a perturbation: writes mixture.json beside itself.

x_t = m x_0 + sqrt(v) z, so with C_k = m^2 Sigma_k + v I

    p_t(x)          = sum_k w_k N(x; m mu_k, C_k)
    score(x)        = sum_k r_k a_k,                  a_k = -C_k^{-1} (x - m mu_k), r_k = posterior of k
    (d score/dx) u  = sum_k r_k (-C_k^{-1} u + a_k (a_k.u)) - score (score.u)

evaluated with 50 digits on the doubles that the file holds (weights are normalised here, too).
The Jacobian product is checked against a central difference of the score at 100 digits.

Requires mpmath 1.3. Run: python make_mixture.py
"""

import json
import math
import random
from pathlib import Path

import mpmath as mp

mp.mp.dps = 50

# (m, v): small noise, half way, nearly pure noise, and a variance-exploding end.
PERTURBATIONS = [(1.0, 1e-4), (0.9, 0.19), (0.01, 0.9999), (1.0, 2500.0)]


def scaled_identity(dimension, variance):
    return [[variance if i == j else 0.0 for j in range(dimension)] for i in range(dimension)]


def ring(count, radius):
    angles = [2 * math.pi * k / count for k in range(count)]
    return [[radius * math.cos(a), radius * math.sin(a)] for a in angles]


def mixtures(rng):
    """Name -> (weights, means, covariances)."""
    return {
        "line": ([0.25, 0.75], [[-1.5], [1.0]], [[[0.16]], [[0.36]]]),
        # The third covariance has eigenvalues of about 2 and 5e-7.
        "plane": (
            [0.5, 0.3, 0.2],
            [[-2.0, 0.5], [1.5, 1.0], [0.3, -2.5]],
            [[[0.5, 0.2], [0.2, 0.3]], [[0.25, -0.1], [-0.1, 0.8]], [[1.0, 0.9999995], [0.9999995, 1.0]]],
        ),
        "space": (
            [0.1, 0.2, 0.3, 0.4],
            [[0.0, 0.0, 0.0], [2.0, -1.0, 0.5], [-1.5, 1.0, -2.0], [0.5, 2.5, 1.5]],
            [
                [[1.0, 0.3, -0.2], [0.3, 0.7, 0.1], [-0.2, 0.1, 0.5]],
                [[0.2, -0.05, 0.02], [-0.05, 0.3, 0.04], [0.02, 0.04, 0.1]],
                [[0.6, 0.4, 0.1], [0.4, 0.5, 0.2], [0.1, 0.2, 0.9]],
                [[0.04, 0.0, 0.01], [0.0, 0.09, -0.02], [0.01, -0.02, 0.25]],
            ],
        ),
        "ring": ([0.125] * 8, ring(8, 4.0), [scaled_identity(2, 0.25)] * 8),
        "diagonal": (
            [0.2, 0.5, 0.3],
            [[-1.0, 0.0, 2.0], [1.0, 1.5, -0.5], [0.0, -2.0, 0.5]],
            [[[d if i == j else 0.0 for j in range(3)] for i, d in enumerate(ds)]
             for ds in ([0.09, 1.0, 0.25], [0.5, 0.04, 0.01], [2.0, 0.3, 0.0025])],
        ),
        "points": (
            [0.1, 0.2, 0.1, 0.15, 0.15, 0.25, 0.05],
            [[rng.gauss(0, 1) for _ in range(5)] for _ in range(7)],
            [scaled_identity(5, 0.0)] * 7,
        ),
    }


def unit(rng, dimension):
    u = [rng.gauss(0, 1) for _ in range(dimension)]
    length = math.sqrt(sum(c * c for c in u))
    return [c / length for c in u]


def query_points(rng, means, covariances, m, v):
    """Two points near modes, one half way between, 20 and 60 deviations away (there every
    component's exponential underflows), and the origin."""
    dimension, count = len(means[0]), len(means)

    def beside(k, deviations):
        direction = unit(rng, dimension)
        return [m * mu + deviations * math.sqrt(m * m * covariances[k][i][i] + v) * d
                for i, (mu, d) in enumerate(zip(means[k], direction))]

    a, b = means[0], means[-1]
    return [
        beside(0, 0.5),
        beside(count - 1, 1.5),
        [m * (p + q) / 2 for p, q in zip(a, b)],
        beside(0, 20),
        beside(count // 2, 60),
        [0.0] * dimension,
    ]


class Mixture:
    """The perturbed mixture in multiple precision."""

    def __init__(self, weights, means, covariances, m, v):
        m, v = mp.mpf(m), mp.mpf(v)
        total = mp.fsum(mp.mpf(w) for w in weights)
        self.dimension = len(means[0])
        self.components = []
        for w, mu, sigma in zip(weights, means, covariances):
            c = mp.matrix(sigma) * m**2 + mp.eye(self.dimension) * v
            log_constant = (mp.log(mp.mpf(w) / total)
                            - (self.dimension * mp.log(2 * mp.pi) + mp.log(mp.det(c))) / 2)
            self.components.append((log_constant, mp.matrix(mu) * m, mp.inverse(c)))

    def parts(self, x):
        """log p, and for each component (posterior, a_k, precision)."""
        logs, pulls = [], []
        for log_constant, centre, precision in self.components:
            difference = x - centre
            pull = -(precision * difference)
            pulls.append(pull)
            logs.append(log_constant + dot(difference, pull) / 2)
        largest = max(logs)
        log_density = largest + mp.log(mp.fsum(mp.exp(l - largest) for l in logs))
        posteriors = [mp.exp(l - log_density) for l in logs]
        precisions = [c[2] for c in self.components]
        return log_density, list(zip(posteriors, pulls, precisions))

    def score(self, x):
        return combine((r, a) for r, a, _ in self.parts(x)[1])

    def evaluate(self, x, u):
        log_density, parts = self.parts(x)
        score = combine((r, a) for r, a, _ in parts)
        product = combine((r, a * dot(a, u) - precision * u) for r, a, precision in parts)
        return log_density, score, product - score * dot(score, u)


def dot(a, b):
    return mp.fsum(p * q for p, q in zip(a, b))


def combine(terms):
    terms = [r * a for r, a in terms]
    return sum(terms[1:], terms[0])


def check(mixture, x, u, product):
    with mp.workdps(100):
        h = mp.mpf(10) ** -30
        difference = (mixture.score(x + u * h) - mixture.score(x - u * h)) / (2 * h)
        error = mp.norm(difference - product) / (1 + mp.norm(product))
    assert error < mp.mpf(10) ** -25, error


def doubles(vector):
    return [float(mp.nstr(c, 20)) for c in vector]


def main():
    rng = random.Random(1)
    cases = []
    for name, (weights, means, covariances) in mixtures(rng).items():
        for m, v in PERTURBATIONS:
            points = query_points(rng, means, covariances, m, v)
            directions = [unit(rng, len(means[0])) for _ in points]
            mixture = Mixture(weights, means, covariances, m, v)
            case = {"name": name, "weights": weights, "means": means, "covariances": covariances,
                    "scale": m, "variance": v, "points": points, "directions": directions,
                    "log_density": [], "score": [], "jacobian_product": []}
            for point, direction in zip(points, directions):
                x, u = mp.matrix(point), mp.matrix(direction)
                log_density, score, product = mixture.evaluate(x, u)
                check(mixture, x, u, product)
                case["log_density"].append(float(mp.nstr(log_density, 20)))
                case["score"].append(doubles(score))
                case["jacobian_product"].append(doubles(product))
            cases.append(case)
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    Path(__file__).with_name("mixture.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
