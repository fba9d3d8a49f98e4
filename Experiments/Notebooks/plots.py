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
# For points and arrows on white: inferno without its bright end.
DARK = matplotlib.colors.ListedColormap(matplotlib.colormaps["inferno"](np.linspace(0.05, 0.78, 256)), "dark")
MAPS = {"field": "cividis", "points": DARK, "images": "gray"}
TITLES = {
    "sliced_wasserstein": "sliced Wasserstein distance",
    "mmd": "squared MMD",
    "nll": "negative log-likelihood",
    "kl": "KL divergence",
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
    words = TITLES.get(column, column.replace("_", " "))
    return f"{words} (higher is better)" if column in judging.HIGHER else words


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
    marks = [(0.5, (1, 1.5, *range(2, 10))), (1, (1, 1.5, 2, 3, 5, 7)), (2.5, (1, 2, 5))]
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
