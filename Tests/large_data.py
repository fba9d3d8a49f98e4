#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains on a data set that is larger than what the program may hold, and reports the most memory that it had.

Usage: Tests/large_data.py [PROGRAM] [--gib N] [--limit MIB] [--gzip]

The data are an IDX file of 32 x 32 images, N GiB long (3 by default), of which all but a few are zeros that take no
room on the disk. `validate` and a `run` of ten training steps must each stay below the limit (default 512 MiB). With
--gzip the file is packed first, and lies unpacked in TMPDIR while the program runs.
"""
import argparse, gzip, os, resource, shutil, subprocess, sys, tempfile, time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("program", nargs="?", default=".build/release/score-sde")
parser.add_argument("--gib", type=float, default=3)
parser.add_argument("--limit", type=int, default=512, help="MiB")
parser.add_argument("--gzip", action="store_true")
options = parser.parse_args()

CONFIG = """\
name: large
data: {kind: idx, path: images, labels: labels, held_out: {share: 0.001}}
process: {kind: vp}
score: {kind: network, prediction: edm, network: {kind: unet, channels: [8], blocks: 1, attention: [16]}}
training: {steps: 10, batch: 16, weighting: edm}
sampling: {count: 4, solvers: [{name: em, kind: euler-maruyama, steps: 3}]}
evaluation: {metrics: [sliced-wasserstein]}
"""


def measured(arguments, folder):
    """Seconds, and the peak resident memory in MiB, of a command that must succeed."""
    start = time.time()
    process = subprocess.Popen(arguments, cwd=folder, env=dict(os.environ, SCORE_SDE_MODELS=folder + "/models"))
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(arguments)}: exit {os.waitstatus_to_exitcode(status)}")
    return time.time() - start, usage.ru_maxrss / 1024


folder = tempfile.mkdtemp(prefix="score-sde-large-")
try:
    program = os.path.abspath(options.program)
    count = int(options.gib * 2**30) // 1024
    header = lambda sizes: bytes([0, 0, 8, len(sizes)]) + b"".join(n.to_bytes(4, "big") for n in sizes)
    with open(folder + "/images", "wb") as file:
        file.write(header([count, 32, 32]))
        for index in range(0, count, max(1, count // 1000)):
            file.seek(16 + 1024 * index)
            file.write(os.urandom(1024))
        file.truncate(16 + 1024 * count)
    with open(folder + "/labels", "wb") as file:
        file.write(header([count]) + bytes(i % 10 for i in range(count)))
    if options.gzip:
        with open(folder + "/images", "rb") as plain, gzip.open(folder + "/packed", "wb", compresslevel=1) as packed:
            shutil.copyfileobj(plain, packed, 1 << 20)
        os.replace(folder + "/packed", folder + "/images")
    with open(folder + "/large.yaml", "w") as file:
        file.write(CONFIG)
    failed = False
    for command in (["validate"], ["run"]):
        arguments = [program] + command + ["large.yaml"] + (["--output", "out", "--quiet"] if command == ["run"] else [])
        seconds, peak = measured(arguments, folder)
        failed |= peak > options.limit
        print(
            f"{command[0]}: {count} images of 1024 bytes, {options.gib:g} GiB: peak {peak:.0f} MiB "
            f"(allowed: {options.limit}), {seconds:.1f} s", flush=True)
    sys.exit(1 if failed else 0)
finally:
    shutil.rmtree(folder)
