# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets classifiers of scikit-learn read samples of captioned scenes: which share shows what its caption says.

It is trained on scenes that the program painted from the digits to learn from, and first reads scenes of the held-out
digits. Neither its code nor its training is the toolkit's. `make scenes-judge` runs it; without make:

    score-sde data CONFIG --rows training --format npy --count 4000 --to SCENES/training
    score-sde data CONFIG --rows held-out --format npy --to SCENES/held-out
    python3 judge_scenes.py SCENES RESULTS...

A picture is read as follows. The ground is taken off, every pixel goes to the colour whose direction is nearest, and
colours of little ink are none. How many digits a colour has, and which, classifiers say; the digits of a colour are cut
apart where its ink is thinnest. A place is right where the first group lies wholly on the side that the caption says,
to three pixels. `digit` asks for every single digit, `all` for everything at once.
"""

import csv
import pathlib
import sys

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC

SIZE = 32
COLOURS = ["red", "green", "blue", "yellow", "purple", "white"]
DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
PLURALS = [d + ("es" if d == "six" else "s") for d in DIGITS]
COUNTS = ["a", "two", "three"]
PLACES = ["above", "below", "left of", "right of"]
MARKS = ["colour", "digit", "place", "count", "all"]


def parse(caption):
    """The groups (count, colour, digit) of a caption, and its place or None."""
    def group(words):
        count = COUNTS.index(words[0]) + 1
        return count, words[1], (DIGITS if count == 1 else PLURALS).index(words[2])

    words = caption.split(" ")
    if len(words) == 3:
        return [group(words)], None
    place = " ".join(words[3:-3])
    if place not in PLACES:
        raise ValueError(f"'{place}' is no place")
    return [group(words[:3]), group(words[-3:])], place


# What is in a picture


def ground(picture):
    """The colour of most pixels: the median of the darker half."""
    light = picture.sum(axis=2)
    return np.median(picture[light <= np.median(light)], axis=0)


def ink(picture, directions):
    """How much of each colour every pixel has: colours × 32 × 32."""
    rest = picture - ground(picture)
    strength = np.linalg.norm(rest, axis=2)
    nearest = (rest @ directions.T).argmax(axis=2)
    strength = np.where(strength > 0.12, strength, 0)
    return np.stack([np.where(nearest == k, strength, 0) for k in range(len(directions))])


def learn_directions(pictures, captions):
    """The mean direction of the strongest pixels of scenes of one colour."""
    sums = np.zeros((len(COLOURS), 3))
    for picture, (groups, place) in zip(pictures, captions):
        if place is None:
            rest = picture - ground(picture)
            strength = np.linalg.norm(rest, axis=2)
            strong = rest[strength > 0.7 * strength.max()]
            sums[COLOURS.index(groups[0][1])] += (strong / np.linalg.norm(strong, axis=1)[:, None]).mean(axis=0)
    return sums / np.linalg.norm(sums, axis=1)[:, None]


def present(inks):
    """The colours that a picture has: those with ink for half a thin digit, and for a tenth of the whole."""
    masses = inks.sum(axis=(1, 2))
    return [k for k in range(len(COLOURS)) if masses[k] > 6 and masses[k] > 0.1 * masses.sum()]


def box(ink):
    """Top, bottom, left, right of what is drawn."""
    marked = ink > 0.2 * ink.max()
    rows, columns = np.flatnonzero(marked.any(axis=1)), np.flatnonzero(marked.any(axis=0))
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


def shape_features(ink):
    """What tells how many digits there are: the size of the box, the ink, and a coarse picture of it."""
    top, bottom, left, right = box(ink)
    coarse = ink.reshape(8, 4, 8, 4).sum(axis=(1, 3)).ravel()
    halves = [ink[:16].sum(), ink[16:].sum(), ink[:, :16].sum(), ink[:, 16:].sum()]
    return np.concatenate([[bottom - top, right - left, ink.sum(), (ink > 0).sum()], halves, coarse])


def thinnest(projection):
    """Where to cut in two: the least ink within two pixels of the middle of the picture."""
    window = np.convolve(projection, [0.25, 0.5, 0.25], mode="same")[SIZE // 2 - 2:SIZE // 2 + 3]
    distance = np.abs(np.arange(-2, 3))
    return SIZE // 2 - 2 + int(np.argmin(window + 1e-3 * projection.max() * distance))


def parts(ink, count):
    """The ink of each digit of a colour. Digits of one colour stand in different quarters of the picture."""
    if count == 1:
        return [ink]
    row, column = thinnest(ink.sum(axis=1)), thinnest(ink.sum(axis=0))
    if count == 2:
        halves = [[ink[:row], ink[row:]], [ink[:, :column], ink[:, column:]]]
        return max(halves, key=lambda pair: min(part.sum() for part in pair))
    quarters = [ink[:row, :column], ink[:row, column:], ink[row:, :column], ink[row:, column:]]
    return sorted(quarters, key=lambda part: -part.sum())[:3]


def digit_features(part):
    """A digit in its own box, enlarged to 16 × 16 pixels: how strong its edges are in 8 directions in 4 × 4 squares."""
    canvas = np.zeros((16, 16))
    if part.size == 0 or part.max() <= 0:
        return np.zeros(128)
    top, bottom, left, right = box(part)
    part = part[top:bottom, left:right] / part.max()
    height, width = part.shape
    scale = 16 / max(height, width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))

    def places(count, length):
        place = np.clip((np.arange(count) + 0.5) * length / count - 0.5, 0, length - 1)
        low = np.floor(place).astype(int)
        return low, np.minimum(low + 1, length - 1), place - low

    y0, y1, v = places(rows, height)
    x0, x1, u = places(columns, width)
    lines = part[y0] * (1 - v)[:, None] + part[y1] * v[:, None]
    resized = lines[:, x0] * (1 - u) + lines[:, x1] * u
    y, x = (16 - rows) // 2, (16 - columns) // 2
    canvas[y:y + rows, x:x + columns] = resized
    down, along = np.zeros_like(canvas), np.zeros_like(canvas)
    down[1:-1], along[:, 1:-1] = canvas[2:] - canvas[:-2], canvas[:, 2:] - canvas[:, :-2]
    strength, angle = np.hypot(along, down), np.arctan2(down, along)
    features = []
    for k in range(8):
        turn = np.abs((angle - k * np.pi / 4 + np.pi) % (2 * np.pi) - np.pi)
        features.append((np.maximum(0, 1 - turn / (np.pi / 4)) * strength).reshape(4, 4, 4, 4).sum(axis=(1, 3)).ravel())
    features = np.concatenate(features)
    return features / max(1e-6, np.linalg.norm(features))


class Judge:
    """Reads scenes; trained on pictures and their parsed captions."""

    def __init__(self, pictures, captions):
        self.directions = learn_directions(pictures, captions)
        shapes, counts, digits, labels = [], [], [], []
        for picture, (groups, _) in zip(pictures, captions):
            inks = ink(picture, self.directions)
            for count, colour, digit in groups:
                own = inks[COLOURS.index(colour)]
                if own.max() <= 0:
                    continue
                shapes.append(shape_features(own))
                counts.append(count)
                for part in parts(own, count):
                    digits.append(digit_features(part))
                    labels.append(digit)
        self.counter = RandomForestClassifier(300, min_samples_leaf=2, random_state=0).fit(shapes, counts)
        self.reader = SVC(C=10, gamma=3).fit(digits, labels)

    def read(self, pictures):
        """For each picture its groups: {colour: (count, digits, box)}."""
        found, shapes = [], []
        for picture in pictures:
            inks = ink(picture, self.directions)
            found.append([(k, inks[k]) for k in present(inks)])
            shapes += [shape_features(own) for _, own in found[-1]]
        counts = iter(self.counter.predict(shapes)) if shapes else iter(())
        pieces, readings = [], []
        for groups in found:
            reading = {}
            for k, own in groups:
                count = int(next(counts))
                first = len(pieces)
                pieces += [digit_features(part) for part in parts(own, count)]
                reading[COLOURS[k]] = (count, range(first, len(pieces)), box(own))
            readings.append(reading)
        digits = self.reader.predict(pieces) if pieces else []
        return [{c: (n, [int(digits[i]) for i in r], b) for c, (n, r, b) in reading.items()} for reading in readings]


def marks(reading, caption):
    """Whether colour, digit, place, count and all of these are right."""
    groups, place = caption
    colour = set(reading) == {c for _, c, _ in groups}
    if not colour:
        # What is left over is taken for what is missing, so that one wrong colour is one fault.
        spare = [c for c in reading if c not in [g[1] for g in groups]]
        if len(reading) != len(groups):
            return [False] * 5
        names = [c if c in reading else spare.pop() for _, c, _ in groups]
    else:
        names = [c for _, c, _ in groups]
    found = [reading[c] for c in names]
    count = all(n == wanted for (n, _, _), (wanted, _, _) in zip(found, groups))
    digit = all(d == wanted for (_, ds, _), (_, _, wanted) in zip(found, groups) for d in ds)
    right = True
    if place:
        (top, bottom, left, right_, ), (top2, bottom2, left2, right2) = found[0][2], found[1][2]
        right = {
            "above": bottom <= top2 + 3, "below": bottom2 <= top + 3,
            "left of": right_ <= left2 + 3, "right of": right2 <= left + 3,
        }[place]
    return [colour, digit, right, count, colour and digit and right and count]


def interval(successes, count):
    """Wilson's interval of a share, at 95 %."""
    z, share = 1.959964, successes / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * (share * (1 - share) / count + z * z / (4 * count * count)) ** 0.5
    return max(0, centre - half), min(1, centre + half)


# Files


def pictures(path):
    """Rows of 32 × 32 × 3 values in [−1, 1], as pictures in [0, 1]."""
    rows = np.load(path, mmap_mode="r")
    if rows.ndim != 2 or rows.shape[1] != SIZE * SIZE * 3:
        raise SystemExit(f"{path}: an array of {rows.shape}; allowed: rows of {SIZE * SIZE * 3} values")
    return np.clip((np.asarray(rows, dtype=np.float32) + 1) / 2, 0, 1).reshape(-1, SIZE, SIZE, 3)


def captions(path):
    """The parsed captions of a file, and the combination of each: seen, unseen or nothing."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    parsed = []
    for line, row in enumerate(rows, start=2):
        try:
            parsed.append(parse(row["caption"]))
        except (ValueError, IndexError, KeyError):
            raise SystemExit(f"{path}:{line}: '{row.get('caption')}' is no caption of scenes") from None
    return parsed, [row.get("combination") or "" for row in rows]


def judged(judge, rows, known, combinations):
    """(combination, marks) of every picture."""
    return [(c, marks(r, k)) for r, k, c in zip(judge.read(rows), known, combinations)]


def table(name, verdicts):
    """Lines of shares with their intervals, by combination."""
    lines = []
    for combination in sorted({c for c, _ in verdicts}):
        own = np.array([m for c, m in verdicts if c == combination])
        cells = []
        for share in own.T:
            low, high = interval(share.sum(), len(share))
            cells.append(f"{share.mean():.3f} [{low:.3f}, {high:.3f}]")
        lines.append([name, combination or "all", str(len(own))] + cells)
    return lines


def main(scenes, results):
    """Trains the judge, and prints what it says of held-out scenes and of samples."""
    scenes = pathlib.Path(scenes)
    judge = Judge(pictures(scenes / "training/rows.npy"), captions(scenes / "training/captions.csv")[0])
    lines = table(
        "held-out scenes",
        judged(judge, pictures(scenes / "held-out/rows.npy"), *captions(scenes / "held-out/captions.csv")))
    for folder in map(pathlib.Path, results):
        known, combinations = captions(folder / "captions.csv")
        for path in sorted((folder / "samples").glob("*.npy")):
            if path.stem.endswith("-trajectories"):
                continue
            rows = pictures(path)
            if len(rows) > len(known):
                raise SystemExit(f"{path}: {len(rows)} samples, and {len(known)} captions beside them")
            lines += table(f"{folder.name}/{path.stem}", judged(judge, rows, known, combinations))
    lines = [["samples", "combinations", "count"] + MARKS] + lines
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    for index, line in enumerate(lines):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |")
        if index == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit("usage: judge_scenes.py SCENES [RESULTS...], scenes by `score-sde data`, then results folders")
    main(sys.argv[1], sys.argv[2:])
