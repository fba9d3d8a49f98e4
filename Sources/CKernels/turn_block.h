// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include "vector32.h"

/// Transposes a 16 x 16 block: halves, quarters, pairs and neighbours change places.
CK_INLINE void turn_block(const float *from, float *to) {
  f32x16 v[16], t[16];
  for (int i = 0; i < 16; i++) v[i] = f32_load(from + 16 * i, 16);
  for (int i = 0; i < 16; i++) {
    const f32x16 a = v[i & ~8], b = v[i | 8];
    t[i] = i & 8 ? __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31)
                 : __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
  }
  for (int i = 0; i < 16; i++) {
    const f32x16 a = t[i & ~4], b = t[i | 4];
    v[i] = i & 4 ? __builtin_shufflevector(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31)
                 : __builtin_shufflevector(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27);
  }
  for (int i = 0; i < 16; i++) {
    const f32x16 a = v[i & ~2], b = v[i | 2];
    t[i] = i & 2 ? __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
                 : __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
  }
  for (int i = 0; i < 16; i++) {
    const f32x16 a = t[i & ~1], b = t[i | 1];
    f32_store(to + 16 * i,
              i & 1 ? __builtin_shufflevector(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31)
                    : __builtin_shufflevector(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30),
              16);
  }
}
