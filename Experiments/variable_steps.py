# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of optimised times, from the sweep.csv of `make variable-steps`.

    python3 Experiments/variable_steps.py Results/variable-steps/sweep.csv [Docs/Solvers.md]

Prints a line for each problem, solver and number of steps: the path errors by log-snr, karras and optimised times, and
by how much the better of the first two is worse than the last. With a page, the lines between `<!-- variable-steps -->`
and `<!-- end -->` become these. Ends with code 1 where a usual grid is better than the optimised one.
"""

import csv
import sys
from pathlib import Path

GRIDS = ["log-snr", "karras", "optimised"]

errors = {}
with open(sys.argv[1], newline="") as file:
    for row in csv.DictReader(file):
        for grid in GRIDS:
            if row["solver"].endswith(f"-{grid}") and row["path_error"]:
                problem, solver = Path(row["experiment"]).stem, row["solver"].removesuffix(f"-{grid}")
                run = (row["run"], problem, solver)
                errors.setdefault(run, {})[grid] = float(row["path_error"])

lines = ["| problem | solver and steps | log-snr | karras | optimised | times better |", "|---|---|---|---|---|---|"]
worse = []
names = {"1": "overlapping", "2": "separated", "3": "anisotropic"}
for (run, problem, solver), found in errors.items():
    best = min(found["log-snr"], found["karras"])
    ratio = best / found["optimised"]
    cells = [names.get(run, problem), solver] + [f"{found[grid]:.2g}" for grid in GRIDS] + [f"{ratio:.2f}"]
    lines.append("| " + " | ".join(cells) + " |")
    if ratio < 1:
        worse.append(f"{names.get(run, problem)}, {solver}: {found['optimised']} is above {best}")
print("\n".join(lines))
if len(sys.argv) > 2:
    page = Path(sys.argv[2])
    before, rest = page.read_text().split("<!-- variable-steps -->\n")
    after = rest.split("<!-- end -->", 1)[1]
    page.write_text(before + "<!-- variable-steps -->\n" + "\n".join(lines) + "\n<!-- end -->" + after)
for line in worse:
    print(f"worse than a usual grid: {line}", file=sys.stderr)
sys.exit(1 if worse or not errors else 0)
