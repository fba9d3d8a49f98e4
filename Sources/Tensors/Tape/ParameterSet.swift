// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// Parameters that a tape reads beside its own and does not train: those of a teacher, or an average. It belongs to one
/// worker, as the tape does.
///
///     let teacher = ParameterSet(network.layout, values: average)
///     let target = tape.with(teacher) { network.forward(x, noiseLevel: level, on: tape) }
///
/// Derivatives flow through such a network to its inputs, and never to its parameters.
public final class ParameterSet {
  let layout: ParameterLayout
  /// A flat buffer in the layout's order. It must stay valid while a pass uses it.
  public var values: UnsafePointer<Float>
  /// Keeps prepared weights alive.
  private let prepared: PreparedWeights?
  /// For convolutions by weights that stay; nil where they change from pass to pass.
  let workspace: OpaquePointer?

  /// - Parameters:
  ///   - layout: where each parameter lies.
  ///   - values: a flat buffer in the layout's order, which must stay valid.
  ///   - prepared: convolution weights as kernels want them, where the values stay; sets of equal values share them.
  ///   - winograd: whether 3 × 3 convolutions may use Winograd's filtering.
  public init(
    _ layout: ParameterLayout, values: UnsafePointer<Float>, prepared: PreparedWeights? = nil, winograd: Bool = true
  ) {
    (self.layout, self.values, self.prepared) = (layout, values, prepared)
    workspace = prepared.map { ck_workspace_make($0.handle, winograd ? 1 : 0) }
  }

  deinit { if let workspace { ck_workspace_free(workspace) } }

  func parameter(_ index: Int) -> Tensor {
    let entry = layout.entries[index]
    // Parameters are never written through a tensor.
    return Tensor(
      values: UnsafeMutablePointer(mutating: values + entry.offset), rows: entry.rows, columns: entry.columns)
  }

  func contains(_ tensor: Tensor) -> Bool {
    let place = UnsafePointer(tensor.values)
    return values <= place && place < values + layout.count
  }
}

extension Tape {
  /// Evaluates a network under other, frozen parameters: within `body`, `parameter` gives constants of this set. Sets
  /// may be nested; the inner one counts.
  public func with<Result>(_ set: ParameterSet, _ body: () throws -> Result) rethrows -> Result {
    let (outer, first) = (frozen, firstParameter)
    (frozen, firstParameter) = (set, 0)
    defer { (frozen, firstParameter) = (outer, first) }
    return try body()
  }
}
