// SPDX-License-Identifier: GPL-3.0-or-later
// Matrix products, by oneDNN or by GSL's CBLAS (chosen when the package is built).
#pragma once
#include <stddef.h>

/// "onednn" or "cblas".
const char *ck_kernel_set(void);
/// The library's version, as "2.6.3"; empty for cblas.
const char *ck_kernel_version(void);
/// Call at the start of every worker body: inside a worker a product runs on the worker's own thread.
void ck_enter_worker(void);

/// How many threads the calling worker may use, itself included; 1 where nobody lent it more.
int ck_lent_threads(void);
/// Lends the calling worker threads, and returns how many it had.
int ck_lend_threads(int count);

/// Row-major C = op(A) op(B) + beta C with C of m x n and inner size k; op is the transpose where the flag is set.
/// The leading dimensions are those of the matrices as stored.
void ck_matrix_product(int transpose_a, int transpose_b, size_t m, size_t n, size_t k, const float *a, size_t lda,
                       const float *b, size_t ldb, float beta, float *c, size_t ldc);
