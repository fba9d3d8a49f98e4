// SPDX-License-Identifier: GPL-3.0-or-later
// Blocks of squared distances and products between rows, and what metrics make of them.
//
// One side is row-major. The other side lies in panels of 16 rows: value d of row c of panel p lies at
// panels[(p * dimension + d) * 16 + c]. A block has `stride` values from row to row, a multiple of 16; columns past the
// last row of the panels hold what the padding of the panels gives.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// block[i * stride + j] = |x_i - y_j|^2, by differences: its relative error is at most (dimension + 2) / 2^53, however
/// close the rows are (|x|^2 + |y|^2 - 2 xy would lose the digits of close rows that are far from 0).
void ck_squared_distances(double *block, size_t stride, const double *x, size_t rows, size_t dimension,
                          const double *panels, size_t panel_count);
/// block[i * stride + j] = <x_i, y_j>.
void ck_products(double *block, size_t stride, const double *x, size_t rows, size_t dimension, const double *panels,
                 size_t panel_count);

/// What `ck_pair_sums` adds up: of a block of squared distances d, the distance sqrt(d), or the mean over five Gaussian
/// kernels exp(-a d), exp(-4 a d), ..., exp(-256 a d); of a block of products p, the cubic kernel (a p + 1)^3.
enum ck_pair_kernel { CK_DISTANCE = 0, CK_GAUSSIANS = 1, CK_CUBIC = 2 };

/// row_sums[i] += sum over j < columns of k, column_sums[j] += sum over i of k; returns the sum of k^2.
double ck_pair_sums(const double *block, size_t stride, size_t rows, size_t columns, enum ck_pair_kernel kernel, double a,
                    double *row_sums, double *column_sums);

/// The `count` smallest values of block[i * stride + j] - offsets[j] over j, row by row, with `first` + j as their
/// indices, merged with those that `values` and `indices` already hold (count a row, in rising order; infinity and -1
/// where there are none). Of equal values the one that came first stays. A null `offsets` is zeros.
void ck_merge_smallest(double *values, int32_t *indices, size_t count, const double *block, size_t stride, size_t rows,
                       size_t columns, const double *offsets, size_t first);

/// block[i * stride + j] = |x_i - y_j|^2 in float, for panels of 32 rows.
void ck_squared_distances_float(float *block, size_t stride, const float *x, size_t rows, size_t dimension,
                                const float *panels, size_t panel_count);
/// Adds to the sums over j < columns of exp(offsets[j] - scale * block[i * stride + j]), which are kept as a largest
/// exponent and a sum of exponentials relative to it, both per row.
void ck_merge_exponentials(double *largest, double *sums, const float *block, size_t stride, size_t rows, size_t columns,
                           float scale, const float *offsets);
