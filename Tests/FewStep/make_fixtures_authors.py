# SPDX-License-Identifier: GPL-3.0-or-later
"""Losses and gradients of objectives of few steps by their authors' own code, in double precision.

    FEW_STEP_INPUTS=INPUTS swift test -c release --filter AuthorsFixtureTests
    python3 Tests/FewStep/make_fixtures_authors.py INPUTS AUTHORS > Tests/FewStep/authors.json

The first command writes the inputs: weights, data, noise and times. AUTHORS holds clones of
https://github.com/openai/consistency_models (e32b69ee), https://github.com/locuslab/ect (43110597),
https://github.com/Gsunshine/py-meanflow (1f6d72d9), https://github.com/kvfrans/shortcut-models (60100434),
https://github.com/tianweiy/DMD2 (8d8fa55) and https://github.com/mingyuanzhou/SiD (01fbb13c); nothing of them is
copied. Needs PyTorch, torchvision, torchcfm (1.0.7) and JAX.

Their functions draw random numbers and call a network; here they are given the numbers, and a network that is ours:
an exact reparametrisation where theirs is written otherwise. What lies between their loss and ours is a factor that is
written at each case."""
import functools
import importlib.util
import json
import math
import sys
import types
import warnings
from pathlib import Path
from unittest import mock

import torch

torch.set_default_dtype(torch.float64)
warnings.filterwarnings("ignore")
SD = 0.9
INPUTS, AUTHORS = Path(sys.argv[1]), Path(sys.argv[2])


def module(name, **members):
    """A stand-in for what their files import and these functions do not use."""
    stub = types.ModuleType(name)
    stub.__dict__.update(members)
    sys.modules[name] = stub


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    found = importlib.util.module_from_spec(spec)
    sys.modules[name] = found
    spec.loader.exec_module(found)
    return found


class Net:
    """F of the perceptron in the inputs."""

    def __init__(self, case):
        self.p = [torch.tensor(v).reshape(s).double().requires_grad_() for v, s in zip(case["parameters"], case["shapes"])]
        self.w = torch.tensor(case["frequencies"])
        self.second = case["second"]

    def features(self, log_ratio):
        u = log_ratio[:, None] * self.w
        return torch.cat([torch.sin(u), torch.cos(u)], 1)

    def f(self, scaled, log_ratio, other=None):
        p = self.p
        h = torch.cat([scaled, self.features(log_ratio)], 1) @ p[0].T + p[1]
        if self.second:
            h = h + self.features(other) @ p[6].T
        h = torch.nn.functional.silu(h)
        h = torch.nn.functional.silu(h @ p[2].T + p[3])
        return h @ p[4].T + p[5]


def edm(sigma):
    """c_skip, c_out and c_in of m = 1."""
    total = sigma ** 2 + SD ** 2
    return SD ** 2 / total, sigma * SD / torch.sqrt(total), 1 / torch.sqrt(total)


def exact_denoiser(x, sigma):
    """E[x0 | x] of two Gaussians with noise of deviation σ."""
    means = torch.tensor([[-1, -0.5], [0.8, 0.6]])
    weights, deviations = torch.tensor([1 / 3, 2 / 3]), torch.tensor([0.3, 0.5])
    v = deviations ** 2 + sigma[:, None] ** 2
    d = x[:, None, :] - means
    p = torch.softmax(torch.log(weights) - torch.log(v) - (d ** 2).sum(-1) / (2 * v), dim=1)
    return x - sigma[:, None] ** 2 * (p[..., None] * d / v[..., None]).sum(1)


def columns(case):
    n = len(case["times"])
    return (torch.tensor(case["data"]).reshape(n, 2).double(), torch.tensor(case["noise"]).reshape(n, 2),
            torch.tensor(case["uniforms"]).reshape(n, 4), torch.tensor(case["times"]))


def openai(case, net):
    """Consistency distillation, consistency training and progressive distillation of Song et al. (2023)."""
    module("piq", LPIPS=None)
    package = module("cm")
    sys.modules["cm"].__path__ = [str(AUTHORS / "consistency_models/cm")]
    module("cm.dist_util")
    module("cm.random_util", get_generator=None)
    load("cm.nn", AUTHORS / "consistency_models/cm/nn.py")
    karras = load("cm.karras_diffusion", AUTHORS / "consistency_models/cm/karras_diffusion.py")
    x0, noise, u, times = columns(case)
    end, start, name = 0.05, 8.0, case["name"]
    isProgressive = name == "openai-progressive"
    common = dict(sigma_data=SD, sigma_max=start, sigma_min=end, rho=1.0 if isProgressive else 7.0, loss_norm="l2")
    student = karras.KarrasDenoiser(
        distillation=not isProgressive, weight_schedule="truncated-snr" if isProgressive else "uniform", **common)
    teaching = karras.KarrasDenoiser(distillation=False, **common)

    def model(scaled, rescaled):
        """F, and what is between our skip, that of the map to ε, and theirs, c_skip at σ − ε."""
        log_sigma = rescaled / 250
        sigma = torch.exp(log_sigma)
        f = net.f(scaled, log_sigma)
        if isProgressive:
            return f
        skip, out, factor = edm(sigma)
        ours = end / sigma + (1 - end / sigma) * skip
        theirs = SD ** 2 / ((sigma - end) ** 2 + SD ** 2)
        gap = (1 - end / sigma) * out
        rest = torch.where(sigma - end > 1e-12, (ours - theirs) / torch.where(gap > 1e-12, gap, 1.0), 0.0)
        return f + rest[:, None] * scaled / factor[:, None]

    def teacher(scaled, rescaled):
        """Their denoiser of this F is the exact one."""
        sigma = torch.exp(rescaled / 250)
        skip, out, factor = edm(sigma)
        x = scaled / factor[:, None]
        return (exact_denoiser(x, sigma) - skip[:, None] * x) / out[:, None]

    if isProgressive:
        count = 4
        chosen = count - 1 - torch.clamp((u[:, 0] * count).long(), max=count - 1)
    elif name == "openai-training":
        # The interval that the time lies in.
        nodes = (end ** (1 / 7) + (start ** (1 / 7) - end ** (1 / 7)) * torch.arange(18) / 17) ** 7
        chosen = 16 - torch.clamp(torch.searchsorted(nodes, times, right=True) - 1, 0, 16)
    else:
        chosen = 16 - torch.clamp((u[:, 0] * 17).long(), max=16)
    with mock.patch.object(torch, "randint", lambda *_, **__: chosen):
        if isProgressive:
            # Ours is the same: the mean over rows and coordinates.
            losses = student.progdist_losses(
                model, x0, 4, teacher_model=teacher, teacher_diffusion=teaching, noise=noise)["loss"]
            return losses.mean()
        taught = dict(teacher_model=teacher, teacher_diffusion=teaching) if name == "openai-distillation" else {}
        losses = student.consistency_losses(model, x0, 18, target_model=model, noise=noise, **taught)["loss"]
    # Theirs is a mean over two coordinates, ours a sum; iCT weighs with the inverse of the interval's length.
    if name == "openai-distillation":
        return 2 * losses.mean()
    place = 17 - chosen
    return (2 * losses / (nodes[place] - nodes[place - 1])).mean()


def ect(case, net):
    """`ECMLoss` of Geng et al. (2024), at a stage at which r is above ε in all rows. Ours is the same."""
    module("torch_utils")
    module("torch_utils.persistence", persistent_class=lambda kind: kind)
    module("torch_utils.distributed", print0=lambda *_: None)
    sys.modules["torch_utils"].persistence = sys.modules["torch_utils.persistence"]
    sys.modules["torch_utils"].distributed = sys.modules["torch_utils.distributed"]
    loss = load("ect_loss", AUTHORS / "ect/training/loss.py").ECMLoss(sigma_data=SD, q=2, c=0.03, k=8.0, b=1.0)
    loss.update_schedule(case["step"])
    x0, noise, _, times = columns(case)
    n, end = len(times), 0.05

    def network(y, sigma, labels, augment_labels=None):
        x, s = y.reshape(n, 2), sigma.reshape(n)
        assert (s > end).all()
        skip, out, factor = edm(s)
        d = skip[:, None] * x + out[:, None] * net.f(factor[:, None] * x, torch.log(s))
        r = (end / s)[:, None]
        return (r * x + (1 - r) * d).reshape(y.shape)

    drawn = ((torch.log(times) - loss.P_mean) / loss.P_std).reshape(n, 1, 1, 1)
    with mock.patch.object(torch, "randn", lambda *_, **__: drawn), \
            mock.patch.object(torch, "randn_like", lambda y: noise.reshape(y.shape)), \
            mock.patch.object(torch.cuda, "get_rng_state", lambda: None), \
            mock.patch.object(torch.cuda, "set_rng_state", lambda _: None):
        return loss(network, x0.reshape(n, 2, 1, 1)).mean()


def mean_flow(case, net):
    """`MeanFlow.forward_with_loss` of Geng et al. (2025). Ours is the same."""
    sys.path.insert(0, str(AUTHORS / "py-meanflow/meanflow"))
    from models import meanflow
    x0, noise, u, t = columns(case)
    n, end = len(t), 0.01
    r = torch.where((u[:, 0] < 0.3) | (t <= end), t, end + u[:, 1] * (t - end))
    r = torch.where(t - r <= 1e-6 * 0.99, t, r)

    def network(z, at, _):
        t, h = at
        x, r = z.reshape(n, 2), t - h
        d = flow_denoiser(net, x, t, r)
        # (x − X)/(t − r) of X = (r/t) x + ((t − r)/t) D
        return ((x - d) / t[:, None]).reshape(z.shape)

    power = 0.0 if case["name"].endswith("uniform") else 1.0
    given = types.SimpleNamespace(net=network, args=types.SimpleNamespace(norm_eps=1e-3, norm_p=power))
    with mock.patch.object(meanflow, "sample_two_timesteps", lambda *_, **__: (t, r)), \
            mock.patch.object(torch, "randn_like", lambda x: noise.reshape(x.shape)):
        return meanflow.MeanFlow.forward_with_loss(given, x0.reshape(n, 2, 1, 1), None)


def flow_denoiser(net, x, t, r=None):
    """D of rectified flow, x = (1 − t) x0 + t z."""
    m = 1 - t
    total = m ** 2 * SD ** 2 + t ** 2
    other = None if r is None else torch.log(r / (1 - r))
    f = net.f(x / torch.sqrt(total)[:, None], torch.log(t / m), other)
    return (m * SD ** 2 / total)[:, None] * x + (t * SD / torch.sqrt(total))[:, None] * f


def shortcut(case, net):
    """`get_targets` of Frans et al. (2024), whose time runs from 0 at noise to 1 at data: ours is t = T − (T − ε) t′,
    and our velocity −(T − ε) times theirs. They keep 1e-5 of the noise at data and cut targets at ±4; their noise is
    drawn so that states are ours, and all values lie within. All rows learn from two steps. Their smallest step, whose
    number log2(M) is also that of the rows that learn velocities, is our network at equal times."""
    import jax
    import numpy as np
    jax.config.update("jax_enable_x64", True)
    shortcuts = load("targets_shortcut", AUTHORS / "shortcut-models/targets_shortcut.py")
    x0, noise, u, _ = columns(case)
    n, end, start, levels = len(x0), 0.01, 0.99, 3
    k = 1 + torch.clamp((u[:, 1] * levels).long(), max=levels - 1)
    steps = 2.0 ** (k - 1)
    place = 1 + torch.minimum((u[:, 2] * steps).floor(), steps - 1)
    # t = ε + 2 d place (T − ε)
    share = place / steps
    t = end + share * (start - end)
    state = (1 - t)[:, None] * x0 + t[:, None] * noise
    theirs = 1 - share
    keep = 1 - (1 - 1e-5) * theirs
    drawn = (state - theirs[:, None] * x0) / keep[:, None]

    def velocity(x, at, base):
        """dx/dt′ over a step of 2^−base."""
        now = start - (start - end) * at
        then = now - (start - end) / 2 ** base
        # t − r is known to rounding alone, and so is the end.
        then = torch.where(base == levels, now, torch.clamp(then, min=end))
        return (flow_denoiser(net, x, now, then) - x) / now[:, None] * (start - end)

    def call(x, at, base, labels, train):
        with torch.no_grad():
            a = [torch.tensor(np.asarray(v)).double() for v in (x, at, base)]
            return jax.numpy.asarray(velocity(a[0].reshape(n, 2), a[1], a[2]).reshape(n, 1, 1, 2).numpy())

    flags = types.SimpleNamespace(batch_size=n, model=dict(
        bootstrap_every=1, denoise_timesteps=2 ** levels, bootstrap_dt_bias=0, bootstrap_ema=1, bootstrap_cfg=0,
        class_dropout_prob=0.0, num_classes=1))
    images = jax.numpy.asarray(x0.reshape(n, 1, 1, 2).numpy())
    with mock.patch.object(jax.random, "normal", lambda *_, **__: drawn.reshape(n, 1, 1, 2).numpy()):
        x, v, at, base, _, _ = shortcuts.get_targets(
            flags, jax.random.PRNGKey(0), types.SimpleNamespace(call_model_ema=call), images,
            jax.numpy.zeros(n, dtype=int), force_t=jax.numpy.asarray(theirs.numpy()),
            force_dt=jax.numpy.asarray((k - 1).double().numpy()))
    x, v = (torch.tensor(np.asarray(a)).double().reshape(n, 2) for a in (x, v))
    at, base = (torch.tensor(np.asarray(a)).double() for a in (at, base))
    assert (x - state).abs().max() < 1e-12 and v.abs().max() < 4 and x.abs().max() < 4
    # As `train.py`: the mean over rows and coordinates.
    return ((velocity(x, at, base) - v) ** 2).mean() / (start - end) ** 2


def matched(case, net):
    """One step of a map from σ = 8 to 0.05, the noise that its samples get, and the denoisers of the teacher and of the
    companion."""
    x0, noise, _, times = columns(case)
    n, end, start = len(times), 0.05, 8.0
    companion, constant = (Net({**case, "parameters": [], "shapes": []}) for _ in range(2))
    companion.p, constant.p = net.p[6:], [v.detach() for v in net.p[6:]]

    def denoised(own, x, sigma):
        skip, out, factor = edm(sigma)
        return skip[:, None] * x + out[:, None] * own.f(factor[:, None] * x, torch.log(sigma))

    def real(x, sigma, *_, **__):
        return exact_denoiser(x.reshape(n, 2), sigma.reshape(n)).reshape(x.shape)

    def fake(x, sigma, *_, own=companion, **__):
        return denoised(own, x.reshape(n, 2), sigma.reshape(n)).reshape(x.shape)

    top = torch.full((n,), start)
    x = x0 + start * noise
    made = ((end / start) * x + (1 - end / start) * denoised(net, x, top)).reshape(n, 1, 1, 2)
    return made, torch.tensor(case["matched"]).reshape(n, 2), times, real, fake, functools.partial(fake, own=constant)


def dmd2(case, net):
    """`EDMGuidance` of Yin et al. (2024): its loss of matched distributions, and that of the score of the samples, both
    with the same noise. Ours is their sum."""
    module("main")
    module("main.edm")
    module("main.edm.edm_network", get_edm_network=None)
    module("dnnlib")
    guidance = load("edm_guidance", AUTHORS / "DMD2/main/edm/edm_guidance.py").EDMGuidance
    made, noise, times, real, fake, _ = matched(case, net)
    n = len(times)
    given = types.SimpleNamespace(
        real_unet=real, fake_unet=fake, min_step=0, max_step=n, num_train_timesteps=n, karras_sigmas=times,
        sigma_data=SD)
    with mock.patch.object(torch, "randint", lambda *_, **__: torch.arange(n).reshape(n, 1, 1, 1)), \
            mock.patch.object(torch, "randn_like", lambda y: noise.reshape(y.shape)):
        first = guidance.compute_distribution_matching_loss(given, made, None)[0]["loss_dm"]
        return first + guidance.compute_loss_fake(given, made, None)[0]["loss_fake_mean"]


def sid(case, net):
    """`SID_EDMLoss` of Zhou et al. (2024): the generator's loss with α = 1.2, and that of the score of the samples,
    both with the same noise. Ours is their sum. Their loop keeps the parameters of the samples' score constant in the first.
    It sums over rows and coordinates where we take the mean, and takes σ from a uniform number, (σ_min^{1/7} − σ^{1/7})
    /(σ_min^{1/7} − σ_max^{1/7}) · 1000/t_max, or from a normal one."""
    module("torch_utils", persistence=types.SimpleNamespace(persistent_class=lambda c: c))
    loss = load("sid_loss", AUTHORS / "SiD/training/sid_loss.py").SID_EDMLoss(P_mean=0, P_std=1, sigma_data=SD)
    made, noise, times, real, fake, constant = matched(case, net)
    low, high = 0.002 ** (1 / 7), 80.0 ** (1 / 7)
    shares = ((low - times ** (1 / 7)) / (low - high) / 0.8).reshape(-1, 1, 1, 1)
    with mock.patch.object(torch, "rand", lambda *_, **__: shares), \
            mock.patch.object(torch, "randn_like", lambda y: noise.reshape(y.shape)):
        first = loss.generator_loss(real, constant, made, alpha=1.2).mean()
    with mock.patch.object(torch, "randn", lambda *_, **__: torch.log(times).reshape(-1, 1, 1, 1)), \
            mock.patch.object(torch, "randn_like", lambda y: noise.reshape(y.shape)):
        return first + loss(fake, made.detach()).mean()


def flow_matching(case, net):
    """`ConditionalFlowMatcher` of torchcfm, whose time runs from noise to data. Ours is the same."""
    from torchcfm.conditional_flow_matching import ConditionalFlowMatcher
    x0, noise, _, t = columns(case)
    _, x, velocity = ConditionalFlowMatcher(sigma=0.0).sample_location_and_conditional_flow(noise, x0, 1 - t)
    return (((flow_denoiser(net, x, t) - x) / t[:, None] - velocity) ** 2).mean()


def assignments():
    """The plans of torchcfm's exact sampler, whose entries are 0 and 1/n."""
    from torchcfm.optimal_transport import OTPlanSampler
    found = []
    for seed, (n, d) in enumerate([(16, 2), (24, 5), (33, 1)]):
        g = torch.Generator().manual_seed(seed)
        x, y = (torch.randn(n, d, generator=g) for _ in range(2))
        plan = OTPlanSampler("exact").get_map(x, y) * n
        assert abs(plan - plan.round()).max() < 1e-9
        found.append({"count": n, "costs": (torch.cdist(x, y) ** 2).flatten().tolist(),
                      "columns": plan.argmax(1).tolist()})
    return found


cases = []
for path in sorted(INPUTS.glob("*.json")):
    case = json.loads(path.read_text())
    net = Net(case)
    kinds = {"openai": openai, "ect": ect, "py": mean_flow, "shortcut": shortcut, "torchcfm": flow_matching,
             "dmd2": dmd2, "sid": sid}
    loss = kinds[case["name"].split("-")[0]](case, net)
    gradient = torch.autograd.grad(loss, net.p, allow_unused=True)
    case["loss"] = loss.item()
    case["gradient"] = [(g if g is not None else torch.zeros_like(v)).flatten().tolist()
                        for g, v in zip(gradient, net.p)]
    cases.append(case)
json.dump({"cases": cases, "assignments": assignments()}, sys.stdout, sort_keys=True)
print()
