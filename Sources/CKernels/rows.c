// SPDX-License-Identifier: GPL-3.0-or-later
#include "ck_rows.h"
#include "vector64.h"

CK_KERNEL(void, ck_add_scaled, (double *out, const double *x, double a, size_t n),
          (out, x, a, n)) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) f64_store(out + i, f64_load(out + i) + a * f64_load(x + i));
  for (; i < n; i++) out[i] += a * x[i];
}

CK_KERNEL(void, ck_combine, (double *out, double a, const double *x, double b, const double *y, size_t n),
          (out, a, x, b, y, n)) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) f64_store(out + i, a * f64_load(x + i) + b * f64_load(y + i));
  for (; i < n; i++) out[i] = a * x[i] + b * y[i];
}

CK_KERNEL(void, ck_combine3, (double *out, double a, const double *x, double b, const double *y, double c,
                           const double *z, size_t n),
          (out, a, x, b, y, c, z, n)) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8)
    f64_store(out + i, a * f64_load(x + i) + b * f64_load(y + i) + c * f64_load(z + i));
  for (; i < n; i++) out[i] = a * x[i] + b * y[i] + c * z[i];
}

// Narrow blocks go row by row through the matrix; the wide ones, of images, are loops of their own width.
CK_KERNEL(void, ck_add_blocks, (double *restrict out, const double *matrix, size_t to, size_t from, size_t width,
                                double times, const double *restrict x, size_t rows),
          (out, matrix, to, from, width, times, x, rows)) {
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < to; i++)
      for (size_t k = 0; k < from; k++) {
        double c = times * matrix[i * from + k];
        if (c == 0) continue;
        double *o = out + (r * to + i) * width;
        const double *in = x + (r * from + k) * width;
        for (size_t j = 0; j < width; j++) o[j] += c * in[j];
      }
}

CK_KERNEL(void, ck_combine_all, (double *out, const double *coefficients, const double *const *x, size_t terms, size_t n),
          (out, coefficients, x, terms, n)) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    f64x8 sum = coefficients[0] * f64_load(x[0] + i);
    for (size_t k = 1; k < terms; k++) sum += coefficients[k] * f64_load(x[k] + i);
    f64_store(out + i, sum);
  }
  for (; i < n; i++) {
    double sum = coefficients[0] * x[0][i];
    for (size_t k = 1; k < terms; k++) sum += coefficients[k] * x[k][i];
    out[i] = sum;
  }
}

CK_KERNEL(double, ck_error_ratio, (const double *high, const double *low, const double *a, const double *b,
                                double atol, double rtol, int sum, size_t rows, size_t dimension),
          (high, low, a, b, atol, rtol, sum, rows, dimension)) {
  double largest = 0;
  for (size_t r = 0; r < rows; r++) {
    double squares = 0;
    for (size_t i = r * dimension; i < (r + 1) * dimension; i++) {
      double size = __builtin_fmax(__builtin_fabs(a[i]), __builtin_fabs(b[i])) * rtol;
      double error = (high[i] - low[i]) / (sum ? atol + size : __builtin_fmax(atol, size));
      squares += error * error;
    }
    // NaN compares false: it is kept once met.
    if (!(squares <= largest)) largest = squares;
    if (squares != squares) break;
  }
  return __builtin_elementwise_sqrt(largest / (double)dimension);
}

CK_KERNEL(double, ck_mean_norm, (const double *x, size_t rows, size_t dimension),
          (x, rows, dimension)) {
  double total = 0;
  for (size_t r = 0; r < rows; r++, x += dimension) {
    f64x8 squares = f64_all(0);
    size_t j = 0;
    for (; j + 8 <= dimension; j += 8) {
      f64x8 v = f64_load(x + j);
      squares += v * v;
    }
    double sum = f64_sum(squares);
    for (; j < dimension; j++) sum += x[j] * x[j];
    total += __builtin_elementwise_sqrt(sum);
  }
  return rows ? total / (double)rows : 0;
}

CK_KERNEL(size_t, ck_first_nonfinite, (const double *x, size_t n),
          (x, n)) {
  // x - x is 0 for finite x and NaN otherwise, and NaN survives the sum.
  f64x8 sum = f64_all(0);
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    f64x8 v = f64_load(x + i);
    sum += v - v;
  }
  double total = f64_sum(sum);
  for (; i < n; i++) total += x[i] - x[i];
  if (total == 0) return n;
  for (i = 0; i < n; i++)
    if (!__builtin_isfinite(x[i])) return i;
  return n;
}

CK_KERNEL(void, ck_to_float, (float *out, const double *x, double scale, size_t n),
          (out, x, scale, n)) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8)
    *(f32x8_unaligned *)(out + i) = __builtin_convertvector(scale * f64_load(x + i), f32x8_unaligned);
  for (; i < n; i++) out[i] = (float)(scale * x[i]);
}

CK_KERNEL(void, ck_combine_float, (double *out, double a, const double *x, double b, const float *y, size_t n),
          (out, a, x, b, y, n)) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    f64x8 wide = __builtin_convertvector(*(const f32x8_unaligned *)(y + i), f64x8);
    f64_store(out + i, a * f64_load(x + i) + b * wide);
  }
  for (; i < n; i++) out[i] = a * x[i] + b * (double)y[i];
}
