// SPDX-License-Identifier: GPL-3.0-or-later
#include "winograd.h"
#include <string.h>
#include "panel.h"
#include "turn_block.h"

// Tiles are worked off in blocks whose transformed inputs (36 matrices of tiles x channels) stay in a core's second
// cache, while weights stream by in panels of 32 outputs.

/// GROUP: the tiles that share a panel of weights which is made for them.
enum { POINTS = 36, PANEL = 32, MAXIMUM_TILES = 96, PIECE = 16 * PANEL + 16, GROUP = 128 };

typedef struct {
  size_t down, across, per_image, total;  // tiles
} tiling;

static tiling tiles_of(const ck_convolution *s, size_t images) {
  const size_t down = ((size_t)s->out_height + 3) / 4, across = ((size_t)s->out_width + 3) / 4;
  return (tiling){down, across, down * across, images * down * across};
}

/// The distance between the matrices of two points: not a multiple of a page, or their rows would share a cache set.
static size_t point_stride(size_t tiles, size_t channels) { return tiles * channels + 16; }

static size_t block_of(size_t tiles, size_t floats_per_tile) {
  size_t block = 400000 / (POINTS * floats_per_tile);
  block = block < 12 ? 12 : block / 12 * 12;
  return block > MAXIMUM_TILES ? MAXIMUM_TILES : block < tiles ? block : tiles;
}

static size_t forward_block(const ck_convolution *s, size_t tiles) { return block_of(tiles, 16 * (size_t)s->in_blocks); }
static size_t weights_block(size_t tiles) { return tiles < MAXIMUM_TILES ? tiles : MAXIMUM_TILES; }

/// Transformed weights: panels of 32 outputs, the last of 16 where their number of blocks is odd, each of
/// [point][input][output] with the same care for cache sets.
static size_t panel_stride(size_t inputs, size_t width) { return inputs * width + 16; }
static size_t panel_size(size_t inputs) { return POINTS * panel_stride(inputs, PANEL); }

size_t ck_winograd_weight_size(const ck_convolution *s) {
  const size_t in = (size_t)s->in_blocks, out = (size_t)s->out_blocks;
  const size_t forward = (out + 1) / 2 * panel_size(16 * in), transposed = (in + 1) / 2 * panel_size(16 * out);
  return forward > transposed ? forward : transposed;
}

size_t ck_winograd_scratch(const ck_convolution *s, int direction, int images) {
  const tiling t = tiles_of(s, (size_t)images);
  const size_t in = 16 * (size_t)s->in_blocks, out = 16 * (size_t)s->out_blocks;
  if (direction == CK_BACKWARD_WEIGHTS) {
    const size_t block = weights_block(t.total);
    return POINTS * (point_stride(block, in) + point_stride(block, out) +
                     (t.total <= block ? (size_t)PIECE : panel_stride(in, out)));
  }
  const size_t block = forward_block(s, t.total);
  return POINTS * (point_stride(block, in) + point_stride(block, PANEL));
}

// MARK: Transforms of six vectors

CK_INLINE void input_line(const f32x16 d[6], f32x16 o[6]) {
  const f32x16 a = d[4] - 4.0f * d[2], b = d[3] - 4.0f * d[1], c = d[4] - d[2], e = 2.0f * (d[3] - d[1]);
  o[0] = 4.0f * d[0] - 5.0f * d[2] + d[4];
  o[1] = a + b;
  o[2] = a - b;
  o[3] = c + e;
  o[4] = c - e;
  o[5] = 4.0f * d[1] - 5.0f * d[3] + d[5];
}

CK_INLINE void output_line(const f32x16 m[6], f32x16 o[4]) {
  const f32x16 p = m[1] + m[2], q = m[1] - m[2], r = m[3] + m[4], s = m[3] - m[4];
  o[0] = m[0] + p + r;
  o[1] = q + 2.0f * s;
  o[2] = p + 4.0f * r;
  o[3] = q + 8.0f * s + m[5];
}

CK_INLINE void output_adjoint_line(const f32x16 y[4], f32x16 o[6]) {
  const f32x16 even = y[0] + y[2], odd = y[1] + y[3];
  const f32x16 even2 = y[0] + 4.0f * y[2], odd2 = 2.0f * y[1] + 8.0f * y[3];
  o[0] = y[0];
  o[1] = even + odd;
  o[2] = even - odd;
  o[3] = even2 + odd2;
  o[4] = even2 - odd2;
  o[5] = y[3];
}

CK_INLINE void weight_line(const f32x16 g[3], f32x16 o[6]) {
  const f32x16 a = (g[0] + g[2]) * (-1.0f / 6), b = g[1] * (1.0f / 6);
  const f32x16 c = g[0] * (1.0f / 24) + g[2] * (1.0f / 6), d = g[1] * (1.0f / 12);
  o[0] = 0.25f * g[0];
  o[1] = a - b;
  o[2] = a + b;
  o[3] = c + d;
  o[4] = c - d;
  o[5] = g[2];
}

CK_INLINE void weight_adjoint_line(const f32x16 u[6], f32x16 o[3]) {
  const f32x16 p = u[1] + u[2], q = u[2] - u[1], r = u[3] + u[4], s = u[3] - u[4];
  o[0] = 0.25f * u[0] - p * (1.0f / 6) + r * (1.0f / 24);
  o[1] = q * (1.0f / 6) + s * (1.0f / 12);
  o[2] = r * (1.0f / 6) - p * (1.0f / 6) + u[5];
}

// MARK: Weights

/// One block of 16 x 16 weights: rows of 16 outputs, for each of 16 inputs. Output of point p and input c at
/// prepared[p * point + c * row].
CK_INLINE void transform_weights(const float *w, float *prepared, size_t point, size_t row) {
  for (size_t c = 0; c < 16; c++) {
    f32x16 half[3][6], full[6];
    for (size_t i = 0; i < 3; i++) {
      f32x16 g[3];
      for (size_t j = 0; j < 3; j++) g[j] = f32_load(w + (3 * i + j) * 256 + 16 * c, 16);
      weight_line(g, half[i]);
    }
    for (size_t j = 0; j < 6; j++) {
      const f32x16 column[3] = {half[0][j], half[1][j], half[2][j]};
      weight_line(column, full);
      for (size_t i = 0; i < 6; i++) f32_store(prepared + (6 * i + j) * point + c * row, full[i], 16);
    }
  }
}

/// The panel of outputs that begins with block `o`.
CK_INLINE void transform_panel(float *panel, const float *weights, size_t in_blocks, size_t out_blocks, int transpose,
                               size_t o) {
  const size_t inputs = transpose ? out_blocks : in_blocks, outputs = transpose ? in_blocks : out_blocks;
  const size_t blocks = outputs - o < 2 ? 1 : 2, width = 16 * blocks;
  float turned[9 * 256];
  for (size_t q = 0; q < blocks; q++)
    for (size_t i = 0; i < inputs; i++) {
      const float *w = weights + (transpose ? i * in_blocks + o + q : (o + q) * in_blocks + i) * (9 * 256);
      if (transpose) {
        // Backward by data turns the kernel by 180 degrees and lets inputs and outputs change places.
        for (size_t k = 0; k < 9; k++) turn_block(w + k * 256, turned + (8 - k) * 256);
        w = turned;
      }
      transform_weights(w, panel + q * 16 + i * 16 * width, panel_stride(16 * inputs, width), width);
    }
}

CK_KERNEL(void, ck_winograd_weights,
          (float *prepared, const float *weights, size_t in_blocks, size_t out_blocks, int transpose),
          (prepared, weights, in_blocks, out_blocks, transpose)) {
  const size_t inputs = transpose ? out_blocks : in_blocks, outputs = transpose ? in_blocks : out_blocks;
  for (size_t o = 0; o < outputs; o += 2)
    transform_panel(prepared + (o / 2) * panel_size(16 * inputs), weights, in_blocks, out_blocks, transpose, o);
}

/// The adjoint of `transform_weights`: 16 inputs (row apart) x 16 outputs of 36 points (point apart) to 9 taps.
CK_INLINE void transform_weights_adjoint(const float *u, size_t point, size_t row, float *dw, int accumulate) {
  for (size_t c = 0; c < 16; c++) {
    f32x16 half[3][6];
    for (size_t j = 0; j < 6; j++) {
      f32x16 column[6], g[3];
      for (size_t k = 0; k < 6; k++) column[k] = f32_load(u + (6 * k + j) * point + c * row, 16);
      weight_adjoint_line(column, g);
      for (size_t k = 0; k < 3; k++) half[k][j] = g[k];
    }
    for (size_t k = 0; k < 3; k++) {
      f32x16 g[3];
      weight_adjoint_line(half[k], g);
      for (size_t j = 0; j < 3; j++) {
        float *target = dw + (3 * k + j) * 256 + 16 * c;
        f32_store(target, accumulate ? g[j] + f32_load(target, 16) : g[j], 16);
      }
    }
  }
}

// MARK: Tiles

typedef struct {
  size_t image, row, column;  // of a tile, the last two in tiles
} place;

CK_INLINE place place_of(const tiling *t, size_t tile) {
  const size_t in_image = tile % t->per_image;
  return (place){tile / t->per_image, in_image / t->across, in_image % t->across};
}

/// The 6 x 6 inputs of a tile in one channel block, transformed, to v[point * stride].
CK_INLINE void transform_input(const float *x, long height, long width, long top, long left, float *v, size_t stride) {
  f32x16 half[6][6];
  const int inside = top >= 0 && left >= 0 && top + 6 <= height && left + 6 <= width;
  for (long i = 0; i < 6; i++) {
    f32x16 d[6];
    const long r = top + i;
    if (inside) {
      const float *line = x + (r * width + left) * 16;
      for (long j = 0; j < 6; j++) d[j] = f32_load(line + 16 * j, 16);
    } else {
      for (long j = 0; j < 6; j++) {
        const long c = left + j;
        d[j] = r >= 0 && r < height && c >= 0 && c < width ? f32_load(x + (r * width + c) * 16, 16) : f32_all(0);
      }
    }
    input_line(d, half[i]);
  }
  for (size_t j = 0; j < 6; j++) {
    const f32x16 column[6] = {half[0][j], half[1][j], half[2][j], half[3][j], half[4][j], half[5][j]};
    f32x16 full[6];
    input_line(column, full);
    for (size_t i = 0; i < 6; i++) f32_store(v + (6 * i + j) * stride, full[i], 16);
  }
}

/// A block of tiles, with where each lies. A channel block at a time, so that memory is read in long runs.
CK_INLINE void transform_inputs(const ck_convolution *s, const tiling *t, size_t first, size_t count, const float *x,
                                place *places, float *v, size_t stride) {
  const size_t blocks = (size_t)s->in_blocks, plane = (size_t)s->height * (size_t)s->width * 16;
  for (size_t i = 0; i < count; i++) places[i] = place_of(t, first + i);
  for (size_t b = 0; b < blocks; b++)
    for (size_t i = 0; i < count; i++) {
      const place p = places[i];
      transform_input(x + (p.image * blocks + b) * plane, s->height, s->width, 4 * (long)p.row - s->pad_top,
                      4 * (long)p.column - s->pad_left, v + i * 16 * blocks + 16 * b, stride);
    }
}

/// 36 products of a tile and channel block to 4 x 4 outputs.
CK_INLINE void transform_output(const float *m, size_t stride, f32x16 bias, float *y, long height, long width, long top,
                                long left) {
  f32x16 half[4][6];
  for (size_t j = 0; j < 6; j++) {
    f32x16 column[6], o[4];
    for (size_t i = 0; i < 6; i++) column[i] = f32_load(m + (6 * i + j) * stride, 16);
    output_line(column, o);
    for (size_t i = 0; i < 4; i++) half[i][j] = o[i];
  }
  for (long i = 0; i < 4 && top + i < height; i++) {
    f32x16 o[4];
    output_line(half[i], o);
    float *line = y + ((top + i) * width + left) * 16;
    for (long j = 0; j < 4 && left + j < width; j++) f32_store(line + 16 * j, o[j] + bias, 16);
  }
}

/// The adjoint of `transform_output`, and the sum of the tile's values.
CK_INLINE f32x16 transform_output_adjoint(const float *y, long height, long width, long top, long left, float *z,
                                          size_t stride) {
  f32x16 half[4][6], sum = f32_all(0);
  for (long i = 0; i < 4; i++) {
    f32x16 d[4];
    for (long j = 0; j < 4; j++) {
      d[j] = top + i < height && left + j < width ? f32_load(y + ((top + i) * width + left + j) * 16, 16) : f32_all(0);
      sum += d[j];
    }
    output_adjoint_line(d, half[i]);
  }
  for (size_t j = 0; j < 6; j++) {
    const f32x16 column[4] = {half[0][j], half[1][j], half[2][j], half[3][j]};
    f32x16 full[6];
    output_adjoint_line(column, full);
    for (size_t i = 0; i < 6; i++) f32_store(z + (6 * i + j) * stride, full[i], 16);
  }
  return sum;
}

// MARK: The convolution

/// The outputs of the panel that begins with block `o`, of a block of tiles.
CK_INLINE void panel_outputs(const ck_convolution *s, const place *places, size_t count, const float *v,
                             size_t v_stride, const float *panel, size_t o, const float *bias, float *y, float *m,
                             size_t m_stride) {
  const size_t out_blocks = (size_t)s->out_blocks, in = 16 * (size_t)s->in_blocks;
  const size_t out_plane = (size_t)s->out_height * (size_t)s->out_width * 16;
  const int wide = o + 1 < out_blocks;
  const size_t width = wide ? 32 : 16;
  for (size_t point = 0; point < POINTS; point++)
    product_panel(v + point * v_stride, in, 1, panel + point * panel_stride(in, width), width, wide, in, count,
                  m + point * m_stride, PANEL, 0);
  for (size_t q = 0; q < width / 16; q++) {
    const f32x16 shift = bias ? f32_load(bias + 16 * (o + q), 16) : f32_all(0);
    for (size_t i = 0; i < count; i++) {
      const place p = places[i];
      transform_output(m + i * PANEL + 16 * q, m_stride, shift, y + (p.image * out_blocks + o + q) * out_plane,
                       s->out_height, s->out_width, 4 * (long)p.row, 4 * (long)p.column);
    }
  }
}

CK_KERNEL(void, ck_winograd_forward,
          (const ck_convolution *s, size_t images, const float *x, const float *prepared, const float *bias, float *y,
           float *scratch),
          (s, images, x, prepared, bias, y, scratch)) {
  const tiling t = tiles_of(s, images);
  const size_t in_blocks = (size_t)s->in_blocks, out_blocks = (size_t)s->out_blocks, in = 16 * in_blocks;
  const size_t block = forward_block(s, t.total), v_stride = point_stride(block, in);
  const size_t m_stride = point_stride(block, PANEL);
  float *v = scratch, *m = scratch + POINTS * v_stride;
  for (size_t first = 0; first < t.total; first += block) {
    const size_t count = t.total - first < block ? t.total - first : block;
    place places[MAXIMUM_TILES];
    transform_inputs(s, &t, first, count, x, places, v, v_stride);
    for (size_t o = 0; o < out_blocks; o += 2)
      panel_outputs(s, places, count, v, v_stride, prepared + (o / 2) * panel_size(in), o, bias, y, m, m_stride);
  }
}

size_t ck_winograd_panel_scratch(const ck_convolution *s, int images) {
  const tiling t = tiles_of(s, (size_t)images);
  const size_t in = 16 * (size_t)s->in_blocks, block = t.total < GROUP ? t.total : GROUP;
  return POINTS * (point_stride(block, in) + point_stride(block, PANEL)) + panel_size(in);
}

CK_KERNEL(void, ck_winograd_by_panels,
          (const ck_convolution *s, size_t images, const float *x, const float *weights, int transpose,
           const float *bias, float *y, float *scratch),
          (s, images, x, weights, transpose, bias, y, scratch)) {
  const tiling t = tiles_of(s, images);
  const size_t in_blocks = (size_t)s->in_blocks, out_blocks = (size_t)s->out_blocks, in = 16 * in_blocks;
  const size_t block = t.total < GROUP ? t.total : GROUP, v_stride = point_stride(block, in);
  const size_t m_stride = point_stride(block, PANEL);
  float *v = scratch, *m = v + POINTS * v_stride, *panel = m + POINTS * m_stride;
  for (size_t first = 0; first < t.total; first += block) {
    const size_t count = t.total - first < block ? t.total - first : block;
    place places[GROUP];
    transform_inputs(s, &t, first, count, x, places, v, v_stride);
    for (size_t o = 0; o < out_blocks; o += 2) {
      transform_panel(panel, weights, transpose ? out_blocks : in_blocks, transpose ? in_blocks : out_blocks,
                      transpose, o);
      panel_outputs(s, places, count, v, v_stride, panel, o, bias, y, m, m_stride);
    }
  }
}

CK_KERNEL(void, ck_winograd_back_weights,
          (const ck_convolution *s, size_t images, const float *x, const float *dy, float *dweights, float *dbias,
           int accumulate, float *scratch),
          (s, images, x, dy, dweights, dbias, accumulate, scratch)) {
  const tiling t = tiles_of(s, images);
  const size_t in_blocks = (size_t)s->in_blocks, out_blocks = (size_t)s->out_blocks;
  const size_t in = 16 * in_blocks, out = 16 * out_blocks;
  const size_t out_plane = (size_t)s->out_height * (size_t)s->out_width * 16;
  const size_t block = weights_block(t.total), v_stride = point_stride(block, in), z_stride = point_stride(block, out);
  const int single = t.total <= block;
  float *v = scratch, *z = v + POINTS * v_stride, *u = z + POINTS * z_stride;
  if (dbias && !accumulate) memset(dbias, 0, out * sizeof(float));
  for (size_t first = 0; first < t.total; first += block) {
    const size_t count = t.total - first < block ? t.total - first : block;
    place places[MAXIMUM_TILES];
    transform_inputs(s, &t, first, count, x, places, v, v_stride);
    for (size_t b = 0; b < out_blocks; b++) {
      f32x16 sum = f32_all(0);
      for (size_t i = 0; i < count; i++) {
        const place p = places[i];
        sum += transform_output_adjoint(dy + (p.image * out_blocks + b) * out_plane, s->out_height, s->out_width,
                                        4 * (long)p.row, 4 * (long)p.column, z + i * out + 16 * b, z_stride);
      }
      if (dbias) f32_store(dbias + 16 * b, f32_load(dbias + 16 * b, 16) + sum, 16);
    }
    if (single) {
      // One block of tiles: 16 inputs x 32 outputs at a time, which stay in the first caches until they are weights.
      for (size_t o = 0; o < out_blocks; o += 2)
        for (size_t i = 0; i < in_blocks; i++) {
          const int wide = o + 1 < out_blocks;
          for (size_t point = 0; point < POINTS; point++)
            product_panel(v + point * v_stride + 16 * i, 1, in, z + point * z_stride + 16 * o, out, wide, count, 16,
                          u + point * PIECE, PANEL, 0);
          for (size_t q = 0; q <= (size_t)wide; q++)
            transform_weights_adjoint(u + 16 * q, PIECE, PANEL, dweights + ((o + q) * in_blocks + i) * (9 * 256),
                                      accumulate);
        }
      return;
    }
    // u[point] (+)= v' z: inputs x outputs.
    for (size_t point = 0; point < POINTS; point++)
      for (size_t o = 0; o < out_blocks; o += 2)
        product_panel(v + point * v_stride, 1, in, z + point * z_stride + 16 * o, out, o + 1 < out_blocks, count, in,
                      u + point * panel_stride(in, out) + 16 * o, out, first > 0);
  }
  if (!single)
    for (size_t o = 0; o < out_blocks; o++)
      for (size_t i = 0; i < in_blocks; i++)
        transform_weights_adjoint(u + 16 * i * out + 16 * o, panel_stride(in, out), out,
                                  dweights + (o * in_blocks + i) * (9 * 256),
                                  accumulate);
}
