// SPDX-License-Identifier: GPL-3.0-or-later
#include "ck_channel_norm.h"
#include <string.h>
#include "vector32.h"

// Some positions at a time, whose channels stay in the first cache between the passes over them.
enum { TILE = 16 };

/// Ones in the lanes of a block that hold a channel.
CK_INLINE f32x16 present(const ck_channel_norm *n, size_t block) {
  f32x16 v = f32_all(1);
  if (16 * block + 16 > n->channels)
    for (size_t l = n->channels - 16 * block; l < 16; l++) v[l] = 0;
  return v;
}

CK_KERNEL(void, ck_channel_norm_forward,
          (const ck_channel_norm *norm, size_t items, const float *x, float *y, float *statistics),
          (norm, items, x, y, statistics)) {
  const ck_channel_norm n = *norm;
  const size_t plane = 16 * n.positions;
  const f32x16 last = present(norm, n.blocks - 1);
  for (size_t item = 0; item < items; item++, x += n.blocks * plane, y += n.blocks * plane)
    for (size_t first = 0; first < n.positions; first += TILE) {
      const size_t count = n.positions - first < TILE ? n.positions - first : TILE;
      f32x16 sum[TILE];
      float mean[TILE], root[TILE];
      for (size_t p = 0; p < count; p++) sum[p] = f32_all(0);
      for (size_t b = 0; b < n.blocks; b++)
        for (size_t p = 0; p < count; p++) {
          const f32x16 v = f32_load(x + b * plane + 16 * (first + p), 16);
          sum[p] += b + 1 == n.blocks ? last * v : v;
        }
      for (size_t p = 0; p < count; p++) {
        mean[p] = (float)(f32_sum(sum[p]) / (double)n.channels);
        sum[p] = f32_all(0);
      }
      for (size_t b = 0; b < n.blocks; b++) {
        const f32x16 mask = b + 1 == n.blocks ? last : f32_all(1);
        for (size_t p = 0; p < count; p++) {
          const f32x16 d = mask * (f32_load(x + b * plane + 16 * (first + p), 16) - mean[p]);
          sum[p] += d * d;
        }
      }
      for (size_t p = 0; p < count; p++) {
        root[p] = (float)(1 / __builtin_sqrt(f32_sum(sum[p]) / (double)n.channels + (double)n.epsilon));
        *statistics++ = mean[p];
        *statistics++ = root[p];
      }
      for (size_t b = 0; b < n.blocks; b++) {
        const f32x16 mask = b + 1 == n.blocks ? last : f32_all(1);
        const f32x16 scale = mask * f32_load(n.scale + 16 * b, 16), offset = mask * f32_load(n.offset + 16 * b, 16);
        for (size_t p = 0; p < count; p++) {
          const size_t place = b * plane + 16 * (first + p);
          f32_store(y + place, (f32_load(x + place, 16) - mean[p]) * root[p] * scale + offset, 16);
        }
      }
    }
}

CK_KERNEL(void, ck_channel_norm_backward,
          (const ck_channel_norm *norm, size_t items, const float *x, const float *dy, const float *statistics,
           float *dx, float *dscale, float *doffset),
          (norm, items, x, dy, statistics, dx, dscale, doffset)) {
  const ck_channel_norm n = *norm;
  const size_t plane = 16 * n.positions;
  const f32x16 last = present(norm, n.blocks - 1);
  memset(dscale, 0, 16 * n.blocks * sizeof(float));
  memset(doffset, 0, 16 * n.blocks * sizeof(float));
  for (size_t item = 0; item < items; item++, x += n.blocks * plane, dy += n.blocks * plane, dx += n.blocks * plane)
    for (size_t first = 0; first < n.positions; first += TILE) {
      const size_t count = n.positions - first < TILE ? n.positions - first : TILE;
      f32x16 sum[TILE], product[TILE];
      float mean[TILE], slope[TILE];
      for (size_t p = 0; p < count; p++) sum[p] = product[p] = f32_all(0);
      for (size_t b = 0; b < n.blocks; b++) {
        const f32x16 mask = b + 1 == n.blocks ? last : f32_all(1), scale = mask * f32_load(n.scale + 16 * b, 16);
        f32x16 gains = f32_all(0), shifts = f32_all(0);
        for (size_t p = 0; p < count; p++) {
          const size_t place = b * plane + 16 * (first + p);
          const f32x16 g = f32_load(dy + place, 16);
          const f32x16 unit = (f32_load(x + place, 16) - statistics[2 * p]) * statistics[2 * p + 1];
          sum[p] += scale * g;
          product[p] += scale * g * unit;
          gains += g * unit;
          shifts += g;
        }
        f32_store(dscale + 16 * b, f32_load(dscale + 16 * b, 16) + mask * gains, 16);
        f32_store(doffset + 16 * b, f32_load(doffset + 16 * b, 16) + mask * shifts, 16);
      }
      for (size_t p = 0; p < count; p++) {
        mean[p] = (float)(f32_sum(sum[p]) / (double)n.channels);
        slope[p] = (float)(f32_sum(product[p]) / (double)n.channels);
      }
      for (size_t b = 0; b < n.blocks; b++) {
        const f32x16 mask = b + 1 == n.blocks ? last : f32_all(1), scale = f32_load(n.scale + 16 * b, 16);
        for (size_t p = 0; p < count; p++) {
          const size_t place = b * plane + 16 * (first + p);
          const f32x16 unit = (f32_load(x + place, 16) - statistics[2 * p]) * statistics[2 * p + 1];
          const f32x16 d = statistics[2 * p + 1] * (scale * f32_load(dy + place, 16) - mean[p] - unit * slope[p]);
          f32_store(dx + place, mask * d, 16);
        }
      }
      statistics += 2 * count;
    }
}
