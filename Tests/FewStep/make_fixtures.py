# SPDX-License-Identifier: GPL-3.0-or-later
"""Losses and gradients of the objectives of few steps, in PyTorch and double precision, from each paper's formula.

    FEW_STEP_INPUTS=FOLDER swift test -c release --filter FewStepFixtureTests
    python3 Tests/FewStep/make_fixtures.py FOLDER > Tests/FewStep/fixtures.json

The first command writes the inputs: weights, data, noise and times. Derivatives along paths and by times come from
torch.func here, where the toolkit has formulas of its own. Needs PyTorch (2.11 was used)."""
import json
import math
import sys
from pathlib import Path

import torch
from torch.func import jvp

torch.set_default_dtype(torch.float64)
EPS, T, SD = 1e-3, 1.0, 0.9
B0, B1 = 0.1, 20.0


def moments(t):
    """m and σ of the variance-preserving process."""
    b = B0 * t + 0.5 * (B1 - B0) * t * t
    return torch.exp(-0.5 * b), torch.sqrt(-torch.expm1(-b))


def ratio(t):
    m, s = moments(t)
    return s / m


def time_of(r):
    """The time at which σ/m is r."""
    b = torch.log1p(r * r)
    return 2 * b / (B0 + torch.sqrt(B0 * B0 + 2 * (B1 - B0) * b))


def score(x, t):
    """The exact score of two Gaussians."""
    m, s = moments(t)
    means = torch.tensor([[-1, -0.5], [0.8, 0.6]])
    weights, deviations = torch.tensor([1 / 3, 2 / 3]), torch.tensor([0.3, 0.5])
    v = m[:, None] ** 2 * deviations ** 2 + s[:, None] ** 2
    d = x[:, None, :] - m[:, None, None] * means
    logs = torch.log(weights) - torch.log(v) - (d ** 2).sum(-1) / (2 * v)
    p = torch.softmax(logs, dim=1)
    return -(p[..., None] * d / v[..., None]).sum(1)


def exact_denoiser(x, t):
    m, s = moments(t)
    return (x + s[:, None] ** 2 * score(x, t)) / m[:, None]


class Net:
    def __init__(self, case):
        self.p = [torch.tensor(v).reshape(s).requires_grad_() for v, s in zip(case["parameters"], case["shapes"])]
        self.w = torch.tensor(case["frequencies"])
        self.second, self.kind = case["second"], case["prediction"]

    def features(self, t):
        u = torch.log(ratio(t))[:, None] * self.w
        return torch.cat([torch.sin(u), torch.cos(u)], 1)

    def both(self, x, t, s, p):
        m, sg = moments(t)
        c = SD if self.kind == "edm" else 1
        h = torch.cat([x / torch.sqrt(m * m * c * c + sg * sg)[:, None], self.features(t)], 1) @ p[0].T + p[1]
        if self.second:
            h = h + self.features(s) @ p[6].T
        h = torch.nn.functional.silu(h)
        h = torch.nn.functional.silu(h @ p[2].T + p[3])
        return h @ p[4].T + p[5], h @ p[7].T + p[8] if len(p) > 7 else None

    def h(self, x, t, s, p):
        """What the log determinant is made of."""
        return self.both(x, t, s, p)[1][:, 0]

    def f(self, x, t, s, p):
        return self.both(x, t, s, p)[0]

    def denoiser(self, x, t, s, p):
        """D, of the output F under each prediction."""
        f = self.f(x, t, s, p)
        m, sg = (a[:, None] for a in moments(t))
        if self.kind == "noise":
            return (x - sg * f) / m
        if self.kind == "data":
            return f
        if self.kind == "velocity":
            # v = (m z − σ x0)/√(m² + σ²), x = m x0 + σ z
            n = torch.sqrt(m * m + sg * sg)
            return (m * x / n - sg * f) / n
        r = sg / m
        return SD ** 2 / (r * r + SD ** 2) * x / m + r * SD / torch.sqrt(r * r + SD ** 2) * f

    def map(self, x, t, s, p):
        """X from t to s: DDIM's step with D told of s."""
        d = self.denoiser(x, t, s, p)
        (m, sg), (n, sn) = moments(t), moments(s)
        z = (x - m[:, None] * d) / sg[:, None]
        return n[:, None] * d + sn[:, None] * z

    def gain(self, t):
        """dD/dF"""
        m, sg = moments(t)
        return {"noise": -sg / m, "data": torch.ones_like(t), "velocity": -sg / torch.sqrt(m * m + sg * sg),
                "edm": sg * SD / torch.sqrt(sg * sg + m * m * SD * SD)}[self.kind][:, None]


def karras(n, rho=7):
    low, high = (ratio(torch.tensor(t)) ** (1 / rho) for t in (EPS, T))
    r = (low + (high - low) * torch.arange(n + 1) / n) ** rho
    t = time_of(r)
    t[0], t[-1] = EPS, T
    return t


def huber(e, c):
    return torch.sqrt((e ** 2).sum(1) + c * c) - c


def velocity(d, x, t):
    """dx/dt of the flow whose denoised state is d."""
    (m, s), (dm, ds) = jvp(moments, (t,), (torch.ones_like(t),))
    return dm[:, None] * d + ds[:, None] * (x - m[:, None] * d) / s[:, None]


def case_loss(case):
    net = Net(case)
    p = net.p
    q = [v.detach() for v in p]
    n = len(case["times"])
    x0 = torch.tensor(case["data"]).reshape(n, 2)
    z = torch.tensor(case["noise"]).reshape(n, 2)
    u = torch.tensor(case["uniforms"]).reshape(n, 4)
    t = torch.tensor(case["times"])
    end = torch.full((n,), EPS)
    name = case["name"]
    taught = name.endswith("-taught")

    def perturb(t):
        m, s = moments(t)
        return m[:, None] * x0 + s[:, None] * z

    if name == "consistency-distillation":
        grid = karras(18)
        k = torch.clamp((u[:, 0] * 18).long(), max=17)
        a, b = grid[k + 1], grid[k]
        x = perturb(a)

        def noise(y, t):
            m, s = moments(t)
            return -s[:, None] * score(m[:, None] * y, t)

        y = x / moments(a)[0][:, None]
        h = (ratio(b) - ratio(a))[:, None]
        first = noise(y, a)
        y = y + h / 2 * (first + noise(y + h * first, b))
        target = net.map(moments(b)[0][:, None] * y, b, end, q)
        return huber(net.map(x, a, end, p) - target, 0.03).mean(), p
    if name == "consistency-training":
        intervals = 10 * 2 ** (case["step"] // 3)
        grid = karras(intervals)
        k = torch.clamp(torch.searchsorted(grid, t, right=True) - 1, 0, intervals - 1)
        a, b = grid[k + 1], grid[k]
        e = net.map(perturb(a), a, end, p) - net.map(perturb(b), b, end, q)
        return (huber(e, 0.00076) / (ratio(a) - ratio(b))).mean(), p
    if name == "easy-consistency":
        r = ratio(t)
        lower = torch.maximum(r * (1 - (1 + 8 * torch.sigmoid(-r)) / 2 ** (case["step"] // 2 + 1)), ratio(end))
        b = torch.where(lower > ratio(end), time_of(lower), end)
        e = net.map(perturb(t), t, end, p) - net.map(perturb(b), b, end, q)
        return (huber(e, 0.0) / (r - ratio(b))).mean(), p
    if name.startswith("continuous-consistency"):
        # TrigFlow, with F of the paper: minus that of EDM.
        def time(angle):
            return time_of(SD * torch.tan(angle))

        angle, start = torch.atan(ratio(t) / SD), torch.atan(ratio(end) / SD)

        def f(x, angle, p):
            tt = time(angle)
            m, s = moments(tt)
            return -net.f(x / SD * torch.sqrt(m * m * SD * SD + s * s)[:, None], tt, end, p)

        xt = torch.cos(angle)[:, None] * x0 + torch.sin(angle)[:, None] * SD * z
        if taught:
            d = exact_denoiser(perturb(t), t)
            zt = (xt - torch.cos(angle)[:, None] * d) / torch.sin(angle)[:, None] / SD
            dx = torch.cos(angle)[:, None] * SD * zt - torch.sin(angle)[:, None] * d
        else:
            dx = torch.cos(angle)[:, None] * SD * z - torch.sin(angle)[:, None] * x0
        value, df = jvp(lambda x, a: f(x, a, q), (xt, angle), (dx, torch.ones_like(t)))
        c, s = torch.cos(angle - start)[:, None], torch.sin(angle - start)[:, None]
        r = min(1, case["step"] / 10)
        g = -c * c * (SD * value - dx) - r * c * s * (xt + SD * df)
        g = g / (g.norm(dim=1, keepdim=True) + 0.1)
        e = (f(xt, angle, p) - value - g) ** 2
        if name.endswith("weighted"):
            # e^w ‖·‖²/D − w, as in the paper's algorithm 1
            k = torch.log(ratio(t))[:, None] * torch.tensor(case["weightFrequencies"])
            w = (torch.cat([torch.sin(k), torch.cos(k)], 1) @ p[6].T)[:, 0]
            return (torch.exp(w) * e.mean(1) - w).mean(), p
        return e.mean(), p
    if name == "progressive-distillation":
        grid = EPS + (T - EPS) * torch.arange(9) / 8
        k = 2 * torch.clamp((u[:, 0] * 4).long(), max=3) + 2
        a, mid, b = grid[k], grid[k - 1], grid[k - 2]
        x = perturb(a)
        state = x
        for s, e in ((a, mid), (mid, b)):
            d = exact_denoiser(state, s)
            (m, sg), (mm, ss) = moments(s), moments(e)
            state = mm[:, None] * d + ss[:, None] * (state - m[:, None] * d) / sg[:, None]
        (m, sg), (mm, ss) = moments(a), moments(b)
        # Appendix G: x̃ = (z_t″ − (σ_t″/σ_t) z_t)/(α_t″ − (σ_t″/σ_t) α_t)
        target = (state - (ss / sg)[:, None] * x) / (mm - ss / sg * m)[:, None]
        w = torch.maximum((m / sg) ** 2, torch.ones_like(m))[:, None]
        return (w * (net.denoiser(x, a, end, p) - target) ** 2).mean(), p
    if name.startswith("distribution-matching"):
        # Parameters of the companion follow those of the map: of one network each, or of one for each step.
        separate = "separate" in name
        sets = 4 if separate else 2
        size = len(p) // sets
        p, q = ([v[size * k:size * (k + 1)] for k in range(sets)] for v in (p, q))
        row = torch.arange(n) % 2

        def of_step(f, first, last):
            """A function of the parameters of each row's step."""
            return torch.where((row == 0)[:, None], f(first), f(last if separate else first))

        mid = time_of(torch.sqrt(ratio(end) * ratio(torch.full((n,), T))))
        top = torch.full((n,), T)
        (me, se), (mm, sm) = moments(end), moments(mid)
        r = mm / me
        again = r[:, None] * net.map(perturb(top), top, end, q[0]) \
            + torch.sqrt(sm ** 2 - (r * se) ** 2)[:, None] * torch.tensor(case["renewed"]).reshape(n, 2)
        a = torch.where(row == 0, top, mid)
        x = torch.where((row == 0)[:, None], perturb(top), again)
        made = of_step(lambda w: net.map(x, a, end, w), p[0], p[1]) / me[:, None]
        fixed = made.detach()
        m, s = moments(t)
        noise = s[:, None] * torch.tensor(case["matched"]).reshape(n, 2)
        seen = m[:, None] * fixed + noise
        first, last = sets // 2, sets - 1
        real, fake = exact_denoiser(seen, t), of_step(lambda w: net.denoiser(seen, t, t, w), p[first], p[last])
        step = (fake.detach() - real) / (fixed - real).abs().mean(1, keepdim=True)
        matching = 0.5 * ((made - (fixed - step)) ** 2).mean()
        if name.endswith("fisher"):
            # SiD, equation 23, with alpha = 0.8: the gradient goes through what both denoisers see.
            moving = m[:, None] * made + noise
            held = [[v.detach() for v in w] for w in p]
            gap = exact_denoiser(moving, t) \
                - of_step(lambda w: net.denoiser(moving, t, t, w), held[first], held[last])
            away = (fixed - real).abs().mean(1, keepdim=True)
            matching = (gap * (exact_denoiser(moving, t) - made - 0.8 * gap) / away).mean()
        return matching + (((fake - fixed) / net.gain(t)) ** 2).mean(), net.p
    # Maps between two times.
    diagonal = u[:, 0] < 0.3
    if name == "shortcut":
        k = 1 + torch.clamp((u[:, 1] * 3).long(), max=2)
        steps = 2.0 ** (k - 1)
        place = 1 + torch.minimum((u[:, 2] * steps).floor(), steps - 1)
        d = (T - EPS) * 0.5 / steps
        a = torch.where(diagonal, t, EPS + 2 * d * place)
        mid = torch.where(diagonal, a, a - d)
        s = torch.where(diagonal, a, EPS + 2 * d * (place - 1))
    else:
        a = t
        if name == "mean-flow":
            s = EPS + u[:, 1] * (t - EPS)
        else:
            s = time_of(ratio(end) * (ratio(t) / ratio(end)) ** u[:, 1])
        s = torch.where(diagonal, a, s)
    if "divergence" in name:
        # Maps that go forward.
        swapped = ~diagonal & (u[:, 3] < 0.5)
        a, s = torch.where(swapped, s, a), torch.where(swapped, a, s)
    x = perturb(a)
    flow = exact_denoiser(x, a) if taught else x0
    one = torch.ones_like(a)
    log_rate = jvp(lambda t: torch.log(ratio(t)), (a,), (one,))[1]
    out = net.gain(a)
    own = (net.denoiser(x, a, s, p) - flow) / out
    if name.startswith("lagrangian"):
        def d_of(log_s, p):
            return net.denoiser(x, a, time_of(torch.exp(log_s)), p)

        value, moved = jvp(lambda v: d_of(v, p), (torch.log(ratio(s)),), (one,))
        end_state = net.map(x, a, s, q).detach()
        b = exact_denoiser(end_state, s) if taught else net.denoiser(end_state, s, s, q)
        e = (value - (1 - ratio(s) / ratio(a))[:, None] * moved - b) / out
        if "divergence" in name:
            # In terms of the noise prediction at s where s is the larger time.
            e = e * torch.clamp(ratio(a) / ratio(s), max=1)[:, None]
            # ln |det| = D/2 ln(total_s/total_t) + length H, whose derivative by ln σ̃_s is that of the flow dy/dσ̃ = ẑ.
            value, moved = jvp(lambda v: net.h(x, a, time_of(torch.exp(v)), p), (torch.log(ratio(s)),), (one,))
            units = torch.eye(2)

            def noise(y, t):
                m, sg = moments(t)
                return -sg[:, None] * score(m[:, None] * y, t)

            y = end_state / moments(s)[0][:, None]
            divergence = sum(jvp(lambda y: noise(y, s), (y,), (units[j].expand(n, 2),))[1][:, j] for j in range(2))
            r = ratio(s)
            q = r * divergence - 2 * r ** 2 / (r ** 2 + SD ** 2)
            h = value + torch.log(r / ratio(a)) * moved - q
            return (torch.where(diagonal[:, None], own, e) ** 2).mean() + (h ** 2).mean() / 2, p
        return (torch.where(diagonal[:, None], own, e) ** 2).mean(), p
    if name.startswith("eulerian"):
        v = velocity(flow, x, a)
        moved = jvp(lambda x, t: net.map(x, t, s, p), (x, a), (v, one))[1]
        e = moved / log_rate[:, None] / moments(s)[0][:, None] / out
        return (torch.where(diagonal[:, None], own, e) ** 2).mean(), p
    if name == "progressive":
        mid = torch.where(diagonal, a, time_of(ratio(s) * (ratio(a) / ratio(s)) ** u[:, 2]))
        target = net.map(net.map(x, a, mid, q), mid, s, q)
        (m, sg), (mm, ss) = moments(a), moments(s)
        factor = ((mm - m * ss / sg)[:, None] * out)
        e = (net.map(x, a, s, p) - target) / torch.where(diagonal[:, None], 1.0, factor)
        return (torch.where(diagonal[:, None], own, e) ** 2).mean(), p
    if name == "mean-flow":
        h = (a - s)[:, None]
        v = velocity(x0, x, a)

        def u_of(x, t, p):
            # At equal times the limit: the flow's own velocity.
            same = velocity(net.denoiser(x, t, t, p), x, t)
            return torch.where(diagonal[:, None], same,
                               (x - net.map(x, t, s, p)) / torch.where(diagonal[:, None], 1.0, (t - s)[:, None]))

        value, moved = jvp(lambda x, t: u_of(x, t, q), (x, a), (v, one))
        target = v - h * moved
        e = u_of(x, a, p) - target
        w = 1 / ((e.detach() ** 2).sum(1) + 1e-3)
        return (w * (e ** 2).sum(1)).mean(), p
    if name == "shortcut":
        d = (a - mid)[:, None]

        def u_of(x, t, s, p):
            return (x - net.map(x, t, s, p)) / torch.where(diagonal[:, None], 1.0, (t - s)[:, None])

        def step(x, t, s):
            # The smallest step is Euler's, with the velocity at equal times.
            euler = velocity(net.denoiser(x, t, t, q), x, t)
            return torch.where((k == 3)[:, None], euler, u_of(x, t, s, q))

        first = step(x, a, mid)
        second = step(x - d * first, mid, s)
        e = u_of(x, a, s, p) - (first + second) / 2
        same = velocity(net.denoiser(x, a, a, p), x, a) - velocity(x0, x, a)
        return (torch.where(diagonal[:, None], same, e) ** 2).mean(), p
    raise SystemExit(f"no formula of {name}")


cases = []
for path in sorted(Path(sys.argv[1]).glob("*.json")):
    case = json.loads(path.read_text())
    loss, parameters = case_loss(case)
    gradient = torch.autograd.grad(loss, parameters, allow_unused=True)
    case["loss"] = loss.item()
    case["gradient"] = [(g if g is not None else torch.zeros_like(v)).flatten().tolist()
                        for g, v in zip(gradient, parameters)]
    cases.append(case)
print(json.dumps(cases, sort_keys=True))
