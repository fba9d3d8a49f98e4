# SPDX-License-Identifier: GPL-3.0-or-later
"""The posterior samplers of azula and deepinv: python peer_posterior.py CASE [--threads N] [--engine azula|deepinv]

Cases are posterior-METHOD-NETWORK; protocol: see compare.py. Their own samplers run as they are, in float32 without
progress bars, on a network of the same architecture as score-sde-bench's, with initial weights: `mlp` has 64 values in and
out and three hidden layers of 256, `unet` is diffusers' UNet2DModel of 8 x 8 pixels. The left half of each image is seen
with noise of deviation 1000, so that a network that has learned nothing leads nowhere. All draw by 100 steps of the
variance-preserving process.

A repetition of dps and pigdm draws 256 rows with `mlp` and 64 with `unet`. One of smc draws two samples of one observation
each, by 64 particles each: azula has one observation in a call.
"""

import argparse
import math

import torch
from torch import nn

from protocol import serve

BETA_MIN, BETA_SLOPE = 0.1, 19.9  # beta(t) = 0.1 + 19.9 t
STEPS, NOISE, PARTICLES, SAMPLES = 100, 1000.0, 64, 2


def moments(t):
    """Scale and deviation of x_t given x_0."""
    log_scale = -0.25 * BETA_SLOPE * t * t - 0.5 * BETA_MIN * t
    return torch.exp(log_scale), torch.sqrt(-torch.expm1(2 * log_scale))


class Perceptron(nn.Module):
    """An image of 64 pixels and 64 sinusoids of t -> three hidden layers of SiLU -> the noise."""

    def __init__(self, hidden=256):
        super().__init__()
        self.register_buffer("frequencies", 1000 * torch.exp(-math.log(1e4) * torch.arange(32) / 32))
        layers = [nn.Linear(128, hidden), nn.SiLU()]
        for _ in range(2):
            layers += [nn.Linear(hidden, hidden), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden, 64))

    def forward(self, x, t):
        """t is one number."""
        angles = t.reshape(1, 1).to(x) * self.frequencies
        features = torch.cat([angles.sin(), angles.cos()], dim=1)
        return self.layers(torch.cat([x.flatten(1), features.expand(len(x), -1)], dim=1)).reshape(x.shape)


class Net(nn.Module):
    """The U-Net of the case unet-small."""

    def __init__(self):
        super().__init__()
        from peer_unet import NETWORKS
        from diffusers import UNet2DModel

        self.model = UNet2DModel(**NETWORKS["unet-small"][0])

    def forward(self, x, t):
        return self.model(x, 1000 * t.reshape(1).to(x)).sample


def azula_cases(network, method, rows):
    from azula.denoise import Denoiser, DiracPosterior
    from azula.guidance import DPSSampler, PGDMSampler, TDSSampler
    from azula.noise import Schedule

    class Variance(Schedule):
        def __call__(self, t):
            return moments(t)

    class Tweedie(Denoiser):
        schedule = Variance()

        def forward(self, x_t, t, **kwargs):
            scale, deviation = moments(t)
            return DiracPosterior(mean=(x_t - deviation * network(x_t, t)) / scale)

    common = dict(start=1.0, stop=1e-3, steps=STEPS, silent=True)
    see = lambda x: x[..., :4]
    # Song et al.'s form has the pseudo-inverse of a mask; its weight is that of no noise, and so made small here.
    back = lambda y: 1e-6 * torch.nn.functional.pad(y, (0, 4))
    denoiser = Tweedie()
    if method == "smc":
        y = torch.zeros(1, 8, 4)
        twist = lambda x, _: -0.5 * (y - see(x)).square() / NOISE**2
        sampler = TDSSampler(denoiser, twist, **common)

        def repetition():
            for _ in range(SAMPLES):
                assert sampler(torch.randn(PARTICLES, 1, 8, 8)).isfinite().all()

        return repetition
    y = torch.zeros(rows, 1, 8, 4)
    if method == "dps":
        sampler = DPSSampler(denoiser, y, see, zeta=1e-6, **common)
    else:
        sampler = PGDMSampler(denoiser, y, see, back, eta=1.0, **common)

    def repetition():
        assert sampler(torch.randn(rows, 1, 8, 8)).isfinite().all()

    return repetition


def deepinv_dps(network, rows):
    import deepinv

    class Tweedie(deepinv.models.Denoiser):
        """x = x0 + sigma z, which is x_t / scale at the time whose deviation is sigma times the scale."""

        def forward(self, x, sigma, **kwargs):
            sigma = torch.as_tensor(sigma).reshape(-1)[0].to(x)
            log = torch.log1p(sigma * sigma)
            t = (torch.sqrt(BETA_MIN**2 + 2 * BETA_SLOPE * log) - BETA_MIN) / BETA_SLOPE
            return x - sigma * network(x / torch.sqrt(1 + sigma * sigma), t)

    mask = torch.zeros(1, 8, 8)
    mask[..., :4] = 1
    physics = deepinv.physics.Inpainting((1, 8, 8), mask=mask, noise_model=deepinv.physics.GaussianNoise(NOISE))
    sampler = deepinv.sampling.DPS(Tweedie(), num_steps=STEPS + 1, weight=1e-6, verbose=False, dtype=torch.float32)
    y = torch.zeros(rows, 1, 8, 8)

    def repetition():
        assert sampler(y, physics).isfinite().all()

    return repetition


def main():
    parser = argparse.ArgumentParser(description="azula and deepinv as peers of posterior sampling")
    parser.add_argument(
        "case", choices=[f"posterior-{m}-{n}" for m in ("dps", "pigdm", "smc") for n in ("mlp", "unet")]
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--engine", choices=["azula", "deepinv"], default="azula")
    arguments = parser.parse_args()
    _, method, name = arguments.case.split("-")
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    network, rows = (Perceptron(), 256) if name == "mlp" else (Net(), 64)
    network = network.eval().requires_grad_(False)
    if arguments.engine == "deepinv":
        if method != "dps":
            parser.error("deepinv has dps alone of these")
        serve(deepinv_dps(network, rows), 1)
    else:
        serve(azula_cases(network, method, rows), 1)


if __name__ == "__main__":
    main()
