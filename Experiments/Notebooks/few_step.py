# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps of few steps: how far they end from the exact flow, against steps, seconds of training and method."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from plots import bars, error_axis, handle, legend, logarithmic, styles, title

METRICS = ("map_error_median", "map_error_90", "map_error")


def method(run):
    """The objective's kind, and whose flow it learns where that is not the default."""
    objective = (run.config.get("training") or {}).get("objective") or {}
    if isinstance(objective, str):
        return objective
    teacher = objective.get("teacher")
    whose = {None: "", "none": ", of data", "exact": ", of the exact score"}.get(teacher, ", of a network")
    return f"{objective.get('kind', '?')}{whose}"


def of_rows(run):
    """Its solvers with errors of the map: those of solvers.csv, or of samples beside those of a solver `exact`."""
    shown = run.solvers.copy()
    for metric in METRICS:
        if metric not in shown:
            shown[metric] = np.nan
    if shown[METRICS[0]].notna().any() or "exact" not in set(shown["solver"]):
        return shown
    exact = run.samples("exact")
    for place, row in shown[shown["solver"] != "exact"].iterrows():
        distances = np.linalg.norm(run.samples(row["solver"]) - exact, axis=1)
        shown.loc[place, list(METRICS)] = [
            np.median(distances),
            np.percentile(distances, 90),
            np.sqrt(np.mean(distances**2)),
        ]
    return shown


def table(found):
    """A row a run and solver with an error of its map: method, steps and seconds of training, nfe, errors."""
    parts = []
    for run in found:
        if not len(run.training) or not len(run.solvers):
            continue
        shown = of_rows(run)
        shown = shown[shown[METRICS[0]].notna()]
        last = run.training.iloc[-1]
        parts.append(
            shown.assign(method=method(run), training_steps=last["step"], training_seconds=last["seconds"], run=run.name)
        )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def longest(rows):
    """Of each method the run that was trained longest."""
    most = rows.groupby("method")["training_steps"].transform("max")
    return rows[rows["training_steps"] == most]


def _lines(rows, across, metric, label):
    order = rows.groupby("method")[metric].min().sort_values().index
    look = styles(order)
    figure, axes = plt.subplots(figsize=(6.4, 4.2))
    values = []
    for name in order:
        own = rows[rows["method"] == name].sort_values(across)
        values.append(bars(axes, own[across].to_numpy(float), own, metric, look[name]))
    axes.set(xlabel=label, ylabel=title(metric))
    logarithmic(axes.xaxis)
    error_axis(axes.yaxis, np.concatenate(values))
    legend(figure, [handle(name, look[name]) for name in order], 3)
    return figure


def against_steps(rows, metric=METRICS[0]):
    """The error of each method's longest training against evaluations of the network."""
    return _lines(longest(rows), "nfe", metric, "evaluations of the network")


def against_seconds(rows, metric=METRICS[0]):
    """The error of one evaluation against seconds of training."""
    return _lines(rows[rows["nfe"] == 1], "training_seconds", metric, "seconds of training")
