// SPDX-License-Identifier: GPL-3.0-or-later
#include "ck_distances.h"
#include "vector32.h"
#include "vector64.h"

enum { PANEL = 16, PANEL_FLOAT = 32 };

/// R rows against one panel: 2 R sums stay in registers.
#define CK_TILE(R, products)                                                                       \
  do {                                                                                             \
    f64x8 sums[R][2];                                                                              \
    for (int r = 0; r < R; r++) sums[r][0] = sums[r][1] = f64_all(0);                              \
    for (size_t d = 0; d < dimension; d++) {                                                       \
      f64x8 y0 = f64_load(panel + d * PANEL), y1 = f64_load(panel + d * PANEL + 8);                \
      for (int r = 0; r < R; r++) {                                                                \
        f64x8 value = f64_all(x[(i + r) * dimension + d]);                                         \
        f64x8 a = (products) ? value : y0 - value, b = (products) ? value : y1 - value;            \
        sums[r][0] += a * ((products) ? y0 : a);                                                   \
        sums[r][1] += b * ((products) ? y1 : b);                                                   \
      }                                                                                            \
    }                                                                                              \
    for (int r = 0; r < R; r++) {                                                                  \
      f64_store(block + (i + r) * stride + p * PANEL, sums[r][0]);                                 \
      f64_store(block + (i + r) * stride + p * PANEL + 8, sums[r][1]);                             \
    }                                                                                              \
  } while (0)

#define CK_BLOCK(products)                                         \
  for (size_t p = 0; p < panel_count; p++) {                       \
    const double *panel = panels + p * dimension * PANEL;          \
    size_t i = 0;                                                  \
    for (; i + 6 <= rows; i += 6) CK_TILE(6, products);            \
    for (; i < rows; i++) CK_TILE(1, products);                    \
  }

CK_KERNEL(void, ck_squared_distances, (double *block, size_t stride, const double *x, size_t rows, size_t dimension,
                                       const double *panels, size_t panel_count),
          (block, stride, x, rows, dimension, panels, panel_count)) {
  CK_BLOCK(0)
}

CK_KERNEL(void, ck_products, (double *block, size_t stride, const double *x, size_t rows, size_t dimension,
                              const double *panels, size_t panel_count),
          (block, stride, x, rows, dimension, panels, panel_count)) {
  CK_BLOCK(1)
}

/// All ones in the first n lanes.
CK_INLINE i64x8 first_lanes(size_t n) {
  return (i64x8){0, 1, 2, 3, 4, 5, 6, 7} < (int64_t)n;
}

/// The kernel of two vectors of distances or products.
CK_INLINE void pair_kernel(f64x8 v[2], enum ck_pair_kernel kernel, double a) {
  if (kernel == CK_DISTANCE) {
    for (int s = 0; s < 2; s++) v[s] = __builtin_elementwise_sqrt(v[s]);
  } else if (kernel == CK_CUBIC) {
    for (int s = 0; s < 2; s++) {
      f64x8 b = v[s] * a + 1.0;
      v[s] = b * b * b;
    }
  } else {
    for (int s = 0; s < 2; s++) v[s] = v[s] * -a;
    f64_exps(v, 2);
    for (int s = 0; s < 2; s++) {
      // Each width is half of the one before it, so that its kernel is the fourth power.
      f64x8 sum = v[s], power = v[s];
      for (int k = 1; k < 5; k++) {
        power = power * power;
        power = power * power;
        sum += power;
      }
      v[s] = sum * 0.2;
    }
  }
}

CK_INLINE double pair_sums(const double *block, size_t stride, size_t rows, size_t columns, enum ck_pair_kernel kernel,
                           double a, double *row_sums, double *column_sums) {
  f64x8 squares = f64_all(0);
  for (size_t i = 0; i < rows; i++, block += stride) {
    f64x8 total = f64_all(0);
    for (size_t j = 0; j < columns; j += 16) {
      f64x8 v[2] = {f64_load(block + j), f64_load(block + j + 8)};
      pair_kernel(v, kernel, a);
      if (columns - j >= 16) {
        for (int s = 0; s < 2; s++) {
          f64_store(column_sums + j + 8 * s, f64_load(column_sums + j + 8 * s) + v[s]);
        }
      } else {
        for (int s = 0; s < 2; s++) {
          size_t left = columns - j > 8 * (size_t)s ? columns - j - 8 * s : 0;
          v[s] = f64_select(first_lanes(left), v[s], f64_all(0));
          for (size_t l = 0; l < 8 && l < left; l++) column_sums[j + 8 * s + l] += v[s][l];
        }
      }
      total += v[0] + v[1];
      squares += v[0] * v[0] + v[1] * v[1];
    }
    row_sums[i] += f64_sum(total);
  }
  return f64_sum(squares);
}

CK_KERNEL(double, ck_pair_sums, (const double *block, size_t stride, size_t rows, size_t columns,
                                 enum ck_pair_kernel kernel, double a, double *row_sums, double *column_sums),
          (block, stride, rows, columns, kernel, a, row_sums, column_sums)) {
  if (kernel == CK_DISTANCE) return pair_sums(block, stride, rows, columns, CK_DISTANCE, a, row_sums, column_sums);
  if (kernel == CK_GAUSSIANS) return pair_sums(block, stride, rows, columns, CK_GAUSSIANS, a, row_sums, column_sums);
  return pair_sums(block, stride, rows, columns, CK_CUBIC, a, row_sums, column_sums);
}

/// Whether any lane of a mask is set.
CK_INLINE int any_lane(i64x8 mask) {
  return (mask[0] | mask[1] | mask[2] | mask[3] | mask[4] | mask[5] | mask[6] | mask[7]) != 0;
}

CK_INLINE void insert(double *values, int32_t *indices, size_t count, double value, int32_t index) {
  if (!(value < values[count - 1])) return;
  size_t place = count - 1;
  for (; place > 0 && value < values[place - 1]; place--) {
    values[place] = values[place - 1];
    indices[place] = indices[place - 1];
  }
  values[place] = value;
  indices[place] = index;
}

CK_KERNEL(void, ck_merge_smallest, (double *values, int32_t *indices, size_t count, const double *block, size_t stride,
                                    size_t rows, size_t columns, const double *offsets, size_t first),
          (values, indices, count, block, stride, rows, columns, offsets, first)) {
  for (size_t i = 0; i < rows; i++, block += stride, values += count, indices += count) {
    size_t j = 0;
    for (; j + 8 <= columns; j += 8) {
      f64x8 v = f64_load(block + j);
      if (offsets) v = v - f64_load(offsets + j);
      if (!any_lane(v < f64_all(values[count - 1]))) continue;
      for (int l = 0; l < 8; l++) insert(values, indices, count, v[l], (int32_t)(first + j + l));
    }
    for (; j < columns; j++) {
      insert(values, indices, count, block[j] - (offsets ? offsets[j] : 0), (int32_t)(first + j));
    }
  }
}

#define CK_TILE_FLOAT(R)                                                                                \
  do {                                                                                                  \
    f32x16 sums[R][2];                                                                                  \
    for (int r = 0; r < R; r++) sums[r][0] = sums[r][1] = f32_all(0);                                   \
    for (size_t d = 0; d < dimension; d++) {                                                            \
      f32x16 y0 = f32_load(panel + d * PANEL_FLOAT, 16), y1 = f32_load(panel + d * PANEL_FLOAT + 16, 16); \
      for (int r = 0; r < R; r++) {                                                                     \
        f32x16 value = f32_all(x[(i + r) * dimension + d]), a = y0 - value, b = y1 - value;             \
        sums[r][0] += a * a;                                                                            \
        sums[r][1] += b * b;                                                                            \
      }                                                                                                 \
    }                                                                                                   \
    for (int r = 0; r < R; r++) {                                                                       \
      f32_store(block + (i + r) * stride + p * PANEL_FLOAT, sums[r][0], 16);                            \
      f32_store(block + (i + r) * stride + p * PANEL_FLOAT + 16, sums[r][1], 16);                       \
    }                                                                                                   \
  } while (0)

CK_KERNEL(void, ck_squared_distances_float, (float *block, size_t stride, const float *x, size_t rows, size_t dimension,
                                             const float *panels, size_t panel_count),
          (block, stride, x, rows, dimension, panels, panel_count)) {
  for (size_t p = 0; p < panel_count; p++) {
    const float *panel = panels + p * dimension * PANEL_FLOAT;
    size_t i = 0;
    for (; i + 6 <= rows; i += 6) CK_TILE_FLOAT(6);
    for (; i < rows; i++) CK_TILE_FLOAT(1);
  }
}

CK_KERNEL(void, ck_merge_exponentials, (double *largest, double *sums, const float *block, size_t stride, size_t rows,
                                        size_t columns, float scale, const float *offsets),
          (largest, sums, block, stride, rows, columns, scale, offsets)) {
  for (size_t i = 0; i < rows; i++, block += stride) {
    f32x16 highest = f32_all(-INFINITY);
    size_t j = 0;
    for (; j + 16 <= columns; j += 16) {
      highest = __builtin_elementwise_max(highest, f32_load(offsets + j, 16) - scale * f32_load(block + j, 16));
    }
    float top = highest[0];
    for (int l = 1; l < 16; l++) top = top > highest[l] ? top : highest[l];
    for (size_t t = j; t < columns; t++) {
      float v = offsets[t] - scale * block[t];
      top = top > v ? top : v;
    }
    f32x16 total = f32_all(0);
    for (j = 0; j + 16 <= columns; j += 16) {
      total += f32_exp((f32_load(offsets + j, 16) - scale * f32_load(block + j, 16)) - top);
    }
    double sum = f32_sum(total);
    for (; j < columns; j++) sum += exp((double)(offsets[j] - scale * block[j] - top));
    double before = largest[i];
    if (before >= (double)top) {
      sums[i] += sum * exp((double)top - before);
    } else {
      sums[i] = sum + sums[i] * exp(before - (double)top);
      largest[i] = (double)top;
    }
  }
}
