// SPDX-License-Identifier: GPL-3.0-or-later
#include "turn.h"
#include "turn_block.h"

CK_KERNEL(void, ck_turn_weights,
          (float *out, const float *w, size_t in_blocks, size_t out_blocks, size_t taps, int swapped),
          (out, w, in_blocks, out_blocks, taps, swapped)) {
  for (size_t o = 0; o < out_blocks; o++)
    for (size_t i = 0; i < in_blocks; i++) {
      float *to = out + (swapped ? i * out_blocks + o : o * in_blocks + i) * taps * 256;
      for (size_t k = 0; k < taps; k++, w += 256, to += 256) turn_block(w, to);
    }
}
