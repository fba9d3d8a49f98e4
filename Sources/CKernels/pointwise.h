// SPDX-License-Identifier: GPL-3.0-or-later
// 1 x 1 convolutions of stride 1: a matrix product at every pixel, read and written in place.
#pragma once
#include <stddef.h>
#include "ck_convolution.h"

/// y = weights x + bias. For backward by data: dy, weights turned and swapped (ck_turn_weights), the adjoint's shape.
void ck_pointwise_forward(const ck_convolution *shape, size_t images, const float *x, const float *weights,
                          const float *bias, float *y);
void ck_pointwise_back_weights(const ck_convolution *shape, size_t images, const float *x, const float *dy,
                               float *dweights, float *dbias, int accumulate);
