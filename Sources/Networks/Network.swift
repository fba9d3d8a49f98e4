// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Tensors

/// A function F(x, noise level, condition) with parameters, evaluated on a tape: the trainable part of a model.
///
/// Inputs arrive as rows × `dimension` floats, scaled to about unit variance unless the network wants them as they are.
public protocol Network: Sendable {
  /// How many values a row of x has.
  var dimension: Int { get }
  /// How many values a row of F has: `dimension`, except for states of which only some values are noised.
  var outputDimension: Int { get }
  /// Where each parameter lies in the flat buffer.
  var layout: ParameterLayout { get }
  /// Which number tells the network how much noise there is.
  var noiseInput: NoiseLevelInput { get }
  /// Which conditions the network is told.
  var conditionShape: ConditionShape { get }
  /// How a network that is told texts reads them; nil for others.
  var textInput: (any TextInput)? { get }
  /// Whether the network has an embedding of its own for a condition that was dropped, or is told texts: no text is the
  /// empty one.
  var knowsNothing: Bool { get }
  /// Whether the network is told a second noise level, as a map between two times wants it. Default: false.
  var takesSecond: Bool { get }
  /// Whether the network has a second output, one number a row, from which the log determinant of its map is made
  /// (`forwardWithDivergence`). Default: false.
  var hasDivergence: Bool { get }
  /// Whether the network wants x itself, not scaled.
  var takesRawInput: Bool { get }
  /// How many rows a worker takes at a time: at most the upper bound, and in training, where a batch is shared between
  /// workers, not fewer than the lower.
  var shardRows: ClosedRange<Int> { get }
  /// How many rows go through the network together where it is only evaluated: at most the upper bound of `shardRows`,
  /// and so few, in networks whose rows take long, that several threads share the rows of a small batch.
  var evaluationRows: Int { get }
  /// Whether 3 × 3 convolutions may use Winograd's filtering.
  var usesWinograd: Bool { get }

  /// Initial values of all parameters, in the layout's order.
  func initialParameters(seed: UInt64) -> [Float]

  /// What `forward` is given in place of what rows are told, where the network computes it from that alone, apart from
  /// x and the noise level: a text encoder runs once for a text, and not at every step of a solver. Default: the same.
  /// - Parameters:
  ///   - told: what each row is told, as `forward` has it; for `.text` rows × `textInput.length` numbers of tokens.
  ///   - tape: records the operations.
  /// - Returns: as many rows.
  func encodeCondition(_ told: Tensor, on tape: Tape) -> Tensor

  /// F(x, noise level, condition).
  /// - Parameters:
  ///   - x: rows × `dimension`.
  ///   - noiseLevel: what `noiseInput` says, rows × 1, or 1 × 1 where all rows share it.
  ///   - second: a second noise level of the same shapes, for networks that map between two (`takesSecond`); nil for
  ///     others, and where it is equal to the first.
  ///   - condition: what each row is told. For `.classes(n)` rows × 1 indices from 0, where n means nothing; for
  ///     `.numbers(k)` rows × (k + 1), the numbers and then 1, or zeros for nothing; for `.both(n, k)` the index and
  ///     then those; for `.text` what `encodeCondition` gives; nil only for `.nothing`.
  ///   - tape: records the operations.
  /// - Returns: rows × `outputDimension`.
  func forward(_ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape) -> Tensor

  /// F, and beside it the mean divergence of the flow between both noise levels, for a network that `hasDivergence`:
  /// its arguments are those of `forward`.
  /// - Returns: rows × (`outputDimension` + 1), the divergence in the last column.
  func forwardWithDivergence(
    _ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape
  ) -> Tensor
}

extension Network {
  public var outputDimension: Int { dimension }
  public var conditionShape: ConditionShape { .nothing }
  public var textInput: (any TextInput)? { nil }
  public var knowsNothing: Bool { conditionShape == .text }
  public var takesSecond: Bool { false }
  public var hasDivergence: Bool { false }

  public func forwardWithDivergence(
    _ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape
  ) -> Tensor { preconditionFailure("a network without a divergence") }

  public var takesRawInput: Bool { false }
  public var shardRows: ClosedRange<Int> { 32...256 }
  public var evaluationRows: Int { shardRows.upperBound }
  public var usesWinograd: Bool { true }

  public func encodeCondition(_ told: Tensor, on tape: Tape) -> Tensor { told }

  /// F(x, noise level) of a network without a condition and without a second noise level.
  public func forward(_ x: Tensor, noiseLevel: Tensor, on tape: Tape) -> Tensor {
    forward(x, noiseLevel: noiseLevel, second: nil, condition: nil, on: tape)
  }

  /// A tape for this network; tapes with the same parameters share prepared weights.
  public func makeTape(prepared: PreparedWeights? = nil) -> Tape {
    Tape(layout, prepared: prepared, winograd: usesWinograd)
  }
}
