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
  private enum Source {
    case floats(UnsafePointer<Float>)
    case stored(StoredParameters)
  }

  let layout: ParameterLayout
  private var source: Source
  /// Keeps prepared weights alive.
  private let prepared: PreparedWeights?
  /// For convolutions by weights that stay; nil where they change from pass to pass.
  let workspace: OpaquePointer?
  /// Tensors in place of some parameters, by their indices.
  private var replacements: [Int: Tensor] = [:]
  /// Floats of the large parameter that was read last.
  private var widened: (memory: UnsafeMutablePointer<Float>, capacity: Int)?

  /// A flat buffer in the layout's order. It must stay valid while a pass uses it.
  public var values: UnsafePointer<Float> {
    get {
      guard case .floats(let values) = source else { preconditionFailure("parameters that are no flat buffer") }
      return values
    }
    set { source = .floats(newValue) }
  }

  /// - Parameters:
  ///   - layout: where each parameter lies.
  ///   - values: a flat buffer in the layout's order, which must stay valid.
  ///   - prepared: convolution weights as kernels want them, where the values stay; sets of equal values share them.
  ///   - winograd: whether 3 × 3 convolutions may use Winograd's filtering.
  public init(
    _ layout: ParameterLayout, values: UnsafePointer<Float>, prepared: PreparedWeights? = nil, winograd: Bool = true
  ) {
    (self.layout, source, self.prepared) = (layout, .floats(values), prepared)
    workspace = prepared.map { ck_workspace_make($0.handle, winograd ? 1 : 0) }
  }

  /// Parameters that stay as a file had them. In a pass that is recorded all of them become floats; in one that is not,
  /// one large parameter at a time, which is read by the operation that follows and by none after the next is asked
  /// for.
  /// - Parameters:
  ///   - stored: the parameters.
  ///   - prepared: convolution weights as kernels want them, of those that are kept as floats; shared as above.
  ///   - winograd: whether 3 × 3 convolutions may use Winograd's filtering.
  public init(_ stored: StoredParameters, prepared: PreparedWeights? = nil, winograd: Bool = true) {
    (layout, source, self.prepared) = (stored.layout, .stored(stored), prepared)
    workspace = prepared.map { ck_workspace_make($0.handle, winograd ? 1 : 0) }
  }

  deinit {
    if let workspace { ck_workspace_free(workspace) }
    if let widened { ck_free_memory(widened.memory, 4 * widened.capacity) }
  }

  /// Within a pass: tensors of the pass in place of some parameters, to whose makers derivatives flow.
  /// - Parameters:
  ///   - replacements: by the indices of the parameters, of their shapes.
  ///   - body: what reads them.
  func replacing<Result>(_ replacements: [Int: Tensor], _ body: () throws -> Result) rethrows -> Result {
    let outer = self.replacements
    self.replacements = replacements
    defer { self.replacements = outer }
    return try body()
  }

  /// What tells these parameters from others.
  var identity: ObjectIdentifier {
    if case .stored(let stored) = source { ObjectIdentifier(stored) } else { ObjectIdentifier(self) }
  }

  /// A parameter as floats; on a tape, whose memory small ones of 16 bits take.
  func parameter(_ index: Int, on tape: Tape) -> Tensor {
    if let tensor = replacements[index] { return tensor }
    let entry = layout.entries[index]
    // Parameters are never written through a tensor.
    let values: UnsafeMutablePointer<Float>
    switch source {
    case .floats(let base): values = UnsafeMutablePointer(mutating: base + entry.offset)
    case .stored(let stored) where stored.kinds[index] == .single: values = stored.floats(ofParameter: index)
    case .stored(let stored):
      values =
        tape.recording || entry.count < 1 << 16
        ? tape.constant(rows: 1, columns: entry.count).values : room(for: entry.count)
      stored.widen(index, into: values)
    }
    return Tensor(values: values, rows: entry.rows, columns: entry.columns)
  }

  /// The memory for a large parameter.
  private func room(for count: Int) -> UnsafeMutablePointer<Float> {
    if let widened, widened.capacity >= count { return widened.memory }
    if let widened { ck_free_memory(widened.memory, 4 * widened.capacity) }
    let memory = ck_zeroed_memory(4 * count).assumingMemoryBound(to: Float.self)
    widened = (memory, count)
    return memory
  }

  func contains(_ tensor: Tensor) -> Bool {
    switch source {
    case .floats(let values):
      let place = UnsafePointer(tensor.values)
      return values <= place && place < values + layout.count
    case .stored(let stored): return stored.contains(tensor)
    }
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

  /// The same with some of the set's parameters replaced by tensors of the pass, which may be trained.
  /// - Parameters:
  ///   - set: the parameters that are read.
  ///   - replacements: by the indices of the parameters in the set's layout, of their shapes.
  ///   - body: what reads them.
  public func with<Result>(
    _ set: ParameterSet, replacing replacements: [Int: Tensor], _ body: () throws -> Result
  ) rethrows -> Result {
    try set.replacing(replacements) { try with(set, body) }
  }
}
