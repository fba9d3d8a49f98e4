#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory and time large runs take, against a stated bound: a million rows through a solver, a likelihood of
100,000 rows, 200 solvers in one config, and adaptive steps of rows of 10,000 values.

Peak memory is the largest resident set that the system counted for the program (getrusage). The bounds are what the rows
themselves take, a few copies of them, and 96 MiB for all else: a row that were kept twice, or a file that became one
text, would break them.

    Tests/load.py --program .build/release/score-sde [--small]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time

FIXED = 96  # MiB: the program, its libraries, workspaces of all threads, held-out rows and metrics

MIXTURE = "data: {kind: gaussian-mixture, weights: [1, 2], means: [[-1, 0], [1, 1]], deviations: [0.3, 0.5]}"


def million(rows):
    """Rows of two values, 16 bytes each, and a few copies of them on their way through coordinates."""
    config = f"""name: load
{MIXTURE}
process: {{kind: vp}}
score: {{kind: exact}}
sampling:
  count: {rows}
  solvers: [{{name: em, kind: euler-maruyama, steps: 20}}]
"""
    return "sample", config, [], FIXED + 5 * rows * 16 / 2**20


def likelihood(rows):
    """Points, states, codes, and a table of two columns."""
    config = f"""name: load
data: {{kind: gaussian-mixture, weights: [1, 2], means: [[-1, 0], [1, 1]], deviations: [0.3, 0.5], held_out: {rows}}}
process: {{kind: vp}}
score: {{kind: exact}}
sampling: {{count: 0, solvers: []}}
"""
    return "likelihood", config, ["--to", "densities.csv"], FIXED + 10 * rows * 16 / 2**20


def solvers(count, rows):
    """The samples of one solver, whatever the number of solvers."""
    lines = "\n".join(f"    - {{name: em-{i}, kind: euler-maruyama, steps: {i % 7 + 2}}}" for i in range(count))
    config = f"""name: load
{MIXTURE}
process: {{kind: vp}}
score: {{kind: exact}}
sampling:
  count: {rows}
  solvers:
{lines}
"""
    return "sample", config, [], FIXED + 5 * rows * 16 / 2**20


def wide(rows, dimension):
    """Two threads with blocks of 65,536 values, each with a Brownian tree of 23 levels of four numbers and some twenty
    states."""
    means = "[" + ", ".join(["0"] * dimension) + "]"
    config = f"""name: load
data: {{kind: gaussian-mixture, weights: [1], means: [{means}], deviations: [1], count: 20, held_out: 20}}
process: {{kind: vp}}
score: {{kind: exact}}
sampling: {{count: {rows}, solvers: [{{name: a, kind: adaptive}}]}}
"""
    return "sample", config, ["--threads", "2"], FIXED + 2 * 65536 * 8 * (4 * 23 + 20) / 2**20


def measure(program, command, config, arguments):
    """Peak memory in MiB and wall seconds of a run."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "load.yaml")
        with open(path, "w") as file:
            file.write(config)
        start = time.monotonic()
        process = subprocess.Popen(
            [os.path.abspath(program), command, path, "--output", os.path.join(folder, "out"), "--quiet"] + arguments,
            cwd=folder, stderr=subprocess.PIPE, text=True)
        complaints = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        if os.waitstatus_to_exitcode(status) != 0:
            sys.exit(f"{command}: exit {os.waitstatus_to_exitcode(status)}: {complaints}")
        return usage.ru_maxrss / 1024, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--small", action="store_true", help="a tenth of the rows, for a quick look")
    options = parser.parse_args()
    part = 10 if options.small else 1
    cases = [
        (f"{1_000_000 // part:,} rows, euler-maruyama", million(1_000_000 // part)),
        (f"{100_000 // part:,} rows, likelihood", likelihood(100_000 // part)),
        (f"{200 // part} solvers of 10,000 rows", solvers(200 // part, 10_000)),
        (f"10 rows of {10_000 // part:,} values, adaptive", wide(10, 10_000 // part)),
    ]
    print(f"{'':40} {'peak MiB':>9} {'bound':>7} {'seconds':>8}")
    failed = False
    for name, (command, config, arguments, bound) in cases:
        peak, seconds = measure(options.program, command, config, arguments)
        failed = failed or peak > bound
        print(f"{name:40} {peak:9.0f} {bound:7.0f} {seconds:8.1f}{'  ABOVE' if peak > bound else ''}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
