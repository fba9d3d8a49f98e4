# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole figures of runs, in the style of plots.py. None stands for a figure with nothing in it."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.ticker import MaxNLocator

import judging
from galleries import IMAGES, MOST_COLUMNS, MOST_POINTS, gallery, limits
from plots import (
    DATA,
    LINES,
    MAPS,
    PALETTE,
    bars,
    error_axis,
    handle,
    legend,
    logarithmic,
    styles,
    title,
)


def band(axes, run, metric, vertical=True):
    """What real rows in the samples' place get: perfect samples would be there."""
    value, low, high = run.floor(metric)
    if not np.isfinite(value):
        return np.array([])
    line, span = (axes.axhline, axes.axhspan) if vertical else (axes.axvline, axes.axvspan)
    if np.isfinite(low) and np.isfinite(high):
        span(low, high, color=DATA, alpha=0.12, linewidth=0)
    line(value, color=DATA, linewidth=1, linestyle=(0, (1, 1)))
    return np.array([value, *(v for v in (low, high) if v > 0)])


def error_against_cost(run, metric, costs=("nfe", "seconds"), line=None):
    """Error against each cost, a line a method, with intervals, the Pareto front and the level of real data.

    Of more than 14 methods those on a front have colours; the others are grey. `line` gives a method's line style.
    """
    shown = run.solvers[run.solvers[metric].notna()]
    costs = [c for c in costs if c in shown and (shown[c] > 0).any()]
    fronts = {c: judging.front(shown[shown[c] > 0], c, metric) for c in costs}
    methods = list(dict.fromkeys(shown["method"]))
    named = (
        methods if len(methods) <= 14 else [m for m in methods if any(m in set(f["method"]) for f in fronts.values())]
    )
    look = styles(named)
    for method in named if line else []:
        look[method]["linestyle"] = line(method)
    figure, panels = plt.subplots(1, len(costs), figsize=(4.9 * len(costs), 3.9), sharey=True, squeeze=False)
    values = []
    for axes, cost in zip(panels[0], costs):
        for method in sorted(methods, key=lambda m: m in look):
            rows = shown[(shown["method"] == method) & (shown[cost] > 0)].sort_values(cost)
            if method in look:
                values.append(bars(axes, rows[cost], rows, metric, look[method]))
            else:
                axes.plot(rows[cost], rows[metric], ".-", color="0.8", linewidth=0.7, markersize=3, zorder=1)
                values.append(rows[metric].to_numpy(float))
        axes.plot(fronts[cost][cost], fronts[cost][metric], color="black", linewidth=2.5, alpha=0.25, zorder=1)
        values.append(band(axes, run, metric))
        axes.set(xlabel=title(cost))
        logarithmic(axes.xaxis)
    panels[0][0].set_ylabel(title(metric))
    error_axis(panels[0][0].yaxis, np.concatenate(values))
    handles = [handle(m, look[m]) for m in named]
    handles += [plt.Line2D([], [], color="black", linewidth=2.5, alpha=0.25, label="Pareto front")]
    if np.isfinite(run.floor(metric)[0]):
        handles.append(plt.Line2D([], [], color=DATA, linestyle=(0, (1, 1)), label="real rows in place of samples"))
    if len(named) < len(methods):
        handles.append(plt.Line2D([], [], color="0.8", marker=".", label=f"{len(methods) - len(named)} other methods"))
    legend(figure, handles, 5)
    figure.suptitle(f"{run.name}: process {run.process}")
    return figure


def processes(group, metric, most=6):
    """Error against evaluations: a panel for each kind of solver that two runs share, a line for each run."""
    together = pd.concat([run.solvers.assign(label=run.name) for run in group], ignore_index=True)
    together = together[together[metric].notna()]
    shared = [m for m, t in together.groupby("kind", sort=False) if t["label"].nunique() > 1][:most]
    if not shared:
        return None
    look = styles(run.name for run in group)
    columns = min(3, len(shared))
    rows = -(-len(shared) // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(3.2 * columns, 2.8 * rows + 0.5), sharex=True, sharey=True, squeeze=False
    )
    values = []
    for axes in grid.flat[len(shared) :]:
        axes.set_axis_off()
    for axes, kind in zip(grid.flat, shared):
        for run in group:
            table = together[(together["kind"] == kind) & (together["label"] == run.name)].sort_values("nfe")
            if len(table):
                values.append(bars(axes, table["nfe"], table, metric, look[run.name]))
        values.append(band(axes, group[0], metric))
        axes.set(title=kind)
        logarithmic(axes.xaxis)
    for axes in grid[:, 0]:
        axes.set_ylabel(title(metric))
    for axes in grid[-1]:
        axes.set_xlabel("NFE")
    error_axis(grid[0][0].yaxis, np.concatenate(values))
    legend(figure, [handle(f"{run.name}: {run.process}", look[run.name]) for run in group])
    return figure


def samples(run, most=11):
    """The data beside the samples of a run's solvers, best first; None where there is nothing to draw."""
    order = run.solvers
    measured = judging.metrics(order)
    if measured:
        order = order.sort_values(measured[0], ascending=measured[0] not in judging.HIGHER)
    data, heading = run.data, run.name
    if run.image is None and data is not None and data.shape[1] > 2:
        # A picture of each pair: as many that a page bears them.
        most = min(most, max(2, 200 // min(data.shape[1], MOST_COLUMNS) ** 2))
    rows = {name: run.samples(name, MOST_POINTS if run.image is None else IMAGES) for name in order["solver"][:most]}
    if not any(r is not None for r in rows.values()):
        return None
    if len(rows) < len(order):
        heading += f": {'the best ' if measured else ''}{len(rows)} of {len(order)} solvers"
    named = {} if data is None else {"data": data}
    few = len(rows) + len(named) <= 6
    return gallery({**named, **rows}, run.image, 3 if few else 4, 3.2 if few else 2.4, heading, data, run.names)


# Training


def losses(run):
    """Loss and gradient norm over steps, and the loss in bins of t, with the score's own error where it is known."""
    training, bins = run.training, run.losses
    draws = []
    if len(training) and {"step", "loss"} <= set(training):
        draws.append(lambda axes: _curve(axes, training, "loss"))
        if "gradient_norm" in training and training["gradient_norm"].notna().any():
            draws.append(lambda axes: _curve(axes, training, "gradient_norm"))
    if len(bins) and {"time_low", "time_high"} <= set(bins):
        draws.append(lambda axes: _bins(axes, bins))
    if not draws:
        return None
    figure, grid = plt.subplots(1, len(draws), figsize=(3.6 * len(draws), 3.1), squeeze=False)
    for axes, draw in zip(grid[0], draws):
        draw(axes)
    figure.suptitle(run.name)
    return figure


def _curve(axes, training, column):
    values = training[column]
    axes.plot(training["step"], values, color="0.75", linewidth=0.8)
    mean = values.rolling(max(1, len(values) // 20), center=True, min_periods=1).mean()
    axes.plot(training["step"], mean, color=PALETTE[0], linewidth=1.5)
    axes.set(xlabel="step", ylabel=title(column))
    if (values.dropna() > 0).all():
        logarithmic(axes.yaxis)


def _bins(axes, bins):
    edges = np.append(bins["time_low"], bins["time_high"].iloc[-1])
    words = {"training": "training rows", "held_out": "held-out rows", "excess": "score's own error"}
    drawn = [c for c in words if c in bins and bins[c].notna().any()]
    for i, column in enumerate(drawn):
        axes.stairs(
            bins[column], edges, baseline=None, color=PALETTE[i], linestyle=LINES[i], linewidth=1.5, label=words[column]
        )
    axes.set(xlabel="time t", ylabel="loss")
    if (bins[drawn].stack() > 0).all():
        logarithmic(axes.yaxis)
    axes.legend(loc="best")


def fields(run, shares=(0.02, 0.1, 0.3, 0.7), steps=16):
    """The score over the plane at four times; where the exact score is known, in colour how far it is from that."""
    frame, data = limits(run.data), run.data[:MOST_POINTS]
    shape = float(np.clip(np.ptp(frame[:, 1]) / np.ptp(frame[:, 0]), 0.5, 1.5))
    lines = [np.linspace(*frame[:, i], n) for i, n in enumerate((steps, round(steps * shape)))]
    points = np.stack(np.meshgrid(*lines), axis=-1).reshape(-1, 2)
    known = run.data_kind == "gaussian-mixture" and run.config["score"]["kind"] != "exact"
    figure, grid = plt.subplots(2, 2, figsize=(9, 9 * shape + 0.6), sharex=True, sharey=True)
    for axes, share in zip(grid.flat, shares):
        time = share * run.duration
        found = run.score(points, time)
        length = np.linalg.norm(found, axis=1, keepdims=True)
        # Directions, longer where the score is larger.
        arrows = found / np.maximum(length, 1e-300) * (0.4 + 0.6 * (length / length.max()) ** 0.5)
        axes.scatter(*data.T, s=2, color="0.8", linewidths=0, rasterized=True)
        if known:
            right = run.score(points, time, exactly=True)
            error = np.linalg.norm(found - right, axis=1) / np.linalg.norm(right, axis=1)
            look = {"cmap": MAPS["points"], "clim": (0, 1), "scale": steps * 1.15, "width": 0.004}
            drawn = axes.quiver(*points.T, *arrows.T, np.clip(error, 0, 1), **look)
        else:
            axes.quiver(*points.T, *arrows.T, color=PALETTE[0], scale=steps * 1.15, width=0.004)
        axes.set(title=f"t = {time:.3g}", xlim=frame[:, 0], ylim=frame[:, 1])
        axes.grid(False)
    for axes in grid[1]:
        axes.set_xlabel(run.names[0])
    for axes in grid[:, 0]:
        axes.set_ylabel(run.names[1])
    if known:
        figure.colorbar(drawn, ax=grid, label="relative error of the score (1 and above: bright)", shrink=0.6)
    figure.suptitle(f"{run.name}: the score as a field, over the data in grey")
    return figure


def groups(panels, metric, heading):
    """Named tables side by side: {"n = 100": {"ancestral": rows}}, with a column `label` that says what each row is."""
    figure, grid = plt.subplots(1, len(panels), figsize=(4.9 * len(panels), 3.6), sharey=True, squeeze=False)
    values = []
    for axes, (name, rows) in zip(grid[0], panels.items()):
        look = styles(next(iter(rows.values()))["label"])
        for place, table in enumerate(rows.values()):
            for i, (_, row) in enumerate(table.iterrows()):
                x = place + (i - (len(table) - 1) / 2) * 0.16
                values.append(bars(axes, [x], row.to_frame().T.infer_objects(), metric, look[row["label"]], line=False))
        axes.set_xticks(range(len(rows)), list(rows))
        axes.set_title(name)
        axes.grid(False, axis="x")
        axes.legend(
            handles=[handle(n, s, linestyle="none") for n, s in look.items()],
            ncols=len(look),
            loc="lower center",
            bbox_to_anchor=(0.5, -0.28),
            handletextpad=0.2,
            columnspacing=1,
        )
    grid[0][0].set_ylabel(title(metric))
    error_axis(grid[0][0].yaxis, np.concatenate(values))
    figure.suptitle(heading)
    return figure


def densities(run):
    """The log densities of likelihood.csv as a histogram and, in the plane, at their points."""
    values, points = run.likelihood["log_density"].to_numpy(float), run.likelihood_points
    plane = points is not None and points.shape[1] == 2
    figure, panels = plt.subplots(1, 1 + plane, figsize=(5 + 3.6 * plane, 3.2), squeeze=False)
    low = np.nanquantile(values, 0.005)
    panels[0, 0].hist(np.clip(values, low, None), 50, color=PALETTE[0])
    panels[0, 0].axvline(np.nanmean(values), color="black", linestyle="--", label="mean")
    panels[0, 0].set(xlabel=f"log density, nats (below {low:.3g} in the first bar)", ylabel="points")
    panels[0, 0].yaxis.set_major_locator(MaxNLocator(integer=True))
    panels[0, 0].legend()
    if plane:
        drawn = panels[0, 1].scatter(*points.T, c=np.clip(values, low, None), s=8, cmap=MAPS["points"], linewidths=0)
        panels[0, 1].set(xlabel=run.names[0], ylabel=run.names[1], aspect="equal")
        figure.colorbar(drawn, label="log density, nats")
    figure.suptitle(f"{run.name}: process {run.process}")
    return figure


def shares(measured, truth, word, across):
    """Named (share, low, high) beside the truth."""
    figure, axes = plt.subplots(figsize=(6, 0.6 + 0.4 * len(measured)))
    axes.axvline(truth, color="black", linestyle="--", label=word)
    for i, ((value, low, high), style) in enumerate(zip(measured.values(), styles(measured).values(), strict=True)):
        error = [[value - low], [high - value]]
        axes.errorbar(value, -i, xerr=error, fmt=style["marker"], color=style["color"], capsize=3)
    highest = max(high for _, _, high in measured.values())
    axes.set(xlabel=across, xlim=(0, 1.1 * highest), ylim=(0.5 - len(measured), 0.5))
    axes.set_yticks([-i for i in range(len(measured))], list(measured))
    legend(figure, axes.get_legend_handles_labels()[0])
    return figure


def score_errors(tables):
    """The score's own error in bins of t, of named tables loss_by_time.csv, with intervals where they have them."""
    look = styles(tables)
    figure, axes = plt.subplots(figsize=(6, 3.6))
    for name, table in tables.items():
        bars(axes, (table["time_low"] + table["time_high"]) / 2, table, "excess", look[name], label=name)
    axes.set(xlabel="time t", ylabel="‖σ (ŝ − s)‖² a dimension")
    if all((t["excess"].dropna() > 0).all() for t in tables.values()):
        logarithmic(axes.yaxis)
    legend(figure, axes.get_legend_handles_labels()[0], 3)
    return figure
