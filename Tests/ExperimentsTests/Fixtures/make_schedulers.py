# SPDX-License-Identifier: GPL-3.0-or-later
"""What diffusers' schedulers make of a network that is known in closed form: writes schedulers.json beside itself.

The network: the exact mean of the data, noise or v of a Gaussian mixture in 4 dimensions at the level told, where
between two levels ln(alpha bar) is linear in the level; levels are scaled_linear from 0.00085 to 0.012, 1000 of them, or
as a case says. 4 rows; noise of the state and of steps comes from torch.Generator("cpu").manual_seed(seed), rows x 4
normals at a time, as a pipeline draws them, in single precision. The schedulers' tables are what they are, rounded to
single precision; their arithmetic is done in double precision, where torch.float32 means double: in single precision
diffusers' formulas lose up to three digits (DEIS of order 3, levels of hardly any signal).

A case has the scheduler's own file, the steps, the seed, the eta of DDIM, the number of steps that are left out at the
beginning (image to image: the state is then what `add_noise` makes of x0), and the end. What is called and at which
sigma is there as well, for the shortest runs.

Requires torch, scipy, diffusers 0.42.1. Run: python make_schedulers.py
"""

import inspect
import json
import math
import sys
import types
from pathlib import Path

import diffusers
import numpy as np
import torch


class DoubleTorch(types.ModuleType):
    """torch, but its float32 is float64."""

    float32 = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


def draw(shape, generator=None, **ignored):
    return torch.randn(shape, generator=generator).double()


WEIGHTS = np.array([0.3, 0.5, 0.2])
MEANS = np.array([[-1.0, 0.5, 0.2, -0.3], [0.8, -0.4, 0.6, 0.1], [0.1, 1.2, -0.9, 0.7]])
DEVIATIONS = np.array([0.4, 0.25, 0.6])
ROWS = 4
START = [[0.5, -0.2, 0.1, 0.9], [-1.1, 0.3, 0.4, -0.2], [0.8, 0.1, -0.5, 0.3], [0.0, 1.0, 0.2, -0.7]]


class Network:
    """F(x, t) of the levels of a scheduler."""

    def __init__(self, config):
        count = config.num_train_timesteps
        first, last = config.beta_start, config.beta_end
        if config.beta_schedule == "linear":
            betas = np.linspace(first, last, count)
        elif config.beta_schedule == "scaled_linear":
            betas = np.linspace(first**0.5, last**0.5, count) ** 2
        else:
            curve = lambda t: math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2
            betas = np.array([min(1 - curve((i + 1) / count) / curve(i / count), 0.999) for i in range(count)])
        integrals = np.concatenate([[0.0], np.cumsum(-np.log1p(-betas))])
        if config.get("rescale_betas_zero_snr"):
            roots = np.exp(-0.5 * integrals[1:])
            roots = (roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])
            inner = -2 * np.log(roots[:-1])
            integrals = np.concatenate([[0.0], inner, [max(24 * math.log(2), inner[-1] + math.log(2))]])
        self.integrals, self.prediction = integrals, config.prediction_type

    def __call__(self, x, t):
        t = float(t) + 1
        i = min(max(int(t), 0), len(self.integrals) - 2)
        integral = self.integrals[i] + (t - i) * (self.integrals[i + 1] - self.integrals[i])
        m, variance = math.exp(-0.5 * integral), -math.expm1(-integral)
        sigma = math.sqrt(variance)
        x = x.double().flatten(1).numpy()
        totals = m**2 * DEVIATIONS**2 + variance
        logs = np.stack([
            math.log(w) - 0.5 * len(mean) * math.log(total) - 0.5 * ((x - m * mean) ** 2).sum(1) / total
            for w, mean, total in zip(WEIGHTS, MEANS, totals)])
        shares = np.exp(logs - logs.max(0))
        shares /= shares.sum(0)
        scores = np.stack([-(x - m * mean) / total for mean, total in zip(MEANS, totals)])
        score = (shares[..., None] * scores).sum(0)
        noise, data = -sigma * score, (x + variance * score) / m
        result = {"epsilon": noise, "sample": data, "v_prediction": m * noise - sigma * data}[self.prediction]
        return torch.from_numpy(result)[..., None, None]


SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
ZERO = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing", "prediction_type": "v_prediction"}
LEADING = {"timestep_spacing": "leading", "steps_offset": 1}

CASES = [
    ("DDIM", "as Stable Diffusion", {"clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1}, {}),
    ("DDIM", "eta", {"clip_sample": False, "steps_offset": 1}, {"eta": 0.7}),
    ("DDIM", "zero terminal signal", {"clip_sample": False, **ZERO}, {}),
    ("DDIM", "linspace, predicting data", {
        "clip_sample": False, "timestep_spacing": "linspace", "prediction_type": "sample"}, {}),
    ("DDIM", "clipped", {"clip_sample": True, "clip_sample_range": 0.8}, {"eta": 1.0}),
    ("DDIM", "thresholding", {
        "thresholding": True, "dynamic_thresholding_ratio": 0.7, "sample_max_value": 1.1,
        "prediction_type": "v_prediction"}, {}),
    ("DDPM", "small variance", {"clip_sample": False}, {}),
    ("DDPM", "large variance, clipped", {"variance_type": "fixed_large", "clip_sample_range": 1.2}, {}),
    ("DDPM", "zero terminal signal", {"clip_sample": False, **ZERO}, {}),
    ("PNDM", "as Stable Diffusion", {"skip_prk_steps": True, "steps_offset": 1}, {}),
    ("PNDM", "v, ending without noise", {
        "skip_prk_steps": True, "set_alpha_to_one": True, "prediction_type": "v_prediction"}, {}),
    ("PNDM", "Runge and Kutta", {"steps_offset": 1}, {}),
    ("PNDM", "Runge and Kutta, v", {"prediction_type": "v_prediction", "set_alpha_to_one": True}, {}),
    ("PNDM", "trailing", {"skip_prk_steps": True, "timestep_spacing": "trailing"}, {}),
    ("PNDM", "linspace", {"skip_prk_steps": True, "timestep_spacing": "linspace"}, {}),
    ("EulerDiscrete", "own", {}, {}),
    ("EulerDiscrete", "leading", LEADING, {}),
    ("EulerDiscrete", "karras", {"use_karras_sigmas": True, "timestep_spacing": "trailing"}, {}),
    ("EulerDiscrete", "exponential, v", {"use_exponential_sigmas": True, "prediction_type": "v_prediction"}, {}),
    ("EulerDiscrete", "beta", {"use_beta_sigmas": True, **LEADING, "prediction_type": "sample"}, {}),
    ("EulerDiscrete", "log-linear to the lowest", {
        "interpolation_type": "log_linear", "final_sigmas_type": "sigma_min"}, {}),
    ("EulerDiscrete", "zero terminal signal", ZERO, {}),
    ("EulerDiscrete", "karras of a range", {"use_karras_sigmas": True, "sigma_min": 0.1, "sigma_max": 10.0}, {}),
    ("EulerAncestralDiscrete", "own", {}, {}),
    ("EulerAncestralDiscrete", "leading, v", {**LEADING, "prediction_type": "v_prediction"}, {}),
    ("LMSDiscrete", "own", {}, {}),
    ("LMSDiscrete", "karras, leading", {**LEADING, "use_karras_sigmas": True}, {}),
    ("HeunDiscrete", "own", {}, {}),
    ("HeunDiscrete", "karras, trailing", {"use_karras_sigmas": True, "timestep_spacing": "trailing"}, {}),
    ("HeunDiscrete", "clipped, v", {
        "clip_sample": True, "clip_sample_range": 0.9, **LEADING, "prediction_type": "v_prediction"}, {}),
    ("DPMSolverMultistep", "own", {}, {}),
    ("DPMSolverMultistep", "leading", LEADING, {}),
    ("DPMSolverMultistep", "karras", {"use_karras_sigmas": True}, {}),
    ("DPMSolverMultistep", "order 3", {"solver_order": 3}, {}),
    ("DPMSolverMultistep", "order 1", {"solver_order": 1}, {}),
    ("DPMSolverMultistep", "heun, order 3, to the lowest", {
        "solver_order": 3, "solver_type": "heun", "final_sigmas_type": "sigma_min"}, {}),
    ("DPMSolverMultistep", "stochastic", {"algorithm_type": "sde-dpmsolver++"}, {}),
    ("DPMSolverMultistep", "stochastic, karras, heun", {
        "algorithm_type": "sde-dpmsolver++", "solver_type": "heun", "use_karras_sigmas": True}, {}),
    ("DPMSolverMultistep", "euler at final, lu", {
        "euler_at_final": True, "use_lu_lambdas": True, "final_sigmas_type": "sigma_min"}, {}),
    ("DPMSolverMultistep", "cosine levels", {
        "beta_schedule": "squaredcos_cap_v2", "lambda_min_clipped": -5.1}, {}),
    ("DPMSolverMultistep", "cosine levels, karras", {
        "beta_schedule": "squaredcos_cap_v2", "use_karras_sigmas": True}, {}),
    ("DPMSolverMultistep", "zero terminal signal", ZERO, {}),
    ("DPMSolverMultistep", "thresholding, exponential", {
        "thresholding": True, "dynamic_thresholding_ratio": 0.7, "use_exponential_sigmas": True}, {}),
    ("UniPCMultistep", "own", {}, {}),
    ("UniPCMultistep", "leading, order 3", {**LEADING, "solver_order": 3}, {}),
    ("UniPCMultistep", "bh1, v", {
        "solver_type": "bh1", "prediction_type": "v_prediction", "final_sigmas_type": "sigma_min"}, {}),
    ("UniPCMultistep", "karras to the lowest", {
        "use_karras_sigmas": True, "final_sigmas_type": "sigma_min", "lower_order_final": False}, {}),
    ("UniPCMultistep", "zero terminal signal", ZERO, {}),
    ("DEISMultistep", "own", {}, {}),
    ("DEISMultistep", "leading, order 3", {**LEADING, "solver_order": 3}, {}),
    ("DEISMultistep", "karras, v", {"use_karras_sigmas": True, "prediction_type": "v_prediction"}, {}),
]
# Image to image begins in the middle.
LATER = [(kind, about, entries, {**options, "skipped": 4}) for kind, about, entries, options in CASES
         if about in ("as Stable Diffusion", "own", "order 3", "leading, order 3", "stochastic", "small variance")]
for kind, about, entries, options in CASES:
    if kind == "PNDM" and about == "as Stable Diffusion":
        LATER += [(kind, about, entries, {"skipped": 1}), (kind, about, entries, {"skipped": 9})]


def run(kind, entries, steps, seed, eta=None, skipped=0):
    kind = getattr(diffusers, kind + "Scheduler")
    sys.modules[kind.__module__].torch = torch
    scheduler = kind(**{**SD, **entries})
    network = Network(scheduler.config)
    generator = torch.Generator("cpu").manual_seed(seed)
    scheduler.set_timesteps(steps)
    for table in ("sigmas", "alphas_cumprod", "final_alpha_cumprod", "one"):
        if hasattr(scheduler, table):
            setattr(scheduler, table, getattr(scheduler, table).double())
    module = sys.modules[type(scheduler).__module__]
    module.torch = DoubleTorch("torch")
    if hasattr(module, "randn_tensor"):
        module.randn_tensor = draw
    start = skipped * scheduler.order
    times = scheduler.timesteps[start:]
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(start)
    # With axes of height and width, as schedulers expect.
    noise = torch.randn(ROWS, 4, 1, 1, generator=generator).double()
    if skipped:
        x = scheduler.add_noise(torch.tensor(START).double()[..., None, None], noise, times[:1].repeat(ROWS))
    else:
        x = noise * scheduler.init_noise_sigma
    extra = {} if eta is None else {"eta": eta}
    if "generator" in inspect.signature(scheduler.step).parameters:
        extra["generator"] = generator
    for t in times:
        x = scheduler.step(network(scheduler.scale_model_input(x, t), t), t, x, **extra).prev_sample
        assert x.dtype == torch.float64
    assert torch.isfinite(x).all(), (kind, entries)
    return scheduler, x


def main():
    torch.set_num_threads(1)
    cases = []
    for number, (kind, about, entries, options) in enumerate(CASES + LATER):
        ends = {}
        for steps in (10, 25, 50):
            scheduler, x = run(kind, entries, steps, number, **options)
            ends[str(steps)] = x.double().flatten().tolist()
        cases.append({
            "class": kind + "Scheduler", "about": about, "config": scheduler.to_json_string(), "seed": number,
            "eta": options.get("eta", 0.0), "skipped": options.get("skipped", 0),
            "ends": {steps: [round(v, 9) for v in end] for steps, end in ends.items()}})
    result = {
        "weights": WEIGHTS.tolist(), "means": MEANS.tolist(), "deviations": DEVIATIONS.tolist(), "start": START,
        "cases": cases}
    Path(__file__).with_name("schedulers.json").write_text(json.dumps(result, indent=0) + "\n")
    print(len(cases), "cases")


if __name__ == "__main__":
    main()
