// SPDX-License-Identifier: GPL-3.0-or-later
// Attention of one head over positions x width matrices, in tiles: no matrix of queries x keys is ever whole.
#pragma once
#include <stddef.h>

typedef struct {
  size_t queries, keys, width;  // positions that ask, positions that are asked, numbers of each
  size_t query_stride;          // floats from one position to the next: of q, out, and their adjoints
  size_t key_stride;            // of k, v, and their adjoints
  float scale;                  // of the products before the softmax
  int causal;                   // position i sees positions 0 to i
} ck_attention;

/// Scratch floats of a forward or a backward pass.
size_t ck_attention_scratch(const ck_attention *shape, int backward);

/// out = softmax(scale q k') v. statistics: 2 * queries floats, the maximum of each row of scale q k', and one over the
/// sum of its exponentials.
void ck_attention_forward(const ck_attention *shape, const float *q, const float *k, const float *v, float *out,
                          float *statistics, float *scratch);

/// The adjoints dq, dk, dv of q, k, v from that of out, by the statistics of the forward pass.
void ck_attention_backward(const ck_attention *shape, const float *q, const float *k, const float *v, const float *out,
                           const float *dout, const float *statistics, float *dq, float *dk, float *dv,
                           float *scratch);
