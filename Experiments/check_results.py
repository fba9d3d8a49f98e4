# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares results with those of Experiments/expected-results.csv, and writes the tables of Docs/Comparisons.md.

    make check-results                 runs the experiments into Results/check and compares
    make check-results ARGS=--write    writes what was found as the new expectation, and the tables

The same config and seed give the same bytes on the same processor and libraries, so that nothing differs there. On
others, products of networks are rounded otherwise, which training amplifies: a value may then differ from the expected
one by as much as two independent runs do, sqrt(h1^2 + h2^2) with h the half widths of the two 95 % intervals. Of N
values that differ by chance alone a share of 5 % is beyond that; more than binomial chance allows (a one-sided test at
0.1 %) fails. A path error is a property of the solver alone and has no sampling error between runs: 5 % of its value,
and 1e-6 where the tolerance of GSL's integrators is all that is left.
"""

import argparse
import csv
import math
import re
import sys
from pathlib import Path

# Of the exact problems' 117 solvers, those that the page shows: each family at about 20 and 100 evaluations.
SHOWN = re.compile(
    r"(euler|ddim|heun|dpm-solver-3|dpm-solver\+\+-2m|unipc-3|deis-4|euler-maruyama|ancestral|shark|dpm-solver\+\+-3m-sde"
    r"|pc)-(20|100)|rkf45-1e-5")


def read(folder):
    """The figures of all rows together, by (solver, metric)."""
    with open(folder / "evaluation.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["repeat"] == "all" and row["class"] == ""]
    with open(folder / "solvers.csv", newline="") as file:
        solvers = {row["solver"]: row for row in csv.DictReader(file)}
    return rows, solvers


def number(text):
    return float(text) if text else math.nan


def half(row):
    return (number(row["high"]) - number(row["low"])) / 2


def tolerance(old, new):
    if old["metric"] == "path_error":
        return 0.05 * abs(number(old["value"])) + 1e-6
    width = math.hypot(half(old), half(new))
    return width if math.isfinite(width) else 0.05 * abs(number(old["value"]))


def allowed(count, share=0.05, level=0.001):
    """The largest number of misses that chance explains."""
    tail, k, term = 1.0, 0, (1 - share) ** count
    while tail - term > level and k < count:
        tail -= term
        term *= (count - k) / (k + 1) * share / (1 - share)
        k += 1
    return k


def digits(value, error):
    """As many digits as the interval bears, at least two of the interval."""
    if not math.isfinite(value):
        return "–"
    places = max(0, min(6, 1 - math.floor(math.log10(error)))) if error > 0 else 4
    value = round(value, places) + 0.0 if abs(value) > 1e-6 else value
    return f"{value:.{places}f}" if abs(value) < 1e5 and (value == 0 or abs(value) > 1e-6) else f"{value:.2g}"


def cell(row):
    value, low, high = (number(row[key]) for key in ("value", "low", "high"))
    if not math.isfinite(low):
        return f"{value:.3g}"
    if row["metric"] == "path_error":
        return f"{value:.2g} [{low:.2g}, {high:.2g}]"
    error = (high - low) / 2
    return f"{digits(value, error)} [{digits(low, error)}, {digits(high, error)}]"


def table(name, rows, solvers):
    found = {(row["solver"], row["metric"]): row for row in rows}
    metrics = list(dict.fromkeys(row["metric"] for row in rows if row["solver"]))
    shown = [s for s in solvers if not name.startswith("solvers-") or SHOWN.fullmatch(s)]
    lines = ["| solver | NFE | " + " | ".join(metrics) + " |", "|---|---|" + "---|" * len(metrics)]
    for solver in shown:
        cells = [cell(found[solver, m]) if (solver, m) in found else "–" for m in metrics]
        lines.append(f"| {solver} | {float(solvers[solver]['nfe']):.4g} | " + " | ".join(cells) + " |")
    data = []
    for metric in metrics:
        row = next((found[s, metric] for s in shown if (s, metric) in found and found[s, metric]["data"]), None)
        data.append(
            cell({"metric": metric, "value": row["data"], "low": row["data_low"], "high": row["data_high"]})
            if row else "–")
    lines.append("| two halves of the data | | " + " | ".join(data) + " |")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--expected", type=Path, default=Path("Experiments/expected-results.csv"))
    parser.add_argument("--page", type=Path, default=Path("Docs/Comparisons.md"))
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    fields = ["experiment", "solver", "metric", "value", "low", "high"]
    found, tables = [], {}
    # Those that the page has a place for.
    experiments = [name for name in re.findall(r"<!-- ([\w-]+) -->", arguments.page.read_text()) if name != "end"]
    for name in experiments:
        rows, solvers = read(arguments.results / name)
        found += [{key: row[key] for key in fields} for row in rows]
        tables[name] = table(name, rows, solvers)
    if arguments.write:
        with open(arguments.expected, "w", newline="") as file:
            writer = csv.DictWriter(file, fields, lineterminator="\n")
            writer.writeheader()
            writer.writerows(found)
        page = arguments.page.read_text()
        for name, lines in tables.items():
            mark = f"<!-- {name} -->"
            begin = page.index(mark) + len(mark)
            end = page.index("<!-- end -->", begin)
            page = page[:begin] + "\n" + "\n".join(lines) + "\n" + page[end:]
        arguments.page.write_text(page)
        print(f"{arguments.expected}: {len(found)} values; {arguments.page}: {len(tables)} tables")
        return
    with open(arguments.expected, newline="") as file:
        expected = {(row["experiment"], row["solver"], row["metric"]): row for row in csv.DictReader(file)}
    new = {(row["experiment"], row["solver"], row["metric"]): row for row in found}
    missing = [key for key in expected if key not in new]
    added = [key for key in new if key not in expected]
    same, misses = 0, []
    for key, old in expected.items():
        if key not in new:
            continue
        difference = abs(number(old["value"]) - number(new[key]["value"]))
        same += old["value"] == new[key]["value"]
        if not difference <= tolerance(old, new[key]):
            misses.append((key, old["value"], new[key]["value"], tolerance(old, new[key])))
    for key, old, value, bound in misses:
        print(f"{' '.join(key)}: {value}, expected {old}, within {bound:.3g}")
    for key in missing:
        print(f"{' '.join(key)}: missing")
    for key in added:
        print(f"{' '.join(key)}: not expected; --write takes it in")
    limit = allowed(len(expected))
    print(f"{len(expected)} values: {same} the same to the last digit, {len(misses)} beyond tolerance (allowed: {limit})")
    # The path errors of exact problems have no chance in them: none may differ.
    solid = [key for key, *_ in misses if key[2] == "path_error"]
    sys.exit(1 if missing or added or solid or len(misses) > limit else 0)


main()
