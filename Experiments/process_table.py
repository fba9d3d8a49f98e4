# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the measured columns of the table in Docs/Processes.md from what `make processes` left in Results/processes.

    python3 Experiments/process_table.py Results/processes Docs/Processes.md
"""

import csv
import re
import sys
from pathlib import Path

folder, page = Path(sys.argv[1]), Path(sys.argv[2])
CHECKS = ["kernel against", "reverse SDE", "probability flow", "flow's log density"]


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def measured(name):
    found = {row["check"]: row["found"] for row in read(folder / f"{name}-check.csv")}
    cells = [f"{float(next(value for key, value in found.items() if key.startswith(check))):.2g}" for check in CHECKS]
    bins = read(folder / name / "loss_by_time.csv")
    excess, loss = (sum(float(row[key]) for row in bins) / len(bins) for key in ("excess", "held_out"))
    return cells + [f"{excess:.2g} of {loss:.2g}"]


lines = page.read_text().split("\n")
for i, line in enumerate(lines):
    match = re.search(r"\(\.\./Experiments/([\w-]+)\.yaml\) \|", line)
    if line.startswith("| ") and match:
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        place = next(k for k, cell in enumerate(cells) if "../Experiments/" in cell)
        lines[i] = "| " + " | ".join(cells[: place + 1] + measured(match.group(1))) + " |"
        print(lines[i])
page.write_text("\n".join(lines))
