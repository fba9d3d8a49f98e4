# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes types.safetensors with the Python package: python make_safetensors.py (safetensors 0.8, torch 2.15.0)."""

from pathlib import Path

import torch
from safetensors.torch import save_file

values = torch.tensor([[0.0, -0.0, 1.5], [-2.25, 65504.0, 6.103515625e-05]])
save_file(
    {
        "f16": torch.cat([values.flatten(), torch.tensor([5.960464477539063e-08, float("inf")])]).half(),
        "bf16": values.bfloat16(),
        "f32": values,
        "f64": values.double() / 3,
        "scalar": torch.tensor(7.0),
        "empty": torch.zeros(0, 4),
    },
    Path(__file__).with_name("types.safetensors"),
    metadata={"text": 'a "quoted" line\nand ∇ log p'},
)
