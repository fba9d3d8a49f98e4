# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures of the README, drawn from results: `make readme-pictures`.

    readme_pictures.py FOLDER [--results Results]

overview.png: real digits, the same with noise, samples on their way and samples (Results/vp-digits), over error against
evaluations with intervals. mnist-unet.png: real images of MNIST beside samples of mnist-unet. Each below 200 kB.
"""

import argparse
import pathlib

import numpy as np
from matplotlib import pyplot as plt

import judging
import plots
import results

MOST_BYTES = 200_000


def overview(run, metric):
    """Data, noise, the way back and samples above; error against evaluations below."""
    rows = run.data[:16]
    noise = np.random.default_rng(1).standard_normal(rows.shape)
    best = run.solvers.sort_values(metric).iloc[0]["solver"]
    pictures = {"data": rows}
    for share in (0.1, 0.3):
        m, sigma = run.kernel(share * run.duration, rows)
        pictures[f"with noise, t = {share:g}"] = m * rows + sigma * noise
    pictures["noise, t = 1"] = noise
    pictures[f"samples by {best}"] = run.samples(best, 16)
    figure = plt.figure(figsize=(9.5, 5.6))
    grid = figure.add_gridspec(2, len(pictures), height_ratios=(1, 1.7))
    for i, (name, values) in enumerate(pictures.items()):
        axes = figure.add_subplot(grid[0, i])
        plots.panel(axes, values, run.image)
        axes.set_title(name)
    axes = figure.add_subplot(grid[1, :])
    table = run.solvers[run.solvers[metric].notna()]
    look = plots.styles(table["method"])
    values = [
        plots.bars(axes, t["nfe"], t, metric, look[m], label=m)
        for m, t in table.sort_values("nfe").groupby("method", sort=False)
    ]
    value, low, high = run.floor(metric)
    if np.isfinite(value):
        axes.axhline(value, color=plots.DATA, linestyle=":", linewidth=1, label="real rows in place of samples")
        values.append(np.array([value]))
        if np.isfinite(low):
            axes.axhspan(low, high, color=plots.DATA, alpha=0.12, linewidth=0)
            values.append(np.array([low, high]))
    axes.set(xlabel=plots.title("nfe"), ylabel=plots.title(metric))
    plots.logarithmic(axes.xaxis)
    plots.error_axis(axes.yaxis, np.concatenate(values))
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def images(run, solver):
    """Real rows beside samples, 60 each."""
    figure, panels = plt.subplots(1, 2, figsize=(8, 4.2))
    for axes, name, rows in zip(panels, ("real", f"samples: {solver}"), (run.data, run.samples(solver))):
        axes.imshow(plots.mosaic(rows, run.image, 64), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(name)
        axes.set_axis_off()
    return figure


def write(figure, path, dots):
    figure.savefig(path, dpi=dots, metadata={"Software": None}, pil_kwargs={"optimize": True})
    plt.close(figure)
    size = path.stat().st_size
    print(f"{path}: {size} bytes")
    if size > MOST_BYTES:
        raise SystemExit(f"{path} has more than {MOST_BYTES} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--results", default=None)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    found = results.load(asked.results)
    digits, mnist = found.run("vp-digits"), found.run("mnist-unet")
    measured = judging.metrics(digits.solvers)
    metric = "sliced_wasserstein" if "sliced_wasserstein" in measured else measured[0]
    write(overview(digits, metric), asked.folder / "overview.png", 110)
    write(images(mnist, "heun-18"), asked.folder / "mnist-unet.png", 100)


if __name__ == "__main__":
    main()
