# SPDX-License-Identifier: GPL-3.0-or-later
"""Exact posteriors of Gaussian mixtures, and how far samples of a run are from them.

The posterior of `data: {kind: gaussian-mixture}` seen as y = A x + noise is a mixture again. It is made here by
covariances and numpy alone, so that it is a second opinion on the program's own.
"""

import math

import numpy as np
from matplotlib import pyplot as plt

import judging
from plots import PALETTE


class Mixture:
    """Σ w_k N(μ_k, Σ_k)"""

    def __init__(self, weights, means, covariances):
        self.weights = np.asarray(weights, float) / np.sum(weights)
        self.means, self.covariances = np.asarray(means, float), np.asarray(covariances, float)

    def draw(self, count, seed=0):
        """`count` draws, a row each."""
        random = np.random.default_rng(seed)
        chosen = random.choice(len(self.weights), count, p=self.weights)
        roots = np.linalg.cholesky(self.covariances)
        normals = random.standard_normal((count, self.means.shape[1]))
        return self.means[chosen] + np.einsum("nij,nj->ni", roots[chosen], normals)

    def likeliest(self, points):
        """The component that each point most likely is of."""
        logs = []
        for weight, mean, covariance in zip(self.weights, self.means, self.covariances):
            away = np.linalg.solve(np.linalg.cholesky(covariance), (points - mean).T)
            logs.append(np.log(weight) - 0.5 * np.linalg.slogdet(covariance)[1] - 0.5 * (away**2).sum(0))
        return np.argmax(logs, axis=0)


def prior(config):
    """The mixture that a config's data is; None for other data."""
    data = config.get("data") if isinstance(config.get("data"), dict) else {}
    if data.get("kind") != "gaussian-mixture" or data.get("exponential"):
        return None
    means = np.array(data["means"], float)
    if data.get("covariances"):
        return Mixture(data["weights"], means, data["covariances"])
    deviations = np.array(data["deviations"], float)
    return Mixture(data["weights"], means, np.eye(means.shape[1]) * deviations[:, None, None] ** 2)


def given(law, matrix, noise, y):
    """The posterior of a mixture seen as y = A x + e, e ~ N(0, noise), a covariance."""
    a, weights, means, covariances = np.atleast_2d(matrix), [], [], []
    for weight, mean, covariance in zip(law.weights, law.means, law.covariances):
        total = a @ covariance @ a.T + noise
        gain = np.linalg.solve(total, a @ covariance).T
        residual = y - a @ mean
        fit = residual @ np.linalg.solve(total, residual) + np.linalg.slogdet(total)[1]
        weights.append(np.log(weight) - 0.5 * fit)
        means.append(mean + gain @ residual)
        covariances.append(covariance - gain @ a @ covariance)
    return Mixture(np.exp(np.array(weights) - max(weights)), means, covariances)


def of(run):
    """The exact posterior for each observation of a run; None where it is not known here.

    That is of mixtures, matrices written in the config, and noise of one deviation.
    """
    law, seen = prior(run.config), (run.config.get("sampling") or {}).get("observation")
    if law is None or not isinstance(seen, dict):
        return None
    operator, noise, values = seen.get("operator"), seen.get("noise"), run.observations
    noise = noise.get("deviation") if isinstance(noise, dict) else noise
    if not isinstance(operator, dict) or not operator.get("values") or not isinstance(noise, float | int):
        return None
    if values is None:
        return None
    matrix = np.array(operator["values"], float)
    return [given(law, matrix, noise**2 * np.eye(len(matrix)), y) for y in values]


def modes(samples, law):
    """The share of samples in each mode, with its 95 % interval: that of the component which a sample most likely is of.

    Returns a list of (share, low, high). Exact draws put shares there that differ from the weights where modes overlap;
    `modes(law.draw(…), law)` has theirs.
    """
    found = np.bincount(law.likeliest(samples), minlength=len(law.weights))
    return [judging.share(count, len(samples)) for count in found]


def unseen(run):
    """A direction of which an observation by a matrix says nothing: a unit vector; None where all is seen."""
    matrix = np.array(run.config["sampling"]["observation"]["operator"]["values"], float)
    vectors = np.linalg.svd(matrix)[2]
    if np.linalg.matrix_rank(matrix) == matrix.shape[1]:
        return None
    return vectors[-1] * np.sign(vectors[-1][np.argmax(np.abs(vectors[-1]))])


def ranks(samples, truths):
    """Among its samples, how many lie below the truth: K × D, of K observations; sample i is of observation i mod K.

    Where the samples are draws of the posterior, and the truth was drawn from the prior before it was seen, every rank
    from 0 to the number of samples is as likely as any other (Cook, Gelman and Rubin 2006; Talts et al. 2018).
    """
    each = len(samples) // len(truths)
    own = samples[: each * len(truths)].reshape(each, len(truths), -1)
    return (own < truths).sum(axis=0)


def uniformity(found, each, bins=11):
    """χ² of ranks from 0 to `each` against equal chances: (statistic, its p-value), in bins of equal numbers of ranks."""
    while (each + 1) % bins:
        bins -= 1
    counts = np.bincount(found * bins // (each + 1), minlength=bins)
    expected = len(found) / bins
    statistic = float(((counts - expected) ** 2).sum() / expected)
    return statistic, chi_square_beyond(statistic, bins - 1), counts


def chi_square_beyond(x, degrees):
    """The chance that χ² of so many degrees of freedom is larger than x."""
    if degrees <= 0:
        return 1.0
    half = x / 2
    # Q(a + 1, x) = Q(a, x) + xᵃ e⁻ˣ/Γ(a + 1), from Q(1, x) = e⁻ˣ, or Q(½, x) = erfc √x.
    a, tail = (1.0, math.exp(-half)) if degrees % 2 == 0 else (0.5, math.erfc(math.sqrt(half)))
    while a < degrees / 2:
        tail += math.exp(a * math.log(half) - half - math.lgamma(a + 1)) if half > 0 else 0.0
        a += 1
    return tail


def histograms(found, names, each, heading=""):
    """Rank histograms, a row a solver and a column a coordinate. Grey: where 95 % of bars of uniform ranks lie."""
    solvers = list(found)
    width = next(iter(found.values())).shape[1]
    figure, grid = plt.subplots(
        len(solvers), width, figsize=(3.2 * width, 1.35 * len(solvers) + 0.8), squeeze=False, sharex=True, sharey="row"
    )
    for axes_row, solver in zip(grid, solvers):
        for j, axes in enumerate(axes_row):
            _, chance, counts = uniformity(found[solver][:, j], each)
            n, bins = len(found[solver]), len(counts)
            half = 1.96 * math.sqrt(n / bins * (1 - 1 / bins))
            axes.axhspan(max(0, n / bins - half), n / bins + half, color="0.85", linewidth=0)
            axes.bar((np.arange(bins) + 0.5) / bins, counts, width=0.9 / bins, color=PALETTE[0])
            axes.set_title(f"{solver}, {names[j]}: p = {chance:.2g}", fontsize=8)
    for axes in grid[-1]:
        axes.set_xlabel("rank of the truth, as a share")
    figure.suptitle(heading)
    return figure
