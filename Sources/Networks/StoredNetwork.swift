// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Synchronization
import Tensors

/// A network whose parameters stay as a file had them, 16-bit floats included, and are never trained. As a network it
/// has no parameters: its layout is empty.
public struct StoredNetwork: NetworkWrapper {
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

  public var layout: ParameterLayout { ParameterLayout() }

  public func initialParameters(seed: UInt64) -> [Float] { [] }

  public func within(_ tape: Tape, _ body: (any Network) -> Tensor) -> Tensor {
    sets.with({ ParameterSet(parameters, prepared: sets.prepared, winograd: inner.usesWinograd) }) { set in
      tape.with(set) { body(inner) }
    }
  }
}
