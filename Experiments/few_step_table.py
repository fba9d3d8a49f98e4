# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of objectives of few steps, from the folder of `make few-step-methods`.

    python3 Experiments/few_step_table.py Results/few-step-methods

A line a run, the nearest first: median and 90th percentile of the distance from where the exact flow ends, row by row,
after one step and more, the sliced Wasserstein distance of one step from held-out data, and steps and seconds of
training. Errors are those of solvers.csv, or of the samples beside those of the solver `exact`, which begins with the
same draws of the prior."""

import csv
import math
import re
import sys
from pathlib import Path

ROWS = 4096  # as many as solvers.csv compares


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def numbers(path):
    with open(path, newline="") as file:
        lines = csv.reader(file)
        next(lines)
        return [[float(value) for value in line] for line in lines]


def percentile(values, share):
    """By linear interpolation, as numpy's."""
    place = share * (len(values) - 1)
    low = math.floor(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (place - low) * (values[high] - values[low])


def errors(run, row):
    """The median and the 90th percentile of a solver's errors; nothing where there are none."""
    if row.get("map_error_median"):
        return float(row["map_error_median"]), float(row["map_error_90"])
    exact = run / "samples/exact.csv"
    if not exact.is_file() or row["solver"] == "exact":
        return None
    pairs = list(zip(numbers(run / f"samples/{row['solver']}.csv"), numbers(exact)))[:ROWS]
    distances = sorted(math.dist(a, b) for a, b in pairs)
    return percentile(distances, 0.5), percentile(distances, 0.9)


def objective(run):
    """The objective's kind and teacher, by the resolved config."""
    text = (run / "config.yaml").read_text().split("\n  objective:\n", 1)[1]
    found = {}
    for line in text.splitlines():
        match = re.fullmatch(r"    (\w+): (.*)", line)
        if match:
            found[match[1]] = match[2]
        elif not line.startswith("    "):
            break
    teacher = found.get("teacher", "none")
    return found["kind"], {"none": "data", "exact": "exact score"}.get(teacher, "network")


def steps(run):
    """Of the training, by the resolved config: the log's last row may be of an earlier one."""
    return re.search(r"^training:\n(?:  .*\n)*?  steps: (\d+)$", (run / "config.yaml").read_text(), re.MULTILINE)[1]


def main():
    lines = []
    for run in sorted((Path(sys.argv[1]) / "runs").iterdir()):
        if not (run / "solvers.csv").is_file():
            print(f"{run}: not done", file=sys.stderr)
            continue
        kind, learns = objective(run)
        found = {row["solver"]: (row, errors(run, row)) for row in rows(run / "solvers.csv")}
        row, (median, far) = found["one-step"]
        last = rows(run / "training.csv")[-1]
        more = [f"{found[name][1][0]:.3g}" if name in found else "" for name in ("two-steps", "four-steps")]
        cells = [kind, learns, f"{median:.3g}", f"{far:.3g}", *more, f"{float(row['sliced_wasserstein']):.3f}"]
        cells += [steps(run), f"{float(last['seconds']):.0f}"]
        lines.append((math.inf if math.isnan(median) else median, "| " + " | ".join(cells) + " |"))
    print("| objective | learns from | median | 90 % | two steps | four steps | sliced W | training steps | seconds |")
    print("|---|---|---|---|---|---|---|---|---|")
    print("\n".join(line for _, line in sorted(lines)))


if __name__ == "__main__":
    main()
