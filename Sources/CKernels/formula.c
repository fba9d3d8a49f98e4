// SPDX-License-Identifier: GPL-3.0-or-later
#include "ck_formula.h"
#include "vector64.h"
#include "vector64_whole.h"

enum { VECTORS = CK_FORMULA_LANES / 8 };

/// Derivative of ln Γ: recurrence up to 8, and then its asymptotic series (Abramowitz and Stegun 6.3.18); by reflection
/// for x < 0.
static double digamma(double x) {
  double result = 0;
  if (x <= 0) {
    if (x == floor(x)) return NAN;
    result = -M_PI / tan(M_PI * x);
    x = 1 - x;
  }
  while (x < 8) result -= 1 / x++;
  const double z = 1 / (x * x);
  return result + log(x) - 0.5 / x
         - z * (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 - z * (1.0 / 132 - z * (691.0 / 32760))))));
}

/// ln |Γ(x)|: libm's without its global sign.
static double log_gamma(double x) {
  int sign;
  return lgamma_r(x, &sign);
}

#define EACH for (int v = 0; v < VECTORS; v++)
#define A f64_load(a + 8 * v)
#define B f64_load(b + 8 * v)
#define C f64_load(c + 8 * v)
#define OUT(value) f64_store(out + 8 * v, value)
#define ONE_BY_ONE(value)                                        \
  for (int i = 0; i < CK_FORMULA_LANES; i++) {                   \
    const double x = a[i];                                       \
    out[i] = value;                                              \
  }                                                              \
  break

CK_KERNEL(void, ck_formula_forward, (const ck_formula_step *steps, size_t count, double *values),
          (steps, count, values)) {
  for (size_t s = 0; s < count; s++) {
    const ck_formula_step step = steps[s];
    const double *a = values + (size_t)step.a * CK_FORMULA_LANES, *b = values + (size_t)step.b * CK_FORMULA_LANES;
    const double *c = values + (size_t)step.c * CK_FORMULA_LANES;
    double *out = values + (size_t)step.out * CK_FORMULA_LANES;
    switch ((enum ck_formula_operation)step.operation) {
      case CK_NEGATE: EACH OUT(-A); break;
      case CK_ABS: EACH OUT((f64x8)((i64x8)A & i64_all(INT64_MAX))); break;
      case CK_SQRT: EACH OUT(__builtin_elementwise_sqrt(A)); break;
      case CK_EXP: EACH OUT(f64_exp_whole(A)); break;
      case CK_LOG: EACH OUT(f64_log_whole(A)); break;
      case CK_TANH: EACH OUT(f64_tanh(A)); break;
      case CK_EXPM1: ONE_BY_ONE(expm1(x));
      case CK_LOG1P: ONE_BY_ONE(log1p(x));
      case CK_SIN: ONE_BY_ONE(sin(x));
      case CK_COS: ONE_BY_ONE(cos(x));
      case CK_TAN: ONE_BY_ONE(tan(x));
      case CK_ASIN: ONE_BY_ONE(asin(x));
      case CK_ACOS: ONE_BY_ONE(acos(x));
      case CK_ATAN: ONE_BY_ONE(atan(x));
      case CK_SINH: ONE_BY_ONE(sinh(x));
      case CK_COSH: ONE_BY_ONE(cosh(x));
      case CK_ERF: ONE_BY_ONE(erf(x));
      case CK_LGAMMA: ONE_BY_ONE(log_gamma(x));
      case CK_SQUARE: EACH { f64x8 x = A; OUT(x * x); } break;
      case CK_ADD: EACH OUT(A + B); break;
      case CK_SUBTRACT: EACH OUT(A - B); break;
      case CK_MULTIPLY: EACH OUT(A * B); break;
      case CK_DIVIDE: EACH OUT(A / B); break;
      case CK_POWER: ONE_BY_ONE(pow(x, b[i]));
      // NaN if one of them is.
      case CK_MIN: EACH { f64x8 x = A, y = B; OUT(f64_select((y < x) | (y != y), y, x)); } break;
      case CK_MAX: EACH { f64x8 x = A, y = B; OUT(f64_select((y > x) | (y != y), y, x)); } break;
      case CK_LOGADDEXP: EACH OUT(f64_logaddexp(A, B)); break;
      case CK_ATAN2: ONE_BY_ONE(atan2(x, b[i]));
      case CK_LESS: EACH OUT(f64_select(A < B, f64_all(1), f64_all(0))); break;
      case CK_LESS_EQUAL: EACH OUT(f64_select(A <= B, f64_all(1), f64_all(0))); break;
      case CK_SELECT: EACH OUT(f64_select(A != 0.0, B, C)); break;
    }
  }
}

/// to += slope * g, and nothing where g is 0.
CK_INLINE void pull(double *to, f64x8 g, f64x8 slope) {
  f64_store(to, f64_load(to) + f64_select(g == 0.0, f64_all(0), slope * g));
}

#define G f64_load(g + 8 * v)
#define Y f64_load(y + 8 * v)
#define TO_A(slope) pull(da + 8 * v, G, slope)
#define TO_B(slope) pull(db + 8 * v, G, slope)
#define SLOPE_EACH(slope)                                                  \
  for (int i = 0; i < CK_FORMULA_LANES; i++) {                             \
    const double x = a[i];                                                 \
    if (g[i] != 0) da[i] += (slope) * g[i];                                \
  }                                                                        \
  break

CK_KERNEL(void, ck_formula_backward,
          (const ck_formula_step *steps, size_t count, const double *values, double *adjoints),
          (steps, count, values, adjoints)) {
  const f64x8 zero = f64_all(0);
  for (size_t s = count; s-- > 0;) {
    const ck_formula_step step = steps[s];
    const size_t at = (size_t)step.out * CK_FORMULA_LANES, at_a = (size_t)step.a * CK_FORMULA_LANES;
    const size_t at_b = (size_t)step.b * CK_FORMULA_LANES, at_c = (size_t)step.c * CK_FORMULA_LANES;
    const double *y = values + at, *a = values + at_a, *b = values + at_b, *g = adjoints + at;
    double *da = adjoints + at_a, *db = adjoints + at_b, *dc = adjoints + at_c;
    switch ((enum ck_formula_operation)step.operation) {
      case CK_NEGATE: EACH TO_A(f64_all(-1)); break;
      case CK_ABS: EACH TO_A(f64_select(A < zero, f64_all(-1), f64_all(1))); break;
      case CK_SQRT: EACH TO_A(0.5 / Y); break;
      case CK_EXP: EACH TO_A(Y); break;
      case CK_LOG: EACH TO_A(1.0 / A); break;
      case CK_TANH: EACH TO_A(1.0 - Y * Y); break;
      case CK_EXPM1: EACH TO_A(Y + 1.0); break;
      case CK_LOG1P: EACH TO_A(1.0 / (1.0 + A)); break;
      case CK_SIN: SLOPE_EACH(cos(x));
      case CK_COS: SLOPE_EACH(-sin(x));
      case CK_TAN: EACH TO_A(1.0 + Y * Y); break;
      case CK_ASIN: EACH TO_A(1.0 / __builtin_elementwise_sqrt(1.0 - A * A)); break;
      case CK_ACOS: EACH TO_A(-1.0 / __builtin_elementwise_sqrt(1.0 - A * A)); break;
      case CK_ATAN: EACH TO_A(1.0 / (1.0 + A * A)); break;
      case CK_SINH: SLOPE_EACH(cosh(x));
      case CK_COSH: SLOPE_EACH(sinh(x));
      case CK_ERF: EACH { f64x8 x = A; TO_A(1.1283791670955126 * f64_exp_whole(-x * x)); } break;
      case CK_LGAMMA: SLOPE_EACH(digamma(x));
      case CK_SQUARE: EACH TO_A(2.0 * A); break;
      case CK_ADD: EACH { TO_A(f64_all(1)); TO_B(f64_all(1)); } break;
      case CK_SUBTRACT: EACH { TO_A(f64_all(1)); TO_B(f64_all(-1)); } break;
      case CK_MULTIPLY: EACH { TO_A(B); TO_B(A); } break;
      case CK_DIVIDE: EACH { f64x8 by = 1.0 / B; TO_A(by); TO_B(-Y * by); } break;
      case CK_POWER:
        // d a^b = b a^(b - 1) da + a^b ln a db, the second only where a logarithm is one.
        for (int i = 0; i < CK_FORMULA_LANES; i++) {
          if (g[i] == 0) continue;
          if (b[i] != 0) da[i] += b[i] * pow(a[i], b[i] - 1) * g[i];
          if (y[i] != 0) db[i] += y[i] * log(a[i]) * g[i];
        }
        break;
      case CK_MIN: EACH { i64x8 second = B < A; TO_A(f64_select(second, zero, f64_all(1)));
                          TO_B(f64_select(second, f64_all(1), zero)); } break;
      case CK_MAX: EACH { i64x8 second = B > A; TO_A(f64_select(second, zero, f64_all(1)));
                          TO_B(f64_select(second, f64_all(1), zero)); } break;
      case CK_LOGADDEXP:
        EACH {
          f64x8 sum = Y, none = f64_all(-INFINITY);
          TO_A(f64_select(A == none, zero, f64_exp_whole(A - sum)));
          TO_B(f64_select(B == none, zero, f64_exp_whole(B - sum)));
        }
        break;
      case CK_ATAN2: EACH { f64x8 h = 1.0 / (A * A + B * B); TO_A(B * h); TO_B(-A * h); } break;
      // Steps are flat.
      case CK_LESS: case CK_LESS_EQUAL: break;
      case CK_SELECT:
        EACH {
          i64x8 yes = A != 0.0;
          pull(db + 8 * v, f64_select(yes, G, zero), f64_all(1));
          pull(dc + 8 * v, f64_select(yes, zero, G), f64_all(1));
        }
        break;
    }
  }
}

void ck_formula_load(double *registers, const double *rows, size_t count, size_t dimension) {
  for (size_t j = 0; j < dimension; j++) {
    double *to = registers + j * CK_FORMULA_LANES;
    for (size_t i = 0; i < count; i++) to[i] = rows[i * dimension + j];
    for (size_t i = count; i < CK_FORMULA_LANES; i++) to[i] = to[count - 1];
  }
}
