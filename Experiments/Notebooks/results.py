# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads folders of results in one line:

    import results
    r = results.load("Results")
    r.solvers                            # one table: a row a run and solver
    r.run("vp-digits").samples("em-500") # an array, a row a sample

A run is a folder with `solvers.csv` or `training.csv`, however deep; a sweep is one with `sweep.csv`. Folders of older
programs are read too: what they lack is empty. What cannot be read is left out, and named in `problems`.
"""

import functools
import json
import os
import pathlib

import numpy as np
import pandas as pd

from judging import HIGHER, metrics
from runs import Run, Unavailable, read_csv

__all__ = ["Results", "Run", "Sweep", "Unavailable", "load", "same_data"]


def load(folder=None):
    """All runs and sweeps of a folder: of `folder`, else of SCORE_SDE_RESULTS, else of the repository.

    SCORE_SDE_RUNS=NAME,NAME keeps those within these folders only.
    """
    only = [n for n in os.environ.get("SCORE_SDE_RUNS", "").split(",") if n]
    return Results(folder or os.environ.get("SCORE_SDE_RESULTS") or pathlib.Path(__file__).parents[2] / "Results", only)


def same_data(found):
    """Runs of the same data under different processes, in groups of at least two."""
    groups = {}
    for run in found:
        if run.config.get("data") and metrics(run.solvers):
            groups.setdefault(json.dumps(run.config["data"], sort_keys=True), []).append(run)
    return [g for g in groups.values() if len({json.dumps(r.config.get("process"), sort_keys=True) for r in g}) > 1]


class Sweep:
    """One sweep.csv. `keys` are the swept keys but the seed, those that stand between `run` and `experiment`."""

    def __init__(self, table):
        repeats = table.get("repeat")
        # Single repeats are the means' parts.
        self.table = table[repeats == "all"] if repeats is not None and (repeats == "all").any() else table
        # Rows without a solver are of the model itself.
        self.table = self.table.assign(solver=self.table["solver"].replace("", "(model)"))
        names = list(table.columns)
        swept = names[names.index("run") + 1 : names.index("experiment")]
        self.keys = [k for k in swept if k != "seed"]
        self.seeds = table["seed"].nunique() if "seed" in swept else 1
        self.metrics = [m for m in metrics(self.table) if m not in swept]

    def means(self, metric, by):
        """The mean of a metric for each value of `by`, and the lowest and highest mean of a seed there."""
        table = self.table.dropna(subset=[metric])
        by = list(by)
        if "seed" in table and self.seeds > 1:
            table = table.groupby([*by, "seed"], sort=False)[metric].mean().reset_index()
        groups = table.groupby(by)[metric]
        found = groups.agg(["mean", "min", "max"]).reset_index()
        if self.seeds < 2:
            found[["min", "max"]] = np.nan
        return found.rename(columns={"mean": metric, "min": f"{metric}_low", "max": f"{metric}_high"})

    def best(self, metric):
        """All combinations of keys and solver, best first."""
        found = self.means(metric, [*self.keys, "solver"])
        return found.sort_values(metric, ascending=metric not in HIGHER).reset_index(drop=True)


class Results:
    """All runs of a folder, in the order of their names."""

    def __init__(self, folder, only=()):
        self.folder = pathlib.Path(folder).resolve()
        self.problems, self.runs, self._sweeps, self._parts = [], [], [], set()
        for path, folders, files in os.walk(self.folder):
            # Hidden folders are the store of networks and what is being written; Notebooks has its own small runs.
            folders[:] = sorted(
                f for f in folders if not f.startswith(".") and (f, path) != ("Notebooks", str(self.folder))
            )
            name = os.path.relpath(path, self.folder)
            if only and name.split(os.sep)[0] not in only:
                continue
            if {"solvers.csv", "training.csv"} & set(files):
                self.runs.append(Run(path, self.folder.name if name == "." else name, self.problems))
            if name.split(os.sep)[-2:-1] == ["runs"] and (pathlib.Path(path).parents[1] / "sweep.csv").is_file():
                self._parts.add(name)
            if "sweep.csv" in files:
                self._sweeps.append((self.folder.name if name == "." else name, pathlib.Path(path) / "sweep.csv"))
        self.runs.sort(key=lambda r: r.name)

    def __len__(self):
        return len(self.runs)

    def __iter__(self):
        return iter(self.runs)

    @property
    def alone(self):
        """The runs that are no parts of a sweep; all where there are no others."""
        return [r for r in self.runs if r.name not in self._parts] or self.runs

    def run(self, name):
        """The run of that folder, or the only one whose folder or experiment has that name at its end."""
        found = [r for r in self.runs if r.name == name] or [
            r for r in self.runs if r.name.endswith("/" + name) or r.config.get("name") == name
        ]
        if len(found) != 1:
            names = ", ".join(r.name for r in found or self.runs) or "none"
            raise KeyError(f"{'no' if not found else 'more than one'} run {name!r}; there are: {names}")
        return found[0]

    def _all(self, name):
        tables = [t for t in (getattr(r, name) for r in self.runs) if len(t)]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    solvers = functools.cached_property(lambda self: self._all("solvers"))
    training = functools.cached_property(lambda self: self._all("training"))
    losses = functools.cached_property(lambda self: self._all("losses"))
    evaluation = functools.cached_property(lambda self: self._all("evaluation"))

    @functools.cached_property
    def by_sweep(self):
        """Each sweep.csv, by the name of its folder."""
        tables = {name: read_csv(path, self.problems) for name, path in self._sweeps}
        return {name: Sweep(table) for name, table in tables.items() if {"run", "experiment", "solver"} <= set(table)}

    @functools.cached_property
    def sweeps(self):
        """All sweep.csv as one table, with the folder as the column `sweep`."""
        tables = [s.table.assign(sweep=name)[["sweep", *s.table.columns]] for name, s in self.by_sweep.items()]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    @property
    def table(self):
        """What there is: a row a run."""
        return pd.DataFrame(
            [
                {
                    "run": r.name,
                    "data": r.data_kind,
                    "process": r.process,
                    "solvers": len(r.solvers),
                    "trained": f"{r.training['step'].iloc[-1]:.0f} steps"
                    if len(r.training) and "step" in r.training
                    else "",
                    "seed": r.seed,
                    "finished": str(r.manifest.get("finished", "")).replace("T", " ").rstrip("Z"),
                }
                for r in self.runs
            ]
        )

    def _repr_html_(self):
        return self.table.to_html(index=False)
