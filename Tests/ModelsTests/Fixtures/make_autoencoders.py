# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes small autoencoders with random weights, as diffusers saves them, and what they compute:
python make_autoencoders.py

Each folder Autoencoders/NAME holds config.json and weights (by save_pretrained), and io.safetensors: images, mean and
logvar of their latents, latents, decoded, the adjoints of the three outputs, and the gradients of the sum of
output * adjoint over all three by images, latents and every parameter (grad.NAME). Computed in double from the stored
floats. Made with torch 2.15.0 and diffusers 0.42.1.
"""

import json
import math
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent / "Autoencoders"


def stages(*channels):
    return dict(block_out_channels=channels, down_block_types=["DownEncoderBlock2D"] * len(channels),
                up_block_types=["UpDecoderBlock2D"] * len(channels))


VARIANTS = {
    # As Stable Diffusion's, in small.
    "plain": dict(**stages(4, 8), latent_channels=4, norm_num_groups=2, sample_size=8),
    # Three stages of two blocks, pictures that are not square, neither attention nor projections, a shift.
    "bare": dict(**stages(4, 4, 6), in_channels=1, out_channels=1, layers_per_block=2, latent_channels=3,
                 norm_num_groups=2, sample_size=(8, 12), use_quant_conv=False, use_post_quant_conv=False,
                 mid_block_add_attention=False, scaling_factor=0.7, shift_factor=0.25),
    # Halves in shards.
    "sharded": dict(**stages(4, 8), latent_channels=4, norm_num_groups=4, sample_size=8, scaling_factor=0.13025),
}


def randomised(model):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name and name.endswith("weight"):
                parameter.copy_(1 + 0.2 * torch.randn_like(parameter))
            elif name.endswith("bias"):
                parameter.copy_(0.1 * torch.randn_like(parameter))
            else:
                parameter.copy_(torch.randn_like(parameter) / math.sqrt(parameter[0].numel()))
    return model


def main():
    for index, (name, config) in enumerate(VARIANTS.items()):
        torch.manual_seed(index)
        folder = HERE / name
        model = randomised(AutoencoderKL(**config)).eval()
        if name == "sharded":
            model = model.half()
            model.save_pretrained(folder, variant="fp16", max_shard_size="12KB")
        else:
            model.save_pretrained(folder)
        text = json.loads((folder / "config.json").read_text())
        text.pop("_name_or_path", None)
        (folder / "config.json").write_text(json.dumps(text, indent=2, sort_keys=True) + "\n")

        size = config["sample_size"]
        height, width = size if isinstance(size, tuple) else (size, size)
        factor = 2 ** (len(config["block_out_channels"]) - 1)
        channels, latent = config.get("in_channels", 3), config["latent_channels"]
        small = (2, latent, height // factor, width // factor)
        images = torch.randn(2, channels, height, width)
        latents, adjoints = torch.randn(small), [torch.randn(small), torch.randn(small), torch.randn_like(images)]
        tensors = {"images": images, "latents": latents}
        for key, adjoint in zip(("mean", "logvar", "decoded"), adjoints):
            tensors[f"adjoint.{key}"] = adjoint

        model = model.double()
        images, latents = images.double().requires_grad_(), latents.double().requires_grad_()
        law = model.encode(images).latent_dist
        outputs = {"mean": law.mean, "logvar": law.logvar, "decoded": model.decode(latents).sample}
        sum((outputs[key] * tensors[f"adjoint.{key}"].double()).sum() for key in outputs).backward()
        for key, output in outputs.items():
            tensors[key] = output.detach().float()
        tensors["grad.images"], tensors["grad.latents"] = images.grad.float(), latents.grad.float()
        if name != "sharded":
            for parameter_name, parameter in model.named_parameters():
                tensors[f"grad.{parameter_name}"] = parameter.grad.float()
        save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "io.safetensors")
        print(name, sum(p.numel() for p in model.parameters()), [outputs[k].abs().max().item() for k in outputs])


if __name__ == "__main__":
    main()
