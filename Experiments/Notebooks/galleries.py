# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows as what they are, side by side on common axes: images, points in the plane, pairs of columns, histograms."""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.ticker import MaxNLocator

from plots import DATA, MAPS, PALETTE

MOST_POINTS, IMAGES = 3_000, 25
PAIR_POINTS, MOST_COLUMNS = 400, 8  # as the pictures of results have


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
    """Rows as what they are: images, points in the plane, or a histogram of one column.

    `background` are other points, drawn in grey below these, as the data behind samples. More columns than two are a
    matter of `pairs`.
    """
    if image is not None:
        axes.imshow(mosaic(rows, image), cmap=MAPS["images"], vmin=0, vmax=1, interpolation="nearest")
        axes.set_axis_off()
        return
    if rows.shape[1] == 1:
        bins = np.linspace(*(frame[:, 0] if frame is not None else np.quantile(rows, [0.001, 0.999])), 61)
        histogram(axes, rows[:, 0], bins, color, None if background is None else background[:, 0])
        return
    points(axes, rows, color, background)
    if frame is not None:
        axes.set(xlim=frame[:, 0], ylim=frame[:, 1])
        ratio = np.ptp(frame[:, 1]) / np.ptp(frame[:, 0])
        if 0.3 < ratio < 3:
            axes.set_aspect("equal")


def histogram(axes, values, bins, color, background=None):
    """Densities of all values, those outside of the bins included."""
    for drawn, look in ((background, {"color": "0.8"}), (values, {"histtype": "step", "color": color})):
        if drawn is not None:
            axes.hist(drawn, bins, weights=np.full(len(drawn), 1 / (len(drawn) * (bins[1] - bins[0]))), **look)


def points(axes, rows, color, background=None, most=MOST_POINTS):
    size = 3 if len(rows) > 500 else 8
    if background is not None:
        axes.scatter(*background[:most, :2].T, s=size, color="0.78", linewidths=0, rasterized=True)
    axes.scatter(*rows[:most, :2].T, s=size, color=color, alpha=0.6, linewidths=0, rasterized=True)


def pairs(place, rows, names, frame, color=PALETTE[0], background=None):
    """Every pair of columns beneath the diagonal, and on it a histogram of each, in a figure or a part of one.

    `frame` are the axes of all columns, [[low, …], [high, …]]; `background` other rows, in grey behind.
    """
    count = len(names)
    grid = place.subplots(count, count, squeeze=False, gridspec_kw={"wspace": 0.06, "hspace": 0.06})
    for (i, j), axes in np.ndenumerate(grid):
        if j > i:
            axes.set_axis_off()
            continue
        if i == j:
            behind = None if background is None else background[:, i]
            histogram(axes, rows[:, i], np.linspace(*frame[:, i], 31), color, behind)
            axes.set_yticks([])
        else:
            behind = None if background is None else background[:, [j, i]]
            points(axes, rows[:, [j, i]], color, behind, PAIR_POINTS)
            axes.set_ylim(frame[:, i])
        axes.set_xlim(frame[:, j])
        axes.grid(False)
        for axis, outside in ((axes.xaxis, i == count - 1), (axes.yaxis, j == 0 and i > 0)):
            if i != j or axis is axes.xaxis:
                axis.set_major_locator(MaxNLocator(2 if count > 3 else 3))
            axis.set_tick_params(labelsize=7, labelbottom=outside, labelleft=outside)
        if i == count - 1:
            axes.set_xlabel(names[j], fontsize=8)
        if j == 0:
            axes.set_ylabel(names[i], fontsize=8)
    place.align_labels()


def gallery(pictures, image=None, columns=4, width=2.5, heading="", data=None, names=None, prior=None):
    """Named rows side by side on common axes: {"data": rows, "em-100": rows}. `data` gives the axes.

    Rows of three columns or more are pairs of them: of the first eight, as the heading then says. `prior` are rows that
    the axes reach to, as those of a process that takes data away from where they were.
    """
    pictures = {n: r for n, r in pictures.items() if r is not None and len(r)}
    given = data if data is not None else next(iter(pictures.values()))
    names = names or [f"x{i}" for i in range(given.shape[1])]
    if image is None and given.shape[1] > 2:
        return pair_gallery(pictures, heading, data, given, names, prior)
    plane = image is None and all(r.shape[1] > 1 for r in pictures.values())
    frame = reaching(wider(limits(given)), prior) if plane else None
    if image is None and not plane:
        low, high = np.quantile(given[:, 0], [0.001, 0.999])
        frame = np.array([[low], [high]]) + np.array([[-0.1], [0.1]]) * (high - low)
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    ratio = 1.0 if not plane else float(np.clip(np.ptp(frame[:, 1]) / np.ptp(frame[:, 0]), 0.45, 1.5))
    above = 0.2 + 0.15 * max(name.count("\n") + 1 for name in pictures)
    height = (width * ratio + above) * rows + (0.3 if heading else 0) + (0.45 if image is None else 0)
    figure, grid = plt.subplots(
        rows, columns, figsize=(width * columns, height), squeeze=False, sharex=plane, sharey=plane
    )
    for axes in grid.flat[len(pictures) :]:
        axes.set_axis_off()
    for axes, (name, values) in zip(grid.flat, pictures.items()):
        real = name.startswith("data")
        panel(axes, values, image, frame, DATA if real else PALETTE[0], None if real or image is not None else data)
        axes.set_title(name)
    if image is None:
        for axes in grid[:, 0]:
            axes.set_ylabel(names[1] if plane else "density")
        for axes in grid[-1]:
            axes.set_xlabel(names[0])
    if heading:
        figure.suptitle(heading)
    return figure


def wider(frame):
    """Axes on which samples that lie a little outside are still seen."""
    middle, half = frame.mean(0), np.ptp(frame, axis=0) / 2 * 1.15
    return np.stack([middle - half, middle + half])


def reaching(frame, rows):
    """Axes that reach to the middle 80 % of other rows in columns where half of these are not seen, within reason."""
    if rows is None or not len(rows):
        return frame
    span = 1.5 * np.ptp(frame, axis=0)
    low, middle, high = np.nanquantile(rows[:, : len(span)], (0.1, 0.5, 0.9), axis=0)
    missed = (middle < frame[0]) | (middle > frame[1])
    return np.where(missed, [np.clip(low, frame[0] - span, frame[0]), np.clip(high, frame[1], frame[1] + span)], frame)


def pair_gallery(pictures, heading, data, given, names, prior=None):
    """`gallery` of rows of three columns or more, each picture with all of its pairs."""
    shown = names[:MOST_COLUMNS]
    if len(names) > MOST_COLUMNS:
        heading = f"{heading}; columns {shown[0]} to {shown[-1]} of {len(names)}".lstrip("; ")
    given = given[:, : len(shown)]
    frame = reaching(wider(limits(given, columns=list(range(len(shown))))), prior)
    columns = min(3 if len(shown) < 5 and len(pictures) != 4 else 2, len(pictures))
    rows = -(-len(pictures) // columns)
    side = max(3.6, 0.75 * len(shown))
    figure = plt.figure(figsize=(side * columns, (side + 0.3) * rows + 0.4))
    places = figure.subfigures(rows, columns, squeeze=False).flat
    for place, (name, values) in zip(places, pictures.items()):
        real = name.startswith("data")
        behind = None if real or data is None else data[:, : len(shown)]
        pairs(place, values[:, : len(shown)], shown, frame, DATA if real else PALETTE[0], behind)
        place.suptitle(name, fontsize=9)
    if heading:
        figure.suptitle(heading)
    return figure
