// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// γ of a stochastic interpolant x_t = m x₀ + σ z + γ(t) w (Albergo, Boffi and Vanden-Eijnden 2023), with w standard
/// normal and s = t/T: 0 at both ends, so that x_0 and x_T stay what they are.
public struct InterpolantNoise: Sendable, Equatable {
  /// The form of γ.
  public enum Form: String, Sendable, CaseIterable {
    /// 0: a deterministic path between the ends.
    case none
    /// a √(s (1 − s)): a Brownian bridge, whose rate grows without bound at the ends.
    case brownian
    /// a s (1 − s)
    case quadratic
    /// a sin²(π s)
    case sineSquared = "sine-squared"
  }

  /// The form.
  public let form: Form
  /// a ≥ 0
  public let scale: Double

  /// γ of a form and a scale.
  public init(_ form: Form, scale: Double = 1) {
    precondition(scale >= 0, "a ≥ 0")
    (self.form, self.scale) = (form, scale)
  }

  /// No noise.
  public static let none = InterpolantNoise(.none, scale: 0)

  /// γ and dγ/ds.
  public func at(_ s: Double) -> (value: Double, rate: Double) {
    switch form {
    case .none: return (0, 0)
    case .brownian:
      let root = max(s * (1 - s), 0x1p-60).squareRoot()
      return (scale * root, scale * (0.5 - s) / root)
    case .quadratic: return (scale * s * (1 - s), scale * (1 - 2 * s))
    case .sineSquared:
      let wave = sin(.pi * s)
      return (scale * wave * wave, scale * .pi * sin(2 * .pi * s))
    }
  }
}
