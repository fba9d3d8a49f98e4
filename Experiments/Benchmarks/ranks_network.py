# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the cost model of Docs/Scale.md on networks that are slow: make ranks-network (as root, with iproute2)

Every rank has a network namespace of its own, with one core's worth of a thread. The links between them have the delay
of `Ranks/link.c`, which holds each packet back, and the rate of `tc` (tbf). The model has two constants of a network,
latency and bandwidth, measured by `Ranks/transport.c`, and one of the training, the seconds of a lane without a
network. From these it foretells the seconds of a step; the table has them beside what a training took. What was made is
removed at the end, whatever happens. The tables, with one of the model at 8, 64 and 512 ranks, are those of
Docs/Scale.md.
"""
import argparse
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from ranks import ENVIRONMENT, MPIRUN, ROOT, processor, train  # noqa: E402

HERE = ROOT / "Experiments/Benchmarks/Ranks"
VALUE = 4  # bytes of a parameter
CHUNK = 1 << 16  # parameters whose squares are one sum: a slice has whole ones

# Case -> config, settings that give 8 lanes, parameters, steps.
CASES = {
    "mlp": ("vp-digits", ["training.batch=2048"], 181_056, 400),
    "unet": ("vp-digits-unet", ["training.batch=256"], 701_345, 60),
}
LANES = 8
PAPER = (10e-6, 20e-6, 10e9)  # a cluster's network: latency, that of what is large, bytes a second
MESSAGE = 0.5e-6  # seconds of a rank for each message


class Model:
    """The seconds of a step.

    A rank computes ⌈lanes / R⌉ lanes. It then sends each of them but its own slice, and its slice of the new parameters
    to all others. Where slices are equal, S (lanes/R + 1) (R − 1)/R values leave it, where S is the number of
    parameters; slices have whole chunks, and whoever sends or gets the most is waited for. Three times all wait for all:
    for lanes and for parameters, of which a transport first announces what is large, and for a few words. That lanes go
    while others are computed is left out, so that a step may take less.
    """

    def __init__(self, lane_seconds, parameters, network, cores=None):
        self.lane, self.parameters, self.cores = lane_seconds, parameters, cores
        self.latency, self.announced, self.bandwidth = network

    def bytes(self, ranks, lanes=LANES):
        """What the busiest rank sends or gets of lanes, and of parameters."""
        chunks = -(-self.parameters // CHUNK)
        edges = [min(CHUNK * (r * chunks // ranks), self.parameters) for r in range(ranks)] + [self.parameters]
        slices = [b - a for a, b in zip(edges, edges[1:])]
        own = [len(range(r, lanes, ranks)) for r in range(ranks)]
        of_lanes = max(max(o * (self.parameters - s), (lanes - o) * s) for o, s in zip(own, slices))
        of_parameters = max(max(s * (ranks - 1), self.parameters - s) for s in slices)
        return VALUE * (of_lanes + of_parameters)

    def seconds(self, ranks, lanes=LANES):
        # Ranks that share cores take turns.
        turns = 1 if self.cores is None else max(1, ranks / self.cores)
        compute = -(-lanes // ranks) * self.lane * turns
        if ranks == 1:
            return compute, 0.0
        return compute, 2 * self.announced + self.latency + self.bytes(ranks, lanes) / self.bandwidth


def build(folder):
    transport, link = f"{folder}/transport", f"{folder}/link"
    subprocess.run(
        ["mpicc", "-O2", '-DSCORESDE_MPI_HEADER="mpi.h"', f"-I{ROOT}/Sources/CRanks/include",
         *map(str, sorted((ROOT / "Sources/CRanks").glob("*.c"))), f"{HERE}/transport.c", "-o", transport, "-lpthread"],
        check=True)
    subprocess.run(["cc", "-O2", f"{HERE}/link.c", "-o", link], check=True)
    return transport, link


def constants(transport, launch, environment, repetitions):
    """The latency of 8 bytes, that of what is large, and the bandwidth of all that a rank sends: the line through the
    seconds of 1 and of 4 MiB."""
    done = subprocess.run(launch + [transport, str(repetitions)], env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"transport: exit code {done.returncode}: {done.stderr}")
    times = {int(size): float(seconds) for size, seconds in (line.split() for line in done.stdout.splitlines())}
    ranks = int(launch[launch.index("-n") + 1])
    bandwidth = (ranks - 1) * (3 << 20) / (times[4 << 20] - times[1 << 20])
    return times[8], max(times[8], times[1 << 20] - (ranks - 1) * (1 << 20) / bandwidth), bandwidth


@contextlib.contextmanager
def namespaces(count, delay, rate, link, folder):
    """Namespaces with a device `rank` each; gives the launcher of ranks in them, and its environment."""
    names = [f"score-sde-{os.getpid()}-{i}" for i in range(count)]
    process = None
    run = lambda *words: subprocess.run(words, check=True)
    made = []
    try:
        for name in names:
            run("ip", "netns", "add", name)
            made.append(name)
        process = subprocess.Popen([link, str(delay), *names], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if process.stdout.readline() != "ready\n":
            sys.exit("link: no devices in the namespaces; it needs /dev/net/tun")
        for i, name in enumerate(names):
            inside = ["ip", "-n", name]
            run(*inside, "link", "set", "lo", "up")
            run(*inside, "addr", "add", f"10.77.0.{i + 1}/24", "dev", "rank")
            run(*inside, "link", "set", "rank", "mtu", "9000", "txqueuelen", "10000", "up")
            if rate:
                run("tc", "-n", name, "qdisc", "add", "dev", "rank", "root", "tbf", "rate", rate, "burst", "128kb",
                    "latency", "2s")
        agent = pathlib.Path(folder) / "agent"
        agent.write_text(
            "#!/bin/sh\n# What mpirun takes for ssh: a host is a namespace.\n"
            f"name=score-sde-{os.getpid()}-$((${{1##*.}} - 1))\nshift\n"
            "exec ip netns exec $name unshare --uts sh -c \"hostname $name; $*\"\n")
        agent.chmod(0o755)
        hosts = ",".join(f"10.77.0.{i + 1}" for i in range(count))
        environment = dict(
            ENVIRONMENT, OMPI_MCA_btl="self,tcp", OMPI_MCA_btl_tcp_if_include="rank", OMPI_MCA_oob_tcp_if_include="rank",
            OMPI_MCA_plm_rsh_agent=str(agent), OMPI_MCA_pml="ob1", OMPI_MCA_plm="rsh")
        yield ["ip", "netns", "exec", names[0], *MPIRUN, "--host", hosts, "-n", str(count)], environment
    finally:
        if process:
            process.stdin.close()
            process.wait()
        for name in made:
            subprocess.run(["ip", "netns", "del", name])


def equal_slices(model, ranks, lanes):
    """What leaves the busiest rank where slices are equal, in bytes."""
    return VALUE * model.parameters * (-(-lanes // ranks) + 1) * (ranks - 1) / ranks


def paper(lanes):
    """The model where each rank has a machine of its own, on a network of the constants in `PAPER`; as many lanes as
    ranks, and so a batch that grows with them. A rank spends a moment on each message, two for each other rank."""
    rows = ["| network | ranks | lanes, rows | compute | bytes | exchange | share | bytes, equal slices | exchange | share |",
            "|---|---|---|---|---|---|---|---|---|---|"]
    for case, seconds in lanes.items():
        model = Model(seconds, CASES[case][2], PAPER)
        rows_of_lane = int(CASES[case][1][0].split("=")[1]) // LANES
        for ranks in (8, 64, 512):
            count = max(LANES, ranks)
            compute, exchange = model.seconds(ranks, count)
            messages = 3 * (ranks - 1) * MESSAGE
            equal = equal_slices(model, ranks, count)
            cells = [case, ranks, f"{count}, {count * rows_of_lane:,}", f"{1e3 * compute:.1f} ms"]
            for size in (model.bytes(ranks, count), equal):
                time = 2 * PAPER[1] + PAPER[0] + size / PAPER[2] + messages
                cells += [f"{size / 1e6:.1f} MB", f"{1e3 * time:.2f} ms", f"{100 * time / (time + compute):.0f} %"]
            rows.append("| " + " | ".join(map(str, cells)) + " |")
    return rows


def check(options, lanes, transport, link, folder, cores):
    rows = ["| network | ranks | delay, rate | latency, of much | bandwidth | step foretold | step measured | ratio |",
            "|---|---|---|---|---|---|---|---|"]
    for case, seconds in lanes.items():
        name, settings, parameters, steps = CASES[case]
        for ranks in map(int, options.ranks.split(",")):
            for network in options.networks.split(","):
                delay, rate = network.split(":")
                with namespaces(ranks, float(delay), rate, link, folder) as (launch, environment):
                    measured = constants(transport, launch, environment, 25)
                    model = Model(seconds, parameters, measured, cores)
                    foretold = sum(model.seconds(ranks))
                    few = max(25, min(steps, int(options.seconds / foretold)))
                    found = train(
                        options.program, ROOT / f"Experiments/{name}.yaml", few, ranks, 1, launch, environment, settings)
                rows.append(
                    f"| {case} | {ranks} | {1e3 * float(delay):g} ms, {rate} | {1e3 * measured[0]:.1f}, "
                    f"{1e3 * measured[1]:.1f} ms | {measured[2] / 1e6:.1f} MB/s | {1e3 * foretold:.0f} ms | "
                    f"{1e3 * found:.0f} ms | {found / foretold:.2f} |")
                print(rows[-1], file=sys.stderr, flush=True)
    return rows


def main():
    # Ended from outside it removes what it made, too.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=str(ROOT / ".build/release/score-sde"))
    parser.add_argument("--cases", default="mlp,unet")
    parser.add_argument("--ranks", default="2,4")
    parser.add_argument("--networks", default="0.0005:1gbit,0.002:200mbit,0.01:100mbit", help="delay:rate, ...")
    parser.add_argument("--seconds", type=float, default=12, help="of each training")
    parser.add_argument("--paper", action="store_true", help="only the model at 8, 64 and 512 ranks")
    parser.add_argument("--output", help="a folder for the tables")
    options = parser.parse_args()
    if not options.paper and os.geteuid() != 0:
        sys.exit("ranks_network.py: network namespaces are made by root alone")
    cores = len(os.sched_getaffinity(0))
    folder = tempfile.mkdtemp()
    try:
        transport, link = build(folder)
        lanes, constants_here = {}, [f"{processor()}, {cores} cores.", ""]
        for case in options.cases.split(","):
            name, settings, parameters, steps = CASES[case]
            step = train(options.program, ROOT / f"Experiments/{name}.yaml", steps, 1, 1, settings=settings)
            lanes[case] = step / LANES
            constants_here.append(
                f"- {case}: {parameters:,} parameters; a lane of {int(settings[0].split('=')[1]) // LANES} rows takes "
                f"{1e3 * lanes[case]:.2f} ms forward, backward and for its share of the optimiser's step.")
        for ranks in map(int, options.ranks.split(",")):
            latency, announced, bandwidth = constants(transport, MPIRUN + ["-n", str(ranks)], ENVIRONMENT, 300)
            # More than memory gives is no measurement: latencies that came late hid what the bytes took.
            rate = f"{bandwidth / 1e9:.1f} GB/s" if bandwidth < 50e9 else "more than could be told"
            constants_here.append(
                f"- {ranks} ranks of this machine, in shared memory: {1e6 * latency:.0f} µs for 8 bytes, "
                f"{1e6 * announced:.0f} µs before the first of many, {rate} from each rank.")
        tables = {"ranks-constants": constants_here, "ranks-paper": paper(lanes)}
        if not options.paper:
            tables["ranks-network"] = check(options, lanes, transport, link, folder, cores)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for name, rows in tables.items():
        print("\n".join(rows) + "\n")
        if options.output:
            pathlib.Path(options.output).mkdir(parents=True, exist_ok=True)
            (pathlib.Path(options.output) / f"{name}.md").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
