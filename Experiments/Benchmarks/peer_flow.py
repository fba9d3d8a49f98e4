# SPDX-License-Identifier: GPL-3.0-or-later
"""The probability flow's side of the benchmarks: python peer_flow.py mixture-flow --engine scipy|diffrax [--threads N].

Protocol: see compare.py. 10,000 rows from t = 1 to 1e-3 at rtol = atol = 1e-5, under the exact score of eight equal
Gaussians of deviation 0.5 on a circle of radius 4, variance preserving. scipy: RK45 over the whole batch as one system,
the score by PyTorch in double (the code of score_sde). diffrax: Tsit5 with its PID controller, vmapped over rows, in
double, as float32 stalls at this tolerance. Errors are against the engine's own solution at 1e-10: the root mean square
over values, and the largest distance of a row.
"""

import argparse
import os
import sys

import numpy as np

parser = argparse.ArgumentParser(description="Probability-flow peers of the benchmarks")
parser.add_argument("case", choices=["mixture-flow", "mixture-flow-accuracy"])
parser.add_argument("--engine", choices=["scipy", "diffrax"], required=True)
parser.add_argument("--threads", type=int, default=2)
arguments = parser.parse_args()
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.threads])

from protocol import serve  # noqa: E402

ROWS, START, END, TOLERANCE = 10_000, 1.0, 1e-3, 1e-5
ANGLES = np.arange(8) * (np.pi / 4)
MEANS = 4 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
PRIOR = np.random.default_rng(1).standard_normal((ROWS, 2))


def scipy_solver():
    import torch
    from scipy.integrate import solve_ivp

    torch.set_num_threads(arguments.threads)
    means = torch.from_numpy(MEANS)

    def field(t, flat):
        x = torch.from_numpy(flat.reshape(ROWS, 2))
        log_scale = -0.25 * 19.9 * t * t - 0.5 * 0.1 * t
        centres = np.exp(log_scale) * means
        variance = 0.25 * np.exp(2 * log_scale) - np.expm1(2 * log_scale)
        posterior = torch.softmax((x @ centres.T - 0.5 * centres.square().sum(1)) / variance, dim=1)
        score = (posterior @ centres - x) / variance
        return (-0.5 * (0.1 + 19.9 * t) * (x + score)).numpy().reshape(-1)

    def solve(method, tolerance):
        solution = solve_ivp(field, (START, END), PRIOR.reshape(-1), method=method, rtol=tolerance, atol=tolerance)
        return solution.y[:, -1].reshape(ROWS, 2)

    return lambda: solve("RK45", TOLERANCE), lambda: solve("DOP853", 1e-10)


def diffrax_solver():
    import diffrax
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    means = jnp.asarray(MEANS)

    def field(t, x, _):
        log_scale = -0.25 * 19.9 * t * t - 0.5 * 0.1 * t
        centres = jnp.exp(log_scale) * means
        variance = 0.25 * jnp.exp(2 * log_scale) - jnp.expm1(2 * log_scale)
        posterior = jax.nn.softmax((centres @ x - 0.5 * (centres**2).sum(1)) / variance)
        return -0.5 * (0.1 + 19.9 * t) * (x + (posterior @ centres - x) / variance)

    def make(method, tolerance):
        def one(x):
            return diffrax.diffeqsolve(
                diffrax.ODETerm(field), method, START, END, -0.01, x, max_steps=100_000,
                stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=tolerance)).ys[0]

        solve = jax.jit(jax.vmap(one))
        return lambda: np.asarray(solve(jnp.asarray(PRIOR)).block_until_ready())

    return make(diffrax.Tsit5(), TOLERANCE), make(diffrax.Dopri8(), 1e-10)


solve, exact = {"scipy": scipy_solver, "diffrax": diffrax_solver}[arguments.engine]()
difference = solve() - exact()
assert np.isfinite(difference).all(), "the solution is not finite"
serve(solve, 1, {"error": float(np.sqrt((difference**2).mean())),
                 "largest_error": float(np.linalg.norm(difference, axis=1).max())})
