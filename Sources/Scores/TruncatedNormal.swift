// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// The law of z ~ N(0, 1) given α ≤ z ≤ β: its mass and moments, also where all of it lies in a tail or is nearly flat.
public struct TruncatedNormal: Sendable, Equatable {
  /// ln P(α ≤ z ≤ β)
  public let logMass: Double
  /// E[z]
  public let mean: Double
  /// Var[z]
  public let variance: Double

  /// - Precondition: α < β
  public init(from low: Double, to high: Double) {
    // In the upper tail all is mirrored, so that masses are small numbers, and not close to 1.
    let isMirrored = low + high > 0
    let (a, b) = isMirrored ? (-high, -low) : (low, high)
    let width = b - a
    if width < 1e-4 || width < 1e-4 / max(1, -0.5 * (a + b)) {
      // e^(−c u) over the interval about its middle c, to second order in the width.
      let c = 0.5 * (a + b)
      let square = width * width / 12
      logMass = -0.5 * c * c - 0.5 * log(2 * .pi) + log(width)
      mean = (isMirrored ? -1 : 1) * (c - c * square)
      variance = square
      return
    }
    if b < -25 {
      // Far out: with z = b − e, e has the density e^(−λ e − e²/2) with λ = −b. Moments M of the exponential law on the
      // interval, and e²/2 to first order.
      let rate = -b
      let cut = exp(-rate * width)
      let end = cut > 0 ? cut / (1 - cut) : 0
      let first = 1 / rate - (cut > 0 ? width * end : 0)
      let second = 2 / rate * first - (cut > 0 ? width * width * end : 0)
      let third = 3 / rate * second - (cut > 0 ? width * width * width * end : 0)
      logMass = -0.5 * b * b - 0.5 * log(2 * .pi) - log(rate) + log1p(-cut) - 0.5 * second
      mean = (isMirrored ? -1 : 1) * (b - (first - 0.5 * (third - first * second)))
      variance = second - first * first
      return
    }
    let mass = 0.5 * (erfc(-b / 2.0.squareRoot()) - erfc(-a / 2.0.squareRoot()))
    let (lower, upper) = (Self.density(a), Self.density(b))
    let mean = (lower - upper) / mass
    let edges = (a.isFinite ? a * lower : 0) - (b.isFinite ? b * upper : 0)
    logMass = log(mass)
    self.mean = isMirrored ? -mean : mean
    // In the tail the terms cancel: no variance is above that of an even spread.
    variance = min(max(0, 1 + edges / mass - mean * mean), width * width / 12)
  }

  /// φ(z)
  private static func density(_ z: Double) -> Double { exp(-0.5 * z * z) / (2 * .pi).squareRoot() }
}
