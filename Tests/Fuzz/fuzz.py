# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the fuzzer on each format: `make fuzz`. Tells inputs, seconds and findings of each; a finding's input is kept in
.build/fuzz/findings, and belongs in Tests/Fuzz/Corpus once it is mended."""
import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
FORMATS = ["yaml", "formula", "csv", "npy", "png", "idx", "cifar", "safetensors", "diffusers-config", "diffusers-scheduler",
           "tokenizer", "merges", "prompt", "text-config"]


def run(program, name, runs, options, findings, prefix):
    """One process, up to its first finding: (inputs, what it said)."""
    work = findings.parent / f"work-{os.getpid()}" / name
    work.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "ASAN_OPTIONS": "symbolize=0:quarantine_size_mb=16:malloc_context_size=2:detect_leaks=0:allocator_may_return_null=0",
        # Swift's own handler would look for symbols after every crash, for minutes.
        "SWIFT_BACKTRACE": "enable=no",
    }
    command = [
        *prefix, str(program), name, str(work), str(HERE / "Corpus" / name), f"-runs={runs}",
        f"-max_total_time={options.seconds}", f"-timeout={options.timeout}", "-rss_limit_mb=2048", "-print_final_stats=1",
        f"-artifact_prefix={findings}/{name}-", f"-seed={options.seed}", "-verbosity=1", "-len_control=20",
    ]
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            start_new_session=True)
        try:
            code = process.wait(timeout=options.seconds + 60 + (7200 if prefix else 0))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
        output.seek(0)
        text = output.read()
    counted = re.findall(r"stat::number_of_executed_units: +(\d+)", text) or re.findall(r"^#(\d+)\t", text, re.M)
    return code, int(counted[-1]) if counted else 0, text


def reason(text):
    for pattern in (r"FINDING: .*", r"SUMMARY: .*", r"Fatal error: .*", r"ERROR: .*", r"runtime error: .*"):
        found = re.findall(pattern, text)
        if found:
            return found[0][:300]
    return "\n".join(text.splitlines()[-5:])[:300]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("formats", nargs="*", default=[])
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("--runs", type=int, default=1_000_000, help="inputs of each format")
    parser.add_argument("--seconds", type=int, default=3600, help="the most for each format")
    parser.add_argument("--timeout", type=int, default=5, help="seconds for one input, of which sanitizers take most")
    parser.add_argument("--seed", type=int, default=14)
    parser.add_argument("--findings", type=pathlib.Path, default=pathlib.Path(".build/fuzz/findings"))
    parser.add_argument("--most-findings", type=int, default=10, help="for each format")
    parser.add_argument("--with", dest="prefix", default="", help="a command before the fuzzer's")
    options = parser.parse_args()
    strangers = set(options.formats) - set(FORMATS)
    if strangers:
        sys.exit(f"no format {', '.join(sorted(strangers))}; allowed: {', '.join(FORMATS)}")
    options.findings.mkdir(parents=True, exist_ok=True)
    total = 0
    print(f"{'format':20} {'inputs':>9} {'seconds':>8} {'per s':>7} {'findings':>8}  read, refused, slowest input, memory")
    for name in options.formats or FORMATS:
        inputs, found, began = 0, [], time.time()
        report = ""
        while inputs < options.runs and len(found) < options.most_findings:
            left = options.seconds - int(time.time() - began)
            if left <= 0:
                break
            code, count, text = run(options.program, name, options.runs - inputs, argparse.Namespace(
                **{**vars(options), "seconds": left, "seed": options.seed + len(found)}), options.findings,
                options.prefix.split())
            inputs += count
            report = (re.findall(r"^REPORT \S+ (.*)$", text, re.M) or [report])[-1]
            if code == 0:
                break
            found.append(reason(text))
            if count == 0:
                break
        took = time.time() - began
        total += len(found)
        print(f"{name:20} {inputs:9} {took:8.0f} {inputs / max(took, 1e-9):7.0f} {len(found):8}  {summary(report)}", flush=True)
        for line in sorted(set(found)):
            print(f"    {found.count(line)} × {line}", flush=True)
    shutil.rmtree(options.findings.parent / f"work-{os.getpid()}", ignore_errors=True)
    if total:
        print(f"{total} findings; their inputs are in {options.findings}")
    sys.exit(1 if total else 0)


def summary(report):
    fields = dict(part.split("=") for part in report.split() if "=" in part)
    if not fields:
        return ""
    return (f"{fields['values']} read, {fields['refused']} refused; {float(fields['slowest']) * 1000:.0f} ms; "
            f"{int(fields['peak']) / 1024:.0f} KiB for {fields['peak_file']} bytes that hold {fields['peak_values']}")


if __name__ == "__main__":
    main()
