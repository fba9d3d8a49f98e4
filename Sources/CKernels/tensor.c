// SPDX-License-Identifier: GPL-3.0-or-later
#include "ck_tensor.h"
#include "vector32.h"

// Every loop walks in vectors of 16; `n - i` tells a load or store how many values are left.

CK_INLINE f32x16 silu(f32x16 x, int order) {
  f32x16 s = 1.0f / (1.0f + f32_exp(-x));
  if (order == 0) return x * s;
  f32x16 c = 1.0f - s;
  if (order == 1) return s * (1.0f + x * c);
  f32x16 d = c - s;  // 1 - 2 s
  if (order == 2) return s * c * (2.0f + x * d);
  return s * c * (3.0f * d + x * (1.0f - 6.0f * s * c));
}

CK_INLINE void silu_loop(float *out, const float *x, int order, size_t n) {
  for (size_t i = 0; i < n; i += 16) f32_store(out + i, silu(f32_load(x + i, n - i), order), n - i);
}

CK_KERNEL(void, ck_silu, (float *out, const float *x, int order, size_t n), (out, x, order, n)) {
  switch (order) {
    case 0: silu_loop(out, x, 0, n); break;
    case 1: silu_loop(out, x, 1, n); break;
    case 2: silu_loop(out, x, 2, n); break;
    default: silu_loop(out, x, 3, n); break;
  }
}

CK_INLINE void silu_product_loop(float *out, const float *g, const float *x, int order, size_t n) {
  for (size_t i = 0; i < n; i += 16)
    f32_store(out + i, f32_load(g + i, n - i) * silu(f32_load(x + i, n - i), order), n - i);
}

CK_KERNEL(void, ck_silu_product, (float *out, const float *g, const float *x, int order, size_t n),
          (out, g, x, order, n)) {
  switch (order) {
    case 0: silu_product_loop(out, g, x, 0, n); break;
    case 1: silu_product_loop(out, g, x, 1, n); break;
    case 2: silu_product_loop(out, g, x, 2, n); break;
    default: silu_product_loop(out, g, x, 3, n); break;
  }
}

// MARK: GELU

/// Phi(x), the standard normal distribution function, and exp(-x^2/2). The lower tail is exp(-x^2/2) P(t) with
/// t = 1/(1 + 0.35 |x|) and P fitted to exp(x^2/2) Phi(-|x|) on 0 <= |x| <= 13.3 (largest relative error 3.2e-8; 3.4e-7
/// as floats are rounded), beyond which exp has underflowed.
CK_INLINE f32x16 normal_distribution(f32x16 x, f32x16 *bell) {
  const f32x16 size = __builtin_elementwise_abs(x), t = 1.0f / (1.0f + 0.35f * size);
  *bell = f32_exp(-0.5f * x * x);
  f32x16 p = t * -0.029115006f + 0.14381838f;
  p = p * t - 0.25539094f;
  p = p * t + 0.15879652f;
  p = p * t - 0.0228434f;
  p = p * t + 0.10539214f;
  p = p * t + 0.11986309f;
  p = p * t + 0.13985756f;
  p = p * t + 0.13962166f;
  const f32x16 tail = *bell * p * t;
  const i32x16 negative = x < 0.0f;
  return (f32x16)((negative & (i32x16)tail) | (~negative & (i32x16)(1.0f - tail)));
}

/// x Phi(x), or x sigmoid(1.702 x) where `quick`, or a derivative of these.
CK_INLINE f32x16 gelu(f32x16 x, int quick, int order) {
  if (quick) {
    const float a = 1.702f;
    const f32x16 y = silu(a * x, order);
    return order == 0 ? y * (1 / a) : order == 1 ? y : order == 2 ? y * a : y * (a * a);
  }
  f32x16 bell;
  const f32x16 phi = normal_distribution(x, &bell);
  if (order == 0) return x * phi;
  bell *= 0.3989422804f;
  if (order == 1) return phi + x * bell;
  if (order == 2) return bell * (2.0f - x * x);
  return bell * x * (x * x - 4.0f);
}

#define GELU_FORMS(loop)                \
  switch (2 * order + (quick != 0)) {   \
    case 0: loop(0, 0); break;          \
    case 1: loop(1, 0); break;          \
    case 2: loop(0, 1); break;          \
    case 3: loop(1, 1); break;          \
    case 4: loop(0, 2); break;          \
    case 5: loop(1, 2); break;          \
    case 6: loop(0, 3); break;          \
    default: loop(1, 3); break;         \
  }

CK_KERNEL(void, ck_gelu, (float *out, const float *x, int quick, int order, size_t n), (out, x, quick, order, n)) {
#define LOOP(form, degree) \
  for (size_t i = 0; i < n; i += 16) f32_store(out + i, gelu(f32_load(x + i, n - i), form, degree), n - i)
  GELU_FORMS(LOOP)
#undef LOOP
}

CK_KERNEL(void, ck_gelu_product, (float *out, const float *g, const float *x, int quick, int order, size_t n),
          (out, g, x, quick, order, n)) {
#define LOOP(form, degree)           \
  for (size_t i = 0; i < n; i += 16) \
  f32_store(out + i, f32_load(g + i, n - i) * gelu(f32_load(x + i, n - i), form, degree), n - i)
  GELU_FORMS(LOOP)
#undef LOOP
}

CK_KERNEL(void, ck_geglu, (float *out, const float *x, size_t rows, size_t columns), (out, x, rows, columns)) {
  for (size_t r = 0; r < rows; r++, x += 2 * columns, out += columns)
    for (size_t i = 0; i < columns; i += 16)
      f32_store(out + i, f32_load(x + i, columns - i) * gelu(f32_load(x + columns + i, columns - i), 0, 0), columns - i);
}

CK_KERNEL(void, ck_geglu_backward, (float *dx, const float *dy, const float *x, size_t rows, size_t columns),
          (dx, dy, x, rows, columns)) {
  for (size_t r = 0; r < rows; r++, x += 2 * columns, dx += 2 * columns, dy += columns)
    for (size_t i = 0; i < columns; i += 16) {
      const size_t n = columns - i;
      const f32x16 g = f32_load(dy + i, n), gate = f32_load(x + columns + i, n);
      f32x16 bell;
      const f32x16 phi = normal_distribution(gate, &bell);
      f32_store(dx + i, g * gate * phi, n);
      f32_store(dx + columns + i, g * f32_load(x + i, n) * (phi + gate * bell * 0.3989422804f), n);
    }
}

CK_INLINE void bias_silu_loop(float *out, float *z, const float *bias, int slope, size_t columns) {
  for (size_t i = 0; i < columns; i += 16) {
    const f32x16 v = f32_load(z + i, columns - i) + f32_load(bias + i, columns - i);
    const f32x16 s = 1.0f / (1.0f + f32_exp(-v));
    f32_store(z + i, slope ? s * (1.0f + v * (1.0f - s)) : v, columns - i);
    f32_store(out + i, v * s, columns - i);
  }
}

CK_KERNEL(void, ck_bias_silu,
          (float *out, float *z, const float *bias, const float *indices, int slope, size_t rows, size_t columns),
          (out, z, bias, indices, slope, rows, columns)) {
  for (size_t r = 0; r < rows; r++, z += columns, out += columns) {
    const float *row = indices ? bias + (size_t)indices[r] * columns : bias;
    if (slope)
      bias_silu_loop(out, z, row, 1, columns);
    else
      bias_silu_loop(out, z, row, 0, columns);
  }
}

CK_KERNEL(void, ck_add_bias, (float *out, const float *x, const float *bias, size_t rows, size_t columns),
          (out, x, bias, rows, columns)) {
  for (size_t r = 0; r < rows; r++, x += columns, out += columns)
    for (size_t i = 0; i < columns; i += 16)
      f32_store(out + i, f32_load(x + i, columns - i) + f32_load(bias + i, columns - i), columns - i);
}

CK_KERNEL(void, ck_column_sums, (float *out, const float *x, size_t rows, size_t columns, int accumulate),
          (out, x, rows, columns, accumulate)) {
  for (size_t i = 0; i < columns; i += 16) {
    f32x16 even = accumulate ? f32_load(out + i, columns - i) : f32_all(0), odd = f32_all(0);
    size_t r = 0;
    for (; r + 2 <= rows; r += 2) {
      even += f32_load(x + r * columns + i, columns - i);
      odd += f32_load(x + (r + 1) * columns + i, columns - i);
    }
    if (r < rows) even += f32_load(x + r * columns + i, columns - i);
    f32_store(out + i, even + odd, columns - i);
  }
}

CK_KERNEL(void, ck_sum, (float *out, float a, const float *x, float b, const float *y, size_t n),
          (out, a, x, b, y, n)) {
  for (size_t i = 0; i < n; i += 16)
    f32_store(out + i, a * f32_load(x + i, n - i) + b * f32_load(y + i, n - i), n - i);
}

CK_KERNEL(void, ck_product, (float *out, const float *x, const float *y, size_t n), (out, x, y, n)) {
  for (size_t i = 0; i < n; i += 16) f32_store(out + i, f32_load(x + i, n - i) * f32_load(y + i, n - i), n - i);
}

CK_KERNEL(void, ck_scale_rows, (float *out, const float *x, const float *scale, size_t rows, size_t columns),
          (out, x, scale, rows, columns)) {
  for (size_t r = 0; r < rows; r++, x += columns, out += columns)
    for (size_t i = 0; i < columns; i += 16)
      f32_store(out + i, scale[r] * f32_load(x + i, columns - i), columns - i);
}

CK_KERNEL(void, ck_row_sums, (float *out, const float *x, size_t rows, size_t columns), (out, x, rows, columns)) {
  for (size_t r = 0; r < rows; r++, x += columns) {
    f32x16 sum = f32_all(0);
    for (size_t i = 0; i < columns; i += 16) sum += f32_load(x + i, columns - i);
    out[r] = (float)f32_sum(sum);
  }
}

CK_KERNEL(double, ck_weighted_squares, (const float *x, const float *weight, size_t rows, size_t columns),
          (x, weight, rows, columns)) {
  double total = 0;
  for (size_t r = 0; r < rows; r++, x += columns) {
    f32x16 sum = f32_all(0);
    for (size_t i = 0; i < columns; i += 16) {
      f32x16 v = f32_load(x + i, columns - i);
      sum += v * v;
    }
    total += (double)weight[r] * f32_sum(sum);
  }
  return total;
}

CK_KERNEL(void, ck_perturb,
          (float *input, float *target, const float *data, const double *noise, const double *coefficients,
           size_t rows, size_t dimension),
          (input, target, data, noise, coefficients, rows, dimension)) {
  for (size_t r = 0; r < rows; r++, coefficients += 4) {
    const double a = coefficients[0], b = coefficients[1], c = coefficients[2], d = coefficients[3];
    for (size_t j = 0; j < dimension; j++) {
      const double z = noise[j], value = (double)data[j];
      input[j] = (float)(a * value + b * z);
      target[j] = (float)(c * value + d * z);
    }
    data += dimension;
    noise += dimension;
    input += dimension;
    target += dimension;
  }
}

CK_KERNEL(void, ck_sinusoids,
          (float *out, const float *t, const float *frequencies, int order, size_t rows, size_t half, size_t ld),
          (out, t, frequencies, order, rows, half, ld)) {
  const double turns_per_radian = 0.15915494309189533577;
  for (size_t r = 0; r < rows; r++) {
    float *sines = out + r * ld, *cosines = sines + half;
    for (size_t k = 0; k < half; k += 8) {
      const size_t n = half - k < 8 ? half - k : 8;
      f64x8 w = f64_all(0), sine, cosine;
      if (n == 8)
        w = __builtin_convertvector(*(const f32x8_unaligned *)(frequencies + k), f64x8);
      else
        for (size_t i = 0; i < n; i++) w[i] = (double)frequencies[k + i];
      // A derivative of order p multiplies by w^p and advances the phase by p quarter turns.
      f64x8 turns = w * ((double)t[r] * turns_per_radian) + 0.25 * order;
      f64_sincos_turns(turns - __builtin_elementwise_floor(turns), &sine, &cosine);
      for (int p = 0; p < order; p++) sine *= w, cosine *= w;
      if (n == 8) {
        *(f32x8_unaligned *)(sines + k) = __builtin_convertvector(sine, f32x8_unaligned);
        *(f32x8_unaligned *)(cosines + k) = __builtin_convertvector(cosine, f32x8_unaligned);
      } else {
        for (size_t i = 0; i < n; i++) sines[k + i] = (float)sine[i], cosines[k + i] = (float)cosine[i];
      }
    }
  }
}

CK_KERNEL(double, ck_reduce, (float *out, const float *const *buffers, size_t count, size_t first, size_t n),
          (out, buffers, count, first, n)) {
  double total = 0;
  for (size_t i = 0; i < n; i += 16) {
    f32x16 sum = f32_load(buffers[0] + first + i, n - i);
    for (size_t b = 1; b < count; b++) sum += f32_load(buffers[b] + first + i, n - i);
    f32_store(out + i, sum, n - i);
    total += f32_sum(sum * sum);
  }
  return total;
}

CK_KERNEL(void, ck_adam,
          (const ck_adam_step *step, float *parameters, const float *gradients, float *first, float *second,
           float *averages, size_t n),
          (step, parameters, gradients, first, second, averages, n)) {
  const ck_adam_step s = *step;
  for (size_t i = 0; i < n; i += 16) {
    f32x16 g = f32_load(gradients + i, n - i) * s.gradient_scale;
    f32x16 m = f32_load(first + i, n - i) * s.beta1 + g * (1.0f - s.beta1);
    f32x16 v = f32_load(second + i, n - i) * s.beta2 + g * g * (1.0f - s.beta2);
    f32x16 p = f32_load(parameters + i, n - i) * (1.0f - s.decay);
    p -= s.rate * m / (__builtin_elementwise_sqrt(v) * s.second_correction + s.epsilon);
    f32x16 a = f32_load(averages + i, n - i);
    f32_store(first + i, m, n - i);
    f32_store(second + i, v, n - i);
    f32_store(parameters + i, p, n - i);
    f32_store(averages + i, p + s.average * (a - p), n - i);
  }
}
