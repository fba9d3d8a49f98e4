// SPDX-License-Identifier: GPL-3.0-or-later
#include "ck_neighbours.h"
#include "vector64.h"

/// Rows of x that share each load of y; columns of y that stay in the cache while all rows pass.
enum { BLOCK = 8, TILE_BYTES = 1 << 17 };

/// out[r] = |x_r - y_j|^2 of eight rows of x, for eight j.
CK_INLINE void squares_of_block(f64x8 out[BLOCK], const double *const x[BLOCK], size_t dimension, const double *y,
                                size_t stride) {
  for (int r = 0; r < BLOCK; r++) out[r] = f64_all(0);
  for (size_t d = 0; d < dimension; d++) {
    f64x8 column = f64_load(y + d * stride);
#pragma clang loop unroll(full)
    for (int r = 0; r < BLOCK; r++) {
      f64x8 difference = column - x[r][d];
      out[r] += difference * difference;
    }
  }
}

/// Whether any lane is not above the bound.
CK_INLINE int any_within(f64x8 squares, f64x8 bounds) {
  return __builtin_reduce_or((i64x8)(squares <= bounds)) != 0;
}

CK_INLINE size_t tile_columns(size_t dimension) {
  size_t columns = TILE_BYTES / (8 * dimension) & ~(size_t)7;
  return columns < 8 ? 8 : columns;
}

/// Puts a distance in its place among the k smallest so far.
CK_INLINE void insert(double *squares, int32_t *places, size_t k, double square, size_t place) {
  size_t at = k - 1;
  while (at > 0 && squares[at - 1] > square) {
    squares[at] = squares[at - 1];
    if (places) places[at] = places[at - 1];
    at--;
  }
  squares[at] = square;
  if (places) places[at] = (int32_t)place;
}

CK_KERNEL(void, ck_nearest, (double *squares, int32_t *places, const double *x, size_t rows, size_t dimension,
                          const double *y_transposed, size_t others, size_t stride, size_t k, ptrdiff_t own),
          (squares, places, x, rows, dimension, y_transposed, others, stride, k, own)) {
  for (size_t i = 0; i < rows * k; i++) {
    squares[i] = INFINITY;
    if (places) places[i] = -1;
  }
  size_t tile = tile_columns(dimension);
  for (size_t first = 0; first < others; first += tile) {
    size_t end = first + tile < others ? first + tile : others;
    for (size_t i = 0; i < rows; i += BLOCK) {
      size_t count = rows - i < BLOCK ? rows - i : BLOCK;
      const double *block[BLOCK];
      for (size_t r = 0; r < BLOCK; r++) block[r] = x + (i + (r < count ? r : 0)) * dimension;
      for (size_t j = first; j < end; j += 8) {
        f64x8 found[BLOCK];
        squares_of_block(found, block, dimension, y_transposed + j, stride);
        for (size_t r = 0; r < count; r++) {
          double *best = squares + (i + r) * k;
          if (!any_within(found[r], f64_all(best[k - 1]))) continue;
          for (size_t lane = 0; lane < 8 && j + lane < end; lane++) {
            double square = found[r][lane];
            if (square < best[k - 1] && (own < 0 || j + lane != (size_t)own + i + r))
              insert(best, places ? places + (i + r) * k : 0, k, square, j + lane);
          }
        }
      }
    }
  }
}

CK_KERNEL(void, ck_within, (const double *x, size_t rows, size_t dimension, const double *y_transposed, size_t others,
                         size_t stride, const double *squares, void *context,
                         void (*report)(void *context, size_t i, size_t j, double square)),
          (x, rows, dimension, y_transposed, others, stride, squares, context, report)) {
  size_t tile = tile_columns(dimension);
  for (size_t first = 0; first < others; first += tile) {
    size_t end = first + tile < others ? first + tile : others;
    for (size_t i = 0; i < rows; i += BLOCK) {
      size_t count = rows - i < BLOCK ? rows - i : BLOCK;
      const double *block[BLOCK];
      for (size_t r = 0; r < BLOCK; r++) block[r] = x + (i + (r < count ? r : 0)) * dimension;
      for (size_t j = first; j < end; j += 8) {
        f64x8 found[BLOCK], bounds = f64_all(-1);
        if (end - j >= 8) bounds = f64_load(squares + j);
        else
          for (size_t lane = 0; lane < end - j; lane++) bounds[lane] = squares[j + lane];
        squares_of_block(found, block, dimension, y_transposed + j, stride);
        for (size_t r = 0; r < count; r++) {
          if (!any_within(found[r], bounds)) continue;
          for (size_t lane = 0; lane < 8; lane++)
            if (found[r][lane] <= bounds[lane]) report(context, i + r, j + lane, found[r][lane]);
        }
      }
    }
  }
}
