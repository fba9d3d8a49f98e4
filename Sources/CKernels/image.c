// SPDX-License-Identifier: GPL-3.0-or-later
#include "ck_image.h"
#include <math.h>
#include <string.h>
#include "vector32.h"

CK_INLINE f32x16 load16(const float *p) { return *(const f32x16_unaligned *)p; }
CK_INLINE void store16(float *p, f32x16 a) { *(f32x16_unaligned *)p = a; }

// MARK: Layout

void ck_to_blocked(float *out, const float *x, size_t images, size_t pixels, size_t channels, const int32_t *places,
                   size_t blocks) {
  for (size_t n = 0; n < images; n++, out += 16 * blocks * pixels, x += pixels * channels) {
    memset(out, 0, 16 * blocks * pixels * sizeof(float));
    for (size_t c = 0; c < channels; c++) {
      const size_t place = (size_t)places[c];
      float *to = out + place / 16 * pixels * 16 + place % 16;
      for (size_t i = 0; i < pixels; i++) to[16 * i] = x[i * channels + c];
    }
  }
}

void ck_from_blocked(float *out, const float *x, size_t images, size_t pixels, size_t channels, const int32_t *places,
                     size_t blocks) {
  for (size_t n = 0; n < images; n++, x += 16 * blocks * pixels, out += pixels * channels)
    for (size_t c = 0; c < channels; c++) {
      const size_t place = (size_t)places[c];
      const float *from = x + place / 16 * pixels * 16 + place % 16;
      for (size_t i = 0; i < pixels; i++) out[i * channels + c] = from[16 * i];
    }
}

/// Copies `count` floats, 16 or fewer, from every pixel to every row or back: each case has a size that the compiler
/// knows.
#define COPIES(to, to_step, from, from_step)                                              \
  switch (count) {                                                                        \
    COPY(1, to, to_step, from, from_step) COPY(2, to, to_step, from, from_step)           \
    COPY(3, to, to_step, from, from_step) COPY(4, to, to_step, from, from_step)           \
    COPY(5, to, to_step, from, from_step) COPY(6, to, to_step, from, from_step)           \
    COPY(7, to, to_step, from, from_step) COPY(8, to, to_step, from, from_step)           \
    COPY(9, to, to_step, from, from_step) COPY(10, to, to_step, from, from_step)          \
    COPY(11, to, to_step, from, from_step) COPY(12, to, to_step, from, from_step)         \
    COPY(13, to, to_step, from, from_step) COPY(14, to, to_step, from, from_step)         \
    COPY(15, to, to_step, from, from_step) COPY(16, to, to_step, from, from_step)         \
    default: break;                                                                       \
  }
#define COPY(n, to, to_step, from, from_step)                                                                   \
  case n:                                                                                                       \
    for (size_t i = 0; i < pixels; i++) memcpy((to) + i * (to_step), (from) + i * (from_step), n * sizeof(float)); \
    break;

void ck_pixels_matrix(float *out, const float *x, size_t pixels, size_t first, size_t width) {
  for (size_t c = first; c < first + width;) {
    const size_t lane = c % 16, count = 16 - lane < first + width - c ? 16 - lane : first + width - c;
    const float *from = x + c / 16 * pixels * 16 + lane;
    COPIES(out + (c - first), width, from, 16)
    c += count;
  }
}

void ck_matrix_pixels(float *out, const float *x, size_t pixels, size_t first, size_t width) {
  for (size_t c = first; c < first + width;) {
    const size_t lane = c % 16, count = 16 - lane < first + width - c ? 16 - lane : first + width - c;
    float *to = out + c / 16 * pixels * 16 + lane;
    COPIES(to, 16, x + (c - first), width)
    c += count;
  }
}

// MARK: Group normalisation

CK_INLINE f32x16 sigmoid16(f32x16 z) { return 1.0f / (1.0f + f32_exp(-z)); }

CK_KERNEL(void, ck_group_norm_forward,
          (const ck_group_norm *norm, size_t images, const float *x, float *y, float *statistics, float *scratch),
          (norm, images, x, y, statistics, scratch)) {
  const ck_group_norm k = *norm;
  const size_t channels = 16 * k.blocks, plane = 16 * k.pixels;
  const double count = (double)(k.group_channels * k.pixels);
  float *means = scratch, *squares = scratch + channels, *a = scratch + 2 * channels, *b = scratch + 3 * channels;
  double *group = (double *)(scratch + 6 * channels);
  for (size_t n = 0; n < images; n++, x += channels * k.pixels, y += channels * k.pixels, statistics += 2 * k.groups) {
    const float *shift = k.shift ? k.shift + n * k.shift_stride : NULL;
    const float *scale = k.scale + n * k.affine_stride, *offset = k.offset + n * k.affine_stride;
    // Each channel's mean, and the sum of squared distances from it: sums about the first pixel, which lies
    // within the data, so that nothing cancels.
    for (size_t i = 0; i < k.blocks; i++) {
      const float *p = x + i * plane;
      const f32x16 origin = load16(p);
      f32x16 s0 = f32_all(0), s1 = s0, q0 = s0, q1 = s0;
      size_t j = 0;
      for (; j + 2 <= k.pixels; j += 2) {
        const f32x16 u = load16(p + 16 * j) - origin, v = load16(p + 16 * j + 16) - origin;
        s0 += u, s1 += v, q0 += u * u, q1 += v * v;
      }
      if (j < k.pixels) {
        const f32x16 u = load16(p + 16 * j) - origin;
        s0 += u, q0 += u * u;
      }
      const f32x16 sum = s0 + s1, mean = sum / (float)k.pixels;
      store16(means + 16 * i, shift ? origin + mean + load16(shift + 16 * i) : origin + mean);
      store16(squares + 16 * i, q0 + q1 - sum * mean);
    }
    // Groups, in double.
    memset(group, 0, 2 * k.groups * sizeof(double));
    for (size_t c = 0; c < channels; c++)
      if (k.group[c] >= 0) group[k.group[c]] += (double)means[c] / (double)k.group_channels;
    for (size_t c = 0; c < channels; c++)
      if (k.group[c] >= 0) {
        const double d = (double)means[c] - group[k.group[c]];
        group[k.groups + (size_t)k.group[c]] += (double)squares[c] + (double)k.pixels * d * d;
      }
    for (size_t g = 0; g < k.groups; g++) {
      const double variance = __builtin_fmax(group[k.groups + g] / count, 0);
      statistics[2 * g] = (float)group[g];
      statistics[2 * g + 1] = (float)(1 / __builtin_sqrt(variance + (double)k.epsilon));
    }
    for (size_t c = 0; c < channels; c++) {
      const int32_t g = k.group[c];
      a[c] = g < 0 ? 0 : scale[c] * statistics[2 * g + 1];
      b[c] = g < 0 ? 0 : offset[c] + ((shift ? shift[c] : 0) - statistics[2 * g]) * a[c];
    }
    for (size_t i = 0; i < k.blocks; i++) {
      const float *p = x + i * plane;
      float *q = y + i * plane;
      const f32x16 gain = load16(a + 16 * i), base = load16(b + 16 * i);
      if (k.silu)
        for (size_t j = 0; j < plane; j += 16) {
          const f32x16 z = load16(p + j) * gain + base;
          store16(q + j, z * sigmoid16(z));
        }
      else
        for (size_t j = 0; j < plane; j += 16) store16(q + j, load16(p + j) * gain + base);
    }
  }
}

CK_KERNEL(void, ck_group_norm_backward,
          (const ck_group_norm *norm, size_t images, const float *x, const float *dy, const float *statistics, float *dx,
           float *dshift, float *dscale, float *doffset, float *scratch),
          (norm, images, x, dy, statistics, dx, dshift, dscale, doffset, scratch)) {
  const ck_group_norm k = *norm;
  const size_t channels = 16 * k.blocks, plane = 16 * k.pixels, size = channels * k.pixels;
  const double count = (double)(k.group_channels * k.pixels);
  float *a = scratch, *b = scratch + channels, *sums = scratch + 2 * channels, *products = scratch + 3 * channels;
  float *totals = scratch + 4 * channels, *gains = scratch + 5 * channels;
  double *group = (double *)(scratch + 6 * channels);
  for (size_t n = 0; n < images; n++, x += size, dy += size, dx += size, statistics += 2 * k.groups) {
    const float *shift = k.shift ? k.shift + n * k.shift_stride : NULL;
    const float *scale = k.scale + n * k.affine_stride, *offset = k.offset + n * k.affine_stride;
    float *out_scale = dscale + n * channels, *out_offset = doffset + n * channels;
    for (size_t c = 0; c < channels; c++) {
      const int32_t g = k.group[c];
      a[c] = g < 0 ? 0 : scale[c] * statistics[2 * g + 1];
      b[c] = g < 0 ? 0 : offset[c] + ((shift ? shift[c] : 0) - statistics[2 * g]) * a[c];
    }
    // d = dy silu'(z), kept in dx, with the sums of d and d x of each channel; x about its first pixel.
    for (size_t i = 0; i < k.blocks; i++) {
      const float *p = x + i * plane, *v = dy + i * plane;
      float *q = dx + i * plane;
      const f32x16 gain = load16(a + 16 * i), base = load16(b + 16 * i), origin = load16(p);
      f32x16 sum = f32_all(0), product = sum, total = sum;
      for (size_t j = 0; j < plane; j += 16) {
        const f32x16 xj = load16(p + j);
        f32x16 d = load16(v + j);
        if (k.silu) {
          const f32x16 z = xj * gain + base, s = sigmoid16(z);
          d *= s * (1.0f + z * (1.0f - s));
        }
        const f32x16 u = xj - origin;
        sum += d;
        product += d * u;
        total += u;
        store16(q + j, d);
      }
      store16(sums + 16 * i, sum);
      store16(products + 16 * i, product + origin * sum);
      store16(totals + 16 * i, total + (float)k.pixels * origin);
    }
    // dscale = sum d x^, doffset = sum d, with x^ the normalised x.
    for (size_t c = 0; c < channels; c++) {
      const int32_t g = k.group[c];
      const float centre = g < 0 ? 0 : statistics[2 * g] - (shift ? shift[c] : 0);
      out_offset[c] = g < 0 ? 0 : sums[c];
      out_scale[c] = g < 0 ? 0 : statistics[2 * g + 1] * (products[c] - centre * sums[c]);
    }
    // dx = p d + q x + r by channel.
    memset(group, 0, 2 * k.groups * sizeof(double));
    for (size_t c = 0; c < channels; c++)
      if (k.group[c] >= 0) {
        group[k.group[c]] += (double)scale[c] * (double)sums[c];
        group[k.groups + (size_t)k.group[c]] += (double)scale[c] * (double)out_scale[c];
      }
    for (size_t c = 0; c < channels; c++) {
      const int32_t g = k.group[c];
      gains[c] = a[c];
      if (g < 0) {
        a[c] = b[c] = 0;
        continue;
      }
      const double mean = (double)statistics[2 * g], root = (double)statistics[2 * g + 1];
      const double slope = -root * root * group[k.groups + (size_t)g] / count;
      a[c] = (float)slope;
      b[c] = (float)(-root * group[g] / count - slope * (mean - (shift ? (double)shift[c] : 0)));
    }
    for (size_t i = 0; i < k.blocks; i++) {
      const float *p = x + i * plane;
      float *q = dx + i * plane;
      const f32x16 gain = load16(gains + 16 * i);
      const f32x16 slope = load16(a + 16 * i), base = load16(b + 16 * i);
      for (size_t j = 0; j < plane; j += 16) store16(q + j, load16(q + j) * gain + load16(p + j) * slope + base);
      if (dshift)
        store16(dshift + n * channels + 16 * i,
                gain * load16(sums + 16 * i) + slope * load16(totals + 16 * i) + (float)k.pixels * base);
    }
  }
}

// MARK: Resampling and sums

CK_KERNEL(void, ck_repeat_pixels, (float *y, const float *x, float factor, size_t planes, size_t height, size_t width),
          (y, x, factor, planes, height, width)) {
  for (size_t r = 0; r < planes * height; r++, x += 16 * width, y += 64 * width)
    for (size_t c = 0; c < width; c++) {
      const f32x16 v = factor * load16(x + 16 * c);
      store16(y + 32 * c, v);
      store16(y + 32 * c + 16, v);
      store16(y + 32 * (width + c), v);
      store16(y + 32 * (width + c) + 16, v);
    }
}

CK_KERNEL(void, ck_sum_pixels, (float *y, const float *x, float factor, size_t planes, size_t height, size_t width),
          (y, x, factor, planes, height, width)) {
  for (size_t r = 0; r < planes * height; r++, y += 16 * width, x += 64 * width)
    for (size_t c = 0; c < width; c++)
      store16(y + 16 * c, factor * (load16(x + 32 * c) + load16(x + 32 * c + 16) + load16(x + 32 * (width + c)) +
                                    load16(x + 32 * (width + c) + 16)));
}

CK_KERNEL(void, ck_channel_sums, (float *out, const float *x, size_t images, size_t blocks, size_t pixels),
          (out, x, images, blocks, pixels)) {
  for (size_t i = 0; i < images * blocks; i++, x += 16 * pixels) {
    f32x16 sum = f32_all(0);
    for (size_t j = 0; j < 16 * pixels; j += 16) sum += load16(x + j);
    store16(out + 16 * i, sum);
  }
}

CK_KERNEL(void, ck_spread_channels, (float *out, const float *x, size_t images, size_t blocks, size_t pixels),
          (out, x, images, blocks, pixels)) {
  for (size_t i = 0; i < images * blocks; i++, out += 16 * pixels) {
    const f32x16 v = load16(x + 16 * i);
    for (size_t j = 0; j < 16 * pixels; j += 16) store16(out + j, v);
  }
}

void ck_power(float *y, const float *x, float power, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = power == -0.5f ? 1 / __builtin_sqrtf(x[i]) : powf(x[i], power);
}

// MARK: Softmax

CK_KERNEL(void, ck_softmax, (float *y, const float *x, float scale, size_t rows, size_t columns),
          (y, x, scale, rows, columns)) {
  for (size_t r = 0; r < rows; r++, x += columns, y += columns) {
    f32x16 top = f32_all(-__builtin_inff());
    for (size_t i = 0; i < columns; i += 16) {
      f32x16 v = scale * f32_load(x + i, columns - i);
      if (columns - i < 16)
        for (size_t l = columns - i; l < 16; l++) v[l] = -__builtin_inff();
      top = __builtin_elementwise_max(top, v);
    }
    float largest = top[0];
    for (size_t l = 1; l < 16; l++) largest = top[l] > largest ? top[l] : largest;
    f32x16 sum = f32_all(0);
    for (size_t i = 0; i < columns; i += 16) {
      f32x16 v = f32_exp(scale * f32_load(x + i, columns - i) - largest);
      if (columns - i < 16)
        for (size_t l = columns - i; l < 16; l++) v[l] = 0;
      sum += v;
      f32_store(y + i, v, columns - i);
    }
    const float share = (float)(1 / f32_sum(sum));
    for (size_t i = 0; i < columns; i += 16) f32_store(y + i, share * f32_load(y + i, columns - i), columns - i);
  }
}

CK_KERNEL(void, ck_softmax_backward,
          (float *dx, const float *dy, const float *y, float scale, size_t rows, size_t columns),
          (dx, dy, y, scale, rows, columns)) {
  for (size_t r = 0; r < rows; r++, dx += columns, dy += columns, y += columns) {
    f32x16 sum = f32_all(0);
    for (size_t i = 0; i < columns; i += 16) sum += f32_load(dy + i, columns - i) * f32_load(y + i, columns - i);
    const float mean = (float)f32_sum(sum);
    for (size_t i = 0; i < columns; i += 16)
      f32_store(dx + i, scale * f32_load(y + i, columns - i) * (f32_load(dy + i, columns - i) - mean), columns - i);
  }
}
