// SPDX-License-Identifier: GPL-3.0-or-later
#include "ck_mixture.h"
#include "vector64.h"

enum { SIDE = 4 };    // exponentials at a time
enum { ARRAYS = 6 };  // x, direction, score, Jacobian product, P d, P v

size_t ck_mixture_scratch(size_t components, size_t dimension) {
  return 8 * (components + ARRAYS * dimension) + 8;
}

CK_INLINE void load_rows(f64x8 *to, const double *x, size_t D, size_t n) {
  if (D == 1 && n == 8) {
    to[0] = f64_load(x);
  } else if (D == 2 && n == 8) {
    f64x8 a = f64_load(x), b = f64_load(x + 8);
    to[0] = __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
    to[1] = __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
  } else {
    for (size_t j = 0; j < D; j++)
      for (size_t i = 0; i < 8; i++) to[j][i] = x[(i < n ? i : 0) * D + j];
  }
}

CK_INLINE void store_rows(double *x, const f64x8 *from, size_t D, size_t n) {
  if (D == 1 && n == 8) {
    f64_store(x, from[0]);
  } else if (D == 2 && n == 8) {
    f64_store(x, __builtin_shufflevector(from[0], from[1], 0, 8, 1, 9, 2, 10, 3, 11));
    f64_store(x + 8, __builtin_shufflevector(from[0], from[1], 4, 12, 5, 13, 6, 14, 7, 15));
  } else {
    for (size_t i = 0; i < n; i++)
      for (size_t j = 0; j < D; j++) x[i * D + j] = from[j][i];
  }
}

/// y = P_k (x - mean_k), or P_k x where `mean` is null.
CK_INLINE void apply(const ck_mixture *m, int structure, size_t D, size_t k, const double *mean, const f64x8 *x,
                     f64x8 *y) {
  for (size_t i = 0; i < D; i++) {
    if (structure == CK_FULL) {
      const double *row = m->precisions + (k * D + i) * D;
      f64x8 sum = f64_all(0);
      for (size_t j = 0; j < D; j++) sum += row[j] * (mean ? x[j] - mean[j] : x[j]);
      y[i] = sum;
    } else {
      double p = structure == CK_DIAGONAL ? m->precisions[k * D + i] : m->precisions[k];
      y[i] = p * (mean ? x[i] - mean[i] : x[i]);
    }
  }
}

/// (x - mean_k)' P_k (x - mean_k); leaves P_k (x - mean_k) in y unless the structure makes it needless.
CK_INLINE f64x8 quadratic(const ck_mixture *m, int structure, size_t D, size_t k, const f64x8 *x, f64x8 *y) {
  const double *mean = m->means + k * D;
  f64x8 even = f64_all(0), odd = f64_all(0);
  if (structure == CK_ISOTROPIC) {
    size_t j = 0;
    for (; j + 2 <= D; j += 2) {
      f64x8 a = x[j] - mean[j], b = x[j + 1] - mean[j + 1];
      even += a * a;
      odd += b * b;
    }
    if (j < D) {
      f64x8 a = x[j] - mean[j];
      even += a * a;
    }
    return m->precisions[k] * (even + odd);
  }
  apply(m, structure, D, k, mean, x, y);
  for (size_t j = 0; j < D; j++) even += y[j] * (x[j] - mean[j]);
  return even;
}

/// Below this, a component's share of the density is zero in double precision.
static const double NEGLIGIBLE = -708;

CK_INLINE void evaluate(const ck_mixture *m, int structure, size_t D, const double *x, size_t rows, double *score,
                        double *log_density, const double *direction, double *jacobian_product, f64x8 *X, f64x8 *V,
                        f64x8 *S, f64x8 *J, f64x8 *Y, f64x8 *PV, f64x8 *E) {
  const size_t K = m->components;
  for (size_t r = 0; r < rows; r += 8) {
    const size_t n = rows - r < 8 ? rows - r : 8;
    load_rows(X, x + r * D, D, n);
    f64x8 top = f64_all(-INFINITY), total = f64_all(0);
    for (size_t k = 0; k < K; k++) {
      E[k] = m->log_coefficients[k] - 0.5 * quadratic(m, structure, D, k, X, Y);
      top = f64_max(E[k], top);
    }
    if (direction) load_rows(V, direction + r * D, D, n);
    for (size_t j = 0; j < D; j++) S[j] = J[j] = f64_all(0);
    size_t k = 0;
    // Side by side, as each exponential is one long chain.
    if (structure == CK_ISOTROPIC && !direction) {
      for (; k + SIDE <= K; k += SIDE) {
        f64x8 w[SIDE];
        i64x8 some = i64_all(0);
        for (int i = 0; i < SIDE; i++) {
          w[i] = E[k + i] - top;
          if (K > 16) some |= w[i] > NEGLIGIBLE;
        }
        if (K > 16 && !__builtin_reduce_or(some)) continue;
        f64_exps(w, SIDE);
        for (int i = 0; i < SIDE; i++) {
          const double *mean = m->means + (k + i) * D;
          total += w[i];
          f64x8 wp = w[i] * m->precisions[k + i];
          for (size_t j = 0; j < D; j++) S[j] += wp * (mean[j] - X[j]);
        }
      }
    }
    for (; k < K; k++) {
      f64x8 e = E[k] - top;
      if (K > 16 && !__builtin_reduce_or(e > NEGLIGIBLE)) continue;
      f64x8 w = f64_exp(e);
      total += w;
      const double *mean = m->means + k * D;
      if (structure == CK_ISOTROPIC && !direction) {
        f64x8 wp = w * m->precisions[k];
        for (size_t j = 0; j < D; j++) S[j] += wp * (mean[j] - X[j]);
        continue;
      }
      apply(m, structure, D, k, mean, X, Y);
      for (size_t j = 0; j < D; j++) S[j] -= w * Y[j];
      if (direction) {
        f64x8 along = f64_all(0);
        for (size_t j = 0; j < D; j++) along += Y[j] * V[j];
        apply(m, structure, D, k, 0, V, PV);
        for (size_t j = 0; j < D; j++) J[j] += w * (Y[j] * along - PV[j]);
      }
    }
    f64x8 share = 1.0 / total;
    for (size_t j = 0; j < D; j++) S[j] *= share;
    if (score) store_rows(score + r * D, S, D, n);
    if (log_density) f64_store_part(log_density + r, top + f64_log(total), n);
    if (direction) {
      f64x8 along = f64_all(0);
      for (size_t j = 0; j < D; j++) along += S[j] * V[j];
      for (size_t j = 0; j < D; j++) J[j] = J[j] * share - S[j] * along;
      store_rows(jacobian_product + r * D, J, D, n);
    }
  }
}

// Small dimensions keep their vectors in registers.
#define SMALL(structure, D)                                                                                   \
  do {                                                                                                        \
    f64x8 X[D], V[D], S[D], J[D], Y[D], PV[D];                                                                \
    evaluate(m, structure, D, x, rows, score, log_density, direction, jacobian_product, X, V, S, J, Y, PV, E); \
    return;                                                                                                   \
  } while (0)

CK_KERNEL(void, ck_mixture_evaluate, (const ck_mixture *m, const double *x, size_t rows, double *score,
                                   double *log_density, const double *direction, double *jacobian_product,
                                   double *scratch),
          (m, x, rows, score, log_density, direction, jacobian_product, scratch)) {
  f64x8 *E = (f64x8 *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
  const size_t K = m->components, D = m->dimension;
  if (m->structure == CK_ISOTROPIC && D == 1) SMALL(CK_ISOTROPIC, 1);
  if (m->structure == CK_ISOTROPIC && D == 2) SMALL(CK_ISOTROPIC, 2);
  if (m->structure == CK_FULL && D == 2) SMALL(CK_FULL, 2);
  f64x8 *X = E + K, *V = X + D, *S = V + D, *J = S + D, *Y = J + D, *PV = Y + D;
  if (m->structure == CK_ISOTROPIC)
    evaluate(m, CK_ISOTROPIC, D, x, rows, score, log_density, direction, jacobian_product, X, V, S, J, Y, PV, E);
  else if (m->structure == CK_DIAGONAL)
    evaluate(m, CK_DIAGONAL, D, x, rows, score, log_density, direction, jacobian_product, X, V, S, J, Y, PV, E);
  else
    evaluate(m, CK_FULL, D, x, rows, score, log_density, direction, jacobian_product, X, V, S, J, Y, PV, E);
}

CK_KERNEL(void, ck_turn_rows, (const double *matrix, size_t D, const double *x, size_t rows, double *out,
                            double *scratch),
          (matrix, D, x, rows, out, scratch)) {
  f64x8 *X = (f64x8 *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63), *Y = X + D;
  for (size_t r = 0; r < rows; r += 8) {
    const size_t n = rows - r < 8 ? rows - r : 8;
    load_rows(X, x + r * D, D, n);
    size_t i = 0;
    // Four sums side by side, as each is one long chain.
    for (; i + 4 <= D; i += 4) {
      const double *a = matrix + i * D, *b = a + D, *c = b + D, *d = c + D;
      f64x8 p = f64_all(0), q = f64_all(0), s = f64_all(0), t = f64_all(0);
      for (size_t j = 0; j < D; j++) {
        p += a[j] * X[j];
        q += b[j] * X[j];
        s += c[j] * X[j];
        t += d[j] * X[j];
      }
      Y[i] = p, Y[i + 1] = q, Y[i + 2] = s, Y[i + 3] = t;
    }
    for (; i < D; i++) {
      f64x8 p = f64_all(0);
      for (size_t j = 0; j < D; j++) p += matrix[i * D + j] * X[j];
      Y[i] = p;
    }
    store_rows(out + r * D, Y, D, n);
  }
}
