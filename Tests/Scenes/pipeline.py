# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads an exported model of scenes as diffusers' StableDiffusionPipeline, and compares its pictures with ours.

    score-sde export Experiments/scenes-text.yaml --to FOLDER
    python3 Tests/Scenes/pipeline.py --program .build/release/score-sde FOLDER

Needs torch, diffusers and transformers. Both draw from the same latents, by DDIM in 25 steps with guidance 3; the largest
difference of a value of [0, 1] is to be 1e-4 at most.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import warnings

warnings.filterwarnings("ignore")
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from diffusers import StableDiffusionPipeline

PROMPTS = [
    "two red sevens above a green three", "a blue four left of a yellow nine", "three white ones", "a purple zero",
    "a green eight below a red five", "two yellow sixes right of a white two",
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--program", default=".build/release/score-sde")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--guidance", type=float, default=3)
    parser.add_argument("--adapters", help="a file of adapters that both load")
    arguments = parser.parse_args()
    pipe = StableDiffusionPipeline.from_pretrained(arguments.folder, safety_checker=None, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    if arguments.adapters:
        pipe.load_lora_weights(arguments.adapters)
    size = pipe.unet.config.sample_size
    pixels = size * pipe.vae_scale_factor
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for index, prompt in enumerate(PROMPTS):
            latents = torch.randn(1, pipe.unet.config.in_channels, size, size, generator=torch.manual_seed(index))
            theirs = pipe(
                prompt, height=pixels, width=pixels, num_inference_steps=arguments.steps,
                guidance_scale=arguments.guidance, latents=latents, output_type="np").images
            np.save(f"{folder}/z.npy", latents.numpy())
            command = [
                arguments.program, "generate", arguments.folder, "--prompt", prompt, "--guidance", str(arguments.guidance),
                "--steps", str(arguments.steps), "--latents", f"{folder}/z.npy", "--size", f"{pixels}x{pixels}",
                "--output", f"{folder}/image.npy", "--format", "npy", "--quiet",
            ] + (["--adapters", arguments.adapters] if arguments.adapters else [])
            subprocess.run(command, check=True)
            ours = np.load(f"{folder}/image.npy")
            difference = float(np.abs(ours.reshape(theirs.shape) - theirs).max())
            worst = max(worst, difference)
            print(f"{prompt}: {difference:.2e} of values from {theirs.min():.2f} to {theirs.max():.2f}")
    print(f"largest difference {worst:.2e}; allowed 1e-4")
    sys.exit(0 if worst <= 1e-4 else 1)


if __name__ == "__main__":
    main()
