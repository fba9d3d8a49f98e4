// SPDX-License-Identifier: GPL-3.0-or-later
#define _GNU_SOURCE
#include "ck_matrix.h"
#include <dlfcn.h>
#include <stdio.h>

static _Thread_local int lent = 1;

int ck_lent_threads(void) { return lent; }

int ck_lend_threads(int count) {
  const int before = lent;
  lent = count;
  return before;
}

#if SCORESDE_ONEDNN
#include <dnnl.h>

const char *ck_kernel_set(void) { return "onednn"; }

const char *ck_kernel_version(void) {
  static _Thread_local char text[32];
  const dnnl_version_t *v = dnnl_version();
  snprintf(text, sizeof text, "%d.%d.%d", v->major, v->minor, v->patch);
  return text;
}

void ck_enter_worker(void) {
  // oneDNN is built on some OpenMP run time; ask whichever is loaded, so that none is named when linking.
  static _Thread_local int entered = 0;
  if (entered) return;
  void (*set_threads)(int) = (void (*)(int))dlsym(RTLD_DEFAULT, "omp_set_num_threads");
  if (set_threads) set_threads(1);
  entered = 1;
}

void ck_matrix_product(int transpose_a, int transpose_b, size_t m, size_t n, size_t k, const float *a, size_t lda,
                       const float *b, size_t ldb, float beta, float *c, size_t ldc) {
  dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', (dnnl_dim_t)m, (dnnl_dim_t)n, (dnnl_dim_t)k, 1.0f, a,
             (dnnl_dim_t)lda, b, (dnnl_dim_t)ldb, beta, c, (dnnl_dim_t)ldc);
}

#else
#include <gsl/gsl_cblas.h>

const char *ck_kernel_set(void) { return "cblas"; }
const char *ck_kernel_version(void) { return ""; }
void ck_enter_worker(void) {}

void ck_matrix_product(int transpose_a, int transpose_b, size_t m, size_t n, size_t k, const float *a, size_t lda,
                       const float *b, size_t ldb, float beta, float *c, size_t ldc) {
  cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, (int)m,
              (int)n, (int)k, 1.0f, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
}
#endif
