// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A function F(x, label) with parameters, evaluated on a tape: the trainable part of a learned score.
///
/// Inputs arrive scaled to unit variance, as rows × dimension floats.
public protocol ScoreNetwork: Sendable {
  var dimension: Int { get }
  var layout: ParameterLayout { get }
  /// What the network is told about the noise level.
  var label: NoiseLabel { get }

  /// Initial values of all parameters.
  func initialParameters(seed: UInt64) -> [Float]

  /// F(x, label), of x's shape.
  /// - Parameter label: a column with a value per row, or a single value that holds for all rows.
  func forward(_ x: Tensor, label: Tensor, on tape: Tape) -> Tensor
}

/// The number that tells a network how much noise there is.
public enum NoiseLabel: String, Sendable, CaseIterable {
  /// 1000 t / T (DDPM's convention)
  case time
  /// ln(σ/m) (NCSN's convention, for any process)
  case logNoise = "log-noise"
}
