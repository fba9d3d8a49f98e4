// SPDX-License-Identifier: GPL-3.0-or-later
// Sixteen floats at a time.
#pragma once
#include <stdint.h>
#include "dispatch.h"
#include "vector64.h"
#pragma clang fp contract(fast)

typedef float f32x16 __attribute__((vector_size(64)));
typedef int32_t i32x16 __attribute__((vector_size(64)));
typedef float f32x16_unaligned __attribute__((vector_size(64), aligned(4)));

CK_INLINE f32x16 f32_all(float a) { return (f32x16){a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a}; }
/// The values p[0 ..< n] for n < 16, else sixteen of them; the other lanes are 0.
CK_INLINE f32x16 f32_load(const float *p, size_t n) {
  if (n >= 16) return *(const f32x16_unaligned *)p;
  f32x16 a = f32_all(0);
  memcpy(&a, p, n * sizeof(float));
  return a;
}
CK_INLINE void f32_store(float *p, f32x16 a, size_t n) {
  if (n >= 16)
    *(f32x16_unaligned *)p = a;
  else
    memcpy(p, &a, n * sizeof(float));
}
/// The sum of the lanes, in double.
CK_INLINE double f32_sum(f32x16 a) {
  f64x8 low = __builtin_convertvector(__builtin_shufflevector(a, a, 0, 1, 2, 3, 4, 5, 6, 7), f64x8);
  f64x8 high = __builtin_convertvector(__builtin_shufflevector(a, a, 8, 9, 10, 11, 12, 13, 14, 15), f64x8);
  return f64_sum(low + high);
}

/// exp(x), clamped to |x| <= 87; about 1 unit in the last place.
CK_INLINE f32x16 f32_exp(f32x16 x) {
  x = __builtin_elementwise_min(__builtin_elementwise_max(x, f32_all(-87.0f)), f32_all(87.0f));
  const f32x16 magic = f32_all(0x1.8p23f);
  f32x16 shifted = x * 1.44269504f + magic;
  i32x16 n = (i32x16)shifted;
  f32x16 k = shifted - magic;
  f32x16 r = x - k * 0x1.62e400p-1f;
  r = r - k * 0x1.7f7d1cp-20f;
  f32x16 p = r * (1.0f / 5040) + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  return (f32x16)((i32x16)p + (n << 23));
}
