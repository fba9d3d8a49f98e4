# SPDX-License-Identifier: GPL-3.0-or-later
"""The exact law of each discretised sampler on a product mixture: writes chains.json beside itself.

The data has independent coordinates, so the score separates and each coordinate of a sampler is a
Markov chain on the line: X' = a(X) + sqrt(q) z. Its density is pushed forward by the trapezoidal rule

    p'(y) = sum_k h p(x_k) N(y; a(x_k), q),

which converges like exp(-2 pi^2 q / (a' h)^2): a spacing of 0.6 sqrt(q)/a' already gives 15 digits.
So every move chooses its own uniform grid, and the sum is banded (8.5 deviations). Smooth densities
keep a coarse grid; only a narrow kernel (the last ancestral step of sub-VP, 1e-4) asks for a fine one.

Every law and every energy is computed again on grids of half the spacing; the differences are printed
and must stay below 1e-7 (moments) and 1e-6 (energies). `--validate` also simulates the chains and the
statistics, and prints the deviations from this file in standard errors (about three minutes).

Requires numpy and scipy. Run: python make_chains.py [--validate]
"""

import json
import sys
from pathlib import Path

import numpy as np
from scipy.fft import fft, ifft, fftfreq
from scipy.integrate import cumulative_simpson, simpson
from scipy.interpolate import CubicSpline
from scipy.signal import fftconvolve
from scipy.special import log_ndtr, logsumexp, ndtr

STEPS = 100
COUNT = 20_000
SNR = 0.16
REACH = 8.5  # deviations at which a Gaussian is cut: 1e-17
DATA = [
    {"weights": [0.3, 0.7], "means": [-1.5, 1.0], "deviations": [0.4, 0.6]},
    {"weights": [0.5, 0.5], "means": [-0.8, 1.2], "deviations": [0.5, 0.3]},
]


# --- Processes: m(t), v(t), drift rate f/x and squared diffusion g^2 -------------------------------

class VP:
    kind, epsilon, prior = "vp", 1e-3, 1.0
    parameters = {"beta_min": 0.1, "beta_max": 20.0}

    def log_scale(self, t):
        return -0.25 * t * t * 19.9 - 0.5 * t * 0.1

    def scale(self, t):
        return np.exp(self.log_scale(t))

    def variance(self, t):
        return -np.expm1(2 * self.log_scale(t))

    def drift_rate(self, t):
        return -0.5 * (0.1 + 19.9 * t)

    def squared_diffusion(self, t):
        return 0.1 + 19.9 * t


class SubVP(VP):
    kind = "sub-vp"

    def variance(self, t):
        return np.expm1(2 * self.log_scale(t)) ** 2

    def squared_diffusion(self, t):
        return -(0.1 + 19.9 * t) * np.expm1(4 * self.log_scale(t))


class VE:
    kind, epsilon, prior = "ve", 1e-5, 10.0
    parameters = {"sigma_min": 0.01, "sigma_max": 10.0}

    def scale(self, t):
        return 1.0

    def variance(self, t):
        return (0.01 * 1000.0**t) ** 2

    def drift_rate(self, t):
        return 0.0

    def squared_diffusion(self, t):
        return 2 * np.log(1000.0) * self.variance(t)


# --- One coordinate of the data, perturbed -----------------------------------------------------------

class Mixture:
    """sum_k w_k N(m mu_k, m^2 tau_k^2 + v) on the line."""

    def __init__(self, data, m=1.0, v=0.0):
        self.weights = np.array(data["weights"])
        self.means = m * np.array(data["means"])
        self.deviations = np.sqrt((m * np.array(data["deviations"])) ** 2 + v)

    def standardised(self, x):
        return (np.asarray(x)[..., None] - self.means) / self.deviations

    def density(self, x):
        return (self.weights / self.deviations * gaussian(self.standardised(x))).sum(-1)

    def cdf(self, x):
        return ndtr(self.standardised(x)) @ self.weights

    def log_tail(self, x, sign):
        """log P(X <= x) for sign +1, log P(X > x) for -1."""
        return logsumexp(log_ndtr(sign * self.standardised(x)), b=self.weights, axis=-1)

    def score(self, x):
        """d log p/dx and its derivative."""
        z = self.standardised(x)
        logs = np.log(self.weights / self.deviations) - z * z / 2
        r = np.exp(logs - logsumexp(logs, axis=-1, keepdims=True))
        pull = -z / self.deviations
        score = (r * pull).sum(-1)
        return score, (r * ((pull - score[..., None]) ** 2 - self.deviations**-2)).sum(-1)

    def characteristic(self, t):
        return np.exp(1j * t[..., None] * self.means - (t[..., None] * self.deviations) ** 2 / 2) @ self.weights


def gaussian(z):
    return np.exp(-z * z / 2) / np.sqrt(2 * np.pi)


# --- Solvers as lists of moves (a, b, mixture, q): X' = a X + b score(X) + sqrt(q) z ------------------

class Move:
    def __init__(self, a, b, mixture, q):
        self.a, self.b, self.mixture, self.q = a, b, mixture, q

    def mean(self, x):
        """The mean of X' and its derivative in x."""
        score, derivative = self.mixture.score(x)
        return self.a * x + self.b * score, self.a + self.b * derivative


def perturbed(process, data, t):
    return Mixture(data, process.scale(t), process.variance(t))


def moves(process, data, solver):
    times = np.linspace(1.0, process.epsilon, STEPS + 1)
    for t, s in zip(times[:-1], times[1:]):
        mixture, h = perturbed(process, data, t), t - s
        v, u, r = process.variance(t), process.variance(s), process.scale(t) / process.scale(s)
        q = v - r * r * u
        if solver == "euler-maruyama":
            g2 = process.squared_diffusion(t)
            yield Move(1 - h * process.drift_rate(t), h * g2, mixture, g2 * h)
        elif solver == "reverse-diffusion":
            yield Move(2 - r, q, mixture, q)
        elif solver == "ancestral":
            yield Move(1 / r, q / r, mixture, q * u / v)
        elif solver == "ancestral-transition":
            yield Move(1 / r, q / r, mixture, q)
        elif solver == "predictor-corrector":
            e = 2 * SNR**2 * v
            yield Move(1, e, mixture, 2 * e)
            yield Move(2 - r, q, mixture, q)


def tweedie(process, data):
    m, v = process.scale(process.epsilon), process.variance(process.epsilon)
    return Move(1 / m, v / m, perturbed(process, data, process.epsilon), 0.0)


# --- Laws on uniform grids ------------------------------------------------------------------------------

def spacing_for(move, low, high, refine):
    """Fine enough for the kernel seen from x, and for a law as smooth as the perturbed data."""
    cap = 0.13 * move.mixture.deviations.min()
    slope = np.abs(move.mean(np.linspace(low, high, 2001))[1]).max()
    return min(cap, 0.6 * np.sqrt(move.q) / slope if move.q > 0 else cap) / refine


def grid(low, high, spacing):
    return low + spacing * np.arange(int(np.ceil((high - low) / spacing)) + 1)


def push(x, p, move, following, refine):
    """Density after `move`, on the grid that the `following` move needs."""
    weight = p * (x[1] - x[0])
    keep = weight > 1e-18
    weight, (centre, _) = weight[keep], move.mean(x[keep])
    deviation = np.sqrt(move.q)
    low, high = centre.min() - REACH * deviation, centre.max() + REACH * deviation
    h = spacing_for(following, low, high, refine)
    y = grid(low, high, h)
    first = np.ceil((centre - REACH * deviation - low) / h).astype(np.int64)
    index = first[:, None] + np.arange(int(2 * REACH * deviation / h) + 1)
    z = (low + h * index - centre[:, None]) / deviation
    inside = (np.abs(z) <= REACH) & (index >= 0) & (index < len(y))
    terms = (weight / deviation)[:, None] * gaussian(z)
    return y, np.bincount(index[inside], terms[inside], minlength=len(y))


class Law:
    """The law of Y = D(X), D increasing: density p and cdf F of X on a uniform grid x, y = D(x), dy = D'(x) h."""

    def __init__(self, x, p, cdf, final):
        self.h, self.p, self.cdf = x[1] - x[0], p, cdf
        self.y, self.slope = final.mean(x)
        assert self.slope.min() > 0
        assert abs(self.p.sum() * self.h - 1) < 1e-10

    def expectation(self, values):
        return self.h * (self.p * values).sum()

    def moments(self):
        mean = self.expectation(self.y)
        return mean, self.expectation((self.y - mean) ** 2), self.expectation((self.y - mean) ** 4)

    def characteristic(self, t):
        return np.array([np.exp(1j * row[:, None] * self.y) @ (self.h * self.p) for row in t])

    def density(self, y):
        inside = (y > self.y[0]) & (y < self.y[-1])
        return np.where(inside, CubicSpline(self.y, self.p / self.slope)(np.where(inside, y, 0)), 0)


def integrate_density(p, h):
    """The cdf at the nodes, as exact as the density: integration in Fourier space (p vanishes at both ends)."""
    n = len(p)
    k = 2 * np.pi * fftfreq(n, h)
    c = fft(p)
    mean = c[0].real / n
    c[0] = 0
    c[1:] /= 1j * k[1:]
    if n % 2 == 0:
        c[n // 2] = 0
    f = ifft(c).real + mean * h * np.arange(n)
    return f - f[0]


def chain_law(process, data, solver, refine):
    steps = list(moves(process, data, solver))
    final = tweedie(process, data)
    reach = REACH * process.prior
    x = grid(-reach, reach, spacing_for(steps[0], -reach, reach, refine))
    p = gaussian(x / process.prior) / process.prior
    for move, following in zip(steps, steps[1:] + [final]):
        x, p = push(x, p, move, following, refine)
    return Law(x, p, integrate_density(p, x[1] - x[0]), final)


def flow_law(process, data, refine):
    """The probability-flow ODE keeps quantiles: G_eps(x_eps) = G_T(x_T), with x_T drawn from the prior."""
    start, final = perturbed(process, data, 1.0), tweedie(process, data)
    end = final.mixture
    low = (end.means - (REACH + 1) * end.deviations).min()
    high = (end.means + (REACH + 1) * end.deviations).max()
    x = grid(low, high, spacing_for(final, low, high, refine))
    sign = np.where(end.cdf(x) < 0.5, 1, -1)[:, None]
    target = end.log_tail(x, sign)
    lower, upper = np.full_like(x, -20 * process.prior), np.full_like(x, 20 * process.prior)
    for _ in range(80):  # bisection of the smaller tail's logarithm
        middle = (lower + upper) / 2
        above = (start.log_tail(middle, sign) - target) * sign[:, 0] > 0
        lower, upper = np.where(above, lower, middle), np.where(above, middle, upper)
    origin = (lower + upper) / 2
    p = gaussian(origin / process.prior) / process.prior * end.density(x) / start.density(origin)
    return Law(x, p, ndtr(origin / process.prior), final)


# --- Energies ---------------------------------------------------------------------------------------------

def energy(law, data, n):
    """Expectation and deviation of T = 2 int (F_n - G)^2 dy for n draws of the law, G the exact data cdf.

    With b = F - G, B_i = 1{Y_i <= .} - F, L_i = int b B_i and K_ij = int B_i B_j:
        T = 2 int b^2 + (4/n) sum_i L_i + (2/n^2) sum_i K_ii + (2/n^2) sum_{i != j} K_ij
        E T = 2 int b^2 + (2/n) int F (1 - F)
        Var T = 16/n Var L + 16/n^2 Cov(L, K_11) + 4/n^3 Var K_11 + 8 (n - 1)/n^3 iint C^2
    where C(x, y) = F(min) - F(x) F(y), iint C^2 = E K_12^2, and Var L = iint b(x) b(y) C(x, y).
    """
    f, dy = law.cdf, law.slope
    b = f - Mixture(data).cdf(law.y)
    expectation = law.h * ((2 * b * b + 2 / n * f * (1 - f)) * dy).sum()

    def running(values):  # integral from the left end
        return cumulative_simpson(values * dy, dx=law.h, initial=0)

    linear = -running(b)  # L and K_11 as functions of Y, up to constants
    diagonal = running(f * f) - running((1 - f) ** 2)
    linear -= law.expectation(linear)
    diagonal -= law.expectation(diagonal)
    c2 = 2 * simpson(running(f * f) * (1 - f) ** 2 * dy, dx=law.h)
    variance = (16 / n * law.expectation(linear**2) + 16 / n**2 * law.expectation(linear * diagonal)
                + 4 / n**3 * law.expectation(diagonal**2) + 8 * (n - 1) / n**3 * c2)
    return expectation, np.sqrt(variance)


def energy2d(laws, refine):
    """2E|X-Y| - E|X-X'| - E|Y-Y'| in the plane = (1/2 pi) int |phi_X - phi_Y|^2 / |t|^3 dt, in polar coordinates.

    No cusp and no cancellation; the characteristic functions of both product laws decay like Gaussians.
    """
    nodes, weights = np.polynomial.legendre.leggauss(60 * refine)
    r, weights = 12.5 * (nodes + 1), 12.5 * weights
    angles = np.pi * (np.arange(64 * refine) + 0.5) / (64 * refine)
    t = [r[:, None] * np.cos(angles), r[:, None] * np.sin(angles)]
    sampled = laws[0].characteristic(t[0]) * laws[1].characteristic(t[1])
    data = Mixture(DATA[0]).characteristic(t[0]) * Mixture(DATA[1]).characteristic(t[1])
    integrand = np.abs(sampled - data) ** 2 / r[:, None] ** 2
    return (weights @ integrand).sum() / len(angles)


def energy2d_deviation(laws, n, refine):
    """Deviation of the unbiased two-sample statistic with n draws on each side (Hoeffding's decomposition).

    With the potentials mu_P(z) = E|z - X|, mu_Q(z) = E|z - Y| and w = mu_Q - mu_P:
        Var U = 4/n (Var w(X) + Var w(Y)) + 2/(n(n-1)) (V_PP + V_QQ) + 4/n^2 V_PQ
        V_PP = E|X-X'|^2 - 2 E mu_P(X)^2 + (E mu_P(X))^2
        V_PQ = E|X-Y|^2 - E mu_Q(X)^2 - E mu_P(Y)^2 + (E mu_P(Y))^2
    The potentials are convolutions of the densities with |z| on one grid.
    """
    h = 0.06 / refine
    axes = [grid(min(l.y[0], -6), max(l.y[-1], 6), h) for l in laws]
    p = h * h * np.outer(*[l.density(y) for l, y in zip(laws, axes)])
    q = h * h * np.outer(*[Mixture(d).density(y) for d, y in zip(DATA, axes)])
    offsets = [h * np.arange(-len(y) + 1, len(y)) for y in axes]
    distance = np.hypot(offsets[0][:, None], offsets[1])
    mu_p, mu_q, witness = (fftconvolve(distance, d, "valid") for d in (p, q, q - p))

    def spread(density, values):
        return (density * values**2).sum() - (density * values).sum() ** 2

    def squared_distance(a, b):
        return sum(((a - b) * axis).sum() ** 2 + spread(a, axis) + spread(b, axis)
                   for axis in (axes[0][:, None], axes[1]))

    def degenerate(a, b, mu_a, mu_b):
        return (squared_distance(a, b) - (a * mu_b**2).sum() - (b * mu_a**2).sum() + (a * mu_b).sum() ** 2)

    variance = (4 / n * (spread(p, witness) + spread(q, witness))
                + 2 / (n * (n - 1)) * (degenerate(p, p, mu_p, mu_p) + degenerate(q, q, mu_q, mu_q))
                + 4 / n**2 * degenerate(p, q, mu_p, mu_q))
    return np.sqrt(variance)


# --- The file -----------------------------------------------------------------------------------------------

SOLVERS = ["euler-maruyama", "reverse-diffusion", "ancestral", "ancestral-transition",
           "predictor-corrector", "probability-flow"]


def laws_of(process, solver, refine):
    if solver == "probability-flow":
        return [flow_law(process, data, refine) for data in DATA]
    return [chain_law(process, data, solver, refine) for data in DATA]


def case(process, solver, refine):
    laws = laws_of(process, solver, refine)
    coordinates = []
    for law, data in zip(laws, DATA):
        values = law.moments() + energy(law, data, COUNT)
        names = ("mean", "variance", "fourth", "energy", "energy_deviation")
        coordinates.append({name: float(value) for name, value in zip(names, values)})
    return {"process": {"kind": process.kind, **process.parameters}, "epsilon": process.epsilon,
            "solver": solver, "coordinates": coordinates,
            "energy2d": float(energy2d(laws, refine)),
            "energy2d_deviation": float(energy2d_deviation(laws, COUNT, refine))}


def changes(coarse, fine):
    """Largest absolute change of moments and of energies, largest relative change of deviations."""
    moments = energies = deviations = 0.0
    for a, b in zip(coarse["coordinates"] + [coarse], fine["coordinates"] + [fine]):
        for name in a:
            if name in ("mean", "variance", "fourth"):
                moments = max(moments, abs(a[name] - b[name]))
            elif name in ("energy", "energy2d"):
                energies = max(energies, abs(a[name] - b[name]))
            elif name.endswith("_deviation"):
                deviations = max(deviations, abs(a[name] / b[name] - 1))
    return moments, energies, deviations


# --- Validation by simulation --------------------------------------------------------------------------------

def simulate(process, data, solver, rows, rng):
    """Direct Monte Carlo of one coordinate's chain."""
    x = process.prior * rng.standard_normal(rows)
    for move in [*moves(process, data, solver), tweedie(process, data)]:
        x = move.mean(x)[0] + np.sqrt(move.q) * rng.standard_normal(rows)
    return x


def draw(law, shape, rng):
    return np.interp(rng.random(shape), law.cdf, law.y)


def draw_data(shape, rng):
    columns = []
    for data in DATA:
        k = rng.choice(2, size=shape, p=data["weights"])
        columns.append(np.array(data["means"])[k] + np.array(data["deviations"])[k] * rng.standard_normal(shape))
    return np.stack(columns, -1)


def absolute_mean(means, variances, weights):
    """E|N(mu, s^2)|, weighted over the last axis."""
    s = np.sqrt(variances)
    z = means / s
    return (2 * s * gaussian(z) + means * (2 * ndtr(z) - 1)) @ weights


def statistic(sample, data):
    """2 int (F_n - G)^2 = (2/n) sum E|Y_i - D| - (1/n^2) sum |Y_i - Y_j| - E|D - D'|."""
    w, mu, s = (np.array(data[k]) for k in ("weights", "means", "deviations"))
    n = len(sample)
    to_data = absolute_mean(sample[:, None] - mu, s**2, w).mean()
    among = 2 * ((2 * np.arange(n) - n + 1) @ np.sort(sample)) / n**2
    within = absolute_mean((mu[:, None] - mu).ravel(), np.add.outer(s**2, s**2).ravel(), np.outer(w, w).ravel())
    return 2 * to_data - among - within


def pair_sum(a, b):
    return np.hypot(a[:, None, 0] - b[:, 0], a[:, None, 1] - b[:, 1]).sum()


def validate(cases):
    rng = np.random.default_rng(1)
    rows = 100_000
    print(f"Monte Carlo of {rows} rows: errors of mean, variance and fourth moment in standard errors")
    for process in (VP(), SubVP(), VE()):
        for solver in SOLVERS[:-1]:
            expected = next(c for c in cases if c["process"]["kind"] == process.kind and c["solver"] == solver)
            errors = []
            for data, e in zip(DATA, expected["coordinates"]):
                d = simulate(process, data, solver, rows, rng) - e["mean"]
                errors += [(c.mean() - value) / c.std() * rows**0.5
                           for c, value in ((d, 0), (d**2, e["variance"]), (d**4, e["fourth"]))]
            print(f"  {process.kind:7} {solver:21}", *(f"{e:5.1f}" for e in errors), flush=True)

    print("Statistics by simulation: mean in standard errors; ratio of deviations with its standard error")
    for process, solver in ((VP(), "euler-maruyama"), (VE(), "predictor-corrector"), (SubVP(), "probability-flow")):
        laws, n = laws_of(process, solver, 1), 1000
        for i, (law, data) in enumerate(zip(laws, DATA)):
            values = np.array([statistic(draw(law, n, rng), data) for _ in range(10_000)])
            compare(f"{process.kind:7} {solver:21} coordinate {i}", values, *energy(law, data, n))
        values, n = [], 200
        for _ in range(3000):
            x, y = np.stack([draw(law, n, rng) for law in laws], -1), draw_data(n, rng)
            values.append(2 * pair_sum(x, y) / n**2 - (pair_sum(x, x) + pair_sum(y, y)) / (n * (n - 1)))
        compare(f"{process.kind:7} {solver:21} plane       ", np.array(values),
                energy2d(laws, 1), energy2d_deviation(laws, n, 1))


def compare(label, values, mean, deviation):
    centred = values - values.mean()
    variance, fourth = (centred**2).mean(), (centred**4).mean()
    error = np.sqrt((fourth / variance**2 - 1) / (4 * len(values)))
    print(f"  {label} {(values.mean() - mean) / np.sqrt(variance / len(values)):5.1f}"
          f"   {np.sqrt(variance) / deviation:.3f} ({error:.3f})", flush=True)


def main():
    cases = []
    for process in (VP(), SubVP(), VE()):
        for solver in SOLVERS:
            coarse, fine = case(process, solver, 1), case(process, solver, 2)
            moments, energies, deviations = changes(coarse, fine)
            print(f"{process.kind:7} {solver:21} doubling changes moments {moments:.0e},"
                  f" energies {energies:.0e}, deviations {deviations:.0e} (relative)", flush=True)
            assert moments < 1e-7 and energies < 1e-6 and deviations < 1e-3
            cases.append(fine)
    lines = ",\n".join(json.dumps(c) for c in cases)
    data = json.dumps({name: [d[name] for d in DATA] for name in DATA[0]})
    Path(__file__).with_name("chains.json").write_text(
        f'{{"data": {data}, "count": {COUNT}, "steps": {STEPS}, "cases": [\n{lines}\n]}}\n')
    if "--validate" in sys.argv[1:]:
        validate(cases)


if __name__ == "__main__":
    main()
