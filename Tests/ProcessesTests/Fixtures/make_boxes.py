# SPDX-License-Identifier: GPL-3.0-or-later
"""Reference values of mixtures of uniform boxes under a perturbation: writes boxes.json beside itself.

x_t = m x_0 + sigma z with x_0 ~ sum_k w_k U(box k), so with a side [l, h] and x in one coordinate the density is

    q(x) = [Phi((m h - x)/sigma) - Phi((m l - x)/sigma)] / (m (h - l)),

p_t(x) is sum_k w_k prod_j q_kj(x_j), and the score and its derivative along a direction are those of ln p_t, by
numerical differentiation. All is evaluated with 120 digits on the doubles that the file holds.

Requires mpmath 1.3. Run: python make_boxes.py
"""

import json
import random
from pathlib import Path

import mpmath as mp

mp.mp.dps = 120


def between(a, b):
    """P(a <= Z <= b), from the tail that both lie in."""
    if a + b > 0:
        a, b = -b, -a
    return (mp.erfc(-b / mp.sqrt(2)) - mp.erfc(-a / mp.sqrt(2))) / 2


def log_density(case, x):
    m, deviation = mp.mpf(case["scale"]), mp.mpf(case["deviation"])
    total = mp.mpf(0)
    for w, low, high in zip(case["weights"], case["low"], case["high"]):
        p = mp.mpf(w) / sum(mp.mpf(v) for v in case["weights"])
        for l, h, at in zip(low, high, x):
            l, h = mp.mpf(l), mp.mpf(h)
            p *= between((m * l - at) / deviation, (m * h - at) / deviation) / (m * (h - l))
        total += p
    return mp.log(total)


def score(case, x):
    h = mp.mpf(case["deviation"]) * mp.mpf(10) ** -25
    result = []
    for j in range(len(x)):
        up, down = list(x), list(x)
        up[j], down[j] = x[j] + h, x[j] - h
        result.append((log_density(case, up) - log_density(case, down)) / (2 * h))
    return result


def product(case, x, v):
    h = mp.mpf(case["deviation"]) * mp.mpf(10) ** -20
    up = score(case, [a + h * b for a, b in zip(x, v)])
    down = score(case, [a - h * b for a, b in zip(x, v)])
    return [(a - b) / (2 * h) for a, b in zip(up, down)]


def laws():
    squares = [(c - 2.0, r - 2.0) for c in range(4) for r in range(4) if (c + r) % 2 == 0]
    yield "board", [1.0] * 8, [list(s) for s in squares], [[a + 1 for a in s] for s in squares]
    yield "overlapping", [1.0, 3.0, 0.5], [[0.0, -3.0, 1.0], [-1.0, 0.5, 1.0], [0.25, 0.5, -6.0]], [
        [0.001, 2.0, 1.5], [4.0, 0.75, 1.5], [7.0, 0.75, 6.0]]
    yield "line", [2.0], [[-1.0]], [[2.0]]


def main():
    rng = random.Random(1)
    cases = []
    for name, weights, low, high in laws():
        for m, deviation in [(1.0, 0.01), (0.9, 0.3), (0.5, 0.866), (0.0066, 0.99998), (1.0, 80.0), (1.0, 1e5)]:
            case = {"name": name, "weights": weights, "low": low, "high": high, "scale": m, "deviation": deviation}
            d = len(low[0])
            points = [[rng.gauss(0, 1) * (deviation + 2 * m) for _ in range(d)] for _ in range(5)]
            points += [[m * rng.uniform(-2, 2) for _ in range(d)] for _ in range(5)]
            points += [[0.0] * d, [m * high[0][0]] + [m * low[0][1]] * (d - 1) if d > 1 else [m * high[0][0]]]
            points += [[30 * (m + deviation)] * d]
            directions = [[rng.gauss(0, 1) for _ in range(d)] for _ in points]
            exact = [[mp.mpf(a) for a in x] for x in points]
            case["points"], case["directions"] = points, directions
            case["log_density"] = [float(log_density(case, x)) for x in exact]
            case["score"] = [[float(s) for s in score(case, x)] for x in exact]
            case["jacobian_product"] = [
                [float(s) for s in product(case, x, [mp.mpf(b) for b in v])] for x, v in zip(exact, directions)]
            cases.append(case)
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    Path(__file__).with_name("boxes.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
