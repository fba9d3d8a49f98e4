// SPDX-License-Identifier: GPL-3.0-or-later
// Gaussian mixtures, vectorised over rows: eight rows a step, a loop over components inside.
#pragma once
#include <stddef.h>

enum ck_mixture_structure { CK_ISOTROPIC = 0, CK_DIAGONAL = 1, CK_FULL = 2 };

/// sum_k exp(log_coefficients[k] - (x - means[k])' P_k (x - means[k]) / 2), with K components in D dimensions.
typedef struct {
  size_t components, dimension;
  int structure;                   // how P_k is stored
  const double *means;             // K x D
  const double *precisions;        // P_k: K scalars, K x D diagonals, or K x D x D symmetric matrices
  const double *log_coefficients;  // K: ln w_k - ln sqrt(det(2 pi / P_k))
} ck_mixture;

/// The length of the scratch that `ck_mixture_evaluate` wants, in doubles; any alignment.
size_t ck_mixture_scratch(size_t components, size_t dimension);

/// For each of `rows` rows of x (row-major, D wide), writes what is not null: the score (gradient of the log density),
/// the log density, and the Jacobian product (d score / d x) direction.
void ck_mixture_evaluate(const ck_mixture *mixture, const double *x, size_t rows, double *score, double *log_density,
                         const double *direction, double *jacobian_product, double *scratch);

/// out = M x of each of `rows` rows, with M D x D, row-major. x and out do not overlap; `scratch` has
/// `ck_mixture_scratch(0, D)` values.
void ck_turn_rows(const double *matrix, size_t dimension, const double *x, size_t rows, double *out, double *scratch);
