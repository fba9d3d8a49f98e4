// SPDX-License-Identifier: GPL-3.0-or-later
// Fused loops over float tensors (score networks) and over flat parameter buffers (optimisers).
#pragma once
#include <stddef.h>

/// SiLU and its derivatives: order 0 is x / (1 + exp(-x)); orders 1 to 3 are its derivatives. out may be x.
void ck_silu(float *out, const float *x, int order, size_t n);
/// out = g * silu^(order)(x), elementwise. out may be g.
void ck_silu_product(float *out, const float *g, const float *x, int order, size_t n);
/// GELU and its derivatives of order 1 to 3: x Phi(x) with the standard normal distribution function (Hendrycks and
/// Gimpel 2016), to 4e-7 of itself, or x sigmoid(1.702 x) where `quick`. out may be x.
void ck_gelu(float *out, const float *x, int quick, int order, size_t n);
/// out = g * gelu^(order)(x), elementwise. out may be g.
void ck_gelu_product(float *out, const float *g, const float *x, int quick, int order, size_t n);
/// out[i, j] = x[i, j] gelu(x[i, columns + j]) for x of 2 * columns columns, and its adjoint.
void ck_geglu(float *out, const float *x, size_t rows, size_t columns);
void ck_geglu_backward(float *dx, const float *dy, const float *x, size_t rows, size_t columns);

/// Layer normalisation: y[i, j] = scale[j] (x[i, j] - mean_i) / sqrt(variance_i + epsilon) + shift[j], over the columns
/// of each row. statistics: 2 a row, mean and 1 / sqrt(variance + epsilon). y may be x.
void ck_layer_norm(float *y, float *statistics, const float *x, const float *scale, const float *shift, double epsilon,
                   size_t rows, size_t columns);
/// Its adjoints; dx (which may be dy) and dscale with dshift (a value per column, summed over rows) where not null.
void ck_layer_norm_backward(float *dx, float *dscale, float *dshift, const float *dy, const float *x,
                            const float *statistics, const float *scale, size_t rows, size_t columns);

/// The layer after a matrix product, in one pass: v = z + bias, out = silu(v), and z = v, or with `slope` silu'(v). out
/// may be z: then out is kept. The bias is a value per column, or where `indices` is not null row indices[i] of a table
/// of such for row i.
void ck_bias_silu(float *out, float *z, const float *bias, const float *indices, int slope, size_t rows,
                  size_t columns);
/// out = x + bias (a value per column). out may be x.
void ck_add_bias(float *out, const float *x, const float *bias, size_t rows, size_t columns);
/// out[j] (+)= sum over rows of x[i, j].
void ck_column_sums(float *out, const float *x, size_t rows, size_t columns, int accumulate);

/// out = a x + b y. out may be x or y.
void ck_sum(float *out, float a, const float *x, float b, const float *y, size_t n);
/// out = x * y, elementwise. out may be x or y.
void ck_product(float *out, const float *x, const float *y, size_t n);
/// out[i, j] = scale[i] * x[i, j]. out may be x.
void ck_scale_rows(float *out, const float *x, const float *scale, size_t rows, size_t columns);
/// out[i] = sum_j x[i, j].
void ck_row_sums(float *out, const float *x, size_t rows, size_t columns);
/// sum over i of weight[i] * sum_j x[i, j]^2, in double.
double ck_weighted_squares(const float *x, const float *weight, size_t rows, size_t columns);

/// A perturbed batch and its regression target: input = a x + b z and target = c x + d z, with x a row of
/// data, z one of noise, and (a, b, c, d) = coefficients[4 i ...] of row i. Formed in double.
void ck_perturb(float *input, float *target, const float *data, const double *noise, const double *coefficients,
                size_t rows, size_t dimension);

/// out[i, k] = d^order/dt^order sin(t_i w_k), out[i, half + k] the same of cos; leading dimension ld. The angle is
/// formed and reduced in double.
void ck_sinusoids(float *out, const float *t, const float *frequencies, int order, size_t rows, size_t half, size_t ld);

/// out[i] = sum over `count` buffers of their values first + i, in order; returns the sum of squares of the n values of
/// out. It may be one of the buffers' memory at that place.
double ck_reduce(float *out, const float *const *buffers, size_t count, size_t first, size_t n);

typedef struct {
  float gradient_scale;              // clipping: the gradient is multiplied by this first
  float rate;                        // learning rate over the first moment's bias correction
  float beta1, beta2, epsilon;
  float second_correction;           // 1 / sqrt(1 - beta2^step)
  float decay;                       // AdamW: the parameter is multiplied by 1 - decay first
  float average;                     // EMA: average = average * a + (1 - a) * parameter
} ck_adam_step;

/// One Adam or AdamW step (Kingma and Ba 2015; Loshchilov and Hutter 2019) over n parameters, with their moving
/// average.
void ck_adam(const ck_adam_step *step, float *parameters, const float *gradients, float *first, float *second,
             float *averages, size_t n);
