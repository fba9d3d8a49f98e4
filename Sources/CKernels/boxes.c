// SPDX-License-Identifier: GPL-3.0-or-later
#include "ck_boxes.h"
#include "vector64.h"

enum { SIDE = 4 };  // exponentials or Mills ratios at a time

static const double ROOT_TAU = 2.50662827463100050242;      // sqrt(2 pi)
static const double LOG_ROOT_TAU = 0.91893853320467274178;  // ln sqrt(2 pi)

size_t ck_boxes_scratch(const ck_boxes *law) {
  return 8 * (2 * law->edges + 2 * law->intervals + law->boxes + 2 * law->dimension) + 8;
}

/// Mills' ratio P(Z > z) / phi(z) for z >= 0, of `n` <= 4 vectors side by side, to 4e-16 relative: (1 + z) times it as
/// a polynomial in (z - 4.5)/(z + 4.5), by which Shepherd and Laframboise (1981) have erfc on all of the half line. The
/// coefficients are those of its interpolation at 24 Chebyshev nodes.
CK_INLINE void mills(const f64x8 *z, f64x8 *ratio, int n) {
  static const double c[] = {
      1.18614593882921869e-09, 1.88293729673117007e-09, -1.15292268585067227e-08, -2.33832877714758718e-08,
      6.17956765292256913e-08, 1.72853600273439942e-07, -2.71982649509264694e-07, -1.07243674078722921e-06,
      1.32012861001606492e-06, 6.39418823878970281e-06, -8.98908772555460698e-06, -3.73390552292703380e-05,
      8.48120745952246375e-05, 1.77850597966421238e-04, -8.84844280797520192e-04, 2.98929693459250984e-04,
      6.79608614055232391e-03, -2.65479139655754315e-02, 5.66906832342833553e-02, -7.61435737900936355e-02,
      4.74320662219185410e-02, 5.97654496413001501e-02, -2.36767982559132589e-01, 1.16913819243117478e+00};
  f64x8 t[SIDE], p[SIDE];
  for (int i = 0; i < n; i++) {
    t[i] = (z[i] - 4.5) / (z[i] + 4.5);
    p[i] = f64_all(c[0]);
  }
#pragma clang loop unroll(full)
  for (int k = 1; k < 24; k++)
    for (int i = 0; i < n; i++) p[i] = p[i] * t[i] + c[k];
  for (int i = 0; i < n; i++) ratio[i] = p[i] / (1.0 + z[i]);
}

/// ln P(a <= z <= b) and E[z] of z ~ N(0, 1) given a <= z <= b, from Mills' ratios M at |a| and |b|. In a tail, with n
/// the near end and f the far one, S = M(n) - exp((n^2 - f^2)/2) M(f) is the mass over phi(n); about the middle S is
/// the mass times sqrt(2 pi). Where an interval is so thin that the density hardly changes over it, S is its width,
/// and both results are those to second order in it.
CK_INLINE void interval(f64x8 a, f64x8 b, f64x8 mills_a, f64x8 mills_b, f64x8 *log_mass, f64x8 *mean) {
  f64x8 width = b - a, centre = 0.5 * (a + b), reach = __builtin_elementwise_abs(centre);
  i64x8 is_middle = (a < 0.0) & (b > 0.0), is_upper = centre > 0.0;
  i64x8 is_thin = (width < 1e-4) & (width * reach < 1e-4);
  f64x8 e[2] = {f64_select(is_middle, -0.5 * a * a, -width * reach), -0.5 * b * b};
  f64_exps(e, 2);
  f64x8 tail = f64_select(is_upper, mills_a - e[0] * mills_b, mills_b - e[0] * mills_a);
  f64x8 mass = f64_select(is_middle, ROOT_TAU - e[0] * mills_a - e[1] * mills_b, tail);
  f64x8 slope = f64_select(is_middle, e[0] - e[1], f64_select(is_upper, 1.0 - e[0], e[0] - 1.0));
  f64x8 near = f64_select(is_middle, f64_all(0.0), f64_select(is_upper, a, b));
  *mean = f64_select(is_thin, centre - centre * width * width * (1.0 / 12), slope / mass);
  near = f64_select(is_thin, centre, near);
  f64x8 bend = f64_select(is_thin, (centre * centre - 1.0) * width * width * (1.0 / 24), f64_all(0.0));
  *log_mass = f64_log(f64_select(is_thin, width, mass)) - 0.5 * near * near - LOG_ROOT_TAU + bend;
}

CK_KERNEL(void, ck_boxes_evaluate,
          (const ck_boxes *law, const double *x, size_t rows, const double *scale, const double *deviation,
           double *score, double *log_density, double *scratch),
          (law, x, rows, scale, deviation, score, log_density, scratch)) {
  const size_t D = law->dimension, N = law->edges, U = law->intervals, K = law->boxes;
  f64x8 *Z = (f64x8 *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
  f64x8 *M = Z + N, *L = M + N, *E = L + U, *W = E + U, *X = W + K, *S = X + D;
  for (size_t r = 0; r < rows; r += 8) {
    const size_t n = rows - r < 8 ? rows - r : 8;
    f64x8 m, deviations;
    for (size_t i = 0; i < 8; i++) {
      const size_t row = r + (i < n ? i : 0);
      m[i] = scale[row];
      deviations[i] = deviation[row];
      for (size_t j = 0; j < D; j++) X[j][i] = x[row * D + j];
    }
    f64x8 inverse = 1.0 / deviations;
    for (size_t k = 0; k < N; k++) Z[k] = (law->ends[k] * m - X[law->coordinates[k]]) * inverse;
    size_t k = 0;
    for (; k < N; k += SIDE) {
      f64x8 distance[SIDE], ratio[SIDE];
      for (size_t i = 0; i < SIDE; i++) distance[i] = __builtin_elementwise_abs(Z[k + i < N ? k + i : k]);
      mills(distance, ratio, SIDE);
      for (size_t i = 0; i < SIDE && k + i < N; i++) M[k + i] = ratio[i];
    }
    for (size_t u = 0; u < U; u++) {
      const int32_t low = law->bounds[2 * u], high = law->bounds[2 * u + 1];
      interval(Z[low], Z[high], M[low], M[high], L + u, E + u);
    }
    f64x8 top = f64_all(-INFINITY), total = f64_all(0);
    for (k = 0; k < K; k++) {
      W[k] = f64_all(law->log_heights[k]);
      for (size_t j = 0; j < D; j++) W[k] += L[law->sides[k * D + j]];
      top = f64_max(W[k], top);
    }
    for (size_t j = 0; j < D; j++) S[j] = f64_all(0);
    for (k = 0; k < K; k += SIDE) {
      f64x8 w[SIDE];
      for (size_t i = 0; i < SIDE; i++) w[i] = W[k + i < K ? k + i : k] - top;
      f64_exps(w, SIDE);
      for (size_t i = 0; i < SIDE && k + i < K; i++) {
        total += w[i];
        for (size_t j = 0; j < D; j++) S[j] += w[i] * E[law->sides[(k + i) * D + j]];
      }
    }
    // m E[x_0] - x = deviation E[z]
    f64x8 share = inverse / total;
    if (score)
      for (size_t j = 0; j < D; j++) {
        f64x8 s = S[j] * share;
        for (size_t i = 0; i < n; i++) score[(r + i) * D + j] = s[i];
      }
    if (log_density) f64_store_part(log_density + r, top + f64_log(total) - (double)D * f64_log(m), n);
  }
}
