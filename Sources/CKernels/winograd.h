// SPDX-License-Identifier: GPL-3.0-or-later
// 3 x 3 convolutions of stride 1 by Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray 2016): a tile of 4 x 4
// outputs from 6 x 6 inputs with 36 products in place of 144. In a tile's domain a convolution is 36 matrix products.
#pragma once
#include <stddef.h>
#include "ck_convolution.h"

/// Floats of transformed weights, and these for a forward pass (transpose = 0) or for backward by data (1).
size_t ck_winograd_weight_size(const ck_convolution *shape);
void ck_winograd_weights(float *prepared, const float *weights, size_t in_blocks, size_t out_blocks, int transpose);

/// Scratch floats that a direction wants.
size_t ck_winograd_scratch(const ck_convolution *shape, int direction, int images);

/// y = conv(x) + bias with prepared weights. Backward by data passes dy as x, and the
/// shape of the adjoint.
void ck_winograd_forward(const ck_convolution *shape, size_t images, const float *x, const float *prepared,
                         const float *bias, float *y, float *scratch);
void ck_winograd_back_weights(const ck_convolution *shape, size_t images, const float *x, const float *dy,
                              float *dweights, float *dbias, int accumulate, float *scratch);

/// The same from weights as they are, whose forms are made a panel at a time for many tiles: for weights too large to
/// keep twice. transpose = 1 takes the weights of the convolution that this one is the adjoint of.
size_t ck_winograd_panel_scratch(const ck_convolution *shape, int images);
void ck_winograd_by_panels(const ck_convolution *shape, size_t images, const float *x, const float *weights,
                           int transpose, const float *bias, float *y, float *scratch);
