# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes small U-Nets with a context, as diffusers saves them, and what they compute: python make_context_unets.py

Each folder ContextUNets/NAME holds config.json and diffusion_pytorch_model.safetensors (by save_pretrained), and
io.safetensors: input, context, timesteps, output, adjoint, and the gradient of sum(output * adjoint) by the input
(grad.input), by the context (grad.context) and by the parameters of one block (grad.NAME). Computed in double from the
stored floats. Made with torch 2.15.0 and diffusers 0.42.1.
"""

import json
import math
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file

from make_unets import randomised

HERE = Path(__file__).resolve().parent / "ContextUNets"
CROSS_DOWN, DOWN, UP, CROSS_UP = "CrossAttnDownBlock2D", "DownBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"
TOKENS = 5

VARIANTS = {
    # As Stable Diffusion 1: the number of heads under the name of their size, 1 x 1 convolutions around the blocks.
    "one": dict(sample_size=8, block_out_channels=(8, 12), down_block_types=(CROSS_DOWN, DOWN),
                up_block_types=(UP, CROSS_UP), layers_per_block=1, norm_num_groups=4, cross_attention_dim=6,
                attention_head_dim=2),
    # As Stable Diffusion 2: linear layers around the blocks, a number of heads for each stage. Channels that are not
    # whole blocks of 16, an image that is no square, stages of 1 and 2 blocks.
    "two": dict(sample_size=(4, 8), block_out_channels=(8, 8), down_block_types=(DOWN, CROSS_DOWN),
                up_block_types=(CROSS_UP, UP), layers_per_block=1, norm_num_groups=4, cross_attention_dim=20,
                attention_head_dim=(1, 4), use_linear_projection=True, upcast_attention=True,
                transformer_layers_per_block=(1, 2)),
    # Sizes that cannot be halved twice, as pictures of 72 x 88 pixels have.
    "odd": dict(sample_size=(9, 11), block_out_channels=(8, 8, 8), down_block_types=(DOWN, CROSS_DOWN, CROSS_DOWN),
                up_block_types=(CROSS_UP, UP, UP), layers_per_block=1, norm_num_groups=4, cross_attention_dim=6,
                attention_head_dim=2),
    # As Stable Diffusion 1's inpainting network, with the entries that few files change.
    "nine": dict(sample_size=8, in_channels=9, out_channels=4, block_out_channels=(8, 8),
                 down_block_types=(CROSS_DOWN, CROSS_DOWN), up_block_types=(CROSS_UP, CROSS_UP), layers_per_block=1,
                 norm_num_groups=2, norm_eps=1e-6, cross_attention_dim=6, attention_head_dim=2,
                 only_cross_attention=(True, False), resnet_time_scale_shift="scale_shift", flip_sin_to_cos=False,
                 freq_shift=1, mid_block_scale_factor=math.sqrt(2), downsample_padding=0, time_embedding_dim=20),
}


def main():
    for index, (name, config) in enumerate(VARIANTS.items()):
        torch.manual_seed(100 + index)
        folder = HERE / name
        model = randomised(UNet2DConditionModel(**config)).eval()
        model.save_pretrained(folder)
        text = json.loads((folder / "config.json").read_text())
        text.pop("_name_or_path", None)
        (folder / "config.json").write_text(json.dumps(text, indent=2, sort_keys=True) + "\n")

        size = config["sample_size"]
        height, width = size if isinstance(size, tuple) else (size, size)
        x = torch.randn(2, config.get("in_channels", 4), height, width)
        context = torch.randn(2, TOKENS, config["cross_attention_dim"])
        adjoint = torch.randn(2, config.get("out_channels", 4), height, width)
        times = torch.tensor([7.0, 613.0])
        tensors = {"input": x, "context": context, "adjoint": adjoint, "timesteps": times}

        model = model.double()
        x, context = x.double().requires_grad_(), context.double().requires_grad_()
        output = model(x, times.double(), encoder_hidden_states=context).sample
        (output * adjoint.double()).sum().backward()
        tensors["output"] = output.detach().float()
        tensors["grad.input"], tensors["grad.context"] = x.grad.float(), context.grad.float()
        for parameter_name, parameter in model.named_parameters():
            if parameter_name.startswith("mid_block.attentions.0.") or parameter_name.startswith("time_embedding."):
                tensors[f"grad.{parameter_name}"] = parameter.grad.float()
        save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "io.safetensors")
        print(name, sum(p.numel() for p in model.parameters()), output.abs().max().item())


if __name__ == "__main__":
    main()
