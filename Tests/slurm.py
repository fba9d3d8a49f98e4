# SPDX-License-Identifier: GPL-3.0-or-later
"""A sweep as an array job of a real Slurm, whose tasks are killed at random: its table has the bytes of a local sweep.

Starts Slurm on this machine (slurm_cluster.py), submits a sweep, and ends tasks at random moments: by SIGKILL, by
`scancel`, by `scontrol requeue`, and by the SIGTERM that Slurm sends before a time limit; slurmd is restarted once
meanwhile. Whatever is left when the queue is empty is submitted again by the same command. At the end `--collect` must
make the table of an undisturbed local sweep, and every file of every run must be the same, but for columns of seconds.
`make slurm-test` runs it.
"""
import argparse
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from slurm_cluster import Cluster, ClusterError, end_in_order
import sweep_kills

WAYS = ("SIGKILL", "scancel", "scontrol requeue", "SIGTERM")
CONFIG = """\
name: s
data: {{kind: two-moons, count: 2000, held_out: 500}}
process: {{kind: vp}}
score: {{kind: network, network: {{kind: mlp, hidden: [64, 64], features: 16}}}}
training: {{steps: {steps}, batch: 128, checkpoint: {{steps: 500}}}}
sampling: {{count: 200, solvers: [{{name: em, kind: euler-maruyama, steps: 20}}]}}
evaluation: {{metrics: [sliced-wasserstein]}}
sweep: {{seed: {seeds}, sampling.solvers.em.steps: [10, 20]}}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=".build/release/score-sde")
    parser.add_argument("--runs", type=int, default=24, help="of the sweep; every two of them share a network")
    parser.add_argument("--kills", type=int, default=10, help="how many tasks are ended while they run")
    parser.add_argument("--steps", type=int, default=30000, help="of each training")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.runs < 2 or options.runs % 2 or options.kills < 0 or options.steps < 1:
        parser.error("--runs takes 2, 4, …; --kills 0 or more; --steps 1 or more")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end_in_order)
    work = pathlib.Path(tempfile.mkdtemp(prefix="score-sde it's a "))
    try:
        with Cluster() as cluster:
            study = Study(cluster, work, options)
            problems = study.run()
        if left := cluster.steps():
            problems.append(f"processes of Slurm are left: {left}")
    except ClusterError as error:
        sys.exit(f"slurm.py: {error}")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    for problem in problems:
        print(f"slurm.py: {problem}", file=sys.stderr)
    sys.exit(len(problems) > 0)


class Study:
    def __init__(self, cluster, work, options):
        self.cluster, self.work, self.options = cluster, work, options
        self.draw = random.Random(options.seed)
        self.program = str(pathlib.Path(options.program).resolve())
        # Each way equally often, in a random order.
        self.ways = self.draw.sample(WAYS, len(WAYS))
        self.problems, self.commands = [], []
        (work / "s.yaml").write_text(
            CONFIG.format(steps=options.steps, seeds=list(range(1, options.runs // 2 + 1))))

    def sweep(self, name, *arguments):
        return subprocess.run(
            [self.program, "sweep", "s.yaml", "--output", name, *arguments], cwd=self.work, capture_output=True,
            text=True, env=dict(self.cluster.environment, SCORE_SDE_MODELS=f"{name} models"))

    def require(self, is_so, words):
        if not is_so:
            self.problems.append(words)

    def run(self):
        begin = time.monotonic()
        local = self.sweep("local", "--quiet")
        if local.returncode != 0:
            return [f"an undisturbed local sweep failed: {local.stderr}"]
        print(f"local: {self.options.runs} runs in {time.monotonic() - begin:.0f} s", flush=True)

        begin = time.monotonic()
        kills, rounds, restarts = [], 0, 0
        finished = {}
        while rounds < 5 * (self.options.kills + 2):
            answer = self.sweep("array", "--slurm", "--partition", "main", "--time", "20")
            self.require(answer.returncode == 0 and not answer.stderr, f"--slurm failed: {answer.stderr}")
            if "nothing to submit" in answer.stdout or self.problems:
                break
            rounds += 1
            while self.cluster.queued() and time.monotonic() - begin < 1800:
                if len(kills) < self.options.kills:
                    time.sleep(self.draw.uniform(0.1, 1.5))
                    kills += self.kill(self.ways[len(kills) % len(WAYS)])
                else:
                    time.sleep(0.3)
                if restarts == 0 and 2 * len(kills) >= self.options.kills:
                    self.cluster.restart_node(self.draw.choice([signal.SIGTERM, signal.SIGKILL]))
                    restarts += 1
            for command in self.commands:
                command.wait()
            self.check_what_is_done(finished)
            answer = self.sweep("array", "--collect", "--quiet")
            self.require(answer.returncode == 0 and bool(answer.stderr) == (len(finished) < self.options.runs),
                         f"--collect ended with {answer.returncode} at {len(finished)} runs: {answer.stderr}")
            for path in re.findall(r"log: (.*)$", answer.stderr, re.MULTILINE):
                self.require((self.work / path).is_file(), f"--collect names {path}, which is not there")
        self.judge(kills, rounds, restarts, time.monotonic() - begin)
        return self.problems

    def kill(self, way):
        """Ends a task that runs, if there is one.

        Returns: the way, and whether a checkpoint was there to go on from; an empty list where nothing was ended.
        """
        tasks = sorted(self.cluster.tasks().items())
        if not tasks:
            return []
        (job, index), process = self.draw.choice(tasks)
        task = f"{job}_{index}"
        begun = len(list((self.work / "array models").glob("*.unfinished.safetensors")))
        if way == "SIGKILL":
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                return []
        else:
            command = {"scancel": ["scancel", task], "scontrol requeue": ["scontrol", "requeue", task],
                       "SIGTERM": ["scancel", "--signal=TERM", "--batch", task]}[way]
            # It may try again for seconds where Slurm is about to begin or end the task.
            self.commands.append(self.cluster.begin(*command))
        end = time.monotonic() + 15
        while pathlib.Path(f"/proc/{process}").exists() and time.monotonic() < end:
            time.sleep(0.02)
        if pathlib.Path(f"/proc/{process}").exists():
            self.problems.append(f"task {task} goes on after {way}")
        if f"{index:03}" in sweep_kills.finished(self.work / "array"):
            return []  # It had come to its end.
        return [(way, begun > 0)]

    def check_what_is_done(self, finished):
        """Adds the runs that are done to those that were, none of which may have been done again."""
        for run, written in sweep_kills.finished(self.work / "array").items():
            self.require(finished.setdefault(run, written) == written, f"run {run} was done twice")

    def judge(self, kills, rounds, restarts, seconds):
        answer = self.sweep("array", "--collect")
        self.require(answer.returncode == 0, f"--collect says: {answer.stderr}")
        local, array = self.work / "local", self.work / "array"
        same = (local / "sweep.csv").read_bytes() == (array / "sweep.csv").read_bytes()
        self.require(same, "sweep.csv is another one than that of the local sweep")
        expected = sweep_kills.contents(local)
        found = {name: data for name, data in sweep_kills.contents(array).items() if not name.startswith("slurm/")}
        other = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        self.require(not other, f"these files are not those of the local sweep: {', '.join(other)}")
        self.require(len(kills) == self.options.kills, f"only {len(kills)} tasks could be ended")
        self.require(restarts == 1 or self.options.kills == 0, "slurmd was not restarted")
        verified = subprocess.run([self.program, "verify", "array"], cwd=self.work, capture_output=True, text=True)
        self.require(verified.returncode == 0, f"verify says: {verified.stdout} {verified.stderr}")
        ways = ", ".join(f"{sum(way == w for w, _ in kills)} {way}" for way in WAYS)
        print(f"Slurm: {self.options.runs} runs in {seconds:.0f} s; {len(kills)} tasks ended while they ran ({ways}), "
              f"{sum(begun for _, begun in kills)} of them with checkpoints in the store; slurmd restarted {restarts} "
              f"times; submitted {rounds} times; sweep.csv {'same bytes' if same else 'DIFFERENT'}, "
              f"{len(expected) - len(other)} of {len(expected)} files the same", flush=True)


if __name__ == "__main__":
    main()
