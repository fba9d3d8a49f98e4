# SPDX-License-Identifier: GPL-3.0-or-later
"""Says how much memory text to image takes: python memory.py FOLDER PROGRAM [--steps 1] [--size 512]

FOLDER is one of StableDiffusionPipeline (make_folder.py --scale 1 --size 64 writes one of Stable Diffusion 1's width),
PROGRAM is score-sde. Prints the largest resident memory of one picture with guidance, and what part it is of the 32-bit
floats that the U-Net's weights would take: 1.3 is the most that is allowed.
"""

import argparse
import json
import math
import resource
import struct
import subprocess
import sys
import tempfile
from pathlib import Path


def numbers(path):
    """How many numbers a safetensors file holds."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    return sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("program")
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    weights = 4 * sum(numbers(path) for path in sorted(Path(arguments.folder, "unet").glob("*.safetensors")))
    with tempfile.TemporaryDirectory() as work:
        run = subprocess.run(
            [arguments.program, "generate", arguments.folder, "--prompt", "a red tower", "--guidance", "7.5", "--steps",
             str(arguments.steps), "--solver", "ddim", "--size", f"{arguments.size}x{arguments.size}", "--threads",
             str(arguments.threads), "--output", f"{work}/image.png"], capture_output=True, text=True)
    if run.returncode:
        sys.exit(run.stderr)
    peak = 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"{peak / 1e9:.3f} GB resident, {peak / weights:.3f} of the {weights / 1e9:.3f} GB of 32-bit weights")
    sys.exit(peak > 1.3 * weights)


if __name__ == "__main__":
    main()
