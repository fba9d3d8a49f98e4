# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills a sweep of 24 runs with SIGKILL, twice, and lets it go on: its table has the bytes of an undisturbed one.

The moments are random; each kill ends `score-sde sweep`, whose runs then end by themselves. Every file of every run is
compared as well, but for columns of seconds. `make sweep-kills` runs it; Tests/CommandsTests has a short form.
"""
import argparse
import csv
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=".build/release/score-sde")
    parser.add_argument("--config", default=str(ROOT / "Experiments/moons-noise.yaml"))
    parser.add_argument("--sweeps", type=int, default=3, help="how many sweeps are killed, each anew")
    parser.add_argument("--kills", type=int, default=2, help="of each")
    parser.add_argument("--steps", type=int, default=500, help="of the training")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    work = pathlib.Path(tempfile.mkdtemp())

    def start(name, jobs):
        return subprocess.Popen(
            [options.program, "sweep", options.config, "--output", str(work / name), "--quiet", "--jobs", str(jobs),
             "--set", f"training.steps={options.steps}", "--set", "sampling.count=500"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env=dict(os.environ, SCORE_SDE_MODELS=str(work / f"{name}-models")))

    failures = 0
    try:
        begin = time.monotonic()
        whole = start("whole", 2)
        _, errors = whole.communicate()
        seconds = time.monotonic() - begin
        if whole.returncode != 0:
            sys.exit(f"an undisturbed sweep failed: {errors}")
        expected = contents(work / "whole")
        table = (work / "whole/sweep.csv").read_bytes()
        print(f"undisturbed: {seconds:.0f} s, {len(runs(work / 'whole'))} runs, {table.count(10) - 1} rows", flush=True)
        for number in range(options.sweeps):
            name, done = f"killed-{number}", []
            for _ in range(options.kills):
                process = start(name, draw.choice([1, 2, 3]))
                time.sleep(draw.uniform(0.05, 0.9 / options.kills) * seconds)
                process.kill()
                process.communicate()
                done.append(len(finished(work / name)) if process.returncode == -9 else "none: it had ended")
            before = finished(work / name)
            process = start(name, 2)
            _, errors = process.communicate()
            again = [run for run, time_ in before.items() if finished(work / name).get(run) != time_]
            same = (work / name / "sweep.csv").read_bytes() == table
            other = sorted(n for n, data in contents(work / name).items() if expected.get(n) != data)
            missing = sorted(expected.keys() - contents(work / name).keys())
            bad = process.returncode != 0 or errors or not same or other or missing or again
            failures += bool(bad)
            print(f"killed with {', '.join(map(str, done))} runs done: sweep.csv "
                  f"{'same bytes' if same else 'DIFFERENT'}, other files different: {other or 'none'}, missing: "
                  f"{missing or 'none'}, runs done twice: {again or 'none'}, exit code {process.returncode} {errors}",
                  flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(failures > 0)


def runs(folder):
    return sorted((folder / "runs").iterdir()) if (folder / "runs").is_dir() else []


def finished(folder):
    """The runs that have a manifest, with the time when it was written."""
    return {run.name: (run / "manifest.json").stat().st_mtime_ns for run in runs(folder) if
            (run / "manifest.json").exists() and not json.loads((run / "manifest.json").read_text())["failures"]}


def contents(folder):
    """Every file's bytes; tables of runs without their columns of seconds. Manifests have times, and count as there."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            continue
        name = str(path.relative_to(folder))
        if path.name == "manifest.json":
            found[name] = b""
        elif path.name in ("training.csv", "solvers.csv"):
            with open(path, newline="") as file:
                rows = list(csv.reader(file))
            kept = [i for i, title in enumerate(rows[0]) if title != "seconds"]
            found[name] = [[row[i] for i in kept] for row in rows]
        else:
            found[name] = path.read_bytes()
    return found


if __name__ == "__main__":
    main()
