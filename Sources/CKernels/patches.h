// SPDX-License-Identifier: GPL-3.0-or-later
// Convolutions of any kind as products with the matrix of patches: complete, and independent of any library's kernels.
#pragma once
#include "ck_convolution.h"

/// Scratch floats that a direction wants.
size_t ck_patches_scratch(const ck_convolution *shape);
void ck_patches_forward(const ck_convolution *shape, int images, const float *x, const float *weights, const float *bias,
                        float *y, float *scratch);
void ck_patches_back_data(const ck_convolution *shape, int images, const float *dy, const float *weights, float *dx,
                          float *scratch);
void ck_patches_back_weights(const ck_convolution *shape, int images, const float *x, const float *dy, float *dweights,
                             float *dbias, int accumulate, float *scratch);
