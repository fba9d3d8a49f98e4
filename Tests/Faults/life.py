# SPDX-License-Identifier: GPL-3.0-or-later
"""What Tests/faults.py and Tests/kills.py share: a small run in a folder of its own, and what it has written."""
import csv
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIG = ROOT / "Tests/Faults/small.yaml"


def build_library():
    """The library of faults; in a temporary folder, which goes with the program."""
    folder = tempfile.TemporaryDirectory()
    library = os.path.join(folder.name, "faults.so")
    compiler = next((c for c in (os.environ.get("CC"), "clang", "cc") if c and shutil.which(c)), None)
    if not compiler:
        raise SystemExit("no C compiler: allowed: clang, cc, or what CC names")
    subprocess.run(
        [compiler, "-O2", "-shared", "-fPIC", "-o", library, str(ROOT / "Tests/Faults/faults.c"), "-ldl", "-lpthread"],
        check=True)
    return folder, library


class Life:
    """One folder with a config, a store of models and a results folder."""

    def __init__(self, folder, program, threads=1):
        self.folder = pathlib.Path(folder)
        self.program = str(pathlib.Path(program).resolve())
        self.threads = threads
        self.results = self.folder / "out"
        self.models = self.folder / "models"

    def begin(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        shutil.copy(CONFIG, self.folder / "small.yaml")

    def copy(self, other):
        """The same as another one's, hard links and all."""
        shutil.rmtree(self.folder, ignore_errors=True)
        subprocess.run(["cp", "-a", str(other.folder), str(self.folder)], check=True)

    def start(self, environment={}, extra=(), command="run"):
        return subprocess.Popen(
            [self.program, command, str(self.folder / "small.yaml"), "--output", str(self.results), "--quiet",
             "--threads", str(self.threads), *extra],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=dict(os.environ, SCORE_SDE_MODELS=str(self.models), **environment))

    def run(self, environment={}, extra=(), command="run"):
        process = self.start(environment, extra, command)
        _, errors = process.communicate()
        return process.returncode, errors

    def contents(self):
        """Every file's bytes; tables without their columns of seconds. The manifest has times, and is not compared."""
        found = {}
        for path in sorted(self.results.rglob("*")):
            if path.is_dir():
                continue
            name = str(path.relative_to(self.results))
            if name == "manifest.json":
                json.loads(path.read_text())
                found[name] = b""
            elif name in ("training.csv", "solvers.csv"):
                with open(path, newline="") as file:
                    rows = list(csv.reader(file))
                kept = [i for i, title in enumerate(rows[0]) if title != "seconds"]
                found[name] = [[row[i] for i in kept] for row in rows]
            else:
                found[name] = path.read_bytes()
        return found

    def kept(self):
        """The finished networks of the store."""
        return {
            p.name: p.read_bytes() for p in self.models.glob("*.safetensors")
            if ".unfinished." not in p.name and ".previous." not in p.name
        } if self.models.is_dir() else {}

    def leftovers(self):
        return [str(p) for p in self.folder.rglob("*") if p.name.endswith((".part", ".lock"))]


def difference(found, expected):
    """The names of files that are not the same; empty where all are."""
    return sorted(n for n in found.keys() | expected.keys() if found.get(n) != expected.get(n))
