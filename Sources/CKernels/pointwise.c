// SPDX-License-Identifier: GPL-3.0-or-later
#include "pointwise.h"
#include <string.h>
#include "vector32.h"

#define LOAD(p) (*(const f32x16_unaligned *)(p))

/// Some pixels and one or two blocks of outputs: sums over all inputs stay in registers.
#define PIXELS(name, ROWS, VECTORS)                                                                                   \
  CK_INLINE void name(const float *x, size_t in_plane, size_t in_blocks, const float *w, const float *bias, float *y, \
                      size_t out_plane) {                                                                             \
    f32x16 sum[ROWS][VECTORS];                                                                                        \
    _Pragma("unroll") for (int q = 0; q < VECTORS; q++) {                                                             \
      const f32x16 start = bias ? LOAD(bias + 16 * q) : f32_all(0);                                                   \
      _Pragma("unroll") for (int r = 0; r < ROWS; r++) sum[r][q] = start;                                             \
    }                                                                                                                 \
    for (size_t i = 0; i < in_blocks; i++) {                                                                          \
      const float *from = x + i * in_plane, *panel = w + i * 256;                                                     \
      for (size_t k = 0; k < 16; k++) {                                                                               \
        f32x16 v[VECTORS];                                                                                            \
        _Pragma("unroll") for (int q = 0; q < VECTORS; q++) v[q] = LOAD(panel + (size_t)q * in_blocks * 256 + 16 * k); \
        _Pragma("unroll") for (int r = 0; r < ROWS; r++) {                                                            \
          const f32x16 a = f32_all(from[16 * r + k]);                                                                 \
          _Pragma("unroll") for (int q = 0; q < VECTORS; q++) sum[r][q] += a * v[q];                                  \
        }                                                                                                             \
      }                                                                                                               \
    }                                                                                                                 \
    _Pragma("unroll") for (int q = 0; q < VECTORS; q++) _Pragma("unroll") for (int r = 0; r < ROWS; r++)              \
        f32_store(y + (size_t)q * out_plane + 16 * r, sum[r][q], 16);                                                 \
  }
PIXELS(pixels_12_2, 12, 2)
PIXELS(pixels_4_2, 4, 2)
PIXELS(pixels_1_2, 1, 2)
PIXELS(pixels_16_1, 16, 1)
PIXELS(pixels_4_1, 4, 1)
PIXELS(pixels_1_1, 1, 1)

CK_KERNEL(void, ck_pointwise_forward,
          (const ck_convolution *s, size_t images, const float *x, const float *weights, const float *bias, float *y),
          (s, images, x, weights, bias, y)) {
  const size_t in_blocks = (size_t)s->in_blocks, out_blocks = (size_t)s->out_blocks;
  const size_t pixels = (size_t)s->height * (size_t)s->width, plane = 16 * pixels;
  for (size_t n = 0; n < images; n++, x += in_blocks * plane, y += out_blocks * plane)
    // Pixels a few hundred at a time, so that all outputs read them from a near cache.
    for (size_t first = 0; first < pixels; first += 240) {
      const size_t last = first + 240 < pixels ? first + 240 : pixels;
      for (size_t o = 0; o < out_blocks; o += 2) {
        const float *w = weights + o * in_blocks * 256, *b = bias ? bias + 16 * o : NULL;
        const float *from = x + 16 * first;
        float *to = y + o * plane + 16 * first;
        size_t p = first;
        if (o + 1 < out_blocks) {
          for (; p + 12 <= last; p += 12, from += 192, to += 192) pixels_12_2(from, plane, in_blocks, w, b, to, plane);
          for (; p + 4 <= last; p += 4, from += 64, to += 64) pixels_4_2(from, plane, in_blocks, w, b, to, plane);
          for (; p < last; p++, from += 16, to += 16) pixels_1_2(from, plane, in_blocks, w, b, to, plane);
        } else {
          for (; p + 16 <= last; p += 16, from += 256, to += 256) pixels_16_1(from, plane, in_blocks, w, b, to, plane);
          for (; p + 4 <= last; p += 4, from += 64, to += 64) pixels_4_1(from, plane, in_blocks, w, b, to, plane);
          for (; p < last; p++, from += 16, to += 16) pixels_1_1(from, plane, in_blocks, w, b, to, plane);
        }
      }
    }
}

/// Eight inputs and one or two blocks of outputs, summed over pixels.
#define WEIGHTS(name, VECTORS)                                                                                     \
  CK_INLINE void name(const float *x, const float *dy, size_t out_plane, size_t pixels, f32x16 sum[8][VECTORS]) {  \
    f32x16 s[8][VECTORS];                                                                                          \
    _Pragma("unroll") for (int r = 0; r < 8; r++) _Pragma("unroll") for (int q = 0; q < VECTORS; q++) s[r][q] = sum[r][q]; \
    for (size_t p = 0; p < pixels; p++) {                                                                          \
      f32x16 v[VECTORS];                                                                                           \
      _Pragma("unroll") for (int q = 0; q < VECTORS; q++) v[q] = LOAD(dy + (size_t)q * out_plane + 16 * p);        \
      _Pragma("unroll") for (int r = 0; r < 8; r++) {                                                              \
        const f32x16 a = f32_all(x[16 * p + (size_t)r]);                                                           \
        _Pragma("unroll") for (int q = 0; q < VECTORS; q++) s[r][q] += a * v[q];                                   \
      }                                                                                                            \
    }                                                                                                              \
    _Pragma("unroll") for (int r = 0; r < 8; r++) _Pragma("unroll") for (int q = 0; q < VECTORS; q++) sum[r][q] = s[r][q]; \
  }
WEIGHTS(weights_2, 2)
WEIGHTS(weights_1, 1)

CK_KERNEL(void, ck_pointwise_back_weights,
          (const ck_convolution *s, size_t images, const float *x, const float *dy, float *dweights, float *dbias,
           int accumulate),
          (s, images, x, dy, dweights, dbias, accumulate)) {
  const size_t in_blocks = (size_t)s->in_blocks, out_blocks = (size_t)s->out_blocks;
  const size_t pixels = (size_t)s->height * (size_t)s->width, plane = 16 * pixels;
  for (size_t o = 0; o < out_blocks; o += 2) {
    const int wide = o + 1 < out_blocks;
    for (size_t i = 0; i < in_blocks; i++)
      for (size_t half = 0; half < 2; half++) {
        f32x16 two[8][2], one[8][1];
        for (int r = 0; r < 8; r++) two[r][0] = two[r][1] = one[r][0] = f32_all(0);
        for (size_t n = 0; n < images; n++) {
          const float *from = x + (n * in_blocks + i) * plane + 8 * half, *g = dy + (n * out_blocks + o) * plane;
          if (wide)
            weights_2(from, g, plane, pixels, two);
          else
            weights_1(from, g, plane, pixels, one);
        }
        for (size_t q = 0; q <= (size_t)wide; q++)
          for (size_t r = 0; r < 8; r++) {
            float *to = dweights + ((o + q) * in_blocks + i) * 256 + 16 * (8 * half + r);
            const f32x16 sum = wide ? two[r][q] : one[r][0];
            f32_store(to, accumulate ? sum + LOAD(to) : sum, 16);
          }
      }
  }
  if (dbias)
    for (size_t o = 0; o < out_blocks; o++) {
      f32x16 sum = accumulate ? LOAD(dbias + 16 * o) : f32_all(0);
      for (size_t n = 0; n < images; n++)
        for (size_t p = 0; p < plane; p += 16) sum += LOAD(dy + (n * out_blocks + o) * plane + p);
      f32_store(dbias + 16 * o, sum, 16);
    }
}
