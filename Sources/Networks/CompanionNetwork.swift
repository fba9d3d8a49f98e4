// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Tensors

/// A network with a second one of the same layers beside it, its companion, which is trained with it and then of no
/// more use: the score of what the first one generates, as distillation by matched distributions asks for (Yin et al.
/// 2024, DMD2).
///
/// The companion's tensors have the names of the network's own with `companion.` before them, and begin with the same
/// values.
public struct CompanionNetwork: Network {
  /// The network itself.
  public let inner: any Network
  public let layout: ParameterLayout
  /// What the names of the companion's tensors begin with.
  public static let prefix = "companion."

  /// A network and its companion.
  public init(_ inner: any Network) {
    self.inner = inner
    var layout = inner.layout
    layout.add(inner.layout, prefix: Self.prefix)
    self.layout = layout
  }

  public var dimension: Int { inner.dimension }
  public var outputDimension: Int { inner.outputDimension }
  public var noiseInput: NoiseLevelInput { inner.noiseInput }
  public var conditionShape: ConditionShape { inner.conditionShape }
  public var textInput: (any TextInput)? { inner.textInput }
  public var knowsNothing: Bool { inner.knowsNothing }
  public var takesSecond: Bool { inner.takesSecond }
  public var hasDivergence: Bool { inner.hasDivergence }
  public var takesRawInput: Bool { inner.takesRawInput }
  public var shardRows: ClosedRange<Int> { inner.shardRows }
  public var evaluationRows: Int { inner.evaluationRows }
  public var usesWinograd: Bool { inner.usesWinograd }

  public func initialParameters(seed: UInt64) -> [Float] {
    let values = inner.initialParameters(seed: seed)
    return values + values
  }

  public func encodeCondition(_ told: Tensor, on tape: Tape) -> Tensor { inner.encodeCondition(told, on: tape) }

  public func forward(_ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape) -> Tensor {
    inner.forward(x, noiseLevel: noiseLevel, second: second, condition: condition, on: tape)
  }

  public func forwardWithDivergence(
    _ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape
  ) -> Tensor {
    inner.forwardWithDivergence(x, noiseLevel: noiseLevel, second: second, condition: condition, on: tape)
  }

  /// Evaluates the companion: within `body`, `forward` is that of its parameters.
  public func withCompanion<Result>(on tape: Tape, _ body: () throws -> Result) rethrows -> Result {
    try tape.shifted(by: inner.layout.entries.count, body)
  }
}
