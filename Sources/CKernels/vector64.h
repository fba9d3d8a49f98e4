// SPDX-License-Identifier: GPL-3.0-or-later
// Eight doubles at a time, with the elementary functions the kernels need.
// Polynomials: exp by its Taylor series on |r| <= ln2/2; log, sin and cos with the coefficients of fdlibm
// (Sun Microsystems 1993). Each is within 1.5 units in the last place on its stated range (tested).
#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "dispatch.h"
#pragma clang fp contract(fast)

typedef double f64x8 __attribute__((vector_size(64)));
typedef int64_t i64x8 __attribute__((vector_size(64)));
typedef uint64_t u64x8 __attribute__((vector_size(64)));
/// Eight floats, which doubles are converted from and to.
typedef float f32x8_unaligned __attribute__((vector_size(32), aligned(4)));
typedef double f64x8_unaligned __attribute__((vector_size(64), aligned(8)));

CK_INLINE f64x8 f64_all(double a) { return (f64x8){a, a, a, a, a, a, a, a}; }
CK_INLINE i64x8 i64_all(int64_t a) { return (i64x8){a, a, a, a, a, a, a, a}; }
CK_INLINE f64x8 f64_load(const double *p) { return *(const f64x8_unaligned *)p; }
CK_INLINE void f64_store(double *p, f64x8 a) { *(f64x8_unaligned *)p = a; }

CK_INLINE void f64_store_part(double *p, f64x8 a, size_t n) {
  for (size_t i = 0; i < n; i++) p[i] = a[i];
}

CK_INLINE f64x8 f64_select(i64x8 mask, f64x8 yes, f64x8 no) {
  return (f64x8)((mask & (i64x8)yes) | (~mask & (i64x8)no));
}
/// b where one of them is NaN, as the instruction has it; __builtin_elementwise_max takes three.
CK_INLINE f64x8 f64_max(f64x8 a, f64x8 b) {
  for (int i = 0; i < 8; i++) a[i] = a[i] > b[i] ? a[i] : b[i];
  return a;
}
CK_INLINE double f64_sum(f64x8 a) {
  return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
}

/// exp(x) for x <= 709, of `n` <= 4 vectors side by side; below -708 it stays at exp(-708), about 3e-308.
CK_INLINE void f64_exps(f64x8 *x, int n) {
  static const double coefficients[] = {
      1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040, 1.0 / 720,
      1.0 / 120,       1.0 / 24,       1.0 / 6,       0.5,          1.0,         1.0};
  const f64x8 magic = f64_all(0x1.8p52);
  i64x8 shift[4];
  f64x8 r[4], p[4];
  for (int i = 0; i < n; i++) {
    f64x8 a = f64_max(x[i], f64_all(-708.0)), shifted = a * 1.4426950408889634 + magic, k = shifted - magic;
    shift[i] = (i64x8)shifted << 52;
    r[i] = a - k * 0x1.62e42fefa3800p-1;
    r[i] = r[i] - k * 0x1.ef35793c76730p-45;
    p[i] = f64_all(coefficients[0]);
  }
#pragma clang loop unroll(full)
  for (int c = 1; c < 13; c++)
    for (int i = 0; i < n; i++) p[i] = p[i] * r[i] + coefficients[c];
  for (int i = 0; i < n; i++) x[i] = (f64x8)((i64x8)p[i] + shift[i]);
}
CK_INLINE f64x8 f64_exp(f64x8 x) {
  f64_exps(&x, 1);
  return x;
}

/// ln(x) for finite, normal x > 0.
CK_INLINE f64x8 f64_log(f64x8 x) {
  i64x8 bits = (i64x8)x;
  i64x8 k = (bits - 0x3fe6a09e667f3bcd) >> 52;
  f64x8 f = (f64x8)(bits - (k << 52)) - 1.0;
  f64x8 s = f / (2.0 + f), z = s * s;
  f64x8 p = z * 1.479819860511658591e-01 + 1.531383769920937332e-01;
  p = p * z + 1.818357216161805012e-01;
  p = p * z + 2.222219843214978396e-01;
  p = p * z + 2.857142874366239149e-01;
  p = p * z + 3.999999999940941908e-01;
  p = p * z + 6.666666666666735130e-01;
  p = p * z;
  f64x8 half = 0.5 * f * f, e = __builtin_convertvector(k, f64x8);
  return e * 6.93147180369123816490e-01 - ((half - (s * (half + p) + e * 1.90821492927058770002e-10)) - f);
}

/// sin and cos of 2 pi u for 0 <= u <= 1; the reduction to an eighth of a turn is exact.
CK_INLINE void f64_sincos_turns(f64x8 u, f64x8 *sine, f64x8 *cosine) {
  const f64x8 magic = f64_all(0x1.8p52);
  f64x8 v = 4.0 * u, shifted = v + magic;
  i64x8 q = (i64x8)shifted;
  f64x8 a = (v - (shifted - magic)) * 1.57079632679489661923, z = a * a;
  f64x8 s = z * 1.58969099521155010221e-10 - 2.50507602534068634195e-08;
  s = s * z + 2.75573137070700676789e-06;
  s = s * z - 1.98412698298579493134e-04;
  s = s * z + 8.33333333332248946124e-03;
  s = s * z - 1.66666666666666324348e-01;
  s = a + a * z * s;
  f64x8 c = z * -1.13596475577881948265e-11 + 2.08757232129817482790e-09;
  c = c * z - 2.75573143513906633035e-07;
  c = c * z + 2.48015872894767294178e-05;
  c = c * z - 1.38888888888741095749e-03;
  c = c * z + 4.16666666666666019037e-02;
  c = 1.0 - 0.5 * z + z * z * c;
  i64x8 swap = -(q & 1);
  i64x8 sine_sign = (q & 2) << 62, cosine_sign = ((q + 1) & 2) << 62;
  *sine = (f64x8)((i64x8)f64_select(swap, c, s) ^ sine_sign);
  *cosine = (f64x8)((i64x8)f64_select(swap, s, c) ^ cosine_sign);
}
