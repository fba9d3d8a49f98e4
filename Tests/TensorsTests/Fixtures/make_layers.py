# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what torch's layers compute, and their gradients: python make_layers.py OUT.safetensors

Tensors are LAYER.ROLE in float32: the arguments (input, weight, bias, query, ...), output, adjoint, and
grad.ARGUMENT, the gradient of sum(output * adjoint); computed in double from the stored floats. Images are
[rows, channels, height, width], convolution weights [out, in, height, width].
"""

import argparse

import torch
import torch.nn.functional as F
from safetensors.torch import save_file


def convolution(stride=1, padding=0):
    return lambda input, weight, bias: F.conv2d(input, weight, bias, stride, padding)


def convolution_right_bottom(input, weight, bias):
    """diffusers' downsample_padding 0: one column of zeros on the right and one row below, none elsewhere."""
    return F.conv2d(F.pad(input, (0, 1, 0, 1)), weight, bias, stride=2)


def group_norm(input, weight, bias):
    return F.group_norm(input, 4, weight, bias, eps=1e-6)


def attention(heads):
    """query, key and value are [rows, positions, channels]; a head is a run of adjacent channels."""
    def split(x):
        return x.unflatten(2, (heads, -1)).transpose(1, 2)

    return lambda query, key, value: F.scaled_dot_product_attention(
        split(query), split(key), split(value)).transpose(1, 2).flatten(2)


def convolution_arguments(rows, inputs, outputs, kernel, height, width):
    return dict(input=torch.randn(rows, inputs, height, width),
                weight=torch.randn(outputs, inputs, kernel, kernel) / (inputs * kernel**2) ** 0.5,
                bias=0.1 * torch.randn(outputs))


def norm_arguments():
    return dict(input=1 + 2 * torch.randn(2, 24, 3, 3), weight=1 + 0.2 * torch.randn(24), bias=0.1 * torch.randn(24))


def image(channels, height, width):
    return dict(input=torch.randn(2, channels, height, width))


def attention_arguments():
    return {name: torch.randn(2, 15, 16) for name in ("query", "key", "value")}


def scale_shift_arguments():
    return dict(input=torch.randn(2, 10, 5, 3), scale=0.5 * torch.randn(2, 10), shift=torch.randn(2, 10))


def layers():
    """Name, function, arguments."""
    yield "conv3x3", convolution(padding=1), convolution_arguments(1, 20, 24, 3, 7, 5)
    yield "conv3x3-stride2", convolution(stride=2, padding=1), convolution_arguments(2, 5, 7, 3, 8, 6)
    yield "conv3x3-stride2-odd", convolution(stride=2, padding=1), convolution_arguments(1, 5, 7, 3, 7, 5)
    yield "conv3x3-stride2-right-bottom", convolution_right_bottom, convolution_arguments(2, 5, 7, 3, 8, 6)
    yield "conv3x3-stride2-right-bottom-odd", convolution_right_bottom, convolution_arguments(1, 5, 7, 3, 7, 5)
    yield "conv1x1", convolution(), convolution_arguments(2, 20, 8, 1, 3, 5)
    yield "conv5x5", convolution(padding=2), convolution_arguments(1, 4, 5, 5, 7, 5)
    yield "conv3x3-rgb", convolution(padding=1), convolution_arguments(2, 3, 6, 3, 7, 5)
    yield "conv3x3-16", convolution(padding=1), convolution_arguments(1, 16, 32, 3, 16, 16)
    yield "group-norm", group_norm, norm_arguments()
    yield "group-norm-silu", lambda **arguments: F.silu(group_norm(**arguments)), norm_arguments()
    yield "avg-pool", lambda input: F.avg_pool2d(input, 2), image(4, 6, 10)
    yield "upsample", lambda input: F.interpolate(input, scale_factor=2, mode="nearest"), image(5, 3, 5)
    yield "attention-1", attention(1), attention_arguments()
    yield "attention-4", attention(4), attention_arguments()
    yield ("scale-shift", lambda input, scale, shift: input * (1 + scale[:, :, None, None]) + shift[:, :, None, None],
           scale_shift_arguments())


def main():
    parser = argparse.ArgumentParser(description="Write layer fixtures")
    parser.add_argument("out")
    out = parser.parse_args().out
    torch.manual_seed(1)
    tensors = {}
    for name, function, arguments in layers():
        leaves = {key: value.double().requires_grad_() for key, value in arguments.items()}
        output = function(**leaves)
        adjoint = torch.randn(output.shape)
        (output * adjoint).sum().backward()
        roles = arguments | {"output": output.detach(), "adjoint": adjoint}
        roles |= {f"grad.{key}": leaf.grad for key, leaf in leaves.items()}
        tensors |= {f"{name}.{role}": tensor.float().contiguous() for role, tensor in roles.items()}
    save_file(tensors, out)
    print(f"{len(tensors)} tensors, {4 * sum(t.numel() for t in tensors.values()) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
