# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the cost model of Docs/Scale.md on networks that are slow: make ranks-network (as root, with iproute2)

Every rank has a network namespace of its own, with one core's worth of a thread. The links between them have the delay
of `Ranks/link.c`, which holds each packet back, and the rate of `tc` (tbf). The model has two constants of a network,
latency and bandwidth, measured by `Ranks/transport.c`, and one of the training, the seconds of a lane without a
network. From these it foretells the seconds of a step; the table has them beside what a training took. What was made is
removed at the end, whatever happens.

The same constants without namespaces (`--here`), and the model at 8, 64 and 512 ranks (`--paper`), are the tables of
Docs/Scale.md.
"""
import argparse
import contextlib
import os
import pathlib
import shutil
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
         f"{ROOT}/Sources/CRanks/ranks.c", f"{HERE}/transport.c", "-o", transport, "-lpthread"], check=True)
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=str(ROOT / ".build/release/score-sde"))
    parser.add_argument("--cases", default="mlp,unet")
    parser.add_argument("--ranks", default="2,4")
    parser.add_argument("--networks", default="0.0005:1gbit,0.002:200mbit,0.01:100mbit", help="delay:rate, ...")
    parser.add_argument("--here", action="store_true", help="constants of this machine alone, without namespaces")
    parser.add_argument("--paper", action="store_true", help="the model at 8, 64 and 512 ranks")
    options = parser.parse_args()
    if not options.here and not options.paper and os.geteuid() != 0:
        sys.exit("ranks_network.py: network namespaces are made by root alone")
    cores = len(os.sched_getaffinity(0))
    folder = tempfile.mkdtemp()
    try:
        transport, link = build(folder)
        lanes = {}
        for case in options.cases.split(","):
            name, settings, _, steps = CASES[case]
            step = train(options.program, ROOT / f"Experiments/{name}.yaml", steps, 1, 1, settings=settings)
            lanes[case] = step / LANES
            print(f"{case}: {1e3 * step:.2f} ms a step of {LANES} lanes, one thread; {processor()}", flush=True)
        if options.here or options.paper:
            for ranks in map(int, options.ranks.split(",")):
                latency, announced, bandwidth = constants(transport, MPIRUN + ["-n", str(ranks)], ENVIRONMENT, 300)
                print(f"shared memory, {ranks} ranks: {1e6 * latency:.0f} µs, {1e6 * announced:.0f} µs where it is much, "
                      f"{bandwidth / 1e9:.2f} GB/s", flush=True)
        if options.paper:
            paper(lanes)
        if not options.here and not options.paper:
            check(options, lanes, transport, link, folder, cores)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def paper(lanes):
    """A network of 10 µs (20 where it is much) and 10 GB/s for each rank, whose cores are its own, and as many lanes as ranks."""
    print("| network | ranks | lanes | bytes sent by a rank | compute | exchange | share |\n|---|---|---|---|---|---|---|")
    for case, seconds in lanes.items():
        model = Model(seconds, CASES[case][2], (10e-6, 20e-6, 10e9))
        for ranks in (8, 64, 512):
            compute, exchange = model.seconds(ranks, max(LANES, ranks))
            # Each rank asks each other one.
            messages = 3 * (ranks - 1) * 0.5e-6
            total = compute + exchange + messages
            print(f"| {case} | {ranks} | {max(LANES, ranks)} | {model.bytes(ranks, max(LANES, ranks)) / 1e6:.2f} MB | "
                  f"{1e3 * compute:.2f} ms | {1e3 * (exchange + messages):.2f} ms | "
                  f"{100 * (exchange + messages) / total:.0f} % |")


def check(options, lanes, transport, link, folder, cores):
    print("| network | ranks | delay, rate | latency | bandwidth | step foretold | step measured | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for case, seconds in lanes.items():
        name, settings, parameters, steps = CASES[case]
        for ranks in map(int, options.ranks.split(",")):
            for network in options.networks.split(","):
                delay, rate = network.split(":")
                with namespaces(ranks, float(delay), rate, link, folder) as (launch, environment):
                    measured = constants(transport, launch, environment, 15)
                    model = Model(seconds, parameters, measured, cores)
                    foretold = sum(model.seconds(ranks))
                    few = max(15, min(steps, int(8 / foretold)))
                    found = train(
                        options.program, ROOT / f"Experiments/{name}.yaml", few, ranks, 1, launch, environment, settings)
                print(f"| {case} | {ranks} | {1e3 * float(delay):g} ms, {rate} | {1e3 * measured[0]:.2f} and {1e3 * measured[1]:.2f} ms | "
                      f"{measured[2] / 1e6:.1f} MB/s | {1e3 * foretold:.1f} ms | {1e3 * found:.1f} ms | "
                      f"{found / foretold:.2f} |", flush=True)


if __name__ == "__main__":
    main()
