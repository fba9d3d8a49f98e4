# SPDX-License-Identifier: GPL-3.0-or-later
"""Ranks under mpirun: the bytes of one process, whatever their number; and what becomes of them when one dies.

Every run is compared with one of a single process without mpirun: tables without their columns of seconds, every other
file to the last bit. `make ranks` runs all; `--short` is what .ci/run has. Deaths: a random rank gets SIGKILL, or
SIGSTOP, at a random moment of its life; all ranks must be gone within ten seconds, and the same command with another
number of ranks goes on to the same bytes.
"""
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

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "Faults"))
from life import Life, difference  # noqa: E402

# 8 lanes of 64 rows; 71,000 parameters, which are two chunks; samples of three shards.
MLP = """
name: ranks
seed: 3
data: {kind: digits}
process: {kind: vp}
score: {kind: network, prediction: noise, network: {kind: mlp, hidden: [160, 160]}}
training: {steps: 60, batch: 2048, warmup: 5, checkpoint: {steps: 7}}
sampling:
  count: 700
  solvers:
    - {name: em, kind: euler-maruyama, steps: 20}
    - {name: ode, kind: probability-flow, integrator: rkf45, rtol: 1.0e-3, atol: 1.0e-3}
evaluation: {metrics: [sliced-wasserstein, mmd, kolmogorov-smirnov, vendi]}
"""
# 8 lanes of 32 rows; moving averages are read at every step, and pictures are drawn meanwhile.
UNET = """
name: ranks
seed: 3
data: {kind: digits}
process: {kind: vp}
score:
  kind: network
  prediction: velocity
  network: {kind: unet, channels: [8, 16], blocks: 1}
training: {steps: 24, batch: 256, warmup: 5, preview: {steps: 10, count: 8}, checkpoint: {steps: 5}}
sampling:
  count: 300
  solvers: [{name: heun, kind: heun, steps: 4}]
evaluation: {metrics: [sliced-wasserstein]}
"""
LONGEST = 10


def surroundings(models):
    """A root of a container is nobody's administrator; and nothing goes over a network here."""
    return dict(
        os.environ, SCORE_SDE_MODELS=str(models), OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
        OMPI_MCA_btl="self,vader")


class Ranked(Life):
    """A life whose command several ranks share; without mpirun where there is one."""

    def __init__(self, folder, program, text, ranks=1, threads=1):
        super().__init__(folder, program, threads)
        self.text, self.ranks = text, ranks

    def begin(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / "small.yaml").write_text(self.text)

    def start(self, environment={}, extra=(), command="run"):
        launcher = [] if self.ranks == 1 else [
            "mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(self.ranks)]
        variables = dict(surroundings(self.models), **environment)
        return subprocess.Popen(
            launcher + [self.program, command, str(self.folder / "small.yaml"), "--output", str(self.results), "--quiet",
                        "--threads", str(self.threads), *extra],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables)


def processes_of(life, launcher):
    """The ranks of a launcher, by their numbers."""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if f"PPid:\t{launcher.pid}\n" not in (path / "status").read_text():
                continue
            for entry in (path / "environ").read_bytes().split(b"\0"):
                if entry.startswith(b"OMPI_COMM_WORLD_RANK="):
                    found[int(entry.split(b"=")[1])] = int(path.name)
        except OSError:
            pass
    return found


def lives(pid):
    """Whether a process is there; nobody may have asked for the end of one that is dead."""
    try:
        return ") Z" not in pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def own_lines(errors):
    return [line for line in errors.splitlines() if line.startswith("score-sde: ") and ": note:" not in line]


class Check:
    def __init__(self, options, work):
        self.options, self.work, self.failures, self.count = options, work, 0, 0

    def __call__(self, what, is_good, detail=""):
        self.count += 1
        if not is_good:
            self.failures += 1
            print(f"NOT: {what}: {detail}", flush=True)

    def life(self, name, text, ranks=1, threads=1):
        life = Ranked(f"{self.work}/{name}", self.options.program, text, ranks, threads)
        life.begin()
        return life

    def same(self, what, life, whole, code, errors):
        different = difference(life.contents(), whole.contents()) if code == 0 else ["all"]
        self(what, code == 0 and not different and life.kept() == whole.kept() and not life.leftovers(),
             f"exit code {code}, different: {different}, left: {life.leftovers()}, {errors.strip()[-400:]}")


def bytes_of_ranks(check, name, text, numbers):
    whole = check.life(f"{name}-whole", text)
    code, errors = whole.run()
    check(f"{name}: one process", code == 0, errors)
    for ranks, threads in numbers:
        life = check.life(f"{name}-{ranks}-{threads}", text, ranks, threads)
        code, errors = life.run()
        check.same(f"{name}: {ranks} ranks, {threads} threads", life, whole, code, errors)
    return whole


def interrupted(check, name, text, whole, count, draw):
    """Ctrl-C goes to mpirun, which asks all ranks to end; the next number of ranks goes on."""
    for i in range(count):
        life = check.life(f"{name}-stopped", text, draw.choice([2, 4]), draw.choice([1, 2]))
        number = life.ranks
        process = life.start(extra=("--set", "training.steps=100000") if i < 0 else ())
        limit = time.monotonic() + 30
        unfinished = draw.random() < 0.8
        while unfinished and process.poll() is None and not any(life.models.glob("*.unfinished.*")):
            if time.monotonic() > limit:
                break
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 0.3))
        process.send_signal(draw.choice([signal.SIGINT, signal.SIGTERM]))
        begin = time.monotonic()
        _, errors = process.communicate()
        check(f"{name}: {number} ranks end when asked to", time.monotonic() - begin < LONGEST, errors[-300:])
        life.ranks = draw.choice([n for n in (1, 2, 4) if n != number])
        code, errors = life.run()
        check.same(f"{name}: {number} ranks stopped, {life.ranks} go on", life, whole, code, errors)


def deaths(check, text, whole, count, draw):
    begin = time.monotonic()
    life = check.life("timed", text, 2)
    life.run()
    seconds = time.monotonic() - begin
    longest, hit = 0.0, {"killed": 0, "stopped": 0}
    done = 0
    while done < count:
        number = draw.choice([2, 4])
        life = check.life("dead", text, number, draw.choice([1, 2]))
        process = life.start()
        time.sleep(draw.uniform(0.1, seconds))
        ranks = processes_of(life, process)
        if len(ranks) < number or process.poll() is not None:
            process.communicate()
            continue
        victim = draw.randrange(number)
        stops = done % 2 == 1
        try:
            os.kill(ranks[victim], signal.SIGSTOP if stops else signal.SIGKILL)
        except ProcessLookupError:
            process.communicate()
            continue
        begin = time.monotonic()
        try:
            _, errors = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            errors = "a hang of 60 s"
            for pid in ranks.values():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            process.kill()
            process.communicate()
        # mpirun may be gone before those that it has killed.
        left = [pid for pid in ranks.values() if lives(pid)]
        while left and time.monotonic() - begin < LONGEST:
            time.sleep(0.02)
            left = [pid for pid in ranks.values() if lives(pid)]
        took = time.monotonic() - begin
        if process.returncode == 0 and not stops:
            continue
        done += 1
        longest = max(longest, took)
        hit["stopped" if stops else "killed"] += 1
        what = f"rank {victim} of {number} {'stopped' if stops else 'killed'}"
        if process.returncode != 0:
            check(f"{what}: an end within {LONGEST} s", took < LONGEST and not left, f"{took:.1f} s, left {left}")
            # One that has not come to the start of MPI yet has no number for the others.
            named = [line for line in errors.splitlines() if f"rank {victim} " in line or "not all ranks have" in line]
            check(f"{what}: one line that names it", len(named) == 1, errors)
        life.ranks = draw.choice([n for n in (1, 2, 4) if n != number])
        code, errors = life.run()
        check.same(f"{what}: {life.ranks} ranks go on", life, whole, code, errors)
    print(f"deaths: {hit['killed']} killed, {hit['stopped']} stopped; the longest end took {longest:.1f} s", flush=True)


def refusals(check):
    life = check.life("wrong", MLP.replace("noise,", "nois,"), 2)
    code, errors = life.run()
    check("a wrong config: one line, exit code 2", code == 2 and len(own_lines(errors)) == 1, (code, errors))
    life = check.life("wrong-command", MLP, 2)
    code, errors = life.run(command="check")
    check("a command that ranks do not share", code == 2 and len(own_lines(errors)) == 1, (code, errors))
    life = check.life("many", MLP, 9)
    code, errors = life.run()
    check("more ranks than lanes", code == 2 and len(own_lines(errors)) == 1 and "at most 8" in errors, (code, errors))
    life = check.life("starter", MLP)
    code, errors = life.run({"PMI_SIZE": "2", "PMI_RANK": "0"})
    check("the starter of another MPI", code == 2 and len(own_lines(errors)) == 1 and "0 of 2" in errors, (code, errors))
    check("nothing was written", not life.results.exists() and not life.models.exists())
    life = check.life("two-configs", MLP)
    (life.folder / "other.yaml").write_text(MLP.replace("count: 700", "count: 701"))
    command = ["mpirun", "--oversubscribe", "--bind-to", "none"]
    for config in ("small.yaml", "other.yaml"):
        own = [check.options.program, "run", str(life.folder / config), "--output", str(life.results), "--quiet"]
        command += ["-n", "1", *own, ":"]
    done = subprocess.run(command[:-1], env=surroundings(life.models), capture_output=True, text=True, timeout=60)
    is_told = len(own_lines(done.stderr)) == 1 and "others than those of rank 0" in done.stderr
    check("ranks of two configs", done.returncode != 0 and is_told, (done.returncode, done.stderr))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=".build/release/score-sde")
    parser.add_argument("--deaths", type=int, default=20)
    parser.add_argument("--stops", type=int, default=6, help="interrupted runs of each network")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="seconds of it")
    options = parser.parse_args()
    work = tempfile.mkdtemp()
    draw = random.Random(options.seed)
    check = Check(options, work)
    try:
        refusals(check)
        numbers = [(2, 1), (4, 2)] if options.short else [(1, 2), (2, 1), (2, 2), (3, 1), (4, 1), (4, 2), (8, 1)]
        mlp = bytes_of_ranks(check, "mlp", MLP, numbers)
        unet = bytes_of_ranks(check, "unet", UNET, numbers[:1] if options.short else numbers)
        interrupted(check, "mlp", MLP, mlp, 1 if options.short else options.stops, draw)
        if not options.short:
            interrupted(check, "unet", UNET, unet, options.stops, draw)
        deaths(check, MLP, mlp, 2 if options.short else options.deaths, draw)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"{check.count} checks, {check.failures} not as promised", flush=True)
    sys.exit(check.failures > 0)


main()
