// SPDX-License-Identifier: GPL-3.0-or-later
// Layer normalisation of blocked features: over the channels of each position.
#pragma once
#include <stddef.h>

typedef struct {
  size_t blocks, channels, positions;  // 16 * blocks places, the first `channels` of which hold one
  float epsilon;
  const float *scale, *offset;  // 16 * blocks
} ck_channel_norm;

/// y = scale * (x - mean) / sqrt(variance + epsilon) + offset. statistics: the mean and 1/sqrt(variance + epsilon) of
/// each position of each item. Places without a channel become zeros. y may be x.
void ck_channel_norm_forward(const ck_channel_norm *norm, size_t items, const float *x, float *y, float *statistics);
/// dx, and summed over items and positions dscale and doffset. dx may be dy.
void ck_channel_norm_backward(const ck_channel_norm *norm, size_t items, const float *x, const float *dy,
                              const float *statistics, float *dx, float *dscale, float *doffset);
