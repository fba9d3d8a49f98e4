# SPDX-License-Identifier: GPL-3.0-or-later
"""Times a sweep with many runs at a time of one thread each beside one run at a time with all threads.

Both begin without trained networks, in turns; their tables must have the same bytes. Wants a machine where nothing else
runs.
"""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=".build/release/score-sde")
    parser.add_argument("--config", default=str(ROOT / "Experiments/moons-noise.yaml"))
    parser.add_argument("--set", action="append", default=[], help="as of score-sde sweep")
    parser.add_argument("--processors", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    count = options.processors
    ways = {f"{count} jobs x 1 thread": (count, 1), f"1 job x {count} threads": (1, count)}
    seconds, tables = {way: [] for way in ways}, set()
    for _ in range(options.repeats):
        for way, (jobs, threads) in ways.items():
            work = pathlib.Path(tempfile.mkdtemp())
            try:
                begin = time.monotonic()
                done = subprocess.run(
                    [options.program, "sweep", options.config, "--output", str(work / "r"), "--quiet", "--jobs", str(jobs),
                     "--threads", str(threads)] + [word for text in options.set for word in ("--set", text)],
                    env=dict(os.environ, SCORE_SDE_MODELS=str(work / "models")))
                seconds[way].append(time.monotonic() - begin)
                if done.returncode != 0:
                    sys.exit(f"sweep_jobs.py: {way}: exit code {done.returncode}")
                tables.add((work / "r/sweep.csv").read_bytes())
            finally:
                shutil.rmtree(work, ignore_errors=True)
    for way, own in seconds.items():
        print(f"{way}: median {statistics.median(own):.1f} s of {', '.join(f'{s:.1f}' for s in own)}")
    many, one = (statistics.median(seconds[way]) for way in ways)
    print(f"ratio {many / one:.2f}; sweep.csv {'same bytes' if len(tables) == 1 else 'DIFFERENT'}")
    sys.exit(len(tables) != 1)


if __name__ == "__main__":
    main()
