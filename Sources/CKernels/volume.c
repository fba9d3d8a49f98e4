// SPDX-License-Identifier: GPL-3.0-or-later
#include "ck_volume.h"
#include <string.h>
#include "ck_matrix.h"

// A patch is what one output position sees: [in block][tap][16], the order of a weight's inputs.

typedef struct {
  size_t taps, patch;  // positions and floats of a patch
  size_t in, out;      // positions
  size_t chunk;        // output positions worked on at a time
} layout;

static size_t product(const int n[3]) { return (size_t)n[0] * (size_t)n[1] * (size_t)n[2]; }

static layout layout_of(const ck_volume *s) {
  const size_t taps = product(s->kernel), patch = 16 * (size_t)s->in_blocks * taps;
  const size_t out = product(s->out_size);
  size_t chunk = (1 << 18) / patch;
  if (chunk < 1) chunk = 1;
  if (chunk > out) chunk = out;
  return (layout){taps, patch, product(s->size), out, chunk};
}

size_t ck_volume_scratch(const ck_volume *s) {
  const layout l = layout_of(s);
  return l.patch * l.chunk;
}

/// The patches of some output positions of one item, copied from x or added back to it.
static void patches(const ck_volume *s, const layout *l, float *x, size_t first, size_t count, float *p, int back) {
  for (size_t place = first; place < first + count; place++) {
    size_t rest = place;
    long start[3];
    for (int a = 2; a >= 0; a--) {
      start[a] = (long)(rest % (size_t)s->out_size[a]) * s->stride[a] - s->pad[a];
      rest /= (size_t)s->out_size[a];
    }
    for (size_t b = 0; b < (size_t)s->in_blocks; b++)
      for (long i = start[0]; i < start[0] + s->kernel[0]; i++)
        for (long j = start[1]; j < start[1] + s->kernel[1]; j++)
          for (long k = start[2]; k < start[2] + s->kernel[2]; k++, p += 16) {
            const int inside =
                i >= 0 && i < s->size[0] && j >= 0 && j < s->size[1] && k >= 0 && k < s->size[2];
            float *from = x + 16 * (b * l->in + (inside ? (size_t)((i * s->size[1] + j) * s->size[2] + k) : 0));
            if (back) {
              if (inside)
                for (int c = 0; c < 16; c++) from[c] += p[c];
            } else if (inside) {
              memcpy(p, from, 16 * sizeof(float));
            } else {
              memset(p, 0, 16 * sizeof(float));
            }
          }
  }
}

void ck_volume_convolve(const ck_volume *s, size_t images, const float *x, const float *weights, const float *bias,
                        float *y, float *scratch) {
  const layout l = layout_of(s);
  for (size_t n = 0; n < images; n++, x += 16 * (size_t)s->in_blocks * l.in, y += 16 * (size_t)s->out_blocks * l.out)
    for (size_t first = 0; first < l.out; first += l.chunk) {
      const size_t count = l.out - first < l.chunk ? l.out - first : l.chunk;
      patches(s, &l, (float *)x, first, count, scratch, 0);
      for (size_t o = 0; o < (size_t)s->out_blocks; o++) {
        float *out = y + 16 * (o * l.out + first);
        ck_matrix_product(0, 0, count, 16, l.patch, scratch, l.patch, weights + o * l.patch * 16, 16, 0, out, 16);
        if (bias)
          for (size_t i = 0; i < count; i++)
            for (size_t c = 0; c < 16; c++) out[16 * i + c] += bias[16 * o + c];
      }
    }
}

void ck_volume_back_data(const ck_volume *s, size_t images, const float *dy, const float *weights, float *dx,
                         float *scratch) {
  const layout l = layout_of(s);
  const size_t size = 16 * (size_t)s->in_blocks * l.in;
  for (size_t n = 0; n < images; n++, dx += size, dy += 16 * (size_t)s->out_blocks * l.out) {
    memset(dx, 0, size * sizeof(float));
    for (size_t first = 0; first < l.out; first += l.chunk) {
      const size_t count = l.out - first < l.chunk ? l.out - first : l.chunk;
      for (size_t o = 0; o < (size_t)s->out_blocks; o++)
        ck_matrix_product(0, 1, count, l.patch, 16, dy + 16 * (o * l.out + first), 16, weights + o * l.patch * 16, 16,
                          o > 0, scratch, l.patch);
      patches(s, &l, dx, first, count, scratch, 1);
    }
  }
}

void ck_volume_back_weights(const ck_volume *s, size_t images, const float *x, const float *dy, float *dweights,
                            float *dbias, int accumulate, float *scratch) {
  const layout l = layout_of(s);
  if (dbias && !accumulate) memset(dbias, 0, 16 * (size_t)s->out_blocks * sizeof(float));
  for (size_t n = 0; n < images; n++, x += 16 * (size_t)s->in_blocks * l.in, dy += 16 * (size_t)s->out_blocks * l.out)
    for (size_t first = 0; first < l.out; first += l.chunk) {
      const size_t count = l.out - first < l.chunk ? l.out - first : l.chunk;
      patches(s, &l, (float *)x, first, count, scratch, 0);
      for (size_t o = 0; o < (size_t)s->out_blocks; o++) {
        const float *g = dy + 16 * (o * l.out + first);
        ck_matrix_product(1, 0, l.patch, 16, count, scratch, l.patch, g, 16, accumulate || n > 0 || first > 0,
                          dweights + o * l.patch * 16, 16);
        if (dbias)
          for (size_t i = 0; i < count; i++)
            for (size_t c = 0; c < 16; c++) dbias[16 * o + c] += g[16 * i + c];
      }
    }
}

/// Where in x the position (i, j, k) of a plane `times` as large lies.
static size_t source(const int size[3], const int times[3], size_t i, size_t j, size_t k) {
  return ((i / (size_t)times[0]) * (size_t)size[1] + j / (size_t)times[1]) * (size_t)size[2] + k / (size_t)times[2];
}

void ck_volume_upsample(float *y, const float *x, float factor, size_t planes, const int size[3], const int times[3]) {
  for (size_t p = 0; p < planes; p++, x += 16 * product(size))
    for (size_t i = 0; i < (size_t)(size[0] * times[0]); i++)
      for (size_t j = 0; j < (size_t)(size[1] * times[1]); j++)
        for (size_t k = 0; k < (size_t)(size[2] * times[2]); k++, y += 16) {
          const float *from = x + 16 * source(size, times, i, j, k);
          for (int c = 0; c < 16; c++) y[c] = factor * from[c];
        }
}

void ck_volume_pool(float *y, const float *x, float factor, size_t planes, const int size[3], const int times[3]) {
  memset(y, 0, planes * 16 * product(size) * sizeof(float));
  for (size_t p = 0; p < planes; p++, y += 16 * product(size))
    for (size_t i = 0; i < (size_t)(size[0] * times[0]); i++)
      for (size_t j = 0; j < (size_t)(size[1] * times[1]); j++)
        for (size_t k = 0; k < (size_t)(size[2] * times[2]); k++, x += 16) {
          float *to = y + 16 * source(size, times, i, j, k);
          for (int c = 0; c < 16; c++) to[c] += factor * x[c];
        }
}
