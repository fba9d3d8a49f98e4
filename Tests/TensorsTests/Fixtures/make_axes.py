# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what torch's layers compute along 0, 1 and 3 axes, and attention across: python make_axes.py OUT.safetensors

The format is that of make_layers.py: features are [rows, channels, axes ...], weights [out, in, kernel ...].
"""

import make_layers
import torch
import torch.nn.functional as F
from make_layers import attention, group_norm


def convolution(function, stride=1, padding=0):
    return lambda input, weight, bias: function(input, weight, bias, stride, padding)


def arguments(rows, inputs, outputs, kernel, axes):
    taps = torch.tensor(kernel).prod().item() if kernel else 1
    return dict(input=torch.randn(rows, inputs, *axes),
                weight=torch.randn(outputs, inputs, *kernel) / (inputs * taps) ** 0.5,
                bias=0.1 * torch.randn(outputs))


def norm_arguments(*axes):
    return dict(input=1 + 2 * torch.randn(2, 24, *axes), weight=1 + 0.2 * torch.randn(24), bias=0.1 * torch.randn(24))


def features(*axes):
    return dict(input=torch.randn(2, 5, *axes))


def upsample(input):
    return F.interpolate(input, scale_factor=2, mode="nearest")


def attention_arguments():
    return dict(query=torch.randn(2, 7, 12), key=torch.randn(2, 11, 12), value=torch.randn(2, 11, 12))


def layers():
    yield "conv0d", F.linear, arguments(3, 5, 7, (), ())
    yield "conv1d", convolution(F.conv1d, padding=1), arguments(2, 20, 7, (3,), (9,))
    yield "conv1d-stride2", convolution(F.conv1d, 2, 1), arguments(2, 5, 18, (3,), (8,))
    yield "conv2d-uneven", convolution(F.conv2d, (2, 1), (1, 0)), arguments(2, 5, 7, (3, 1), (6, 4))
    yield "conv3d", convolution(F.conv3d, padding=1), arguments(1, 5, 7, (3, 3, 3), (4, 3, 5))
    yield "conv3d-uneven", convolution(F.conv3d, (1, 2, 1), (0, 1, 1)), arguments(2, 3, 4, (1, 2, 3), (2, 4, 5))
    yield "group-norm-1d", group_norm, norm_arguments(7)
    yield "group-norm-3d", group_norm, norm_arguments(2, 3, 2)
    yield "avg-pool-1d", lambda input: F.avg_pool1d(input, 2), features(6)
    yield "avg-pool-3d", lambda input: F.avg_pool3d(input, 2), features(2, 4, 6)
    yield "upsample-1d", upsample, features(3)
    yield "upsample-3d", upsample, features(1, 2, 3)
    yield "attention-across-1", attention(1), attention_arguments()
    yield "attention-across-3", attention(3), attention_arguments()


if __name__ == "__main__":
    make_layers.layers = layers
    make_layers.main()
