// SPDX-License-Identifier: GPL-3.0-or-later
// Convolutions and resampling along one to three axes, by patches and matrix products: complete, and not tuned.
//
// Features and weights are blocked as those of images: [channel / 16][position][channel % 16] and
// [out / 16][in / 16][tap][in % 16][out % 16], where positions and taps run over three axes, the last one fastest.
// Axes that are not there have size 1.
#pragma once
#include <stddef.h>

typedef struct {
  int in_blocks, out_blocks;  // channels / 16
  int size[3], out_size[3];   // positions
  int kernel[3], stride[3];
  int pad[3];                 // zeros before the first position
} ck_volume;

/// Scratch floats that each of the three functions wants.
size_t ck_volume_scratch(const ck_volume *shape);
/// y = conv(x, weights) + bias, where bias may be null.
void ck_volume_convolve(const ck_volume *shape, size_t images, const float *x, const float *weights, const float *bias,
                        float *y, float *scratch);
/// dx = the adjoint of the convolution by x, applied to dy.
void ck_volume_back_data(const ck_volume *shape, size_t images, const float *dy, const float *weights, float *dx,
                         float *scratch);
/// dweights (+)= the adjoint by the weights, summed over images; dbias, where not null, (+)= the sum of dy.
void ck_volume_back_weights(const ck_volume *shape, size_t images, const float *x, const float *dy, float *dweights,
                            float *dbias, int accumulate, float *scratch);

/// y(i, j, k) = factor x(i / times[0], j / times[1], k / times[2]), and its adjoint, the sum over the positions that
/// share one, times the factor. Planes are channel blocks of `size` positions of x (of y for the sums).
void ck_volume_upsample(float *y, const float *x, float factor, size_t planes, const int size[3], const int times[3]);
void ck_volume_pool(float *y, const float *x, float factor, size_t planes, const int size[3], const int times[3]);
