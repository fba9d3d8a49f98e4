# SPDX-License-Identifier: GPL-3.0-or-later
"""One step of the peers' posterior methods on 32 x 32 operators: writes posteriors.json beside itself.

azula (0.11): DPS, PiGDM, MMPS, TMPD, DiffPIR, RePaint. deepinv (0.5): DDRM, from the first state through one step to the
denoised mean. Their own code runs in double precision on a denoiser that both sides write exactly: two Gaussians with
deviation 0.4 about two smooth images. States and noise come from one generator of integers; torch's normals are replaced
by it.

Two things of deepinv's DDRM are not in the paper: it divides every normal by sqrt(2), which is undone here by handing it
normals that are larger by as much, and it adds 1e-6 to singular values, which is what the tolerance of 1e-4 is for.

Requires torch, azula and deepinv. Run: python make_posteriors.py
"""

import json
from pathlib import Path

import numpy as np
import torch
from azula.denoise import Denoiser, DiracPosterior
from azula.guidance import DiffPIRDenoiser, DPSSampler, MMPSDenoiser, PGDMSampler, RePaintSampler, TMPDenoiser
from azula.linalg.covariance import IsotropicCovariance
from azula.noise import Schedule
from deepinv.physics import DecomposablePhysics, GaussianNoise
from deepinv.sampling import DDRM

torch.set_default_dtype(torch.float64)
N = 32
D = N * N
# m and sigma of the two times.
LEVELS = {1.0: (0.6, 0.8), 0.0: (0.8, 0.6)}
NOISE = 0.05


def numbers(seed, count):
    """Uniform on (-sqrt 3, sqrt 3), of variance 1: a linear congruential generator, its upper 53 bits."""
    state, out = seed, []
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append(3**0.5 * (2 * (state >> 11) / 2**53 - 1))
    return torch.tensor(out)


i, j = np.meshgrid(np.arange(N), np.arange(N), indexing="ij")
MEANS = torch.tensor(
    np.stack([0.05 * np.sin(0.3 * i) * np.cos(0.2 * j), -0.05 * np.cos(0.25 * i + 0.1 * j)]).reshape(2, D))
WEIGHTS = torch.tensor([0.4, 0.6])
VARIANCE = 0.16


def mean(x, m, sigma):
    """E[x0 | x_t = x] of the mixture; x is ... x D."""
    total = m * m * VARIANCE + sigma * sigma
    gaps = x[..., None, :] - m * MEANS
    shares = torch.softmax(torch.log(WEIGHTS) - 0.5 * gaps.square().sum(-1) / total, -1)
    return (shares[..., None] * (MEANS + m * VARIANCE / total * gaps)).sum(-2)


class Levels(Schedule):
    def __call__(self, t):
        m, sigma = LEVELS[float(t)]
        return torch.tensor(m), torch.tensor(sigma)


class Mixture(Denoiser):
    schedule = Levels()

    def forward(self, x_t, t, **kwargs):
        m, sigma = LEVELS[float(t)]
        return DiracPosterior(mean=mean(x_t, m, sigma))


def operators():
    """Dense matrices: every third pixel, means of 4 x 4, and a horizontal blur of five pixels that wraps around."""
    mask = torch.eye(D)[torch.arange(0, D, 3)]
    average = torch.zeros(64, D)
    for a in range(N):
        for b in range(N):
            average[a // 4 * 8 + b // 4, a * N + b] = 1 / 16
    blur = torch.zeros(D, D)
    for a in range(N):
        for b in range(N):
            for k, weight in enumerate([0.1, 0.2, 0.4, 0.2, 0.1]):
                blur[a * N + b, a * N + (b + k - 2) % N] = weight
    return {"mask": mask, "average": average, "blur": blur}


def with_normals(values, body):
    """Runs the body while torch's normals are these, one tensor after another."""
    waiting = list(values)
    own = torch.randn_like
    torch.randn_like = lambda like, **_: waiting.pop(0).reshape(like.shape)
    try:
        return body()
    finally:
        torch.randn_like = own


def ddrm(matrix, y, first, noise):
    rows = matrix.shape[0]
    u, s, vt = torch.linalg.svd(matrix, full_matrices=True)
    singular = torch.zeros(D)
    singular[:rows] = s
    # Both spaces have D coordinates; beyond the singular values nothing is seen.
    lift = lambda y: torch.cat([y @ u, torch.zeros(1, D - rows)], -1)
    physics = DecomposablePhysics(
        U=lambda c: c[..., :rows] @ u.T, U_adjoint=lift, V=lambda c: c @ vt, V_adjoint=lambda x: x @ vt.T,
        mask=singular[None], noise_model=GaussianNoise(NOISE))
    # The paper's own case: every value that is seen at all. deepinv takes those whose singular value exceeds the noise.
    assert bool(((singular == 0) | (singular > NOISE)).all())
    (m, sigma), (ms, sigmas) = LEVELS[1.0], LEVELS[0.0]
    model = DDRM(lambda x, level: mean(x, 1.0, level), sigmas=[sigma / m, sigmas / ms], eta=0.85, etab=0.9)
    return with_normals(
        [2**0.5 * first[None] @ vt.T, 2**0.5 * noise[None] @ vt.T], lambda: model(y[None], physics))[0]


def main():
    truth, z, seen = 0.3 * numbers(5, D), numbers(2, D), numbers(3, D)
    (m, sigma), (ms, sigmas) = LEVELS[1.0], LEVELS[0.0]
    x = m * truth + sigma * numbers(1, D)
    t, s = torch.tensor(1.0), torch.tensor(0.0)
    denoiser, out = Mixture(), {}
    for name, matrix in operators().items():
        y = matrix @ truth + NOISE * numbers(4, matrix.shape[0])
        a = lambda v: v @ matrix.T
        found = {}
        found["dps"] = with_normals([z], lambda: DPSSampler(denoiser, y, a, zeta=0.7).step(x, t, s))
        if name == "average":
            inverse = lambda v: 16 * v @ matrix
        elif name == "mask":
            inverse = lambda v: v @ matrix
        if name != "blur":
            # A without noise: A+ (y - A x), which the blur would blow up.
            found["pigdm"] = with_normals([z], lambda: PGDMSampler(denoiser, y, a, inverse, eta=1.0).step(x, t, s))
        found["mmps"] = MMPSDenoiser(
            denoiser, y, a, IsotropicCovariance(torch.tensor(NOISE**2)), solver="cg", iterations=3)(x, t).mean
        found["tmpd"] = TMPDenoiser(denoiser, y, a, NOISE**2)(x, t).mean
        hat = DiffPIRDenoiser(denoiser, y, a, NOISE**2, lmbda=7.0, solver="cg", iterations=300)(x, t).mean
        noise = 0.7**0.5 * (x - m * hat) / sigma + 0.3**0.5 * z
        found["diffpir"] = ms * hat + sigmas * noise
        if name == "mask":
            full, pixels = y @ matrix, (matrix.sum(0) > 0)
            # The last normals are those of a jump back, whose end is thrown away.
            found["repaint"] = with_normals(
                [z, seen, z], lambda: RePaintSampler(denoiser, full, pixels, iterations=1, eta=1.0).step(x, t, s))
        found["ddrm"] = ddrm(matrix, y, z, seen)
        # Every 31st pixel, and two sums over all.
        out[name] = {
            method: {
                "pixels": [round(float(v), 10) for v in value.detach()[::31]], "sum": round(float(value.sum()), 9),
                "squares": round(float(value.square().sum()), 9)
            } for method, value in found.items()
        }
    path = Path(__file__).with_name("posteriors.json")
    path.write_text(json.dumps(out, separators=(",", ":")) + "\n")
    print(path.stat().st_size, "bytes")


main()
