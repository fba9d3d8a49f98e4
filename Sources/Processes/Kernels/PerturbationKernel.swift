// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// The law of x_t given x_0, N(scale · x_0, variance · I).
public struct Moments: Sendable, Equatable {
  /// m(t)
  public let scale: Double
  /// v(t) = σ(t)²
  public let variance: Double

  public init(scale: Double, variance: Double) {
    self.scale = scale
    self.variance = variance
  }

  /// σ(t)
  public var deviation: Double { variance.squareRoot() }

  /// σ̃ = σ/m: the deviation of x_t/m about x_0, EDM's noise level.
  public var noiseToSignal: Double { deviation / scale }

  /// The step from time s (these moments) to a later time t: x_t = r x_s + √q z.
  public func transition(to later: Moments) -> (r: Double, q: Double) {
    let r = later.scale / scale
    return (r, max(0, later.variance - r * r * variance))
  }
}

/// The perturbation kernel of an affine process: made once per solve or training, then shared by all workers.
public protocol PerturbationKernel: Sendable {
  func moments(at t: Double) -> Moments
}

/// A kernel known in closed form.
public struct ClosedFormKernel: PerturbationKernel {
  private let formula: @Sendable (Double) -> Moments
  public init(_ formula: @escaping @Sendable (Double) -> Moments) { self.formula = formula }
  public func moments(at t: Double) -> Moments { formula(t) }
}
