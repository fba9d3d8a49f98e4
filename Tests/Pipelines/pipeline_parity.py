# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of `score-sde generate` beside those of diffusers, on random tiny folders of StableDiffusionPipeline.

20 folders (folders.py) x DDIM, PNDM, Euler, UniPC and DPM-Solver++, each made from the folder's entries as diffusers'
`from_config` makes them: once from the same latents, and once from the seed alone. Then each folder's own scheduler,
image to image and inpainting. The largest difference of a picture in [0, 1] must be 1e-4, of fp16 weights 1e-3.

  --program FILE   score-sde
  --folders N      how many (default 20)
  --first SEED     of the first (default 0)
  --keep FOLDER    where folders are left
Writes a table to standard output; exits 1 where a picture differs.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"], os.environ["TQDM_DISABLE"] = "1", "1"
warnings.filterwarnings("ignore")

import diffusers  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402

import folders  # noqa: E402

diffusers.utils.logging.set_verbosity_error()
SOLVERS = {
    "ddim": "DDIM", "pndm": "PNDM", "euler": "EulerDiscrete", "unipc": "UniPCMultistep",
    "dpm-solver++-2m": "DPMSolverMultistep"}
PROMPTS = [
    "The lower tower, low and red!", "a RED tower & the café", "", "two 7s above a green 3", "naïve 塔 🙂 the-lower's end",
    "it's low; they're lower", "  the   lower\ttower  "]
FP32, FP16 = 1e-4, 1e-3


def generate(program, folder, output, *options):
    command = [program, "generate", str(folder), "--output", str(output), "--quiet", *options]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{result.stderr}")
    return np.load(output)


def with_scheduler(pipe, kind):
    """A pipeline made with another scheduler of the same entries. Made, it sets clip_sample to false; assigned to a
    pipeline that is there, a scheduler would keep it. PNDM of another class's file has no Runge-Kutta steps here."""
    more = {} if isinstance(pipe.scheduler, diffusers.PNDMScheduler) or kind != "PNDM" else {"skip_prk_steps": True}
    scheduler = getattr(diffusers, kind + "Scheduler").from_config(pipe.scheduler.config, **more)
    other = diffusers.StableDiffusionPipeline(
        **{**pipe.components, "scheduler": scheduler}, requires_safety_checker=False)
    other.set_progress_bar_config(disable=True)
    return other


def generator(seed):
    return torch.Generator("cpu").manual_seed(seed)


class Parity:
    def __init__(self, program, folder, seed):
        self.program, self.folder = program, Path(folder)
        self.pipe, self.about, half = folders.make(folder, seed)
        self.limit = FP16 if half else FP32
        choice = random.Random(1000 + seed)
        self.seed = choice.randrange(1 << 31)
        self.prompt, self.negative = choice.choice(PROMPTS), choice.choice(["", "low tower"])
        self.guidance = choice.choice([1.0, 2.5, 6.0])
        self.steps, self.count = choice.choice([5, 10]), choice.choice([1, 2])
        self.height, self.width = choice.choice([16, 24]), choice.choice([16, 32])
        self.options = [
            "--prompt", self.prompt, "--negative", self.negative, "--guidance", str(self.guidance), "--steps",
            str(self.steps), "--count", str(self.count)]
        self.common = {
            "negative_prompt": self.negative, "guidance_scale": self.guidance, "num_inference_steps": self.steps,
            "num_images_per_prompt": self.count, "output_type": "np"}
        self.worst = {}

    def compare(self, name, theirs, *options):
        ours = generate(self.program, self.folder / "model", self.folder / "ours.npy", *self.options, *options)
        assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
        self.worst[name] = float(np.abs(ours.astype(np.float64) - theirs).max())

    def texts(self):
        size = ["--size", f"{self.width}x{self.height}"]
        shape = {"height": self.height, "width": self.width}
        latents = torch.randn(self.count, 4, self.height // 2, self.width // 2, generator=generator(self.seed + 1))
        np.save(self.folder / "latents.npy", latents.numpy())
        self.compare("own", self.pipe(self.prompt, generator=generator(self.seed), **shape, **self.common).images,
                     *size, "--seed", str(self.seed))
        for solver, kind in SOLVERS.items():
            pipe = with_scheduler(self.pipe, kind)
            for way in ("latents", "seed"):
                extra = {"latents": latents.clone()} if way == "latents" else {"generator": generator(self.seed)}
                theirs = pipe(self.prompt, **extra, **shape, **self.common).images
                told = ["--latents", str(self.folder / "latents.npy")] if way == "latents" else [
                    "--seed", str(self.seed)]
                self.compare(f"{solver} {way}", theirs, *size, *told, "--solver", solver)

    def pictures(self):
        """Image to image and inpainting with the folder's own scheduler."""
        rng = np.random.default_rng(self.seed)
        image = Image.fromarray(rng.integers(0, 256, (self.height, self.width, 3), dtype=np.uint8))
        mask = np.zeros((self.height, self.width), dtype=np.uint8)
        mask[4:12, 2:10] = 255
        mask = Image.fromarray(mask)
        image.save(self.folder / "image.png")
        mask.save(self.folder / "mask.png")
        told = ["--seed", str(self.seed), "--image", str(self.folder / "image.png")]
        parts = dict(self.pipe.components)
        pipe = diffusers.StableDiffusionImg2ImgPipeline(**parts, requires_safety_checker=False)
        pipe.set_progress_bar_config(disable=True)
        theirs = pipe(self.prompt, image=image, strength=0.7, generator=generator(self.seed), **self.common).images
        self.compare("image", theirs, *told, "--strength", "0.7")
        pipe = diffusers.StableDiffusionInpaintPipeline(**parts, requires_safety_checker=False)
        pipe.set_progress_bar_config(disable=True)
        for strength in (1.0, 0.6):
            theirs = pipe(
                self.prompt, image=image, mask_image=mask, height=self.height, width=self.width, strength=strength,
                generator=generator(self.seed), **self.common).images
            self.compare(
                f"mask {strength:g}", theirs, *told, "--mask", str(self.folder / "mask.png"), "--strength",
                f"{strength:g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--folders", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep")
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    failed = 0
    print("folder | form | largest difference | where | limit")
    with tempfile.TemporaryDirectory() as scratch:
        for seed in range(arguments.first, arguments.first + arguments.folders):
            parity = Parity(arguments.program, Path(arguments.keep or scratch) / str(seed), seed)
            parity.texts()
            parity.pictures()
            where = max(parity.worst, key=parity.worst.get)
            worst = parity.worst[where]
            good = worst <= parity.limit
            failed += not good
            print(f"{seed} | {parity.about} | {worst:.1e} | {where} | {parity.limit:g}{'' if good else ' FAILED'}",
                  flush=True)
            if not good:
                for name, value in parity.worst.items():
                    print(f"    {name}: {value:.1e}", flush=True)
    count = arguments.folders
    print(f"{count - failed} of {count} folders within the limit")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
