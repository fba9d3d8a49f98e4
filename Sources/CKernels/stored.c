// SPDX-License-Identifier: GPL-3.0-or-later
#define _GNU_SOURCE
#include "ck_stored.h"
#include <stdlib.h>
#include <sys/mman.h>
#include "vector32.h"

typedef uint16_t u16x16 __attribute__((vector_size(32)));
typedef uint32_t u32x16 __attribute__((vector_size(64)));

void *ck_zeroed_memory(size_t bytes) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) abort();
  return memory;
}

void ck_free_memory(void *memory, size_t bytes) { munmap(memory, bytes); }

CK_INLINE f32x16 widen(u16x16 h, int brain) {
  const u32x16 bits = __builtin_convertvector(h, u32x16);
  if (brain) return (f32x16)(bits << 16);
  // The exponent's bias is 112 less: as a float's bits the number is 2^112 times too small.
  const u32x16 sign = (bits & 0x8000) << 16, magnitude = (bits & 0x7fff) << 13;
  const f32x16 value = (f32x16)magnitude * 0x1p112f;
  const u32x16 special = (u32x16)((bits & 0x7c00) == 0x7c00) & 0x7f800000;
  return (f32x16)((u32x16)value | special | sign);
}

CK_INLINE void widen_all(float *out, const uint16_t *halves, int brain, size_t n) {
  for (size_t i = 0; i < n; i += 16) {
    u16x16 h = {0};
    memcpy(&h, halves + i, n - i >= 16 ? 32 : 2 * (n - i));
    f32_store(out + i, widen(h, brain), n - i);
  }
}

CK_KERNEL(void, ck_widen, (float *out, const uint16_t *halves, int brain, size_t n), (out, halves, brain, n)) {
  if (brain)
    widen_all(out, halves, 1, n);
  else
    widen_all(out, halves, 0, n);
}

int ck_all_finite(const float *x, size_t n) {
  uint32_t any = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, x + i, sizeof bits);
    any |= (bits & 0x7f800000) == 0x7f800000;
  }
  return !any;
}

int ck_all_finite_halves(const uint16_t *x, int brain, size_t n) {
  const uint16_t exponent = brain ? 0x7f80 : 0x7c00;
  uint16_t any = 0;
  for (size_t i = 0; i < n; i++) any |= (x[i] & exponent) == exponent;
  return !any;
}
