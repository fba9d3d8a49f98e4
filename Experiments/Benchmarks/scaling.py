# SPDX-License-Identifier: GPL-3.0-or-later
"""How our U-Nets use the processor: python scaling.py [--bench PROGRAM] [--rounds N] [--output CSV]

For each U-Net: seconds of a forward pass and of a training step by threads and by batch size, GFLOP/s of its
convolutions and products, the share of that in what dnnl_sgemm reaches on 2048 x 2048 x 2048 in the same run, and
peak memory. GFLOP are counted as for direct convolutions (2 operations a tap; a training step is three forward
passes), so that Winograd's filtering can exceed 100 %. Standard library only.
"""

import argparse
import csv
import json
import re
import statistics
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# Convolutions and linear layers of a forward pass for one image, counted with PyTorch's hooks.
GFLOP = {"small": 2.05 / 64, "mid": 48.1 / 16, "cifar10": 48.4 / 4}
BATCHES = {"small": [16, 64, 256], "mid": [4, 16, 64], "cifar10": [1, 4, 16]}
COLUMNS = ["case", "batch", "threads", "seconds", "gflops", "share_of_sgemm", "peak_mib"]


def measure(command, rounds):
    """Median seconds per unit, and the peak memory where the program tells it."""
    process = subprocess.run(command, input="go\n" * rounds, capture_output=True, text=True, check=True)
    seconds = [json.loads(line)["seconds"] for line in process.stdout.splitlines() if line.startswith("{")]
    peak = re.search(r"peak (\d+) MiB", process.stderr)
    return statistics.median(seconds), int(peak.group(1)) if peak else ""


def main():
    parser = argparse.ArgumentParser(description="Scaling of our U-Nets")
    parser.add_argument("--bench", default=str(ROOT / ".build/release/score-sde-bench"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=ROOT / "Results/Benchmarks/unets.csv")
    arguments = parser.parse_args()
    sgemm = {t: 1e-9 / measure([arguments.bench, "matrix-product-2048", "--threads", str(t)], arguments.rounds)[0]
             for t in (1, 2)}
    print(f"dnnl_sgemm on 2048^3: {sgemm[1]:.0f} GFLOP/s on one thread, {sgemm[2]:.0f} on two")
    rows = []
    for name, batches in BATCHES.items():
        for kind, passes in (("forward", 1), ("train", 3)):
            for batch, threads in [(b, 2) for b in batches] + [(batches[1], 1)]:
                command = [arguments.bench, f"unet-{name}-{kind}", "--batch", str(batch), "--threads", str(threads)]
                seconds, peak = measure(command, arguments.rounds)
                rate = passes * GFLOP[name] * batch / seconds
                rows.append(dict(zip(COLUMNS, [f"unet-{name}-{kind}", batch, threads, f"{seconds:.6g}", f"{rate:.4g}",
                                               f"{rate / sgemm[threads]:.3g}", peak])))
                print("{case:<22} batch {batch:<4} threads {threads}  {seconds:>10} s  {gflops:>6} GFLOP/s  "
                      "{share_of_sgemm:>5} of sgemm  {peak_mib} MiB".format(**rows[-1]), flush=True)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    temporary = arguments.output.with_name(arguments.output.name + ".part")
    with temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    temporary.replace(arguments.output)
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
