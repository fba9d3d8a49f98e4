# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges right halves of digits that were drawn given the left ones: a Markdown table of each results folder.

Ranks: of the truth among the samples of its observation, along the first six principal directions of right halves and
for their mean. Draws of the posterior have uniform ranks; the table has the smallest p-value of the χ² tests times their
number (Bonferroni), and calls a method calibrated where that is 0.01 or more.

C2ST: how often a network of scikit-learn tells whole images, seen half and drawn half, from other held-out images; 0.5 is
not at all. Images of one observation are never in training and test both. Where the data are the digits themselves, the
network is told the class of the seen digit beside its pixels, and of real ones theirs: completions stand against real
digits of their class. Samples of digits are rounded to the 17 grays that digits have.

Read: how often a support-vector machine, trained on the digits, reads a completed image as the class of the truth.

`make inpaint-judge` runs it; without make: python3 judge_inpainting.py FOLDER … Needs NumPy and scikit-learn.
"""

import math
import pathlib
import sys
import warnings

import numpy as np

UNSEEN = np.array([i for i in range(64) if i % 8 >= 4])
DIRECTIONS, BINS = 6, 10


def rows(stem):
    """The rows of a CSV or .npy file."""
    if stem.with_name(stem.name + ".npy").is_file():
        return np.load(stem.with_name(stem.name + ".npy")).astype(float)
    return np.loadtxt(stem.with_name(stem.name + ".csv"), delimiter=",", skiprows=1, ndmin=2)


def beyond(x, degrees):
    """The chance that χ² of so many degrees of freedom is larger than x."""
    a, tail = (1.0, math.exp(-x / 2)) if degrees % 2 == 0 else (0.5, math.erfc(math.sqrt(x / 2)))
    while a < degrees / 2:
        tail += math.exp(a * math.log(x / 2) - x / 2 - math.lgamma(a + 1)) if x > 0 else 0.0
        a += 1
    return tail


def calibration(samples, truth, reference):
    """The smallest p-value of uniform ranks, times the number of statistics."""
    each = len(samples) // len(truth)
    own = samples[: each * len(truth)].reshape(each, len(truth), 64)
    centred = reference[:, UNSEEN] - reference[:, UNSEEN].mean(0)
    onto = np.vstack([np.linalg.svd(centred, full_matrices=False)[2][:DIRECTIONS], np.ones(len(UNSEEN))]).T
    ranks = (own[..., UNSEEN] @ onto < truth[:, UNSEEN] @ onto).sum(0)
    bins = next(b for b in range(BINS, 0, -1) if (each + 1) % b == 0)
    chances = []
    for j in range(ranks.shape[1]):
        counts = np.bincount(ranks[:, j] * bins // (each + 1), minlength=bins)
        expected = len(truth) / bins
        chances.append(beyond(((counts - expected) ** 2).sum() / expected, bins - 1))
    return min(1.0, min(chances) * len(chances))


def two_samples(samples, real, groups, folds=5):
    """Balanced accuracy of telling samples from real rows, over all folds, with a 95 % interval over groups."""
    from sklearn.model_selection import GroupKFold
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, labels = np.vstack([samples, real]), np.r_[np.ones(len(samples)), np.zeros(len(real))]
    groups = np.r_[groups, groups.max() + 1 + np.arange(len(real))]
    right = np.zeros(len(x))
    for train, test in GroupKFold(folds, shuffle=True, random_state=1).split(x, labels, groups):
        network = MLPClassifier((64, 64), alpha=1e-2, max_iter=300, random_state=1, early_stopping=len(train) > 1000)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network = make_pipeline(StandardScaler(), network).fit(x[train], labels[train])
        right[test] = network.predict(x[test]) == labels[test]
    parts, variance = [], 0
    for label in (1, 0):
        means = np.array([right[(groups == g) & (labels == label)].mean() for g in np.unique(groups[labels == label])])
        parts.append(means.mean())
        variance += means.var(ddof=1) / len(means) / 4
    return sum(parts) / 2, 1.96 * variance**0.5


def main(folder):
    from sklearn.datasets import load_digits
    from sklearn.svm import SVC

    folder = pathlib.Path(folder)
    truth, held_out = rows(folder / "truth"), rows(folder / "held_out")
    count, digits = len(truth), load_digits()
    held = np.arange(len(digits.data)) % 6 == 5
    reader = SVC(gamma=0.001, C=10).fit(digits.data[~held], digits.target[~held])
    classes = None
    if np.allclose(truth, digits.data[held][:count] / 8 - 1):
        classes = digits.target[held]
        held_out = digits.data[held] / 8 - 1
    real = held_out[count:]
    names = sorted({p.name[: -len(p.suffix)] for p in (folder / "samples").iterdir() if p.suffix in (".csv", ".npy")})
    print(f"**{folder.name}**, {count} observations\n")
    print("| method | smallest p of 7, Bonferroni | calibrated | C2ST | read as the truth's class |")
    print("|---|--:|---|--:|--:|")

    def line(name, samples, chance):
        each = len(samples) // count
        numbers = np.arange(len(samples)) % count
        if classes is not None:
            samples = np.clip(np.round(8 * (samples + 1)), 0, 16) / 8 - 1
        taken = min(each, max(1, -(-len(real) // count))) * count
        labels = classes[:count] if classes is not None else reader.predict(8 * (truth + 1))
        read = np.array([reader.predict(8 * (samples[k::count] + 1)) == labels[k] for k in range(count)]).mean(1)
        a, b = samples[:taken], real
        if classes is not None:
            hot = np.eye(10)
            a, b = np.hstack([a, hot[labels[numbers[:taken]]]]), np.hstack([b, hot[classes[count:]]])
        value, half = two_samples(a, b, numbers[:taken])
        verdict = "" if chance is None else "yes" if chance >= 0.01 else "no"
        chance = "" if chance is None else f"{chance:.2g}"
        mean, spread = read.mean(), 1.96 * read.std(ddof=1) / count**0.5
        print(f"| {name} | {chance} | {verdict} | {value:.3f} ± {half:.3f} | {mean:.3f} ± {spread:.3f} |", flush=True)

    for name in names:
        samples = rows(folder / "samples" / name)
        if samples.shape[1:] != (64,):
            raise SystemExit(f"{folder}: {name} has rows of {samples.shape[1:]} values; allowed: 64, of digits")
        if not np.isfinite(samples).all():
            raise SystemExit(f"{folder}: {name} holds numbers that are not finite")
        line(name, samples, calibration(samples, truth, held_out))
    line("the truth itself", truth, None)
    print()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit("usage: judge_inpainting.py FOLDER …, results of digits whose left halves were seen")
    for name in sys.argv[1:]:
        main(name)
