// SPDX-License-Identifier: GPL-3.0-or-later
// Transposes of 16 x 16 blocks of weights, which backward passes by data read.
#pragma once
#include <stddef.h>

/// Every 16 x 16 block of weights transposed, and the order of blocks swapped on request.
void ck_turn_weights(float *out, const float *weights, size_t in_blocks, size_t out_blocks, size_t taps, int swapped);
