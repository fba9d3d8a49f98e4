# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a StableDiffusionPipeline folder with random weights, for measurements: python make_folder.py FOLDER

--scale 4 divides the widths of Stable Diffusion 1's U-Net, 320-640-1280-1280, by 4; --size is that of the latents;
--dtype float16 writes weights of 16 bits; --unet writes the U-Net and the scheduler alone. The tokenizer is one of
bytes with a few merges, the text encoder 768 wide with two layers. Needs torch, diffusers and transformers of PyPI
(torch 2.15.0, diffusers 0.42.1, transformers 5.24.0 were used).
"""

import argparse
import json
import os
import warnings

warnings.filterwarnings("ignore")
os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

CROSS_DOWN, DOWN, UP, CROSS_UP = "CrossAttnDownBlock2D", "DownBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"


def byte_letters():
    """The letters that stand for bytes in byte-level vocabularies."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + index) for index in range(len(others))]


def tokenizer(folder):
    merges = [("r", "e"), ("re", "d</w>"), ("t", "o"), ("w", "e"), ("to", "we"), ("towe", "r</w>")]
    letters = byte_letters()
    words = letters + [letter + "</w>" for letter in letters] + ["".join(pair) for pair in merges]
    words += ["<|startoftext|>", "<|endoftext|>"]
    os.makedirs(folder, exist_ok=True)
    vocab, rules = f"{folder}/vocab.json", f"{folder}/merges.txt"
    with open(vocab, "w", encoding="utf-8") as file:
        json.dump({word: index for index, word in enumerate(words)}, file, ensure_ascii=False)
    with open(rules, "w", encoding="utf-8") as file:
        file.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    try:
        return CLIPTokenizer(vocab=vocab, merges=rules, model_max_length=77), len(words)
    except TypeError:
        return CLIPTokenizer(vocab, rules, model_max_length=77), len(words)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--dtype", choices=["float32", "float16", "bfloat16"], default="float32")
    parser.add_argument("--unet", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    dtype = getattr(torch, arguments.dtype)

    unet = UNet2DConditionModel(
        sample_size=arguments.size, in_channels=4, out_channels=4, layers_per_block=2,
        block_out_channels=[width // arguments.scale for width in (320, 640, 1280, 1280)],
        down_block_types=(CROSS_DOWN, CROSS_DOWN, CROSS_DOWN, DOWN), up_block_types=(UP, CROSS_UP, CROSS_UP, CROSS_UP),
        cross_attention_dim=768, attention_head_dim=8, norm_num_groups=32 if arguments.scale < 4 else 16)
    unet = unet.to(dtype)
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        steps_offset=1)
    print(sum(p.numel() for p in unet.parameters()), "parameters of the U-Net")
    if arguments.unet:
        unet.save_pretrained(f"{arguments.folder}/unet")
        scheduler.save_pretrained(f"{arguments.folder}/scheduler")
        return
    words, count = tokenizer(f"{arguments.folder}/tokenizer")
    text = CLIPTextModel(CLIPTextConfig(
        vocab_size=count, hidden_size=768, intermediate_size=3072, num_hidden_layers=2, num_attention_heads=12,
        bos_token_id=count - 2, eos_token_id=count - 1, pad_token_id=count - 1)).to(dtype)
    vae = AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=4, sample_size=8 * arguments.size,
        block_out_channels=[32, 64, 64, 64], down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4).to(dtype)
    pipeline = StableDiffusionPipeline(
        vae=vae, text_encoder=text, tokenizer=words, unet=unet, scheduler=scheduler, safety_checker=None,
        feature_extractor=None, requires_safety_checker=False)
    pipeline.save_pretrained(arguments.folder)


if __name__ == "__main__":
    main()
