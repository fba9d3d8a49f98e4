# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of optimised times, from the sweep.csv of `make variable-steps`.

    python3 Experiments/variable_steps.py Results/variable-steps/sweep.csv [Docs/Solvers.md]

Prints a line for each problem and solver, a column for each number of steps: the path error by the better of `log-snr`
and `karras`, that by optimised times, and their ratio. With a page, the lines between `<!-- variable-steps -->` and
`<!-- end -->` become these. Ends with code 1 where a usual grid is better than the optimised one.
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

counts = sorted({int(solver.rsplit("-", 1)[1]) for _, _, solver in errors})
cells, worse = {}, []
for (_, problem, solver), found in errors.items():
    method, count = solver.rsplit("-", 1)
    best = min(found["log-snr"], found["karras"])
    ratio = best / found["optimised"]
    text = f"{best:.2g} → {found['optimised']:.2g}, {ratio:.1f} ×"
    cells.setdefault((problem.removeprefix("solvers-"), method), {})[int(count)] = text
    if ratio < 1:
        worse.append(f"{problem}, {solver}: {found['optimised']} is above {best}")
lines = [
    "| problem | solver | " + " | ".join(f"{count} steps" for count in counts) + " |",
    "|---" * (2 + len(counts)) + "|",
]
for (problem, method), row in cells.items():
    lines.append("| " + " | ".join([problem, method] + [row.get(count, "") for count in counts]) + " |")
print("\n".join(lines))
if len(sys.argv) > 2:
    page = Path(sys.argv[2])
    before, rest = page.read_text().split("<!-- variable-steps -->\n")
    after = rest.split("<!-- end -->", 1)[1]
    page.write_text(before + "<!-- variable-steps -->\n" + "\n".join(lines) + "\n<!-- end -->" + after)
for line in worse:
    print(f"worse than a usual grid: {line}", file=sys.stderr)
sys.exit(1 if worse or not errors else 0)
