// SPDX-License-Identifier: GPL-3.0-or-later
// Mixtures of uniform laws on boxes, vectorised over rows: eight rows a step.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// The law sum_k w_k U(box k), with K boxes in D dimensions. Their sides are U different intervals, whose ends are N
/// different edges: boxes of a grid share them, and what costs is computed once for each.
typedef struct {
  size_t boxes, dimension, intervals, edges;
  const double *ends;          // N: where each edge lies
  const int32_t *coordinates;  // N: the coordinate that it bounds
  const int32_t *bounds;       // U x 2: the low and the high edge of each interval
  const int32_t *sides;        // K x D: the interval of each box and coordinate
  const double *log_heights;   // K: ln w_k - ln of the box's volume
} ck_boxes;

/// The length of the scratch that `ck_boxes_evaluate` wants, in doubles; any alignment.
size_t ck_boxes_scratch(const ck_boxes *law);

/// For each of `rows` rows x_t = scale x_0 + deviation z of states (row-major, D wide), each with a scale and a
/// deviation of its own, writes what is not null: the score, and the log density.
void ck_boxes_evaluate(const ck_boxes *law, const double *x, size_t rows, const double *scale, const double *deviation,
                       double *score, double *log_density, double *scratch);
