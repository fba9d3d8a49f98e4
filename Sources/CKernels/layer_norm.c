// SPDX-License-Identifier: GPL-3.0-or-later
#include "ck_tensor.h"
#include "vector32.h"

/// Sixteen values less `mean`; lanes behind the last value stay 0, so that they add nothing to a sum.
CK_INLINE f32x16 centred(const float *x, float mean, size_t n) {
  f32x16 v = f32_load(x, n) - mean;
  if (n < 16)
    for (size_t l = n; l < 16; l++) v[l] = 0;
  return v;
}

CK_KERNEL(void, ck_layer_norm,
          (float *y, float *statistics, const float *x, const float *scale, const float *shift, double epsilon,
           size_t rows, size_t columns),
          (y, statistics, x, scale, shift, epsilon, rows, columns)) {
  for (size_t r = 0; r < rows; r++, x += columns, y += columns, statistics += 2) {
    f32x16 sum = f32_all(0);
    for (size_t i = 0; i < columns; i += 16) sum += f32_load(x + i, columns - i);
    const float mean = (float)(f32_sum(sum) / (double)columns);
    f32x16 squares = f32_all(0);
    for (size_t i = 0; i < columns; i += 16) {
      const f32x16 v = centred(x + i, mean, columns - i);
      squares += v * v;
    }
    const float root = (float)(1 / __builtin_elementwise_sqrt(f32_sum(squares) / (double)columns + epsilon));
    statistics[0] = mean;
    statistics[1] = root;
    for (size_t i = 0; i < columns; i += 16) {
      const size_t n = columns - i;
      f32_store(y + i, f32_load(scale + i, n) * (root * (f32_load(x + i, n) - mean)) + f32_load(shift + i, n), n);
    }
  }
}

CK_KERNEL(void, ck_layer_norm_backward,
          (float *dx, float *dscale, float *dshift, const float *dy, const float *x, const float *statistics,
           const float *scale, size_t rows, size_t columns),
          (dx, dscale, dshift, dy, x, statistics, scale, rows, columns)) {
  if (dscale) memset(dscale, 0, columns * sizeof(float));
  if (dshift) memset(dshift, 0, columns * sizeof(float));
  for (size_t r = 0; r < rows; r++, x += columns, dy += columns, statistics += 2) {
    const float mean = statistics[0], root = statistics[1];
    // With n = root (x - mean) and g = scale dy: dx = root (g - mean(g) - n mean(g n)).
    f32x16 gains = f32_all(0), products = f32_all(0);
    for (size_t i = 0; i < columns; i += 16) {
      const size_t n = columns - i;
      const f32x16 d = f32_load(dy + i, n), normal = root * centred(x + i, mean, n), g = d * f32_load(scale + i, n);
      gains += g;
      products += g * normal;
      if (dscale) f32_store(dscale + i, f32_load(dscale + i, n) + d * normal, n);
      if (dshift) f32_store(dshift + i, f32_load(dshift + i, n) + d, n);
    }
    if (!dx) continue;
    const float gain = (float)(f32_sum(gains) / (double)columns);
    const float product = (float)(f32_sum(products) / (double)columns);
    for (size_t i = 0; i < columns; i += 16) {
      const size_t n = columns - i;
      const f32x16 normal = root * (f32_load(x + i, n) - mean);
      f32_store(dx + i, root * (f32_load(dy + i, n) * f32_load(scale + i, n) - gain - normal * product), n);
    }
    dx += columns;
  }
}
