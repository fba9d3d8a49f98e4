# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets a classifier of scikit-learn read the samples of a run of digits whose classes are 0 to 9 in turn.

It is trained on the 1,498 digits that the run learned from, and first reads the 299 that were held out. Neither its code
nor its training is ours. `make digits-classes-judge` runs it; without make: python3 judge_digits.py FOLDER
"""

import csv
import pathlib
import sys

import numpy as np
from sklearn.datasets import load_digits
from sklearn.svm import SVC


def samples(path):
    """Rows of pixels, 0 to 16, of a file of samples."""
    if path.suffix == ".npy":
        rows = np.load(path)
    else:
        with open(path, newline="") as file:
            rows = np.array([[float(value) for value in row] for row in list(csv.reader(file))[1:]])
    return 8 * (rows + 1)


def main(folder):
    digits = load_digits()
    held_out = np.arange(len(digits.data)) % 6 == 5
    judge = SVC(gamma=0.001, C=10).fit(digits.data[~held_out], digits.target[~held_out])
    right = judge.predict(digits.data[held_out]) == digits.target[held_out]
    print(f"{'held-out digits':24} {right.mean():.4f} of {right.size}")
    paths = [p for p in sorted((pathlib.Path(folder) / "samples").iterdir()) if p.suffix in (".csv", ".npy")]
    for path in paths:
        if path.stem == "held-out" or path.stem.startswith("held_out") or path.stem.endswith("-trajectories"):
            continue
        rows = samples(path)
        if rows.shape[1:] != (64,):
            raise SystemExit(f"{path}: rows of {rows.shape[1:]} values; allowed: 64, of samples of digits")
        right = judge.predict(rows) == np.arange(len(rows)) % 10
        low, high = interval(right.sum(), right.size)
        print(f"{path.stem:24} {right.mean():.4f} [{low:.4f}, {high:.4f}] of {right.size}")


def interval(successes, count):
    """Wilson's interval of a share, at 95 %."""
    z, share = 1.959964, successes / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * (share * (1 - share) / count + z * z / (4 * count * count)) ** 0.5
    return centre - half, min(1, centre + half)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: judge_digits.py FOLDER, the results of an experiment on digits with classes in turn")
    main(sys.argv[1])
