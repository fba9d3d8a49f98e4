// SPDX-License-Identifier: GPL-3.0-or-later
// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011).
#pragma once
#include <stddef.h>
#include <stdint.h>

/// One block of Philox4x32-10: four 32-bit words from a 128-bit counter and a 64-bit key.
void ck_philox4x32_10(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/// Standard normals, out[r * dimension + j], by Box and Muller from 52-bit uniforms. The pair (2b, 2b + 1)
/// of row r comes from the block with counter {b, first_row + r, step, purpose << 24 | step >> 32} and key seed:
/// a value depends on nothing but (seed, purpose, row, step, column). purpose < 256, step < 2^56.
void ck_normals(double *out, size_t rows, size_t dimension, uint64_t seed, uint32_t purpose,
                uint64_t first_row, uint64_t step);

/// Uniforms in [0, 1) with 52 bits, keyed as `ck_normals`.
void ck_uniforms(double *out, size_t rows, size_t dimension, uint64_t seed, uint32_t purpose,
                 uint64_t first_row, uint64_t step);
