# SPDX-License-Identifier: GPL-3.0-or-later
"""How far samples of a checkerboard are from its law, by histograms: `make few-step-checkerboard-judge`.

    python3 Experiments/Data/judge_checkerboard.py Results/few-step-checkerboard

For each file of samples KL(p || q) in nats, with p the law's probability and q the samples' share in each of 50 x 50
cells on [-2.5, 2.5]², whose edges are those of the squares. A share of 0 counts as 1e-8. The last line has as many
draws of the law itself, the least that so many samples can have: about (800 - 1)/(2 n). `outside` is the share of
samples in no square of the board's colour. Numbers that sum densities without the cell's area, as some authors' do, are
100 times these."""

import csv
import random
import sys
from pathlib import Path

CELLS, EDGE = 50, 2.5


def in_square(x, y):
    """Whether a point lies in a square of the board's colour."""
    if not (-2 <= x < 2 and -2 <= y < 2):
        return False
    return (int(x + 2) + int(y + 2)) % 2 == 0


def judge(points):
    """KL(p || q), and the share of points outside of p."""
    import math

    width = 2 * EDGE / CELLS
    counts = {}
    outside = 0
    for x, y in points:
        outside += not in_square(x, y)
        cell = (math.floor((x + EDGE) / width), math.floor((y + EDGE) / width))
        counts[cell] = counts.get(cell, 0) + 1
    divergence = 0.0
    for i in range(CELLS):
        for j in range(CELLS):
            if in_square((i + 0.5) * width - EDGE, (j + 0.5) * width - EDGE):
                p = width * width / 8
                q = counts.get((i, j), 0) / len(points)
                divergence += p * math.log(p / max(q, 1e-8))
    return divergence, outside / len(points)


def drawn(count):
    """Draws of the law."""
    source = random.Random(1)
    points = []
    while len(points) < count:
        x, y = source.uniform(-2, 2), source.uniform(-2, 2)
        if in_square(x, y):
            points.append((x, y))
    return points


def main():
    print("| solver | KL, nats | outside |")
    print("|---|---|---|")
    count = 0
    folder = Path(sys.argv[1])
    with open(folder / "solvers.csv", newline="") as file:
        names = [row["solver"] for row in csv.DictReader(file)]
    for name in names:
        with open(folder / "samples" / f"{name}.csv", newline="") as file:
            rows = csv.reader(file)
            next(rows)
            points = [(float(row[0]), float(row[1])) for row in rows]
        count = len(points)
        divergence, outside = judge(points)
        print(f"| {name} | {divergence:.4f} | {outside:.3f} |")
    divergence, outside = judge(drawn(count))
    print(f"| draws of the law | {divergence:.4f} | {outside:.3f} |")


if __name__ == "__main__":
    main()
