# SPDX-License-Identifier: GPL-3.0-or-later
"""PyTorch's and OpenVINO's side of the U-Net benchmarks: python peer_unet.py CASE [--threads N] [--layout ...]
[--engine torch|openvino]

Protocol: see compare.py. The same networks as score-sde-bench's, as diffusers' UNet2DModel, float32, eager. A
training step perturbs a fixed batch, predicts the noise, clips the gradient's norm at 1 and takes a fused Adam
step; a forward pass takes random images and a noise label for each. OpenVINO runs forward passes only. The peak
memory goes to standard error.
"""

import argparse
import resource
import sys

import torch
from diffusers import UNet2DModel

from protocol import serve

DOWN, ATTENTION_DOWN, UP, ATTENTION_UP = "DownBlock2D", "AttnDownBlock2D", "UpBlock2D", "AttnUpBlock2D"

# Case -> (configuration, batch, forward passes a repetition, training steps a repetition).
NETWORKS = {
    "unet-small": (dict(sample_size=8, in_channels=1, out_channels=1, block_out_channels=(32, 64), layers_per_block=1,
                        down_block_types=(DOWN, ATTENTION_DOWN), up_block_types=(ATTENTION_UP, UP),
                        attention_head_dim=None), 64, 10, 20),
    "unet-mid": (dict(sample_size=32, block_out_channels=(64, 128, 128), layers_per_block=2,
                      down_block_types=(DOWN, ATTENTION_DOWN, DOWN), up_block_types=(UP, ATTENTION_UP, UP),
                      attention_head_dim=None), 16, 5, 3),
    # google/ddpm-cifar10-32
    "unet-cifar10": (dict(sample_size=32, block_out_channels=(128, 256, 256, 256), layers_per_block=2,
                          down_block_types=(DOWN, ATTENTION_DOWN, DOWN, DOWN),
                          up_block_types=(UP, UP, ATTENTION_UP, UP), attention_head_dim=None, norm_eps=1e-6,
                          downsample_padding=0, flip_sin_to_cos=False, freq_shift=1), 4, 5, 3),
}


def inputs(config, batch):
    channels, size = config.get("in_channels", 3), config["sample_size"]
    return torch.randn(batch, channels, size, size), torch.linspace(5, 995, batch)


def forward(model, config, batch, passes, layout):
    x, times = inputs(config, batch)
    x = x.to(memory_format=layout)

    def repetition():
        with torch.inference_mode():
            for _ in range(passes):
                output = model(x, times).sample
        assert output.isfinite().all()

    return repetition, passes


def training(model, config, batch, steps, layout):
    data, times = inputs(config, batch)
    levels = torch.cos(times / 1000 * torch.pi / 2).reshape(-1, 1, 1, 1)
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-4, fused=True)

    def repetition():
        for _ in range(steps):
            noise = torch.randn_like(data)
            noisy = (levels * data + (1 - levels**2).sqrt() * noise).to(memory_format=layout)
            optimiser.zero_grad(set_to_none=True)
            loss = torch.nn.functional.mse_loss(model(noisy, times).sample, noise)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
        assert loss.isfinite()

    return repetition, steps


def openvino_forward(model, config, batch, passes, threads):
    import openvino

    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, x, times):
            return self.model(x, times).sample

    x, times = inputs(config, batch)
    converted = openvino.convert_model(Plain(), example_input=(x, times), input=[x.shape, times.shape])
    compiled = openvino.compile_model(
        converted, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads,
                           "PERFORMANCE_HINT": "LATENCY"})
    request = compiled.create_infer_request()
    arguments = [x.numpy(), times.numpy()]

    def repetition():
        for _ in range(passes):
            request.infer(arguments)

    return repetition, passes


def main():
    parser = argparse.ArgumentParser(description="PyTorch and OpenVINO peers of the U-Net benchmarks")
    parser.add_argument("case", choices=[f"{n}-{k}" for n in NETWORKS for k in ("forward", "train")])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--layout", choices=["nchw", "channels_last"], default="nchw")
    parser.add_argument("--engine", choices=["torch", "openvino"], default="torch")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    name, _, kind = arguments.case.rpartition("-")
    config, batch, passes, steps = NETWORKS[name]
    model = UNet2DModel(**config)
    print(f"{name}: {sum(p.numel() for p in model.parameters())} parameters", file=sys.stderr)
    layout = torch.channels_last if arguments.layout == "channels_last" else torch.contiguous_format
    model = model.to(memory_format=layout)
    if arguments.engine == "openvino":
        if kind == "train":
            sys.exit("OpenVINO does not train")
        serve(*openvino_forward(model.eval(), config, batch, passes, arguments.threads))
    elif kind == "train":
        serve(*training(model.train(), config, batch, steps, layout))
    else:
        serve(*forward(model.eval(), config, batch, passes, layout))
    print(f"{arguments.case} peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB", file=sys.stderr)


if __name__ == "__main__":
    main()
