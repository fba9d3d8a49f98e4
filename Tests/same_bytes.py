#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs every config of Experiments/ with two programs at few steps, and compares what they write byte by byte.

    Tests/same_bytes.py --old OLD/score-sde --new .build/release/score-sde [--configs vp-moons edm-digits]

Compared are the samples, the training's losses, the losses by time, the solvers' costs and metrics, the trajectories,
and the weights of the checkpoint; times in seconds are left out. Of tables the columns are compared that both programs
write; the others are named. Prints a table, and exits 1 where anything differs.
"""
import argparse
import csv
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

# The repository: that of the working directory, where it is one.
ROOT = pathlib.Path.cwd()
if not (ROOT / "Experiments").is_dir():
    ROOT = pathlib.Path(__file__).resolve().parents[1]


def overrides(text):
    """What makes a config small."""
    result = ["sampling.count=48"]
    kind = re.search(r"^data:\s*(?:\{|\n\s+)kind: ([\w-]+)", text, re.M).group(1)
    if kind in ("two-moons", "swiss-roll", "checkerboard", "gaussian-mixture"):
        result += ["data.count=400", "data.held_out=150"]
    if kind == "images":
        result += ["data.crops=40", "data.held_out=40"]
    unet = "kind: unet" in text
    if re.search(r"^training:", text, re.M):
        result += ["training.steps=3" if unet else "training.steps=30", "training.batch=16" if unet else "training.batch=64"]
    if unet:
        result += ["score.network.channels=[8, 16]", "score.network.blocks=1"]
    if unet or kind == "images":
        result += ["sampling.count=8"]
        # A U-Net's solvers with a few steps each.
        solvers = re.findall(r"^\s+- \{name: .*$", text, re.M)
        result += [f"sampling.solvers.{i}.steps=3" for i, line in enumerate(solvers) if " steps: " in line]
    return result


class Table(dict):
    """The columns of a CSV file by their names, without times. An older program has fewer."""

    def __init__(self, path):
        with open(path, newline="") as file:
            rows = list(csv.reader(file))
        super().__init__((name, []) for name in (rows[0] if rows else []) if name != "seconds")
        for row in rows[1:]:
            for i, name in enumerate(rows[0]):
                if name != "seconds":
                    self[name].append(row[i] if i < len(row) else None)


def differs(a, b):
    """Whether two files differ; of tables, in the columns that both have, of which there must be some."""
    if isinstance(a, Table) and isinstance(b, Table):
        both = a.keys() & b.keys()
        return not both or any(a[name] != b[name] for name in both)
    return a != b


def alone(a, b):
    """The columns that only one program writes, as a text."""
    names = {name for key in a.keys() & b.keys() if isinstance(a[key], Table) for name in a[key].keys() ^ b[key].keys()}
    return f"; columns of one program: {', '.join(sorted(names))}" if names else ""


def weights(path):
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    return {name: data[8 + size + t["data_offsets"][0] : 8 + size + t["data_offsets"][1]] for name, t in header.items()}


def contents(folder):
    """Everything that is compared, by name."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if name.startswith("samples/") and path.suffix in (".csv", ".npy"):
            found[name] = path.read_bytes()
        elif name in ("training.csv", "solvers.csv", "loss_by_time.csv", "trajectories.csv"):
            found[name] = Table(path)
        elif name == "checkpoint.safetensors":
            found[name] = weights(path)
    return found


def run(program, config, options, folder, models):
    command = [program, "run", str(config), "--output", str(folder), "--threads", "2", "--quiet"]
    for option in options:
        command += ["--set", option]
    environment = dict(os.environ, SCORE_SDE_MODELS=str(models))
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)


def compare(config, old, new):
    options = overrides(config.read_text())
    with tempfile.TemporaryDirectory() as temporary:
        temporary = pathlib.Path(temporary)
        runs = {}
        for name, program in (("old", old), ("new", new)):
            runs[name] = run(program, config, options, temporary / name, temporary / f"{name}-models")
        a, b = contents(temporary / "old"), contents(temporary / "new")
        if runs["old"].returncode != runs["new"].returncode:
            last = {name: (r.stderr.strip().splitlines() or [""])[-1] for name, r in runs.items()}
            return "FAILS", f"exit {runs['old'].returncode} and {runs['new'].returncode}: {last['old']} | {last['new']}"
        if runs["old"].returncode == 2:
            return "skipped", (runs["old"].stderr.strip().splitlines() or [""])[-1][:90]
        different = sorted(name for name in a.keys() | b.keys() if differs(a.get(name), b.get(name)))
        if not a:
            return "FAILS", "nothing was written"
        if different:
            return "FAILS", f"{len(different)} of {len(a)}: {', '.join(different[:4])}"
        return "same", f"{len(a)} files{alone(a, b)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--old", required=True)
    parser.add_argument("--new", required=True)
    parser.add_argument("--configs", nargs="*", default=[], help="names; default: all")
    arguments = parser.parse_args()
    configs = sorted(c for c in (ROOT / "Experiments").glob("*.yaml") if "\nsweep:" not in c.read_text())
    if arguments.configs:
        configs = [c for c in configs if c.stem in arguments.configs]
    old, new = (str(pathlib.Path(p).resolve()) for p in (arguments.old, arguments.new))
    failed = False
    for config in configs:
        verdict, note = compare(config, old, new)
        failed |= verdict == "FAILS"
        print(f"{config.stem:30} {verdict:8} {note}", flush=True)
    sys.exit(1 if failed or not configs else 0)


if __name__ == "__main__":
    main()
