// SPDX-License-Identifier: GPL-3.0-or-later
// Loops over blocks of doubles: the state of a solver.
#pragma once
#include <stddef.h>

/// out += a x, over n values. out may be x.
void ck_add_scaled(double *out, const double *x, double a, size_t n);
/// out = a x + b y, over n values. out may be x or y.
void ck_combine(double *out, double a, const double *x, double b, const double *y, size_t n);
/// out = a x + b y + c z, over n values. out may be any of them.
void ck_combine3(double *out, double a, const double *x, double b, const double *y, double c, const double *z,
    size_t n);
/// out = sum over k of coefficients[k] x[k], over n values; at least one term. out may be any of x.
void ck_combine_all(double *out, const double *coefficients, const double *const *x, size_t terms, size_t n);
/// out += times (M (x) I) x, row by row: M is `to` x `from`, row-major, and acts on a row cut into blocks of `width`
/// values: `from` blocks of x, `to` blocks of out. The rows of x and out do not overlap.
void ck_add_blocks(double *restrict out, const double *matrix, size_t to, size_t from, size_t width, double times,
                   const double *restrict x, size_t rows);
/// The largest over rows of the root mean square of (high - low) / tolerance, with tolerance = max(atol, rtol m), or
/// atol + rtol m where `sum` is not 0, and m = max(|a|, |b|). NaN where there is one.
double ck_error_ratio(const double *high, const double *low, const double *a, const double *b, double atol, double rtol,
                      int sum, size_t rows, size_t dimension);
/// The mean over rows of the Euclidean norm of a row.
double ck_mean_norm(const double *x, size_t rows, size_t dimension);
/// The index of the first value that is NaN or infinite, or n.
size_t ck_first_nonfinite(const double *x, size_t n);
/// out = (float)(scale * x), over n values.
void ck_to_float(float *out, const double *x, double scale, size_t n);
/// out = a x + b (double)y, over n values; y is float. out may be x.
void ck_combine_float(double *out, double a, const double *x, double b, const float *y, size_t n);
