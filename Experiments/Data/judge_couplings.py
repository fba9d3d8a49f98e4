# SPDX-License-Identifier: GPL-3.0-or-later
"""Path energies of `make sweep-couplings` beside the exact W₂² of the two laws at their ends: a Markdown table.

    python3 Experiments/Data/judge_couplings.py Results/couplings/sweep.csv

W₂² of n draws of each law is above that of the laws, by 4 % where n = 250, and differs by 1 % from one 4,000 draws to
other 4,000. Here both laws are held by quasi-random points: as many for each of the eight Gaussians, and for each moon,
scrambled Sobol' points in their own coordinates. The exact cost of the assignment of n such points to n falls by less
than 0.1 % from n = 1,024 to 4,096, which is printed below the table.

`make couplings-judge` runs it. Needs NumPy and SciPy.
"""

import csv
import sys
from collections import defaultdict

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.stats import norm, qmc

# Those of gaussians-to-moons.yaml.
MEANS = np.array([[2, 0.333], [1.512, 1.512], [0.333, 2], [-0.845, 1.512],
                  [-1.333, 0.333], [-0.845, -0.845], [0.333, -1.333], [1.512, -0.845]])
DEVIATION, NOISE = 0.105, 0.05


def gaussians(count, seed):
    """Points of the eight Gaussians, count/8 of each."""
    return np.concatenate([
        mean + DEVIATION * norm.ppf(qmc.Sobol(2, rng=100 * seed + k).random(count // len(MEANS)))
        for k, mean in enumerate(MEANS)
    ])


def moons(count, seed):
    """Points of the two moons, count/2 of each."""
    parts = []
    for moon in range(2):
        u = qmc.Sobol(3, rng=100 * seed + 50 + moon).random(count // 2)
        angle = np.pi * u[:, 0]
        arc = np.c_[np.cos(angle), np.sin(angle)] if moon == 0 else np.c_[1 - np.cos(angle), 0.5 - np.sin(angle)]
        parts.append(arc + NOISE * norm.ppf(u[:, 1:]))
    return np.concatenate(parts)


def transport(count, seed):
    """The least mean square distance between as many points of both."""
    costs = cdist(gaussians(count, seed), moons(count, seed), "sqeuclidean")
    return costs[linear_sum_assignment(costs)].mean()


def main():
    values = {count: [transport(count, seed) for seed in range(repeats)] for count, repeats in [(1024, 6), (4096, 2)]}
    exact = np.mean(values[4096])
    energies = defaultdict(dict)
    with open(sys.argv[1], newline="") as file:
        for row in csv.DictReader(file):
            if row["path_energy"]:
                energies[row["training.objective.coupling"]][int(row["seed"])] = float(row["path_energy"])
    seeds = sorted({seed for runs in energies.values() for seed in runs})
    print(f"| coupling | {' | '.join(f'seed {seed}' for seed in seeds)} | mean | of W₂², % |")
    print("|---|" + "---|" * (len(seeds) + 2))
    for coupling, runs in energies.items():
        found = [runs[seed] for seed in seeds]
        shares = [100 * (value / exact - 1) for value in found]
        print(f"| `{coupling}` | {' | '.join(f'{value:.3f}' for value in found)} | {np.mean(found):.3f} | "
              f"{min(shares):+.1f} to {max(shares):+.1f} |")
    print(f"\nW₂² {exact:.4f}, of 4,096 points; of 1,024 {np.mean(values[1024]):.4f} ± {np.std(values[1024]):.4f}.")


if __name__ == "__main__":
    main()
