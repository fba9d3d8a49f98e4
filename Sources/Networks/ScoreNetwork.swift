import Core
// SPDX-License-Identifier: GPL-3.0-or-later
import Tensors

/// A function F(x, label, class) with parameters, evaluated on a tape: the trainable part of a learned score.
///
/// Inputs arrive scaled to about unit variance, as rows × dimension floats, unless the network wants them as they are.
public protocol ScoreNetwork: Sendable {
  var dimension: Int { get }
  /// How many values F has; `dimension`, except for states of which only some values are noised.
  var outputDimension: Int { get }
  var layout: ParameterLayout { get }
  /// What the network is told about the noise level.
  var label: NoiseLabel { get }
  /// How many classes it is conditioned on; 0: none.
  var classCount: Int { get }
  /// Whether it wants x itself, not scaled.
  var takesRawInput: Bool { get }
  /// How many rows a worker takes at a time: at most the upper bound, and in training, where a batch is shared between
  /// workers, not fewer than the lower.
  var shardRows: ClosedRange<Int> { get }
  /// Whether 3 × 3 convolutions may use Winograd's filtering.
  var usesWinograd: Bool { get }

  /// Initial values of all parameters.
  func initialParameters(seed: UInt64) -> [Float]

  /// F(x, label, class): `outputDimension` values for each row of x.
  /// - Parameters:
  ///   - label: a column with a value per row, or a single value that holds for all rows.
  ///   - classes: a column with each row's class; nil where the network knows none.
  func forward(_ x: Tensor, label: Tensor, classes: Tensor?, on tape: Tape) -> Tensor
}

extension ScoreNetwork {
  public var outputDimension: Int { dimension }
  public var classCount: Int { 0 }
  public var takesRawInput: Bool { false }
  public var shardRows: ClosedRange<Int> { 32...256 }
  public var usesWinograd: Bool { true }

  public func forward(_ x: Tensor, label: Tensor, on tape: Tape) -> Tensor {
    forward(x, label: label, classes: nil, on: tape)
  }

  /// A tape for this network; tapes with the same parameters share prepared weights.
  public func makeTape(prepared: PreparedWeights? = nil) -> Tape {
    Tape(layout, prepared: prepared, winograd: usesWinograd)
  }
}

/// The number that tells a network how much noise there is.
public enum NoiseLabel: Sendable, Equatable {
  /// 1000 t / T
  case time
  /// ln(σ/m) (NCSN's convention, for any process)
  case logNoise
  /// N t / T − 1: the index of the noise level, from 0, of a network with N of them (DDPM's convention)
  case discrete(Int)
}
