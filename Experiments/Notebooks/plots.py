# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of results, in one style: Okabe and Ito's colours, which colour-blind readers tell apart, and a marker and a
line style of its own for each series, so that a print in grey can be read too.

`show(figure, name)` writes Results/Notebooks/figures/name.svg and .pdf, and shows the figure.
"""

import os
import pathlib

import matplotlib
import numpy as np
import pandas as pd
from IPython.display import HTML, SVG, Markdown, display
from matplotlib import pyplot as plt
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

import judging
import results

matplotlib.use("agg")  # what is not handed to `show` is not shown

# Okabe and Ito 2008, without yellow, which is too light on white, and without black, which marks the Pareto front.
PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "*"]
LINES = ["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1))]
DATA = "#444444"  # what is real
MAPS = {"field": "cividis", "images": "gray"}
MOST_POINTS, IMAGES = 3_000, 25
TITLES = {
    "sliced_wasserstein": "sliced Wasserstein distance",
    "mmd": "squared MMD",
    "nll": "negative log-likelihood",
    "nfe": "score evaluations per sample (NFE)",
    "seconds": "seconds",
}

plt.rcParams.update(
    {
        "figure.dpi": 100,
        "savefig.dpi": 200,
        "font.size": 9,
        "axes.titlesize": 9,
        "figure.titlesize": 10,
        "axes.grid": True,
        "grid.alpha": 0.3,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "legend.fontsize": 8,
        "svg.hashsalt": "score-sde",
        "pdf.fonttype": 42,
        "figure.constrained_layout.use": True,
    }
)


def title(column):
    return TITLES.get(column, column.replace("_", " "))


def say(text):
    display(Markdown(text))


def table(frame, caption=""):
    """A table without its index, numbers in four digits."""
    frame = frame.copy()
    for column in frame.columns[frame.dtypes.map(pd.api.types.is_numeric_dtype)]:
        frame[column] = frame[column].map(lambda v: "" if pd.isna(v) else f"{v:.4g}")
    text = frame.fillna("").to_html(index=False, border=0)
    display(HTML(f"<figure class='table'><figcaption>{caption}</figcaption>{text}</figure>"))


def show(figure, name):
    """Keeps the figure as SVG and PDF, and shows it."""
    folder = pathlib.Path(os.environ.get("SCORE_SDE_FIGURES") or results.load().folder / "Notebooks" / "figures")
    folder.mkdir(parents=True, exist_ok=True)
    name = "".join(c if c.isalnum() or c in "._+-" else "-" for c in name)
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
    plt.close(figure)
    display(SVG(filename=folder / f"{name}.svg"))


def styles(names):
    """A colour, a marker and a line style for each name: no two are alike up to 77 names."""
    return {
        n: {"color": PALETTE[i % 7], "marker": MARKERS[i % 11], "linestyle": LINES[i % 5]}
        for i, n in enumerate(dict.fromkeys(names))
    }


def legend(figure, handles, columns=4):
    """One legend below all panels; names that are long get fewer columns."""
    longest = max((len(h.get_label()) for h in handles), default=1)
    columns = max(1, min(columns, len(handles), int(figure.get_figwidth() * 15 / (longest + 6))))
    columns = -(-len(handles) // -(-len(handles) // columns))  # rows of equal length
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)


def handle(name, style, **more):
    return plt.Line2D([], [], label=name, markersize=5, linewidth=1.2, **{**style, **more})


# Axes


def logarithmic(axis):
    """A log axis that is labelled in plain numbers where it spans little, at powers of ten else."""
    axes = axis.axes
    axes.set(**{f"{axis.axis_name}scale": "log"})
    low, high = sorted(axis.get_view_interval())
    decades = np.log10(high / low) if low > 0 else 9
    # Which multiples of the powers of ten are labelled, up to how many decades.
    marks = [(0.5, (1, 1.5, *range(2, 10))), (1, (1, 2, 3, 5, 7)), (2.5, (1, 2, 5))]
    labelled = next((subs for most, subs in marks if decades < most), None)
    if labelled:
        axis.set_major_locator(LogLocator(subs=labelled))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())


def error_axis(axis, values):
    """Logarithmic; where estimates are not all positive, linear around zero between dotted lines.

    They lie as far from zero as the lowest estimate: a measure of what chance alone does to an unbiased one.
    """
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    if not len(values) or not (values != 0).any():
        return
    if (values > 0).all():
        low, high = values.min(), values.max()
        margin = max(1.08, (high / low) ** 0.06)
        axis.axes.set_ylim(low / margin, high * margin)
        logarithmic(axis)
        return
    threshold = -values.min() if values.min() < 0 else values[values > 0].min()
    axes = axis.axes
    axes.set_yscale("symlog", linthresh=threshold, linscale=0.5)
    top = max(np.abs(values).max(), threshold * 1.01)
    decades = 10.0 ** np.arange(np.ceil(np.log10(threshold * 1.5)), np.ceil(np.log10(top)) + 1)
    axes.set_yticks([-threshold, 0, threshold, *decades[:: max(1, len(decades) // 5)]])
    axis.set_major_formatter("{x:.2g}")
    axis.set_minor_locator(NullLocator())
    for y in (-threshold, threshold):
        axes.axhline(y, color="0.5", linewidth=0.8, linestyle=":")


def bars(axes, x, frame, metric, style, line=True, label=None):
    """Points with their 95 % intervals where the table has them."""
    y = frame[metric].to_numpy(float)
    low, high = (b.to_numpy(float) for b in judging.bounds(frame, metric))
    style = dict(style)
    if not line:
        style["linestyle"] = "none"
    axes.plot(x, y, markersize=5, linewidth=1, label=label, **style)
    known = np.isfinite(low) & np.isfinite(high)
    axes.vlines(np.asarray(x)[known], low[known], high[known], color=style["color"], linewidth=1.2)
    # Ends of intervals at or below zero leave a logarithmic axis; there the line reaches its lower edge.
    return np.concatenate([y, high[known], low[known & (low > 0)]])


# Rows


def limits(*arrays, columns=(0, 1)):
    """Axes for all points but one in a thousand, of two columns; [[x low, y low], [x high, y high]]."""
    points = np.concatenate([a[:, columns] for a in arrays if a is not None and len(a)])
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return np.array([[-1, -1], [1, 1]])
    low, high = np.quantile(points, [5e-4, 1 - 5e-4], axis=0)
    pad = 0.06 * np.maximum(high - low, 1e-9)
    return np.stack([low - pad, high + pad])


def mosaic(rows, image, most=IMAGES):
    """Images in a square, a pixel apart, from −1 (black) to 1 (white); gray ones as (h, w), others as (h, w, 3)."""
    height, width, channels = image
    rows = rows[:most].reshape(-1, height, width, channels)
    side = int(np.ceil(np.sqrt(len(rows))))
    canvas = np.ones((side * (height + 1) + 1, side * (width + 1) + 1, channels))
    for i, row in enumerate(rows):
        top, left = (i // side) * (height + 1) + 1, (i % side) * (width + 1) + 1
        canvas[top : top + height, left : left + width] = (np.clip(np.nan_to_num(row), -1, 1) + 1) / 2
    return canvas[..., 0] if channels == 1 else canvas


def panel(axes, rows, image=None, frame=None, color=PALETTE[0], background=None):
    """Rows as what they are: images, points in the plane (of the first two columns), or a histogram of one column.

    `background` are other points, drawn in grey below these, as the data behind samples.
    """
    if image is not None:
        axes.imshow(mosaic(rows, image), cmap=MAPS["images"], vmin=0, vmax=1, interpolation="nearest")
        axes.set_axis_off()
        return
    if rows.shape[1] == 1:
        bins = np.linspace(*(frame[:, 0] if frame is not None else np.quantile(rows, [0.001, 0.999])), 61)
        if background is not None:
            axes.hist(background[:, 0], bins, density=True, color="0.8")
        axes.hist(rows[:, 0], bins, density=True, histtype="step", color=color)
        return
    size = 3 if len(rows) > 500 else 8
    if background is not None:
        axes.scatter(*background[:MOST_POINTS, :2].T, s=size, color="0.78", linewidths=0, rasterized=True)
    axes.scatter(*rows[:MOST_POINTS, :2].T, s=size, color=color, alpha=0.6, linewidths=0, rasterized=True)
    if frame is not None:
        axes.set(xlim=frame[:, 0], ylim=frame[:, 1])
        ratio = np.ptp(frame[:, 1]) / np.ptp(frame[:, 0])
        if 0.3 < ratio < 3:
            axes.set_aspect("equal")


def gallery(pictures, image=None, columns=4, width=2.5, heading="", data=None):
    """Named rows side by side on common axes: {"data": rows, "em-100": rows}. `data` gives the axes."""
    pictures = {n: r for n, r in pictures.items() if r is not None and len(r)}
    plane = image is None and all(r.shape[1] > 1 for r in pictures.values())
    given = data if data is not None else next(iter(pictures.values()))
    frame = limits(given, given) if plane else None
    if frame is not None:  # samples that lie a little outside are still seen
        middle, half = frame.mean(0), np.ptp(frame, axis=0) / 2 * 1.15
        frame = np.stack([middle - half, middle + half])
    if image is None and not plane:
        low, high = np.quantile(given[:, 0], [0.001, 0.999])
        frame = np.array([[low], [high]]) + np.array([[-0.1], [0.1]]) * (high - low)
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    ratio = 1.0 if not plane else float(np.clip(np.ptp(frame[:, 1]) / np.ptp(frame[:, 0]), 0.45, 1.5))
    above = 0.2 + 0.15 * max(name.count("\n") + 1 for name in pictures)
    height = (width * ratio + above) * rows + (0.3 if heading else 0) + (0.45 if plane else 0)
    figure, grid = plt.subplots(
        rows, columns, figsize=(width * columns, height), squeeze=False, sharex=plane, sharey=plane
    )
    for axes in grid.flat[len(pictures) :]:
        axes.set_axis_off()
    for axes, (name, values) in zip(grid.flat, pictures.items()):
        real = name.startswith("data")
        panel(axes, values, image, frame, DATA if real else PALETTE[0], None if real or not plane else data)
        axes.set_title(name)
    if plane:
        for axes in grid[:, 0]:
            axes.set_ylabel("x1")
        for axes in grid[-1]:
            axes.set_xlabel("x0")
    if heading:
        figure.suptitle(heading)
    return figure
