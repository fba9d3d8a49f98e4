# SPDX-License-Identifier: GPL-3.0-or-later
"""Autoencoders here and in diffusers, both ways: python Tests/autoencoder_parity.py PROGRAM FOLDER

PROGRAM is score-sde; FOLDER is made anew and holds everything. Needs torch and diffusers from PyPI.

1. An autoencoder of the digits is trained and exported; diffusers loads FOLDER/export/vae, and the mean PSNR of the
   held-out digits is that of evaluation.csv, to 1e-3 dB.
2. diffusers saves random autoencoders, in full, in halves and in shards; each becomes the coordinates of an experiment
   on the digits, whose PSNR is diffusers', to 1e-3 dB.

Prints a line for each check and ends with 1 where one fails.
"""

import csv
import gzip
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
import numpy as np
import torch
from diffusers import AutoencoderKL

TRAINED = """name: digits
seed: 2
data: {kind: digits}
score: {kind: autoencoder, channels: [16, 16], latent_channels: 2}
training: {steps: 200, batch: 32, learning_rate: 3.0e-3, ema: 0.99}
evaluation: {metrics: [psnr]}
"""

READ = """name: read
data: {{kind: digits}}
coordinates: [{{kind: autoencoder, path: {vae}}}]
process: {{kind: vp}}
score: {{kind: empirical}}
sampling: {{count: 0, solvers: []}}
evaluation: {{metrics: [psnr]}}
"""


def program(*arguments):
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, arguments))}: {done.stderr}")
    return done.stdout


def held_out_digits():
    path = Path(__file__).resolve().parent.parent / "Sources/Datasets/Resources/Digits/digits.csv.gz"
    table = np.loadtxt(gzip.open(path, "rt"), delimiter=",")
    return (table[5::6, :64] / 8 - 1).reshape(-1, 1, 8, 8)


def decibels(originals, pictures):
    square = ((originals - np.clip(pictures, -1, 1)) ** 2).mean(axis=(1, 2, 3))
    return 10 * np.log10(4 / square)


def reconstructed(vae):
    digits = held_out_digits()
    with torch.no_grad():
        return decibels(digits, vae.double().eval()(torch.tensor(digits)).sample.numpy()).mean()


def figure(folder):
    with open(folder / "evaluation.csv") as file:
        return float(next(row for row in csv.DictReader(file) if row["metric"] == "psnr")["value"])


def agree(name, ours, theirs, tolerance):
    print(f"{name}: {ours:.5f} dB here, {theirs:.5f} dB in diffusers")
    return abs(ours - theirs) < tolerance


def exported(folder):
    config = folder / "digits.yaml"
    config.write_text(TRAINED)
    program("run", config, "--output", folder / "digits", "--quiet")
    program("export", config, "--output", folder / "digits", "--to", folder / "export")
    vae = AutoencoderKL.from_pretrained(folder / "export" / "vae")
    return agree("exported", figure(folder / "digits"), reconstructed(vae), 1e-3)


def read(folder, seed):
    generator = np.random.default_rng(seed)
    torch.manual_seed(seed)
    groups = int(generator.choice([1, 2, 4]))
    stages = [groups * int(generator.integers(1, 9)) for _ in range(int(generator.integers(1, 4)))]
    vae = AutoencoderKL(
        in_channels=1, out_channels=1, block_out_channels=stages, down_block_types=["DownEncoderBlock2D"] * len(stages),
        up_block_types=["UpDecoderBlock2D"] * len(stages), layers_per_block=int(generator.integers(1, 4)),
        latent_channels=int(generator.integers(1, 6)), norm_num_groups=groups, sample_size=8,
        scaling_factor=float(generator.uniform(0.1, 2)), shift_factor=[None, 0.3][seed % 2],
        use_quant_conv=bool(generator.integers(2)), use_post_quant_conv=bool(generator.integers(2)),
        mid_block_add_attention=bool(generator.integers(2)))
    place, config = folder / f"vae-{seed}", folder / f"read-{seed}.yaml"
    half = seed % 3 == 2
    vae = vae.half() if half else vae
    vae.save_pretrained(place, variant="fp16" if half else None, max_shard_size="20KB" if seed % 4 == 3 else "10GB")
    config.write_text(READ.format(vae=place))
    program("run", config, "--output", folder / f"read-{seed}", "--quiet")
    return agree(f"random {seed} {stages}{' fp16' if half else ''}", figure(folder / f"read-{seed}"),
                 reconstructed(vae), 1e-3)


def main():
    folder = Path(sys.argv[2])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    good = all([exported(folder)] + [read(folder, seed) for seed in range(12)])
    print("all agree" if good else "something differs")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    PROGRAM = sys.argv[1]
    main()
