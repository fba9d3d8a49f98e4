# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs notebooks and writes them as HTML, their code folded: `make notebooks`.

    render.py --results Results --program .build/release/score-sde [NOTEBOOK ...]

Each notebook reads Results where that has what it shows, else small runs of small.yaml, which are made first, in
Results/Notebooks/runs. `--small` takes these for all; `--tiny` makes them in seconds, with next to no training, to see
that all of this works. A line a notebook says which runs it read. Exits 1 where a notebook fails.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import few_step  # noqa: E402
import judging  # noqa: E402
import results  # noqa: E402
import yaml  # noqa: E402

NOTEBOOKS = [
    "first-look",
    "compare-solvers",
    "compare-sdes",
    "training-diagnostics",
    "likelihood",
    "sweeps",
    "predictor-corrector",
    "posteriors",
    "few-step",
]
TINY = ["training.steps=40", "sampling.count=60"]


def serves(found, notebook):
    """Whether these results have something to show in a notebook."""
    if notebook == "first-look":
        return any(r.data is not None and len(r.solvers) for r in found)
    if notebook == "compare-solvers":
        return any(len(r.solvers) > 1 and judging.metrics(r.solvers) for r in found)
    if notebook == "compare-sdes":
        return bool(results.same_data(found))
    if notebook == "training-diagnostics":
        return any(len(r.training) and len(r.losses) for r in found)
    if notebook == "likelihood":
        return any(len(r.likelihood) for r in found)
    if notebook == "sweeps":
        return len(found.sweeps) > 0
    if notebook == "few-step":
        return len(few_step.table(found)) > 1
    return False  # predictor-corrector and posteriors have their own experiments


def make(name, entry, folder, program, tiny):
    """Makes one small run, unless the same was made before; the file `.made` says of what."""
    overrides = entry.get("set", []) + (TINY if tiny else [])
    config = HERE / entry["config"]
    if tiny and "kind: network" not in config.read_text():
        overrides.remove(TINY[0])
    made = json.dumps([config.read_text(), entry, overrides])
    stamp = folder / ".made"
    if stamp.is_file() and stamp.read_text() == made:
        return
    sets = [part for text in overrides for part in ("--set", text)]
    command = "sweep" if entry.get("sweep") else "run"
    subprocess.run([program, command, config, *sets, "--output", folder, "--quiet"], check=True)
    if entry.get("likelihood"):
        sets = [part for text in entry.get("likelihood_set", []) for part in ("--set", text)]
        count = min(entry["likelihood"], 16) if tiny else entry["likelihood"]
        subprocess.run(
            [
                program,
                "likelihood",
                folder / "config.yaml",
                *sets,
                "--count",
                str(count),
                "--output",
                folder,
                "--input",
                folder / "held_out.csv",
                "--to",
                folder / "likelihood.csv",
                "--quiet",
            ],
            check=True,
        )
    stamp.write_text(made)


def render(notebook, folder, only, output, program):
    """Executes one notebook; whether it came to its end, without a warning."""
    environment = {
        **os.environ,
        "SCORE_SDE_RESULTS": str(folder),
        "SCORE_SDE_RUNS": ",".join(only),
        "SCORE_SDE_PROGRAM": str(program),
        "SCORE_SDE_FIGURES": str(output / "figures"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "NO_COLOR": "1",
    }
    command = [
        sys.executable,
        "-m",
        "nbconvert",
        "--log-level",
        "ERROR",
        "--to",
        "html",
        "--execute",
        "--template",
        "folded",
        f"--TemplateExporter.extra_template_basedirs={HERE}",
        "--output-dir",
        output,
        HERE / f"{notebook}.ipynb",
    ]
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True)
    if done.returncode:
        print(done.stderr[-4000:], file=sys.stderr)
        return False
    words = re.findall(r"output_stderr.*?<pre>(.*?)</pre>", (output / f"{notebook}.html").read_text(), re.S)
    if words:
        print(f"{notebook}: warnings:\n" + "\n".join(words), file=sys.stderr)
    return not words


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", default=[], metavar="NOTEBOOK", help=", ".join(NOTEBOOKS))
    parser.add_argument("--results", default="Results", type=pathlib.Path)
    parser.add_argument("--program", default=HERE.parents[1] / ".build/release/score-sde", type=pathlib.Path)
    parser.add_argument("--small", action="store_true", help="small runs, whatever results there are")
    parser.add_argument("--tiny", action="store_true", help="small runs in seconds, with next to no training")
    asked = parser.parse_args()
    for name in asked.notebooks:
        if name not in NOTEBOOKS:
            parser.error(f"no notebook {name!r}; there are: {', '.join(NOTEBOOKS)}")
    output = asked.results.resolve() / "Notebooks"
    program = asked.program.resolve()
    own = output / ("runs-tiny" if asked.tiny else "runs")
    output.mkdir(parents=True, exist_ok=True)
    small = yaml.safe_load((HERE / "small.yaml").read_text())
    real, good, start = results.load(asked.results), True, time.monotonic()
    for notebook in asked.notebooks or NOTEBOOKS:
        folder, only, words = (
            asked.results.resolve(),
            (),
            f"{len(real)} runs and {len(real.by_sweep)} sweeps of {asked.results}",
        )
        if asked.small or asked.tiny or not serves(real, notebook):
            needed = {n: e for n, e in small.items() if notebook in e["for"]}
            folder, words = own, "small runs " + ", ".join(needed)
            print(f"{notebook}: {words}", flush=True)
            for name, entry in needed.items():
                try:
                    make(name, entry, own / name, program, asked.tiny)
                except (subprocess.CalledProcessError, OSError) as error:
                    sys.exit(f"render.py: {name} could not be made: {error}")
            only = needed
        worked = render(notebook, folder, only, output, program)
        good = good and worked
        print(
            f"{output / notebook}.html: {words if worked else 'FAILED'}, {time.monotonic() - start:.0f} s", flush=True
        )
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
