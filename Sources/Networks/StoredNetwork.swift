// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Synchronization
import Tensors

/// A network whose parameters stay as a file had them, 16-bit floats included, and are never trained. As a network it
/// has no parameters: its layout is empty.
public struct StoredNetwork: Network {
  /// The network without its parameters.
  public let inner: any Network
  /// Its parameters.
  public let parameters: StoredParameters
  private let sets: Sets

  /// Parameter sets, each lent to one pass at a time, with the weights that kernels prepared from them.
  private final class Sets: Sendable {
    let prepared: PreparedWeights
    private let free = Mutex<[Lent]>([])

    private struct Lent: @unchecked Sendable { let set: ParameterSet }

    init(_ count: Int) { prepared = PreparedWeights(limit: PreparedWeights.limit(parameters: count)) }

    func with<Result>(_ make: () -> ParameterSet, _ body: (ParameterSet) -> Result) -> Result {
      let set = free.withLock { $0.popLast() }?.set ?? make()
      let result = body(set)
      let lent = Lent(set: set)
      free.withLock { $0.append(lent) }
      return result
    }
  }

  /// - Precondition: parameters of the network's layout.
  public init(_ inner: any Network, parameters: StoredParameters) {
    precondition(inner.layout == parameters.layout, "parameters of another network")
    (self.inner, self.parameters) = (inner, parameters)
    sets = Sets(inner.layout.count)
  }

  public var dimension: Int { inner.dimension }
  public var outputDimension: Int { inner.outputDimension }
  public var layout: ParameterLayout { ParameterLayout() }
  public var noiseInput: NoiseLevelInput { inner.noiseInput }
  public var conditionShape: ConditionShape { inner.conditionShape }
  public var knowsNothing: Bool { inner.knowsNothing }
  public var takesSecond: Bool { inner.takesSecond }
  public var takesRawInput: Bool { inner.takesRawInput }
  public var shardRows: ClosedRange<Int> { inner.shardRows }
  public var evaluationRows: Int { inner.evaluationRows }
  public var usesWinograd: Bool { inner.usesWinograd }

  public func initialParameters(seed: UInt64) -> [Float] { [] }

  public func forward(
    _ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape
  ) -> Tensor {
    sets.with({ ParameterSet(parameters, prepared: sets.prepared, winograd: inner.usesWinograd) }) { set in
      tape.with(set) { inner.forward(x, noiseLevel: noiseLevel, second: second, condition: condition, on: tape) }
    }
  }
}
