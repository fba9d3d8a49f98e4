// SPDX-License-Identifier: GPL-3.0-or-later
// Draws of truncated normals from uniform numbers.
#pragma once
#include <stddef.h>

/// The quantile of the standard normal law at each of n probabilities in (0, 1), to about 1e-15 relative (Wichura 1988,
/// algorithm AS 241). At 0 it is that of the smallest normal double. out may be p.
void ck_normal_quantiles(double *out, const double *p, size_t n);

/// out[i, j] = centre[j] + scale[j] Phi^-1(base[j] + u[i, j] width[j]), held between low[j] and high[j], for `rows`
/// rows of `dimension` values. `patterns` are 8 * dimension values of each of centre, scale, base, width, low and high,
/// one after the other: every list repeated eight times, so that eight neighbouring values find theirs side by side.
/// out may be u.
void ck_truncated_normals(double *out, const double *u, size_t rows, size_t dimension, const double *patterns);
