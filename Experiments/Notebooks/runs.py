# SPDX-License-Identifier: GPL-3.0-or-later
"""One folder of results, as results.py finds it."""

import csv
import functools
import json
import os
import pathlib
import subprocess
import tempfile

import numpy as np
import pandas as pd
import yaml

from judging import TEXTS


class Unavailable(Exception):
    """What a run cannot be asked, in a sentence."""


def read_csv(path, problems):
    """The table with its numbers as numbers; an empty one where there is no such file, or it cannot be read."""
    try:
        table = pd.read_csv(path, dtype={name: str for name in TEXTS})
    except FileNotFoundError:
        return pd.DataFrame()
    except (OSError, ValueError) as error:  # pandas' own errors are ValueErrors
        problems.append(f"{path}: {error}")
        return pd.DataFrame()
    for column in table:
        if column in TEXTS:
            table[column] = table[column].fillna("")
        else:
            numbers = pd.to_numeric(table[column], errors="coerce").replace([np.inf, -np.inf], np.nan)
            # A swept key can be a word.
            table[column] = numbers if numbers.notna().any() or table[column].isna().all() else table[column]
    return table


class Run:
    """One folder of results. Tables that it lacks are empty."""

    def __init__(self, folder, name, problems):
        self.folder, self.name, self.problems, self._tables = pathlib.Path(folder), name, problems, {}

    def __repr__(self):
        return f"Run({self.name!r}: {self.process} on {self.data_kind}, {len(self.solvers)} solvers)"

    @functools.cached_property
    def config(self):
        """The config with every default, as nested dictionaries; empty where there is none."""
        try:
            config = yaml.safe_load((self.folder / "config.yaml").read_text())
            return config if isinstance(config, dict) else {}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, yaml.YAMLError) as error:
            self.problems.append(f"{self.folder / 'config.yaml'}: {' '.join(str(error).split())}")
            return {}

    @functools.cached_property
    def manifest(self):
        try:
            return json.loads((self.folder / "manifest.json").read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            self.problems.append(f"{self.folder / 'manifest.json'}: {error}")
            return {}

    def _kind(self, section):
        value = self.config.get(section, "")
        return str(value.get("kind", "") if isinstance(value, dict) else value)

    @functools.cached_property
    def process(self):
        table = self._table("solvers.csv")
        return str(table["process"].iloc[0]) if len(table) and "process" in table else self._kind("process")

    data_kind = property(lambda self: self._kind("data"))
    seed = property(lambda self: self.config.get("seed", self.manifest.get("seed", np.nan)))

    def _table(self, name):
        if name not in self._tables:
            self._tables[name] = read_csv(self.folder / name, self.problems)
        return self._tables[name]

    def _tagged(self, name):
        table = self._table(name)
        if len(table) and "run" in table:
            return table
        return table.assign(run=self.name)[["run", *table.columns]] if len(table) else table

    @functools.cached_property
    def solvers(self):
        """solvers.csv with the columns run, seed and overrides, whichever program wrote it."""
        table = self._tagged("solvers.csv")
        missing = [c for c in ("solver", "kind", "nfe") if c not in table]
        if len(table) and missing:
            self.problems.append(f"{self.folder / 'solvers.csv'}: no column {', '.join(missing)}")
            return table.iloc[:0]
        if not len(table):
            return table
        given = {"experiment": self.name, "process": self.process, "seed": self.seed, "overrides": ""}
        table = table.assign(**{c: v for c, v in given.items() if c not in table})
        # A method at several budgets or tolerances: names that differ in a number at the end.
        return table.assign(method=table["solver"].str.replace(r"-(\d+|\d+e-\d+)$", "", regex=True))

    training = property(lambda self: self._tagged("training.csv"))
    losses = property(lambda self: self._tagged("loss_by_time.csv"))
    evaluation = property(lambda self: self._tagged("evaluation.csv"))
    trajectories = property(lambda self: self._table("trajectories.csv"))
    likelihood = property(lambda self: self._table("likelihood.csv"))

    @property
    def likelihood_points(self):
        """The rows that likelihood.csv is of, which are the first held-out ones; None where there are not as many."""
        rows = self.data
        return rows[: len(self.likelihood)] if rows is not None and len(rows) >= len(self.likelihood) else None

    def floor(self, metric):
        """(value, low, high) of a metric of real rows in the samples' place; NaN where evaluation.csv does not say."""
        table = self.evaluation
        if len(table) and {"metric", "data"} <= set(table):
            rows = table[(table["metric"].str.replace("-", "_") == metric) & table["data"].notna()]
            rows = rows[(rows.get("class", "") == "") & (rows.get("repeat", "all") == "all")]
            if len(rows):
                row = rows.iloc[0]
                return row["data"], row.get("data_low", np.nan), row.get("data_high", np.nan)
        return np.nan, np.nan, np.nan

    @property
    def model(self):
        """The rows of evaluation.csv that are of the model itself: nll, bits_per_dimension, kl, score_error."""
        table = self.evaluation
        return (
            table[(table["solver"] == "") & table["value"].notna()]
            if {"solver", "value"} <= set(table)
            else table.iloc[:0]
        )

    def _rows(self, stem, most=None):
        array, text = (stem.with_name(stem.name + ending) for ending in (".npy", ".csv"))
        try:
            if array.is_file():
                return np.array(np.load(array, mmap_mode="r")[:most], float)
            return pd.read_csv(text, nrows=most).to_numpy(float) if text.is_file() else None
        except (OSError, ValueError) as error:
            self.problems.append(f"{stem}: {error}")
            return None

    def samples(self, solver, most=None):
        """A solver's samples, a row each (at most the first `most`); None where there are none."""
        return self._rows(self.folder / "samples" / solver, most)

    @property
    def data(self):
        """Held-out rows of the data; None in folders of older programs, which have none."""
        return self._rows(self.folder / "held_out")

    @property
    def observations(self):
        """What was seen, a row an observation; None where nothing was."""
        return self._rows(self.folder / "observations")

    @property
    def truth(self):
        """The held-out rows that were seen, a row an observation; None where values were given."""
        return self._rows(self.folder / "truth")

    @functools.cached_property
    def names(self):
        """Names of the data's columns: those of its CSV file, as far as that is still there, else x0, x1, …"""
        rows, data = self.data, self.config.get("data")
        plain = [f"x{i}" for i in range(0 if rows is None else rows.shape[1])]
        if not isinstance(data, dict) or data.get("kind") != "csv" or data.get("header") not in (None, "auto", True):
            return plain
        try:
            header = list(pd.read_csv(data["path"], sep=None, engine="python", nrows=0))
        except (KeyError, OSError, ValueError, csv.Error):
            return plain
        if data.get("header") is not True and pd.to_numeric(pd.Series(header), errors="coerce").notna().any():
            return plain  # a first line with numbers is a row
        # What is named by its place, or not at all, cannot be told here: then the numbers of columns differ.
        listed = {key: data.get(key) or [] for key in ("columns", "drop", "label", "condition", "text")}
        listed = {key: [c] if isinstance(c, (str, int)) else list(c) for key, c in listed.items()}
        left = {c for key, names in listed.items() if key != "columns" for c in names}
        found = listed["columns"] or [c for c in header if c not in left]
        return list(map(str, found)) if len(found) == len(plain) and set(found) <= set(header) else plain

    @functools.cached_property
    def image(self):
        """(height, width, channels) of rows that are images, else None."""
        data = self.config.get("data") if isinstance(self.config.get("data"), dict) else {}
        if data.get("shape"):
            return tuple(data["shape"])
        kind = self.data_kind
        if kind == "images":
            return data.get("size", 32), data.get("size", 32), data.get("channels", 3)
        if kind == "idx":
            rows = self.data
            side = 28 if rows is None else int(round(rows.shape[1] ** 0.5))
            return (side, side, 1) if rows is None or side * side == rows.shape[1] else None
        return {"digits": (8, 8, 1), "cifar10": (32, 32, 3)}.get(kind)

    def way(self, solver):
        """(times, states): states[k, i] is the row i that was followed, at times[k]; None where none was."""
        table = self.trajectories
        if not len(table) or solver not in set(table.get("solver", [])):
            return None
        table = table[table["solver"] == solver]
        columns = [c for c in table if c.startswith("x")]
        wide = self._rows(self.folder / "samples" / f"{solver}-trajectories")
        states = table[columns].to_numpy(float) if wide is None else wide
        order = np.lexsort((table["row"], table["step"]))
        rows = table["row"].nunique()
        if len(states) != len(table) or len(table) % rows or table.groupby("step")["row"].nunique().nunique() != 1:
            return None  # steps of their own for each row, as of adaptive solvers
        times = table["time"].to_numpy(float)[order][::rows]
        return times, states[order].reshape(len(times), rows, -1)

    @functools.cached_property
    def duration(self):
        """T, the largest time in the run's files; Unavailable where none is written."""
        times = [t[c].max() for t, c in ((self.losses, "time_high"), (self.trajectories, "time")) if c in t and len(t)]
        if not times:
            raise Unavailable("no file says how long its process lasts")
        return float(max(times))

    # Through the program

    def ask(self, command, *options, points=None, exactly=False):
        """What a command of the program writes for this run, as an array. Raises Unavailable where it cannot.

        `exactly`: with the exact score of its data in place of the run's own.
        """
        program = os.environ.get("SCORE_SDE_PROGRAM") or pathlib.Path(__file__).parents[2] / ".build/release/score-sde"
        if not pathlib.Path(program).is_file():
            raise Unavailable("the program is not built; `make build` builds it")
        with tempfile.TemporaryDirectory() as folder:
            written, config = pathlib.Path(folder) / "out.csv", self.folder / "config.yaml"
            if exactly:
                config = pathlib.Path(folder) / "exact.yaml"
                kept = {k: v for k, v in self.config.items() if k != "training"}
                config.write_text(yaml.safe_dump({**kept, "score": {"kind": "exact"}}))
            line = [program, command, config, "--output", self.folder, "--quiet", "--to", written]
            if points is not None:
                np.save(pathlib.Path(folder) / "in.npy", np.ascontiguousarray(points, float))
                line += ["--input", pathlib.Path(folder) / "in.npy"]
            done = subprocess.run([*map(str, line), *map(str, options)], capture_output=True, text=True)
            if done.returncode:
                raise Unavailable((done.stderr.strip().splitlines() or ["the program failed"])[-1])
            return pd.read_csv(written).to_numpy(float)

    def score(self, points, time, quantity="score", exactly=False):
        """The run's score, noise or denoised rows at points and a time, by its network or exactly."""
        return self.ask("score", "--at", repr(float(time)), "--quantity", quantity, points=points, exactly=exactly)

    def kernel(self, time, rows):
        """(m, σ) of x_t = m x₀ + σ z, by the program's answers at a few rows; Unavailable where they are no numbers."""
        score, noise, clean = (self.score(rows, time, q) for q in ("score", "noise", "denoised"))
        sigma = -float((noise * score).sum() / (score * score).sum())
        m = float(((rows + sigma**2 * score) * clean).sum() / (clean * clean).sum())
        for left, right in ((noise, -sigma * score), (m * clean, rows + sigma**2 * score)):
            if not np.allclose(left, right, rtol=1e-4, atol=1e-4 * np.abs(right).max()):
                raise Unavailable("its perturbation kernel is no scalar one, or the data go through coordinates")
        return m, sigma
