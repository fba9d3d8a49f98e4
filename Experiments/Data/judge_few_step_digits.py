# SPDX-License-Identifier: GPL-3.0-or-later
"""How well a random forest of scikit-learn tells samples of digits from held-out ones: `make few-step-digits-judge`.

    python3 Experiments/Data/judge_few_step_digits.py Results/few-step-digits-one-step ...

Each file of samples is cut into sets of 299, as many as there are held-out digits, of which it takes four at most.
A forest of 200 trees has to tell a set from the held-out digits: the share that it gets right in five-fold
cross-validation, where 50 % is chance, is the mean over sets. It looks at the 17 values of the data's pixels, at 5, and
at 2, which is black or white: what only 17 values tell is faint. `nearest` is the median distance to the nearest
training digit, of samples over that of held-out digits. The line `training digits` is the yardstick."""

import pathlib
import sys

import numpy as np
from judge_digits import samples
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_predict

LEVELS = (17, 5, 2)


def told(rows, held_out):
    """The share that a forest gets right."""
    n, shares = len(held_out), []
    labels = np.r_[np.zeros(n), np.ones(n)]
    for i in range(min(4, len(rows) // n)):
        both = np.r_[rows[i * n:(i + 1) * n], held_out]
        forest = RandomForestClassifier(200, n_jobs=2, random_state=0)
        shares.append((cross_val_predict(forest, both, labels, cv=5) == labels).mean())
    return np.mean(shares)


def nearest(rows, training):
    """The median distance to the nearest training digit."""
    return np.median([np.sqrt(((row - training) ** 2).sum(1).min()) for row in rows])


def rounded(pixels, levels):
    """Pixels from 0 to 16 as one of so many values."""
    return np.round(np.clip(pixels, 0, 16) * (levels - 1) / 16) * 16 / (levels - 1)


def main(folders):
    digits = load_digits().data
    is_held_out = np.arange(len(digits)) % 6 == 5
    training, held_out = digits[~is_held_out], digits[is_held_out]
    training = training[np.random.default_rng(1).permutation(len(training))]
    base = nearest(held_out, training)
    print("| samples | 17 values | 5 values | 2 values | nearest |\n|---|---|---|---|---|")
    found = [("training digits", training)]
    for folder in folders:
        for path in sorted(pathlib.Path(folder, "samples").glob("*.csv")):
            rows = samples(path)
            if rows.shape[1:] != (64,) or len(rows) < len(held_out):
                raise SystemExit(f"{path}: {rows.shape} values; allowed: {len(held_out)} rows of 64 or more")
            found.append((f"`{pathlib.Path(folder).name}`, `{path.stem}`", rows))
    for name, rows in found:
        shares = [f"{100 * told(rounded(rows, n), rounded(held_out, n)):.0f} %" for n in LEVELS]
        ratio = "" if rows is training else f"{nearest(rounded(rows[:600], 17), training) / base:.2f}"
        print(f"| {name} | {' | '.join(shares)} | {ratio} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit("usage: judge_few_step_digits.py FOLDER ..., the results of experiments on digits")
    main(sys.argv[1:])
