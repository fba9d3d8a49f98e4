# SPDX-License-Identifier: GPL-3.0-or-later
"""What the peers' own code makes of one problem, and functions that solvers need: writes solvers.json beside itself.

The problem: the exact score of a Gaussian mixture with full covariances under the VP process with
beta(t) = 0.1 + 19.9 t; 8 points carried from t = 1 to t = 1e-3 in 12 steps, on times that are uniform in
lambda = log(m/sigma) and on times that are uniform. Every number is computed in double precision.

The peers:
  diffusers 0.42.1 (PyPI, with torch 2.15.0): DDIM, DPM-Solver-2, DPM-Solver++ (multistep, ODE and SDE), UniPC, DEIS.
    Its schedulers are discrete: they are given our noise levels in place of their own, one more than steps, and
    predicted noise at our times. To the multistep DPM-Solver, which casts to single precision, torch.float32 means
    double.
  k-diffusion, k_diffusion/sampling.py of github.com/crowsonkb/k-diffusion at 4601bf085320592473f681a62808ed873d17fad5:
    DPM-Solver++ 2M, 2M SDE and 3M SDE, in y = x/m and sigma/m. Only this file; what it imports is not used.
  dpm-solver, dpm_solver_pytorch.py of github.com/LuChengTHU/dpm-solver at 52bc3fbcd5de56d60917b826b15d2b69460fc2fa:
    DPM-Solver-2 and -3 (single-step), DPM-Solver++ 2M and 3M.
  unipc, uni_pc.py of github.com/wl-zhao/UniPC at cf9de85bf2ed68137e6fba5f165f451677b174c4.

Where peers have the same method, all results are written; they must agree with each other to 1e-9. Left out is
diffusers' sde-dpmsolver++ of order 3, which has the constant 1/2 of its last coefficient with the wrong sign: that
coefficient tends to -1 for short steps, not to 0, and the result is not k-diffusion's.

The 3M of all three peers weights the second divided difference D2 of the data prediction by -phi_3 D2, which is half
the integral of the interpolating parabola. So it is of order 2, with any starting values; with -2 phi_3 D2 it is of
order 3.

A run is named by its peer, method and options; stochastic ones take the normals `noise` (step, row, coordinate) in
order. `phi` holds phi_k(z) = (phi_{k-1}(z) - 1/(k-1)!)/z, phi_0 = exp, for k = 1 to 5 (rows: z), by mpmath with 100
digits.

Requires numpy, mpmath 1.3, torch, diffusers. The three files are downloaded, unless FOLDER has them under these names:
sampling.py, dpm_solver_pytorch.py, uni_pc.py. Run: python make_solvers.py [FOLDER]
"""

import contextlib
import io
import json
import math
import sys
import types
import urllib.request
from pathlib import Path

import diffusers
import mpmath
import numpy as np
import torch
from diffusers.schedulers import scheduling_dpmsolver_multistep

SOURCES = {
    "sampling.py": "crowsonkb/k-diffusion/4601bf085320592473f681a62808ed873d17fad5/k_diffusion/sampling.py",
    "dpm_solver_pytorch.py": "LuChengTHU/dpm-solver/52bc3fbcd5de56d60917b826b15d2b69460fc2fa/dpm_solver_pytorch.py",
    "uni_pc.py": "wl-zhao/UniPC/cf9de85bf2ed68137e6fba5f165f451677b174c4/uni_pc.py"}

WEIGHTS = np.array([0.2, 0.5, 0.3])
MEANS = np.array([[-1.5, 0.5], [1.0, -0.5], [0.3, 2.0]])
COVARIANCES = np.array([[[0.16, 0.05], [0.05, 0.09]], [[0.36, -0.2], [-0.2, 0.25]], [[0.01, 0.0], [0.0, 0.04]]])
BETA_MIN, BETA_MAX, EPSILON, STEPS, ROWS = 0.1, 20.0, 1e-3, 12, 8
ARGUMENTS = [-20.0, -5.0, -2.0, -1.0, -0.3, -1e-3, -1e-8, 0.0, 1e-8, 1e-3, 0.3, 1.0, 2.0, 5.0, 20.0]


# The problem

def moments(t):
    """m and sigma"""
    log_scale = -0.5 * (BETA_MIN * t + 0.5 * (BETA_MAX - BETA_MIN) * t**2)
    return np.exp(log_scale), np.sqrt(-np.expm1(2 * log_scale))


def time_of_ratio(ratio):
    """t with sigma/m = ratio: the integral of beta is log(1 + ratio^2)."""
    integral, slope = np.log1p(ratio**2), BETA_MAX - BETA_MIN
    return 2 * integral / (BETA_MIN + np.sqrt(BETA_MIN**2 + 2 * slope * integral))


def predicted_noise(x, t):
    """-sigma times the score of the mixture at t."""
    m, sigma = moments(t)
    logs, solved = [], []
    for w, mu, cov in zip(WEIGHTS, MEANS, COVARIANCES):
        total = m**2 * cov + sigma**2 * np.eye(2)
        solved.append(np.linalg.solve(total, (x - m * mu).T).T)
        logs.append(np.log(w) - 0.5 * np.linalg.slogdet(total)[1] - 0.5 * ((x - m * mu) * solved[-1]).sum(1))
    logs = np.array(logs)
    r = np.exp(logs - logs.max(0))
    r /= r.sum(0)
    return sigma * (r[..., None] * np.array(solved)).sum(0)


def model(x, t):
    """The same of a tensor (8, 2, ...), at one time."""
    flat = x.reshape(x.shape[0], 2).numpy()
    return torch.from_numpy(predicted_noise(flat, float(t))).reshape(x.shape)


def make_grids():
    ends = [np.divide(*moments(t)[::-1]) for t in (1.0, EPSILON)]
    uniform = np.linspace(1, EPSILON, STEPS + 1)
    by_lambda = time_of_ratio(np.exp(np.linspace(*np.log(ends), STEPS + 1)))
    by_lambda[0], by_lambda[-1] = 1, EPSILON
    return {"logSNR": by_lambda, "uniform": uniform}


# The peers

class DoubleTorch(types.ModuleType):
    """torch, but its float32 is float64."""

    float32 = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


def load(name, folder):
    """A peer's file as a module, without those of its imports that are not used here."""
    if folder:
        text = (Path(folder) / name).read_text()
    else:
        with urllib.request.urlopen("https://raw.githubusercontent.com/" + SOURCES[name]) as answer:
            text = answer.read().decode()
    if name == "sampling.py":
        text = text.replace("from . import utils", "utils = None")
        for unused in ("torchdiffeq", "torchsde"):
            sys.modules[unused] = types.ModuleType(unused)
        sys.modules["torchdiffeq"].odeint = None
    module = types.ModuleType(name[:-3])
    exec(compile(text, name, "exec"), module.__dict__)
    return module


class Diffusers:
    name = "diffusers"

    @staticmethod
    def sample(scheduler, times, x, noise=None):
        steps = len(times) - 1
        m, sigma = moments(times)
        scheduler.set_timesteps(steps)
        scheduler.timesteps = torch.arange(steps, 0, -1)
        scheduler.sigmas = torch.from_numpy(sigma / m)
        for i in range(steps):
            extra = {} if noise is None else {"variance_noise": noise[i]}
            x = scheduler.step(model(x, times[i]), scheduler.timesteps[i], x, **extra).prev_sample
        return x

    @staticmethod
    def ddim(times, x, eta, noise):
        steps = len(times) - 1
        scheduler = diffusers.DDIMScheduler(num_train_timesteps=steps + 1, clip_sample=False)
        scheduler.set_timesteps(steps + 1)
        scheduler.alphas_cumprod = torch.from_numpy(moments(times[::-1])[0] ** 2)
        for i in range(steps):
            x = scheduler.step(model(x, times[i]), steps - i, x, eta=eta, variance_noise=noise[i]).prev_sample
        return x

    def runs(self, times, x, noise):
        for eta in (0.0, 0.5, 1.0):
            yield f"ddim eta {eta:g}", self.ddim(times, x, eta, noise)
        multistep = {"lower_order_final": False, "final_sigmas_type": "sigma_min"}
        for method, order, kind in (
                ("dpmsolver++", 2, "midpoint"), ("dpmsolver++", 2, "heun"), ("dpmsolver++", 3, "heun"),
                ("sde-dpmsolver++", 2, "midpoint"), ("sde-dpmsolver++", 2, "heun")):
            scheduler = diffusers.DPMSolverMultistepScheduler(
                algorithm_type=method, solver_order=order, solver_type=kind, **multistep)
            yield f"{method} {order} {kind}", self.sample(scheduler, times, x, noise if "sde" in method else None)
        for order in (2, 3):
            for variant in ("bh1", "bh2"):
                scheduler = diffusers.UniPCMultistepScheduler(
                    solver_order=order, solver_type=variant, **multistep)
                yield f"unipc {order} {variant}", self.sample(scheduler, times, x)
        # Two of its steps, by way of the middle in lambda, are one of DPM-Solver-2.
        levels = np.divide(*moments(times)[::-1])
        finer = np.insert(times, range(1, len(times)), time_of_ratio(np.sqrt(levels[:-1] * levels[1:])))
        scheduler = diffusers.DPMSolverSinglestepScheduler(algorithm_type="dpmsolver", solver_order=2, **multistep)
        yield "dpmsolver 2", self.sample(scheduler, finer, x)
        for order in (1, 2, 3):
            scheduler = diffusers.DEISMultistepScheduler(solver_order=order, lower_order_final=False)
            yield f"deis {order}", self.sample(scheduler, times, x)


class KDiffusion:
    name = "k-diffusion"

    def __init__(self, folder):
        self.module = load("sampling.py", folder)

    def runs(self, times, x, noise):
        m, sigma = moments(times)
        ratios = torch.from_numpy(sigma / m)

        def denoise(y, ratio):
            i = int((ratios - ratio[0]).abs().argmin())
            return y - ratios[i] * model(m[i] * y, times[i])

        def sample(name, **options):
            draws = iter(noise)
            if "sde" in name:
                options["noise_sampler"] = lambda ratio, next_ratio: next(draws)
            return m[-1] * getattr(self.module, "sample_" + name)(
                denoise, x / m[0], ratios, disable=True, **options)

        yield "dpmpp_2m", sample("dpmpp_2m")
        for kind in ("midpoint", "heun"):
            for eta in (0.0, 0.5, 1.0):
                yield f"dpmpp_2m_sde {kind} eta {eta:g}", sample("dpmpp_2m_sde", solver_type=kind, eta=eta)
        for eta in (0.0, 0.5, 1.0):
            yield f"dpmpp_3m_sde eta {eta:g}", sample("dpmpp_3m_sde", eta=eta)


class DPMSolver:
    name = "dpm-solver"

    def __init__(self, folder):
        self.module = load("dpm_solver_pytorch.py", folder)

    def make(self, algorithm):
        schedule = self.module.NoiseScheduleVP(
            "linear", continuous_beta_0=BETA_MIN, continuous_beta_1=BETA_MAX, dtype=torch.float64)
        return self.module.DPM_Solver(lambda x, t: model(x, t[0]), schedule, algorithm_type=algorithm)

    def runs(self, times, x, noise):
        ticks = torch.from_numpy(times)
        solver = self.make("dpmsolver")
        for order in (2, 3):
            y = x
            for s, t in zip(ticks, ticks[1:]):
                y = solver.singlestep_dpm_solver_update(y, s[None], t[None], order)
            yield f"dpmsolver {order}", y
        solver = self.make("dpmsolver++")
        solver.get_time_steps = lambda **ignored: ticks
        for order, kind in ((2, "dpmsolver"), (2, "taylor"), (3, "taylor")):
            yield f"dpmsolver++ {order} {kind}", solver.sample(
                x, steps=len(times) - 1, t_start=1.0, t_end=EPSILON, order=order, method="multistep",
                lower_order_final=False, solver_type=kind)


class UniPC:
    name = "unipc"

    def __init__(self, folder):
        self.module = load("uni_pc.py", folder)

    def runs(self, times, x, noise):
        schedule = self.module.NoiseScheduleVP(
            "linear", continuous_beta_0=BETA_MIN, continuous_beta_1=BETA_MAX, dtype=torch.float64)
        for order in (2, 3):
            for variant in ("bh1", "bh2"):
                solver = self.module.UniPC(lambda x, t: model(x, t[0]), schedule, variant=variant)
                solver.get_time_steps = lambda **ignored: torch.from_numpy(times)
                # It works on images, and reports every step.
                with contextlib.redirect_stdout(io.StringIO()):
                    y = solver.sample(
                        x[..., None, None], steps=len(times) - 1, t_start=1.0, t_end=EPSILON, order=order,
                        lower_order_final=False)
                yield f"unipc {order} {variant}", y[..., 0, 0]


# Runs that must agree with each other
TWINS = [
    ("diffusers dpmsolver++ 2 midpoint", "k-diffusion dpmpp_2m", "k-diffusion dpmpp_2m_sde midpoint eta 0",
     "dpm-solver dpmsolver++ 2 dpmsolver"),
    ("diffusers dpmsolver++ 2 heun", "k-diffusion dpmpp_2m_sde heun eta 0", "dpm-solver dpmsolver++ 2 taylor"),
    ("diffusers dpmsolver++ 3 heun", "k-diffusion dpmpp_3m_sde eta 0", "dpm-solver dpmsolver++ 3 taylor"),
    ("diffusers sde-dpmsolver++ 2 midpoint", "k-diffusion dpmpp_2m_sde midpoint eta 1"),
    ("diffusers sde-dpmsolver++ 2 heun", "k-diffusion dpmpp_2m_sde heun eta 1"),
    ("diffusers dpmsolver 2", "dpm-solver dpmsolver 2"),
    ("diffusers ddim eta 0", "diffusers deis 1"),
    *((f"diffusers unipc {order} {variant}", f"unipc unipc {order} {variant}")
      for order in (2, 3) for variant in ("bh1", "bh2"))]


def check(ends):
    """ends: by run, for one grid."""
    for first, *others in TWINS:
        for other in others:
            error = np.abs(ends[first] - ends[other]).max() / np.abs(ends[first]).max()
            print(f"  {first} = {other}: {error:.1e}")
            assert error < 1e-9


def phi(k, z):
    if z == 0:
        return 1 / mpmath.factorial(k)
    value = mpmath.exp(z)
    for j in range(k):
        value = (value - 1 / mpmath.factorial(j)) / z
    return value


def make_phi():
    # At 1e-8 five subtractions lose 40 digits or more.
    with mpmath.workdps(100):
        return [[float(phi(k, mpmath.mpf(z))) for k in range(1, 6)] for z in ARGUMENTS]


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else None
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    scheduling_dpmsolver_multistep.torch = DoubleTorch("torch")
    rng = np.random.default_rng(4)
    start = rng.standard_normal((ROWS, 2))
    noise = rng.standard_normal((STEPS, ROWS, 2))
    peers = [Diffusers(), KDiffusion(folder), DPMSolver(folder), UniPC(folder)]
    grids = make_grids()
    runs = {}
    for grid, times in grids.items():
        ends = {}
        for peer in peers:
            for name, end in peer.runs(times, torch.from_numpy(start), torch.from_numpy(noise)):
                assert end.dtype == torch.float64 and torch.isfinite(end).all()
                ends[f"{peer.name} {name}"] = end.numpy()
        print(grid)
        check(ends)
        for name, end in ends.items():
            runs.setdefault(name, {})[grid] = end.tolist()
    result = {
        "weights": WEIGHTS.tolist(), "means": MEANS.tolist(), "covariances": COVARIANCES.tolist(), "betaMin": BETA_MIN,
        "betaMax": BETA_MAX, "times": {grid: times.tolist() for grid, times in grids.items()}, "start": start.tolist(),
        "noise": noise.tolist(), "runs": runs, "phi": {"arguments": ARGUMENTS, "values": make_phi()}}
    Path(__file__).with_name("solvers.json").write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
