# SPDX-License-Identifier: GPL-3.0-or-later
"""What the training of a network of few steps takes beside that of its teacher.

    python3 Experiments/few_step_seconds.py PROGRAM Experiments/few-step-digits-unet.yaml … [--steps N]

For each config whose teacher is a results folder: both are trained for N steps (200) one after the other, three
times in turn, in a folder that is removed, and the seconds of a step, the medians of training.csv's, are multiplied by
the steps that the configs ask for. A line of a table a config: steps and seconds of both, and their ratio. Where all
of both has been trained, `--results` reads the seconds from Results/NAME/training.csv instead."""

import argparse
import csv
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path


def last(path):
    """Steps and seconds of a training."""
    with open(path, newline="") as file:
        row = list(csv.DictReader(file))[-1]
    return int(row["step"]), float(row["seconds"])


def steps(config):
    """How many steps a config's training has."""
    found = re.search(r"^training:(?: \{|\s*\n  )(?:[^#}]*?\b)?steps: (\d+)", config.read_text(), re.MULTILINE)
    if not found:
        sys.exit(f"{config}: no training.steps")
    return int(found[1])


def train(program, config, count, folder, changes=()):
    """Trains a config for so many steps, and returns the seconds of one."""
    command = [program, "train", config, "--output", folder, "--quiet", "--set", f"training.steps={count}"]
    for change in changes:
        command += ["--set", change]
    subprocess.run(command, check=True, env=os.environ | {"SCORE_SDE_MODELS": str(folder.parent / "models")})
    done, seconds = last(folder / "training.csv")
    return seconds / done


def main():
    parser = argparse.ArgumentParser(description="Seconds of trainings of few steps and of their teachers")
    parser.add_argument("program", help="score-sde")
    parser.add_argument("configs", nargs="+", type=Path, help="configs whose teacher is a results folder")
    parser.add_argument("--steps", type=int, default=200, help="that are trained of each (default: 200)")
    parser.add_argument("--results", action="store_true", help="read whole trainings from Results instead")
    arguments = parser.parse_args()
    print("| config | steps | seconds | teacher's steps | teacher's seconds | ratio |\n|---|---|---|---|---|---|")
    for config in arguments.configs:
        name = re.search(r"\bteacher: \S*/([\w-]+)\b", config.read_text())
        if not name:
            sys.exit(f"{config}: no teacher that is a results folder")
        teacher = config.with_name(f"{name[1]}.yaml")
        if arguments.results:
            root = config.resolve().parent.parent / "Results"
            (count, own), (others, theirs) = (last(root / c.stem / "training.csv") for c in (config, teacher))
        else:
            count, others = steps(config), steps(teacher)
            rates = []
            # Networks that were trained are used again: each turn has a store of its own.
            for _ in range(3):
                with tempfile.TemporaryDirectory() as folder:
                    place = Path(folder)
                    b = train(arguments.program, teacher, arguments.steps, place / "teacher")
                    whose = [f"training.initial={place}/teacher", f"training.objective.teacher={place}/teacher"]
                    rates.append((train(arguments.program, config, arguments.steps, place / "own", whose), b))
            own, theirs = (count * statistics.median(a for a, _ in rates),
                           others * statistics.median(b for _, b in rates))
        print(f"| `{config.stem}` | {count} | {own:.0f} | {others} | {theirs:.0f} | {own / theirs:.2f} |", flush=True)


if __name__ == "__main__":
    main()
