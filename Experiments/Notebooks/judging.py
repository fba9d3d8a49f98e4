# SPDX-License-Identifier: GPL-3.0-or-later
"""What tables of results say: which columns are metrics, which solvers are best, and which cannot be told apart."""

import numpy as np
import pandas as pd

# The columns of solvers.csv and sweep.csv that are no metrics.
COLUMNS = {
    "experiment",
    "process",
    "solver",
    "kind",
    "count",
    "steps",
    "nfe",
    "nfe_max",
    "seconds",
    "seed",
    "overrides",
}
TEXTS = {"run", "sweep", "experiment", "process", "solver", "kind", "overrides", "metric", "class", "repeat", "better"}
NO_INTERVALS = " (no intervals)"
# Metrics of which more is better.
HIGHER = {"precision", "recall", "density", "coverage", "vendi", "class_accuracy", "copy_test", "data_copying"}


def metrics(table):
    """The columns of a table that are metrics with at least one number, in their order."""
    known = {*COLUMNS, *TEXTS, "method"}
    names = [c for c in table if c not in known and not c.endswith(("_low", "_high"))]
    return [c for c in names if pd.api.types.is_numeric_dtype(table[c]) and table[c].notna().any()]


def bounds(table, metric):
    """The 95 % interval of a metric in each row, as two columns; NaN where the table has none."""
    empty = pd.Series(np.nan, table.index)
    return table.get(f"{metric}_low", empty), table.get(f"{metric}_high", empty)


def tied(table, metric):
    """Which rows cannot be told from the best one: their 95 % intervals overlap. The best is among them.

    Without intervals it is the best row alone. Rows without a number are none of them.
    """
    low, high = (b.fillna(table[metric]) for b in bounds(table, metric))
    if not table[metric].notna().any():
        return table[metric].notna()
    if metric in HIGHER:
        return high >= low[table[metric].idxmax()]
    return low <= high[table[metric].idxmin()]


def front(table, cost, metric):
    """The Pareto front: the rows that no other beats in both cost and metric, cheapest first."""
    sign = -1 if metric in HIGHER else 1
    ordered = table.dropna(subset=[cost, metric])
    ordered = ordered.assign(_key=sign * ordered[metric]).sort_values([cost, "_key"])
    return ordered[ordered["_key"] < ordered["_key"].cummin().shift(fill_value=np.inf)].drop(columns="_key")


def recommend(table, metric, budgets=(10, 20, 50, 100, 250, 1000)):
    """For each budget of evaluations: the best solver, and the cheapest of those that cannot be told from it."""
    rows = []
    for budget in budgets:
        # The denoising at the end is one evaluation more.
        within = table[(table["nfe"] <= budget + 1) & table[metric].notna()]
        if within.empty or rows and len(within) == rows[-1]["_of"]:
            continue
        equals = within[tied(within, metric)]
        best = within.loc[within[metric].idxmax() if metric in HIGHER else within[metric].idxmin()]
        cheapest = equals.sort_values(["nfe", metric]).iloc[0]
        rows.append(
            {
                "evaluations at most": budget,
                "use": cheapest["solver"],
                "its NFE": cheapest["nfe"],
                "its error": estimate(cheapest, metric),
                "best": best["solver"],
                "error of the best": estimate(best, metric),
                "not told from the best": len(equals),
                "_of": len(within),
            }
        )
    return pd.DataFrame(rows).drop(columns="_of", errors="ignore")


def estimate(row, metric, digits=3):
    """A number with its 95 % interval as text: 0.081 (0.074–0.090)."""
    value, low, high = row.get(metric), row.get(f"{metric}_low"), row.get(f"{metric}_high")
    if value is None or pd.isna(value):
        return ""
    text = f"{value:.{digits}g}"
    if low is None or pd.isna(low) or pd.isna(high):
        return text
    return f"{text} ({low:.{digits}g} to {high:.{digits}g})"


def verdict(pair, metric, first, second):
    """Which of two rows is better, in words. Intervals that overlap do not tell them apart, which is a careful rule."""
    values = pair[metric].to_numpy(float)
    if not np.isfinite(values).all():
        return ""
    better = (first, second)[int((values[1] > values[0]) if metric in HIGHER else (values[1] < values[0]))]
    if bounds(pair, metric)[0].isna().any():
        return better + NO_INTERVALS
    return "cannot be told apart" if tied(pair, metric).all() else better


def standing(table, metric, place):
    """How the row at a place does beside all others, in words, as `verdict` tells them apart."""
    if not np.isfinite(table[metric].to_numpy(float)).all():
        return ""
    others = [i for i in range(len(table)) if i != place]
    words = [verdict(table.iloc[[place, i]], metric, "better", "worse") for i in others]
    kinds = {w.removesuffix(NO_INTERVALS) for w in words}
    if kinds in ({"better"}, {"worse"}):
        return f"{kinds.pop()} than all" + (NO_INTERVALS if words[0].endswith(NO_INTERVALS) else "")
    return "between" if kinds == {"better", "worse"} else "not told from all"


def orders(table, cost, metric):
    """By how much a metric falls as cost grows, a row a method: minus the slope of the line through both logarithms."""
    rows = table[(table[cost] > 0) & (table[metric] > 0)]
    found = {
        method: -np.polyfit(np.log(t[cost]), np.log(t[metric]), 1)[0]
        for method, t in rows.groupby("method", sort=False)
        if t[cost].nunique() > 1
    }
    return pd.DataFrame({"solver": found.keys(), "measured order": [f"{v:.2f}" for v in found.values()]})


def share(count, of):
    """A share of draws with its 95 % interval (Wilson 1927)."""
    p, z = count / of, 1.959964
    middle, half = p + z * z / (2 * of), z * (p * (1 - p) / of + z * z / (4 * of * of)) ** 0.5
    return p, (middle - half) / (1 + z * z / of), (middle + half) / (1 + z * z / of)


def mixture_log_density(data, points):
    """ln Σ w_k N(x; μ_k, Σ_k) of `data: {kind: gaussian-mixture}` at points; None for other data."""
    if points is None or data.get("kind") != "gaussian-mixture" or data.get("exponential"):
        return None
    weights, means = np.array(data["weights"], float), np.array(data["means"], float)
    dimension = means.shape[1]
    if data.get("covariances"):
        covariances = np.array(data["covariances"], float).reshape(-1, dimension, dimension)
    else:
        covariances = np.eye(dimension) * np.array(data["deviations"], float)[:, None, None] ** 2
    parts = []
    for weight, mean, covariance in zip(weights / weights.sum(), means, covariances):
        away = np.linalg.solve(np.linalg.cholesky(covariance), (points - mean).T)
        determinant = np.linalg.slogdet(2 * np.pi * covariance)[1]
        parts.append(np.log(weight) - 0.5 * determinant - 0.5 * (away**2).sum(0))
    return np.logaddexp.reduce(parts, axis=0)
