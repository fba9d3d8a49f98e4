// SPDX-License-Identifier: GPL-3.0-or-later
#include "ck_distances.h"
#include "vector64.h"

CK_INLINE f64x8 squared_distances(const double *x, size_t dimension, const double *y, size_t stride) {
  f64x8 sum = f64_all(0);
  for (size_t d = 0; d < dimension; d++) {
    f64x8 difference = f64_load(y + d * stride) - x[d];
    sum += difference * difference;
  }
  return sum;
}

/// All ones in the first n lanes.
CK_INLINE i64x8 first_lanes(size_t n) {
  return (i64x8){0, 1, 2, 3, 4, 5, 6, 7} < (int64_t)n;
}

CK_KERNEL(void, ck_distance_sums, (double *sums, const double *x, size_t rows, size_t dimension,
                                const double *y_transposed, size_t others, size_t stride),
          (sums, x, rows, dimension, y_transposed, others, stride)) {
  for (size_t i = 0; i < rows; i++, x += dimension) {
    f64x8 total = f64_all(0);
    for (size_t j = 0; j < others; j += 8) {
      f64x8 d = __builtin_elementwise_sqrt(squared_distances(x, dimension, y_transposed + j, stride));
      total += others - j < 8 ? f64_select(first_lanes(others - j), d, f64_all(0)) : d;
    }
    sums[i] = f64_sum(total);
  }
}

CK_KERNEL(void, ck_gaussian_sums, (double *sums, const double *x, size_t rows, size_t dimension,
                                const double *y_transposed, size_t others, size_t stride,
                                const double *inverse_widths, size_t kernels),
          (sums, x, rows, dimension, y_transposed, others, stride, inverse_widths, kernels)) {
  for (size_t i = 0; i < rows; i++, x += dimension) {
    f64x8 total = f64_all(0);
    for (size_t j = 0; j < others; j += 8) {
      f64x8 d = squared_distances(x, dimension, y_transposed + j, stride), value = f64_all(0);
      for (size_t k = 0; k < kernels; k++) value += f64_exp(-inverse_widths[k] * d);
      total += others - j < 8 ? f64_select(first_lanes(others - j), value, f64_all(0)) : value;
    }
    sums[i] = f64_sum(total);
  }
}
