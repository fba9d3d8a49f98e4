// SPDX-License-Identifier: GPL-3.0-or-later
// Fused loops over blocked images: [image][channel / 16][row][column][channel % 16].
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Rows of height x width x channels to blocked images and back. places[c] is where channel c lies among the
/// 16 * blocks of the blocked image; other channels become zeros.
void ck_to_blocked(float *out, const float *x, size_t images, size_t pixels, size_t channels, const int32_t *places,
                   size_t blocks);
void ck_from_blocked(float *out, const float *x, size_t images, size_t pixels, size_t channels, const int32_t *places,
                     size_t blocks);

/// Group normalisation, a shift before it, an affine map and SiLU after it:
/// y = silu(scale * (x + shift - mean) / sqrt(variance + epsilon) + offset), silu on request; mean and variance over
/// the pixels and channels of a group.
typedef struct {
  size_t blocks, pixels, groups;
  const int32_t *group;              // of each of 16 * blocks channels; -1 for one that does not exist
  size_t group_channels;             // in each group
  float epsilon;
  int silu;
  const float *shift;                // null, a row, or a row per image
  const float *scale, *offset;       // a row, or a row per image
  size_t shift_stride, affine_stride;  // between images; 0 for a single row
} ck_group_norm;

/// statistics: 2 * groups per image, mean and 1/sqrt(variance + epsilon). scratch: 10 * 16 * blocks
/// floats, aligned to 8 bytes.
void ck_group_norm_forward(const ck_group_norm *norm, size_t images, const float *x, float *y, float *statistics,
                           float *scratch);
/// dx; and per image, 16 * blocks wide: dshift (null where not wanted), dscale, doffset.
/// dx may be dy.
void ck_group_norm_backward(const ck_group_norm *norm, size_t images, const float *x, const float *dy,
                            const float *statistics, float *dx, float *dshift, float *dscale, float *doffset,
                            float *scratch);

/// y(r, c) = x(r / 2, c / 2), and its adjoint, the sum over 2 x 2 pixels, times a factor. Planes are channel blocks of
/// height x width pixels of x (of y for the sums).
void ck_repeat_pixels(float *y, const float *x, float factor, size_t planes, size_t height, size_t width);
void ck_sum_pixels(float *y, const float *x, float factor, size_t planes, size_t height, size_t width);

/// out[image, channel] = sum over pixels, and its adjoint.
void ck_channel_sums(float *out, const float *x, size_t images, size_t blocks, size_t pixels);
void ck_spread_channels(float *out, const float *x, size_t images, size_t blocks, size_t pixels);

/// y = x^p elementwise for p = -1/2, or any other power (slowly).
void ck_power(float *y, const float *x, float power, size_t n);

/// Softmax of scale * x along rows; y may be x. And its adjoint: dx = scale * y * (dy - sum(dy * y)); dx may be dy.
void ck_softmax(float *y, const float *x, float scale, size_t rows, size_t columns);
void ck_softmax_backward(float *dx, const float *dy, const float *y, float scale, size_t rows, size_t columns);

/// Blocked channels [first, first + width) of one image, as a pixels x width matrix; and back.
void ck_pixels_matrix(float *out, const float *x, size_t pixels, size_t first, size_t width);
void ck_matrix_pixels(float *out, const float *x, size_t pixels, size_t first, size_t width);
