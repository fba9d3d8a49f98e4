# SPDX-License-Identifier: GPL-3.0-or-later
"""Ranks under mpirun: the bytes of one process, whatever their number; and what becomes of them when one dies.

Every run is compared with one of a single process without mpirun: tables without their columns of seconds, every other
file to the last bit. `make ranks` runs all; `--short` is what .ci/run has. Deaths: a random rank gets SIGKILL, or
SIGSTOP, at a random moment of its life; all ranks must be gone within ten seconds, and the same command with another
number of ranks goes on to the same bytes. A rank whose threads stand still but for that of MPI is what one looks like
that loops without end. Tests/Ranks/lives.c, over the program's own transport, does what a whole program does at unlucky
moments only.
"""
import argparse
import ctypes
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
evaluation: {metrics: [sliced-wasserstein, mmd, kolmogorov-smirnov, energy-distance, vendi, precision]}
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
ROOT = pathlib.Path(__file__).resolve().parents[1]
LAUNCH = ["mpirun", "--oversubscribe", "--bind-to", "none"]


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
        launcher = [] if self.ranks == 1 else LAUNCH + ["-n", str(self.ranks)]
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
        return is_good

    def life(self, name, text, ranks=1, threads=1):
        life = Ranked(f"{self.work}/{name}", self.options.program, text, ranks, threads)
        life.begin()
        return life

    def same(self, what, life, whole, code, errors):
        different = difference(life.contents(), whole.contents()) if code == 0 else ["all"]
        self(what, code == 0 and not different and life.kept() == whole.kept() and not life.leftovers(),
             f"exit code {code}, different: {different}, left: {life.leftovers()}, {errors.strip()[-400:]}")


def bytes_of_ranks(check, name, text, numbers):
    """One number of ranks goes without memory that they share, as on several machines."""
    whole = check.life(f"{name}-whole", text)
    code, errors = whole.run()
    check(f"{name}: one process", code == 0, errors)
    for ranks, threads in numbers:
        life = check.life(f"{name}-{ranks}-{threads}", text, ranks, threads)
        code, errors = life.run()
        check.same(f"{name}: {ranks} ranks, {threads} threads", life, whole, code, errors)
    life = check.life(f"{name}-apart", text, numbers[0][0] if numbers[0][0] > 1 else 4)
    code, errors = life.run({"SCORE_SDE_SHARED_MEMORY": "0"})
    check.same(f"{name}: {life.ranks} ranks by MPI alone", life, whole, code, errors)
    return whole


def interrupted(check, name, text, whole, count, draw):
    """Ctrl-C goes to mpirun, which asks all ranks to end; the next number of ranks goes on."""
    for i in range(count):
        life = check.life(f"{name}-stopped", text, draw.choice([2, 4]), draw.choice([1, 2]))
        number = life.ranks
        process = life.start()
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
        # The run was over before the signal took effect: no death.
        if process.returncode == 0:
            continue
        done += 1
        longest = max(longest, took)
        hit["stopped" if stops else "killed"] += 1
        what = f"rank {victim} of {number} {'stopped' if stops else 'killed'}"
        check(f"{what}: an end within {LONGEST} s", took < LONGEST and not left, f"{took:.1f} s, left {left}")
        # One that has not come to the start of MPI yet has no number for the others.
        named = [line for line in errors.splitlines() if f"rank {victim} " in line or "not all ranks have" in line]
        check(f"{what}: one line that names it", len(named) == 1, errors)
        life.ranks = draw.choice([n for n in (1, 2, 4) if n != number])
        code, errors = life.run()
        check.same(f"{what}: {life.ranks} ranks go on", life, whole, code, errors)
    print(f"deaths: {hit['killed']} killed, {hit['stopped']} stopped; the longest end took {longest:.1f} s", flush=True)


class Frozen:
    """Threads of a process that stand still, while its others go on: by ptrace, until the end of the block."""

    SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
    ALL = 0x40000000  # waitpid's __WALL: threads, too

    def __init__(self, threads):
        self.threads, self.held = threads, []

    def call(self, request, thread):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        if libc.ptrace(request, thread, None, None) != 0:
            raise OSError(ctypes.get_errno(), f"ptrace of thread {thread}")

    def __enter__(self):
        for thread in self.threads:
            self.call(self.SEIZE, thread)
            self.call(self.INTERRUPT, thread)
            os.waitpid(thread, self.ALL)
            self.held.append(thread)

    def __exit__(self, *error):
        for thread in self.held:
            try:
                self.call(self.DETACH, thread)
            except OSError:
                # It was killed; who holds it has to take note, or its process stays.
                os.waitpid(thread, self.ALL)


def hangs(check, text, whole, draw, victims):
    """The main thread of a rank stands still, and its process lives: the others find it by its lack of progress."""
    for victim in victims:
        life = check.life("hangs", text, 2)
        process = life.start(extra=("--rank-stall", "3"))
        while process.poll() is None and not any(life.models.glob("*.unfinished.*")):
            time.sleep(0.01)
        ranks = processes_of(life, process)
        what = f"the main thread of rank {victim} stands still"
        if check(f"{what}: it trains", len(ranks) == 2 and process.poll() is None):
            with Frozen([ranks[victim]]):
                begin = time.monotonic()
                _, errors = process.communicate(timeout=60)
                took = time.monotonic() - begin
            # mpirun could not bury it, and left that to others; while it is not, its files seem to be in use.
            while pathlib.Path(f"/proc/{ranks[victim]}").exists() and time.monotonic() < begin + 20:
                time.sleep(0.05)
            named = [line for line in own_lines(errors) if f"rank {victim} " in line and "has got no further" in line]
            check(f"{what}: an end after 3 s", 2 < took < LONGEST and process.returncode != 0, f"{took:.1f} s")
            check(f"{what}: one line that names it", len(named) == 1 == len(own_lines(errors)), errors)
        life.ranks = draw.choice([1, 4])
        code, errors = life.run()
        check.same(f"{what}: {life.ranks} ranks go on", life, whole, code, errors)


# Case of Tests/Ranks/lives.c -> exit code, a part of the one line that is said, seconds that it takes at most.
LIVES = {
    "letters": (0, None, 30),
    "slow": (0, None, 15),
    "loops": (1, "rank 1 (process", 8),
    "loops-at-the-end": (1, "rank 1 (process", 8),
    "deadlock": (1, "waits for others that wait for it", 12),
    "other-call": (1, "no longer do the same (transfers 2.7 and 3.7)", 5),
    "other-call-of-much": (1, "no longer do the same (transfers 2.7 and 3.7)", 5),
    "other-size": (1, "", 5),
    "fails-late": (5, "rank 1: no such file", 5),
    "one-fails": (4, "rank 1: what one has found", 6),
    "all-fail": (2, "what all have found", 12),
}


def lives_of_transport(check, cases):
    """With memory that ranks share, and without."""
    program = f"{check.work}/lives"
    sources = sorted((ROOT / "Sources/CRanks").glob("*.c"))
    subprocess.run(
        ["mpicc", "-O2", "-Wall", '-DSCORESDE_MPI_HEADER="mpi.h"', f"-I{ROOT}/Sources/CRanks/include", *map(str, sources),
         str(ROOT / "Tests/Ranks/lives.c"), "-o", program, "-lpthread"], check=True)
    for case in cases:
        expected, words, limit = LIVES[case]
        for shared in "10":
            note = pathlib.Path(f"{check.work}/note")
            note.unlink(missing_ok=True)
            environment = dict(surroundings(check.work), SCORE_SDE_SHARED_MEMORY=shared)
            begin = time.monotonic()
            done = subprocess.run(
                LAUNCH + ["-n", "3", program, case, str(note)], env=environment, capture_output=True, text=True, timeout=90)
            took = time.monotonic() - begin
            what = f"{case}, {'shared memory' if shared == '1' else 'MPI alone'}"
            check(f"{what}: exit code {expected}", done.returncode == expected, (done.returncode, done.stderr))
            check(f"{what}: within {limit} s", took < limit, f"{took:.1f} s")
            lines = own_lines(done.stderr)
            is_told = not lines if words is None else len(lines) == 1 and words in lines[0]
            check(f"{what}: the one line", is_told, done.stderr)
            if case == "letters":
                check(f"{what}: memory", done.stdout == f"sees {3 if shared == '1' else 1} of 3\n", done.stdout)
            if case == "all-fail":
                check(f"{what}: rank 0 has written", note.exists() and note.read_text() == "written")


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
    command = list(LAUNCH)
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
        lives_of_transport(check, ["letters"] if options.short else list(LIVES))
        numbers = [(2, 1), (4, 2)] if options.short else [(1, 2), (2, 1), (2, 2), (3, 1), (4, 1), (4, 2), (8, 1)]
        mlp = bytes_of_ranks(check, "mlp", MLP, numbers)
        unet = bytes_of_ranks(check, "unet", UNET, numbers[:1] if options.short else numbers)
        interrupted(check, "mlp", MLP, mlp, 1 if options.short else options.stops, draw)
        if not options.short:
            interrupted(check, "unet", UNET, unet, options.stops, draw)
        hangs(check, MLP, mlp, draw, [1] if options.short else [0, 1])
        deaths(check, MLP, mlp, 2 if options.short else options.deaths, draw)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"{check.count} checks, {check.failures} not as promised", flush=True)
    sys.exit(check.failures > 0)


main()
