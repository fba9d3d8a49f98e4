# SPDX-License-Identifier: GPL-3.0-or-later
"""Random tiny folders of StableDiffusionPipeline, in the forms of Stable Diffusion 1 and 2.

`make(folder, seed)` writes one and says what it is. What a seed decides: the U-Net's and the autoencoder's widths and
depths, linear or convolved projections, heads, GELU or quick GELU, epsilon or v prediction, the scheduler that the folder
names, the tokenizer's files (tokenizer.json alone, or vocab.json and merges.txt), and whether the weights are fp16 (as
a variant, or in the plain files).
"""

import json
import random
from pathlib import Path

import diffusers
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

SCHEDULERS = ["DDIM", "PNDM", "EulerDiscrete", "UniPCMultistep", "DPMSolverMultistep"]
MERGES = [("l", "o"), ("lo", "w</w>"), ("e", "r</w>"), ("t", "h"), ("th", "e</w>"), ("r", "e"), ("re", "d</w>")]


def make_tokenizer(folder, pad, layout):
    """A tokenizer of bytes and a few merges."""
    alphabet = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    letters, extra = {b: chr(b) for b in alphabet}, 0
    for b in range(256):
        if b not in letters:
            letters[b] = chr(256 + extra)
            extra += 1
    order = [letters[b] for b in alphabet + [b for b in range(256) if b not in alphabet]]
    words = order + [c + "</w>" for c in order] + ["".join(m) for m in MERGES] + ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {w: i for i, w in enumerate(words)}
    folder.mkdir(parents=True, exist_ok=True)
    vocab, merges = folder / "vocab.json", folder / "merges.txt"
    vocab.write_text(json.dumps(vocabulary, ensure_ascii=False))
    merges.write_text("#version: 0.2\n" + "\n".join(" ".join(m) for m in MERGES) + "\n")
    tokenizer = CLIPTokenizer(vocab=str(vocab), merges=str(merges), model_max_length=77, pad_token=pad)
    return tokenizer, vocab.read_text(), merges.read_text(), len(words)


def make(folder, seed):
    """Writes folder/model. Returns the pipeline in single precision and a description."""
    folder = Path(folder)
    choice = random.Random(seed)
    torch.manual_seed(seed)
    second = choice.random() < 0.5
    layout = choice.choice(["new", "old"])
    # Every fourth folder has weights of 16 bits.
    half = [None, None, None, choice.choice(["variant", "plain"])][seed % 4]
    prediction = "v_prediction" if second and choice.random() < 0.7 else "epsilon"
    widths = choice.choice([(32, 64), (32, 32), (64, 64)])
    context = choice.choice([32, 48])
    pad = "!" if second else "<|endoftext|>"
    tokenizer, vocab, merges, words = make_tokenizer(folder / "scratch", pad, layout)
    unet = UNet2DConditionModel(
        block_out_channels=widths, layers_per_block=choice.choice([1, 2]), sample_size=8, in_channels=4, out_channels=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D") if second else ("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D") if second else ("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=context, attention_head_dim=[4, 8] if second else choice.choice([4, 8]),
        use_linear_projection=second, norm_num_groups=choice.choice([8, 16, 32]))
    vae = AutoencoderKL(
        block_out_channels=[32, choice.choice([32, 64])], in_channels=3, out_channels=3, latent_channels=4, sample_size=16,
        down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2,
        layers_per_block=choice.choice([1, 2]))
    text = CLIPTextModel(CLIPTextConfig(
        vocab_size=words, hidden_size=context, intermediate_size=choice.choice([37, 64]),
        num_hidden_layers=choice.choice([2, 3]), num_attention_heads=4, hidden_act="gelu" if second else "quick_gelu",
        bos_token_id=words - 2, eos_token_id=words - 1, pad_token_id=words - 1))
    name = choice.choice(SCHEDULERS)
    entries = {
        "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "prediction_type": prediction,
        "steps_offset": 1}
    if name == "DDIM":
        entries |= {"clip_sample": False, "set_alpha_to_one": False}
    elif name == "PNDM":
        entries |= {"skip_prk_steps": True}
    else:
        entries |= {"timestep_spacing": choice.choice(["leading", "linspace", "trailing"])}
    scheduler = getattr(diffusers, name + "Scheduler")(**entries)
    pipe = StableDiffusionPipeline(
        vae=vae, text_encoder=text, tokenizer=tokenizer, unet=unet, scheduler=scheduler, safety_checker=None,
        feature_extractor=None, requires_safety_checker=False)
    target = folder / "model"
    if half:
        pipe.to(torch.float16).save_pretrained(target, variant="fp16" if half == "variant" else None)
    else:
        pipe.save_pretrained(target)
    if layout == "old":
        for file in (target / "tokenizer").iterdir():
            if file.name == "tokenizer.json":
                file.unlink()
        (target / "tokenizer" / "vocab.json").write_text(vocab)
        (target / "tokenizer" / "merges.txt").write_text(merges)
    loaded = StableDiffusionPipeline.from_pretrained(
        target, torch_dtype=torch.float32, variant="fp16" if half == "variant" else None)
    loaded.set_progress_bar_config(disable=True)
    about = (f"SD {2 if second else 1}, {prediction}, {name}, tokenizer {layout}"
             + (f", fp16 ({half})" if half else ""))
    return loaded, about, bool(half)
