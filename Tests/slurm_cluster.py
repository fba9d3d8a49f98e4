# SPDX-License-Identifier: GPL-3.0-or-later
"""Slurm on this machine alone: munged, slurmctld and slurmd, started by hand and stopped again.

Everything that they read and write, the key and the sockets too, lies in a folder of its own under /tmp; no file of the
system is read or changed. Nothing of it outlives this program. `slurm_cluster.py COMMAND...` runs a command with such a
cluster; the partition is called main, and has a limit of an hour. As root it also needs the user that the packages
munge and slurm-wlm make; other users run all three as themselves.
"""
import argparse
import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo")
# Where Debian puts programs that an ordinary user has not in PATH.
PLACES = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"

# What Linux's prctl calls them.
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


class ClusterError(Exception):
    """What is missing, or did not start, in one line."""


class Cluster:
    """A context: within it `environment` is what programs of Slurm need."""

    def __init__(self, processors=None, largest_array=1001):
        self.processors = processors or os.cpu_count()
        self.largest_array = largest_array
        self.daemons = {}

    def __enter__(self):
        missing = [name for name in PROGRAMS if not shutil.which(name, path=PLACES)]
        if missing:
            raise ClusterError(f"no {', '.join(missing)}; please run: apt-get install slurm-wlm munge")
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="score-sde-slurm-"))
        # Who munged is asked by must reach its socket.
        self.folder.chmod(0o755)
        self.environment = dict(os.environ, PATH=PLACES, SLURM_CONF=str(self.folder / "slurm.conf"))
        for name in [n for n in self.environment if n.startswith(("SLURM_", "SBATCH_")) and n != "SLURM_CONF"]:
            del self.environment[name]
        try:
            self._munge()
            self._configure()
            self.start("slurmctld", "-D", "-c")
            self._wait(lambda: self.call("scontrol", "ping").returncode == 0, "slurmctld")
            self.start_node()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        with contextlib.suppress(Exception):
            self.call("scancel", "--quiet", "--user", str(os.getuid()))
            self._wait(lambda: not self.steps(), "the end of all tasks", seconds=10)
        for name in ("slurmd", "slurmctld", "munged"):
            self.stop(name)
        for number in self.steps():
            with contextlib.suppress(OSError):
                os.kill(number, signal.SIGKILL)
        # Shepherds of tasks outlive slurmd, and are this program's children then.
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, *arguments, **options):
        return subprocess.run(arguments, env=self.environment, capture_output=True, text=True, **options)

    def begin(self, *arguments):
        return subprocess.Popen(
            arguments, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)

    # Daemons

    def start(self, name, *arguments):
        """Starts a daemon that ends with this program, even where SIGKILL ends it."""
        log = open(self.folder / f"{name}.out", "ab")
        self.daemons[name] = subprocess.Popen(
            [shutil.which(name, path=PLACES), *arguments], env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
            stderr=log, start_new_session=True, preexec_fn=die_with_parent)

    def stop(self, name, number=signal.SIGTERM):
        daemon = self.daemons.pop(name, None)
        if daemon is None:
            return
        daemon.send_signal(number)
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def start_node(self):
        self.start("slurmd", "-D", "-N", "node")
        # A task that was ended while slurmd was away keeps the node at "comp" until slurmctld asks again.
        there = ("idle", "mix", "alloc", "comp")
        self._wait(lambda: self.call("sinfo", "-h", "-o", "%t").stdout.strip() in there, "slurmd")

    def restart_node(self, number=signal.SIGTERM):
        """Tasks go on meanwhile."""
        self.stop("slurmd", number)
        self.start_node()

    def _munge(self):
        (self.folder / "munge").mkdir(mode=0o755)
        key = self.folder / "munge/key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))
        self.socket = self.folder / "munge/socket"
        files = [f"--{name}={self.folder / 'munge' / name.split('-')[0]}" for name in ("pid-file", "log-file", "seed-file")]
        # Its folder lies in /tmp, which others may write to.
        self.start("munged", "--foreground", "--force", f"--key-file={key}", f"--socket={self.socket}", *files)
        self._wait(self.socket.exists, "munged")

    def _configure(self):
        name = socket.gethostname()
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        control, node = free_ports(2)
        for folder in ("state", "spool"):
            (self.folder / folder).mkdir()
        (self.folder / "slurm.conf").write_text(f"""\
ClusterName=test
SlurmctldHost={name}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={control}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={self.socket}
CryptoType=crypto/munge
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool
SlurmctldPidFile={self.folder}/slurmctld.pid
SlurmdPidFile={self.folder}/slurmd.pid
SlurmctldLogFile={self.folder}/slurmctld.log
SlurmdLogFile={self.folder}/slurmd.log
PlugStackConfig=/dev/null
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
MaxArraySize={self.largest_array}
KillWait=5
MinJobAge=30
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=100000
NodeName=node NodeHostname={name} NodeAddr=127.0.0.1 CPUs={self.processors} State=UNKNOWN
PartitionName=main Nodes=node Default=YES MaxTime=60 State=UP
""")

    def _wait(self, is_there, name, seconds=30):
        end = time.monotonic() + seconds
        while not is_there():
            if time.monotonic() > end:
                raise ClusterError(f"waited {seconds} s for {name}: {self.last_words(name) or 'no word of it'}")
            ended = [n for n, daemon in self.daemons.items() if daemon.poll() is not None]
            if ended:
                raise ClusterError(f"{ended[0]} ended: {self.last_words(ended[0])}")
            time.sleep(0.1)

    def last_words(self, name):
        for end in ("out", "log"):
            path = self.folder / f"{name}.{end}"
            lines = path.read_text(errors="replace").split("\n") if path.exists() else []
            lines = [line for line in lines if line.strip()]
            if lines:
                return lines[-1].strip()
        return ""

    # Tasks

    def steps(self):
        """The processes of tasks, which have this cluster's SLURM_CONF and a job, and their shepherds, which keep files of
        this cluster open."""
        mark = f"SLURM_CONF={self.environment['SLURM_CONF']}".encode()
        found = []
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                variables = (folder / "environ").read_bytes().split(b"\0")
                is_task = mark in variables and any(v.startswith(b"SLURM_JOB_ID=") for v in variables)
                if is_task or b"slurmstepd" in (folder / "cmdline").read_bytes() and any(
                        os.readlink(file).startswith(f"{self.folder}/") for file in (folder / "fd").iterdir()):
                    found.append(int(folder.name))
        return found

    def tasks(self):
        """What runs: the process of each task's script by (job, index)."""
        found = {}
        for number in self.steps():
            with contextlib.suppress(OSError, KeyError, ValueError):
                pairs = (p.split(b"=", 1) for p in pathlib.Path(f"/proc/{number}/environ").read_bytes().split(b"\0") if p)
                values = {name.decode(): value.decode(errors="replace") for name, value in pairs}
                if "SLURM_ARRAY_TASK_ID" in values and b"slurmstepd" not in pathlib.Path(
                        f"/proc/{number}/cmdline").read_bytes():
                    found[values["SLURM_ARRAY_JOB_ID"], int(values["SLURM_ARRAY_TASK_ID"])] = number
        return found

    def queued(self):
        """How many tasks wait or run."""
        return len(self.call("squeue", "-h", "-r", "-o", "%F").stdout.split())


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def end_in_order(number, _):
    """So that `finally` and contexts have their turn."""
    sys.exit(128 + number)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processors", type=int, help="that tasks may have (default: those of the machine)")
    parser.add_argument("--largest-array", type=int, default=1001, help="Slurm's MaxArraySize")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end_in_order)
    try:
        with Cluster(options.processors, options.largest_array) as cluster:
            sys.exit(subprocess.run(options.command, env=cluster.environment).returncode)
    except ClusterError as error:
        sys.exit(f"slurm_cluster.py: {error}")


if __name__ == "__main__":
    main()
