# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures of the README, drawn from results: `make readme-pictures`.

    readme_pictures.py FOLDER [--results Results]

overview.png: images of MNIST, the same with noise, and samples of Results/mnist-unet, over the error of the solvers of
Results/digits-solvers against their evaluations, with intervals. mnist-unet.png: real images beside samples. Each has
less than 200 kB.
"""

import argparse
import io
import pathlib

import numpy as np
from matplotlib import pyplot as plt
from PIL import Image

import galleries
import judging
import plots
import results

MOST_BYTES = 200_000


def overview(images, digits, solver, metric):
    rows = images.data[:16]
    noise = np.random.default_rng(1).standard_normal(rows.shape)
    pictures = {"data": rows}
    for share in (0.1, 0.25, 0.5):
        m, sigma = images.kernel(share * images.duration, rows)
        pictures[f"noise is added: t = {share:g}"] = m * rows + sigma * noise
    nfe = images.solvers.set_index("solver").loc[solver, "nfe"]
    pictures[f"samples, {nfe:.0f} evaluations"] = images.samples(solver, 16)
    figure = plt.figure(figsize=(9.6, 5.4))
    grid = figure.add_gridspec(2, len(pictures), height_ratios=(1, 1.6))
    for i, (name, values) in enumerate(pictures.items()):
        axes = figure.add_subplot(grid[0, i])
        galleries.panel(axes, values, images.image)
        axes.set_title(name)
    axes = figure.add_subplot(grid[1, :])
    table = digits.solvers[digits.solvers[metric].notna()]
    look = plots.styles(table["method"])
    values = [
        plots.bars(axes, rows["nfe"], rows, metric, look[method], label=method)
        for method, rows in table.sort_values("nfe").groupby("method", sort=False)
    ]
    value, low, high = digits.floor(metric)
    if np.isfinite(value):
        axes.axhline(value, color=plots.DATA, linestyle=":", linewidth=1, label="real rows in place of samples")
        values.append(np.array([value]))
    if np.isfinite(low):
        axes.axhspan(low, high, color=plots.DATA, alpha=0.12, linewidth=0)
        values.append(np.array([low, high]))
    axes.set(
        xlabel="score evaluations per sample", ylabel=plots.title(metric), title="solvers of one network, 8 × 8 digits"
    )
    plots.logarithmic(axes.xaxis)
    plots.error_axis(axes.yaxis, np.concatenate(values))
    axes.legend(loc="upper right")
    return figure


def beside(run, solver):
    """64 real rows beside as many samples."""
    figure, panels = plt.subplots(1, 2, figsize=(8, 4.2))
    for axes, name, rows in zip(panels, ("real", f"samples by {solver}"), (run.data, run.samples(solver)), strict=True):
        axes.imshow(galleries.mosaic(rows, run.image, 64), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(name)
        axes.set_axis_off()
    return figure


def write(figure, path, dots):
    """As PNG of 256 colours, which halves it: noise is most of it."""
    pixels = io.BytesIO()
    figure.savefig(pixels, dpi=dots)
    plt.close(figure)
    picture = Image.open(pixels).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)
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
    images, digits = found.run("mnist-unet"), found.run("digits-solvers")
    metric = judging.metrics(digits.solvers)[0]
    write(overview(images, digits, "heun-18", metric), asked.folder / "overview.png", 120)
    write(beside(images, "heun-18"), asked.folder / "mnist-unet.png", 110)


if __name__ == "__main__":
    main()
