// SPDX-License-Identifier: GPL-3.0-or-later
#include "ck_random.h"
#include "vector64.h"

enum { ROUNDS = 10 };
static const uint32_t MULTIPLIER_0 = 0xD2511F53, MULTIPLIER_1 = 0xCD9E8D57;
static const uint32_t WEYL_0 = 0x9E3779B9, WEYL_1 = 0xBB67AE85;

void ck_philox4x32_10(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
  for (int round = 0; round < ROUNDS; round++) {
    uint64_t p0 = (uint64_t)MULTIPLIER_0 * c0, p1 = (uint64_t)MULTIPLIER_1 * c2;
    c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    c1 = (uint32_t)p1;
    c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c3 = (uint32_t)p0;
    k0 += WEYL_0;
    k1 += WEYL_1;
  }
  out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

/// Eight blocks, one a lane, each word in the low half of 64 bits; returns two 52-bit uniforms in [0, 1) a lane.
CK_INLINE void uniform_pairs(u64x8 c0, u64x8 c1, uint32_t word2, uint32_t word3, uint64_t seed, f64x8 *a, f64x8 *b) {
  const u64x8 low = (u64x8)i64_all(0xffffffff);
  const u64x8 m0 = (u64x8)i64_all(MULTIPLIER_0), m1 = (u64x8)i64_all(MULTIPLIER_1);
  u64x8 c2 = (u64x8)i64_all(word2), c3 = (u64x8)i64_all(word3);
  uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  for (int round = 0; round < ROUNDS; round++) {
    u64x8 p0 = m0 * (c0 & low), p1 = m1 * (c2 & low);
    c0 = (p1 >> 32) ^ c1 ^ (u64x8)i64_all(k0);
    c1 = p1 & low;
    c2 = (p0 >> 32) ^ c3 ^ (u64x8)i64_all(k1);
    c3 = p0 & low;
    k0 += WEYL_0;
    k1 += WEYL_1;
  }
  const u64x8 one = (u64x8)f64_all(1.0);
  *a = (f64x8)(((c0 << 20) ^ (c1 >> 12)) | one) - 1.0;
  *b = (f64x8)(((c2 << 20) ^ (c3 >> 12)) | one) - 1.0;
}

/// Box and Muller: (a, b) uniform on [0, 1)^2 -> two independent standard normals.
CK_INLINE void box_muller(f64x8 *a, f64x8 *b) {
  f64x8 radius = __builtin_elementwise_sqrt(-2.0 * f64_log(1.0 - *a)), sine, cosine;
  f64_sincos_turns(*b, &sine, &cosine);
  *a = radius * cosine;
  *b = radius * sine;
}

CK_INLINE void fill(double *out, size_t rows, size_t dimension, uint64_t seed, uint32_t purpose,
                    uint64_t first_row, uint64_t step, int normal) {
  const size_t blocks = (dimension + 1) / 2, total = rows * blocks;
  const uint32_t word2 = (uint32_t)step, word3 = purpose << 24 | (uint32_t)(step >> 32);
  const i64x8 lanes = {0, 1, 2, 3, 4, 5, 6, 7};
  uint64_t row = 0, block = 0;
  for (size_t start = 0; start < total; start += 8) {
    u64x8 c0, c1;
    uint64_t lane_row[8], lane_block[8];
    if (blocks == 1) {
      c0 = (u64x8)i64_all(0);
      c1 = (u64x8)(lanes + (int64_t)(first_row + start));
    } else if (block + 8 <= blocks) {
      c0 = (u64x8)(lanes + (int64_t)block);
      c1 = (u64x8)i64_all((int64_t)(first_row + row));
      if ((block += 8) == blocks) block = 0, row++;
    } else {
      for (int i = 0; i < 8; i++) {
        lane_row[i] = first_row + row;
        lane_block[i] = block;
        if (++block == blocks) block = 0, row++;
      }
      memcpy(&c0, lane_block, sizeof c0);
      memcpy(&c1, lane_row, sizeof c1);
    }
    f64x8 a, b;
    uniform_pairs(c0, c1 & (u64x8)i64_all(0xffffffff), word2, word3, seed, &a, &b);
    if (normal) box_muller(&a, &b);
    f64x8 first = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
    f64x8 second = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
    if (dimension % 2 == 0 && start + 8 <= total) {
      f64_store(out + 2 * start, first);
      f64_store(out + 2 * start + 8, second);
    } else {
      double pairs[16];
      f64_store(pairs, first);
      f64_store(pairs + 8, second);
      for (size_t i = 0; i < 8 && start + i < total; i++) {
        size_t r = (start + i) / blocks, j = 2 * ((start + i) % blocks);
        out[r * dimension + j] = pairs[2 * i];
        if (j + 1 < dimension) out[r * dimension + j + 1] = pairs[2 * i + 1];
      }
    }
  }
}

CK_KERNEL(void, ck_normals, (double *out, size_t rows, size_t dimension, uint64_t seed, uint32_t purpose,
                          uint64_t first_row, uint64_t step),
          (out, rows, dimension, seed, purpose, first_row, step)) {
  fill(out, rows, dimension, seed, purpose, first_row, step, 1);
}

CK_KERNEL(void, ck_uniforms, (double *out, size_t rows, size_t dimension, uint64_t seed, uint32_t purpose,
                           uint64_t first_row, uint64_t step),
          (out, rows, dimension, seed, purpose, first_row, step)) {
  fill(out, rows, dimension, seed, purpose, first_row, step, 0);
}
