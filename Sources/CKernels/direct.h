// SPDX-License-Identifier: GPL-3.0-or-later
// oneDNN's direct convolutions behind an interface that hides its versions 2 and 3.
#pragma once
#include "ck_convolution.h"

/// A compiled direction of a convolution for a number of images.
typedef struct ck_direct ck_direct;

/// The order of weights that a compiled convolution reads or writes.
enum ck_weight_order {
  CK_ORDER_PLAIN = 0,   // [out / 16][in / 16][row][column][in % 16][out % 16], as parameters are kept
  CK_ORDER_TURNED = 1,  // [out / 16][in / 16][row][column][out % 16][in % 16]
  CK_ORDER_SWAPPED = 2  // [in / 16][out / 16][row][column][out % 16][in % 16]
};

/// Null where oneDNN is missing or has no fast kernel for the shape.
ck_direct *ck_direct_make(const ck_convolution *shape, int direction, int images);
void ck_direct_free(ck_direct *direct);
int ck_direct_weight_order(const ck_direct *direct);
size_t ck_direct_scratch(const ck_direct *direct);  // floats
/// Reads and writes what the direction says; bias is not read or written backward by data.
void ck_direct_run(ck_direct *direct, const float *x, const float *weights, const float *bias, const float *y,
                   float *scratch);
