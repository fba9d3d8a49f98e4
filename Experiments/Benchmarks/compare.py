# SPDX-License-Identifier: GPL-3.0-or-later
"""Times our program beside its peers in one run: python compare.py [--cases a,b] [--rounds N] ...

Every program speaks one protocol: `PROGRAM CASE` sets up, warms up and prints `ready`; for each line
`go` on its standard input it runs one repetition and prints {"seconds": s}, seconds per unit of the
case, where accuracy is compared too with "error" (root mean square) and "largest_error" (over rows)
beside it; it exits at the end of its input. All programs of a case are started, then take turns
(ours, peer, ours, peer, ...), so that one only computes at a time and a slow moment of the machine
hits all alike.
A ratio is theirs/ours within one round; the table shows the median, the smallest and the largest.

Standard library only; the peers run under the interpreter that runs this file (requirements.txt).
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# Case -> (unit, peers). `-columns` stores one sample a column: less natural to write, but their fastest. `-single` runs
# on one thread, where SciPy was the faster.
CASES = {
    "train-128": ("training step", ["torch"]),
    "train-256": ("training step", ["torch"]),
    # Consistency training, and Lagrangian self-distillation of a flow map, which takes a derivative of the network.
    "few-step-consistency": ("training step", ["torch"]),
    "few-step-lagrangian": ("training step", ["torch"]),
    "sample-128": ("run", ["torch"]),
    "mixture-em": ("run", ["torch", "torch-columns", "jax", "jax-columns"]),
    "mixture-flow": ("run", ["scipy", "scipy-single", "diffrax"]),
    "mixture-flow-accuracy": ("run", ["scipy", "scipy-single", "diffrax"]),  # ours at 5e-5, theirs at 1e-5
    **{f"unet-{name}-forward": ("forward pass", ["torch", "torch-channels_last", "openvino"])
       for name in ("small", "mid", "cifar10")},
    **{f"unet-{name}-train": ("training step", ["torch", "torch-channels_last"])
       for name in ("small", "mid", "cifar10")},
    # Ours with intervals, theirs without; of 10,000 rows in 64 dimensions.
    **{f"metrics-{name}": ("metric", ["metrics"])
       for name in ("sliced", "energy", "mmd", "kid", "ks", "frechet", "wasserstein", "sinkhorn")},
    "metrics": ("all of them", ["metrics"]),
    # Posterior sampling on networks with initial weights.
    **{f"posterior-{method}-{network}": ("run", ["azula", "deepinv"] if method == "dps" else ["azula"])
       for method in ("dps", "pigdm", "smc") for network in ("mlp", "unet")},
}
# Where a repetition of a peer takes minutes.
MOST_ROUNDS = {"metrics-wasserstein": 1, "metrics-sinkhorn": 1, "metrics": 1}
COLUMNS = ["case", "unit", "peer", "ours", "theirs", "ratio", "ratio_min", "ratio_max", "rounds", "our_error",
           "their_error", "our_largest_error", "their_largest_error"]
PAUSE = 0.2  # seconds between repetitions, in which the threads of an idle program stop spinning


class Failure(Exception):
    pass


class Program:
    """One side of the conversation; its standard error goes to ours."""

    def __init__(self, name, command):
        self.name = name
        self.error, self.largest_error = "", ""
        try:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        except OSError as error:
            raise Failure(f"{name}: cannot start {command[0]}: {error.strerror}") from None
        try:
            answer = self.read()
            if answer != "ready":
                raise Failure(f"{name}: expected 'ready', got '{answer}'")
        except BaseException:
            self.close()
            raise

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise Failure(f"{self.name}: ended with exit code {self.process.wait()}")
        return line.strip()

    def repetition(self):
        time.sleep(PAUSE)
        try:
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Failure(f"{self.name}: ended with exit code {self.process.wait()}") from None
        answer = self.read()
        try:
            answers = json.loads(answer)
            if "error" in answers:
                self.error, self.largest_error = float(answers["error"]), float(answers["largest_error"])
            return float(answers["seconds"])
        except (ValueError, KeyError, TypeError):
            raise Failure(f"{self.name}: expected {{\"seconds\": s}}, got '{answer}'") from None

    def close(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def peer_command(peer, case, threads):
    library, _, layout = peer.partition("-")
    script = library
    for prefix, name in (("unet", "unet"), ("mixture-flow", "flow"), ("metrics", "metrics"), ("posterior", "posterior"),
                         ("few-step", "few")):
        if case.startswith(prefix):
            script = name
    if layout == "single":
        threads, layout = 1, ""
    command = [sys.executable, str(HERE / f"peer_{script}.py"), case, "--threads", str(threads)]
    if library == "openvino" or script in ("flow", "posterior"):
        command += ["--engine", library]
    return command + (["--layout", layout] if layout else [])


def measure(case, arguments, failures):
    """The rows of one case. A peer that fails is left out; our own failure ends the case."""
    unit, peers = CASES[case]
    ours = Program("ours", [arguments.bench, case])
    programs = [ours]
    try:
        for peer in peers:
            try:
                programs.append(Program(peer, peer_command(peer, case, arguments.threads)))
            except Failure as failure:
                failures.append(f"{case}: {failure}")
        seconds = {program.name: [] for program in programs}
        rounds = min(arguments.rounds, MOST_ROUNDS.get(case, arguments.rounds))
        for _ in range(rounds):
            for program in programs:
                seconds[program.name].append(program.repetition())
    finally:
        for program in programs:
            program.close()
    for program in programs[1:]:
        ratios = [theirs / mine for mine, theirs in zip(seconds["ours"], seconds[program.name])]
        yield {"case": case, "unit": unit, "peer": program.name,
               "ours": statistics.median(seconds["ours"]), "theirs": statistics.median(seconds[program.name]),
               "ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios),
               "rounds": rounds, "our_error": ours.error, "their_error": program.error,
               "our_largest_error": ours.largest_error, "their_largest_error": program.largest_error}


def duration(seconds):
    return f"{seconds:.3f} s" if seconds >= 0.1 else f"{seconds * 1e3:.3f} ms"


LINE = "{:<20} {:<14} {:<20} {:>11} {:>11} {:>8}  {}"


def show(row):
    spread = f"{row['ratio_min']:.2f}-{row['ratio_max']:.2f}"
    accuracy = f"  error {row['our_error']:.1e}, theirs {row['their_error']:.1e}" if row["our_error"] != "" else ""
    print(LINE.format(row["case"], row["unit"], row["peer"], duration(row["ours"]), duration(row["theirs"]),
                      f"{row['ratio']:.2f}", spread + accuracy), flush=True)


def write(rows, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    with temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
    temporary.replace(path)


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def cases(text):
    names = text.split(",")
    for name in names:
        if name not in CASES:
            raise argparse.ArgumentTypeError(f"unknown case '{name}' (known: {', '.join(CASES)})")
    return names


def main():
    parser = argparse.ArgumentParser(description="Time score-sde-bench beside its peers.")
    parser.add_argument("--bench", default=str(ROOT / ".build/release/score-sde-bench"), help="our program")
    parser.add_argument("--cases", type=cases, default=list(CASES), metavar="A,B", help=", ".join(CASES))
    parser.add_argument("--rounds", type=positive, default=7)
    parser.add_argument("--threads", type=positive, default=2, help="of the peers")
    parser.add_argument("--output", type=Path, default=ROOT / "Results/Benchmarks/benchmarks.csv")
    arguments = parser.parse_args()

    print(LINE.format("case", "unit", "peer", "ours", "theirs", "ratio", "min-max"), flush=True)
    rows, failures = [], []
    for case in arguments.cases:
        try:
            for row in measure(case, arguments, failures):
                show(row)
                rows.append(row)
        except Failure as failure:
            failures.append(f"{case}: {failure}")
    if rows:
        write(rows, arguments.output)
        print(f"wrote {arguments.output}")
    for failure in failures:
        print(f"compare.py: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
