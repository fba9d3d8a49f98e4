// SPDX-License-Identifier: GPL-3.0-or-later
#include "ck_truncated.h"
#include "vector64.h"

CK_INLINE f64x8 polynomial(f64x8 x, const double *c) {
  f64x8 y = f64_all(c[7]);
#pragma clang loop unroll(full)
  for (int i = 6; i >= 0; i--) y = y * x + c[i];
  return y;
}

/// Rational functions of degree 7: of 0.180625 - q^2 about the middle, of sqrt(-ln p) in the tails, nearer and further.
CK_INLINE f64x8 quantile(f64x8 p) {
  static const double a[] = {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
                             1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
                             3.3430575583588128105e4, 2.5090809287301226727e3};
  static const double b[] = {1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
                             2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4,
                             5.2264952788528545610e3};
  static const double c[] = {1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0,
                             3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1,
                             2.27238449892691845833e-2, 7.74545014278341407640e-4};
  static const double d[] = {1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
                             1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
                             1.05075007164441684324e-9};
  static const double e[] = {6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0,
                             2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                             2.71155556874348757815e-5, 2.01033439929228813265e-7};
  static const double f[] = {1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
                             7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
                             2.04426310338993978564e-15};
  f64x8 q = p - 0.5;
  i64x8 is_middle = (q <= 0.425) & (q >= -0.425);
  f64x8 r = 0.180625 - q * q;
  f64x8 middle = q * polynomial(r, a) / polynomial(r, b);
  if (__builtin_reduce_and(is_middle)) return middle;
  f64x8 tail = f64_select(q < 0.0, p, 1.0 - p);
  r = __builtin_elementwise_sqrt(-f64_log(f64_max(tail, f64_all(0x1p-1022))));
  f64x8 near = r - 1.6, outer = polynomial(near, c) / polynomial(near, d);
  i64x8 is_far = r > 5.0;
  if (__builtin_reduce_or(is_far)) {
    f64x8 far = r - 5.0;
    outer = f64_select(is_far, polynomial(far, e) / polynomial(far, f), outer);
  }
  return f64_select(is_middle, middle, f64_select(q < 0.0, -outer, outer));
}

CK_KERNEL(void, ck_normal_quantiles, (double *out, const double *p, size_t n), (out, p, n)) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) f64_store(out + i, quantile(f64_load(p + i)));
  if (i < n) {
    double rest[8];
    for (size_t k = 0; k < 8; k++) rest[k] = i + k < n ? p[i + k] : 0.5;
    f64_store_part(out + i, quantile(f64_load(rest)), n - i);
  }
}

CK_KERNEL(void, ck_truncated_normals,
          (double *out, const double *u, size_t rows, size_t dimension, const double *patterns),
          (out, u, rows, dimension, patterns)) {
  const size_t n = rows * dimension, period = 8 * dimension;
  for (size_t i = 0, at = 0; i < n; i += 8, at = at + 8 == period ? 0 : at + 8) {
    const double *c = patterns + at;
    double rest[8];
    const size_t left = n - i < 8 ? n - i : 8;
    for (size_t k = 0; left < 8 && k < 8; k++) rest[k] = k < left ? u[i + k] : 0.5;
    f64x8 p = f64_load(c + 2 * period) + (left == 8 ? f64_load(u + i) : f64_load(rest)) * f64_load(c + 3 * period);
    f64x8 x = f64_load(c) + f64_load(c + period) * quantile(p);
    x = f64_max(x, f64_load(c + 4 * period));
    f64x8 high = f64_load(c + 5 * period);
    x = f64_select(x > high, high, x);
    if (left == 8)
      f64_store(out + i, x);
    else
      f64_store_part(out + i, x, left);
  }
}
