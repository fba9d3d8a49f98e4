// SPDX-License-Identifier: GPL-3.0-or-later
// Cells of a Brownian path: W at the left end, its integral J up to there, the cell's increment and area H.
#pragma once
#include <stddef.h>

/// even[i] = pairs[2i], odd[i] = pairs[2i + 1], for i < n.
void ck_split_pairs(double *even, double *odd, const double *pairs, size_t n);

/// The left (half = 0) or right (half = 1) half of a cell of `width`, from two standard normals a value:
/// W_left = W/2 + 3/2 H + Z, H_left = H/4 - Z/2 + N/2, H_right = H/4 - Z/2 - N/2, Z = √width/4 z1, N = √(width/12) z2.
void ck_bridge_half(double *start, double *integral, double *increment, double *area, const double *parent_start,
                    const double *parent_integral, const double *parent_increment, const double *parent_area,
                    const double *z1, const double *z2, double width, int half, size_t n);

/// value = start + w0 W + w1 H + w2 z1; integral = J + offset start + j0 W + j1 H + j2 z1 + j3 z2.
void ck_bridge_inside(double *value, double *integral, const double *start, const double *start_integral,
                      const double *increment, const double *area, const double *z1, const double *z2, double w0,
                      double w1, double w2, double j0, double j1, double j2, double j3, double offset, size_t n);
