# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what diffusers' schedulers say of noise levels: python make_schedulers.py

Schedulers/levels.json has one entry a case: the class, its config (as save_pretrained writes it), and alphas_cumprod at
some of its levels. Schedulers/classes.json has the names of all scheduler classes of the package, and
Schedulers/unet.json the entries of UNet2DModel with their defaults. Made with torch 2.15.0, diffusers 0.42.1 and
torchsde 0.2.6, without which DPMSolverSDEScheduler is not there.
"""

import inspect
import json
import math
import tempfile
from pathlib import Path

import diffusers
import diffusers.schedulers
import torch
from diffusers import UNet2DModel

HERE = Path(__file__).resolve().parent / "Schedulers"
CLASSES = [
    "DDPM", "DDPMParallel", "DDIM", "DDIMParallel", "DDIMInverse", "PNDM", "RePaint", "DEISMultistep",
    "DPMSolverMultistep", "DPMSolverMultistepInverse", "DPMSolverSinglestep", "UniPCMultistep", "SASolver",
    "EulerDiscrete", "EulerAncestralDiscrete", "LMSDiscrete", "HeunDiscrete", "KDPM2Discrete",
    "KDPM2AncestralDiscrete", "DPMSolverSDE",
]
BETAS = [0.001 * 1.12**i for i in range(50)]
MORE = [
    ("DDPM", dict(num_train_timesteps=50)),
    ("DDPM", dict(beta_schedule="sigmoid")),
    ("DDPM", dict(beta_schedule="squaredcos_cap_v2", num_train_timesteps=250)),
    ("DDPM", dict(trained_betas=BETAS, num_train_timesteps=50)),
    ("DDPM", dict(rescale_betas_zero_snr=True, prediction_type="v_prediction")),
    ("DDIM", dict(rescale_betas_zero_snr=True, prediction_type="sample", beta_schedule="scaled_linear",
                  beta_start=0.00085, beta_end=0.012)),
    ("EulerDiscrete", dict(rescale_betas_zero_snr=True, prediction_type="v_prediction")),
    ("RePaint", dict(beta_schedule="sigmoid", beta_start=1e-4, beta_end=0.03)),
    ("HeunDiscrete", dict(beta_schedule="exp")),
    ("PNDM", dict(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, skip_prk_steps=True,
                  steps_offset=1)),
    ("UniPCMultistep", dict(beta_schedule="squaredcos_cap_v2", use_karras_sigmas=True)),
    ("DPMSolverMultistep", dict(algorithm_type="sde-dpmsolver++", use_karras_sigmas=True, thresholding=True)),
]


def levels(scheduler):
    if hasattr(scheduler, "alphas_cumprod"):
        return [float(a) for a in scheduler.alphas_cumprod]
    raise AttributeError(type(scheduler).__name__)


def main():
    HERE.mkdir(exist_ok=True)
    cases = []
    for name, arguments in [(name, {}) for name in CLASSES] + MORE:
        scheduler = getattr(diffusers, name + "Scheduler")(**arguments)
        with tempfile.TemporaryDirectory() as folder:
            scheduler.save_pretrained(folder)
            text = (Path(folder) / "scheduler_config.json").read_text()
        all_levels = levels(scheduler)
        last = len(all_levels) - 1
        places = sorted({0, 1, 2, last // 10, last // 4, last // 2, 3 * last // 4, last - 1, last})
        cases.append({"class": name, "config": text, "places": places, "levels": [all_levels[i] for i in places]})
        print(name, arguments and list(arguments), all_levels[0], all_levels[-1])
    (HERE / "levels.json").write_text(json.dumps(cases, indent=1) + "\n")

    classes = {n for n in dir(diffusers.schedulers) if n.endswith("Scheduler")} | {
        n for n in dir(diffusers) if n.endswith("Scheduler") and not n.startswith("Flax")}
    (HERE / "classes.json").write_text(json.dumps(sorted(classes), indent=1) + "\n")

    defaults = {
        name: parameter.default for name, parameter in inspect.signature(UNet2DModel.__init__).parameters.items()
        if name != "self"
    }
    (HERE / "unet.json").write_text(json.dumps(defaults, indent=1) + "\n")


if __name__ == "__main__":
    main()
