# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets every k-th call fail that a run makes to the file system: open, write, fsync, rename, link, mkdir, truncate and
close, with ENOSPC, EIO and EACCES, once or from then on; lets writes take half of their bytes, and calls be interrupted.

A run that such a fault ends exits with 1 (2 where a file to read cannot be read) and one line; nothing finished is
lost; and the same command without faults comes to the bytes of an undisturbed run. The run is a first one, or one over
a finished folder. Then disks that are full, and folders that may not be written. `make faults` runs it;
Tests/CommandsTests has the short form.
"""
import argparse
import concurrent.futures
import errno
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "Faults"))
from life import Life, build_library, difference  # noqa: E402

MODES = [("fail", errno.ENOSPC), ("fail", errno.EIO), ("fail", errno.EACCES), ("stay", errno.ENOSPC), ("short", 0),
         ("interrupt", 0)]


def environment(library, life, log, at=0, mode="fail", number=0):
    return dict(LD_PRELOAD=library, FAULTS_ROOT=str(life.folder), FAULTS_LOG=log, FAULTS_AT=str(at), FAULTS_MODE=mode,
                FAULTS_ERRNO=str(number))


def is_one_line(errors):
    lines = errors.splitlines()
    return len(lines) == 1 and lines[0].startswith("score-sde: ")


def check(options, library, work, scenario, whole, finished, k, mode, number):
    """One fault; a text where something is not as promised."""
    life = Life(f"{work}/{scenario}-{k}-{mode}-{number}", options.program)
    try:
        life.copy(finished) if scenario == "again" else life.begin()
        log = f"{work}/{life.folder.name}.log"
        code, errors = life.run(environment(library, life, log, k, mode, number))
        calls = pathlib.Path(log).read_text().splitlines() if os.path.exists(log) else []
        call = calls[k - 1].split(" ", 1)[1] if len(calls) >= k else "nothing"
        where = f"{scenario}: call {k} ({call}), {mode} {errno.errorcode.get(number, '')}"
        if code not in (0, 1, 2) or code == 2 and call != "open":
            return f"{where}: exit code {code}: {errors.strip()[-300:]}"
        if code != 0 and not is_one_line(errors):
            return f"{where}: not one line: {errors.strip()[-300:]}"
        if code != 0 and mode in ("short", "interrupt"):
            return f"{where}: exit code {code}: {errors.strip()}"
        if scenario == "again":
            lost = difference(life.contents(), whole) + difference(life.kept(), finished.kept())
            lost = [n for n in lost if n != ".lock"]
            if lost:
                return f"{where}: lost or changed: {lost}"
        code, errors = life.run()
        if code != 0 or errors:
            return f"{where}: then exit code {code}: {errors.strip()[-300:]}"
        different = difference(life.contents(), whole)
        if different or life.leftovers() or life.kept() != finished.kept():
            return f"{where}: then different: {different}, left: {life.leftovers()}"
        return None
    finally:
        shutil.rmtree(life.folder, ignore_errors=True)
        pathlib.Path(f"{work}/{life.folder.name}.log").unlink(missing_ok=True)


def every_call(options, library, work):
    finished = Life(f"{work}/finished", options.program)
    finished.begin()
    code, errors = finished.run(environment(library, finished, f"{work}/first.log"))
    if code != 0:
        sys.exit(f"an undisturbed run failed: {errors}")
    whole = finished.contents()
    counts = {"first": len(pathlib.Path(f"{work}/first.log").read_text().splitlines())}
    again = Life(f"{work}/counted", options.program)
    again.copy(finished)
    again.run(environment(library, again, f"{work}/again.log"))
    counts["again"] = len(pathlib.Path(f"{work}/again.log").read_text().splitlines())
    jobs = [
        (scenario, k, mode, number)
        for scenario, count in counts.items()
        for k in range(1 + options.offset, count + 1, options.stride)
        for mode, number in (MODES if options.stride == 1 else [MODES[k // options.stride % len(MODES)]])
    ]
    wrong = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = pool.map(lambda job: check(options, library, work, job[0], whole, finished, *job[1:]), jobs)
        for text in results:
            if text:
                wrong.append(text)
                print(text, flush=True)
    print(f"{len(jobs) - len(wrong)} of {len(jobs)} faults as promised; {counts['first']} calls of a first run, "
          f"{counts['again']} of one over a finished folder", flush=True)
    return len(wrong)


def full_disks(options, work):
    """A run on disks of some sizes that are too small, and then on one that is not."""
    place = f"{work}/disk"
    os.mkdir(place)
    wrong = tried = 0
    whole = Life(f"{work}/whole", options.program)
    whole.begin()
    whole.run()
    for size in range(16, 260, 16 * options.stride):
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", place]
        if subprocess.run(mount, stderr=subprocess.DEVNULL).returncode != 0:
            print("full disks: skipped, as nobody but root may mount one")
            return 0
        try:
            life = Life(f"{place}/life", options.program)
            life.begin()
            code, errors = life.run()
            tried += 1
            ok = code == 0 or code == 1 and is_one_line(errors) and "No space left" in errors
            subprocess.run(["mount", "-o", "remount,size=4m", place], check=True)
            then, words = life.run()
            same = then == 0 and not words and not difference(life.contents(), whole.contents())
            if not ok or not same or life.leftovers():
                wrong += 1
                print(f"disk of {size} KiB: exit code {code}: {errors.strip()}; then {then}: {words}, same: {same}, "
                      f"left: {life.leftovers()}")
        finally:
            subprocess.run(["umount", place], check=True)
    print(f"full disks: {tried - wrong} of {tried}", flush=True)
    return wrong


def refused_places(options, work):
    """Folders that may not be written, by somebody who is not root; and names that something else has."""
    wrong = 0

    def expect(name, found, allowed):
        nonlocal wrong
        code, errors = found
        if code not in allowed or not is_one_line(errors):
            wrong += 1
            print(f"{name}: exit code {code}: {errors.strip()}")

    life = Life(f"{work}/places", options.program)
    life.begin()
    life.results.write_text("a file")
    expect("a file in the folder's place", life.run(), [2])
    life.results.unlink()
    life.results.symlink_to(f"{work}/nowhere/at/all")
    expect("a link to nothing", life.run(), [1, 2])
    life.results.unlink()
    life.results.mkdir()
    (life.results / "samples").symlink_to(work)
    expect("samples is a link", life.run(), [2])
    if os.getuid() == 0 and shutil.which("setpriv"):
        life.begin()
        life.results.mkdir()
        os.chmod(work, 0o755)
        os.chmod(life.results, 0o555)
        (life.folder / "models").mkdir()
        os.chmod(life.folder / "models", 0o777)
        process = subprocess.run(
            ["setpriv", "--reuid=65534", "--clear-groups", life.program, "run", str(life.folder / "small.yaml"),
             "--output", str(life.results), "--quiet"], capture_output=True, text=True,
            env=dict(os.environ, SCORE_SDE_MODELS=str(life.models)))
        expect("a folder of somebody else", (process.returncode, process.stderr), [1])
    else:
        print("a folder of somebody else: skipped, as only root can be somebody else")
    print("refused places:", "as promised" if not wrong else f"{wrong} wrong")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=".build/release/score-sde")
    parser.add_argument("--stride", type=int, default=1, help="every n-th call only, each with one kind of fault")
    parser.add_argument("--offset", type=int, default=0, help="the first call is this many later")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    folder, library = build_library()
    work = tempfile.mkdtemp()
    try:
        wrong = every_call(options, library, work) + full_disks(options, work) + refused_places(options, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        folder.cleanup()
    sys.exit(wrong > 0)


main()
