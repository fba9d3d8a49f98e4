// SPDX-License-Identifier: GPL-3.0-or-later
// Products of a few rows with a panel of 32 or 16 columns: the inner loops of Winograd's filtering and of attention.
#pragma once
#include "vector32.h"

/// m[r][0 ..< 16 vectors] (+)= sum over k of a[r * row + k * step] * b[k * width + ...], for `rows` rows.
#define PRODUCT(name, ROWS, VECTORS)                                                                                 \
  CK_INLINE void name(const float *a, size_t row, size_t step, const float *b, size_t width, size_t inner, float *m, \
                      size_t ld, int accumulate) {                                                                   \
    f32x16 sum[ROWS][VECTORS];                                                                                       \
    _Pragma("unroll") for (int r = 0; r < ROWS; r++)                                                                 \
        _Pragma("unroll") for (int q = 0; q < VECTORS; q++) sum[r][q] = f32_all(0);                                  \
    for (size_t k = 0; k < inner; k++) {                                                                             \
      f32x16 w[VECTORS];                                                                                             \
      _Pragma("unroll") for (int q = 0; q < VECTORS; q++) w[q] = *(const f32x16_unaligned *)(b + k * width + 16 * q); \
      _Pragma("unroll") for (int r = 0; r < ROWS; r++) {                                                             \
        const f32x16 v = f32_all(a[(size_t)r * row + k * step]);                                                     \
        _Pragma("unroll") for (int q = 0; q < VECTORS; q++) sum[r][q] += v * w[q];                                   \
      }                                                                                                              \
    }                                                                                                                \
    _Pragma("unroll") for (int r = 0; r < ROWS; r++) _Pragma("unroll") for (int q = 0; q < VECTORS; q++) {           \
      float *out = m + (size_t)r * ld + 16 * q;                                                                      \
      if (accumulate) sum[r][q] += f32_load(out, 16);                                                                \
      f32_store(out, sum[r][q], 16);                                                                                 \
    }                                                                                                                \
  }
PRODUCT(product_12_2, 12, 2)
PRODUCT(product_8_2, 8, 2)
PRODUCT(product_4_2, 4, 2)
PRODUCT(product_2_2, 2, 2)
PRODUCT(product_1_2, 1, 2)
PRODUCT(product_10_2, 10, 2)
PRODUCT(product_16_1, 16, 1)
PRODUCT(product_4_1, 4, 1)
PRODUCT(product_1_1, 1, 1)

/// All rows of a product with a panel of 32 or 16 columns.
CK_INLINE void product_panel(const float *a, size_t row, size_t step, const float *b, size_t width, int wide,
                             size_t inner, size_t rows, float *m, size_t ld, int accumulate) {
  size_t r = 0;
  if (wide) {
    for (; r + 12 <= rows; r += 12)
      product_12_2(a + r * row, row, step, b, width, inner, m + r * ld, ld, accumulate);
    for (; r + 8 <= rows; r += 8) product_8_2(a + r * row, row, step, b, width, inner, m + r * ld, ld, accumulate);
    for (; r + 4 <= rows; r += 4) product_4_2(a + r * row, row, step, b, width, inner, m + r * ld, ld, accumulate);
    for (; r < rows; r++) product_1_2(a + r * row, row, step, b, width, inner, m + r * ld, ld, accumulate);
  } else {
    for (; r + 16 <= rows; r += 16)
      product_16_1(a + r * row, row, step, b, width, inner, m + r * ld, ld, accumulate);
    for (; r + 4 <= rows; r += 4) product_4_1(a + r * row, row, step, b, width, inner, m + r * ld, ld, accumulate);
    for (; r < rows; r++) product_1_1(a + r * row, row, step, b, width, inner, m + r * ld, ld, accumulate);
  }
}

/// The same for few rows over a long inner size, where a row or two by themselves would wait for their own sums.
CK_INLINE void product_few(const float *a, size_t row, size_t step, const float *b, size_t width, int wide,
                           size_t inner, size_t rows, float *m, size_t ld, int accumulate) {
  if (!wide) return product_panel(a, row, step, b, width, 0, inner, rows, m, ld, accumulate);
  size_t r = 0;
  for (; r + 20 == rows || r + 10 == rows; r += 10)
    product_10_2(a + r * row, row, step, b, width, inner, m + r * ld, ld, accumulate);
  for (; r + 12 <= rows; r += 12)
    product_12_2(a + r * row, row, step, b, width, inner, m + r * ld, ld, accumulate);
  for (; r + 8 <= rows; r += 8) product_8_2(a + r * row, row, step, b, width, inner, m + r * ld, ld, accumulate);
  for (; r + 4 <= rows; r += 4) product_4_2(a + r * row, row, step, b, width, inner, m + r * ld, ld, accumulate);
  for (; r + 2 <= rows; r += 2) product_2_2(a + r * row, row, step, b, width, inner, m + r * ld, ld, accumulate);
  for (; r < rows; r++) product_1_2(a + r * row, row, step, b, width, inner, m + r * ld, ld, accumulate);
}
