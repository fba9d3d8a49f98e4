# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges posterior samples of the sbi-* experiments against the reference posteriors of sbibm, as its benchmark does:
C2ST, the accuracy of scikit-learn's MLPClassifier in 5-fold cross-validation. 0.5: nothing tells the two apart.

    python3 Experiments/judge_sbi.py RESULTS [--observations 1,2,3] [--tasks slcp,two-moons] [--rows 10000] [--halves 3]

Prints a Markdown table; RESULTS/NAME/c2st.csv has every figure.
"""

import argparse
import csv
import gzip
import itertools
import pathlib
import sys

import numpy as np
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neural_network import MLPClassifier

TASKS = ["gaussian-linear", "gaussian-linear-uniform", "slcp", "gaussian-mixture", "two-moons"]
PUBLISHED = {
    "gaussian-linear": 0.505, "gaussian-linear-uniform": 0.513, "slcp": 0.584, "gaussian-mixture": 0.507,
    "two-moons": 0.525,
}
OBSERVATIONS = 10
DATA = pathlib.Path(__file__).parent / "Data" / "sbi"


def c2st(x, y):
    """Both sets scaled by the first one's mean and deviation, as sbibm's metric has it."""
    mean, deviation = x.mean(0), x.std(0, ddof=1)
    rows = np.concatenate([(x - mean) / deviation, (y - mean) / deviation])
    labels = np.concatenate([np.zeros(len(x)), np.ones(len(y))])
    width = 10 * x.shape[1]
    network = MLPClassifier(hidden_layer_sizes=(width, width), max_iter=10000, random_state=1)
    folds = KFold(n_splits=5, shuffle=True, random_state=1)
    return cross_val_score(network, rows, labels, cv=folds, scoring="accuracy").mean()


def samples(folder):
    (path,) = [p for p in sorted((folder / "samples").glob("*.csv")) if not p.name.startswith("held_out")]
    return np.loadtxt(path, delimiter=",", skiprows=1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("--observations", default=",".join(str(k + 1) for k in range(OBSERVATIONS)))
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--rows", type=int, default=10000)
    parser.add_argument("--halves", type=int, default=OBSERVATIONS, help="how many observations have two halves compared")
    arguments = parser.parse_args()
    observations = [int(k) for k in arguments.observations.split(",")]
    print("| task | C2ST, mean | least and most | two halves of the reference | published | seconds an observation |")
    print("|---|--:|--:|--:|--:|--:|")
    for task in arguments.tasks.split(","):
        folder = arguments.results / f"sbi-{task}"
        drawn = samples(folder)
        with open(folder / "solvers.csv") as file:
            seconds = float(next(csv.DictReader(file))["seconds"]) / OBSERVATIONS
        found, floors = [], []
        for k in observations:
            with gzip.open(DATA / f"sbi-{task}-reference-{k}.csv.gz", "rt") as file:
                reference = np.loadtxt(file, delimiter=",", skiprows=1)
            own = drawn[k - 1 :: OBSERVATIONS]
            count = min(len(own), len(reference), arguments.rows)
            found.append(c2st(reference[:count], own[:count]))
            if len(floors) < arguments.halves:
                floors.append(c2st(reference[0 : count : 2], reference[1 : count : 2]))
            print(f"{task} {k}: {found[-1]:.4f}", file=sys.stderr)
        with open(folder / "c2st.csv", "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["observation", "c2st", "halves_of_reference"])
            writer.writerows(itertools.zip_longest(observations, found, floors, fillvalue=""))
        print(
            f"| {task} | {np.mean(found):.3f} | {min(found):.3f} to {max(found):.3f} | "
            f"{np.mean(floors) if floors else np.nan:.3f} | {PUBLISHED[task]:.3f} | {seconds:.1f} |", flush=True)


main()
