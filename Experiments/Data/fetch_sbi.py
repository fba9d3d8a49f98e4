# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts observations and reference posteriors of five tasks of simulation-based inference into Experiments/Data/sbi.

They are taken from the wheel of sbibm (MIT licence), which pip downloads; nothing of it is installed. For each task
there are NAME-observations.csv, a row for each of the observations 1 to 10, and NAME-reference-K.csv.gz, 10,000 draws
of the posterior given observation K. `make sbi` runs it; without make: python3 fetch_sbi.py [FOLDER]
"""

import bz2
import csv
import gzip
import io
import pathlib
import sys

from wheels import download, fetch

WHEEL = "sbibm==1.1.0"
SHA256 = "12ecc6b4d327b92f9225f08faa6405e4274fb8e75943d86a53157d1b1bcfaf74"

TASKS = ["gaussian_linear", "gaussian_linear_uniform", "slcp", "gaussian_mixture", "two_moons"]
OBSERVATIONS = 10


def write(folder):
    files = []
    with download(WHEEL, SHA256, folder) as wheel:
        for task in TASKS:
            name = "sbi-" + task.replace("_", "-")
            rows = []
            for k in range(1, OBSERVATIONS + 1):
                inside = f"sbibm/tasks/{task}/files/num_observation_{k}/"
                table = list(csv.reader(io.StringIO(wheel.read(inside + "observation.csv").decode())))
                rows.append(table[1])
                file = folder / f"{name}-reference-{k}.csv.gz"
                # Without a time, so that the same wheel gives the same bytes.
                with gzip.GzipFile(file, "wb", mtime=0) as out:
                    out.write(bz2.decompress(wheel.read(inside + "reference_posterior_samples.csv.bz2")))
                files.append(file)
            file = folder / f"{name}-observations.csv"
            with open(file, "w", newline="") as out:
                writer = csv.writer(out, lineterminator="\n")
                writer.writerow([f"y{j + 1}" for j in range(len(rows[0]))])
                writer.writerows(rows)
            files.append(file)
    print(f"{len(TASKS)} tasks of {OBSERVATIONS} observations")
    return files


if __name__ == "__main__":
    fetch("fetch_sbi.py", sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "sbi", write)
