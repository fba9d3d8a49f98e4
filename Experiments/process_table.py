# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of measured errors in Docs/Processes.md, from Results/processes: `make processes` runs what it reads.

    python3 Experiments/process_table.py Results/processes NAME...
"""

import csv
import sys
from pathlib import Path

folder, names = Path(sys.argv[1]), sys.argv[2:]


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


print("| config | kernel | simulated mean | variance | prior | reverse SDE | flow | log density | excess loss |")
print("|---|---|---|---|---|---|---|---|---|")
for name in names:
    found = {row["check"]: row["found"] for row in read(folder / f"{name}-check.csv")}

    def number(check, digits=2):
        text = next(value for key, value in found.items() if key.startswith(check))
        return f"{float(text):.{digits}g}" if text else "–"

    bins = read(folder / name / "loss_by_time.csv")
    excess = sum(float(row["excess"]) for row in bins) / len(bins)
    loss = sum(float(row["held_out"]) for row in bins) / len(bins)
    checks = ["kernel against", "simulation against kernel: mean", "simulation against kernel: variance", "prior",
              "reverse SDE", "probability flow", "flow's log density"]
    print(f"| `{name}` | " + " | ".join(number(check) for check in checks) + f" | {excess:.2g} of {loss:.2g} |")
