// SPDX-License-Identifier: GPL-3.0-or-later
#include "ck_attention.h"
#include <string.h>
#include "panel.h"

// A tile of queries meets the keys chunk by chunk, and keeps the largest product and the sum of exponentials of each
// query as it goes (Milakov and Gimelshein 2018; Dao et al. 2022). Backwards keys and values are packed once for all
// tiles in panels of 32 columns, the last of 16 where no more are needed.

enum { QUERIES = 24, CHUNK = 512, KEYS = 256 };

CK_INLINE size_t round_up(size_t n) { return (n + 15) / 16 * 16; }
/// The distance between rows of products: not a multiple of a page, or their rows would share a cache set.
CK_INLINE size_t row_floats(const ck_attention *s) {
  const size_t keys = round_up(s->keys);
  return (keys < CHUNK ? keys : (size_t)CHUNK) + 16;
}

size_t ck_attention_scratch(const ck_attention *s, int backward) {
  const size_t keys = round_up(s->keys), width = round_up(s->width), tile = QUERIES * row_floats(s);
  const size_t turned = keys * s->width, plain = s->keys * width, rows = QUERIES * width;
  if (!backward) return 64 * s->width + 32 * KEYS;
  return 2 * turned + 3 * plain + 2 * tile + 3 * rows + round_up(QUERIES);
}

/// count x width numbers as panels of columns: [panel][count][32 or 16], zeros beyond the width.
CK_INLINE void pack_plain(float *to, const float *x, size_t stride, size_t count, size_t width) {
  for (size_t c = 0; c < width; c += 32) {
    const size_t columns = width - c > 16 ? 32 : 16;
    for (size_t i = 0; i < count; i++)
      for (size_t q = 0; q < columns; q += 16, to += 16) {
        const size_t rest = width > c + q ? width - c - q : 0;
        f32_store(to, f32_load(x + i * stride + (rest ? c + q : 0), rest), 16);
      }
  }
}

/// The same numbers turned: [panel of positions][width][32 or 16], zeros beyond the last position.
CK_INLINE void pack_turned(float *to, const float *x, size_t stride, size_t count, size_t width) {
  for (size_t c = 0; c < count; c += 32) {
    const size_t columns = count - c > 16 ? 32 : 16, there = count - c < columns ? count - c : columns;
    for (size_t d = 0; d < width; d++, to += columns) {
      for (size_t i = 0; i < there; i++) to[i] = x[(c + i) * stride + d];
      for (size_t i = there; i < columns; i++) to[i] = 0;
    }
  }
}

/// m = a b for rows of a and positions [first, first + count) of b, turned, of `total`: `first` a multiple of 32.
CK_INLINE void products(const float *a, size_t row, const float *b, size_t inner, size_t total, size_t first,
                        size_t count, size_t rows, float *m, size_t ld) {
  for (size_t c = 0; c < count; c += 32)
    product_panel(a, row, 1, b + (first + c) * inner, total - first - c > 16 ? 32 : 16, count - c > 16, inner, rows,
                  m + c, ld, 0);
}

/// The lanes from n on become `value`.
CK_INLINE f32x16 cut(f32x16 v, size_t n, float value) {
  for (size_t l = n; l < 16; l++) v[l] = value;
  return v;
}

/// How many keys of a chunk a query sees.
CK_INLINE size_t seen(const ck_attention *s, size_t query, size_t first, size_t count) {
  if (!s->causal) return count;
  return query < first ? 0 : query - first + 1 < count ? query - first + 1 : count;
}

/// 2^x for x <= 0; at most 2e-7 of it wrong, and 2^-126 for all x below.
CK_INLINE f32x16 power_of_two(f32x16 x) {
  const f32x16 magic = f32_all(0x1.8p23f);
  x = __builtin_elementwise_max(x, f32_all(-126.0f));
  const f32x16 shifted = x + magic;
  const f32x16 f = x - (shifted - magic);
  f32x16 p = f * 0x1.5bba14p-10f + 0x1.3cea88p-7f;
  p = p * f + 0x1.c6b752p-5f;
  p = p * f + 0x1.ebf9bcp-3f;
  p = p * f + 0x1.62e42ap-1f;
  p = p * f + 1.0f;
  return (f32x16)((i32x16)p + ((i32x16)shifted << 23));
}

/// The lanes of 16 queries from `query` on that see a key.
CK_INLINE i32x16 sees(size_t query, size_t key) {
  const i32x16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return lane + (int32_t)(query - key) >= 0;
}

CK_INLINE f32x16 chosen(i32x16 mask, f32x16 v, float other) {
  return (f32x16)((mask & (i32x16)v) | (~mask & (i32x16)f32_all(other)));
}

/// Products of some keys, `row` apart, with 32 or 16 queries, and the maximum of each query's.
#define SCORES(name, ROWS, VECTORS)                                                                            \
  CK_INLINE void name(const float *k, size_t row, const float *asked, size_t inner, float *p, f32x16 *high) {  \
    f32x16 sum[ROWS][VECTORS];                                                                                 \
    _Pragma("unroll") for (int r = 0; r < ROWS; r++)                                                           \
        _Pragma("unroll") for (int q = 0; q < VECTORS; q++) sum[r][q] = f32_all(0);                            \
    for (size_t d = 0; d < inner; d++) {                                                                       \
      f32x16 w[VECTORS];                                                                                       \
      _Pragma("unroll") for (int q = 0; q < VECTORS; q++) w[q] = f32_load(asked + d * 16 * VECTORS + 16 * q, 16); \
      _Pragma("unroll") for (int r = 0; r < ROWS; r++) {                                                       \
        const f32x16 v = f32_all(k[(size_t)r * row + d]);                                                      \
        _Pragma("unroll") for (int q = 0; q < VECTORS; q++) sum[r][q] += v * w[q];                             \
      }                                                                                                        \
    }                                                                                                          \
    _Pragma("unroll") for (int r = 0; r < ROWS; r++) _Pragma("unroll") for (int q = 0; q < VECTORS; q++) {     \
      high[q] = __builtin_elementwise_max(high[q], sum[r][q]);                                                 \
      f32_store(p + (size_t)r * 16 * VECTORS + 16 * q, sum[r][q], 16);                                         \
    }                                                                                                          \
  }
SCORES(scores_12_2, 12, 2)
SCORES(scores_4_2, 4, 2)
SCORES(scores_1_2, 1, 2)
SCORES(scores_16_1, 16, 1)
SCORES(scores_4_1, 4, 1)
SCORES(scores_1_1, 1, 1)

CK_INLINE void scores(const float *k, size_t row, const float *asked, int wide, size_t inner, size_t count, float *p,
                      f32x16 *high) {
  size_t j = 0;
  if (wide) {
    for (; j + 12 <= count; j += 12) scores_12_2(k + j * row, row, asked, inner, p + j * 32, high);
    for (; j + 4 <= count; j += 4) scores_4_2(k + j * row, row, asked, inner, p + j * 32, high);
    for (; j < count; j++) scores_1_2(k + j * row, row, asked, inner, p + j * 32, high);
  } else {
    for (; j + 16 <= count; j += 16) scores_16_1(k + j * row, row, asked, inner, p + j * 16, high);
    for (; j + 4 <= count; j += 4) scores_4_1(k + j * row, row, asked, inner, p + j * 16, high);
    for (; j < count; j++) scores_1_1(k + j * row, row, asked, inner, p + j * 16, high);
  }
}

/// A chunk of keys for 16 queries in the lanes of column `p`: products become exponentials, whose maximum and sum are
/// brought up to date. Returns what sums of chunks before are to be multiplied by.
/// `high` is the maximum of the chunk's products, where all queries see all keys.
CK_INLINE f32x16 soften(float *p, size_t width, size_t count, int causal, size_t query, size_t key, f32x16 high,
                        f32x16 *top, f32x16 *total) {
  // Keys up to the first query are seen by all of them.
  const size_t open = !causal || query + 1 >= key + count ? count : query + 1 > key ? query + 1 - key : 0;
  size_t j;
  if (open < count) {
    high = f32_all(-__builtin_inff());
    for (j = 0; j < open; j++) high = __builtin_elementwise_max(high, f32_load(p + j * width, 16));
    for (; j < count; j++)
      high =
          __builtin_elementwise_max(high, chosen(sees(query, key + j), f32_load(p + j * width, 16), -__builtin_inff()));
  }
  const f32x16 now = __builtin_elementwise_max(*top, high), shrink = power_of_two(*top - now);
  f32x16 s0 = f32_all(0), s1 = s0;
  for (j = 0; j + 2 <= open; j += 2) {
    const f32x16 u = power_of_two(f32_load(p + j * width, 16) - now);
    const f32x16 v = power_of_two(f32_load(p + (j + 1) * width, 16) - now);
    s0 += u, s1 += v;
    f32_store(p + j * width, u, 16);
    f32_store(p + (j + 1) * width, v, 16);
  }
  for (; j < count; j++) {
    f32x16 u = power_of_two(f32_load(p + j * width, 16) - now);
    if (j >= open) u = chosen(sees(query, key + j), u, 0);
    s0 += u;
    f32_store(p + j * width, u, 16);
  }
  *total = *total * shrink + (s0 + s1);
  *top = now;
  return shrink;
}

// Forwards a vector holds 16 queries: the maxima and sums of a softmax are then those of whole vectors, and neither
// keys nor values are packed. The scale is that of powers of two.
CK_KERNEL(void, ck_attention_forward,
          (const ck_attention *shape, const float *q, const float *k, const float *v, float *out, float *statistics,
           float *scratch),
          (shape, q, k, v, out, statistics, scratch)) {
  const ck_attention s = *shape;
  const float scale = s.scale * 1.44269504f;
  float *asked = scratch, *p = asked + 32 * s.width, *sum = p + 32 * KEYS;
  for (size_t first = 0; first < s.queries; first += 32) {
    const size_t rows = s.queries - first < 32 ? s.queries - first : 32, width = rows > 16 ? 32 : 16;
    const int wide = width == 32;
    for (size_t d = 0; d < s.width; d++)
      for (size_t i = 0; i < width; i++)
        asked[d * width + i] = i < rows ? scale * q[(first + i) * s.query_stride + d] : 0;
    f32x16 top[2], total[2];
    for (size_t h = 0; h < 2; h++) top[h] = f32_all(-__builtin_inff()), total[h] = f32_all(0);
    const size_t last = s.causal && first + rows < s.keys ? first + rows : s.keys;
    for (size_t c = 0; c < last; c += KEYS) {
      const size_t count = last - c < KEYS ? last - c : KEYS;
      f32x16 high[2] = {f32_all(-__builtin_inff()), f32_all(-__builtin_inff())};
      scores(k + c * s.key_stride, s.key_stride, asked, wide, s.width, count, p, high);
      for (size_t h = 0; h < width; h += 16) {
        const f32x16 shrink =
            soften(p + h, width, count, s.causal, first + h, c, high[h / 16], &top[h / 16], &total[h / 16]);
        if (c > 0)
          for (size_t d = 0; d < s.width; d++)
            f32_store(sum + d * width + h, shrink * f32_load(sum + d * width + h, 16), 16);
      }
      product_few(v + c * s.key_stride, 1, s.key_stride, p, width, wide, count, s.width, sum, width, c > 0);
    }
    for (size_t h = 0; h < width; h += 16) {
      const f32x16 share = 1.0f / total[h / 16];
      for (size_t i = h; i < rows && i < h + 16; i++) {
        // Backwards the exponentials are natural ones.
        statistics[2 * (first + i)] = top[h / 16][i - h] * 0.693147181f;
        statistics[2 * (first + i) + 1] = share[i - h];
      }
      for (size_t d = 0; d < s.width; d++) {
        const f32x16 result = share * f32_load(sum + d * width + h, 16);
        for (size_t i = h; i < rows && i < h + 16; i++) out[(first + i) * s.query_stride + d] = result[i - h];
      }
    }
  }
}

CK_KERNEL(void, ck_attention_backward,
          (const ck_attention *shape, const float *q, const float *k, const float *v, const float *out,
           const float *dout, const float *statistics, float *dq, float *dk, float *dv, float *scratch),
          (shape, q, k, v, out, dout, statistics, dq, dk, dv, scratch)) {
  const ck_attention s = *shape;
  const size_t ld = row_floats(&s), width = round_up(s.width);
  float *turned_k = scratch, *turned_v = turned_k + round_up(s.keys) * s.width;
  float *plain_k = turned_v + round_up(s.keys) * s.width;
  float *sum_k = plain_k + s.keys * width, *sum_v = sum_k + s.keys * width;
  float *p = sum_v + s.keys * width, *d = p + QUERIES * ld;
  float *tile = d + QUERIES * ld, *tile_q = tile + QUERIES * width, *sum_q = tile_q + QUERIES * width;
  float *mean = sum_q + QUERIES * width;
  pack_turned(turned_k, k, s.key_stride, s.keys, s.width);
  pack_turned(turned_v, v, s.key_stride, s.keys, s.width);
  pack_plain(plain_k, k, s.key_stride, s.keys, s.width);
  memset(sum_k, 0, 2 * s.keys * width * sizeof(float));
  for (size_t first = 0; first < s.queries; first += QUERIES) {
    const size_t rows = s.queries - first < QUERIES ? s.queries - first : QUERIES;
    const float *g = dout + first * s.query_stride, *asked = q + first * s.query_stride;
    pack_plain(tile, g, s.query_stride, rows, s.width);
    pack_plain(tile_q, asked, s.query_stride, rows, s.width);
    // The mean of dp under p is the product of the output and its adjoint.
    for (size_t r = 0; r < rows; r++) {
      const float *o = out + (first + r) * s.query_stride, *a = g + r * s.query_stride;
      f32x16 products = f32_all(0);
      for (size_t i = 0; i < s.width; i += 16) products += f32_load(o + i, s.width - i) * f32_load(a + i, s.width - i);
      mean[r] = (float)f32_sum(products);
    }
    const size_t last = s.causal && first + rows < s.keys ? first + rows : s.keys;
    for (size_t c = 0; c < last; c += CHUNK) {
      const size_t count = last - c < CHUNK ? last - c : CHUNK;
      products(asked, s.query_stride, turned_k, s.width, s.keys, c, count, rows, p, ld);
      products(g, s.query_stride, turned_v, s.width, s.keys, c, count, rows, d, ld);
      for (size_t r = 0; r < rows; r++) {
        const size_t n = seen(&s, first + r, c, count);
        const float top = statistics[2 * (first + r)], share = statistics[2 * (first + r) + 1];
        float *line = p + r * ld, *slope = d + r * ld;
        for (size_t i = 0; i < count; i += 16) {
          f32x16 e = f32_all(0), u = f32_all(0);
          if (i < n) {
            e = share * f32_exp(s.scale * f32_load(line + i, 16) - top);
            if (n - i < 16) e = cut(e, n - i, 0);
            u = s.scale * e * (f32_load(slope + i, 16) - mean[r]);
            // A lane beyond the last key holds anything.
            if (n - i < 16) u = cut(u, n - i, 0);
          }
          f32_store(line + i, e, 16);
          f32_store(slope + i, u, 16);
        }
      }
      for (size_t w = 0; w < s.width; w += 32) {
        const int wide = s.width - w > 16;
        const size_t columns = wide ? 32 : 16;
        product_panel(p, 1, ld, tile + w * rows, columns, wide, rows, count, sum_v + c * width + w, width, 1);
        product_panel(d, 1, ld, tile_q + w * rows, columns, wide, rows, count, sum_k + c * width + w, width, 1);
        product_panel(d, ld, 1, plain_k + w * s.keys + c * columns, columns, wide, count, rows, sum_q + w, width,
                      c > 0);
      }
    }
    for (size_t r = 0; r < rows; r++)
      for (size_t i = 0; i < s.width; i += 16)
        f32_store(dq + (first + r) * s.query_stride + i, f32_load(sum_q + r * width + i, 16), s.width - i);
  }
  for (size_t r = 0; r < s.keys; r++)
    for (size_t i = 0; i < s.width; i += 16) {
      f32_store(dk + r * s.key_stride + i, f32_load(sum_k + r * width + i, 16), s.width - i);
      f32_store(dv + r * s.key_stride + i, f32_load(sum_v + r * width + i, 16), s.width - i);
    }
}
