# SPDX-License-Identifier: GPL-3.0-or-later
"""A tiny folder of StableDiffusionPipeline with random weights in fp16, and what diffusers draws from it: writes Pipeline/
beside itself.

Pictures are 16 x 16: `NAME.npy` is count x height x width x 3 in single precision, made with the weights widened to
single precision. `cases.json` says how each was asked for, as `score-sde generate` is: its options by name.

Requires torch, diffusers 0.42.1, transformers 5, pillow. Run: python make_pipeline.py
"""

import json
import os
import shutil
import sys
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"], os.environ["TQDM_DISABLE"] = "1", "1"
warnings.filterwarnings("ignore")

import diffusers  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel  # noqa: E402
from PIL import Image  # noqa: E402
from transformers import CLIPTextConfig, CLIPTextModel  # noqa: E402

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "Pipelines"))
from folders import make_tokenizer  # noqa: E402

diffusers.utils.logging.set_verbosity_error()
PROMPT, NEGATIVE, SEED = "the lower tower, café & red!", "low", 7


def make_folder(target):
    torch.manual_seed(3)
    tokenizer, *_, words = make_tokenizer(target / "scratch", "<|endoftext|>", "new")
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16), layers_per_block=1, sample_size=8, in_channels=4, out_channels=4, norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=8, attention_head_dim=2)
    vae = AutoencoderKL(
        block_out_channels=[8, 8], in_channels=3, out_channels=3, latent_channels=4, sample_size=16, norm_num_groups=4,
        down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2, layers_per_block=1)
    text = CLIPTextModel(CLIPTextConfig(
        vocab_size=words, hidden_size=8, intermediate_size=12, num_hidden_layers=1, num_attention_heads=2,
        bos_token_id=words - 2, eos_token_id=words - 1, pad_token_id=words - 1))
    scheduler = diffusers.PNDMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1)
    pipe = StableDiffusionPipeline(
        vae=vae, text_encoder=text, tokenizer=tokenizer, unet=unet, scheduler=scheduler, safety_checker=None,
        feature_extractor=None, requires_safety_checker=False)
    pipe.to(torch.float16).save_pretrained(target / "model")
    shutil.rmtree(target / "scratch")
    for file in target.rglob("README.md"):
        file.unlink()
    pipe = StableDiffusionPipeline.from_pretrained(target / "model", torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def main():
    target = HERE / "Pipeline"
    shutil.rmtree(target, ignore_errors=True)
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    pipe = make_folder(target)
    own = pipe.scheduler
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator("cpu").manual_seed(1))
    np.save(target / "latents.npy", latents.numpy())
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    mask = np.zeros((16, 16), dtype=np.uint8)
    mask[3:11, 2:9] = 255
    image.save(target / "image.png")
    Image.fromarray(mask).save(target / "mask.png")
    cases = {}
    common = {"guidance_scale": 4.0, "num_inference_steps": 6, "negative_prompt": NEGATIVE, "output_type": "np"}
    told = {"prompt": PROMPT, "guidance": "4", "steps": "6", "negative": NEGATIVE}

    def add(name, images, **options):
        np.save(target / f"{name}.npy", images.astype(np.float32))
        cases[name] = {**told, **options}

    def seeded():
        return {"generator": torch.Generator("cpu").manual_seed(SEED)}

    add("own-latents", pipe(PROMPT, latents=latents.clone(), num_images_per_prompt=2, **common).images, count="2",
        latents="latents.npy")
    for solver, kind in {
            "pndm": "PNDM", "ddim": "DDIM", "euler-ancestral": "EulerAncestralDiscrete", "unipc": "UniPCMultistep",
            "dpm-solver++-2m": "DPMSolverMultistep", "ddpm": "DDPM"}.items():
        # A pipeline made with a scheduler sets clip_sample to false; assigned to a pipeline that is there, it does not.
        other = StableDiffusionPipeline(
            **{**pipe.components, "scheduler": getattr(diffusers, kind + "Scheduler").from_config(own.config)},
            requires_safety_checker=False)
        other.set_progress_bar_config(disable=True)
        add(solver, other(PROMPT, **seeded(), **common).images, seed=str(SEED), solver=solver)
    add("unguided", pipe(PROMPT, **seeded(), **{**common, "guidance_scale": 1.0}).images, seed=str(SEED), guidance="1")
    add("wide", pipe(PROMPT, **seeded(), **common, height=16, width=24).images, seed=str(SEED), size="24x16")
    parts = dict(pipe.components)
    painter = diffusers.StableDiffusionImg2ImgPipeline(**parts, requires_safety_checker=False)
    painter.set_progress_bar_config(disable=True)
    add("image", painter(PROMPT, image=image, strength=0.6, **seeded(), **common).images, seed=str(SEED),
        image="image.png", strength="0.6")
    filler = diffusers.StableDiffusionInpaintPipeline(**parts, requires_safety_checker=False)
    filler.set_progress_bar_config(disable=True)
    for strength in (1.0, 0.5):
        images = filler(
            PROMPT, image=image, mask_image=Image.fromarray(mask), height=16, width=16, strength=strength, **seeded(),
            **common).images
        add(f"mask-{strength:g}", images, seed=str(SEED), image="image.png", mask="mask.png", strength=f"{strength:g}")
    (target / "cases.json").write_text(json.dumps(cases, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
