# SPDX-License-Identifier: GPL-3.0-or-later
"""Ranks beside threads, and beside PyTorch's DistributedDataParallel over gloo: make bench-ranks

Every round trains each network for the same number of steps by one process of two threads, by two ranks of one thread,
and by DDP with two processes of one thread, one after the other; the table has medians of the rounds. Goals: two ranks
make at least 0.95 of the images a second of two threads, and at least twice those of DDP.
"""
import argparse
import csv
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIGS = {"mlp": ("vp-digits", 256), "unet": ("vp-digits-unet", 64)}
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none"]
ENVIRONMENT = dict(
    os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_btl="self,vader")


def seconds_of_step(log):
    """From a fifth of the rows on: what comes before is a warm-up."""
    with open(log, newline="") as file:
        rows = list(csv.DictReader(file))
    first, last = rows[len(rows) // 5], rows[-1]
    return (float(last["seconds"]) - float(first["seconds"])) / (int(last["step"]) - int(first["step"]))


def train(program, config, steps, ranks, threads, launcher=None, environment=ENVIRONMENT, settings=()):
    """The seconds of a training step."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(program), "train", str(config), "--output", f"{folder}/out", "--quiet", "--threads", str(threads),
                   "--set", f"training.steps={steps}"]
        for setting in settings:
            command += ["--set", setting]
        launch = launcher or MPIRUN + ["-n", str(ranks)]
        done = subprocess.run(
            (launch if ranks > 1 else []) + command, env=dict(environment, SCORE_SDE_MODELS=f"{folder}/models"),
            capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr}")
        return seconds_of_step(f"{folder}/out/training.csv")


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=str(ROOT / ".build/release/score-sde"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=4000, help="of the MLP; the U-Net has an eighth")
    parser.add_argument("--cases", default="mlp,unet")
    parser.add_argument("--without-peer", action="store_true", help="no PyTorch")
    parser.add_argument("--output", default=str(ROOT / "Results/Benchmarks/ranks.csv"))
    options = parser.parse_args()
    rows = []
    for case in options.cases.split(","):
        (name, batch), steps = CONFIGS[case], options.steps if case == "mlp" else max(40, options.steps // 8)
        config = ROOT / f"Experiments/{name}.yaml"
        found = {"threads": [], "ranks": [], "ddp": []}
        for number in range(options.rounds):
            found["threads"].append(train(options.program, config, steps, 1, 2))
            found["ranks"].append(train(options.program, config, steps, 2, 1))
            if not options.without_peer:
                peer = subprocess.run(
                    [sys.executable, str(ROOT / "Experiments/Benchmarks/peer_ddp.py"), case, "--steps",
                     str(max(50, steps // 20))], capture_output=True, text=True)
                if peer.returncode != 0:
                    sys.exit(f"peer_ddp.py: {peer.stderr}")
                found["ddp"].append(float(peer.stdout.split()[-1]))
        median = {key: statistics.median(values) for key, values in found.items() if values}
        row = {"case": case, "batch": batch, "rounds": options.rounds, "processor": processor()}
        for key in found:
            row[f"{key}_images_a_second"] = f"{batch / median[key]:.0f}" if key in median else ""
        pairs = [a / b for a, b in zip(found["threads"], found["ranks"])]
        row["to_threads"] = f"{statistics.median(pairs):.3f}"
        row["to_threads_range"] = f"{min(pairs):.3f}-{max(pairs):.3f}"
        peers = [a / b for a, b in zip(found["ddp"], found["ranks"])]
        row["to_ddp"] = f"{statistics.median(peers):.2f}" if peers else ""
        rows.append(row)
        print(", ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    path = pathlib.Path(options.output)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows(rows)
    print(path)


if __name__ == "__main__":
    main()
