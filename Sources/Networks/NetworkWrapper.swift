// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Tensors

/// A network around another one, whose properties and outputs it has where it says nothing else. Which parameters there
/// are it says itself. What `forward` is to do otherwise, `forwardWithDivergence` is too, or `hasDivergence` is false.
public protocol NetworkWrapper: Network {
  /// The network inside.
  var inner: any Network { get }

  /// Lets the network inside compute, under the parameters that it is to have. Default: those of the tape.
  func within(_ tape: Tape, _ body: (any Network) -> Tensor) -> Tensor
}

extension NetworkWrapper {
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

  public func within(_ tape: Tape, _ body: (any Network) -> Tensor) -> Tensor { body(inner) }

  public func encodeCondition(_ told: Tensor, on tape: Tape) -> Tensor {
    within(tape) { $0.encodeCondition(told, on: tape) }
  }

  public func forward(_ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape) -> Tensor {
    within(tape) { $0.forward(x, noiseLevel: noiseLevel, second: second, condition: condition, on: tape) }
  }

  public func forwardWithDivergence(
    _ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape
  ) -> Tensor {
    within(tape) { $0.forwardWithDivergence(x, noiseLevel: noiseLevel, second: second, condition: condition, on: tape) }
  }
}
