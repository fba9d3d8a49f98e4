# SPDX-License-Identifier: GPL-3.0-or-later
"""Plants the faults of Tests/mutants.txt one at a time and runs the tests on each: `make mutants`.

All faults are compiled at once, as `ck_is_mutant(K) ? mutated : original`, into a copy of the sources; the environment
variable MUTANT says which of them is in force. So there is one build, and a fault costs a run of the tests: first the
suites that should find it, then all of them."""
import argparse
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADER = """// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
int ck_mutant_number(void);
static inline _Bool ck_is_mutant(int number) { return ck_mutant_number() == number; }
"""
SOURCE = """// SPDX-License-Identifier: GPL-3.0-or-later
#include "ck_mutant.h"
#include <stdlib.h>
static int number;
__attribute__((constructor(101))) static void read_number(void) {
  const char *text = getenv("MUTANT");
  number = text ? atoi(text) : 0;
}
int ck_mutant_number(void) { return number; }
"""


def read(path):
    """The faults: (name, file, suites, text before, original, mutated, text after)."""
    faults, head = [], None
    for line in path.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if not line.startswith("  "):
            head = [part.strip() for part in line.split(": ")]
            continue
        before, rest = line.strip().split("«")
        inner, after = rest.split("»")
        original, mutated = (inner + " ").split(" → ")
        faults.append((*head, before, original, mutated.strip(), after))
        head = None
    names = [fault[0] for fault in faults]
    if len(set(names)) < len(names):
        sys.exit("two faults of one name: " + ", ".join(sorted({n for n in names if names.count(n) > 1})))
    return faults


def plant(faults, root, copy):
    """Writes the mutated sources into the copy; what did not change keeps its time."""
    texts = {}
    wrong = []
    for number, (name, file, _, before, original, mutated, after) in enumerate(faults, 1):
        path = f"Sources/{file}"
        plain = (root / path).read_text()
        found = plain.count(before + original + after)
        if found != 1:
            wrong.append(f"{name}: its source occurs {found} times in {path}; allowed: once")
            continue
        if mutated:
            switch = f"(ck_is_mutant({number}) ? ({mutated}) : ({original}))"
        else:
            switch = f"if (!ck_is_mutant({number})) {{ {original} }}"
        texts[path] = texts.get(path, plain).replace(before + original + after, before + switch + after)
    if wrong:
        sys.exit("\n".join(wrong))
    for path, text in texts.items():
        first, rest = text.split("\n", 1)
        imported = "import CKernels\n" if path.endswith(".swift") else '#include "ck_mutant.h"\n'
        if not (path.endswith(".swift") and re.search(r"^import CKernels$", text, re.M)):
            text = f"{first}\n{imported}{rest}"
        texts[path] = text
    # What is mutated imports the switch, also floors that need no kernels.
    package = (root / "Package.swift").read_text()
    for target in sorted({path.split("/")[1] for path in texts if path.endswith(".swift")}):
        start = re.search(rf'floor\(\s*"{target}",\s*on: \[', package).end()
        if '"CKernels"' not in package[start:package.index("]", start)]:
            package = f'{package[:start]}"CKernels", {package[start:]}'
    texts["Package.swift"] = package
    umbrella = "Sources/CKernels/include/CKernels.h"
    texts[umbrella] = (root / umbrella).read_text() + '#include "ck_mutant.h"\n'
    texts["Sources/CKernels/include/ck_mutant.h"] = HEADER
    texts["Sources/CKernels/ck_mutant.c"] = SOURCE
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=root, capture_output=True, text=True,
        check=True)
    names = [name for name in listed.stdout.splitlines() if (root / name).is_file()]
    if (root / "Package.resolved").is_file():
        names.append("Package.resolved")
    for name in sorted(set(names) | set(texts)):
        new = texts[name].encode() if name in texts else (root / name).read_bytes()
        target = copy / name
        if target.is_file() and target.read_bytes() == new:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(new)
    for folder in ("Sources", "Tests"):
        for target in (copy / folder).rglob("*"):
            name = str(target.relative_to(copy))
            if target.is_file() and name not in names and name not in texts:
                target.unlink()


def build(root, copy, prefix):
    """One build of the copy; what SwiftPM has fetched for the original is not fetched again."""
    scratch = copy / ".build"
    scratch.mkdir(exist_ok=True)
    for name in ("checkouts", "repositories", "artifacts", "workspace-state.json"):
        old, new = root / ".build" / name, scratch / name
        if old.is_dir() and not new.exists():
            shutil.copytree(old, new, symlinks=True)
        elif old.is_file() and not new.exists():
            shutil.copy(old, new)
    began = time.time()
    done = subprocess.run(
        [*prefix, "swift", "build", "-c", "release", "--build-tests"], cwd=copy, capture_output=True, text=True,
        stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        lines = [line for line in done.stdout.splitlines() if "error" in line]
        sys.exit("the copy does not build:\n" + "\n".join(lines[:40] or done.stdout.splitlines()[-20:]))
    print(f"built in {time.time() - began:.0f} s", flush=True)


def run(copy, prefix, number, suites, limit):
    """Whether a test failed, the first that did, and the seconds taken."""
    bundle = copy / ".build/release/score-sdePackageTests.xctest"
    command = [*prefix, str(bundle), "--testing-library", "swift-testing"]
    if suites:
        command += ["--filter", suites]
    with tempfile.TemporaryDirectory() as models, tempfile.TemporaryFile("w+") as output:
        environment = {**os.environ, "MUTANT": str(number), "SCORE_SDE_MODELS": models, "NO_COLOR": "1"}
        began = time.time()
        process = subprocess.Popen(
            command, cwd=copy, env=environment, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            start_new_session=True)
        try:
            # The limit is for the tests: what a prefix waits for does not count, so it is added.
            code = process.wait(timeout=limit + (1800 if prefix else 0))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True, f"no end within {limit} s", time.time() - began
        output.seek(0)
        text = re.sub(r"\x1b\[[0-9;]*m", "", output.read())
    failed = re.findall(r"Test (.+?) (?:with \d+ test cases? )?failed after", text)
    if code == 69:
        sys.exit(f"no test is named by {suites}")
    seconds = time.time() - began
    if code == 0:
        return False, "", seconds
    return True, failed[0].strip('"') if failed else f"the tests end with {code}", seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", default=ROOT / "Tests/mutants.txt", type=pathlib.Path)
    parser.add_argument("--copy", type=pathlib.Path, help="where the copy is and stays (default: a temporary folder)")
    parser.add_argument("--only", default="", help="names of some faults, with commas between")
    parser.add_argument("--to", default=ROOT / "Docs/Mutants.md", type=pathlib.Path, help="the table to write")
    parser.add_argument("--allowed", type=int, help="how many may live (default: 1 of 60)")
    parser.add_argument("--check", action="store_true", help="only whether every source is found once")
    parser.add_argument("--quick", action="store_true", help="only the suites that should find a fault, not all tests")
    parser.add_argument("--built", action="store_true", help="take the copy as it was built before")
    parser.add_argument("--build-with", default="", help="a command before that of the build")
    parser.add_argument("--run-with", default="", help="a command before that of each run")
    options = parser.parse_args()
    faults = read(options.list)
    if options.check:
        with tempfile.TemporaryDirectory() as folder:
            plant(faults, ROOT, pathlib.Path(folder))
        return print(f"{len(faults)} faults, each of whose sources is found once")
    copy = options.copy or pathlib.Path(tempfile.mkdtemp(prefix="score-sde-mutants-"))
    copy.mkdir(parents=True, exist_ok=True)
    if not options.built:
        plant(faults, ROOT, copy)
        build(ROOT, copy, shlex.split(options.build_with))
    prefix = shlex.split(options.run_with)
    wanted = set(filter(None, options.only.split(",")))
    if not wanted and not options.quick:
        found, test, seconds = run(copy, prefix, 0, "", 600)
        if found:
            sys.exit(f"the tests fail without a fault: {test}")
        print(f"without a fault all tests pass in {seconds:.0f} s", flush=True)
    began = time.time()
    chosen = [(number, fault) for number, fault in enumerate(faults, 1) if not wanted or fault[0] in wanted]
    by, lived = {}, []
    # First the suites that should find a fault; then, for what they did not find, all tests.
    for number, fault in chosen:
        found, test, seconds = run(copy, prefix, number, fault[2], 120)
        print(f"{'found  ' if found else 'missed '} {fault[0]}  {seconds:.1f} s  {test or fault[2]}", flush=True)
        by[fault[0]] = test
        if not found:
            lived.append((number, fault))
    if not options.quick:
        missed, lived = lived, []
        for number, fault in missed:
            found, test, seconds = run(copy, prefix, number, "", 300)
            print(f"{'found  ' if found else 'LIVES  '} {fault[0]}  {seconds:.1f} s  {test or 'all tests pass'}", flush=True)
            by[fault[0]] = test
            if not found:
                lived.append((number, fault))
    lived = [fault[0] for _, fault in lived]
    rows = [
        (name, file, original, mutated or "nothing", by[name] or "**nothing**")
        for _, (name, file, _, _, original, mutated, _) in chosen]
    print(f"{len(rows) - len(lived)} of {len(rows)} faults found in {time.time() - began:.0f} s"
          + (f"; these live: {', '.join(lived)}" if lived else ""))
    if not wanted and not options.quick:
        write(options.to, rows, len(lived))
    if not options.copy:
        shutil.rmtree(copy)
    allowed = options.allowed if options.allowed is not None else max(1, len(rows) // 60)
    sys.exit(1 if len(lived) > allowed else 0)


def write(path, rows, lived):
    def cell(text):
        return "`" + text.replace("|", "\\|") + "`"

    lines = [
        "# Planted faults", "",
        "Written by `make mutants` (Tests/mutants.py) from Tests/mutants.txt: each fault is planted alone, and the tests",
        f"are run. They find {len(rows) - lived} of {len(rows)}.", "",
        "| fault | file | original | planted | found by the test |", "|---|---|---|---|---|",
    ]
    for name, file, original, mutated, by in rows:
        by = by.replace("|", "\\|")
        lines.append(f"| {name} | {file} | {cell(original)} | {cell(mutated)} | {by} |")
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
