// SPDX-License-Identifier: GPL-3.0-or-later
// Elementary functions of eight doubles for every double, with infinities and NaN as libm has them. What is smaller
// than 2^-1022 counts as 0.
#pragma once
#include "vector64.h"

CK_INLINE f64x8 f64_exp_whole(f64x8 x) {
  // Up to 708 the vector function is right; its bits run over just above 709.
  f64x8 low = f64_select(x > 708.0, f64_all(708), x), y = f64_exp(low);
  y *= f64_select(x > 708.0, f64_exp(f64_select(x > 710.0, f64_all(2), x - 708.0)), f64_all(1));
  y = f64_select(x < -708.0, f64_all(0), y);
  y = f64_select(x > 710.0, f64_all(INFINITY), y);
  return f64_select(x != x, x, y);
}

CK_INLINE f64x8 f64_log_whole(f64x8 x) {
  f64x8 y = f64_log(x);
  y = f64_select(x < 0x1p-1022, f64_select(x < 0.0, f64_all(NAN), f64_all(-INFINITY)), y);
  return f64_select((x == INFINITY) | (x != x), x, y);
}

/// ln(1 + e) for 0 <= e <= 1, to a few units in the last place (Kahan).
CK_INLINE f64x8 f64_log1p_unit(f64x8 e) {
  f64x8 u = 1.0 + e, d = u - 1.0;
  return f64_select(d == 0.0, e, f64_log(u) * (e / d));
}

/// ln(e^a + e^b)
CK_INLINE f64x8 f64_logaddexp(f64x8 a, f64x8 b) {
  i64x8 swap = b > a;
  f64x8 high = f64_select(swap, b, a), low = f64_select(swap, a, b);
  f64x8 y = high + f64_log1p_unit(f64_exp(f64_select(low == high, f64_all(0), low - high)));
  y = f64_select((high == INFINITY) | (high == -INFINITY), high, y);
  return f64_select((a != a) | (b != b), a + b, y);
}

/// The rational function of Cephes (Moshier 1992) up to 0.625, above it 1 - 2 / (e^2x + 1).
CK_INLINE f64x8 f64_tanh(f64x8 x) {
  f64x8 size = (f64x8)((i64x8)x & i64_all(INT64_MAX));
  f64x8 z = x * x;
  f64x8 p = (z * -9.64399179425052238628E-1 - 9.92877231001918586564E1) * z - 1.61468768441708447952E3;
  f64x8 q = ((z + 1.12811678491632931402E2) * z + 2.23548839060100448583E3) * z + 4.84406305325125486048E3;
  f64x8 small = x + x * z * (p / q);
  f64x8 large = 1.0 - 2.0 / (f64_exp(f64_select(size > 20.0, f64_all(40), size + size)) + 1.0);
  large = (f64x8)((i64x8)large | ((i64x8)x & i64_all(INT64_MIN)));
  f64x8 y = f64_select(size < 0.625, small, large);
  return f64_select(x != x, x, y);
}
