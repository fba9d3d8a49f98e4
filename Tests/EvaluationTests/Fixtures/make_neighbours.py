# SPDX-License-Identifier: GPL-3.0-or-later
"""Reference values of neighbours.json and two_samples.json, by NumPy 2.4, SciPy 1.17 and scikit-learn 1.9.

    python3 make_neighbours.py [neighbours|two_samples]

Nothing here shares code with the toolkit: distances are scikit-learn's, formulas those of the papers.
"""
import json
import sys

import numpy as np
from scipy.stats import mannwhitneyu
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neighbors import NearestNeighbors
from sklearn.neural_network import MLPClassifier


def digits(rows, places=6):
    return [round(float(v), places) for v in np.asarray(rows).ravel()]


def neighbours():
    rng = np.random.default_rng(15)
    x, y, t = (np.round(a, 6) for a in (0.8 * rng.normal(size=(45, 3)) + 0.3, rng.normal(size=(70, 3)),
                                        rng.normal(size=(80, 3))))
    out = {"dimension": 3, "samples": digits(x), "held_out": digits(y), "training": digits(t), "shares": {}}

    def radius(rows, k):
        # The row itself is its own nearest neighbour.
        return NearestNeighbors(n_neighbors=k + 1).fit(rows).kneighbors(rows)[0][:, k]

    between = pairwise_distances(x, y)
    for k in (1, 3, 5):
        rx, ry = radius(x, k), radius(y, k)
        out["shares"][str(k)] = {
            "precision": float(np.mean((between <= ry[None, :]).any(axis=1))),
            "recall": float(np.mean((between <= rx[:, None]).any(axis=0))),
            "density": float(np.sum(between <= ry[None, :]) / (k * len(x))),
            "coverage": float(np.mean(between.min(axis=0) <= ry)),
        }
    # Vendi: h is half the median distance, the one above the middle.
    squares = np.sort(pairwise_distances(y, metric="sqeuclidean")[np.tril_indices(len(y), -1)])
    h = np.sqrt(squares[len(squares) // 2]) / 2
    kernel = np.exp(-pairwise_distances(x, metric="sqeuclidean") / (2 * h * h)) / len(x)
    eigenvalues = np.linalg.eigvalsh(kernel)
    eigenvalues = eigenvalues[eigenvalues > 0]
    out["vendi"] = float(np.exp(-np.sum(eigenvalues * np.log(eigenvalues))))

    near = NearestNeighbors(n_neighbors=11).fit(t)
    dx, dy = near.kneighbors(x)[0], near.kneighbors(y)[0]
    out["nearest_samples"], out["nearest_held_out"] = digits(dx[:, 0], 12), digits(dy[:, 0], 12)
    # The 5 % quantile: the order statistic whose mean share is nearest.
    bound = np.sort(dy[:, 0])[round(0.05 * (len(y) + 1)) - 1]
    share = np.sum(dy[:, 0] <= bound) / (len(y) + 1)
    out["memorisation"] = float((np.mean(dx[:, 0] <= bound) - share) / (1 - share))
    # One cell: C_T is the z of Mann and Whitney.
    n, m = len(x), len(y)
    u = mannwhitneyu(dx[:, 0], dy[:, 0]).statistic
    out["data_copying"] = float((u - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12))
    return out


def two_samples():
    def moons(rng, n, noise):
        angle, which = rng.uniform(0, np.pi, n), rng.integers(0, 2, n)
        points = np.c_[np.where(which == 0, np.cos(angle), 1 - np.cos(angle)),
                       np.where(which == 0, np.sin(angle), 0.5 - np.sin(angle))]
        return points + noise * rng.normal(size=(n, 2))

    def accuracy(held_out, samples):
        # The test of PROTOCOLS.md, as sbibm has it.
        mean, deviation = held_out.mean(axis=0), held_out.std(axis=0)
        data = np.concatenate([(held_out - mean) / deviation, (samples - mean) / deviation])
        labels = np.concatenate([np.zeros(len(held_out)), np.ones(len(samples))])
        width = 10 * held_out.shape[1]
        network = MLPClassifier(activation="relu", hidden_layer_sizes=(width, width), max_iter=10000,
                                solver="adam", random_state=1)
        folds = KFold(n_splits=5, shuffle=True, random_state=1)
        return cross_val_score(network, data, labels, cv=folds, scoring="accuracy").mean()

    rng = np.random.default_rng(7)
    n = 400
    ring = rng.uniform(0, 2 * np.pi, n)
    modes = rng.integers(0, 6, n) * np.pi / 3
    common = rng.normal(size=(n, 1))
    cases = {
        "same": (rng.normal(size=(n, 4)), rng.normal(size=(n, 4))),
        "shift": (rng.normal(size=(n, 2)), rng.normal(size=(n, 2)) + [0.8, 0]),
        "scale": (rng.normal(size=(n, 6)), 0.6 * rng.normal(size=(n, 6))),
        "correlation": (rng.normal(size=(n, 2)), (common + 0.4 * rng.normal(size=(n, 2))) / np.sqrt(1.16)),
        "moons": (moons(rng, n, 0.05), moons(rng, n, 0.2)),
        "modes": (np.c_[np.cos(ring), np.sin(ring)] + 0.1 * rng.normal(size=(n, 2)),
                  np.c_[np.cos(modes), np.sin(modes)] + 0.1 * rng.normal(size=(n, 2))),
    }
    out = []
    for name, (held_out, samples) in cases.items():
        held_out, samples = np.round(held_out, 4), np.round(samples, 4)
        out.append({"name": name, "dimension": held_out.shape[1], "held_out": digits(held_out, 4),
                    "samples": digits(samples, 4), "accuracy": float(accuracy(held_out, samples))})
        print(name, out[-1]["accuracy"])
    return out


for name, make in (("neighbours", neighbours), ("two_samples", two_samples)):
    if len(sys.argv) == 1 or name in sys.argv[1:]:
        with open(name + ".json", "w") as file:
            json.dump(make(), file)
