// SPDX-License-Identifier: GPL-3.0-or-later
// Numbers of 16 bits that become floats when they are used, and memory for many of them.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Memory of zeros, aligned to 64 bytes, that is taken from the system page by page as it is written.
void *ck_zeroed_memory(size_t bytes);
void ck_free_memory(void *memory, size_t bytes);

/// out[i] = halves[i] as a float: of IEEE 754's 16 bits, or where `brain` is set the upper half of a float's bits.
void ck_widen(float *out, const uint16_t *halves, int brain, size_t n);

/// Whether every number is finite.
int ck_all_finite(const float *x, size_t n);
int ck_all_finite_halves(const uint16_t *x, int brain, size_t n);
