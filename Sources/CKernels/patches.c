// SPDX-License-Identifier: GPL-3.0-or-later
#include "patches.h"
#include <string.h>
#include "ck_matrix.h"

// A patch is what one output pixel sees: [in block][kernel row][kernel column][16]. That is the order of a weight's
// inputs, so that the weights of 16 outputs are a matrix of patch x 16, and the outputs of a channel block one of
// pixels x 16.

typedef struct {
  size_t patch;         // floats of a patch
  size_t rows;          // output rows worked on at a time
  size_t in_plane, out_plane;
} layout;

static layout layout_of(const ck_convolution *s) {
  const size_t patch = 16 * (size_t)s->in_blocks * (size_t)s->kernel * (size_t)s->kernel;
  size_t rows = (1 << 18) / (patch * (size_t)s->out_width);
  if (rows < 1) rows = 1;
  if (rows > (size_t)s->out_height) rows = (size_t)s->out_height;
  return (layout){patch, rows, 16 * (size_t)s->height * (size_t)s->width,
                  16 * (size_t)s->out_height * (size_t)s->out_width};
}

size_t ck_patches_scratch(const ck_convolution *s) {
  const layout l = layout_of(s);
  return l.patch * l.rows * (size_t)s->out_width;
}

/// Copies the patches of some output rows of one image from x, or adds them back to it.
static void patches(const ck_convolution *s, const layout *l, float *x, size_t first, size_t rows, float *p, int back) {
  for (size_t r = first; r < first + rows; r++)
    for (long c = 0; c < s->out_width; c++)
      for (size_t b = 0; b < (size_t)s->in_blocks; b++)
        for (long i = 0; i < s->kernel; i++)
          for (long j = 0; j < s->kernel; j++, p += 16) {
            const long row = (long)r * s->stride - s->pad_top + i, column = c * s->stride - s->pad_left + j;
            const int inside = row >= 0 && row < s->height && column >= 0 && column < s->width;
            float *pixel = x + b * l->in_plane + (inside ? 16 * (size_t)(row * s->width + column) : 0);
            if (back) {
              if (inside)
                for (int k = 0; k < 16; k++) pixel[k] += p[k];
            } else if (inside) {
              memcpy(p, pixel, 16 * sizeof(float));
            } else {
              memset(p, 0, 16 * sizeof(float));
            }
          }
}

void ck_patches_forward(const ck_convolution *s, int images, const float *x, const float *weights, const float *bias,
                        float *y, float *scratch) {
  const layout l = layout_of(s);
  const size_t out_height = (size_t)s->out_height, out_width = (size_t)s->out_width;
  for (int n = 0; n < images; n++, x += (size_t)s->in_blocks * l.in_plane, y += (size_t)s->out_blocks * l.out_plane)
    for (size_t r = 0; r < out_height; r += l.rows) {
      const size_t rows = out_height - r < l.rows ? out_height - r : l.rows, pixels = rows * out_width;
      patches(s, &l, (float *)x, r, rows, scratch, 0);
      for (size_t o = 0; o < (size_t)s->out_blocks; o++) {
        float *out = y + o * l.out_plane + 16 * r * out_width;
        ck_matrix_product(0, 0, pixels, 16, l.patch, scratch, l.patch, weights + o * l.patch * 16, 16, 0, out, 16);
        if (bias)
          for (size_t i = 0; i < pixels; i++)
            for (size_t k = 0; k < 16; k++) out[16 * i + k] += bias[16 * o + k];
      }
    }
}

void ck_patches_back_data(const ck_convolution *s, int images, const float *dy, const float *weights, float *dx,
                          float *scratch) {
  const layout l = layout_of(s);
  const size_t out_height = (size_t)s->out_height, out_width = (size_t)s->out_width;
  const size_t size = (size_t)s->in_blocks * l.in_plane;
  for (int n = 0; n < images; n++, dx += size, dy += (size_t)s->out_blocks * l.out_plane) {
    memset(dx, 0, size * sizeof(float));
    for (size_t r = 0; r < out_height; r += l.rows) {
      const size_t rows = out_height - r < l.rows ? out_height - r : l.rows, pixels = rows * out_width;
      for (size_t o = 0; o < (size_t)s->out_blocks; o++)
        ck_matrix_product(0, 1, pixels, l.patch, 16, dy + o * l.out_plane + 16 * r * out_width, 16,
                          weights + o * l.patch * 16, 16, o > 0, scratch, l.patch);
      patches(s, &l, dx, r, rows, scratch, 1);
    }
  }
}

void ck_patches_back_weights(const ck_convolution *s, int images, const float *x, const float *dy, float *dweights,
                             float *dbias, int accumulate, float *scratch) {
  const layout l = layout_of(s);
  const size_t out_height = (size_t)s->out_height, out_width = (size_t)s->out_width;
  if (dbias && !accumulate) memset(dbias, 0, 16 * (size_t)s->out_blocks * sizeof(float));
  for (int n = 0; n < images; n++, x += (size_t)s->in_blocks * l.in_plane, dy += (size_t)s->out_blocks * l.out_plane)
    for (size_t r = 0; r < out_height; r += l.rows) {
      const size_t rows = out_height - r < l.rows ? out_height - r : l.rows, pixels = rows * out_width;
      patches(s, &l, (float *)x, r, rows, scratch, 0);
      for (size_t o = 0; o < (size_t)s->out_blocks; o++) {
        const float *g = dy + o * l.out_plane + 16 * r * out_width;
        ck_matrix_product(1, 0, l.patch, 16, pixels, scratch, l.patch, g, 16, accumulate || n > 0 || r > 0,
                          dweights + o * l.patch * 16, 16);
        if (dbias)
          for (size_t i = 0; i < pixels; i++)
            for (size_t k = 0; k < 16; k++) dbias[16 * o + k] += g[16 * i + k];
      }
    }
}
