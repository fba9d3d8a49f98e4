# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes small U-Nets with random weights, as diffusers saves them, and what they compute: python make_unets.py

Each folder UNets/NAME holds config.json and diffusion_pytorch_model.safetensors (by save_pretrained), and
io.safetensors: input, timesteps, labels (class-conditional ones), output, adjoint, and the gradient of
sum(output * adjoint) by the input (grad.input) and by every parameter (grad.NAME). Computed in double from the
stored floats. Made with torch 2.15.0 and diffusers 0.42.1.
"""

import json
import math
from pathlib import Path

import torch
from diffusers import UNet2DModel
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent / "UNets"
DOWN, ATTENTION_DOWN, RESNET_DOWN = "DownBlock2D", "AttnDownBlock2D", "ResnetDownsampleBlock2D"
UP, ATTENTION_UP, RESNET_UP = "UpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"

VARIANTS = {
    # As google/ddpm-cifar10-32.
    "plain": dict(sample_size=8, in_channels=1, out_channels=1, block_out_channels=(8, 16),
                  down_block_types=(DOWN, ATTENTION_DOWN), up_block_types=(ATTENTION_UP, UP), layers_per_block=1,
                  norm_num_groups=4, norm_eps=1e-6, downsample_padding=0, flip_sin_to_cos=False, freq_shift=1,
                  attention_head_dim=None),
    # diffusers' defaults, with two heads and a scaled middle; full blocks of 16 channels.
    "defaults": dict(sample_size=(8, 12), block_out_channels=(16, 16), down_block_types=(DOWN, ATTENTION_DOWN),
                     up_block_types=(ATTENTION_UP, UP), layers_per_block=2, norm_num_groups=4,
                     mid_block_scale_factor=math.sqrt(2)),
    # scale-shift, residual resampling, classes.
    "scale-shift": dict(sample_size=8, block_out_channels=(8, 12, 16),
                        down_block_types=(RESNET_DOWN, ATTENTION_DOWN, DOWN),
                        up_block_types=(UP, ATTENTION_UP, RESNET_UP), layers_per_block=1, norm_num_groups=4,
                        resnet_time_scale_shift="scale_shift", downsample_type="resnet", upsample_type="resnet",
                        attention_head_dim=4, num_class_embeds=5),
    # Fourier features, output divided by sigma, centred input, no attention.
    "fourier": dict(sample_size=8, in_channels=3, out_channels=3, block_out_channels=(8, 16),
                    down_block_types=(DOWN, DOWN), up_block_types=(UP, UP), layers_per_block=1, norm_num_groups=4,
                    time_embedding_type="fourier", center_input_sample=True, add_attention=False),
}


def randomised(model):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name and name.endswith("weight"):
                parameter.copy_(1 + 0.2 * torch.randn_like(parameter))
            elif name.endswith("bias"):
                parameter.copy_(0.1 * torch.randn_like(parameter))
            elif name.startswith("time_proj"):
                parameter.copy_(torch.randn_like(parameter))
            else:
                parameter.copy_(torch.randn_like(parameter) / math.sqrt(parameter[0].numel()))
    return model


def main():
    for index, (name, config) in enumerate(VARIANTS.items()):
        torch.manual_seed(index)
        folder = HERE / name
        model = randomised(UNet2DModel(**config)).eval()
        model.save_pretrained(folder)
        text = json.loads((folder / "config.json").read_text())
        text.pop("_name_or_path", None)
        (folder / "config.json").write_text(json.dumps(text, indent=2, sort_keys=True) + "\n")

        size = config["sample_size"]
        height, width = size if isinstance(size, tuple) else (size, size)
        channels = config.get("in_channels", 3)
        shape = (2, channels, height, width)
        x, adjoint = torch.randn(shape), torch.randn(shape)
        fourier = config.get("time_embedding_type") == "fourier"
        times = torch.tensor([0.3, 7.5]) if fourier else torch.tensor([7.0, 613.0])
        tensors = {"input": x, "adjoint": adjoint, "timesteps": times}
        arguments = {}
        if "num_class_embeds" in config:
            arguments["class_labels"] = torch.tensor([4, 1])
            tensors["labels"] = arguments["class_labels"].float()

        model = model.double()
        # The frequencies' angles are float in diffusers whatever the model; so are they here.
        x = x.double().requires_grad_()
        output = model(x, times.double(), **arguments).sample
        (output * adjoint.double()).sum().backward()
        tensors["output"] = output.detach().float()
        tensors["grad.input"] = x.grad.float()
        for parameter_name, parameter in model.named_parameters():
            if parameter.grad is not None:
                tensors[f"grad.{parameter_name}"] = parameter.grad.float()
        save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "io.safetensors")
        print(name, sum(p.numel() for p in model.parameters()), output.abs().max().item())


if __name__ == "__main__":
    main()
