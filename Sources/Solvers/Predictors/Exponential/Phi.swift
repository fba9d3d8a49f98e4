// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// φ_k(z) = ∫₀¹ e^{(1−u) z} u^{k−1}/(k−1)! du for k ≥ 1, φ_0 = e^z: the weights of exponential integrators (Hochbruck
/// and Ostermann 2010, eq. 2.10). By its series Σ zʲ/(j + k)! where |z| < 2, else by φ_k = (φ_{k−1} − 1/(k−1)!)/z.
public func phi(_ k: Int, _ z: Double) -> Double {
  if abs(z) < 2 {
    var factorial = 1.0
    for j in 1..<k + 1 { factorial *= Double(j) }
    var term = 1 / factorial
    var sum = term
    // 2²⁴/24! is 3e-17 of the first term, and less for k > 0.
    for j in 1...24 {
      term *= z / Double(j + k)
      sum += term
    }
    return sum
  }
  var value = exp(z)
  var inverse = 1.0
  for j in 0..<k {
    if j > 1 { inverse /= Double(j) }
    value = (value - inverse) / z
  }
  return value
}
