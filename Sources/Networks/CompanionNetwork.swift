// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Tensors

/// A network with a second one of the same layers beside it, its companion, which is trained with it and then of no
/// more use: the score of what the first one generates, as distillation by matched distributions asks for (Yin et al.
/// 2024, DMD2).
///
/// The companion's tensors have the names of the network's own with `companion.` before them, and begin with the same
/// values.
public struct CompanionNetwork: NetworkWrapper {
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

  public func initialParameters(seed: UInt64) -> [Float] {
    let values = inner.initialParameters(seed: seed)
    return values + values
  }

  /// Evaluates the companion: within `body`, `forward` is that of its parameters.
  public func withCompanion<Result>(on tape: Tape, _ body: () throws -> Result) rethrows -> Result {
    try tape.shifted(by: inner.layout.entries.count, body)
  }
}
