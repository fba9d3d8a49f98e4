# SPDX-License-Identifier: GPL-3.0-or-later
"""Stops trainings by SIGINT and lets them go on, many times: every one must end with 130 and come to the bytes of an
undisturbed training. `make interruptions` runs it; Tests/CommandsTests has the short form."""
import argparse
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

UNET = [
    "--set", "score.network={kind: unet, channels: [16, 16], groups: 8}", "--set", "data={kind: digits}",
    "--set", "training.batch=32",
]
CASES = [("MLP", 1, 2000, []), ("MLP", 2, 2000, []), ("U-Net", 1, 150, UNET), ("U-Net", 2, 150, UNET)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=".build/release/score-sde")
    parser.add_argument("--count", type=int, default=25, help="interruptions of each of the four cases")
    options = parser.parse_args()
    # A shell's background jobs ignore SIGINT, and would hand that on to the trainings.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    delays = random.Random(1)
    failures = 0
    for name, threads, steps, extra in CASES:
        work = pathlib.Path(tempfile.mkdtemp())

        def train(folder):
            return subprocess.Popen(
                [options.program, "train", "Experiments/vp-moons.yaml", "--output", str(work / folder), "--quiet",
                 "--threads", str(threads), "--set", f"training.steps={steps}", *extra],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env=dict(os.environ, SCORE_SDE_MODELS=str(work / folder / "models")))

        begin = time.monotonic()
        if train("whole").wait() != 0:
            sys.exit(f"{name}: an undisturbed training failed")
        seconds = time.monotonic() - begin
        whole = (work / "whole/checkpoint.safetensors").read_bytes()
        stopped = right = 0
        while stopped < options.count:
            shutil.rmtree(work / "stopped", ignore_errors=True)
            process = train("stopped")
            time.sleep(delays.uniform(0.08, 0.8 * seconds))
            process.send_signal(signal.SIGINT)
            code = process.wait()
            if code == 0:
                # The machine was busier when the whole training was timed.
                seconds *= 0.8
                continue
            stopped += 1
            again = train("stopped").wait()
            same = again == 0 and (work / "stopped/checkpoint.safetensors").read_bytes() == whole
            right += code == 130 and same
            if code != 130 or not same:
                print(f"{name}, {threads} threads: exit code {code}, then {again}, same bytes: {same}")
        print(f"{name}, {threads} threads: {right} of {stopped}", flush=True)
        failures += stopped - right
        shutil.rmtree(work)
    sys.exit(failures > 0)


main()
