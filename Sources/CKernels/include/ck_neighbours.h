// SPDX-License-Identifier: GPL-3.0-or-later
// Nearest rows among others, and rows within given distances, by differences of coordinates: exact for near copies,
// where the expansion |x|^2 - 2 x.y + |y|^2 would cancel.
//
// y is transposed as in ck_distances.h. Memory is bounded: nothing of the size of rows x others is kept.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// The k nearest of `others` rows of y to each of `rows` rows of x: squared distances, rising, rows x k, and where
/// `places` is not null their indices. Of equal distances the lower index comes first. Where there are fewer than k,
/// the rest is infinite, with index -1. Row i of x is not compared with row `own` + i of y; own < 0: with all.
void ck_nearest(double *squares, int32_t *places, const double *x, size_t rows, size_t dimension,
                const double *y_transposed, size_t others, size_t stride, size_t k, ptrdiff_t own);

/// The rows of y within a distance of each row of x: for every pair with |x_i - y_j|^2 <= squares[j], in the order of
/// i and then of a tile of j, `found(context, i, j, |x_i - y_j|^2)`.
void ck_within(const double *x, size_t rows, size_t dimension, const double *y_transposed, size_t others,
               size_t stride, const double *squares, void *context,
               void (*found)(void *context, size_t i, size_t j, double square));
