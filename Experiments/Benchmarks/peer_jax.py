# SPDX-License-Identifier: GPL-3.0-or-later
"""JAX's side of the benchmarks: python peer_jax.py CASE [--threads N] [--layout rows|columns].

Protocol: see compare.py. float32 (JAX's default; our program computes this case in double). The whole
run is one jit-compiled scan. Tried on two cores: layout rows (the code one writes) 1.1 s, columns (one
column a sample) 0.65 s; drawing all normals before the scan and other generators change little.
"""

import argparse
import os
import sys

parser = argparse.ArgumentParser(description="JAX peer of the benchmarks")
parser.add_argument("case", choices=["mixture-em"])
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--layout", choices=["rows", "columns"], default="rows")
arguments = parser.parse_args()
if hasattr(os, "sched_setaffinity"):  # JAX's thread pool takes as many threads as it sees processors
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.threads])

import jax  # noqa: E402  (after the affinity is set)
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from protocol import serve  # noqa: E402

BETA_MIN, BETA_SLOPE = 0.1, 19.9
ROWS, STEPS = 10_000, 1000
ANGLES = np.arange(8) * (np.pi / 4)
MEANS = jnp.asarray(4 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1), jnp.float32)
TIMES = np.linspace(1.0, 1e-3, STEPS + 1)


def perturbed(t):
    """Centres and variance of eight Gaussians of deviation 0.5 on a circle of radius 4 at time t."""
    log_scale = -0.25 * BETA_SLOPE * t * t - 0.5 * BETA_MIN * t
    return jnp.exp(log_scale) * MEANS, 0.25 * jnp.exp(2 * log_scale) - jnp.expm1(2 * log_scale)


def score_of_rows(x, t):
    centres, variance = perturbed(t)
    posterior = jax.nn.softmax((x @ centres.T - 0.5 * (centres**2).sum(1)) / variance, axis=1)
    return (posterior @ centres - x) / variance


def score_of_columns(x, t):
    centres, variance = perturbed(t)
    a, b = centres[:, :1], centres[:, 1:]
    posterior = jax.nn.softmax((a * x[0] + b * x[1] - 0.5 * (a * a + b * b)) / variance, axis=0)
    return (jnp.stack([(posterior * a).sum(0), (posterior * b).sum(0)]) - x) / variance


SCORE, SHAPE = (score_of_rows, (ROWS, 2)) if arguments.layout == "rows" else (score_of_columns, (2, ROWS))


@jax.jit
def mixture_em(key):
    def step(x, inputs):
        t, h, key = inputs
        beta = BETA_MIN + BETA_SLOPE * t
        z = jax.random.normal(key, SHAPE)
        return x * (1 + 0.5 * beta * h) + beta * h * SCORE(x, t) + jnp.sqrt(beta * h) * z, None

    keys = jax.random.split(key, STEPS + 1)
    inputs = (jnp.asarray(TIMES[:-1], jnp.float32), jnp.asarray(-np.diff(TIMES), jnp.float32), keys[1:])
    return jax.lax.scan(step, jax.random.normal(keys[0], SHAPE), inputs)[0]


key = jax.random.key(1)


def repetition():
    global key
    key, run = jax.random.split(key)
    assert bool(jnp.isfinite(mixture_em(run).block_until_ready()).all())


serve(repetition, 1)
