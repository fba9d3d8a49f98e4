# SPDX-License-Identifier: GPL-3.0-or-later
"""Reference values of noise schedules from diffusers: writes schedules.json beside itself.

Of each schedule alphas_cumprod at some levels (single precision is all that diffusers has), and of DDPM the mean
coefficients and variance of the posterior q(x_{t-1} | x_t, x_0).

Requires diffusers 0.30 or later and torch. Run: python make_schedules.py
"""

import json
from pathlib import Path

from diffusers import DDPMScheduler
from diffusers.schedulers.scheduling_ddpm import betas_for_alpha_bar

LEVELS = [0, 1, 9, 99, 499, 899, 998]
schedules = {}
for name, options in {
    "linear": dict(beta_schedule="linear"),
    "scaled-linear": dict(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012),
    "cosine": dict(beta_schedule="squaredcos_cap_v2"),
    "sigmoid": dict(beta_schedule="sigmoid"),
}.items():
    scheduler = DDPMScheduler(num_train_timesteps=1000, **options)
    schedules[name] = [float(scheduler.alphas_cumprod[i]) for i in LEVELS]

# Its function is the square root of signal-to-noise over one plus it.
laplace = (1 - betas_for_alpha_bar(1000, 0.999999999, "laplace").double()).cumprod(0)
schedules["laplace"] = [float(laplace[i]) for i in LEVELS]

ddpm = DDPMScheduler(num_train_timesteps=1000, variance_type="fixed_small")
posterior = []
for t in LEVELS[1:]:
    before, now, beta = ddpm.alphas_cumprod[t - 1], ddpm.alphas_cumprod[t], ddpm.betas[t]
    posterior.append(
        [
            float(before**0.5 * beta / (1 - now)),
            float((1 - beta) ** 0.5 * (1 - before) / (1 - now)),
            float(ddpm._get_variance(t)),
        ]
    )
text = json.dumps({"levels": LEVELS, "schedules": schedules, "posterior": posterior}, indent=1)
(Path(__file__).parent / "schedules.json").write_text(text + "\n")
