// SPDX-License-Identifier: GPL-3.0-or-later
#include "ck_bridge.h"
#include "vector64.h"

CK_KERNEL(void, ck_split_pairs, (double *restrict even, double *restrict odd, const double *restrict pairs, size_t n),
          (even, odd, pairs, n)) {
  for (size_t i = 0; i < n; i++) {
    even[i] = pairs[2 * i];
    odd[i] = pairs[2 * i + 1];
  }
}

CK_KERNEL(void, ck_bridge_half, (double *restrict start, double *restrict integral, double *restrict increment,
                              double *restrict area, const double *restrict parent_start,
                              const double *restrict parent_integral, const double *restrict parent_increment,
                              const double *restrict parent_area, const double *restrict z1, const double *restrict z2,
                              double width, int half, size_t n),
          (start, integral, increment, area, parent_start, parent_integral, parent_increment, parent_area, z1, z2, width,
           half, n)) {
  const double z = __builtin_sqrt(width) / 4, m = __builtin_sqrt(width / 12) / 2, h = width / 2;
  if (half == 0) {
    for (size_t i = 0; i < n; i++) {
      start[i] = parent_start[i];
      integral[i] = parent_integral[i];
      increment[i] = 0.5 * parent_increment[i] + 1.5 * parent_area[i] + z * z1[i];
      area[i] = 0.25 * parent_area[i] - 0.5 * z * z1[i] + m * z2[i];
    }
  } else {
    for (size_t i = 0; i < n; i++) {
      double left = 0.5 * parent_increment[i] + 1.5 * parent_area[i] + z * z1[i];
      double left_area = 0.25 * parent_area[i] - 0.5 * z * z1[i] + m * z2[i];
      start[i] = parent_start[i] + left;
      // The integral over the left half: its chord and its area.
      integral[i] = parent_integral[i] + h * (parent_start[i] + 0.5 * left + left_area);
      increment[i] = parent_increment[i] - left;
      area[i] = 0.25 * parent_area[i] - 0.5 * z * z1[i] - m * z2[i];
    }
  }
}

CK_KERNEL(void, ck_bridge_inside, (double *restrict value, double *restrict integral, const double *restrict start,
                                const double *restrict start_integral, const double *restrict increment,
                                const double *restrict area, const double *restrict z1, const double *restrict z2,
                                double w0, double w1, double w2, double j0, double j1, double j2, double j3,
                                double offset, size_t n),
          (value, integral, start, start_integral, increment, area, z1, z2, w0, w1, w2, j0, j1, j2, j3, offset, n)) {
  for (size_t i = 0; i < n; i++) {
    value[i] = start[i] + w0 * increment[i] + w1 * area[i] + w2 * z1[i];
    integral[i] = start_integral[i] + offset * start[i] + j0 * increment[i] + j1 * area[i] + j2 * z1[i] + j3 * z2[i];
  }
}
