# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of sweeps, in the style of plots.py. None stands for a figure with nothing in it."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

import judging
from plots import MAPS, bars, error_axis, handle, legend, styles, title


def sweep(found, metric, name, most=7):
    """What each swept key does: a panel a key, a line a solver, bars over seeds."""
    keys = [k for k in found.keys if found.table[k].nunique() > 1]
    if not keys:
        return None
    order = found.table.groupby("solver")[metric].mean().sort_values(ascending=metric not in judging.HIGHER)
    solvers = list(order.index[:most])
    look = styles(found.table["solver"])  # the same in the figures of all metrics
    figure, grid = plt.subplots(1, len(keys), figsize=(max(4, 3.4 * len(keys)), 3.5), sharey=True, squeeze=False)
    values = []
    for axes, key in zip(grid[0], keys):
        table = found.means(metric, [key, "solver"])
        numbers = pd.api.types.is_numeric_dtype(table[key])
        levels = sorted(table[key].unique()) if numbers else list(dict.fromkeys(table[key]))
        places = levels if numbers else range(len(levels))
        for solver in solvers:
            rows = table[table["solver"] == solver].set_index(key).reindex(levels).reset_index()
            values.append(bars(axes, np.array(places, float), rows, metric, look[solver]))
        if numbers and min(levels) > 0 and max(levels) > 5 * min(levels):
            axes.set_xscale("log")
        axes.set_xticks(places, [f"{v:g}" if numbers else str(v) for v in levels])
        axes.minorticks_off()
        axes.set(xlabel=key)
        axes.margins(x=0.12)
    grid[0][0].set_ylabel(title(metric))
    error_axis(grid[0][0].yaxis, np.concatenate(values))
    legend(figure, [handle(s, look[s]) for s in solvers], 4)
    figure.suptitle(name)
    return figure


def two_keys(found, metric, one, other, name):
    """The metric over two swept keys, for the solver that is best on the whole; darker is better."""
    higher = metric in judging.HIGHER
    order = found.table.groupby("solver")[metric].mean().sort_values(ascending=not higher)
    table = found.means(metric, [one, other, "solver"])
    grid = table[table["solver"] == order.index[0]].pivot(index=one, columns=other, values=metric)
    figure, axes = plt.subplots(figsize=(max(4.8, 1.6 + 1.1 * grid.shape[1]), 1.3 + 0.5 * grid.shape[0]))
    shown = axes.imshow(grid, cmap=MAPS["field"] + ("_r" if higher else ""), aspect="auto")
    for (i, j), value in np.ndenumerate(grid.to_numpy(float)):
        if np.isfinite(value):
            shade = shown.cmap(shown.norm(value))
            light = np.dot(shade[:3], (0.299, 0.587, 0.114)) > 0.5
            axes.text(j, i, f"{value:.3g}", ha="center", va="center", color="black" if light else "white")
    axes.set_xticks(range(grid.shape[1]), [f"{v:g}" if not isinstance(v, str) else v for v in grid.columns])
    axes.set_yticks(range(grid.shape[0]), [f"{v:g}" if not isinstance(v, str) else v for v in grid.index])
    axes.set(xlabel=other, ylabel=one, title=f"{name}: {order.index[0]}, {title(metric)}")
    axes.grid(False)
    return figure
