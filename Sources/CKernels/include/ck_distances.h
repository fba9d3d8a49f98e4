// SPDX-License-Identifier: GPL-3.0-or-later
// Sums over all pairs of rows, for the metrics that compare two sets of samples.
#pragma once
#include <stddef.h>

/// For each of `rows` rows of x: sums[i] = sum over the `others` rows of y of the Euclidean distance |x_i - y_j|.
/// y is transposed: coordinate j of all rows lies at y + j * stride, with stride a multiple of 8 not below `others`.
void ck_distance_sums(double *sums, const double *x, size_t rows, size_t dimension, const double *y_transposed,
                      size_t others, size_t stride);

/// The same for the sum over `kernels` Gaussian kernels of exp(-inverse_widths[k] |x_i - y_j|^2).
void ck_gaussian_sums(double *sums, const double *x, size_t rows, size_t dimension, const double *y_transposed,
                      size_t others, size_t stride, const double *inverse_widths, size_t kernels);
