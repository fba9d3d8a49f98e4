# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills runs with SIGKILL, many times, and lets them go on: each comes to the bytes of an undisturbed run.

Half of the kills come at a random moment of a run's whole life, from its start to its end. The other half come just
before or after a random one of its calls to the file system, where files and folders are half-way. A run is killed up
to three times before it may come to its end. `make kills` runs it; Tests/CommandsTests has the short form.
"""
import argparse
import collections
import pathlib
import random
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "Faults"))
from life import Life, build_library, difference  # noqa: E402


def stage(life, call):
    """What a killed run was at, by what it left."""
    results = life.results
    if not (results / ".lock").exists():
        return "starting up" if not (results / "manifest.json").exists() else "at its end"
    written = " (writing a file)" if life.leftovers() and any(n.endswith(".part") for n in life.leftovers()) else ""
    if any(life.models.glob("*.unfinished.*")):
        return "training" + written
    if not life.kept():
        return "before its first checkpoint" + written
    if (results / "solvers.csv").exists() or any((results / "samples").glob("*.csv")):
        return "sampling" + written
    return "after the training" + written


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=".build/release/score-sde")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=600, help="of the training")
    options = parser.parse_args()
    folder, library = build_library()
    work = tempfile.mkdtemp()
    extra = ("--set", f"training.steps={options.steps}", "--set", "sampling.count=400", "--set",
             "sampling.solvers.0.steps=100")
    draw = random.Random(options.seed)
    counts, failures = collections.Counter(), 0
    try:
        whole = Life(f"{work}/whole", options.program, threads=2)
        whole.begin()
        log = f"{work}/calls"
        counting = dict(LD_PRELOAD=library, FAULTS_ROOT=str(whole.folder), FAULTS_LOG=log)
        code, errors = whole.run(counting, extra)
        if code != 0:
            sys.exit(f"an undisturbed run failed: {errors}")
        calls = len(pathlib.Path(log).read_text().splitlines())
        again = Life(f"{work}/timed", options.program, threads=2)
        again.begin()
        begin = time.monotonic()
        again.run({}, extra)
        seconds = time.monotonic() - begin
        expected = whole.contents()
        if difference(again.contents(), expected):
            sys.exit("two undisturbed runs differ")
        kills = runs = 0
        while kills < options.count:
            life = Life(f"{work}/killed", options.program, threads=draw.choice([1, 2]))
            life.begin()
            seen = []
            for _ in range(draw.choice([1, 1, 2, 3])):
                call = draw.randint(1, calls) if draw.random() < 0.5 else 0
                environment = dict(
                    LD_PRELOAD=library, FAULTS_ROOT=str(life.folder), FAULTS_AT=str(call),
                    FAULTS_MODE=draw.choice(["kill", "after"])) if call else {}
                process = life.start(environment, extra)
                if not call:
                    time.sleep(draw.uniform(0, 1.05 * seconds))
                    process.kill()
                _, errors = process.communicate()
                if process.returncode == 0:
                    continue
                if process.returncode != -9:
                    print(f"exit code {process.returncode}: {errors.strip()[-500:]}", flush=True)
                    failures += 1
                kills += 1
                seen.append(stage(life, call))
                counts[seen[-1]] += 1
            runs += 1
            code, errors = life.run({}, extra)
            different = difference(life.contents(), expected)
            if code != 0 or errors or different or life.leftovers() or life.kept() != whole.kept():
                failures += 1
                print(f"killed {', '.join(seen)}: then exit code {code}: {errors.strip()[-500:]}, different: {different}, "
                      f"left: {life.leftovers()}", flush=True)
        for name, count in sorted(counts.items()):
            print(f"{count:6}  {name}")
        print(f"{kills} kills, {runs} runs that went on, {failures} not as an undisturbed one", flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        folder.cleanup()
    sys.exit(failures > 0)


main()
